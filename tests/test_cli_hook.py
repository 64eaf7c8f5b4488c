"""What `udpping monitor --exec` runs: one at a time, for a limited time, and whatever goes wrong is said."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import udpping
from common import wait_until
from udpping.cli._hook import Hook, environment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def event(number: int = 1) -> udpping.MonitorEvent:
    wall = 1_700_000_000_123_456_789
    return udpping.MonitorEvent(
        number, 5, wall, "down", "web1", None, None, "up", 7, 4_200_000_000, None, "web1 is down"
    )


def test_facts_of_an_event() -> None:
    told = environment([event()])
    assert told["UDPPING_TIME"] == "2023-11-14T22:13:20.123456Z"
    assert told["UDPPING_SECONDS"] == "4.200000"
    assert told["UDPPING_ADDRESS"] == ""


def ran(tmp_path: Path) -> list[list[str]]:
    """Give what each run of the command below wrote."""
    return [line.split("|") for line in (tmp_path / "ran").read_text(encoding="utf-8").splitlines()]


def waiting_command(tmp_path: Path) -> str:
    """Make a command that writes down each run, and waits in the first one for something in the gate."""
    os.mkfifo(tmp_path / "gate")
    program = tmp_path / "hook"
    program.write_text(
        "#!/bin/sh\n"
        'echo "$UDPPING_EVENT|$UDPPING_COUNT|$UDPPING_CLIENT|$UDPPING_CLIENTS|$UDPPING_MESSAGE" >> "$1/ran"\n'
        'test -e "$1/open" || read x < "$1/gate"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return f"{program} {tmp_path}"


def let_go(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    (tmp_path / "gate").write_text("go\n", encoding="utf-8")


def about(kind: str, client: str, before: str | None = None) -> udpping.MonitorEvent:
    return event()._replace(event=kind, client=client, before=before, message=f"{client} is {kind}")


def test_what_a_stranger_causes_keeps_no_down_from_its_run(tmp_path: Path) -> None:
    hook = Hook(waiting_command(tmp_path), limit=150)
    hook.run(about("restarted", "first"))
    wait_until((tmp_path / "ran").exists)
    began = time.process_time()
    for number in range(15_000):
        hook.run(about("restarted", f"x{number}"))
    hook.run(about("down", "web1"))
    assert time.process_time() - began < 5
    assert hook.dropped == 15_000 - 10_000
    assert list(hook.problems()) == [
        "events come faster than the command runs: it is not run for all of them"
    ]
    let_go(tmp_path)
    hook.close(patience=30)
    (problem,) = hook.problems()
    assert problem == "the command was not run for 5,000 events"
    first, second, third = ran(tmp_path)
    assert first[0] == "restarted"
    assert second == ["down", "1", "web1", "web1", "web1 is down"]
    assert third[:3] == ["restarted", "10000", "x0"]
    assert third[3].split(" ")[:2] == ["x0", "x1"]
    assert third[4] == "x0 is restarted, and 9,999 more"


def test_clients_that_come_up_share_a_run(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    hook = Hook(waiting_command(tmp_path))
    for number in range(50):
        hook.run(about("new", f"web{number}"))
        hook.run(about("up", f"web{number}", before="new"))
    hook.run(about("up", "back", before="down"))
    hook.close(patience=30)
    kinds = [(kind, count) for kind, count, *_ in ran(tmp_path)]
    assert sorted(kinds) == [("new", "50"), ("up", "1"), ("up", "50")]


def test_a_client_that_comes_and_goes_has_few_runs(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    hook = Hook(waiting_command(tmp_path))
    for number in range(1, 11):
        hook.run(about("down" if number % 2 else "up", "web1", before="down"))
    wait_until(lambda: (tmp_path / "ran").exists() and len(ran(tmp_path)) == 10)
    for _ in range(100):
        hook.run(about("down", "web1"))
    hook.run(about("down", "web2"))
    wait_until(lambda: len(ran(tmp_path)) == 11)
    hook.close(patience=30)
    assert [line[:3] for line in ran(tmp_path)[10:]] == [["down", "1", "web2"], ["down", "100", "web1"]]


def test_only_what_is_asked_for_is_run(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    hook = Hook(waiting_command(tmp_path), on={"down", "late"})
    for kind in ("new", "down", "late", "bye"):
        hook.run(about(kind, "web1", before="up"))
    hook.close(patience=30)
    assert [kind for kind, *_ in ran(tmp_path)] == ["down", "late"]


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    hook = Hook(
        f"sh -c 'sleep 1000 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait'", limit=5
    )
    hook.run(event())
    wait_until((tmp_path / "pid").exists)
    child = int((tmp_path / "pid").read_text(encoding="utf-8"))
    wait_until(lambda: not is_running(child))
    hook.close()
    (problem,) = hook.problems()
    assert re.fullmatch(r"sh was killed after \d+\.\d s, for: web1 is down", problem)


def is_running(process: int) -> bool:
    """Whether it runs, and is not merely waiting for its parent to take notice."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:  # noqa: PTH123 - as short
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_command_ends_with_is_said(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    killed, gone, fine = Hook("sh -c 'kill -9 $$'"), Hook(str(program)), Hook("true")
    program.unlink()
    for hook in (killed, gone, fine):
        hook.run(event())
        hook.close(patience=30)
    assert list(killed.problems()) == ["sh was ended by signal 9, for: web1 is down"]
    assert "could not be run: [Errno 2] No such file" in next(gone.problems())
    assert not list(fine.problems())


def test_a_command_does_not_get_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDPPING_KEY", "correct-horse-battery")
    hook = Hook(f"sh -c 'echo \"${{UDPPING_KEY-none}} $UDPPING_CLIENT\" > {tmp_path}/told'")
    hook.run(event())
    hook.close(patience=30)
    assert (tmp_path / "told").read_text(encoding="utf-8") == "none web1\n"
