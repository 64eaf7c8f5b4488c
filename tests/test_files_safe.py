"""Files of others: whatever another user or program put where udpping wants to write stays as it is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest
import udpping
from common import wait_until
from udpping import _core
from udpping.__main__ import main
from watching import ALIVE, Device, peer_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Use: TypeAlias = "Callable[[Path], None]"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are those of Unix")

HERE = "127.0.0.1"
NAMES = ("lock", "events.jsonl", "clients.tsv", "learned.tsv")


def state(path: Path) -> None:
    """Watch with a state in which this is one of the files."""
    with udpping.Monitor(HERE, 0, state=path.parent):
        pass


def log(path: Path) -> None:
    with udpping.Monitor(HERE, 0, log=path):
        pass


def boot(path: Path) -> None:
    udpping.Heartbeat(boot=path)


def lab(path: Path) -> None:
    assert main(["lab", str(path.parent), "--force"]) == 0


USES: dict[str, tuple[str, Use]] = {
    **{name: (name, state) for name in NAMES},
    "log": ("log.csv", log),
    "boot": ("boot", boot),
    "lab": ("UDPPingerServer.py", lab),
}


@pytest.fixture(params=USES)
def use(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Use]:
    """Return the file that is written, and who writes it."""
    name, who = USES[request.param]
    place = tmp_path / "place"
    place.mkdir()
    return place / name, who


def seen(place: Path) -> dict[str, tuple[object, ...]]:
    """Return type, mode, owner, links, time of change and content or target of each file."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(place.rglob("*")):
        facts = path.lstat()
        content: object = None
        if path.is_symlink():
            content = path.readlink()
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = (facts.st_mode, facts.st_uid, facts.st_nlink, facts.st_mtime_ns, content)
    return found


def refused(path: Path, use: Use, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Check that the use is refused in a sentence that names the file, and that the file stays as it was."""
    there = {str(each): facts for each, facts in seen(path.parent.parent).items() if each != str(path.parent)}
    if use is lab:
        assert main(["lab", str(path.parent), "--force"]) == 2
        error = capfd.readouterr().err
    else:
        with pytest.raises((OSError, udpping.ConfigError)) as raised:
            use(path)
        error = str(raised.value)
    assert str(path) in error
    assert told in error
    assert len(error.splitlines()) == 1
    after = seen(path.parent.parent)
    assert {each: after[each] for each in there} == there


FOREIGN = b"root:x:0:0\n"


def test_a_file_of_another_program_is_refused(
    use: tuple[Path, Use], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    path.write_bytes(FOREIGN)
    if who is lab:
        # --force is there to replace it, and it keeps its mode.
        path.chmod(0o750)
        lab(path)
        assert path.read_text(encoding="utf-8").startswith('"""')
        assert stat.S_IMODE(path.stat().st_mode) == 0o750
        return
    told = {"boot": "a file that holds a whole number", "clients.tsv": "move the file away"}
    refused(path, who, told.get(path.name, "it is not a file of a monitor"), capfd)
    assert sorted(each.name for each in tmp_path.rglob("*part*")) == []


def test_a_link_is_not_followed(
    use: tuple[Path, Use], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    path.symlink_to(victim)
    refused(path, who, "it is a link; give the name of the file that it leads to", capfd)


def test_nor_is_one_that_leads_nowhere(
    use: tuple[Path, Use], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    path.symlink_to(tmp_path / "to be made")
    refused(path, who, "it is a link", capfd)
    assert not (tmp_path / "to be made").exists()


def test_a_hard_link_is_refused(
    use: tuple[Path, Use], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    (tmp_path / "victim").write_bytes(b"")
    path.hardlink_to(tmp_path / "victim")
    refused(path, who, "it is a hard link", capfd)


def test_a_pipe_is_refused_and_nobody_waits_for_its_other_end(
    use: tuple[Path, Use], capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    os.mkfifo(path)
    refused(path, who, "it is a pipe or a device", capfd)


def test_a_directory_is_refused(use: tuple[Path, Use], capfd: pytest.CaptureFixture[str]) -> None:
    path, who = use
    path.mkdir()
    refused(path, who, "it is a directory", capfd)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_put_into_a_directory_of_all_is_refused(
    use: tuple[Path, Use], capfd: pytest.CaptureFixture[str]
) -> None:
    path, who = use
    path.parent.chmod(0o1777)
    path.write_bytes(b"")
    os.chown(path, 4711, 4711)
    refused(path, who, "it belongs to another user", capfd)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("below", ["", "below"])
@pytest.mark.parametrize("kind", ["directory", "link"])
@pytest.mark.parametrize("who", [state, log, boot])
def test_a_directory_that_another_user_put_into_one_of_all_is_refused(
    who: Use, kind: str, below: str, tmp_path: Path
) -> None:
    victim, shared = tmp_path / "victim", tmp_path / "shared"
    victim.mkdir()
    shared.mkdir()
    shared.chmod(0o1777)
    place = shared / "place"
    if kind == "link":
        place.symlink_to(victim)
    else:
        place.mkdir()
    os.chown(place, 4711, 4711, follow_symlinks=False)
    if below and who is not state:
        (place / below).mkdir()
    before = seen(tmp_path)
    with pytest.raises(
        OSError, match=f"{place} belongs to another user, in a directory that all may write to"
    ):
        who(place / below / "lock")
    assert seen(tmp_path) == before
    # A link or a directory of root's or one's own is one's own choice.
    os.chown(place, 0, 0, follow_symlinks=False)
    who(place / below / "lock")


def test_a_device_is_not_a_log() -> None:
    for device in ("/dev/null", "/dev/full", "/dev/zero"):
        with pytest.raises(OSError, match=f"cannot add to the log {device}: it is a pipe or a device"):
            udpping.Monitor(HERE, 0, log=device)


def test_only_the_owner_reads_what_is_made(tmp_path: Path) -> None:
    with (
        udpping.Monitor(HERE, 0, state=tmp_path / "state", log=tmp_path / "log") as monitor,
        Device(monitor.address, boot=_core.count_up(str(tmp_path / "boot"))) as device,
    ):
        device.rise(monitor)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    made = [tmp_path / "log", tmp_path / "boot", *(tmp_path / "state").iterdir()]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made} == dict.fromkeys(
        ("log", "boot", *NAMES), 0o600
    )


def test_our_own_files_keep_their_modes(tmp_path: Path) -> None:
    for path in (tmp_path / "log", tmp_path / "boot", *(tmp_path / name for name in NAMES)):
        if path.name != "clients.tsv":
            path.touch()
            path.chmod(0o640)
    for _ in range(2):
        with udpping.Monitor(HERE, 0, state=tmp_path, log=tmp_path / "log") as monitor:
            with Device(monitor.address) as device:
                device.rise(monitor)
            wait_until((tmp_path / "clients.tsv").exists)
        (tmp_path / "clients.tsv").chmod(0o640)
        _core.count_up(str(tmp_path / "boot"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_a_link_that_is_put_there_while_a_monitor_runs_is_told_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(FOREIGN)
    clients = tmp_path / "state/clients.tsv"
    with udpping.Monitor(HERE, 0, state=tmp_path / "state") as monitor:
        wait_until(clients.exists)
        clients.unlink()
        clients.symlink_to(victim)
        wait_until(lambda: monitor.counters.unkept is not None)
        assert str(monitor.counters.unkept).startswith("state: clients.tsv: it is a link;")
    assert victim.read_bytes() == FOREIGN
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == sorted(NAMES)


def test_a_file_of_another_program_that_is_put_there_while_a_monitor_runs_is_told_and_stays(
    tmp_path: Path,
) -> None:
    place = tmp_path / "state"
    with udpping.Monitor(HERE, 0, state=place) as monitor:
        wait_until((place / "clients.tsv").exists)
        other = tmp_path / "other"
        other.write_bytes(FOREIGN)
        other.rename(place / "clients.tsv")
        wait_until(lambda: monitor.counters.unkept is not None)
        assert str(monitor.counters.unkept).startswith("state: clients.tsv: it is not a file of a monitor")
        (place / "clients.tsv").unlink()
        wait_until((place / "clients.tsv").exists)
        other.write_bytes(FOREIGN)
        other.rename(place / "learned.tsv")
    assert str(monitor.counters.unkept).startswith("state: learned.tsv: it is not a file of a monitor")
    assert (place / "learned.tsv").read_bytes() == FOREIGN
    assert sorted(path.name for path in place.iterdir()) == sorted(NAMES)


def test_a_directory_that_is_moved_away_stays_the_one_that_is_written(tmp_path: Path) -> None:
    """Whoever puts another in its place gets nothing, and nothing there is overwritten."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "clients.tsv").write_bytes(FOREIGN)
    with udpping.Monitor(HERE, 0, state=tmp_path / "state") as monitor, Device(monitor.address) as device:
        wait_until((tmp_path / "state/clients.tsv").exists)
        (tmp_path / "state").rename(tmp_path / "moved")
        (tmp_path / "state").symlink_to(other)
        device.rise(monitor)
        assert peer_of(monitor, "device").state in ALIVE
    assert "device" in (tmp_path / "moved/clients.tsv").read_text(encoding="utf-8")
    assert seen(other) == {str(other / "clients.tsv"): seen(other)[str(other / "clients.tsv")]}
    assert (other / "clients.tsv").read_bytes() == FOREIGN


def test_what_a_killed_monitor_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "clients.new-0123456789abcdef").write_text("udpping-monitor-1\t", encoding="utf-8")
    strangers = [
        tmp_path / name for name in ("clients.new", "clients.new-1", "notes", "clients.new-0123456789abcdeg")
    ]
    for path in strangers:
        path.write_bytes(FOREIGN)
    with udpping.Monitor(HERE, 0, state=tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*NAMES, *(path.name for path in strangers)]
    )
    assert {path.read_bytes() for path in strangers} == {FOREIGN}


@pytest.mark.parametrize("written", ["", "run,time,ev", "run"])
def test_a_log_whose_title_was_cut_by_a_full_disk_is_ours(tmp_path: Path, written: str) -> None:
    path = tmp_path / "log"
    path.write_text(written, encoding="ascii")
    log(path)
    assert path.read_text(encoding="ascii") == (
        "run,time,event,client,address,seq,seconds,value,received,lost,duplicates,reordered,message\n"
    )


COUNT = "import sys; from udpping import _core; [print(_core.count_up(sys.argv[1])) for _ in range(25)]"


def test_no_two_processes_get_the_same_number(tmp_path: Path) -> None:
    path = tmp_path / "boot"
    processes = [
        subprocess.Popen([sys.executable, "-c", COUNT, path], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    numbers = [int(line) for process in processes for line in process.communicate()[0].splitlines()]
    assert sorted(numbers) == list(range(1, 201))
    assert path.read_text(encoding="ascii") == "200\n"
    assert [each.name for each in tmp_path.iterdir()] == ["boot"]


@pytest.mark.parametrize("who", [udpping.Monitor, udpping.Heartbeat], ids=["monitor", "heartbeat"])
def test_a_key_file_that_is_a_pipe_or_a_device_holds_nobody_up(
    tmp_path: Path, who: type[udpping.Monitor | udpping.Heartbeat]
) -> None:
    os.mkfifo(tmp_path / "keys")
    option = "keys" if who is udpping.Monitor else "key"
    for path in (tmp_path / "keys", "/dev/zero"):
        with pytest.raises(udpping.ConfigError, match=r"expected a regular file; .* UDPPING_KEY"):
            who(**{option: path})  # type: ignore[arg-type]
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(udpping.ConfigError, match="expected a file of at most"):
        who(**{option: tmp_path / "large"})  # type: ignore[arg-type]
