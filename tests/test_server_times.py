"""A server that tells its times: which way each ping was lost, and how long both ways took."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call
from udpping import stats
from udpping.errors import ConfigError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
WINDOW = 64
SLOT = 167
"""Bytes of what a ping asks, and a reply tells."""
PING = len("Ping 1 1700000000.0")
OWN: dict[str, Any] = {"protocol": "text:times", "timeout": 5}


def ways(run: udpping.Run) -> dict[int, str]:
    return {row.seq: row.lost_on for row in run if row.lost_on is not None}


def test_a_reply_has_the_times_and_is_as_long_as_its_ping() -> None:
    with udpping.Server(port=0, server_times=True, record=True) as server:
        run = udpping.ping(server, count=20, **OWN)
        padded = udpping.ping(server, count=3, size=400, **OWN)
        assert {(row.bytes, row.reply_bytes) for row in server.log[20:]} == {(400, 400)}
        assert all(row.bytes == row.reply_bytes for row in server.log)
    assert run.settings["protocol"] == "text:times"
    assert run["server_seq"].to_list() == list(range(20))
    assert padded["server_seq"].to_list() == [0, 1, 2]
    for row in run:
        assert row.reply is not None
        assert row.bytes is not None
        assert row.bytes >= PING + SLOT
        assert row.reply.startswith(b"PING %d " % row.seq)
        assert b" times: " in row.reply
        assert (row.match, row.lost_on) == ("seq", None)
        assert row.server_stamp in ("kernel-rx", "user")
        # One machine, one clock.
        assert row.sent_wall_ns is not None
        assert row.server_recv_ns is not None
        assert row.server_sent_ns is not None
        assert row.sent_wall_ns <= row.server_recv_ns <= row.server_sent_ns
    assert run.summary.received == 20


def test_the_next_reply_tells_when_the_kernel_sent_the_one_before() -> None:
    own: dict[str, Any] = {"count": 50, "timeout": 60, "protocol": "text:times,follow-up"}
    with udpping.Server(port=0, server_times=True, send_stamps=True, record=True) as stamping:
        run = udpping.ping(stamping, **own)
        can = stamping.stamps_sends
    with udpping.Server(port=0, server_times=True) as plain, udpping.Server(port=0) as silent:
        told, untold = udpping.ping(plain, **own), udpping.ping(silent, **own)
    assert run.settings["protocol"] == own["protocol"]
    assert all(row.bytes == row.reply_bytes for row in stamping.log)
    assert {len(row.reply or b"") for row in run} <= {PING + SLOT + 32 + more for more in range(20)}
    better = [row for row in run if row.server_stamp in ("kernel", "kernel-tx")]
    assert len(better) > 25 if can else not better
    assert {row.server_stamp for row in (*told, run[-1])} <= {"kernel-rx", "user"}
    assert [row.server_seq for row in told] == [row.server_seq for row in run] == list(range(50))
    assert {(row.server_stamp, row.status) for row in untold} == {(None, "reply")}
    for row in better:
        assert row.reply is not None
        assert row.server_recv_ns is not None
        assert row.server_sent_ns is not None
        assert row.rtt_ns is not None
        # The reply still says what the program of the server knew.
        written = int(row.reply.split(b" times: ")[1].split(b" ")[4], 16)
        assert written < row.server_sent_ns
        hold = row.server_sent_ns - row.server_recv_ns
        assert row.path_rtt_ns in (row.rtt_ns - hold, None)


@pytest.mark.untimed
def test_what_a_server_holds_back_is_part_of_the_way_by_its_kernel_too() -> None:
    link: dict[str, Any] = {"up": "delay=5ms; loss=list:3", "down": "delay=40ms; loss=list:8"}
    with udpping.Server(port=0, server_times=True, send_stamps=True, **link) as server:
        run = udpping.ping(server, count=20, timeout=2, protocol="text:times,follow-up")
        can = server.stamps_sends
    better = [row for row in run if row.server_stamp in ("kernel", "kernel-tx")]
    assert len(better) > 8 if can else not better
    assert {row.seq for row in run if row.server_stamp is None} == {3, 8}
    for row in better:
        assert row.server_recv_ns is not None
        assert row.server_sent_ns is not None
        assert row.rtt_ns is not None
        assert row.path_rtt_ns == row.rtt_ns - (row.server_sent_ns - row.server_recv_ns)
    if better:
        assert median([row.path_rtt_ns or 0 for row in better]) > 40_000_000


@pytest.mark.untimed
def test_a_server_counts_for_each_of_its_addresses() -> None:
    with udpping.Server("", port=0, server_times=True) as server:
        port = server.address[1]
        targets = [(HERE, port), ("127.0.0.2", port), ("127.0.0.3", port)]
        run = udpping.ping_many(targets, count=5, protocol="text:times", timeout=60)
    assert run["server_seq"].to_list() == [*range(5)] * 3
    assert {row.lost_on for row in run} == {None}


@pytest.mark.untimed
@pytest.mark.parametrize(
    "words", [{}, {"server_times": True, "gso": True}, {"server_times": True, "workers": 2}]
)
def test_stamps_of_sends_need_times_and_one_thread(words: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"send_stamps.*expected False, or server_times=True"):
        udpping.Server(port=0, send_stamps=True, **words)


def test_who_does_not_ask_or_does_not_tell_is_served_as_ever() -> None:
    with udpping.Server(port=0, server_times=True) as tells, udpping.Server(port=0) as plain:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            for request in (b"Ping 1 1700000000.0", b"", b"Ping 1 times? 00000000 00000000 " + b"x" * 200):
                for server in (tells, plain):
                    client.sendto(request, server.address)
                    assert client.recv(9_999) == request.upper()
        run = udpping.ping(plain, count=3, **OWN)
    assert run.summary.received == 3
    assert [(row.server_recv_ns, row.lost_on, row.match) for row in run] == [(None, None, "seq")] * 3
    assert run.summary.damaged == 0


def test_a_reply_in_other_words_tells_if_it_is_no_longer() -> None:
    with udpping.Server(port=0, server_times=True, reply="pong {seq}") as server:
        run = udpping.ping(server, count=3, **OWN)
    assert [row.reply.partition(b" times: ")[0] for row in run if row.reply] == [
        b"pong 1",
        b"pong 2",
        b"pong 3",
    ]
    assert [row.server_seq for row in run] == [0, 1, 2]
    with udpping.Server(port=0, server_times=True, reply="{message} and more") as server:
        run = udpping.ping(server, count=2, **OWN)
    assert [row.server_seq for row in run] == [None, None]
    assert run.summary.received == 2


@pytest.mark.untimed
def test_each_way_takes_what_the_relay_takes() -> None:
    for up, down in ((40, 0), (0, 40)):
        with (
            udpping.Server(port=0, server_times=True) as server,
            udpping.Relay(server, up=f"delay={up}ms", down=f"delay={down}ms") as relay,
        ):
            run = udpping.ping(relay, count=20, interval="5ms", **OWN)
        for row in run:
            assert row.up_ns is not None
            assert row.down_ns is not None
            assert row.owd_error_ns is not None
            assert row.sent_wall_ns is not None
            assert row.server_recv_ns is not None
            assert row.server_recv_ns - row.sent_wall_ns >= up * 1_000_000
            # The clocks are one: the truth is the difference.
            assert abs(row.server_recv_ns - row.sent_wall_ns - row.up_ns) <= row.owd_error_ns
            assert row.up_ns + row.owd_error_ns >= up * 1_000_000
            assert row.down_ns + row.owd_error_ns >= down * 1_000_000


@pytest.mark.untimed
def test_a_clock_that_is_wrong_and_fast_is_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    offset, ppb = -3_600_000_000_000, 150_000
    monkeypatch.setattr(udpping.Server, "_test_clock", (offset, ppb))
    with udpping.Server(port=0, server_times=True, up="delay=20ms", down="delay=5ms") as server:
        run = udpping.ping(server, count=200, interval="2ms", **OWN)
        found = stats.clock(run)
    assert found.offset_low_ns is not None
    assert found.offset_high_ns is not None
    # It has gained some microseconds since the server was made.
    assert found.offset_low_ns <= offset + 10_000_000
    assert offset <= found.offset_high_ns
    # No ping bounds it better than by its round trip, and none worse.
    assert found.offset_high_ns - found.offset_low_ns < min(row.user_rtt_ns or 0 for row in run) + 5_000_000
    for row in run:
        assert row.up_ns is not None
        assert row.down_ns is not None
        assert row.owd_error_ns is not None
        assert row.up_ns + row.owd_error_ns >= 20_000_000
        assert row.down_ns + row.owd_error_ns >= 5_000_000


@pytest.mark.untimed
def test_a_link_of_the_server_is_part_of_the_way() -> None:
    link: dict[str, Any] = {"up": "loss=list:2,4", "down": "loss=list:6,7"}
    with udpping.Server(port=0, server_times=True, record=True, **link) as server:
        run = udpping.ping(server, count=10, interval="2ms", protocol="text:times", timeout=3)
        assert {row.seq: row.direction for row in server.log if row.verdict == "drop"} == ways(run)
        assert (server.counters.dropped_up, server.counters.dropped_down) == (2, 2)
    again = udpping.sim.ping(count=10, interval="2ms", protocol="text:times", **link)
    assert ways(again) == ways(run) == {2: "up", 4: "up", 6: "down", 7: "down"}


def test_a_hundred_thousand_pings_in_virtual_time_lose_what_the_link_says() -> None:
    link = "loss=burst:5%,3; duplicate=5%; delay=uniform:0ms,30ms"
    run = udpping.sim.ping(
        count=100_000, interval="1ms", timeout=1, up=link, down=link, seed=7, protocol="text:times"
    )
    found = stats.direction(run)
    # The last ones may still come.
    assert found.lost > 9_000
    assert found.unknown < 64
    assert 0.045 < found.lost_up / found.sent < 0.055
    assert 0.9 < found.lost_up / found.lost_down < 1.3
    assert Counter(run["lost_on"].to_list())["up"] == found.lost_up


@pytest.mark.untimed
def test_the_logs_of_relay_and_server_say_the_same_of_a_hundred_thousand_pings() -> None:
    up = "loss=5%; duplicate=5%; reorder=10%,20ms"
    down = "loss=3%; duplicate=5%; reorder=10%,20ms"
    count, interval = 3_200, "4ms"  # 32 paths at once: 64 pings overtake one only where a thread waits 0.2 s
    with ExitStack() as paths:
        servers = [
            paths.enter_context(udpping.Server(port=0, server_times=True, record=True)) for _ in range(32)
        ]
        relays = [paths.enter_context(udpping.Relay(to, up=up, down=down, record=True)) for to in servers]
        run = udpping.ping_many(relays, count=count, interval=interval, protocol="text:times", timeout=2)
        arrivals = [[row.seq for row in server.log if row.seq is not None] for server in servers]
        dropped = [Counter(row.direction for row in relay.log if row.verdict == "drop") for relay in relays]
        missed = [
            (relay.counters.up.kernel_drops or 0) + (server.counters.kernel_drops or 0)
            for relay, server in zip(relays, servers, strict=True)
        ]
    rows = list(run)
    for path, arrived in enumerate(arrivals):
        told = rows[path * count : (path + 1) * count]
        lost = {row.seq for row in told if row.copies == 0 and row.status != "error"}
        truth = {"up": lost - set(arrived), "down": lost & set(arrived)}
        said = {way: {row.seq for row in told if row.lost_on == way} for way in ("up", "down", "unknown")}
        assert lost == said["up"] | said["down"] | said["unknown"]
        assert dropped[path]["up"] <= len(truth["up"]) <= dropped[path]["up"] + missed[path]
        # A ping may miss every window only if many overtook it and the replies after it were lost.
        replies = [row.server_seq for row in told if row.server_seq is not None]
        all_named = deepest(arrived) + longest_gap(replies) < WINDOW
        for way in ("up", "down"):
            assert said[way] <= truth[way]
            # The last ones may still come.
            assert not all_named or said[way] >= {seq for seq in truth[way] if seq <= count - WINDOW}
    found = stats.direction(run)
    ways_of = Counter(run["lost_on"].to_list())
    assert (found.lost_up, found.lost_down) == (ways_of["up"], ways_of["down"])


def deepest(arrived: list[int]) -> int:
    """By how many numbers one was overtaken at most."""
    return max(map(int.__sub__, accumulate(arrived, max), arrived), default=0)


def longest_gap(numbers: list[int]) -> int:
    return max((after - before for before, after in pairwise(sorted(numbers))), default=0)


def test_the_two_commands_work_together(start: Start) -> None:
    process = start("-m", "udpping", "server", "--port", "0", "--host", HERE, "--server-times", "--json")
    assert process.stdout is not None
    begun = json.loads(process.stdout.readline())
    done = call(
        "ping", "--server-times", f"{HERE}:{begun['port']}", "-c", 3, "-i", "10ms", "-W", "5s", "--json"
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["server_recv_ns"] is not None for row in rows if row["type"] == "ping"] == [True] * 3
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


@pytest.mark.untimed
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"protocol": "text:time"}, '"text:times"'),
        ({"protocol": "text:times", "key": "file"}, 'key is for protocol="stamp"'),
        ({"protocol": "text:times", "size": 150}, "to 65507"),
    ],
)
def test_what_cannot_be_used_is_refused(words: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        udpping.ping(HERE, **words)


@pytest.mark.untimed
def test_server_times_are_on_or_off() -> None:
    with pytest.raises(ConfigError, match="server_times"):
        udpping.Server(port=0, server_times=1)  # type: ignore[arg-type]
