"""Files that are replaced: by one of the same owner and mode, and through no link of somebody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import udpping
from udpping._table.write import in_place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.untimed


def test_a_file_is_nobody_elses_while_it_is_written(tmp_path: Path) -> None:
    path, link, dangling = tmp_path / "run.csv", tmp_path / "latest", tmp_path / "dangling"
    path.touch(0o600)
    link.symlink_to(path)
    dangling.symlink_to(tmp_path / "new.csv")
    with in_place_of(str(link)) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
        (partial,) = [each for each in tmp_path.iterdir() if each.suffix == ".part"]
        assert len(partial.name) > 32
    with in_place_of(str(dangling)) as file:
        file.write(b"x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["dangling", "latest", "new.csv", "run.csv"]
    assert (link.is_symlink(), dangling.is_symlink()) == (True, True)
    with pytest.raises(TypeError), in_place_of(str(path)) as file:
        file.writelines([b"half", cast("bytes", None)])
    assert path.read_bytes() == b""
    assert len(list(tmp_path.iterdir())) == 4


OTHER = 54_321
"""A user that is not there."""
AS_ANOTHER = """
import os, stat, sys, udpping
run = udpping.sim.ping(count=1)
run.to_csv()  # everything is imported
from udpping import _table
import udpping._table.write
os.setgroups([]); os.setgid({other}); os.setuid({other})
for name in ("closed/there", "open/there", "closed/new"):
    try:
        run.to_csv(name)
    except OSError as error:
        print(name, type(error).__name__, error.filename)
    else:
        found = os.stat(name)
        print(name, found.st_uid, oct(stat.S_IMODE(found.st_mode)), os.listdir(os.path.dirname(name)))
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a directory that every user can enter, in one that all may write to as they may to /tmp."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_file_keeps_its_owner_or_is_written_over(shared: Path) -> None:
    for name, mode in (("closed", 0o755), ("open", 0o777)):
        (shared / name).mkdir()
        (shared / name).chmod(mode)
        (shared / name / "there").write_text("old and longer than what is new" * 99)
        (shared / name / "there").chmod(0o666)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER.format(other=OTHER)],
        cwd=shared,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "closed/there 0 0o666 ['there']",
        "open/there 0 0o666 ['there']",
        "closed/new PermissionError closed/new",
    ]
    for name in ("closed", "open"):
        assert len(udpping.load(shared / name / "there")) == 1
    mine = shared / "mine"
    mine.write_text("old")
    os.chown(mine, OTHER, OTHER)
    mine.chmod(0o640)
    inode = mine.stat().st_ino
    udpping.sim.ping(count=1).to_csv(mine)
    found = mine.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (OTHER, OTHER, 0o640)
    assert found.st_ino != inode


def test_a_link_of_somebody_else_in_a_directory_for_all_is_not_followed(shared: Path) -> None:
    directory, victim = shared / "tmp", shared / "victim"
    directory.mkdir()
    directory.chmod(0o1777)
    victim.write_text("mine")
    for name, target in (("there", victim), ("new", shared / "fresh")):
        link = directory / name
        link.symlink_to(target)
        os.lchown(link, OTHER, OTHER)
        with pytest.raises(PermissionError) as caught:
            udpping.sim.ping(count=1).to_csv(link)
        assert caught.value.filename == str(link)
    assert victim.read_text() == "mine"
    assert not (shared / "fresh").exists()
