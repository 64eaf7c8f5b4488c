"""The relay: what passes between clients and a target, both ways, and what it does on purpose."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "127.0.0.1"
LONG = 10.0


def until(done: Callable[[], bool]) -> None:
    """Wait for a condition."""
    over = time.monotonic() + LONG
    while not done():
        assert time.monotonic() < over, "it never came"
        time.sleep(0.001)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises((udpping.ConfigError, TypeError)) as caught:
        call()
    return str(caught.value)


def end(address: tuple[str, int] | None = None, family: int = socket.AF_INET) -> socket.socket:
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.settimeout(LONG)
    one.bind((HERE if family == socket.AF_INET else "::1", 0))
    if address is not None:
        one.connect(address)
    return one


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with end() as far:
        yield far


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system picks the address of a reply")
def test_replies_come_from_the_address_that_was_asked() -> None:
    with udpping.Server(port=0) as server, udpping.Relay(server, "", 0, up="delay=50ms") as relay:
        asked = {f"{last}".encode(): (f"127.0.1.{last}", relay.address[1]) for last in range(1, 9)}
        with end() as client:
            for payload, near in asked.items():
                client.sendto(payload, near)
            assert dict(client.recvfrom(99) for _ in asked) == asked
        assert relay.counters.clients == server.counters.clients == len(asked)
        run = udpping.ping_many(list(asked.values()), count=3, interval=0.01, timeout=LONG)
    assert [each.received for each in run.summaries] == [3] * len(asked)
    assert (run.summary.unmatched, run.summary.damaged, run.summary.foreign) == (0, 0, 0)


def test_datagrams_go_up_and_replies_come_down_each_counted(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname(), HERE, free_port()) as relay, end(relay.address) as client:
        for payload in (b"", b"x", bytes(range(256)) * 255, b"y" * 65_507):
            client.send(payload)
            got, source = target.recvfrom(65_536)
            assert got == payload
            target.sendto(got[::-1], source)
            assert client.recv(65_536) == payload[::-1]
        assert source != client.getsockname()
        assert relay.address != target.getsockname()
    assert relay.counters.up.as_dict() == {
        "received": 4,
        "sent": 4,
        "dropped": 0,
        "delayed": 0,
        "duplicated": 0,
        "reordered": 0,
        "corrupted": 0,
        "queue_drops": 0,
        "kernel_drops": 0,
        "errors": 0,
        "waiting": 0,
    }
    assert relay.counters.down.as_dict() == relay.counters.up.as_dict()
    assert not relay.running
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(relay.bound)


@pytest.mark.parametrize("near", ["127.0.0.1", "::1", "", "::"])
@pytest.mark.parametrize("far", ["127.0.0.1", "::1"])
def test_each_ip_version_goes_with_each(near: str, far: str) -> None:
    with udpping.Server(far, 0) as server, udpping.Relay(server, near) as relay:
        run = udpping.ping(relay, count=2, timeout=LONG)
        assert run.summary.received == 2
        if near == "::":
            run = udpping.ping((HERE, relay.address[1]), count=2, timeout=LONG)
            assert run.summary.received == 2
    assert relay.counters.up.sent == relay.counters.down.sent == server.counters.received


def test_each_client_has_its_own_port_and_gets_its_own_replies(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname()) as relay:
        clients = [end(relay.address) for _ in range(20)]
        ports = {}
        for number, client in enumerate(clients):
            client.send(b"%d" % number)
            payload, ports[number] = target.recvfrom(100)
            assert payload == b"%d" % number
        assert len(set(ports.values())) == len(clients)
        for number in reversed(range(len(clients))):
            target.sendto(b"%d back" % number, ports[number])
        for number, client in enumerate(clients):
            assert client.recv(100) == b"%d back" % number
            client.close()
        assert relay.counters.clients == len(clients)


def test_each_direction_does_what_it_is_told(target: socket.socket) -> None:
    up, down = "loss=pattern:.x", udpping.Link(duplicate=1, delay="30ms")
    with (
        udpping.Relay(target.getsockname(), up=up, down=down, seed=3) as relay,
        end(relay.address) as client,
    ):
        for number in range(6):
            client.send(b"%d" % number)
        came = [target.recvfrom(100) for _ in range(3)]
        assert [payload for payload, _ in came] == [b"0", b"2", b"4"]
        began = time.monotonic()
        for payload, source in came:
            target.sendto(payload, source)
        back = [client.recv(100) for _ in range(6)]
        assert time.monotonic() - began >= 0.03
        assert sorted(back) == [b"0", b"0", b"2", b"2", b"4", b"4"]
        until(lambda: relay.counters.down.waiting == 0)
        above, below = relay.counters.up, relay.counters.down
    assert (above.received, above.sent, above.dropped) == (6, 3, 3)
    assert (below.received, below.sent, below.duplicated, below.delayed) == (3, 6, 3, 6)
    assert (relay.seed, str(relay.down)) == (3, "delay=30ms; duplicate=1")


def test_link_is_of_both_directions() -> None:
    relay = udpping.Relay("127.0.0.1:9", link="loss=5%", up=udpping.Link(rate="1Mbit/s"))
    assert (str(relay.up), str(relay.down)) == ("loss=0.05; rate=1Mbit/s", "loss=0.05")
    relay.stop()
    error = refused(lambda: udpping.Relay("127.0.0.1:9", link="loss=5%", up="loss=1%"))
    assert "loss" in error


def test_the_same_seed_loses_the_same() -> None:
    lost = []
    for _ in range(2):
        with udpping.Server(port=0) as server, udpping.Relay(server, link="loss=30%", seed=9) as relay:
            run = udpping.ping(relay, count=40, interval=0.002, timeout=3, linger=0)
        lost.append([row.reply is None for row in run])
        assert relay.counters.up.received == 40
        assert relay.counters.up.dropped + relay.counters.down.dropped == run.summary.lost
    assert lost[0] == lost[1]
    assert any(lost[0])


def test_a_corrupted_a_reordered_and_a_queued_datagram_are_counted(target: socket.socket) -> None:
    link = "reorder=100%,3s; corrupt=100%,3; first=0"
    with udpping.Relay(target.getsockname(), up=link) as relay, end(relay.address) as client:
        client.send(b"aaaa")
        until(lambda: relay.counters.up.received == 1)
        relay.up = ""
        client.send(b"bbbb")
        assert target.recv(10) == b"bbbb"
        assert target.recv(10) != b"aaaa"
        up = relay.counters.up
        assert (up.reordered, up.corrupted, up.delayed) == (1, 1, 1)
        relay.up = "rate=1kbit/s; queue=1"
        for _ in range(3):
            client.send(b"c" * 5_000)
        until(lambda: relay.counters.up.received == 5)
        assert (relay.counters.up.queue_drops, relay.counters.up.dropped) == (2, 0)


def test_the_log_and_events_say_what_became_of_each_datagram(target: socket.socket) -> None:
    up, down = "loss=list:2; corrupt=100%; first=1", "delay=10ms; duplicate=100%"
    with (
        udpping.Relay(target.getsockname(), up=up, down=down, record=True) as relay,
        end(relay.address) as client,
    ):
        events = relay.follow()
        for payload in (b"one", b"two", b"three"):
            client.send(payload)
        assert target.recvfrom(10)[0] == b"one"
        changed, source = target.recvfrom(10)
        assert changed != b"three"
        target.sendto(b"back", source)
        assert [client.recv(10) for _ in range(2)] == [b"back"] * 2
        name = f"{HERE}:{client.getsockname()[1]}"
    rows = list(relay.log)
    assert [row.client for row in rows] == [name] * 4
    told = [(row.direction, row.number, row.bytes, row.verdict, row.reason, row.corrupted) for row in rows]
    assert told == [
        ("up", 1, 3, "send", None, False),
        ("up", 2, 3, "drop", "loss", False),
        ("up", 3, 5, "send", None, True),
        ("down", 1, 4, "send", None, False),
    ]
    assert (rows[3].delay_ns, rows[3].copies, rows[0].delay_ns) == (10_000_000, 1, 0)
    assert [rows[at].recv_ns <= rows[at + 1].recv_ns for at in range(3)] == [True] * 3
    gone = list(events)
    assert [event[:-1] for event in gone] == [tuple(row) for row in rows]
    assert [event.message for event in gone] == [b"one", b"two", b"three", b"back"]
    assert relay.log.to_pandas()["direction"].tolist() == ["up"] * 3 + ["down"]


def test_replies_of_others_go_nowhere(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname()) as relay, end(relay.address) as client, end() as stranger:
        client.send(b"hello")
        _, source = target.recvfrom(100)
        stranger.sendto(b"not from the target", source)
        target.sendto(b"from the target", source)
        assert client.recv(100) == b"from the target"
        assert relay.counters.down.received == 1


def test_replies_from_another_port_are_followed_if_asked(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname(), follow_port=True) as relay, end(relay.address) as client:
        client.send(b"read request")
        _, source = target.recvfrom(100)
        with end() as transfer:
            transfer.sendto(b"data", source)
            assert client.recv(100) == b"data"
            client.send(b"acknowledgement")
            assert transfer.recvfrom(100) == (b"acknowledgement", source)
        assert relay.counters.foreign == 0


def test_a_nat_gives_new_ports(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname()) as relay, end(relay.address) as client:
        client.send(b"1")
        _, first = target.recvfrom(100)
        relay.rebind()
        client.send(b"2")
        _, second = target.recvfrom(100)
        assert second != first
        target.sendto(b"back", second)
        assert client.recv(100) == b"back"
        assert relay.counters.clients == 1


def test_what_comes_after_a_nat_forgot_its_clients_never_goes_from_an_old_port(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname()) as relay, end(relay.address) as client:
        client.send(b"1")
        _, port = target.recvfrom(100)
        for _ in range(2_000):
            # The relay still works on what was sent before.
            client.send(b"before")
            relay.rebind()
            client.send(b"after")
            before, after = (target.recvfrom(100) for _ in range(2))
            assert (before[0], after[0]) == (b"before", b"after")
            assert after[1] != port
            port = after[1]


def test_nothing_passes_while_it_is_blocked(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname()) as relay, end(relay.address) as client:
        relay.block("1h")
        client.send(b"1")
        until(lambda: relay.counters.up.received == 1)
        assert relay.counters.up.dropped == 1
        relay.block(0)
        client.send(b"2")
        assert target.recv(10) == b"2"


def test_a_silent_client_is_forgotten(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname(), idle="20ms") as relay, end(relay.address) as client:
        client.send(b"1")
        _, first = target.recvfrom(100)
        until(lambda: relay.counters.clients == 0)
        client.send(b"2")
        assert target.recvfrom(100)[1] != first


def has_met(relay: udpping.Relay, errors: int) -> bool:
    return relay.counters.unreachable == errors


def test_a_target_that_nobody_listens_at_is_counted_and_stops_nothing() -> None:
    address = (HERE, free_port())
    with udpping.Relay(address) as relay, end(relay.address) as client:
        for number in range(1, 4):
            client.send(b"x")
            until(partial(has_met, relay, number))
        assert (relay.counters.up.sent, relay.counters.up.errors) == (3, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
            back.settimeout(LONG)
            back.bind(address)
            client.send(b"y")
            assert back.recv(10) == b"y"


def test_it_never_relays_to_itself() -> None:
    port = free_port()
    for host in (HERE, "", "::"):
        error = refused(partial(udpping.Relay, (HERE, port), host, port))
        assert "the relay itself" in error


def test_a_circle_of_relays_ends() -> None:
    """It is over when all that one sent the other has received, and could not send on: none is on its way."""
    back = (HERE, free_port())
    with (
        udpping.Relay(back, up="duplicate=100%") as one,
        udpping.Relay(one.address, *back) as other,
        end(one.address) as client,
    ):
        client.send(b"x")

        def is_over() -> bool:
            ups = [relay.counters.up for relay in (one, other)]
            received, sent = sum(up.received for up in ups), sum(up.sent for up in ups)
            copies, errors = sum(up.duplicated for up in ups), sum(up.errors for up in ups)
            return received == sent + 1 and received + copies == sent + errors

        until(is_over)
        assert one.counters.up.errors + other.counters.up.errors > 0
        assert one.counters.up.received + other.counters.up.received > 50


def test_bad_values_are_refused() -> None:
    untyped: Any = udpping.Relay
    for error, words in (
        (lambda: udpping.Relay("127.0.0.1:9", up="lost=5%"), "lost"),
        (lambda: udpping.Relay("127.0.0.1:9", idle="1ms"), "idle '1ms'"),
        (lambda: udpping.Relay("127.0.0.1:0"), "a port from 1"),
        (lambda: udpping.Relay("http://host:9"), "without http"),
        (lambda: udpping.Relay("127.0.0.1:9", port=70_000), "port 70000"),
        (lambda: untyped("127.0.0.1:9", up=5), "up 5"),
        (lambda: udpping.Relay("255.255.255.255:9"), "broadcast"),
        (lambda: untyped("127.0.0.1:9", fellow_port=True), "follow_port"),
    ):
        assert words in refused(error)
    relay = udpping.Relay("127.0.0.1:9")
    assert "lost" in refused(lambda: setattr(relay, "up", "lost=5%"))
    assert "0 to 1d" in refused(lambda: relay.block("2d"))
    relay.stop()
    with pytest.raises(udpping.NetworkError, match="the relay has been stopped"):
        relay.start()


def test_a_busy_port_is_named(target: socket.socket) -> None:
    with pytest.raises(udpping.PortBusyError) as caught:
        udpping.Relay("127.0.0.1:9", *target.getsockname())
    assert caught.value.errno == errno.EADDRINUSE


def test_strangers_who_could_make_it_send_more_are_warned_of() -> None:
    with pytest.warns(udpping.AmplificationWarning, match="down has duplicate"):
        udpping.Relay("127.0.0.1:9", "", down="duplicate=1%").stop()


def test_it_works_within_asyncio() -> None:
    async def work() -> int:
        with udpping.Server(port=0) as server:
            async with udpping.Relay(server, up="loss=list:1") as relay:
                run = await udpping.aio.ping(relay, count=2, timeout=3, linger=0)
            return run.summary.lost + relay.counters.up.dropped

    assert asyncio.run(work()) == 2


def test_stopping_in_another_thread_ends_the_wait() -> None:
    relay = udpping.Relay("127.0.0.1:9")
    relay.start()
    threading.Timer(0.05, relay.stop).start()
    relay.wait()
    assert not relay.running
    assert "not running" in repr(relay)
