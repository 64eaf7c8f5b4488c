"""Builds for other systems, with a Rust that has the source of the standard library: Debian's rustc-web has.

python tools/targets.py check TARGET ...     type-check the core with its bindings for each
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[1]
WHERE = "target/others"
STD = "-Zbuild-std=std,panic_abort"


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
    sys.exit(
        "no Rust has the source of its standard library: apt-get install rustc-web cargo-web rust-web-src"
    )


def main(words: list[str]) -> int:
    """Do what the words say."""
    environment = toolchain()
    match words:
        case ["check", *targets] if targets:
            flags = ["--locked", STD, "--target-dir", WHERE, "--features", "python"]
            flags += [word for target in targets for word in ("--target", target)]
            return subprocess.call([environment["CARGO"], "check", *flags], cwd=ROOT, env=environment)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
