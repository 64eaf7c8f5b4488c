"""Datagrams with a forged source address set off no endless loop."""

from __future__ import annotations

import os
import socket
import struct
import sys

import pytest
import udpping
from common import ask, wait_until

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root forges a source address"
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="hops are reported on Linux only")
IP_RECVTTL = 12
"""Of Linux; Python's socket names it from 3.14 on."""


def forge(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> None:
    """Send a datagram that says it comes from elsewhere."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(ip + udp, target)


def forge_icmp(source: tuple[str, int], target: tuple[str, int]) -> None:
    """Say from another address that nobody listened at the target of a datagram from the source."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    quoted = ip + struct.pack("!HHHH", source[1], target[1], 8, 0)
    total = 0x0303 + sum(struct.unpack(f"!{len(quoted) // 2}H", quoted))
    checksum = ~(total % 0xFFFF) & 0xFFFF
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.bind(("127.0.0.9", 0))
        raw.sendto(struct.pack("!BBHI", 3, 3, checksum, 0) + quoted, source)


@as_root
@linux
def test_an_icmp_error_about_somewhere_else_is_not_counted_by_a_heartbeat() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as monitor:
        monitor.bind(("127.0.0.1", 0))
        monitor.settimeout(20)
        address = monitor.getsockname()
        with udpping.Heartbeat(*address, interval=0.02) as heartbeat:
            source = monitor.recvfrom(2_000)[1]
            for elsewhere in (("127.0.0.1", 9), ("127.0.0.2", address[1]), ("192.0.2.1", 53)):
                forge_icmp(source, elsewhere)
            forge_icmp(source, address)
            wait_until(lambda: heartbeat.refused > 0)
            assert heartbeat.refused == 1


@as_root
@pytest.mark.parametrize(
    ("host", "source"),
    [("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1"), ("", "127.0.0.7"), ("::", "127.0.0.1")],
)
@pytest.mark.parametrize("delay", [0, "1ms"])
def test_a_server_does_not_answer_itself(host: str, source: str, delay: float | str) -> None:
    with udpping.Server(host, 0, record=True, delay=delay) as server:
        port = server.address[1]
        forge((source, port), ("127.0.0.1", port), b"Ping 1 0")
        wait_until(lambda: server.counters.received == 1)
        # Whatever the server had sent itself would have come before this.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            for number in range(20):
                client.sendto(b"Ping %d 0" % number, ("127.0.0.1", port))
                client.recv(100)
        wait_until(lambda: server.counters.answered == 20)
        counters = server.counters
        assert (counters.received, counters.errors, counters.waiting) == (21, 1, 0)
        assert next((row.verdict, row.reason) for row in server.log) == ("error", "send")


def test_another_program_at_the_same_port_of_another_address_is_answered() -> None:
    with udpping.Server("127.0.0.1", 0) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.2", server.address[1]))
        client.settimeout(20)
        client.sendto(b"Ping 1 0", server.address)
        assert client.recv(100) == b"PING 1 0"
        assert ask(server, b"x") == b"X"


@as_root
@linux
@pytest.mark.parametrize(
    ("one", "other", "payload"),
    [
        ("upper", "upper", b"Ping 1 0"),
        ("same", "same", b"Ping 1 0"),
        ("upper", "same", b"Ping 1 0"),
        ("<{message}>", "[{message}]", b"Ping 1 0"),
        ("ping {now}", "pong {now}", b"Ping 1 0"),
    ],
)
@pytest.mark.parametrize("delay", [0, "uniform:0ms,1ms"])
def test_two_servers_that_lose_nothing_stop_answering_each_other(
    one: str, other: str, payload: bytes, delay: float | str
) -> None:
    with (
        udpping.Server("127.0.0.1", 0, reply=one, delay=delay) as first,
        udpping.Server("127.0.0.1", 0, reply=other, delay=delay) as second,
    ):
        for number in range(20):
            forge(first.address, second.address, payload + b"%d" % number)
        servers = (first, second)
        wait_until(lambda: sum(server.counters.errors for server in servers) == 20)
        # Whatever goes round is answered or waits, so all has ended.
        assert sum(server.counters.answered for server in servers) <= 20 * 35
        assert all(server.counters.waiting == 0 for server in servers)


@linux
@pytest.mark.parametrize(
    ("host", "target"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]
)
def test_a_reply_that_repeats_its_request_has_fewer_hops_left(host: str, target: str) -> None:
    is_v6 = ":" in target
    level, asked, told, limit = (
        (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, socket.IPV6_HOPLIMIT, socket.IPV6_UNICAST_HOPS)
        if is_v6
        else (socket.IPPROTO_IP, IP_RECVTTL, socket.IP_TTL, socket.IP_TTL)
    )
    with (
        udpping.Server(host, 0) as server,
        socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(20)
        client.setsockopt(level, asked, 1)

        def hops(payload: bytes, ttl: int) -> int:
            client.setsockopt(level, limit, ttl)
            client.sendto(payload, (target, server.address[1]))
            answer, ((_, kind, data), *_), _, _ = client.recvmsg(100, 100)
            assert (answer, kind) == (payload.upper(), told)
            return int.from_bytes(data, sys.byteorder)

        usual = hops(b"Ping 1 0", 64)
        assert [hops(b"PING 1 0", ttl) for ttl in (255, 64, 40, 33)] == [64, 63, 39, 32]
        # Datagrams that are to stay near, and those that differ from their replies, are answered as ever.
        assert [hops(b"PING 1 0", ttl) for ttl in (15, 1)] == [usual, usual]
        assert [hops(b"Ping 1 0", ttl) for ttl in (255, 32, 16, 1)] == [usual] * 4
        client.setsockopt(level, limit, 32)
        client.sendto(b"PING 1 0", (target, server.address[1]))
        wait_until(lambda: server.counters.errors == 1)
