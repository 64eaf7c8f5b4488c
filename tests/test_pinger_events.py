"""`Pinger(detector=...)` and `udpping ping --detector`: when a target is down, and up again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import IO, Any

import pytest
import udpping
from common import call, wait_until
from udpping.testing import FarEnd, free_port

pytestmark = pytest.mark.untimed
NO_LIMIT = 600
"""Seconds: what is waited for comes long before."""


def told(pinger: udpping.Pinger) -> list[str]:
    return [event.event for event in pinger.events]


def test_a_server_that_stops_is_down_and_one_that_comes_back_is_up_again() -> None:
    port = free_port()
    options: dict[str, Any] = {"count": None, "interval": 0.02, "detector": "fixed:20"}
    with udpping.Pinger("127.0.0.1", port, **options) as pinger:
        with udpping.Server("127.0.0.1", port):
            up = pinger.next_event()
            while up is not None and up.event == "down":  # it had not begun to answer
                up = pinger.next_event()
        wait_until(lambda: told(pinger)[-1] == "down", NO_LIMIT)
        down = pinger.events[-1]
        with udpping.Server("127.0.0.1", port):
            wait_until(lambda: told(pinger)[-1] == "up", NO_LIMIT)
    assert up is not None
    assert up.event == "up"
    assert up.target == f"127.0.0.1:{port}"
    assert down.seq is not None
    assert down.span_ns is not None
    assert 0 < up.wall_ns <= down.wall_ns
    assert down.span_ns < down.at_ns
    assert down.message.startswith(f"127.0.0.1:{port} is down: silent for ")
    assert down.message.endswith(f" after ping {down.seq}")
    assert {row.status for row in pinger.run()} <= {"reply", "late", "timeout", "unreachable"}
    back = pinger.events[-1]
    assert back.message.startswith(f"127.0.0.1:{port} is up again after ")
    # What happened is told alternately, each once.
    assert told(pinger)[-2:] == ["down", "up"]
    assert all(one != next_one for one, next_one in zip(told(pinger), told(pinger)[1:], strict=False))


def test_each_target_has_its_own_events_and_a_target_without_a_reply_is_down() -> None:
    with FarEnd(lambda _: None) as deaf, udpping.Server(port=0) as server:
        targets = [deaf.address, server.address]
        with udpping.Pinger(targets, count=None, interval=0.05, timeout=0.2, detector="fixed:10") as pinger:
            names = [f"{host}:{port}" for host, port in targets]
            wait_until(lambda: {event.target for event in pinger.events} == set(names), NO_LIMIT)
            of = {name: [event for event in pinger.events if event.target == name] for name in names}
        assert [event.event for event in of[names[0]]] == ["down"]
        down = of[names[0]][0]
        assert (down.seq, down.message.split(" for ")[0]) == (None, f"{names[0]} is down: no reply")
        assert down.span_ns is not None
        assert down.span_ns >= 700_000_000  # ten intervals and the timeout
        assert "up" in [event.event for event in of[names[1]]]


def test_events_are_given_once_each_and_until_the_end() -> None:
    with udpping.Server(port=0) as server:
        with udpping.Pinger(server, count=5, interval=0.01, timeout=60, detector="calibrated") as pinger:
            taken = []
            while (event := pinger.next_event()) is not None:
                taken.append(event)
            assert tuple(taken) == pinger.events
            assert told(pinger)[0] == "up"
            assert pinger.next_event(0) is None
        run = pinger.run()
    assert run.settings["detector"] == "calibrated:1 per 30 days"
    assert len(run) == 5
    assert len(list(pinger)) >= 5  # no row was taken by that


def test_without_a_detector_there_are_no_events() -> None:
    with udpping.Server(port=0) as server, udpping.Pinger(server, count=1) as pinger:
        assert "detector" not in pinger.run().settings
        assert pinger.events == ()
        with pytest.raises(udpping.ConfigError, match="detector None is not usable: expected one such as"):
            pinger.next_event()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"detector": "fixed"}, "expected interval=1 (-i 1s) as well"),
        ({"detector": "fixed", "interval": 1, "schedule": "poisson"}, 'expected schedule="isochronous"'),
        ({"detector": "fixed", "interval": 1, "schedule": "pair"}, 'expected schedule="isochronous"'),
        ({"detector": "fixed", "interval": "0.9ms"}, "expected interval=1ms"),
        ({"detector": "fixd", "interval": 1}, "expected fixed:3"),
        ({"detector": 3, "interval": 1}, "expected one of udpping.detect"),
        ({"detector": udpping.loss.Bernoulli(0.1), "interval": 1}, "expected one of udpping.detect"),
        ({"detector": "calibrated:1 per second", "interval": 1}, "at most one false alarm in ten intervals"),
    ],
)
def test_a_detector_that_cannot_be_used_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(udpping.ConfigError) as refused:
        udpping.Pinger("127.0.0.1", **options)
    assert expected in str(refused.value)
    assert str(refused.value).startswith("detector ")


def test_asyncio_has_the_same_events() -> None:
    async def main() -> None:
        taken: list[udpping.TargetEvent] = []

        async def until(pinger: udpping.aio.Pinger, name: str) -> None:
            while not taken or taken[-1].event != name:
                event = await pinger.next_event()
                assert event is not None
                taken.append(event)

        with udpping.Server(port=0) as server:
            detector = udpping.detect.Fixed(20)
            async with udpping.aio.Pinger(server, count=None, interval=0.02, detector=detector) as pinger:
                await until(pinger, "up")
                server.stop()
                await until(pinger, "down")
                assert tuple(taken) == pinger.events[: len(taken)]
            async with udpping.aio.Pinger(server, count=None, interval=1, detector="fixed:1000") as pinger:
                assert await pinger.next_event(0.01) is None

    asyncio.run(main())


def test_the_command_prints_what_goes_down_and_up() -> None:
    with udpping.Server(port=0) as server:
        place = f"127.0.0.1:{server.address[1]}"
        command = [sys.executable, "-m", "udpping", "ping", "-t", "-i", "20ms", "--detector", "fixed:20"]
        text = subprocess.Popen([*command, "-q", place], stdout=subprocess.PIPE, text=True)
        facts = subprocess.Popen([*command, "--json", place], stdout=subprocess.PIPE, text=True)
        assert text.stdout is not None
        assert facts.stdout is not None
        events: list[dict[str, Any]] = []
        try:
            assert any(f"{place} is up" in line for line in text.stdout)
            events += until("up", facts.stdout)
            server.stop()
            assert any(f"{place} is down: silent for " in line for line in text.stdout)
            events += until("down", facts.stdout)
        finally:
            for process in (text, facts):
                process.terminate()
                process.communicate()
    assert set(udpping.TargetEvent._fields) < events[0].keys()
    assert events[0]["time"].endswith("Z")


def until(event: str, lines: IO[str]) -> list[dict[str, Any]]:
    """Read the events up to the first of a kind."""
    events = []
    for record in map(json.loads, lines):
        if record["type"] == "event":
            events.append(record)
            if record["event"] == event:
                break
    assert [record["event"] for record in events][-1:] == [event]
    return events


def test_the_command_says_what_a_detector_needs() -> None:
    refused = call("ping", "-f", "-c", "1", "--detector", "fixed:3", "127.0.0.1:9")
    assert refused.returncode == 2
    assert 'detector "fixed:3" is not usable: expected -i 1s as well' in refused.stderr
