"""The Pythons of this machine that udpping is tested on, and a venv for each of them.

Without arguments it lists them; with PYTHON and VENV it makes VENV ready for the tests, unless it is already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST, NEWEST_RELEASED, LIMIT = 11, 15, 30
MINORS = range(OLDEST, NEWEST_RELEASED + 1)

# The wheel is for the stable ABI, which free-threaded builds do not load; ensurepip makes a venv useful.
PROBE = """
import ensurepip, sys, sysconfig, venv
fit = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(sys.version_info.minor if fit else None)
"""


def find_pythons() -> dict[int, Path]:
    """Map each minor version to the first interpreter that really runs; pyenv's shims often do not."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        folders += sorted(Path(root).glob("versions/*/bin"))
    folders += [Path("/usr/bin"), Path("/usr/local/bin")]

    found: dict[int, Path] = {}
    for minor in range(OLDEST, LIMIT):
        candidates = [folder / f"python3.{minor}" for folder in folders]
        for python in dict.fromkeys(filter(Path.exists, candidates)):
            probe = subprocess.run([python, "-I", "-c", PROBE], capture_output=True, text=True, check=False)
            if probe.stdout.strip() == str(minor):
                found[minor] = python
                break
    return found


def make_venv(python: Path, venv: Path) -> None:
    """Make a fresh venv with the groups `test` and `data`; one made from the same manifest may stay.

    The pip of the Python that runs this fills it.
    """
    manifest = (ROOT / "pyproject.toml").read_text()
    stamp = venv / "made-from.toml"
    own_python = str(venv / "bin/python")
    if stamp.exists() and stamp.read_text() == manifest and subprocess.call([own_python, "-c", ""]) == 0:
        return
    subprocess.check_call([python, "-m", "venv", "--clear", "--without-pip", venv])
    pip = [sys.executable, "-m", "pip", "--python", own_python, "install", "--quiet"]
    pip += ["--only-binary", ":all:"]
    every = [*pip, "--group", "test", "--group", "data"]
    if subprocess.run(every, capture_output=True, check=False).returncode:
        subprocess.check_call([*pip, "--group", "test"])
        # A library without a wheel for a new Python is named and left out; its tests say that they skip.
        for library in tomllib.loads(manifest)["dependency-groups"]["data"]:
            done = subprocess.run([*pip, library], stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode and "No matching distribution found" in done.stderr:
                print(f"NB: {library} has no wheel for {python.name}; its tests are skipped there")
            elif done.returncode:
                sys.exit(done.stderr)
    stamp.write_text(manifest)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make_venv(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        for number, interpreter in find_pythons().items():
            print(f"3.{number} {interpreter}")
