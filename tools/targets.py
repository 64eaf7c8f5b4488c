"""Builds for other systems, with a Rust that has the source of the standard library: Debian's rustc-web has.

python tools/targets.py check TARGET ...     type-check the core with its bindings for each
python tools/targets.py wine [WORD ...]      run tests of the core on Windows; the words are for cargo test
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


def windows() -> tuple[dict[str, str], list[str]]:
    """Give the environment and the words that test the core under Wine."""
    beside = WHERE / WINDOWS / "debug/deps"
    beside.mkdir(parents=True, exist_ok=True)
    how = ["-shared", "-o", str(beside / "bcryptprimitives.dll"), "-x", "c", "-", "-ladvapi32"]
    subprocess.run([GCC, *how], input=PRNG, text=True, check=True)
    own = {"CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER": "wine", "WINEDEBUG": "-all"}
    environment = toolchain() | own | {"WINEPREFIX": str(WHERE / "wine")}
    return environment, [*cargo(environment, "test", "panic_unwind,panic_abort,test"), "--target", WINDOWS]


def main(words: list[str]) -> int:
    """Do what the words say."""
    match words:
        case ["check", *targets] if targets:
            return check(targets)
        case ["wine", *words]:
            environment, test = windows()
            return subprocess.call([*test, *words], cwd=ROOT, env=environment)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
