"""tshark decodes what ping and a reflector send: every field is what the rows of the run say."""

from __future__ import annotations

import json
import socket
import struct
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from thirdparty import finished

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8620
RAW_IP = 101
"""The link type of packets that begin with their IP header."""
FIELDS = (
    *("seq_number", "timestamp", "receive_timestamp", "sender_seq_number", "sender_timestamp"),
    *("error_estimate.s", "error_estimate.z", "error_estimate.scale", "error_estimate.multiplier"),
    *("sender_ttl", "mbz1", "mbz2"),
)


def captured(run: Any) -> list[bytes]:  # noqa: ANN401 - a function that pings an address
    """Pass a run's packets on to a reflector and back; give requests and replies in their order."""
    with (
        udpping.Reflector(port=0) as reflector,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        back.connect(reflector.address)
        packets: list[bytes] = []

        def carry() -> None:
            while True:
                request, sender = front.recvfrom(2_000)
                if not request:
                    return
                back.send(request)
                reply = back.recv(2_000)
                packets.extend((request, reply))
                front.sendto(reply, sender)

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            run(front.getsockname())
        finally:
            front.sendto(b"", front.getsockname())
            thread.join()
        return packets


def capture(path: Path, packets: list[bytes]) -> None:
    """Write a file of datagrams to and from a reflector's port, as capturing would."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, RAW_IP))
        for number, packet in enumerate(packets):
            ports = (PORT, 40_000) if number % 2 else (40_000, PORT)
            length = 28 + len(packet)
            here = socket.inet_aton("127.0.0.1")
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, number, 0, 255, 17, 0, here, here)
            datagram = header + struct.pack("!HHHH", *ports, 8 + len(packet), 0) + packet
            file.write(struct.pack("<IIII", number, 0, len(datagram), len(datagram)) + datagram)


def decoded(folder: Path, packets: list[bytes]) -> list[dict[str, str]]:
    path = folder / "stamp.pcap"
    capture(path, packets)
    words = [word for name in FIELDS for word in ("-e", f"twamp.test.{name}")]
    text = finished(folder, "tshark", "-r", path, "-d", f"udp.port=={PORT},twamp.test", "-T", "json", *words)
    # Warnings to root follow.
    found, _ = json.JSONDecoder().raw_decode(text[text.index("[") :])
    return [
        {name.removeprefix("twamp.test."): values[0] for name, values in each["_source"]["layers"].items()}
        for each in found
    ]


def nanoseconds(text: str) -> int:
    """Read a time as tshark prints it in JSON."""
    moment, _, fraction = text.removesuffix(" UTC").partition(".")
    seconds = datetime.strptime(moment, "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC).timestamp()
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


@pytest.mark.parametrize("protocol", ["stamp:ssid=7", "stamp:ssid=7,timestamps=ptp"])
@pytest.mark.parametrize(("size", "more"), [(44, ""), (100, ""), (64, ",follow-up"), (100, ",follow-up")])
def test_tshark_reads_in_packets_what_the_rows_say(
    tmp_path: Path, size: int, more: str, protocol: str
) -> None:
    runs: list[udpping.Run] = []

    def pings(address: Any) -> None:  # noqa: ANN401 - of a socket
        runs.append(udpping.ping(address, count=5, timeout=60, protocol=protocol + more, size=size))

    packets = captured(pings)
    found = decoded(tmp_path, packets)
    assert (len(found), {len(packet) for packet in packets}) == (10, {size})
    for row, asked, answer in zip(runs[0], found[::2], found[1::2], strict=True):
        assert (asked["seq_number"], answer["sender_seq_number"]) == (str(row.seq), str(row.seq))
        assert answer["seq_number"] == str(row.server_seq) == str(row.seq - 1)
        # It knows no sessions, and shows their identifier as what must be zero.
        assert (asked["mbz1"], answer["mbz1"], answer["mbz2"], answer["sender_ttl"]) == ("7", "7", "0", "64")
        assert (asked["error_estimate.z"], answer["error_estimate.z"]) == (str(int("ptp" in protocol)), "0")
        assert int(asked["error_estimate.multiplier"]) > 0
        times = [asked["timestamp"], answer["receive_timestamp"], answer["timestamp"]]
        for own, text in zip((row.sent_wall_ns, row.server_recv_ns, row.server_sent_ns), times, strict=True):
            assert own == pytest.approx(nanoseconds(text), abs=1)


def test_tshark_reads_the_answer_to_the_shortest_packet_of_twamp_light(tmp_path: Path) -> None:
    with (
        udpping.Reflector(port=0, base_reply=True) as reflector,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
    ):
        own.settimeout(60)
        # As Nokia's twampy writes its Error Estimate.
        request = struct.pack("!IQH", 5, 0xEEB708E8C35C05FF, 0x3FFF)
        own.sendto(request, reflector.address)
        reply = own.recv(2_000)
    (found,) = decoded(tmp_path, [reply])
    assert (len(reply), found["seq_number"], found["sender_seq_number"]) == (44, "0", "5")
    assert found["sender_timestamp"].startswith("Nov 29, 2026")
    assert nanoseconds(found["receive_timestamp"]) <= nanoseconds(found["timestamp"])
