"""stamp-suite as a reflector and as a sender: each end understands the other, with keys and in both formats.

Its build takes minutes. So this is a check of `make test FULL=1` alone. That puts it into build/stamp-suite.
"""

from __future__ import annotations

import json
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from thirdparty import finished, free_ports, started

if TYPE_CHECKING:
    from collections.abc import Generator

SUITE = Path(__file__).parents[2] / "build/stamp-suite/bin/stamp-suite"
HERE = "127.0.0.1"
KEY = "000102030405060708090a0b0c0d0e0f"
EXTENSIONS = (
    *("--cos", "--dscp", 46, "--direct-measurement", "--location", "--timestamp-info"),
    *("--follow-up-telemetry", "--extra-padding", 10),
)
NTP = 2_208_988_800
"""Seconds from 1900 to 1970."""
FORMATS = [("stamp", "NTP"), ("stamp:timestamps=ptp", "PTP")]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(f"hex:{KEY}\n")
    return path


def asked(folder: Path, port: int, *words: object) -> dict[str, Any]:
    """Let stamp-suite send five packets to a port; give its summary."""
    where = ("-r", HERE, "-p", port, "-S", HERE)
    printed = finished(folder, SUITE, *where, "-c", 5, "-d", 20, "-L", 2, "--output-format", "json", *words)
    records = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return next(record for record in records if record["type"] == "summary")


@contextmanager
def its_reflector(folder: Path, form: str, *, sealed: bool) -> Generator[int]:
    """Run the reflector of stamp-suite; give its port."""
    port = free_ports()
    words = ("-A", "A", "--hmac-key", KEY) if sealed else ()
    listening = ("-i", "-S", HERE, "-o", port, "--stateful-reflector", "-K", form)
    with started(folder, SUITE, *listening, *words, port=port):
        yield port


@pytest.mark.parametrize(("protocol", "form"), FORMATS)
@pytest.mark.parametrize("sealed", [False, True])
def test_ping_asks_its_reflector(
    tmp_path: Path, key: Path, protocol: str, form: str, *, sealed: bool
) -> None:
    with (
        its_reflector(tmp_path, form, sealed=sealed) as port,
        udpping.Relay((HERE, port), up="loss=list:3,8", down="loss=list:4") as relay,
    ):
        keys = key if sealed else None
        run = udpping.ping(relay, count=20, interval="10ms", timeout="2s", protocol=protocol, key=keys)
    (ways,) = run.ways
    assert (ways.lost_up, ways.lost_down, ways.lost_unknown) == (2, 1, 0)
    assert (ways.offset_low_ns or 0) <= 0 <= (ways.offset_high_ns or 0)
    assert {row.bytes for row in run if row.reply} == {112 if sealed else 44}
    assert [row.server_seq for row in run if row.reply] == [0, 1, 2, *range(4, 18)]


def time_of(form: str, packet: bytes, place: int) -> int:
    """Read a time in nanoseconds since 1970."""
    seconds, part = struct.unpack_from("!II", packet, place)
    nanoseconds = part if form == "PTP" else part * 10**9 + 2**31 >> 32
    return int((seconds - (0 if form == "PTP" else NTP)) * 10**9 + nanoseconds)


@pytest.mark.parametrize(("protocol", "form"), FORMATS)
@pytest.mark.parametrize("sealed", [False, True])
def test_ping_asks_its_reflector_when_replies_left(
    tmp_path: Path, key: Path, protocol: str, form: str, *, sealed: bool
) -> None:
    protocol += f"{',' if ':' in protocol else ':'}follow-up"
    with its_reflector(tmp_path, form, sealed=sealed) as port:
        keys = key if sealed else None
        run = udpping.ping((HERE, port), count=20, timeout="5s", protocol=protocol, key=keys)
    base, written_at = (112, 16) if sealed else (44, 4)
    rows = list(run)
    assert [row.server_seq for row in rows] == list(range(20))
    assert {row.bytes for row in rows} == {152 if sealed else 64}
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        assert row.reply is not None
        written = time_of(form, row.reply, written_at)
        if after is None or after.reply is None:
            assert (row.server_sent_ns, row.server_stamp) == (written, None)
            continue
        flags, kind, size, number = struct.unpack_from("!BBHI", after.reply, base)
        assert (flags, kind, size, number) == (0, 7, 16, row.server_seq)
        told = time_of(form, after.reply, base + 8)
        assert told >= written
        assert row.server_sent_ns == told
        assert row.server_stamp == ("kernel-tx" if told > written else None)


@pytest.mark.parametrize("sealed", [False, True])
def test_its_sender_learns_when_replies_left(tmp_path: Path, key: Path, *, sealed: bool) -> None:
    words = ("-A", "A", "--hmac-key", KEY) if sealed else ()
    with udpping.Reflector(port=0, keys=key if sealed else None, send_stamps=True) as reflector:
        found = asked(tmp_path, reflector.address[1], "--follow-up-telemetry", *words)
    measured = found["measurements"]
    follow_up, flags = measured["follow_up"], measured["tlv_validation"]["by_type"]["7"]["flags"]
    assert flags == dict.fromkeys(flags, 0)
    counted = ("observations", "matched", "unavailable", "unmatched", "ambiguous", "repeated")
    assert [follow_up[name] for name in counted] == [5, 4, 1, 0, 0, 0]
    # The kernel sends later than the program writes, so the way back was shorter.
    assert 0 < follow_up["reverse_delay"]["max_ms"] <= found["owd"]["reverse_max_ms"]


@pytest.mark.parametrize("form", ["NTP", "PTP"])
@pytest.mark.parametrize("sealed", [False, True])
def test_its_sender_asks_a_reflector(tmp_path: Path, key: Path, form: str, *, sealed: bool) -> None:
    words = ("-A", "A", "--hmac-key", KEY) if sealed else ()
    with udpping.Reflector(port=0, keys=key if sealed else None, timestamps=form.lower()) as reflector:
        found = asked(tmp_path, reflector.address[1], "-K", form, "--ssid", 4660, *EXTENSIONS, *words)
        counters = reflector.counters
    assert (counters.received, counters.reflected, counters.sessions) == (5, 5, 1)
    assert (found["packets_sent"], found["packets_received"], found["packets_lost"]) == (5, 5, 0)
    measured = found["measurements"]
    extensions = measured["tlv_validation"]
    assert (extensions["evaluated_replies"], extensions["rejected_replies"]) == (5, 0)
    assert extensions["flags"] == dict.fromkeys(extensions["flags"], 0)
    assert {"1", "2", "3", "4", "5", "7"} <= extensions["by_type"].keys()
    assert extensions["hmac"]["failed"] == 0
    assert extensions["hmac"]["verified"] == (5 if sealed else 0)
    counted = measured["direct_measurement"]["latest_transmit"]
    assert counted == {"sender_tx": 5, "reflector_rx": 5, "reflector_tx": 5}
    assert (measured["follow_up"]["matched"], measured["follow_up"]["unavailable"]) == (4, 1)


def test_its_sender_gets_no_answer_without_the_key(tmp_path: Path, key: Path) -> None:
    with udpping.Reflector(port=0, keys=key) as reflector:
        found = asked(tmp_path, reflector.address[1], "-A", "A", "--hmac-key", KEY[::-1])
        assert reflector.counters.unverified == 5
    assert found["packets_received"] == 0
