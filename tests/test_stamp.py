"""STAMP (RFC 8762): the reflector, and pings with its protocol."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call, wait_until
from udpping import stats
from udpping.errors import ConfigError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
BASE = 44
"""Bytes of a packet without a key."""
SEALED = 112
"""Bytes of one with a key."""
KEY = "hex:000102030405060708090a0b0c0d0e0f\n"
OWN: dict[str, Any] = {"timeout": 5, "protocol": "stamp"}


def _many(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    return udpping.ping_many([host], **words)


def _session(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    return udpping.Pinger(host, **words).run()


def _awaited(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    return asyncio.run(udpping.aio.ping(host, **words))


def _many_awaited(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    return asyncio.run(udpping.aio.ping_many([host], **words))


async def _watched(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    async with udpping.aio.Pinger(host, **words) as pinger:
        return await pinger.run()


def _session_awaited(host: udpping.Reflector, **words: Any) -> udpping.Run:  # noqa: ANN401 - any keyword
    return asyncio.run(_watched(host, **words))


PINGS: list[Callable[..., udpping.Run]] = [
    udpping.ping,
    udpping.live,
    _many,
    _session,
    _awaited,
    _many_awaited,
    _session_awaited,
]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(KEY)
    return path


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((HERE, 0))
        own.settimeout(5)
        yield own


def packet(number: int, size: int = BASE) -> bytes:
    return struct.pack("!IQHH", number, 0xEEB708E8C35C05FF, 1, 0).ljust(size, b"\0")[:size]


@pytest.mark.parametrize("ping", PINGS)
def test_every_kind_of_ping_has_the_times_of_the_reflector(
    ping: Callable[..., udpping.Run], key: Path
) -> None:
    with udpping.Reflector(port=0) as open_one, udpping.Reflector(port=0, keys=key) as sealed:
        run = ping(open_one, count=20, **OWN)
        signed = ping(sealed, count=3, key=key, **OWN)
    assert (run.summary.received, signed.summary.received) == (20, 3)
    assert run.settings["protocol"] == "stamp"
    assert "key" not in run.settings
    assert signed.settings["key"] == str(key)
    for row in run:
        assert row.server_recv_ns is not None
        assert row.server_sent_ns is not None
        assert row.user_rtt_ns is not None
        assert row.sent_wall_ns is not None
        # One machine, one clock: it arrives after it was sent, leaves, and is back a round trip later.
        assert row.sent_wall_ns <= row.server_recv_ns <= row.server_sent_ns
        assert row.server_sent_ns - row.server_recv_ns < row.user_rtt_ns
        if row.path_rtt_ns is not None:
            assert row.rtt_ns is not None
            assert row.path_rtt_ns == row.rtt_ns - (row.server_sent_ns - row.server_recv_ns)
        assert (row.bytes, row.ttl, row.match) == (BASE, 255, "seq")
    assert run["path_rtt_ns"].to_list() == [row.path_rtt_ns for row in run]
    assert run["server_seq"].to_list() == [row.server_seq for row in run] == list(range(20))
    assert sum(row.path_rtt_ns is not None for row in run) > len(run) // 2
    assert {row.bytes for row in signed} == {SEALED}
    assert [row.reply[:4] for row in run if row.reply] == [struct.pack("!I", at) for at in range(20)]


def test_the_next_reply_tells_when_the_kernel_sent_the_one_before(key: Path) -> None:
    kinds: list[tuple[dict[str, Any], int]] = [({}, 64), ({"keys": key}, 152)]
    for words, size in kinds:
        pings: dict[str, Any] = {"count": 50, "timeout": 60, "key": words.get("keys")}
        with udpping.Reflector(port=0, send_stamps=True, **words) as stamping:
            run = udpping.ping(stamping, protocol="stamp:follow-up", **pings)
            can = stamping.stamps_sends
        with udpping.Reflector(port=0, **words) as plain:
            told = udpping.ping(plain, protocol="stamp:timestamps=ptp,follow-up", **pings)
        assert run.settings["protocol"] == "stamp:follow-up"
        assert {row.bytes for row in run} == {row.bytes for row in told} == {size}
        better = [row for row in run if row.server_stamp == "kernel-tx"]
        assert len(better) > 25 if can else not better
        assert {row.server_stamp for row in (*told, run[-1])} == {None}
        assert not plain.stamps_sends
        for row in better:
            assert row.server_recv_ns is not None
            assert row.server_sent_ns is not None
            assert row.rtt_ns is not None
            # The reply still says what the program of the reflector knew.
            assert row.reply is not None
            place = slice(16, 24) if words else slice(4, 12)
            seconds, fraction = struct.unpack("!II", row.reply[place])
            written = (seconds - 2_208_988_800) * 10**9 + (fraction * 10**9 >> 32)
            assert written < row.server_sent_ns
            hold = row.server_sent_ns - row.server_recv_ns
            assert row.path_rtt_ns in (row.rtt_ns - hold, None)


@pytest.mark.untimed
def test_a_run_tells_how_long_each_way_took_and_where_pings_were_lost() -> None:
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(reflector, up="delay=40ms; loss=list:4", down="loss=list:7") as relay,
    ):
        run = udpping.ping(relay, count=12, interval="1ms", timeout=2, protocol="stamp")
    assert {row.seq: row.lost_on for row in run if row.lost_on} == {4: "up", 8: "down"}
    rows = stats.one_way_rows(run)
    for name in ("up_ns", "down_ns", "owd_error_ns"):
        told = {row.seq: getattr(row, name) for row in run if row.rtt_ns is not None}
        assert told == dict(zip(rows["seq"].to_list(), rows[name].to_list(), strict=True))
        assert run[3][run.column_names.index(name)] is None
    for row in run:
        if row.up_ns is not None:
            assert row.down_ns is not None
            assert row.owd_error_ns is not None
            # One machine has one clock: the truth is within the bound.
            assert row.up_ns + row.owd_error_ns >= 40_000_000
            assert row.user_rtt_ns is not None
            assert row.down_ns - row.owd_error_ns <= row.user_rtt_ns - 40_000_000
            assert row.server_stamp is None
    assert udpping.load(run.to_csv())["lost_on"].to_list() == run["lost_on"].to_list()


def test_a_session_has_a_name_and_may_have_times_of_ptp() -> None:
    with udpping.Reflector(port=0, timestamps="ptp") as reflector:
        for protocol in ("stamp:ssid=4660", "stamp:ssid=4660,timestamps=ptp"):
            run = udpping.ping(reflector, count=1, timeout=5, protocol=protocol)
            assert run[0].reply is not None
            assert run[0].reply[14:16] == b"\x12\x34"
            assert run[0].server_recv_ns is not None
            assert run[0].sent_wall_ns is not None
            assert 0 <= run[0].server_recv_ns - run[0].sent_wall_ns < 5e9
    assert reflector.counters.sessions == 2


def test_replies_without_the_right_hmac_do_not_count(key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("7 sixteen-bytes-or-more\nanother-long-secret\n")
    with udpping.Reflector(port=0, keys=key) as reflector:
        run = udpping.ping(reflector, count=2, timeout=0.05, protocol="stamp", key=other)
        wait_until(lambda: reflector.counters.unverified == 2)
        assert run.summary.received == 0
        run = udpping.ping(reflector, count=2, timeout=0.05, protocol="stamp")
        wait_until(lambda: reflector.counters.short == 2)
        assert run.summary.received == 0
        assert reflector.counters.sessions == 0


def test_the_key_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDPPING_STAMP_KEY", KEY)
    with udpping.Reflector(port=0) as reflector:
        run = udpping.ping(reflector, count=1, **OWN)
    assert run[0].bytes == SEALED
    with udpping.Server(port=0) as server:
        assert udpping.ping(server, count=1, timeout=5).summary.received == 1


def test_what_echoes_is_no_reflector() -> None:
    with udpping.Server(port=0, reply="same") as server:
        run = udpping.ping(server, count=2, interval=0.01, timeout=3, linger=0, protocol="stamp")
    assert (run.summary.received, run.summary.unmatched) == (0, 2)


def test_a_datagram_is_answered_with_one_as_long_or_not_at_all(sender: socket.socket) -> None:
    with udpping.Reflector(port=0) as reflector, udpping.Reflector(port=0, base_reply=True) as friendly:
        for size in (0, 1, 14, 43, 44, 45, 500):
            sender.sendto(packet(size, size), reflector.address)
        assert [len(sender.recv(2_000)) for _ in range(3)] == [44, 45, 500]
        assert (reflector.counters.received, reflector.counters.short) == (7, 4)
        for size in (13, 14, 43):
            sender.sendto(packet(size, size), friendly.address)
        replies = [sender.recv(2_000) for _ in range(2)]
    assert [len(reply) for reply in replies] == [BASE, BASE]
    assert replies[0][24:38] == packet(14, 14)
    assert replies[0][40] == 64


def test_a_reflector_does_not_answer_another(sender: socket.socket) -> None:
    with udpping.Reflector(port=0) as reflector, udpping.Reflector("127.0.0.2", port=reflector.address[1]):
        # As if the other had sent it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forged:
            forged.bind(("127.0.0.3", reflector.address[1]))
            forged.sendto(packet(0), reflector.address)
        sender.sendto(packet(1), reflector.address)
        assert sender.recv(2_000)[24:28] == struct.pack("!I", 1)
        counters = reflector.counters
    assert (counters.received, counters.looped, counters.reflected) == (2, 1, 1)


@pytest.mark.skipif(not hasattr(socket, "IP_RECVTOS"), reason="this system does not tell the class")
def test_the_class_of_service_is_that_which_is_asked_for(sender: socket.socket) -> None:
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 10 << 2 | 1)
    with udpping.Reflector(port=0) as reflector:
        for asked, got, answer in (
            (b"", 10, b""),
            (b"\x80\x04\0\x04\xb8\0\0\0", 46, b"\0\x04\0\x04\xb8\xa4\0\0"),
        ):
            sender.sendto(packet(0) + asked, reflector.address)
            reply, control, *_ = sender.recvmsg(500, 500)
            assert [data[0] >> 2 for _, kind, data in control if kind == socket.IP_TOS] == [got]
            assert reply[BASE:] == answer


def test_numbers_are_counted_or_repeated_and_replays_answered_or_not(sender: socket.socket) -> None:
    kinds: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [0, 1, 2, 3]),
        ({"stateless": True}, [7, 8, 7, 9]),
        ({"drop_replayed": True}, [0, 1, 2]),
    ]
    for words, numbers in kinds:
        with udpping.Reflector(port=0, **words) as reflector:
            for number in (7, 8, 7, 9):
                sender.sendto(packet(number), reflector.address)
            assert [struct.unpack("!I", sender.recv(99)[:4])[0] for _ in numbers] == numbers
            assert reflector.counters.replayed == (0 if words == {"stateless": True} else 1)


def test_only_provisioned_sessions_are_answered(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sixteen-bytes-or-more\n7 seven-bytes-or-more 127.0.0.1,::1\n8 eight-bytes-or-more ::1\n")
    with udpping.Reflector(port=0, keys=keys, admit="provisioned") as reflector:
        for ssid, received in ((7, 1), (8, 0), (9, 0)):
            run = udpping.ping(
                reflector, count=1, timeout=2, linger=0, protocol=f"stamp:ssid={ssid}", key=keys
            )
            assert run.summary.received == received
        wait_until(lambda: reflector.counters.unknown == 2)


def test_the_far_end_works_over_ipv6_and_on_every_interface() -> None:
    with udpping.Reflector("::", 0) as reflector:
        for host in ("::1", HERE):
            run = udpping.ping((host, reflector.address[1]), count=2, **OWN)
            assert run.summary.received == 2
            assert [row.ttl for row in run] == [255, 255]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"protocol": "twamp"}, '"text:times,follow-up" or "stamp"'),
        ({"protocol": "stamp:ssid=0"}, "1 to 65535"),
        ({"protocol": "stamp:follow"}, "stamp:follow-up"),
        ({"protocol": "stamp", "message": "hi {seq}"}, "whose packets have no text"),
        ({"protocol": "stamp", "size": 43}, "44 to 65507"),
        ({"key": "file"}, 'key is for protocol="stamp"'),
    ],
)
@pytest.mark.untimed
def test_what_cannot_be_used_is_refused(words: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        udpping.ping(HERE, **words)


@pytest.mark.untimed
def test_a_reflector_in_virtual_time_answers_behind_the_same_link() -> None:
    link: dict[str, Any] = {"up": "loss=list:2,4; delay=40ms", "down": "loss=list:6,7; delay=uniform:0ms,9ms"}
    pings: dict[str, Any] = {"count": 10, "interval": "10ms", "seed": 3, **link}
    run = udpping.sim.ping(protocol="stamp:ssid=7,follow-up", **pings)
    text = udpping.sim.ping(protocol="text:times", **pings)
    assert run.settings["protocol"] == "stamp:ssid=7,follow-up"
    assert {row.seq: row.lost_on for row in run if row.lost_on} == {2: "up", 4: "up", 6: "down", 7: "down"}
    assert [row.server_seq for row in run if row.reply] == [0, 1, 2, 5, 6, 7]
    assert {(row.bytes, row.server_stamp) for row in run if row.reply} == {(64, None)}
    assert {row.target for row in run} == {"192.0.2.1:862"}
    # The clocks are one, the reflector takes no time, and the link is that of a server of text.
    assert run["rtt_ns"].to_list() == run["path_rtt_ns"].to_list() == text["rtt_ns"].to_list()
    for row in run:
        if row.rtt_ns is not None:
            assert row.sent_wall_ns is not None
            assert row.server_recv_ns == row.sent_wall_ns + 40_000_000
    assert list(udpping.sim.ping(protocol="stamp:ssid=7,follow-up", **pings)) == list(run)


@pytest.mark.untimed
def test_a_reflector_in_virtual_time_answers_no_packet_that_is_too_short() -> None:
    run = udpping.sim.ping(count=100, interval="1ms", protocol="stamp", up="truncate=50%,20", seed=1)
    assert 20 < run.summary.received < 80
    answered = [row.server_seq for row in run if row.reply]
    assert answered == list(range(run.summary.received))
    assert run.summary.unmatched == 0
    with pytest.raises(ConfigError, match='reply "same" is not usable: expected none with protocol="stamp"'):
        udpping.sim.ping(protocol="stamp", reply="same")


@pytest.mark.untimed
def test_settings_of_a_reflector_are_checked(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sixteen-bytes-or-more\n")
    with pytest.raises(ConfigError, match='expected "learned" or "provisioned"'):
        udpping.Reflector(port=0, admit="all")
    with pytest.raises(ConfigError, match="SSID secret"):
        udpping.Reflector(port=0, admit="provisioned", keys=keys)
    with pytest.raises(ConfigError, match='expected "ntp" or "ptp"'):
        udpping.Reflector(port=0, timestamps="utc")
    keys.write_text("short\n")
    with pytest.raises(ConfigError, match="on line 1 with a secret of 5 letters"):
        udpping.Reflector(port=0, keys=keys)


def test_the_two_commands_work_together(start: Start, key: Path) -> None:
    process = start("-m", "udpping", "reflector", "--host", HERE, "--port", "0", "--key", key, "--json")
    assert process.stdout is not None
    begun = json.loads(process.stdout.readline())
    done = call(
        "ping",
        "--stamp",
        f"{HERE}:{begun['port']}",
        "-c",
        3,
        "-i",
        "10ms",
        "-W",
        "5s",
        "--key",
        key,
        "--json",
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["server_recv_ns"] is not None for row in rows if row["type"] == "ping"] == [True] * 3
    done = call(
        *("ping", "--protocol", "stamp:ssid=7", f"{HERE}:{begun['port']}", "-c", 1, "-W", "5s", "--key", key)
    )
    assert "1 sent, 1 received" in done.stdout
    process.send_signal(signal.SIGTERM)
    counters = json.loads(process.communicate(timeout=30)[0].splitlines()[-1])
    assert (counters["type"], counters["reflected"], counters["sessions"]) == ("counters", 4, 2)


@pytest.mark.untimed
def test_the_port_is_that_of_the_protocol() -> None:
    done = call("ping", "--stamp", HERE, "-c", 1, "-W", "10ms", "--json")
    assert json.loads(done.stdout.splitlines()[0])["address"].endswith(":862")
    assert udpping.ping_many([HERE], count=1, timeout=0.01, protocol="stamp")[0].target.endswith(":862")
