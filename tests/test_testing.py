"""The far end for the tests of clients does what its script says, and nothing else."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import belongings, udp_socket, wait_until
from udpping.testing import FarEnd, Received, Refuse, Reply, Script, Step, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IPV6 = pytest.param("::1", marks=pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here"))


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Open a socket that waits ten seconds at most."""
    with udp_socket() as own:
        yield own


def take(client: socket.socket, count: int) -> list[bytes]:
    return [client.recv(65_535) for _ in range(count)]


def test_each_step_is_for_one_datagram_and_after_the_last_nothing_is_answered(client: socket.socket) -> None:
    steps: list[Step] = [None, b"one", Reply(), [], [Reply(b"two"), b"three"], iter([Reply(b"four")])]
    with FarEnd(steps) as far:
        for number in range(8):
            client.sendto(b"%d" % number, far.address)
        assert take(client, 5) == [b"one", b"2", b"two", b"three", b"four"]
        far.wait(8)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(10)
    assert [datagram.payload for datagram in far.received] == [b"%d" % number for number in range(8)]
    assert [datagram.number for datagram in far.received] == list(range(1, 9))


def numbered(datagram: Received) -> list[bytes]:
    return [b"%d:" % datagram.number + datagram.payload]


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        (Reply(b"same"), [b"same", b"same"]),
        (itertools.cycle([b"x", b"y"]), [b"x", b"y"]),
        (numbered, [b"1:a", b"2:b"]),
    ],
    ids=["reply", "endless", "function"],
)
def test_a_script_is_a_reply_a_list_or_a_function(
    script: Script, answers: list[bytes], client: socket.socket
) -> None:
    with FarEnd(script) as far:
        client.sendto(b"a", far.address)
        client.sendto(b"b", far.address)
        assert take(client, 2) == answers


@pytest.mark.parametrize("host", ["127.0.0.1", IPV6])
def test_what_came_is_told_in_full(host: str) -> None:
    with FarEnd(host=host) as far, udp_socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as own:
        if ":" in host:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 9)
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 46 << 2)
        else:
            own.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 9)
            own.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 46 << 2)
        own.bind((host, 0))
        own.sendto(b"\0\xff", far.address)
        far.wait(1)
        time.sleep(0.05)
        own.sendto(b"", far.address)
        first, second = far.wait(2)
        assert first.client == own.getsockname()[:2]
    assert (first.payload, first.ttl, first.tos, second.payload) == (b"\0\xff", 9, 46 << 2, b"")
    assert 0 <= first.recv_ns <= second.recv_ns - 50_000_000


def test_replies_leave_when_they_are_due_and_from_where_they_should(client: socket.socket) -> None:
    with FarEnd(
        [[Reply(b"late", after=0.3), Reply(b"soon", after=0.1), Reply(b"other", other_port=True)]]
    ) as far:
        began = time.monotonic()
        client.sendto(b"?", far.address)
        came = [(*client.recvfrom(10), time.monotonic() - began) for _ in range(3)]
    assert [text for text, _, _ in came] == [b"other", b"soon", b"late"]
    assert [source == far.address for _, source, _ in came] == [False, True, True]
    assert [seconds >= least for (_, _, seconds), least in zip(came, [0, 0.1, 0.3], strict=True)] == [
        True
    ] * 3


@pytest.mark.parametrize("host", ["127.0.0.1", IPV6])
def test_what_comes_while_it_refuses_is_refused_and_not_received(host: str) -> None:
    with FarEnd(host=host) as far, udp_socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as own:
        own.connect(far.address)
        for _ in range(3):
            with far.refusing():
                own.send(b"refused")
                with pytest.raises(ConnectionRefusedError):
                    own.recv(10)
                with pytest.raises(udpping.PortBusyError):
                    FarEnd(host=host, port=far.address[1]).__enter__()
            own.send(b"answered")
            assert own.recv(10) == b"answered"
    assert [datagram.payload for datagram in far.received] == [b"answered"] * 3


def test_a_refusal_in_the_script_lasts_as_long_as_it_says(client: socket.socket) -> None:
    with FarEnd([[Reply(b"going"), Refuse(0.3)], Reply(b"back")]) as far:
        client.connect(far.address)
        began = time.monotonic()
        client.send(b"1")
        assert client.recv(10) == b"going"

        def ask_again() -> bool:
            try:
                client.send(b"2")
                return client.recv(10) == b"back"
            except ConnectionRefusedError:
                return False

        wait_until(ask_again)
        assert time.monotonic() - began >= 0.3
    assert [datagram.payload for datagram in far.received] == [b"1", b"2"]


def test_a_pinger_sees_all_of_it() -> None:
    steps = [Reply(), None, [Reply(), Reply()], Reply(after=2.5), Reply(other_port=True), Reply(b"no")]
    with FarEnd(steps, ttl=33) as far:
        run = udpping.ping(*far.address, count=6, timeout=2, linger=0)
    assert [row.status for row in run] == ["reply", "timeout", "reply", "late", "timeout", "timeout"]
    assert [row.copies for row in run] == [1, 0, 2, 1, 0, 0]
    # Its replies were whole pings before, so other bytes are a damaged one.
    assert (run.summary.foreign, run.summary.damaged, run.row(0).ttl) == (1, 1, 33)


def test_wait_says_how_many_came(client: socket.socket) -> None:
    with FarEnd([]) as far:
        client.sendto(b"1", far.address)
        assert [datagram.payload for datagram in far.wait(1)] == [b"1"]
        with pytest.raises(TimeoutError, match=r"^1 of 2 datagrams came within 0\.05 s$"):
            far.wait(2, timeout=0.05)


def test_an_error_in_the_script_is_raised_where_it_is_used(client: socket.socket) -> None:
    def broken(datagram: Received) -> Reply:
        return Reply(after=1 / (datagram.number - 1))

    def use(script: Script) -> None:
        with FarEnd(script) as far:
            client.sendto(b"1", far.address)
            far.wait(2)

    text: Any = ["text"]
    with pytest.raises(ZeroDivisionError):
        use(broken)
    with pytest.raises(udpping.ConfigError, match="step 'text' is not usable: expected None, bytes, Reply"):
        use(text)
    with pytest.raises(ZeroDivisionError), FarEnd(broken) as far:
        client.sendto(b"1", far.address)


@pytest.mark.parametrize(
    ("make", "options", "told"),
    [
        (Reply, {"payload": "text"}, "payload 'text' is not usable: expected at most 65,507 bytes"),
        (Reply, {"payload": bytes(65_508)}, "payload .* is not usable: expected at most 65,507 bytes"),
        (Reply, {"after": -1}, "after -1 is not usable: expected 0 to 1d: seconds"),
        (Reply, {"after": float("nan")}, "after nan is not usable"),
        (Reply, {"other_port": 1}, "other_port 1 is not usable: expected True or False"),
        (Refuse, {"seconds": float("inf")}, "seconds inf is not usable: expected 0 to 1d: seconds"),
        (FarEnd, {"script": b"pong"}, "script b'pong' is not usable: expected a Reply, a list"),
        (FarEnd, {"script": None}, "script None is not usable"),
        (FarEnd, {"port": 65_536}, "port 65536 is not usable: expected 0 to 65535"),
        (FarEnd, {"ttl": 0}, "ttl 0 is not usable: expected 1 to 255"),
        (FarEnd, {"host": 7}, "host 7 is not usable: expected text"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    make: Callable[..., object], options: dict[str, object], told: str
) -> None:
    with pytest.raises(udpping.ConfigError, match=told):
        make(**options)


def test_where_it_cannot_listen_is_one_clear_error() -> None:
    with FarEnd() as far, pytest.raises(udpping.PortBusyError, match="cannot listen at port"):
        FarEnd(port=far.address[1]).__enter__()
    with pytest.raises(udpping.AddressError):
        FarEnd(host="no..such..host").__enter__()
    with pytest.raises(udpping.NetworkError):
        free_port("203.0.113.1")


def test_it_refuses_until_the_last_reason_is_over(client: socket.socket) -> None:
    with FarEnd() as far:
        client.connect(far.address)
        with far.refusing():
            with far.refusing():
                pass
            client.send(b"refused")
            with pytest.raises(ConnectionRefusedError):
                client.recv(10)
        client.send(b"answered")
        assert client.recv(10) == b"answered"
    with FarEnd([[Reply(), Refuse(60)]]) as far:
        client.connect(far.address)
        client.send(b"1")
        assert client.recv(10) == b"1"
        with far.refusing():
            pass
        client.send(b"2")
        with pytest.raises(ConnectionRefusedError):
            client.recv(10)


def test_a_far_end_has_one_block() -> None:
    far = FarEnd()
    with pytest.raises(udpping.ConfigError, match="enter that first"), far.refusing():
        pass
    with far, pytest.raises(udpping.ConfigError, match="make another FarEnd"):
        far.__enter__()
    with pytest.raises(udpping.ConfigError, match="make another FarEnd"):
        far.__enter__()
    with pytest.raises(udpping.ConfigError, match="enter that first"), far.refusing():
        pass


def test_it_answers_in_a_process_with_very_many_open_files() -> None:
    script = """
import os, resource, udpping
from udpping.testing import FarEnd
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096), hard))
for _ in range(1_100):
    os.dup(0)
with FarEnd() as far:
    print(udpping.ping(*far.address, count=2, timeout=10).summary.received)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_a_free_port_is_one_at_which_nobody_listens(client: socket.socket) -> None:
    client.bind(("127.0.0.1", 0))
    port = free_port()
    client.connect(("127.0.0.1", port))
    client.send(b"?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
    with FarEnd(port=port) as far:
        assert far.address == ("127.0.0.1", port)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells which ports it gives away")
def test_a_free_port_is_given_to_nobody_who_asks_for_any() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    ports = [free_port(host) for host in ("127.0.0.1", "::1") for _ in range(20)]
    assert not [port for port in ports if first <= port <= last]
    assert len(set(ports)) > 1


def test_nothing_is_left_behind() -> None:
    before = belongings()
    for _ in range(3):
        with FarEnd([Refuse(60)]) as far, far.refusing():
            pass
        with pytest.raises(KeyError), FarEnd():
            raise KeyError
    wait_until(lambda: belongings() <= before)


def test_no_test_framework_is_needed() -> None:
    program = (
        "import sys, udpping.testing\nprint({'pytest', 'unittest', 'asyncio', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
