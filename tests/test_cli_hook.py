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
    told = environment(event())
    assert told["UDPPING_TIME"] == "2023-11-14T22:13:20.123456Z"
    assert told["UDPPING_SECONDS"] == "4.200000"
    assert told["UDPPING_ADDRESS"] == ""


def test_a_command_that_is_too_slow_goes_without_some_events_and_says_so_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    hook = Hook(f"sh -c 'echo >> {tmp_path}/ran; read x < {gate}'")
    hook.run(event())
    wait_until((tmp_path / "ran").exists)
    began = time.monotonic()
    for number in range(1_000):
        hook.run(event(number))
    assert time.monotonic() - began < 5
    assert hook.dropped >= 1_000 - 256
    assert list(hook.problems()) == ["events come faster than the command runs: some go without it"]
    hook.close(patience=0.2)
    first, last = hook.problems()
    assert re.fullmatch(r"sh was killed after \d+\.\d s, for: web1 is down", first)
    assert re.fullmatch(r"[\d,]+ events went without the command", last)
    assert (tmp_path / "ran").read_text(encoding="utf-8") == "\n"


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    hook = Hook(
        f"sh -c 'sleep 1000 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait'", limit=3
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
        hook.close()
    assert list(killed.problems()) == ["sh was ended by signal 9, for: web1 is down"]
    assert "could not be run: [Errno 2] No such file" in next(gone.problems())
    assert not list(fine.problems())


def test_a_command_does_not_get_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDPPING_KEY", "correct-horse-battery")
    hook = Hook(f"sh -c 'echo \"${{UDPPING_KEY-none}} $UDPPING_CLIENT\" > {tmp_path}/told'")
    hook.run(event())
    hook.close()
    assert (tmp_path / "told").read_text(encoding="utf-8") == "none web1\n"
