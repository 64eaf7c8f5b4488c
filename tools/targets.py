"""Builds for other systems, with a Rust that has the source of the standard library: Debian's rustc-web has.

python tools/targets.py check TARGET ...     type-check the core with its bindings for each
python tools/targets.py free-threaded        type-check its bindings for a CPython without the GIL
python tools/targets.py wine [WORD ...]      run tests of the core on Windows; the words are for cargo test
python tools/targets.py musl [WORD ...]      run them with musl
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[1]
WHERE = ROOT / "target/others"
WINDOWS = "x86_64-pc-windows-gnu"
GCC = "x86_64-w64-mingw32-gcc"
MUSL = "x86_64-unknown-linux-musl"
MATURIN = ROOT / ".venv/bin/maturin"
TESTED = "panic_unwind,panic_abort,test"
# Rust's standard library takes its random numbers from a DLL that Wine 8 lacks. It is of this one function.
PRNG = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T count) {
    return SystemFunction036(to, (ULONG)count);
}
"""


def toolchain() -> dict[str, str]:
    """Give the environment in which a cargo builds the standard library as well."""
    for rustc in filter(None, map(which, ("/usr/bin/rustc", "rustc"))):
        sysroot = Path(subprocess.check_output([rustc, "--print", "sysroot"], text=True).strip())
        cargo = Path(rustc).with_name("cargo")
        if (sysroot / "lib/rustlib/src/rust/library/Cargo.lock").exists() and cargo.exists():
            # A cargo of rustup would call another rustc.
            path = f"{Path(rustc).parent}{os.pathsep}{os.environ['PATH']}"
            own = {"CARGO": str(cargo), "PATH": path, "RUSTC": rustc, "RUSTC_BOOTSTRAP": "1"}
            return os.environ | own
    sys.exit("no Rust has the source of its standard library: install rustc-web, cargo-web, rust-web-src")


def cargo(environment: dict[str, str], command: str, std: str) -> list[str]:
    """Give the words that call it."""
    return [environment["CARGO"], command, "--locked", f"-Zbuild-std=std,{std}", "--target-dir", str(WHERE)]


def check(targets: list[str]) -> int:
    """Type-check the core for these."""
    environment = toolchain()
    wanted = [word for target in targets for word in ("--target", target)]
    words = [*cargo(environment, "check", "panic_abort"), "--features", "python", *wanted]
    return subprocess.call(words, cwd=ROOT, env=environment)


def free_threaded() -> int:
    """Type-check the bindings for a CPython without the GIL, which has a stable ABI from 3.15 on only."""
    own = WHERE / "free-threaded"
    own.mkdir(parents=True, exist_ok=True)
    config = own / "config.txt"
    config.write_text("implementation=CPython\nversion=3.14\nshared=true\nbuild_flags=Py_GIL_DISABLED\n")
    words = ["cargo", "check", "--locked", "--features", "python", "--target-dir", str(own)]
    return subprocess.call(words, cwd=ROOT, env=os.environ | {"PYO3_CONFIG_FILE": str(config)})


def windows() -> tuple[dict[str, str], list[str]]:
    """Give the environment and the words that test the core under Wine."""
    beside = WHERE / WINDOWS / "debug/deps"
    beside.mkdir(parents=True, exist_ok=True)
    how = ["-shared", "-o", str(beside / "bcryptprimitives.dll"), "-x", "c", "-", "-ladvapi32"]
    subprocess.run([GCC, *how], input=PRNG, text=True, check=True)
    own = {"CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER": "wine", "WINEDEBUG": "-all"}
    environment = toolchain() | own | {"WINEPREFIX": str(WHERE / "wine")}
    return environment, [*cargo(environment, "test", TESTED), "--target", WINDOWS]


def musl() -> tuple[dict[str, str], list[str]]:
    """Give the environment and the words that test the core with musl, in programs that any Linux runs."""
    WHERE.mkdir(parents=True, exist_ok=True)
    linker = WHERE / "zig-for-musl"
    linker.write_text(f'#!/bin/sh\nexec {MATURIN} zig cc -- -target x86_64-linux-musl "$@"\n')
    linker.chmod(0o755)
    environment = toolchain()
    environment["PATH"] = f"{MATURIN.parent}{os.pathsep}{environment['PATH']}"  # maturin looks for ziglang
    environment["CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER"] = str(linker)
    environment["CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS"] = "-Clink-self-contained=no"
    return environment, [*cargo(environment, "test", TESTED), "--target", MUSL]


def main(words: list[str]) -> int:
    """Do what the words say."""
    match words:
        case ["check", *targets] if targets:
            return check(targets)
        case ["free-threaded"]:
            return free_threaded()
        case ["wine" | "musl" as system, *words]:
            environment, test = windows() if system == "wine" else musl()
            return subprocess.call([*test, *words], cwd=ROOT, env=environment)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
