"""STAMP of scapy, byte by byte: it reads what ping and a reflector send, and they read what it writes."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import udpping
from scapy.contrib import stamp as scapy_stamp

stamp: Any = scapy_stamp
BASE = 44


@pytest.fixture
def own() -> Any:  # noqa: ANN401 - a generator of a socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(60)
        yield opened


def answer(own: socket.socket, count: int, seen: list[bytes]) -> None:
    """Reflect as a program made of scapy does: with what its packet has by default, and the copied fields."""
    for number in range(count):
        request, sender = own.recvfrom(2_000)
        seen.append(request)
        asked = stamp.STAMPSessionSenderTestUnauthenticated(request)
        reply = stamp.STAMPSessionReflectorTestUnauthenticated(
            seq=100 + number,
            ts=asked.ts,
            ssid=asked.ssid,
            ts_rx=asked.ts,
            seq_sender=asked.seq,
            ts_sender=asked.ts,
            err_estimate_sender=asked.err_estimate,
            ttl_sender=9,
        )
        own.sendto(bytes(reply), sender)


@pytest.mark.parametrize("size", [BASE, 100])
def test_ping_asks_and_reads_a_reflector_of_scapy(own: socket.socket, size: int) -> None:
    seen: list[bytes] = []
    thread = threading.Thread(target=answer, args=(own, 5, seen))
    thread.start()
    run = udpping.ping(own.getsockname(), count=5, timeout=60, protocol="stamp:ssid=7", size=size)
    thread.join()
    assert [row.status for row in run] == ["reply"] * 5
    for number, (row, request) in enumerate(zip(run, seen, strict=True), 1):
        asked = stamp.STAMPSessionSenderTestUnauthenticated(request)
        assert bytes(asked) == request
        assert (asked.seq, asked.ssid, len(asked.tlv_objects)) == (number, 7, int(size > BASE))
        # It answers with the time of the sender as both of its own.
        assert row.sent_wall_ns is not None
        assert row.server_recv_ns == row.server_sent_ns == pytest.approx(row.sent_wall_ns, abs=1)
        assert row.path_rtt_ns == row.rtt_ns


def test_a_reflector_answers_scapy_as_scapy_would_write_it(own: socket.socket) -> None:
    with udpping.Reflector(port=0) as reflector:
        for number in range(3):
            asked = stamp.STAMPSessionSenderTestUnauthenticated(seq=number + 7, ssid=9)
            own.sendto(bytes(asked), reflector.address)
            reply = own.recv(2_000)
            read = stamp.STAMPSessionReflectorTestUnauthenticated(reply)
            assert bytes(read) == reply
            assert (read.seq, read.seq_sender, read.ssid, read.ttl_sender) == (number, number + 7, 9, 64)
            assert (read.mbz1, read.mbz2, bytes(read.err_estimate_sender)) == (
                0,
                0,
                bytes(asked.err_estimate),
            )
            assert 0 < read.ts_rx <= read.ts
