"""`Link`: its text, and that servers and simulations do what it says."""

from __future__ import annotations

import socket
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

import pytest
import udpping
from common import udp_socket, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = (
    "loss=burst:0.05,3; delay=uniform:1ms,2ms; jitter=uniform:0,5ms; reorder=0.05,10ms; duplicate=0.01,2; "
    "corrupt=0.02,3; truncate=0.1,64; mtu=1400; rate=1Mbit/s; queue=64KiB; "
    "schedule=10s-12s,every=60s; first=3; match=0=0x50696e67,5&0xf0=0x30,length=8-100"
)


def test_keywords_and_text_are_the_same() -> None:
    link = udpping.Link(
        loss=udpping.loss.Burst("5%", 3),
        delay=udpping.delay.Uniform("1ms", "2ms"),
        jitter=0.005,
        reorder=("5%", "10ms"),
        duplicate=(0.01, 2),
        corrupt="2%,3",
        truncate=(0.1, 64),
        mtu=1400,
        rate="1Mbit/s",
        queue="64KiB",
        schedule="10s-12s,every=60s",
        first=3,
        match=[(0, b"Ping"), (5, b"\xf0", b"0"), "length=8-100"],
    )
    assert str(link) == ALL
    assert link == udpping.Link(ALL) == udpping.Link(**link.as_dict()) == deepcopy(link)
    assert repr(link) == f"udpping.Link({ALL!r})"
    assert str(udpping.Link("loss=5%", mtu=600)) == "loss=0.05; mtu=600"
    assert udpping.Link().as_dict() == {}


def test_a_link_is_made_of_a_link_or_a_dict() -> None:
    link = udpping.Link("loss=5%; rate=1Mbit/s")
    longer = udpping.Link(link, mtu=1400)
    assert str(longer) == "loss=0.05; mtu=1400; rate=1Mbit/s"
    assert udpping.Link({"loss": 0.05, "rate": "1Mbit/s"}, mtu="1400") == longer
    assert udpping.Link(udpping.Link(ALL).as_dict()) == udpping.Link(ALL)
    (lost,) = {
        udpping.sim.ping(count=100, up=each, seed=1).summary.lost
        for each in (longer, str(longer), longer.as_dict())
    }
    assert lost > 0
    with udpping.Server(port=0, up={"loss": "5%"}, down=link) as server:
        assert (server.up, server.down) == ("loss=0.05", str(link))


def test_what_a_link_says_can_be_read() -> None:
    link = udpping.Link(ALL)
    assert {key: getattr(link, key) for key in link.as_dict()} == link.as_dict()
    assert set(link.as_dict()) == set(udpping.Link.__init__.__kwdefaults__ or ())
    assert (link.rate, link.loss, udpping.Link().delay) == ("1Mbit/s", "burst:0.05,3", None)


def test_a_schedule_may_be_a_list() -> None:
    assert udpping.Link(schedule=["10s-12s", "every=60s"]).schedule == "10s-12s,every=60s"


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"reorder": "5%"}, "reorder"),
        ({"text": {"los": "5%"}}, r"link key 'los' .* loss, delay"),
        ({"text": {"loss": "5x"}}, "loss"),
        ({"text": udpping.Link("mtu=600"), "mtu": 1400}, "twice"),
        ({"text": 5}, "or a dict of its keys"),
        ({"duplicate": (0.05, 8)}, "1 to 7"),
        ({"corrupt": True}, "corrupt True"),
        ({"queue": "64KiB"}, "a queue needs a rate"),
        ({"rate": 1}, "kbit/s"),
        ({"match": "Ping"}, "0=0x5049"),
        ({"match": (0, "Ping")}, "an offset and bytes"),
        ({"match": (0, b"\xff", b"ab")}, "as many bytes as its value"),
        ({"match": (-1, b"a")}, "bytes from an offset"),
        ({"loss": "5%; mtu=600"}, "without a semicolon"),
        ({"delay": udpping.loss.Every(3)}, "udpping.delay"),
        ({"text": "loss=5%", "loss": 0.1}, "twice"),
    ],
)
def test_what_cannot_be_used_is_named(keywords: dict[str, object], told: str) -> None:
    with pytest.raises(udpping.errors.ConfigError, match=told):
        udpping.Link(**keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize("rho", [-0.1, 1, float("nan")])
def test_a_correlation_is_from_0_to_below_1(rho: float) -> None:
    with pytest.raises(udpping.errors.ConfigError, match=r"rho .* expected"):
        udpping.loss.Correlated("5%", rho)


@pytest.mark.parametrize("call", [partial(udpping.Server, port=0), partial(udpping.sim.ping, count=1)])
def test_loss_and_delay_are_said_once(call: Callable[..., object]) -> None:
    twice: list[dict[str, object]] = [{"loss": "1%", "up": "loss=2%"}, {"delay": 0.1, "down": "delay=1ms"}]
    for keywords in twice:
        with pytest.raises(udpping.errors.ConfigError, match="they are the same"):
            call(**keywords)
    with pytest.raises(udpping.errors.ConfigError, match=r"udpping\.Link"):
        call(up=5)


def test_loss_and_delay_are_part_of_up_and_down() -> None:
    with udpping.Server(port=0, loss="5%", delay="1ms", up="mtu=600") as server:
        assert (server.up, server.down) == ("loss=0.05; mtu=600", "delay=1ms")
    with udpping.Server(port=0, up="loss=5%", down="delay=1ms") as server:
        assert (server.loss, server.delay) == ("0.05", "1ms")


@pytest.mark.parametrize("loss", ["0", "30%", "burst:20%,3"])
@pytest.mark.parametrize("seed", [0, 42, 2**64 - 1])
def test_up_and_down_mean_what_loss_and_delay_mean(loss: str, seed: int) -> None:
    old = udpping.sim.ping(count=50, loss=loss, delay="exponential:5ms", seed=seed)
    new = udpping.sim.ping(count=50, up=f"loss={loss}", down="delay=exponential:5ms", seed=seed)
    assert old["rtt_ns"].to_list() == new["rtt_ns"].to_list()


def asked(server: udpping.Server, requests: list[bytes]) -> list[list[bytes]]:
    """Send each request, and collect what comes until the server has sent all that it counts as answered."""
    replies: list[list[bytes]] = []
    before = server.counters
    with udp_socket() as client:
        for request in requests:
            client.sendto(request, server.address)
            replies.append([client.recv(2_000)])
        wait_until(lambda: server.counters.received == before.received + len(requests))
        wait_until(lambda: server.counters.waiting == before.waiting)
        while sum(map(len, replies)) < server.counters.answered - before.answered:
            replies[-1].append(client.recv(2_000))
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(2_000)
    return replies


def test_a_server_duplicates_cuts_and_flips_on_the_wire() -> None:
    with udpping.Server(port=0, reply="same", down="duplicate=1,2", seed=1) as server:
        assert asked(server, [b"hello"]) == [[b"hello"] * 3]
    assert (server.counters.answered, server.counters.copies, server.counters.damaged) == (3, 2, 0)
    with udpping.Server(port=0, up="truncate=3; first=1") as server:
        assert asked(server, [b"hello", b"hello"]) == [[b"HELLO"], [b"HEL"]]
    assert server.counters.damaged == 1
    with udpping.Server(port=0, reply="same", down="corrupt=1,5", seed=1) as server:
        ((changed,),) = asked(server, [bytes(100)])
    assert sum(byte.bit_count() for byte in changed) == 5


def test_a_server_says_why_it_dropped() -> None:
    path = "mtu=1028; schedule=1h-2h"
    with udpping.Server(port=0, up=path, down="rate=1kbit/s; queue=1", record=True) as server:
        udpping.ping(server, count=1, size=1001, timeout=0.01, linger=0)
        udpping.ping(server, count=2, size=1000, timeout=0.01, linger=0)
        wait_until(lambda: len(server.log) == 3)
    assert [row.reason for row in server.log] == ["mtu", None, "queue"]
    with udpping.Server(port=0, up="schedule=0-1h", record=True) as server:
        udpping.ping(server, count=1, timeout=0.01, linger=0)
        wait_until(lambda: len(server.log) == 1)
    assert [row.reason for row in server.log] == ["schedule"]
    with udpping.Server(port=0, scope="shared", up="rate=1kbit/s; queue=1", record=True) as server:
        udpping.ping(server, count=2, size=1000, timeout=0.01, linger=0)
        wait_until(lambda: server.counters.dropped == 1)
    assert [row.reason for row in server.log] == [None, "queue"]
    assert server.counters.dropped == 1


def test_a_reply_passes_the_way_down_with_its_own_length() -> None:
    long = "{message}{pad:500}"
    for mtu, answered in ((527, 0), (528, 1)):
        run = udpping.sim.ping(count=1, reply=long, down=f"mtu={mtu}")
        assert run.summary.received == answered
    run = udpping.sim.ping(count=1, size=100, reply=long, up="truncate=50", down="rate=1Mbit/s")
    assert run["rtt_ns"].to_list() == [528 * 8_000]


@pytest.mark.parametrize(
    ("up", "down", "longest"),
    [
        ("delay=uniform:0,30ms", "rate=100Mbit/s", 31),
        ("delay=exponential:50ms", "rate=10Mbit/s; queue=1MiB", 1_500),
        ("reorder=1%,1s", "rate=100Mbit/s", 1_001),
        ("delay=uniform:0,30ms", "jitter=1ms", 32),
    ],
)
def test_requests_that_overtake_each_other_do_not_wait_on_the_way_down(
    up: str, down: str, longest: int
) -> None:
    alone = udpping.sim.ping(count=20_000, interval=0.005, size=100, timeout=5, up=up, seed=1)
    both = udpping.sim.ping(count=20_000, interval=0.005, size=100, timeout=5, up=up, down=down, seed=1)
    assert (alone.summary.lost, both.summary.lost) == (0, 0)
    # A link that is idle for 99.8 % of the time, or jitter of half a millisecond on average.
    took = [row.rtt_ns or 0 for row in both]
    waits = [late - (row.rtt_ns or 0) for late, row in zip(took, alone, strict=True)]
    assert min(waits) >= 0
    assert sum(waits) / len(waits) < 700_000
    assert max(took) < longest * 1_000_000


def test_a_server_decides_on_the_way_down_when_requests_have_come_up() -> None:
    up, down = "delay=uniform:0,30ms; duplicate=5%", "rate=100Mbit/s; duplicate=5%"
    with udpping.Server(port=0, up=up, down=down, seed=1, record=True) as server:
        events = server.follow()
        run = udpping.ping(server, count=500, interval=0.002, timeout=5)
    assert run.summary.lost == 0
    counters = server.counters
    assert (counters.received, counters.dropped, counters.errors) == (500, 0, 0)
    assert counters.answered + counters.waiting == 500 + counters.copies
    assert 500 + 20 < run.summary.received + run.summary.duplicates <= counters.answered
    assert counters.copies > 20
    rows = list(server.log)
    assert {(row.verdict, row.reason) for row in rows} == {("answer", None)}
    followed = {event.number: event[:-1] for event in events}
    assert [tuple(row) for row in rows] == [followed[row.number] for row in rows]
    # The first copy to come back is the one that the pinger sees.
    waits = {row.seq: row.delay_ns for row in rows}
    assert all(row.rtt_ns is None or row.rtt_ns >= (waits[row.seq] or 0) for row in run)


def test_a_server_drops_what_finds_no_room_on_the_way_down() -> None:
    up, down = "delay=uniform:0,2ms", "rate=1kbit/s; queue=1"
    with udpping.Server(port=0, up=up, down=down, record=True) as server:
        udpping.ping(server, count=3, size=1000, interval=0.01, timeout=0.01, linger=0.01)
        wait_until(lambda: len(server.log) == 3)
    assert [(row.verdict, row.reason) for row in server.log] == [("answer", None)] + 2 * [("drop", "queue")]
    assert (server.counters.received, server.counters.dropped) == (3, 2)


def seen(down: str) -> dict[str, int]:
    """Ping 2,000 times, each 10 ms; what the summary counts."""
    return counts(udpping.sim.ping(count=2_000, interval=0.01, down=down, seed=1))


def counts(run: udpping.Run) -> dict[str, int]:
    return {name: value for name, value in run.summary.as_dict().items() if isinstance(value, int)}


def test_the_pinger_sees_copies_order_and_damage_as_they_are() -> None:
    copied = seen("duplicate=10%")
    assert (copied["received"], copied["lost"]) == (2_000, 0)
    assert 150 < copied["duplicates"] < 250
    held = seen("reorder=10%,25ms")
    assert held["lost"] == 0
    # Those that were held back and have one behind them that was not.
    assert 120 < held["reordered"] < 240
    waiting = seen("jitter=50ms")
    assert (waiting["lost"], waiting["reordered"]) == (0, 0)
    assert waiting["rtt_max_ns"] > 40_000_000
    run = udpping.sim.ping(count=2_000, interval=0.01, up="schedule=5s-6s", seed=1)
    assert [row.seq for row in run if row.rtt_ns is None] == list(range(501, 601))


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("damage", ["truncate=10%,8", "corrupt=10%", "corrupt=10%,3", "corrupt=10%,32"])
def test_damage_is_loss_and_makes_no_round_trip(way: str, damage: str) -> None:
    link = {"up": "delay=35ms", "down": "delay=15ms"}
    link[way] += f"; first=1; {damage}"
    for interval in (None, 0.01):
        run = udpping.sim.ping(
            count=5_000, interval=interval, timeout=0.2, seed=1, up=link["up"], down=link["down"]
        )
        facts = counts(run)
        assert 400 < facts["lost"] == facts["damaged"] == facts["unmatched"] < 600
        others = ("duplicates", "reordered", "late", "unverified")
        assert [facts[name] for name in others] == [0, 0, 0, 0]
        answered = run["rtt_ns"].to_list()[1:]
        assert {rtt for rtt in answered if rtt is not None} == {50_000_000}


@pytest.mark.parametrize("damage", ["truncate=8", "corrupt=1", "corrupt=1,3", "corrupt=1,6"])
def test_a_path_that_damages_all_makes_no_wrong_round_trip(damage: str) -> None:
    for seed in range(5):
        run = udpping.sim.ping(count=2_000, interval=0.01, down=f"delay=50ms; {damage}", seed=seed)
        assert {rtt for rtt in run["rtt_ns"].to_list() if rtt is not None} <= {50_000_000}


def test_what_is_missing_of_the_padding_is_no_damage() -> None:
    run = udpping.sim.ping(count=100, size=100, up="truncate=50%,64", seed=1)
    assert (run.summary.received, run.summary.damaged) == (100, 0)
    assert set(run["bytes"].to_list()) == {64, 100}


def test_damage_to_replies_in_other_words_is_seen_too() -> None:
    run = udpping.sim.ping(count=2_000, interval=0.01, reply="pong {seq} {time}", down="corrupt=10%", seed=1)
    assert run.summary.damaged is not None
    assert run.summary.damaged + run.summary.duplicates == run.summary.lost > 80


def test_a_server_and_a_pinger_count_the_same_damage() -> None:
    for up, down in (("corrupt=20%,3", ""), ("", "corrupt=20%,3"), ("truncate=20%,8", "")):
        with udpping.Server(port=0, up=up, down=down, seed=1) as server:
            run = udpping.ping(server, count=200, interval=0.002, timeout=2, linger=0)
            done = server.counters.damaged
        facts = counts(run)
        assert 20 < facts["damaged"] == facts["lost"] == done
        assert (facts["duplicates"], facts["unverified"], facts["late"]) == (0, 0, 0)


def test_a_million_datagrams_have_what_was_asked_for() -> None:
    count = 1_000_000
    link = "duplicate=1%; jitter=exponential:100us; rate=9Mbit/s; queue=10kB"
    # 125 bytes a packet, each 111.1 us, and 10,000 packets a second: one in ten finds no room.
    run = udpping.sim.ping(count=count, interval=1e-4, size=97, up=f"loss=2%; {link}", timeout=0.1, seed=1)
    facts = counts(run)
    passed = facts["received"] + facts["duplicates"]
    assert abs(passed * 1_000 / (count * 1e-4) / 9e6 - 1) < 0.001, "the rate"
    assert facts["reordered"] == 0
    assert facts["rtt_max_ns"] < 8_890_000 + 3_000_000, "no longer than the queue and the jitter"
    plain = udpping.sim.ping(count=count, interval=1e-4, size=97, up="loss=2%", seed=1)
    assert abs(plain.summary.lost - 0.02 * count) < 5 * (count * 0.02 * 0.98) ** 0.5
    lost = {row for row, rtt in enumerate(plain["rtt_ns"].to_list()) if rtt is None}
    still = {row for row, rtt in enumerate(run["rtt_ns"].to_list()) if rtt is None}
    assert lost <= still, "the same are lost, whatever else happens"


def test_only_what_fits_is_lost_and_counted() -> None:
    link = udpping.Link(loss="list:2", match=(0, b"B"))
    with udpping.Server(port=0, up=link, down="delay=1h; match=0=0x58", record=True) as server:
        replies = asked(server, [b"b", b"B1", b"a", b"c"])
        assert [reply[0] for reply in replies] == [b"B", b"B1", b"A", b"C"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(60)
            for each in (b"B1", b"B2", b"c", b"x", b"d"):
                client.sendto(each, server.address)
            assert [client.recv(99) for _ in range(3)] == [b"B1", b"C", b"D"]
        wait_until(lambda: len(server.log) == 9)
        assert [row.reason for row in server.log][4:] == [None, "loss", None, None, None]
    # The numbers 1 and 10 to 15 begin with a 1, and the second of each three of them is lost.
    run = udpping.sim.ping(count=15, up="loss=pattern:.x.; match=5=0x31")
    assert [row.seq for row in run if row.status != "reply"] == [10, 13]
