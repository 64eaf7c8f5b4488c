"""What a package index gets: a description that needs no other file, and links when there is a home."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.untimed

ROOT = Path(__file__).parents[1]
HOME = "https://example.org/udpping"
METADATA = b"""Metadata-Version: 2.4
Name: udpping
Version: 0.1.0
Description-Content-Type: text/markdown

# Another description, with [a link](docs/index.md)
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Make a wheel of two files."""
    path = tmp_path / "udpping-0.1.0-py3-none-any.whl"
    files = {"udpping/__init__.py": b"", "udpping-0.1.0.dist-info/METADATA": METADATA}
    record = "".join(f"{name},sha256={digest(content)},{len(content)}\n" for name, content in files.items())
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("udpping-0.1.0.dist-info/RECORD", f"{record}udpping-0.1.0.dist-info/RECORD,,\n")
    return path


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def rewritten(wheel: Path, home: str, *words: str) -> tuple[list[str], str]:
    """Let the tool rewrite it; return the lines of its head, and the description."""
    command = [sys.executable, str(ROOT / "tools/metadata.py"), str(wheel.parent), *words]
    subprocess.run(command, env=os.environ | {"UDPPING_HOME": home}, check=True)
    with ZipFile(wheel) as archive:
        text = archive.read("udpping-0.1.0.dist-info/METADATA")
        rows = csv.reader(archive.read("udpping-0.1.0.dist-info/RECORD").decode().splitlines())
        for name, told, _ in rows:
            assert told in {"", f"sha256={digest(archive.read(name))}"}
    head, _, description = text.decode().partition("\n\n")
    return head.splitlines(), description


def targets(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", text)


def test_without_a_home_there_are_no_links_and_no_picture(wheel: Path) -> None:
    head, description = rewritten(wheel, "")
    assert head == METADATA.decode().partition("\n\n")[0].splitlines()
    assert targets(description) == []
    assert "picture" not in description
    assert "make demo" in description


def test_with_a_home_each_link_leads_to_a_page_of_the_site(wheel: Path) -> None:
    head, description = rewritten(wheel, f"{HOME}/")
    urls = [line.removeprefix("Project-URL: ").split(", ") for line in head if line.startswith("Project-URL")]
    assert [label for label, _ in urls] == ["Homepage", "Documentation", "Changelog", "Security"]
    links = targets(description)
    assert len(links) > 10
    for link in [*links, *(url for _, url in urls)]:
        path = link.removeprefix(f"{HOME}/").removesuffix(".html")
        pages = [ROOT / f"{path}{ending}" for ending in ("", ".md", ".ipynb")]
        assert link.startswith(f"{HOME}/")
        assert path == "index" or any(page.is_file() for page in pages), link


def test_a_release_holds_the_same_files_in_fewer_bytes(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel, "a") as archive:
        archive.writestr("udpping/words.py", (ROOT / "README.md").read_bytes())
        archive.writestr("udpping/empty.py", b"")
    small = tmp_path / "small" / wheel.name
    small.parent.mkdir()
    shutil.copy(wheel, small)
    rewritten(wheel, "")
    rewritten(small, "", "--small")
    with ZipFile(wheel) as one, ZipFile(small) as other:
        assert other.testzip() is None
        about = [[(info.filename, info.external_attr) for info in each.infolist()] for each in (one, other)]
        assert about[0] == about[1]
        assert all(one.read(name) == other.read(name) for name, _ in about[0])
    assert small.stat().st_size < wheel.stat().st_size


def test_the_installed_metadata_name_what_is_tested() -> None:
    about = distribution("udpping").metadata
    classifiers = about.get_all("Classifier") or []
    assert {"Framework :: Jupyter", "Topic :: System :: Networking :: Monitoring"} <= set(classifiers)
    assert "Programming Language :: Python :: 3.11" in classifiers
    assert "packet loss" in about["Keywords"]
