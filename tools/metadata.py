"""Writes the metadata of the wheels in a folder as a package index needs them.

python tools/metadata.py FOLDER [--small] [--check]     small: compress them well, which takes a minute
                                                        check: let twine say whether an index shows them

UDPPING_HOME is where the site of the documentation is served, such as https://example.org/udpping. The links
of the README lead there, and so do the project's links and that for security. Without it they are left out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

ROOT = Path(__file__).parents[1]
HOME = os.environ.get("UDPPING_HOME", "").rstrip("/")
LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
PICTURE = re.compile(r"<!-- picture -->\n.*?<!-- /picture -->\n\n?", re.DOTALL)
PLACES = {
    "Homepage": "index.html",
    "Documentation": "docs/index.html",
    "Changelog": "CHANGELOG.html",
    "Security": "SECURITY.html",
}


def main(folder: Path, *, check: bool, small: bool) -> int:
    """Rewrite each wheel."""
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        rewrite(wheel, small=small)
    if not wheels:
        print(f"{folder} holds no wheel")
        return 1
    if not check:
        return 0
    twine = [sys.executable, "-m", "twine", "check", "--strict"]
    return subprocess.run([*twine, *wheels], check=False).returncode


def rewrite(wheel: Path, *, small: bool) -> None:
    """Write a wheel anew, with its metadata as an index needs them."""
    if small:
        import zopfli  # noqa: PLC0415  (only a release needs it)

        archive_of: type[ZipFile] = zopfli.ZipFile
    else:
        archive_of = ZipFile
    with ZipFile(wheel) as archive:
        files = [(info, archive.read(info)) for info in archive.infolist()]
    (name,) = (info.filename for info, _ in files if info.filename.endswith(".dist-info/METADATA"))
    texts = {info.filename: content.decode() for info, content in files if info.filename == name}
    fresh = metadata(texts[name]).encode()
    draft = wheel.with_suffix(".draft")
    with archive_of(draft, "w", ZIP_DEFLATED) as archive:
        for info, content in files:
            changed = content
            if info.filename == name:
                changed = fresh
            elif info.filename.endswith(".dist-info/RECORD"):
                line = rf"(?m)^{re.escape(name)},.*$"
                changed = re.sub(line, f"{name},{entry(fresh)}", content.decode()).encode()
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, changed, compresslevel=9)
    draft.replace(wheel)


def entry(content: bytes) -> str:
    """Return the hash and the length of a file, as RECORD has them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"


def metadata(text: str, home: str = HOME) -> str:
    """Return metadata with the project's links, and a description that needs no other file."""
    head = text.partition("\n\n")[0].splitlines()
    lines = [line for line in head if not line.startswith("Project-URL: ")]
    if home:
        lines += [f"Project-URL: {label}, {home}/{place}" for label, place in PLACES.items()]
    return "\n".join(lines) + "\n\n" + description((ROOT / "README.md").read_text(encoding="utf-8"), home)


def description(readme: str, home: str = HOME) -> str:
    """Return the README with links that lead somewhere from everywhere, or without links and picture."""

    def whole(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if "://" in target:
            return link[0]
        if not home:
            return words
        page = re.sub(r"\.(?:md|ipynb)(?=#|$)", ".html", target)
        return f"{picture}[{words}]({home}/{page})"

    return LINK.sub(whole, readme if home else PICTURE.sub("", readme))


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1], check="--check" in sys.argv, small="--small" in sys.argv))
