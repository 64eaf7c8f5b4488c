"""Fuzz all that reads bytes with libFuzzer: `python tools/fuzz.py SECONDS [READER ...]`.

Each reader of tests/fuzz/readers gets that many seconds of one core, guided by what an input reaches,
from its corpus and from what earlier runs found (`build/fuzz`). It works with the stable toolchain:
LLVM counts the edges. An input that does harm is kept in `build/fuzz/harm`, and its first line says
what it did; mend that, and add the input to the corpus.

    python tools/fuzz.py --merge     adds a few inputs that reached more to each corpus
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOUND = ROOT / "build/fuzz"
CORPUS = ROOT / "tests/fuzz/corpus"
MOST, LONG = 16, 400  # inputs that are added to a corpus at a time, and their most bytes
LONGEST = 4_096  # bytes of an input
SLOWEST = 5  # seconds for one: a hundred times what the slowest takes
RUSTC = ["rustc", "-vV"]
COVERAGE = ["level=4", "inline-8bit-counters", "pc-table", "trace-compares"]
FLAGS = [
    "-Cpasses=sancov-module",
    *[f"-Cllvm-args=-sanitizer-coverage-{option}" for option in COVERAGE],
    "-Ccodegen-units=1",
]


def build() -> Path:
    """Build the fuzzer, and give its path."""
    host = re.search(r"^host: (.*)", subprocess.check_output(RUSTC, text=True), re.MULTILINE)
    target = host[1] if host else ""
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]
    # With a target the flags are not those of build scripts.
    command += ["--target", target, "--target-dir", "target/fuzz"]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"RUSTFLAGS": " ".join(FLAGS)})
    return ROOT / "target/fuzz" / target / "release/fuzz"


def run(fuzzer: Path, reader: str, options: list[str], folders: list[Path]) -> tuple[int, str]:
    """Run the fuzzer on a reader; give its exit code and what it printed."""
    harm = FOUND / "harm"
    harm.mkdir(parents=True, exist_ok=True)
    command = [
        str(fuzzer),
        *options,
        f"-max_len={LONGEST}",
        f"-timeout={SLOWEST}",
        f"-artifact_prefix={harm}/{reader}-",
    ]
    done = subprocess.run(
        [*command, *map(str, folders)], env=os.environ | {"UDPPING_READER": reader}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    )  # fmt: skip
    return done.returncode, done.stdout


def fuzz(fuzzer: Path, reader: str, seconds: int) -> bool:
    """Fuzz a reader, print what came of it, and say whether it bore everything."""
    found = FOUND / reader
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-print_final_stats=1"]
    code, output = run(fuzzer, reader, options, [found, CORPUS / reader])
    tried = re.search(r"stat::number_of_executed_units: (\d+)", output)
    reached = re.findall(r"cov: (\d+)", output)
    print(
        f"{reader}: {int(tried[1]) if tried else 0:,} inputs, {reached[-1] if reached else 0} edges, "
        f"{'FAILED' if code else 'ok'}",
        flush=True,
    )
    if code:
        print(output[-6_000:], flush=True)
    return code == 0


def merge(fuzzer: Path, reader: str) -> None:
    """Add to a corpus a few inputs, of all lengths, that reach more than it."""
    own, more = CORPUS / reader, FOUND / "more" / reader
    shutil.rmtree(more, ignore_errors=True)
    shutil.copytree(own, more)
    run(fuzzer, reader, ["-merge=1"], [more, FOUND / reader])
    new = [path for path in more.iterdir() if not (own / path.name).exists()]
    short = sorted((path.stat().st_size, path) for path in new if path.stat().st_size <= LONG)
    for _, path in short[:: 1 + len(short) // MOST]:
        shutil.copy(path, own / path.name[:12])


def main(words: list[str]) -> int:
    """Fuzz the readers named, or all; or merge what was found."""
    fuzzer = build()
    readers = words[1:] or sorted(path.name for path in CORPUS.iterdir())
    if words[0] == "--merge":
        for reader in readers:
            merge(fuzzer, reader)
        return 0
    return sum(not fuzz(fuzzer, reader, int(words[0])) for reader in readers) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
