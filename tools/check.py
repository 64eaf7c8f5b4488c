"""Every check of udpping, in one list: `make test` runs it, and CI runs `make test`.

Each check is a few plain commands (`--list` shows them, to run one by hand). All of them run even when one
fails. They run in three stages: the wheel is built; then Rust's checks, which share a build directory and so
take turns, run beside all that measures no time; the tests that measure time come last and alone.

The newest Python runs every test, the others those that depend on Python (marked `python`, less those marked
`long`). With `--full` each Python runs every test, the wheels of a release are built, intervals and tests are
tried with many fresh seeds, and a soak is made as well.

    python tools/check.py [--list] [--full] [WORD ...]     only the checks with one of the words in their name
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

from programs import IN_CI, missing
from pythons import MINORS, find_pythons

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".venv/bin"
FULL = "--full" in sys.argv
TIME_LIMIT = 3_600 if FULL else 1_800  # seconds for one command: a hang must not eat CI's time
MINUTES = 240 if FULL else 80  # for all together; what makes .venv ready takes 10 more
END = time.monotonic() + MINUTES * 60
CORES = os.cpu_count() or 1
WORKERS = 2 * CORES  # half of the time of the tests that measure time is waiting

PYTHONS = find_pythons()
OWN = sys.version_info.minor  # .venv is the venv of its Python
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
    """A name, the commands that must all exit with 0, one after another, and the programs that they need."""

    name: str
    commands: list[str]
    programs: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])

    def run(self) -> bool:
        """Run it and print one line; its whole output only if it failed."""
        if lines := missing(self.programs):
            self.told.extend(f"NB: not run: {line}" for line in lines)
            print(f"not run            {self.name}", flush=True)
            return not IN_CI
        began, output, passed = time.monotonic(), "", True
        for command in self.commands:
            output += f"$ {command}\n"
            limit = min(TIME_LIMIT, END - time.monotonic())
            try:
                done = subprocess.run(
                    shlex.split(command), cwd=ROOT, env=ENVIRONMENT, timeout=max(limit, 0.1), check=False,
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
BUILD = f"--locked --interpreter {BIN}/python"
TESTED = (
    "--profile ci --features stubs"  # one compilation is the wheel that is tested and what its stub is from
)
INSTALL = "install --quiet --no-index --find-links build/tested --no-deps --force-reinstall udpping"
REPORTS = "build/reports"
STAMP_SUITE = "1.0.0"

SYSTEMS = ["win32", "darwin"]  # as sys.platform says
TARGETS = "x86_64-pc-windows-gnu aarch64-apple-darwin"
ALL_TARGETS = f"{TARGETS} x86_64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-linux-musl"
OTHERS = ["cargo of Debian", "source of Rust's standard library"]

WHEEL_TOOLS = f"{BIN}/python -m pip install --quiet --disable-pip-version-check --group wheels"
SAME_BYTES = "logic::text logic::random logic::codec logic::special"

BARE = "--manifest-path benches/bare/Cargo.toml"
BARE_TARGET = "--target-dir target/bare"
FUZZ = "--manifest-path fuzz/Cargo.toml"

# Tests keep what they leak for as long as they run.
SANITIZED = "RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0"
ASAN = "--lib --test fuzz --test rust --target x86_64-unknown-linux-gnu --target-dir target/asan"


def venv(minor: int) -> str:
    """Name the venv of a Python."""
    return ".venv" if minor == OWN else f".venv-3.{minor}"


def pytest(minor: int, marks: str, workers: int, *, full: bool) -> Check:
    """Run the tests with these marks on a Python: all on the newest, what depends on Python on the others."""
    if minor != max(PYTHONS) and not full:
        marks = f"{marks} and python and not long"
    report = f"{REPORTS}/3.{minor}-{marks.replace(' ', '-')}.xml"
    return Check(
        f"pytest on CPython 3.{minor}: {marks}",
        [f"{venv(minor)}/bin/python tools/alone.py -n {workers} -m '{marks}' --junitxml={report}"],
    )


def stages(*, full: bool) -> list[list[list[Check]]]:
    """Give the stages, one after another, each of lanes that run side by side."""
    others = [minor for minor in PYTHONS if minor != OWN]
    wheel = [
        Check("format of Rust", ["cargo fmt --check"]),
        Check(
            "wheel, with the files that belong in it and metadata for an index",
            [
                f"rm -rf build/tested {REPORTS}",
                f"{MATURIN} build {TESTED} {BUILD} --out build/tested",
                f"{BIN}/python tools/metadata.py build/tested --check",
                f"{BIN}/python tools/wheel.py build/tested",
            ],
        ),
        Check(
            "stub is what the bindings say (else: make stubs)",
            [
                f"{MATURIN} generate-stubs {TESTED} {BUILD} --out build/stubs",
                f"{BIN}/python tools/stub.py build/stubs/udpping/_core.pyi",
                "diff -u python/udpping/_core.pyi build/stubs/udpping/_core.pyi",
            ],
        ),
    ]
    reading = [
        Check("programs that checks need", [f"{BIN}/python tools/programs.py"]),
        Check("rules of the house", [f"{BIN}/python tools/house.py"]),
        Check("ruff", [f"{BIN}/ruff check"]),
        Check("format of Python", [f"{BIN}/ruff format --check --diff"]),
        Check("mypy --strict", [f"{BIN}/mypy"]),
        Check(
            "mypy --strict, for Windows and macOS",
            [f"{BIN}/mypy --platform {each} --cache-dir .mypy_cache/{each} python" for each in SYSTEMS],
        ),
        Check(
            "workflows: actions are pinned, and no job may do more than it needs",
            [f"{BIN}/zizmor --offline --persona pedantic .github"],
        ),
        Check("pyright, strict", [f"{BIN}/pyright"]),
        *[
            Check(
                f"venv for CPython 3.{minor}",
                [f"{BIN}/python tools/pythons.py {PYTHONS[minor]} {venv(minor)}"],
            )
            for minor in others
        ],
    ]
    install = Check(
        "wheel installed for pytest on each Python",
        [
            "rm -f .venv/.wheel",  # what is in .venv then is not what `make wheel` built
            f"{BIN}/python -m pip {INSTALL}",
            *[f"{BIN}/python -m pip --python {venv(minor)} {INSTALL}" for minor in others],
        ],
    )
    manuals = Check(
        "man pages and completion are what the parsers say (else: make manuals)",
        [
            "rm -rf build/manuals",
            f"{BIN}/python tools/manuals.py build/manuals",
            "diff -ru manuals build/manuals",
        ],
    )
    rust = [
        Check("clippy", ["cargo clippy --all-targets --features python -- -D warnings"]),
        Check("cargo test, without Python", ["cargo test"]),
        Check(
            "bare program of the bench: format, clippy, build",
            [
                f"cargo fmt --check {BARE}",
                f"cargo clippy --locked {BARE} {BARE_TARGET} -- -D warnings",
                f"cargo build --release --locked {BARE} {BARE_TARGET}",
            ],
        ),
        Check("bench, smoke pass: counts, not times", [f"{BIN}/python benches/run.py --smoke"]),
        Check(
            "the core compiles for Windows and macOS",
            [f"{BIN}/python tools/targets.py check {ALL_TARGETS if full else TARGETS}"],
            OTHERS,
        ),
        Check(
            "seeds, numbers and datagrams are the same bytes on Windows, as Wine has it",
            [f"{BIN}/python tools/targets.py wine --lib -- {'' if full else SAME_BYTES}"],
            [*OTHERS, "gcc for Windows", "wine"],
        ),
        Check("cargo doc", ["cargo doc --no-deps --features python --document-private-items"]),
    ]
    fresh = f"env INTERVALS=table {BIN}/python -m pytest -n {CORES} tests/test_fresh_seeds.py"
    if full:
        rust += [
            Check(
                "the bindings compile for a CPython without the GIL",
                [f"{BIN}/python tools/targets.py free-threaded"],
            ),
            Check(
                "tests of the core with musl",
                [WHEEL_TOOLS, f"{BIN}/python tools/targets.py musl --lib --test rust"],
                OTHERS,
            ),
            Check(
                "reflector: ten million mutated packets",
                ["env UDPPING_MUTATED=10000000 cargo test --lib mutated_packets_do_no_harm"],
            ),
            Check(
                "every wheel of a release, and the sdist: size and files",
                [WHEEL_TOOLS, f"{BIN}/python tools/wheels.py"],
                OTHERS,
            ),
            Check(
                "wheel for aarch64, under qemu: a lossy server and a ping",
                [f"{BIN}/python tools/emulated.py dist/all"],
                [*OTHERS, "qemu for aarch64"],
            ),
            Check("AddressSanitizer on the tests of the core", [f"env {SANITIZED} cargo test {ASAN}"]),
            Check(
                "hostile virtual time: a million hours of clients",
                ["env UDPPING_CLIENT_HOURS=1000000 cargo test --profile ci --test rust no_verdict_is_wrong"],
            ),
            Check(
                "fuzz: format, and ten seconds for each reader of bytes",
                [f"cargo fmt --check {FUZZ}", f"{BIN}/python tools/fuzz.py 10"],
                ["compiler of C++"],
            ),
        ]
    site = Check(
        "site of the documentation: every link leads somewhere, every page is listed",
        [f"{BIN}/python tools/docs.py build/site"],
    )
    english = Check(
        "English of pages and help: short sentences, known words", [f"{BIN}/python tools/prose.py"]
    )
    untimed = [
        site,
        english,
        Check("stubtest", [f"{BIN}/python -m mypy.stubtest udpping._core"]),
        *[pytest(minor, "untimed", CORES, full=full) for minor in sorted(PYTHONS, reverse=True)],
        *([Check("intervals and tests, with fresh seeds", [fresh])] if full else []),
    ]
    # Its 82 crates take minutes to build: once, as cargo leaves alone what is installed.
    suite = Check(
        "STAMP of stamp-suite, as sender and as reflector",
        [
            f"cargo install --quiet --locked --root build/stamp-suite stamp-suite@{STAMP_SUITE}",
            f"{BIN}/python tools/alone.py -n {WORKERS} tests/full --junitxml={REPORTS}/full.xml",
        ],
    )
    wine = Check(
        "tests of the core on Windows, as Wine has it, each alone",
        [f"{BIN}/python tools/wine.py"],
        [*OTHERS, "gcc for Windows", "wine"],
    )
    timed = [
        *[pytest(minor, "not untimed", WORKERS, full=full) for minor in sorted(PYTHONS, reverse=True)],
        Check(
            "browser: tests of what notebooks show",
            [f"{BIN}/python tools/alone.py tests/browser --junitxml={REPORTS}/browser.xml"],
            ["chromium", "chromedriver"],
        ),
        Check(
            "programs written elsewhere, through a relay, as STAMP, and hosts of a mesh",
            [f"{BIN}/python tools/alone.py -n {WORKERS} tests/programs --junitxml={REPORTS}/programs.xml"],
            ["chronyd", "dnsperf", "iperf3", "irtt", "openssl", "socat", "tshark", "unbound"],
        ),
        *(
            [suite, wine, Check("soak for a quarter of an hour", [f"{BIN}/python tools/soak.py 0.25"])]
            if full
            else []
        ),
        Check("every test has run", [f"{BIN}/python tools/ran.py {REPORTS}"]),
    ]
    return [[wheel, reading], [[install, manuals]], [rust, untimed], [timed]]


def run_lane(lane: list[Check]) -> list[bool]:
    """Run checks one after another."""
    return [check.run() for check in lane]


def main(words: list[str]) -> int:
    """Run the checks whose name has one of the words in it, or all."""
    flags, words = {word for word in words if word.startswith("-")}, [w for w in words if w[0] != "-"]
    chosen = [
        [
            [check for check in lane if not words or any(word in check.name for word in words)]
            for lane in stage
        ]
        for stage in stages(full=FULL)
    ]
    checks = list(chain.from_iterable(chain.from_iterable(chosen)))
    if "--list" in flags:
        for check in checks:
            print(check.name, *check.commands, sep="\n    ")
        return 0
    if not checks:
        print(f"no check has {' or '.join(words)} in its name")
        return 2

    # A background job has SIGINT ignored, and the checks would inherit that; not so a handler.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    for minor in MINORS:
        if minor not in PYTHONS:
            print(f"--               CPython 3.{minor}: not on this machine")
    verdicts: list[bool] = []
    with ThreadPoolExecutor() as pool:
        for stage in chosen:
            verdicts += chain.from_iterable(pool.map(run_lane, stage))

    print()
    for check in checks:
        if check.told:
            print(f"{check.name}:", *check.told, sep="\n")
    failed = [check.name for check, passed in zip(checks, verdicts, strict=True) if not passed]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\n{len(checks) - len(failed)} of {len(checks)} checks are good, after {minutes} min {seconds} s")
    if failed:
        print("FAILED:", *failed, sep="\n    ")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
