"""The programs that checks need, beside those that a build needs, and the line that installs what is missing.

Without arguments it names what is missing; with `--debian` it prints the packages of Debian that have it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SETUP = Path(__file__).with_name("setup.sh")
IN_CI = os.environ.get("CI", "") not in {"", "0", "false"}


@dataclass(frozen=True)
class Program:
    """Any of these programs or files; packages of Debian, Fedora, Arch, Alpine, and a command for macOS."""

    names: tuple[str, ...]
    needed_by: str
    packages: tuple[str, str, str, str, str]


PROGRAMS = {
    "chromium": Program(
        ("chromium", "chromium-browser", "google-chrome"),  # as in tests/browsing.py
        "tests/browser",
        ("chromium", "chromium", "chromium", "chromium", "brew install chromium"),
    ),
    "chromedriver": Program(
        ("chromedriver",),
        "tests/browser",
        ("chromium-driver", "chromedriver", "chromium", "chromium-chromedriver", "brew install chromedriver"),
    ),
    "ping": Program(
        ("ping",),
        "tests/test_formats.py",
        ("iputils-ping", "iputils", "iputils", "iputils-ping", "it comes with macOS"),
    ),
    "fping": Program(
        ("fping",), "tests/test_formats.py", ("fping", "fping", "fping", "fping", "brew install fping")
    ),
    "unshare": Program(
        ("unshare",),
        "tests in a network of their own",
        ("util-linux", "util-linux", "util-linux", "util-linux-misc", "only Linux has it"),
    ),
    "tc": Program(
        ("tc",),
        "tests in a network of their own",
        ("iproute2", "iproute-tc", "iproute2", "iproute2", "only Linux has it"),
    ),
    "cargo of Debian": Program(
        ("/usr/bin/cargo",),
        "what is built for other systems",
        ("rustc-web cargo-web", "cargo", "cargo", "cargo", "rustup component add rust-src"),
    ),
    "source of Rust's standard library": Program(
        ("/usr/lib/rustlib/src/rust/library/Cargo.lock",),
        "what is built for other systems",
        ("rust-web-src", "rust-src", "rust-src", "rust-src", "rustup component add rust-src"),
    ),
    "compiler of C++": Program(
        ("c++",), "libFuzzer, with FULL=1", ("g++", "gcc-c++", "gcc", "g++", "xcode-select --install")
    ),
    "gcc for Windows": Program(
        ("x86_64-w64-mingw32-gcc",),
        "what is built for Windows",
        (
            "gcc-mingw-w64-x86-64",
            "mingw64-gcc",
            "mingw-w64-gcc",
            "mingw-w64-gcc",
            "brew install mingw-w64",
        ),
    ),
    "wine": Program(
        ("wine",),
        "tests of the core on Windows",
        ("wine wine64", "wine", "wine", "wine", "brew install wine"),
    ),
    "qemu for aarch64": Program(
        ("qemu-aarch64",),
        "the wheel for aarch64, with FULL=1",
        ("qemu-user", "qemu-user", "qemu-user", "qemu-aarch64", "only Linux has it"),
    ),
    "irtt": Program(
        ("irtt",), "the bench and tests/programs", ("irtt", "irtt", "irtt", "irtt", "brew install irtt")
    ),
    "unbound": Program(
        ("unbound", "/usr/sbin/unbound"),
        "tests/programs",
        ("unbound", "unbound", "unbound", "unbound", "brew install unbound"),
    ),
    "dnsperf": Program(
        ("dnsperf",), "tests/programs", ("dnsperf", "dnsperf", "dnsperf", "dnsperf", "brew install dnsperf")
    ),
    "chronyd": Program(
        ("chronyd", "/usr/sbin/chronyd"),
        "tests/programs",
        ("chrony", "chrony", "chrony", "chrony", "brew install chrony"),
    ),
    "tshark": Program(
        ("tshark",),
        "tests/programs",
        ("tshark", "wireshark-cli", "wireshark-cli", "tshark", "brew install wireshark"),
    ),
    "iperf3": Program(
        ("iperf3",), "tests/programs", ("iperf3", "iperf3", "iperf3", "iperf3", "brew install iperf3")
    ),
    "openssl": Program(
        ("openssl",), "tests/programs", ("openssl", "openssl", "openssl", "openssl", "brew install openssl")
    ),
    "socat": Program(
        ("socat",), "the bench and tests/programs", ("socat", "socat", "socat", "socat", "brew install socat")
    ),
    "nginx": Program(
        ("nginx", "/usr/sbin/nginx"),
        "the bench",
        (
            "nginx-light libnginx-mod-stream",
            "nginx nginx-mod-stream",
            "nginx-mainline",
            "nginx nginx-mod-stream",
            "brew install nginx",
        ),
    ),
    "sockperf": Program(
        ("sockperf",), "the bench", ("sockperf", "sockperf", "sockperf", "sockperf", "only Linux has it")
    ),
}


def absent(names: list[str]) -> list[str]:
    """Give those of these programs that are not on this machine."""
    return [name for name in names if not any(map(is_here, PROGRAMS[name].names))]


def is_here(name: str) -> bool:
    """Tell whether a program can be run, or a file is there."""
    return bool(shutil.which(name)) or (name.startswith("/") and Path(name).exists())


def missing(names: list[str]) -> list[str]:
    """Give a sentence for each of these programs that is not on this machine, with what installs it."""
    sentences: list[str] = []
    for name in absent(names):
        program = PROGRAMS[name]
        install = subprocess.check_output(["/bin/sh", SETUP, "package", *program.packages], text=True).strip()
        sentences.append(f"{name} is not installed, which {program.needed_by} needs: {install}")
    return sentences


def main(words: list[str]) -> int:
    """Name what is missing; in CI, nothing may be."""
    names = list(PROGRAMS)
    if words == ["--debian"]:
        print(*[PROGRAMS[name].packages[0] for name in absent(names)])
        return 0
    lines = missing(names)
    for line in lines:
        print(f"NB: {line}")
    return bool(lines) and IN_CI


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
