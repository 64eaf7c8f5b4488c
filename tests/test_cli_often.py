"""Clients that go up and down all the time: their lines are gathered, and nothing of it is lost."""

from __future__ import annotations

import pytest
import udpping
from udpping.cli._often import Damping

pytestmark = pytest.mark.untimed


def about(kind: str, client: str | None = "web1", before: str | None = "up") -> udpping.MonitorEvent:
    return udpping.MonitorEvent(
        1, 5, 10**18, kind, client, None, None, before, 7, 10**9, None, f"{client} is {kind}"
    )


def test_a_client_that_goes_up_and_down_has_a_line_a_minute() -> None:
    damping = Damping()
    printed: list[str] = []
    for second in range(600):
        for client in ("web1", "web2"):
            # The second one does so every two minutes only.
            if client == "web1" or second % 120 == 0:
                text = damping.add(about("down" if second % 2 else "up", client, "down"), float(second))
                printed += [text] if text else []
        printed += [text for _, text in damping.due(float(second))]
    assert printed.count("web2 is up") == 5
    of_the_first = [line for line in printed if line.startswith("web1")]
    assert of_the_first[:10] == ["web1 is up", "web1 is down"] * 5
    assert of_the_first[10] == (
        "web1 is up; it has very many events: from now on they are told once a minute"
    )
    assert of_the_first[11] == "web1: 30 down, 30 up within a minute; the last: web1 is up"
    assert len(of_the_first) == 11 + 9
    # When it is calm again, its events are told at once.
    assert not list(damping.due(609.0))
    ((last, _),) = damping.due(611.0)
    assert last.event == "down"
    assert not list(damping.due(672.0))
    assert damping.add(about("up"), 1_260.0) == "web1 is up"


def test_at_the_end_what_is_gathered_is_told() -> None:
    damping = Damping()
    for second in range(15):
        damping.add(about("restarted"), float(second))
    ((_, text),) = damping.due(15.0, everything=True)
    assert text == "web1: 4 restarted within a minute; the last: web1 is restarted"


def test_what_is_about_the_monitor_or_was_asked_for_is_told_each_time() -> None:
    damping = Damping()
    for event in (about("idle", None), about("lost"), about("late")):
        assert all(damping.add(event, 1.0) == event.message for _ in range(50))
