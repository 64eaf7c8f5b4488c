"""Datagrams with a forged source address set off no loop."""

from __future__ import annotations

import os
import socket
import struct

import pytest
import udpping
from common import ask, wait_until

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root forges a source address"
)


def forge(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> None:
    """Send a datagram that says it comes from elsewhere."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(ip + udp, target)


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
