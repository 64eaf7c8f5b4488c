"""Every check of udpping, in one list: `make test` runs it, and CI runs `make test`.

Each check is a few plain commands (`--list` shows them, to run one by hand). All of them run even when one
fails. Rust's checks share a build directory and so take turns; those that only read run beside them; the
tests measure time, so they come last and have the machine to themselves.

    python tools/check.py [--list] [WORD ...]     only the checks with one of the words in their name
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from pythons import MINORS, find_pythons

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".venv/bin"
TIME_LIMIT = 900  # seconds for one command: a hang must not eat CI's time
WORKERS = 2 * (os.cpu_count() or 1)  # half of the tests' time is waiting

PYTHONS = find_pythons()
ENVIRONMENT = os.environ | {
    "CARGO_TERM_COLOR": "never",
    "PYO3_PYTHON": str(BIN / "python"),  # must be absolute, or pyo3's build script looks in its own folder
    "RUSTDOCFLAGS": "-D warnings",
    "VIRTUAL_ENV": str(BIN.parent),
}

# What is told again at the end: the test runners' closing lines, whatever was skipped, our own remarks.
TELL = re.compile(
    r"^(?:test result:|SKIPPED|XFAIL|NB:) .*|^=+ .*(?:passed|failed|error|no tests).* =+$", re.MULTILINE
)


@dataclass(frozen=True)
class Check:
    """A name and the commands that must all exit with 0, one after another."""

    name: str
    commands: list[str]
    told: list[str] = field(default_factory=list[str])

    def run(self) -> bool:
        """Run it and print one line; its whole output only if it failed."""
        began, output, passed = time.monotonic(), "", True
        for command in self.commands:
            output += f"$ {command}\n"
            try:
                done = subprocess.run(
                    shlex.split(command), cwd=ROOT, env=ENVIRONMENT, timeout=TIME_LIMIT, check=False,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    encoding="utf-8", errors="replace",
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                output, passed = f"{output}{error}\n", False
            else:
                output, passed = output + done.stdout, done.returncode == 0
            if not passed:
                break
        self.told.extend(TELL.findall(output))
        verdict = "ok    " if passed else "FAILED"
        line = f"{verdict} {time.monotonic() - began:6.1f} s  {self.name}"
        print(line if passed else f"{line}\n{output}", flush=True)
        return passed


MATURIN = f"{BIN}/maturin"
INTERPRETER = f"--interpreter {BIN}/python"
INSTALL_WHEEL = "-m pip install --quiet --no-index --find-links dist --no-deps --force-reinstall udpping"

BARE = "--manifest-path benches/bare/Cargo.toml"
BARE_TARGET = "--target-dir target/bare"

RUST = [
    Check("format of Rust", ["cargo fmt --check"]),
    Check("wheel", ["rm -rf dist", f"{MATURIN} build --release --locked {INTERPRETER} --out dist"]),
    Check("wheel: size and files", [f"{BIN}/python tools/wheel.py"]),
    Check("clippy, core", ["cargo clippy --all-targets -- -D warnings"]),
    Check("clippy, with Python", ["cargo clippy --features python -- -D warnings"]),
    Check("cargo test, without Python", ["cargo test"]),
    Check(
        "bare program of the bench: format, clippy, build",
        [
            f"cargo fmt --check {BARE}",
            f"cargo clippy --locked {BARE} {BARE_TARGET} -- -D warnings",
            f"cargo build --release --locked {BARE} {BARE_TARGET}",
        ],
    ),
    Check("cargo doc, core", ["cargo doc --no-deps"]),
    Check("cargo doc, with Python", ["cargo doc --no-deps --features python --document-private-items"]),
    Check(
        "stub is what the bindings say (else: make stubs)",
        [
            f"{MATURIN} generate-stubs --features stubs {INTERPRETER} --out build/stubs",
            "diff -u python/udpping/_core.pyi build/stubs/udpping/_core.pyi",
        ],
    ),
]
READING = [
    Check("rules of the house", [f"{BIN}/python tools/house.py"]),
    Check("ruff", [f"{BIN}/ruff check"]),
    Check("format of Python", [f"{BIN}/ruff format --check --diff"]),
    Check("mypy --strict", [f"{BIN}/mypy"]),
    Check("pyright, strict", [f"{BIN}/pyright"]),
    *[
        Check(f"venv for CPython 3.{minor}", [f"{BIN}/python tools/pythons.py {python} .venv-3.{minor}"])
        for minor, python in PYTHONS.items()
    ],
]
TESTS = [
    Check("stubtest", [f"{BIN}/python {INSTALL_WHEEL}", f"{BIN}/python -m mypy.stubtest udpping._core"]),
    Check(
        "bench, smoke pass: counts, not times",
        [f"{BIN}/python {INSTALL_WHEEL}", f"{BIN}/python benches/run.py --smoke"],
    ),
    *[
        Check(
            f"pytest on CPython 3.{minor}",
            [f".venv-3.{minor}/bin/python {INSTALL_WHEEL}", f".venv-3.{minor}/bin/pytest -n {WORKERS}"],
        )
        for minor in PYTHONS
    ],
    # With .venv's own Python, into which the first of these checks puts the wheel.
    Check("browser: what notebooks show", [f"{BIN}/python {INSTALL_WHEEL}", f"{BIN}/pytest tests/browser"]),
]


def run_lane(lane: list[Check]) -> list[bool]:
    """Run checks one after another."""
    return [check.run() for check in lane]


def main(words: list[str]) -> int:
    """Run the checks whose name has one of the words in it, or all."""
    if "--list" in words:
        for check in RUST + READING + TESTS:
            print(check.name, *check.commands, sep="\n    ")
        return 0

    # A background job has SIGINT ignored, and the checks would inherit that; not so a handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    rust, reading, tests = (
        [check for check in lane if not words or any(word in check.name for word in words)]
        for lane in (RUST, READING, TESTS)
    )
    if not (chosen := rust + reading + tests):
        print(f"no check has {' or '.join(words)} in its name")
        return 2
    for minor in MINORS:
        if tests and minor not in PYTHONS:
            print(f"--               pytest on CPython 3.{minor}: not on this machine")
    with ThreadPoolExecutor() as pool:
        verdicts = list(chain.from_iterable(pool.map(run_lane, (rust, reading))))
    verdicts += run_lane(tests)

    print()
    for check in chosen:
        if check.told:
            print(f"{check.name}:", *check.told, sep="\n")
    failed = [check.name for check, passed in zip(chosen, verdicts, strict=True) if not passed]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\n{len(chosen) - len(failed)} of {len(chosen)} checks are good, after {minutes} min {seconds} s")
    if failed:
        print("FAILED:", *failed, sep="\n    ")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
