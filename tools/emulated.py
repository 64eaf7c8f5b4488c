"""Tries the wheel for aarch64 under qemu, with Debian's Python for it, which is unpacked and not installed.

python tools/emulated.py FOLDER [WORD ...]     words: for pytest; without them, a lossy server and a ping
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHERE = ROOT / "build/aarch64"
SYSTEM = WHERE / "root"
PYTHON = SYSTEM / "usr/bin/python3.11"
SITE = WHERE / "site"
TESTERS = ["pytest>=9,<10", "pytest-timeout>=2.4,<3", "pytest-xdist>=3.8,<4"]


def system() -> None:
    """Unpack Debian's Python and what it needs, unless it is there."""
    if PYTHON.exists():
        return
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (WHERE / folder).mkdir(parents=True, exist_ok=True)
    (WHERE / "state/status").touch()  # nothing is installed there
    own = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "Dir::State": WHERE / "state",
        "Dir::State::status": WHERE / "state/status",
        "Dir::Cache": WHERE / "cache",
    }
    apt = ["apt-get", "-qq", *[word for name, value in own.items() for word in ("-o", f"{name}={value}")]]
    subprocess.run([*apt, "update"], check=True)
    wanted = ["install", "--yes", "--download-only", "--no-install-recommends", "python3.11"]
    subprocess.run([*apt, *wanted], check=True)
    for package in (WHERE / "cache/archives").glob("*.deb"):
        subprocess.run(["/usr/bin/dpkg-deb", "-x", package, SYSTEM], check=True)


def main(folder: str, words: list[str]) -> int:
    """Install the wheel beside it, and run what the words say."""
    system()
    wheels = list((ROOT / folder).glob("*manylinux*_aarch64.whl"))
    if len(wheels) != 1:
        print(f"{folder} holds {len(wheels)} wheels for aarch64, not one")
        return 1
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    place = ["--target", str(SITE), "--python-version", "3.11", "--only-binary", ":all:"]
    platforms = ["--platform", "manylinux_2_17_aarch64", "--platform", "any"]
    subprocess.run([*pip, *place, *platforms, "--no-deps", str(wheels[0])], check=True)
    if words:
        subprocess.run([*pip, *place, *platforms, *TESTERS], check=True)
    else:
        words = ["udpping", "demo", "--seed", "1"]
    tested = words if words[0] == "udpping" else ["pytest", "-p", "no:cacheprovider", *words]
    emulated = ["qemu-aarch64", "-L", str(SYSTEM), str(PYTHON), "-m", *tested]
    return subprocess.call(emulated, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(SITE)})


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
