"""What a path does is seen as what it is: by statistics, and by a monitor behind a relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import udpping
from common import wait_until
from udpping import stats

if TYPE_CHECKING:
    from pathlib import Path


def test_statistics_tell_copies_order_and_damage_apart() -> None:
    up = "duplicate=10%; reorder=10%,25ms; corrupt=5%"
    run = udpping.sim.ping(count=5_000, interval=0.01, up=up, seed=1)
    summary = run.summary
    assert summary.damaged is not None
    assert 150 < summary.lost < summary.damaged < 350, "a copy of a damaged reply is damaged too"
    assert stats.duplication(run).replicated == summary.duplicates > 300
    order = stats.reordering(run)
    # What is held back for 25 ms is overtaken by two or three.
    assert (order.reordered, order.max_extent) == (summary.reordered, 3)
    assert stats.loss_runs(run).lost == summary.lost
    assert {row.rtt_ns for row in run if row.rtt_ns is not None} == {0, 25_000_000}


def heard(up: str, keys: Path | None = None) -> tuple[udpping.RelayCounters, udpping.Monitor]:
    """Send 300 heartbeats through a link to a monitor."""
    name = None if keys is None else "lab"
    with udpping.Monitor("127.0.0.1", 0, detector="fixed:40", keys=keys) as monitor:
        with udpping.Relay(monitor, host="127.0.0.1", port=0, up=up, seed=3) as relay:
            with udpping.Heartbeat(
                relay, id="a", interval=0.003, count=300, key=keys, key_name=name
            ) as heartbeat:
                heartbeat.wait()
            wait_until(lambda: relay.counters.up.received == heartbeat.sent)
            wait_until(lambda: relay.counters.up.waiting == 0)
        # The relay is closed: it passes nothing on that is not counted.
        wait_until(lambda: monitor.counters.received == relay.counters.up.sent)
    return relay.counters, monitor


def test_a_monitor_counts_copies_as_copies() -> None:
    relayed, monitor = heard("duplicate=30%")
    (peer,) = monitor.peers
    assert (peer.received, peer.duplicates, peer.lost, peer.reordered) == (
        relayed.up.received,
        relayed.up.duplicated,
        0,
        0,
    )
    assert peer.duplicates > 50


def test_a_monitor_does_not_lose_what_was_overtaken() -> None:
    relayed, monitor = heard("reorder=20%,10ms")
    (peer,) = monitor.peers
    assert (peer.received, peer.duplicates, peer.lost) == (relayed.up.received, 0, 0)
    assert peer.reordered > 20


@pytest.mark.parametrize("up", ["corrupt=10%,3", "truncate=10%,20", "corrupt=10%; duplicate=10%"])
def test_with_a_key_a_damaged_heartbeat_is_nobodys(tmp_path: Path, up: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text("lab 0123456789abcdef0123456789abcdef\n")
    keys.chmod(0o600)
    relayed, monitor = heard(up, keys)
    (peer,) = monitor.peers
    told = monitor.counters
    refused = told.unreadable + told.unsealed + told.forged
    assert (peer.client, peer.sessions) == ("a", 1)
    assert peer.received + peer.duplicates + refused == relayed.up.sent
    assert 10 < relayed.up.corrupted <= refused
