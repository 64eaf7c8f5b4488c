"""Runs the tests of tests/rust on Windows as Wine has it, each alone: they pass, or fail as is known.

python tools/wine.py [WORD ...]     only tests with one of the words in their name
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile

from targets import windows

TIME_LIMIT = 900  # seconds for one test: on a busy machine the longest takes minutes
# What Wine 8 does not do as Windows does, by a program of C that asks for it, and what a test then says.
REFUSALS = "Wine does not report refused ports: it waits where Windows says WSAECONNRESET"
KNOWN = {
    "heartbeat::a_monitor_may_start_late_stop_and_restart": (REFUSALS, "refused: 0"),
    "ping::a_closed_port_is_unreachable_at_once": (REFUSALS, "assertion failed: session.wait(LONG)"),
    "ping::several_targets_share_one_table_with_counts_of_their_own": (REFUSALS, "left: [(3, 0), (0, 0)]"),
    "ping::invalid_targets_are_errors": (
        "Wine binds to an address that no interface has, such as 192.0.2.1",
        "192.0.2.1:0",
    ),
}


def main(words: list[str]) -> int:
    """Run them, and count."""
    environment, cargo = windows()
    environment["UDPPING_CLIENT_HOURS"] = "1"  # one of the tests takes as long as it is told
    build = [*cargo, "--test", "rust", "--no-run", "--message-format=json"]
    lines = subprocess.run(build, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    built = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    (program,) = [Path(each["executable"]) for each in built if each.get("executable")]
    command = ["wine", str(program)]
    listed = subprocess.check_output([*command, "--list"], env=environment, text=True)
    names = [line.strip().removesuffix(": test") for line in listed.splitlines() if ": test" in line]
    chosen = [name for name in names if not words or any(word in name for word in words)]
    wrong = {name: text for name in chosen if (text := wrong_with(name, command, environment))}
    for name, text in wrong.items():
        print(f"\n{name}: {text}")
    known = len([name for name in chosen if name in KNOWN])
    unknown = KNOWN.keys() - set(names)
    print(*(f"there is no test {name}" for name in unknown), sep="\n")
    passed = len(chosen) - known - len(wrong.keys() - KNOWN.keys())
    print(f"NB: under Wine {passed} of {len(chosen)} tests pass, and {known} fail as Wine is known to")
    return bool(wrong or unknown)


def wrong_with(name: str, command: list[str], environment: dict[str, str]) -> str:
    """Run a test; say how it did not end as it should."""
    began = time.monotonic()
    run = [*command, "--exact", name, "--test-threads=1"]
    # Wine's services, which outlive a test by seconds, would keep a pipe open.
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        try:
            done = subprocess.run(
                run, env=environment, timeout=TIME_LIMIT, check=False, stdout=file, stderr=subprocess.STDOUT
            )
            passed, late = done.returncode == 0, ""
        except subprocess.TimeoutExpired:
            passed, late = False, f"\nnot finished after {TIME_LIMIT} s"
        file.seek(0)
        output = file.read() + late
    reason, text = KNOWN.get(name, ("", ""))
    verdict = "ok" if passed else "known" if name in KNOWN else "FAILED"
    print(f"{verdict:6} {time.monotonic() - began:6.1f} s  {name}  {reason}".rstrip(), flush=True)
    if name in KNOWN:
        return f"passes, although {reason}" if passed else "" if text in output else output
    return "" if passed else output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
