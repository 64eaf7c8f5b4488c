"""Builds every wheel and the sdist into dist/all/, from one Linux machine: `make wheels`.

python tools/wheels.py [NAME ...]     only those, such as macos-arm64; without names, all
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from metadata import rewrite
from targets import ROOT, toolchain
from wheel import LIMIT, wrong_in

ALL = ROOT / "dist/all"
WHERE = ROOT / "target/wheels"
PYTHON = ROOT / ".venv/bin/python"
# Without the reader of debugging information, which a wheel has none of: 120 KB.
STD = ["-Z", "build-std=std,panic_unwind", "-Z", "build-std-features=panic-unwind"]
# What a linker must know of a framework that only an unused function of a dependency asks for.
FRAMEWORK = """--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation'
current-version: 1
exports:
  - targets:     [ x86_64-macos, arm64-macos ]
    symbols:     [ _CFRelease, _CFStringGetBytes, _CFStringGetCStringPtr, _CFStringGetLength,
                   _CFTimeZoneCopySystem, _CFTimeZoneGetName, _CFTimeZoneResetSystem ]
...
"""


@dataclass(frozen=True)
class Wheel:
    """What `maturin build` is told for one system, and how the name of the file ends."""

    target: str
    options: list[str]
    ends: str


def zig(target: str, compatibility: str, ends: str) -> Wheel:
    """For Linux: zig has the libraries of each C library and version."""
    return Wheel(target, ["--zig", "--compatibility", compatibility], ends)


WHEELS = {
    "manylinux-x86_64": zig("x86_64-unknown-linux-gnu", "manylinux2014", "manylinux_2_17_x86_64"),
    "manylinux-aarch64": zig("aarch64-unknown-linux-gnu", "manylinux2014", "manylinux_2_17_aarch64"),
    "musllinux-x86_64": zig("x86_64-unknown-linux-musl", "musllinux_1_2", "musllinux_1_2_x86_64"),
    "musllinux-aarch64": zig("aarch64-unknown-linux-musl", "musllinux_1_2", "musllinux_1_2_aarch64"),
    "windows-x86_64": Wheel("x86_64-pc-windows-gnu", [], "win_amd64"),
    "macos-arm64": Wheel("aarch64-apple-darwin", ["--zig"], "macosx_11_0_arm64"),
    "macos-x86_64": Wheel("x86_64-apple-darwin", ["--zig"], "macosx_10_12_x86_64"),
}


def main(names: list[str]) -> int:
    """Build them one after another, and say what is wrong with each."""
    if unknown := set(names) - {*WHEELS, "sdist"}:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(WHEELS)} and sdist")
        return 2
    ALL.mkdir(parents=True, exist_ok=True)
    failed = [name for name in names or [*WHEELS, "sdist"] if not made(name)]
    print(*(f"FAILED: {name}" for name in failed), sep="\n")
    return bool(failed)


def made(name: str) -> bool:
    """Build one, and look into it."""
    began = time.monotonic()
    if name == "sdist":
        words, ends = ["sdist", "--out", str(ALL)], ".tar.gz"
        environment = dict(os.environ)
    else:
        words, ends, environment = build(WHEELS[name])
    for old in ALL.glob(f"*{ends}*"):
        old.unlink()
    maturin = PYTHON.with_name("maturin")
    done = subprocess.run([maturin, *words], cwd=ROOT, env=environment, check=False)
    found = list(ALL.glob(f"*{ends}*"))
    if done.returncode or len(found) != 1:
        return False
    if name == "sdist":
        wrong = []
    else:
        rewrite(found[0], small=True)
        wrong = wrong_in(found[0], LIMIT)
    size, seconds = found[0].stat().st_size, time.monotonic() - began
    print(*wrong, f"NB: {found[0].name} has {size:,} bytes, after {seconds:.0f} s", sep="\n", flush=True)
    return not wrong


def build(wheel: Wheel) -> tuple[list[str], str, dict[str, str]]:
    """Give the words for maturin, the end of the wheel's name, and the environment."""
    variable = wheel.target.upper().replace("-", "_")
    environment = toolchain() | {"PYO3_PYTHON": str(PYTHON)}
    environment["PATH"] = f"{PYTHON.parent}{os.pathsep}{environment['PATH']}"  # maturin looks for ziglang
    flags: list[str] = []
    if "darwin" in wheel.target:
        frameworks = WHERE / "frameworks"
        stub = frameworks / "CoreFoundation.framework/CoreFoundation.tbd"
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(FRAMEWORK)
        # Rust would strip with a tool of its own that Debian lacks; the linker can do it.
        environment["CARGO_PROFILE_RELEASE_STRIP"] = "none"
        flags = [f"-Clink-arg={word}" for word in ("-F", str(frameworks), "-s", "-Wl,-x")]
    if "musl" in wheel.target:
        flags = ["-Ctarget-feature=-crt-static"]
    if flags:
        environment[f"CARGO_TARGET_{variable}_RUSTFLAGS"] = " ".join(flags)
    words = ["build", "--release", "--locked", "--out", str(ALL), "--target", wheel.target]
    words += ["--target-dir", str(WHERE), *STD, *wheel.options]
    return words, wheel.ends, environment


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
