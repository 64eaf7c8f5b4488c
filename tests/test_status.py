"""The table of a monitor's clients, as people read it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import udpping
from common import wait_until
from udpping._results.peers import status_text
from watching import TICK, Seen

pytestmark = pytest.mark.python


def row(**what: object) -> udpping.PeerRow:
    values: dict[str, Any] = dict.fromkeys(udpping.PeerRow._fields)
    counts = dict.fromkeys(
        ("received", "lost", "duplicates", "reordered", "overdue", "loss_runs", "longest_loss_run"), 0
    )
    counts |= {"watched_ns": 0, "false_alarms": 0}
    known = {"client": "web1", "state": "up", "last_seen_wall_ns": 1_700_000_000_000_000_000, "sessions": 1}
    return udpping.PeerRow._make((values | counts | known | what).values())


def test_the_table_is_for_100_columns_and_hides_nothing() -> None:
    full = row(
        client="x" * 64,
        state="suspect",
        received=123_456_789,
        lost=23_456_789,
        loss_runs=1_234_567,
        longest_loss_run=12_345,
        duplicates=1_234_567,
        reordered=1_234_567,
        overdue=12_345,
        sessions=1_001,
        difference_ns=-(10**18),
        delay_variation_ns=123_456_789,
        drift_ppm=-1234.56,
        detection_ns=60_000_000_000,
        exit_status=-9,
        stopped_from_wall_ns=1_700_000_000_000_000_000,
        stopped_to_wall_ns=1_700_000_060_000_000_000,
    )
    lines = status_text([full, row(state="down"), row(client="[2001:db8::1]:50000", received=9)]).splitlines()
    assert max(map(len, lines)) <= 105  # a hundred million heartbeats need more
    assert [line for line in lines if len(line) > 100] == [lines[2]]
    text = "\n".join(lines)
    facts = (
        "x" * 64,
        "123,456,789",
        "16.0 % (16.0 to 16.0)",
        "ended by signal 9",
        "12,345 overdue",
        "1,234,567 runs of losses",
        "the longest 12,345",
        "restarted 1,000 times",
        "clock -1234.6 ppm",
        "a stop is noticed after 60 s",
        "delay variation 123 ms",
        "-277,777.8 h",
    )
    for fact in facts:
        assert fact in text
    young = status_text([row(detection_ns=12_100_000_000, to_learn=975, interval_ns=1_000_000_000)])
    assert "    learning for 16.2 min more; until then a stop is noticed after 12.1 s" in young
    assert lines[-1] == "3 clients: 1 up, 1 suspect, 1 down"
    assert status_text([row()], alarm=str.upper).startswith("client ")


def test_false_alarms_stand_beside_those_foretold() -> None:
    day = 86_400 * 10**9
    alarms = {"false_alarms": 2, "false_alarms_low": 0.242, "false_alarms_high": 7.22}
    rows = [row(watched_ns=100 * day, false_alarms_foretold=3.33, **alarms), row(watched_ns=day)]
    lines = status_text(rows).splitlines()
    assert lines[2] == "    2 false alarms in 100.0 days (95 % interval 0.242 to 7.22), 3.33 foretold"
    assert lines[-2:] == [
        "2 clients: 2 up",
        "2 false alarms in 101.0 days (95 % interval 0.242 to 7.22), 3.33 foretold",
    ]
    assert "false" not in status_text(rows, false_alarms=False)
    # None came: worth a line when some were foretold.
    none = status_text([row(watched_ns=3_600 * 10**9, false_alarms_foretold=0.099)])
    assert none.endswith("1 client: 1 up")
    none = status_text([row(watched_ns=3_600 * 10**9, false_alarms_foretold=0.05)] * 2)
    assert none.endswith("\n0 false alarms in 2.0 h (95 % interval 0 to 3.69), 0.1 foretold")
    # Detectors that promise nothing foretell nothing.
    one = status_text([row(watched_ns=60 * 10**9, **alarms | {"false_alarms": 1})])
    assert one.endswith("\n1 false alarm in 60 s (95 % interval 0.0253 to 5.57)")


def test_a_real_table_is_narrow_enough() -> None:
    with udpping.Monitor("::", 0) as monitor:
        port = monitor.bound[1]
        seen = Seen(monitor)
        with (
            udpping.Heartbeat("::1", port, id="a" * 64, interval=TICK),
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as nameless,
        ):
            nameless.sendto(b"1 1700000000", ("::1", port))
            nameless.sendto(b"2 1700000000", ("::1", port))
            seen.until("up", "a" * 64)
            wait_until(lambda: len(monitor.peers) == 2)
            text = monitor.status()
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii() or "µs" in text
    assert text.replace("\n", "").isprintable()
