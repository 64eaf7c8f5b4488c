"""STAMP of scapy, byte by byte: it reads what ping and a reflector send, and they read what it writes."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest
import udpping
from scapy.contrib import stamp as scapy_stamp

stamp: Any = scapy_stamp
BASE = 44
FOLLOW_UP = 7
LATER = 5_000
"""By how many nanoseconds the kernel of the reflector of scapy sends later than that writes."""


@pytest.fixture
def own() -> Any:  # noqa: ANN401 - a generator of a socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(60)
        yield opened


def asking(value: bytes = bytes(16)) -> Any:  # noqa: ANN401 - a part of a packet of scapy
    """Make a Follow-Up Telemetry TLV."""
    return stamp.STAMPTestTLV(type=FOLLOW_UP, len=16, value=value)


def told(reply: bytes, number: int) -> bytes:
    """Write what a Follow-Up Telemetry TLV tells of a reply."""
    sent = struct.unpack_from("!Q", reply, 4)[0] + LATER * 2**32 // 10**9
    return struct.pack("!IQB3x", number, sent, 2)


def answer(own: socket.socket, count: int, seen: list[bytes], *, follows_up: bool = False) -> None:
    """Reflect as a program made of scapy does: with what its packet has by default, and the copied fields."""
    follow_up = bytes(16)
    for number in range(count):
        request, sender = own.recvfrom(2_000)
        seen.append(request)
        asked = stamp.STAMPSessionSenderTestUnauthenticated(request)
        reply = stamp.STAMPSessionReflectorTestUnauthenticated(
            seq=100 + number,
            ssid=asked.ssid,
            seq_sender=asked.seq,
            err_estimate_sender=asked.err_estimate,
            ttl_sender=9,
            tlv_objects=[asking(follow_up)] if follows_up else [],
        )
        # As it came: what is set is rounded.
        reply.fields |= dict.fromkeys(("ts", "ts_rx", "ts_sender"), asked.fields["ts"])
        own.sendto(bytes(reply), sender)
        follow_up = told(bytes(reply), 100 + number)


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


def test_ping_takes_the_times_that_a_reflector_of_scapy_follows_up(own: socket.socket) -> None:
    seen: list[bytes] = []
    thread = threading.Thread(target=answer, args=(own, 5, seen), kwargs={"follows_up": True})
    thread.start()
    run = udpping.ping(own.getsockname(), count=5, timeout=60, protocol="stamp:ssid=7,follow-up")
    thread.join()
    for request in seen:
        asked = stamp.STAMPSessionSenderTestUnauthenticated(request)
        (tlv,) = asked.tlv_objects
        assert bytes(asked) == request
        assert (tlv.type, tlv.len, tlv.value) == (FOLLOW_UP, 16, bytes(16))
    assert [row.server_stamp for row in run] == ["kernel-tx"] * 4 + [None]
    for row in list(run)[:-1]:
        assert row.server_recv_ns is not None
        assert row.server_sent_ns == pytest.approx(row.server_recv_ns + LATER, abs=2)


def test_a_reflector_follows_up_for_scapy(own: socket.socket) -> None:
    with udpping.Reflector(port=0, send_stamps=True) as reflector:
        later = []
        written = 0
        for number in range(20):
            asked = stamp.STAMPSessionSenderTestUnauthenticated(seq=number, ssid=9, tlv_objects=[asking()])
            own.sendto(bytes(asked), reflector.address)
            reply = own.recv(2_000)
            read = stamp.STAMPSessionReflectorTestUnauthenticated(reply)
            assert bytes(read) == reply
            assert len(reply) == len(bytes(asked))
            (tlv,) = read.tlv_objects
            assert (int(tlv.flags), tlv.type, tlv.len) == (0, FOLLOW_UP, 16)
            before, sent = struct.unpack_from("!IQ", tlv.value)
            if number > 0:
                assert before == number - 1
                assert sent >= written
                later.append(sent > written)
            written = struct.unpack_from("!Q", reply, 4)[0]
        assert any(later) == reflector.stamps_sends


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
