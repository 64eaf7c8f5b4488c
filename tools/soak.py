"""Try for hours what is long and hostile: `make soak HOURS=8`.

Each round has a seed of its own, which is printed with what came of it. The properties and floods of the
core draw from it, ever more cases; the tests of the face run in an order that it draws, beside processes
that keep every core busy. Beside all that, very many senders and each service run in namespaces whose
network does its worst (tools/soak_net.py). What fails is printed with the line that repeats it, and the
rounds go on; the exit code says whether anything failed.

    python tools/soak.py HOURS [SEED]      the first round has this seed
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = str(ROOT / ".venv/bin/python")
CORES = os.cpu_count() or 1
TIME_LIMIT = 3_600  # seconds for one command
LEAST, DOUBLED = 256, 8  # cases of a property in the first round; doubled so often
BUSY = [sys.executable, "-c", "while True: pass"]
PYTEST = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

# A name, a command, and whether processes keep the cores busy meanwhile.
PARTS = [
    ("properties and floods of the core", ["cargo", "test", "--profile", "ci", "--quiet"], False),
    ("what measures time, on a busy machine", [*PYTEST, "-n", str(2 * CORES), "-m", "not untimed"], True),
    ("counts of the bench, on a busy machine", [PYTHON, "benches/run.py", "--smoke"], True),
    ("what measures no time", [*PYTEST, "-n", str(CORES), "-m", "untimed"], False),
]


def run(
    command: list[str], variables: dict[str, str], seconds: float, *, busy: bool
) -> tuple[int | None, str]:
    """Give the exit code and the output of a command; no code if the time for all was up."""
    with ExitStack() as stack:
        for _ in range(CORES if busy else 0):
            hog = stack.enter_context(subprocess.Popen(BUSY))
            stack.callback(hog.kill)
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | variables, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=min(seconds, TIME_LIMIT))
        except subprocess.TimeoutExpired:
            return (1, f"it took more than {TIME_LIMIT} s") if seconds > TIME_LIMIT else (None, "")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and all that it started
            process.wait()
    return process.returncode, output


def main(hours: float, seed: int | None = None) -> int:
    """Run rounds until the time is up; print each part's result, and what failed."""
    end, number, failed = time.monotonic() + 3_600 * hours, 0, 0
    seed = random.getrandbits(32) if seed is None else seed
    draw = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    network = subprocess.Popen([PYTHON, "tools/soak_net.py", str(hours), str(seed)], cwd=ROOT)
    while time.monotonic() < end:
        cases = LEAST << min(number, DOUBLED)
        number += 1
        variables = {"PROPTEST_CASES": str(cases), "PROPTEST_RNG_SEED": str(seed), "SOAK_SEED": str(seed)}
        for name, command, busy in PARTS:
            began = time.monotonic()
            if began >= end:
                break
            code, output = run(command, variables, end - began, busy=busy)
            verdict = {0: "ok", None: "the time was up"}.get(code, "FAILED")
            print(
                f"round {number}, seed {seed}: {name}: {verdict}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
            if code:
                failed += 1
                words = " ".join(f"{name}={value}" for name, value in variables.items())
                print(f"{output}\nrepeat it with: {words} {' '.join(command)}", flush=True)
        seed = draw.getrandbits(32)
    if network.wait():
        failed += 1
    print(f"{number} rounds, {failed} parts failed")
    return bool(failed)


if __name__ == "__main__":
    hours, *first = sys.argv[1:]
    sys.exit(main(float(hours), *map(int, first)))
