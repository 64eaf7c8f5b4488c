"""Runs pytest, and what failed once more: alone, three times, each of which must pass.

Tests use real sockets and clocks, and a shared machine stands still for seconds now and then. What fails by
that alone passes when it has the machine for itself; a fault does not. A test that did so is named in what
the gate says at its end. Many such tests are no chance, and a crash never is.

    python tools/alone.py WORD ...     the words are pytest's
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TIMES = 3
MOST = 4
CRASH = "crashed while running"  # as pytest-xdist says
FAILED = 1  # pytest's exit status


def run(words: list[str]) -> tuple[int, bool]:
    """Run pytest, print what it prints, and return its exit status and whether a process of it crashed."""
    command = [sys.executable, "-m", "pytest", *words]
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    print(done.stdout, flush=True)
    return done.returncode, CRASH in done.stdout


def main(words: list[str]) -> int:
    """Run the tests; those that failed, if they are few, run again."""
    with TemporaryDirectory() as cache:
        status, crashed = run([*words, "-o", f"cache_dir={cache}"])
        found = Path(cache, "v/cache/lastfailed")
        failed = list(json.loads(found.read_text())) if found.exists() else []
    if status != FAILED or crashed or not 0 < len(failed) <= MOST:
        return status
    for _ in range(TIMES):
        if run(["-n", "0", "-p", "no:cacheprovider", *failed])[0]:
            return FAILED
    for name in failed:
        print(f"NB: failed beside others, passed {TIMES} times alone: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
