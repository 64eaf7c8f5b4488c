"""The monitor understands every heartbeat client of the course: the originals, and all known dialects.

The originals are in tests/peers, in our words, and run by the plain interpreter; they wait for answers. What
our own `Heartbeat` sends to the originals' servers is in test_heartbeat.py.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

import pytest
import udpping
from common import ask, udp_socket, wait_until
from udpping import lab
from watching import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from udpping._results.rows import PeerRow

PEERS = Path(__file__).parent / "peers"
SECONDS = 60

# How each of them ends when all is well: most of them crash then.
CLIENTS = {
    "first_client.py": "",
    "second_client.py": "EOFError",
    "third_client.py": "OSError",
    "many_client.py": "",
    "slides_heartbeat_client.py": "EOFError",
    "report_heartbeat_client.py": "OSError",
}


@pytest.mark.parametrize("name", CLIENTS)
def test_the_monitor_watches_the_originals(name: str) -> None:
    with udpping.Monitor("127.0.0.1", 0, detector="fixed:10", interval=0.3, answer=True) as monitor:
        host, port = monitor.address
        done = subprocess.run(
            [sys.executable, "-I", PEERS / name, host, str(port), "20"],
            input="\n", capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        events = [event.event for event in take_until_down(monitor)]
        (peer,) = monitor.peers
    assert CLIENTS[name] in done.stderr
    assert "imed out" not in done.stdout
    assert [event for event in events if event not in {"late", "suspect", *BUSY}] == ["new", "up", "down"]
    assert (peer.received, peer.lost, peer.duplicates, peer.reordered) == (10, 0, 0, 0)
    assert (peer.seq, peer.state) == (9 if name.startswith("slides") else 10, "down")
    assert (peer.difference_ns is None) == (name in {"second_client.py", "many_client.py"}), (
        "dates name no zone"
    )
    assert monitor.counters.unreadable == 0


def take_until_down(monitor: udpping.Monitor) -> Iterator[udpping.MonitorEvent]:
    for event in monitor:
        yield event
        if event.event == "down":
            return


Write: TypeAlias = "Callable[[int, float], bytes]"


@dataclass(frozen=True)
class Dialect:
    """What a client of the course sends as heartbeat `seq` at a time, and what of that is told."""

    write: Write
    first: int = 1
    numbered: bool = True
    timed: bool = True


def text(form: str) -> Write:
    """Make what fills in number and time: `t` in seconds, `s`, `ms`, `us`, `ns` whole, and dates."""

    def write(seq: int, t: float) -> bytes:
        whole = {"s": int(t), "ms": int(t * 1e3), "us": int(t * 1e6), "ns": int(t * 1e9)}
        local = time.localtime(t)
        dates = {
            "ctime": time.asctime(local),
            "iso": f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{int(t % 1 * 1e6):06}",
            "utc": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(t))}.{int(t % 1 * 1e6):06}Z",
            "clock": time.strftime("%H:%M:%S", local),
        }
        return form.format(n=seq, t=t, **whole, **dates).encode()

    return write


def utf(seq: int, t: float) -> bytes:
    """Write as Java's `writeUTF` does."""
    line = b"PING %d %d" % (seq, t * 1e3)
    return len(line).to_bytes(2, "big") + line


def icmp(seq: int, t: float) -> bytes:
    """Write an echo request of ICMP within UDP."""
    body = struct.pack("!HH", 4242, seq) + int(t * 1e3).to_bytes(6, "big")
    total = sum(struct.unpack("!7H", b"\x08\x00\x00\x00" + body))
    total = (total & 0xFFFF) + (total >> 16)
    return b"\x08\x00" + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + body


def named(seq: int, t: float) -> bytes:
    """Write a header line by line."""
    return f"Version: 1\nSequence No.: {seq}\nTime: {t}\nPayload Size: 420\nHost: h\nClass-name: c".encode()


def objects(form: dict[str, object], seq: str, stamp: str, scale: float) -> Write:
    """Write JSON."""
    return lambda n, t: json.dumps({**form, seq: n, stamp: t * scale}).encode()


def padded(write: Write, size: int) -> Write:
    """Write all of a buffer."""
    return lambda seq, t: write(seq, t).ljust(size, b"\0")


UNTIMED = {"timed": False}
UNNUMBERED = {"numbered": False}

# By source: those of the seeds, then the table of variants by its numbers.
DIALECTS: dict[str, Dialect] = {
    "exercise, report and notes": Dialect(text("Ping {n} {t}")),
    "slides, pings": Dialect(text("Ping {n} {ctime}"), **UNTIMED),
    "slides, heartbeats": Dialect(text("{n} {t}"), first=0),
    "multi, a date": Dialect(text("{n}\t{ctime}"), **UNTIMED),
    "multi, another date": Dialect(text("{n}\t{iso}"), **UNTIMED),
    "ours, lab3": Dialect(text("Heartbeat {n} {t}")),
    "ours, a date in UTC": Dialect(text("Heartbeat {n} {utc}")),
    "4 in capitals, milliseconds": Dialect(text("PING {n} {ms}\r\n"), first=0),
    "4 whole seconds": Dialect(text("PING {n} {s} \r\n"), first=0),
    "6 with a password": Dialect(text("PING {n} {ms} secret\r\n")),
    "7 and 8, a full buffer": Dialect(padded(text("PING {n} {ms}"), 512)),
    "10 small, a date": Dialect(text("ping {n} {iso}"), **UNTIMED),
    "11 writeUTF": Dialect(utf),
    "14 from 3331": Dialect(text("PING {n} {t}\r\n"), first=3331),
    "15 and 16, no space": Dialect(text("Ping{n}"), **UNTIMED),
    "17 a colon": Dialect(text("Ping {n}:"), **UNTIMED),
    "18 number only": Dialect(text("Ping {n}"), **UNTIMED),
    "20 the other way round": Dialect(text("{n} Ping {t}")),
    "21 commas": Dialect(text("ping,{n},{iso}"), **UNTIMED),
    "22 and 23, 40 columns": Dialect(text("{n:05}01234Student Name##################"), **UNTIMED),
    "25 two integers": Dialect(lambda n, _: struct.pack("!ii", 1, n), **UNTIMED),
    "26 ICMP in UDP": Dialect(icmp),
    "27 a header": Dialect(named),
    "27 JSON": Dialect(objects({"Version": 1}, "SequenceNo", "Timestamp", 1)),
    "28 from 0": Dialect(text("Ping {n}"), first=0, **UNTIMED),
    "30 in words, NULs": Dialect(padded(text("Sequence number {n}"), 64), **UNTIMED),
    "31 seconds and microseconds": Dialect(lambda n, t: b"PING %d %d %d \r\n" % (n, t, t % 1 * 1e6)),
    "32 hello": Dialect(text("Hello world! Number: {n}"), **UNTIMED),
    "33 time of day": Dialect(text("Ping {n} {clock}:450"), **UNTIMED),
    "35 and 72, a word": Dialect(text("ping"), **UNNUMBERED, **UNTIMED),
    "39 JSON without a number": Dialect(text('{{"type":"ping"}}'), **UNNUMBERED, **UNTIMED),
    "42 twelve hours": Dialect(text("PING {n} 1:12:19 PM\r\n"), first=0, **UNTIMED),
    "50 small, milliseconds": Dialect(text("ping {n} {ms}")),
    "51 text in front": Dialect(text("hello PING #{n} @ {clock}"), **UNTIMED),
    "52 space and tab": Dialect(text("ping {n} \t{iso}"), **UNTIMED),
    "53 a sentence": Dialect(text("This is a ping message {t}"), **UNNUMBERED),
    "54 a space behind": Dialect(text("Ping {n} {t} ")),
    "57 and 59, no word": Dialect(text("{n} {t}")),
    "58 a number": Dialect(text("{n}"), **UNTIMED),
    "61 from 1": Dialect(text("Heartbeat {n} {t}")),
    "62 two spaces": Dialect(text("Heartbeat  {n} {t}")),
    "63 a date with milliseconds": Dialect(text("{n} {iso}"), **UNTIMED),
    "64 no number": Dialect(text("Heartbeat {t}"), **UNNUMBERED),
    "66 JSON, milliseconds": Dialect(objects({"message": "ping"}, "seq_num", "timestamp", 1e3)),
    "68 a date each two seconds": Dialect(text("Ping {n} {ctime}"), **UNTIMED),
    "69 a structure of C": Dialect(lambda n, t: struct.pack("<I4xd", n, t)),
    "70 nanoseconds": Dialect(text("{n}|{ns}")),
    "71 PyHeartBeat": Dialect(text("PyHB"), **UNNUMBERED, **UNTIMED),
    "a line": Dialect(text("heartbeat\n"), **UNNUMBERED, **UNTIMED),
    "a number behind its name": Dialect(text("seq={n} time={t}")),
    "microseconds": Dialect(text("Ping {n} {us}")),
}

# Nothing in them says that they are heartbeats: counted and shown, and no harm.
NOT_COVERED = {
    "24 and 38, free text": b"hello",
    "29 and 56, random bytes": bytes(range(128, 192)),
    "55 the word message": b"message",
    "58 another word": b"lowercasemessage",
    "73 a password": b"hunter",
    "nothing": b"",
    "a time of day alone": b"10:11:12",
    "too long for a line": b"Ping 1 " + b"x" * 2_000,
}

# The fourth is missing.
OFFSETS = (0, 1, 2, 4, 5, 6)


@pytest.fixture(scope="module")
def seen() -> Iterator[tuple[udpping.Monitor, dict[str, PeerRow]]]:
    """Let a client for each dialect send its heartbeats, and give what the monitor knows then."""
    with udpping.Monitor("127.0.0.1", 0, detector="fixed:60") as monitor:
        clients = {name: udp_socket() for name in DIALECTS}
        for offset in OFFSETS:
            for name, own in clients.items():
                dialect = DIALECTS[name]
                own.sendto(dialect.write(dialect.first + offset, time.time()), monitor.address)
        stranger = udp_socket()
        for datagram in NOT_COVERED.values():
            stranger.sendto(datagram, monitor.address)
        names = {f"127.0.0.1:{own.getsockname()[1]}": name for name, own in clients.items()}
        numbered = sum(dialect.numbered for dialect in DIALECTS.values())
        wait_until(lambda: sum(peer.lost for peer in monitor.peers) == numbered)
        yield monitor, {names[peer.client]: peer for peer in monitor.peers}
        for own in (*clients.values(), stranger):
            own.close()


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_understood(seen: tuple[udpping.Monitor, dict[str, PeerRow]], name: str) -> None:
    dialect, peer = DIALECTS[name], seen[1][name]
    assert peer.state in {"up", "late", "suspect"}
    assert (peer.received, peer.duplicates, peer.reordered, peer.sessions) == (6, 0, 0, 1)
    if dialect.numbered:
        assert (peer.seq, peer.lost, peer.loss_runs) == (dialect.first + 6, 1, 1)
    else:
        assert (peer.seq, peer.lost) == (6, 0), "they are counted as they come"
    if dialect.timed:
        assert peer.difference_ns is not None
        assert -1e6 < peer.difference_ns < 20e9
    else:
        assert peer.difference_ns is None, "a date names no zone"


@pytest.mark.parametrize("name", DIALECTS)
def test_the_servers_of_the_lab_read_it_too(name: str) -> None:
    """Theirs is `Server` with this reply; a date is one of this machine's zone."""
    dialect = DIALECTS[name]
    with udpping.Server(port=0, reply="{seq} {diff:.6f}", record=True) as server:
        seq, difference = ask(server, dialect.write(dialect.first, time.time())).decode().split()
    assert seq == (str(dialect.first) if dialect.numbered else "?")
    assert server.log.row(0).seq == (dialect.first if dialect.numbered else None)
    if dialect.timed:
        assert -0.001 < float(difference) < 20


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns", "UTC"])
def test_dates_are_of_the_zone_of_the_machine(zone: str, free_port: int) -> None:
    script = """
import socket, sys, time, udpping
for listener in (udpping.Server(port=0, reply="{seq} {diff}"), udpping.Monitor("127.0.0.1", 0, answer=True)):
    with listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(60)
        own.sendto(b"1\t" + time.ctime().encode(), listener.address)
        print(own.recv(100).decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TZ": zone}, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    answers = [line.split() for line in done.stdout.splitlines()]
    assert [seq for seq, _ in answers] == ["1", "1"]
    assert all(0 <= float(difference) < 60 for _, difference in answers)

    options = ["--profile", "book", str(free_port), "--host", "127.0.0.1", "--loss", "0"]
    server = subprocess.Popen(
        [sys.executable, Path(lab.__path__[0], "UDPHeartbeatServer.py"), *options],
        env={**os.environ, "TZ": zone}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr
        assert "listening on" in server.stderr.readline()
        with udp_socket() as own:
            there = datetime.now(ZoneInfo(zone)).strftime("%a %b %d %H:%M:%S %Y")
            own.sendto(f"Ping 1 {there}".encode(), ("127.0.0.1", free_port))
            assert server.stdout
            told = re.search(r"time difference (\S+) seconds$", server.stdout.readline())
        assert told
        assert 0 <= float(told[1]) < 60
    finally:
        server.kill()
        server.communicate(timeout=SECONDS)


def test_what_is_not_covered_is_counted_and_shown(
    seen: tuple[udpping.Monitor, dict[str, PeerRow]],
) -> None:
    monitor, peers = seen
    assert monitor.counters.unreadable == len(NOT_COVERED)
    assert [begin for *_, begin in monitor.unreadable] == [each[:200] for each in NOT_COVERED.values()]
    assert len({source for source, *_ in monitor.unreadable}) == 1
    assert set(peers) == set(DIALECTS)
    assert monitor.running
