"""The wheel in a folder: there is one, and it holds the face, the core, the licence, the manuals and no more.

python tools/wheel.py FOLDER
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
LIMIT = 2_200_000  # bytes of a wheel of a release
ABOUT = re.compile(
    r"udpping-[^/]+\.dist-info/(?:METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE|sboms/[^/]+)"
)


def main(folder: Path) -> int:
    """Print whatever is wrong with it."""
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        print(f"{folder} holds {len(wheels)} wheels, not one")
        return 1
    wrong = wrong_in(wheels[0])
    size, files = wheels[0].stat().st_size, len(ZipFile(wheels[0]).namelist())
    print(*wrong, f"NB: {wheels[0].name} has {size:,} bytes in {files} files", sep="\n")
    return bool(wrong)


def wrong_in(wheel: Path, limit: int | None = None) -> list[str]:
    """Say what is wrong with a wheel, and whether it is larger than `limit`."""
    size = wheel.stat().st_size
    files = {name for name in ZipFile(wheel).namelist() if not name.endswith("/")}
    about = {name for name in files if ABOUT.fullmatch(name)}
    face = {
        path.relative_to(ROOT / "python").as_posix()
        for path in ROOT.glob("python/udpping/**/*")
        if path.is_file() and path.suffix not in {".so", ".pyc", ".pyd"}
    }
    data = {
        f"{wheel.name.rpartition('-cp')[0]}.data/{path.relative_to(ROOT / 'manuals').as_posix()}"
        for path in ROOT.glob("manuals/**/*")
        if path.is_file()
    }
    core = "_core.pyd" if wheel.stem.endswith("win_amd64") else "_core.abi3.so"
    wanted = face | data | {f"udpping/{name}" for name in (core, "_core.pyi", "py.typed")}
    wrong = [f"not in the wheel: {name}" for name in sorted(wanted - files)]
    wrong += [f"should not be in the wheel: {name}" for name in sorted(files - wanted - about)]
    if not any(name.endswith("licenses/LICENSE") for name in about):
        wrong.append("not in the wheel: LICENSE")
    if limit is not None and size > limit:
        wrong.append(f"the wheel has {size:,} bytes, more than {limit:,}")
    return wrong


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1]))
