"""`udpping mesh`: what it prints, and how it ends."""

from __future__ import annotations

import json
import random
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call
from meshes import hosts, rows
from udpping._mesh._frame import frame
from udpping.cli._output import Report
from udpping.cli.mesh import Whole, summary

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

QUICK = ["-c", "5", "-i", "20ms", "-W", "5s"]


def test_every_pair_is_printed_with_what_explains_its_losses() -> None:
    done = call("mesh", "--local", 3, *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 hosts, 100 % of their pairs in a round, 5 pings each\n\nhost ")
    assert [line.split() for line in done.stdout.splitlines() if re.match(r"[012] ", line)] == [
        [name, "10", "0", "10", "0"] for name in "012"
    ]
    assert "no host, pair or group stands out: 30 pings, none lost\n" in done.stdout


def test_rounds_are_counted_and_added_up() -> None:
    done = call("mesh", "--local", 3, *QUICK, "--peers", 1, "--rounds", 2)
    assert "3 hosts, 50 % of their pairs in a round" in done.stdout
    assert "round 2: 0 of 15 lost, 0.0 % (95 %: 0.0 to 20.4 %)" in done.stdout
    assert "30 pings, none lost" in done.stdout
    # Two processes of one machine have one clock.
    assert re.search(
        r"the clock of 1 is -?[\d.]+ (ns|µs|ms|s) to -?[\d.]+ (ns|µs|ms|s) ahead of that of 0", done.stdout
    )


def test_an_interrupt_ends_it_with_what_was_measured(start: Start) -> None:
    process = start("-m", "udpping", "mesh", "--local", "2", *QUICK, "--forever", "--json")
    assert process.stdout is not None
    kinds: list[str] = []
    for line in process.stdout:
        record: dict[str, Any] = json.loads(line)
        kinds.append(record["type"])
        if kinds.count("finding") == 2:
            process.send_signal(signal.SIGINT)
            break
    rest = [json.loads(line) for line in process.communicate(timeout=30)[0].splitlines()]
    assert process.returncode == 0
    assert kinds[:5] == ["host", "host", "pair", "pair", "finding"]
    assert rest[-1]["type"] == "summary"
    # Of the last round alone.
    assert {name: rest[-1][name] for name in ("hosts", "pairs", "sent", "lost")} == {
        "hosts": 2,
        "pairs": 2,
        "sent": 10,
        "lost": 0,
    }


def test_who_is_at_fault_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    every = [row._replace(source=f"\x1b[31m{row.source}") for row in rows(rng, 2, lambda _a, _b: 0)]
    named = [host._replace(name=row.source) for host, row in zip(hosts(2), every, strict=True)]
    escaped = [row._replace(target=named[1 - at].name) for at, row in enumerate(every)]
    summary(Whole(frame(escaped), named), Report(json=False))
    assert "\x1b" not in capsys.readouterr().out
    lossy = frame(rows(rng, 14, lambda _a, b: 0.5 * (b == 3)))
    summary(Whole(lossy, hosts(14)), Report(json=False))
    text = capsys.readouterr().out
    assert "host h3 loses" in text
    assert "of what it receives" in text
    # The losses of each pair have no room.
    assert "    loss" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--scheduler ADDRESS is missing, or --local N"),
        (["--local", "1"], "--local '1' is not usable: expected a whole number from 2 to 256"),
        (["--local", "3", "--scheduler", "x"], "--scheduler cannot be used with --local"),
        (["--local", "3", "--peers", "3"], "--peers 3 is not usable: expected 1 to 2, as there are 3 hosts"),
        (["--local", "3", "--peers", "some"], "--peers 'some' is not usable"),
        (["--local", "3", "--rounds", "2", "-t"], "-t/--forever cannot be used with --rounds"),
    ],
)
def test_what_cannot_be_used_is_said(words: list[str], message: str) -> None:
    done = call("mesh", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_host_that_was_not_heard_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    row = udpping.PairRow._make((0, "a", "b", "", "", None, 0, 0, 0, 0, *[None] * 13, "not heard"))
    named = [udpping.Host(name, "", "") for name in "ab"]
    summary(Whole(frame([row]), named), Report(json=False))
    assert "host a was not heard from: not heard" in capsys.readouterr().out
