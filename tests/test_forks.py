"""Forks, exits and half-made objects: a program hears what is wrong, and nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import udpping
from common import wait_until
from watching import TICK

HERE = "127.0.0.1"

FORKS = """
import os, signal, sys, udpping
with (
    udpping.Monitor("127.0.0.1", 0, beats=True) as monitor,
    udpping.Server("127.0.0.1", 0, record=True) as server,
    udpping.Relay(server, record=True) as relay,
):
    senders = [udpping.Heartbeat(*monitor.address, id=f"s{i}", interval=0.001) for i in range(30)]
    for sender in senders:
        sender.start()
    pinger = udpping.Pinger(relay, interval=0.0005)
    pinger.__enter__()
    questions = [
        lambda: monitor.counters, lambda: monitor.peers, lambda: monitor.events, lambda: monitor.status(),
        lambda: monitor.unreadable, lambda: monitor.next_event(0), lambda: monitor.wait(), monitor.start,
        lambda: server.counters, lambda: server.log, lambda: server.report(), server.start,
        lambda: relay.counters, lambda: relay.log, lambda: relay.report(), relay.start,
        lambda: relay.next_event(0), lambda: relay.up, lambda: relay.block(1), lambda: relay.rebind(),
        lambda: senders[0].sent, lambda: senders[0].address, lambda: senders[0].wait(), senders[0].start,
    ]
    for _ in range(60):
        child = os.fork()
        if not child:
            signal.alarm(60)
            told = [repr(each) for each in (monitor, server, relay, senders[0])]
            wrong = [each for each in told if "runs in the process that this one was forked from" not in each]
            for ask in questions:
                try:
                    ask()
                    wrong.append(ask)
                except udpping.NetworkError as error:
                    if "make a new one" not in str(error):
                        wrong.append(error)
            for each in (monitor, server, relay, senders[0]):
                each.stop()
                assert not each.running
            senders[0].touch()
            pinger.stop()
            with udpping.Server("127.0.0.1", 0) as own, udpping.Relay(own) as between:
                udpping.ping(*between.address, count=1)
                repr(own), own.counters, repr(between), between.counters
            os._exit(7 if not wrong else 8)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 7:
            print("child:", status)
    pinger.__exit__(None, None, None)
    print(monitor.running, server.counters.received > 0, relay.counters.down.sent > 0, senders[0].sent > 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_is_told_whose_a_service_is_and_never_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True True True True\n", "")


@pytest.mark.parametrize("kind", [udpping.Monitor, udpping.Server, udpping.Relay, udpping.Heartbeat])
def test_what_was_never_made_can_be_shown(kind: type[object]) -> None:
    assert repr(kind.__new__(kind)) == f"<udpping.{kind.__name__}: not made>"


def test_a_callback_that_exits_is_told_and_gets_the_next_event(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def leave(event: udpping.MonitorEvent) -> None:
        seen.append(event.event)
        raise SystemExit(f"left at {event.event}")

    with udpping.Monitor(HERE, 0, detector="fixed:1000", on_event=leave) as monitor:
        with udpping.Heartbeat(*monitor.address, id="web1", interval=TICK):
            wait_until(lambda: "up" in seen)
        wait_until(lambda: "bye" in seen)
    assert [event for event in seen if event in {"new", "up", "bye"}] == ["new", "up", "bye"]
    assert "SystemExit: left at new" in capsys.readouterr().err
