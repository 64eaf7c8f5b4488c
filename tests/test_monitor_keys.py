"""Keys: who has none is not heard, and what was recorded is worth nothing."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
import udpping
from common import udp_socket, wait_until
from watching import ALIVE, TICK, Device, Seen, peer_of, put, seal, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "127.0.0.1"
OPS, LAB = ("ops", "correct-horse-battery"), ("lab", "staple-and-paper-clip")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"# who may send\n{' '.join(OPS)}\n\n{' '.join(LAB)}\n", encoding="utf-8")
    return file


@pytest.fixture
def monitor(keys: Path) -> Iterator[udpping.Monitor]:
    """Watch for those who have a key, who may be silent for ten seconds."""
    with udpping.Monitor(HERE, 0, keys=keys, detector="fixed:200") as monitor:
        yield monitor


def test_who_has_a_key_is_heard(monitor: udpping.Monitor, keys: Path) -> None:
    seen = Seen(monitor)
    with (
        udpping.Heartbeat(*monitor.address, id="web1", interval=TICK, key=keys, key_name="lab"),
        Device(monitor.address, id="web2", key=OPS) as device,
    ):
        seen.until("up", "web1")
        device.rise(monitor)
        assert [(row.client, row.sealed) for row in monitor.peers] == [("web1", True), ("web2", True)]
    assert seen.until("bye").client == "web1"
    assert monitor.counters.forged == monitor.counters.unsealed == 0


def test_who_has_none_or_another_is_not(monitor: udpping.Monitor) -> None:
    with Device(monitor.address, key=OPS) as device:
        good = device.beat()
        wait_until(lambda: monitor.counters.clients == 1)
        own = device.socket
        put(monitor, [f"Heartbeat 5 {time.time()} id=none".encode()], own)
        assert monitor.counters.unsealed == 1
        other_secret = seal(f"Heartbeat 5 {time.time()} id=other", ("ops", "correct-horse-batter!"))
        unknown_key = seal(f"Heartbeat 5 {time.time()} id=other", ("root", OPS[1]))
        other_name = seal(f"Heartbeat 5 {time.time()} id=other", ("lab", OPS[1]))
        put(monitor, [other_secret, unknown_key, other_name], own)
        assert monitor.counters.forged == 3
        # Each byte of a good one is covered: of the text by the code, and the code by itself.
        changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
        put(monitor, changed, own)
    assert monitor.counters.clients == 1
    counters = monitor.counters
    assert counters.forged + counters.unreadable + counters.unsealed == 4 + len(good)
    assert peer_of(monitor, "device").received == 1


def test_a_replay_revives_nobody(keys: Path) -> None:
    with (
        udpping.Monitor(HERE, 0, keys=keys, detector="fixed:10") as monitor,
        Device(monitor.address, key=OPS) as device,
        udp_socket() as stranger,
    ):
        seen = Seen(monitor)
        device.rise(monitor)
        device.session, device.seq, device.began = 2, 0, time.time()
        device.beat()
        seen.until("restarted")
        device.rise(monitor)
        device.beat_until(lambda: peer_of(monitor, "device").received >= 8)
        seen.until("down")
        wait_until(lambda: state_of(monitor, "device") == "down")
        before = peer_of(monitor, "device")
        put(monitor, device.sent * 2, stranger)
        after = peer_of(monitor, "device")
        assert (after.state, after.received, after.seq, after.address, after.sessions) == (
            "down",
            before.received,
            before.seq,
            before.address,
            2,
        )
        assert after.last_seen_wall_ns == before.last_seen_wall_ns
        assert monitor.counters.stale > 0
        assert "address_changed" not in seen.names()
        # The one who has the key is still let in.
        device.rise(monitor)


def test_nor_does_it_after_the_monitor_has_been_away(keys: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with (
        udpping.Monitor(HERE, 0, keys=keys, state=state) as monitor,
        Device(monitor.address, key=OPS) as device,
    ):
        device.rise(monitor)
        device.session, device.seq, device.began = 2, 0, time.time()
        device.beat_until(lambda: peer_of(monitor, "device").sessions == 2)
        device.rise(monitor)
        before = peer_of(monitor, "device")
    with udpping.Monitor(HERE, 0, keys=keys, state=state) as monitor, udp_socket() as stranger:
        seen = Seen(monitor)
        put(monitor, device.sent * 2, stranger)
        seen.until("down")
        after = peer_of(monitor, "device")
        assert (after.received, after.seq, after.address) == (before.received, before.seq, before.address)
        assert seen.names("device") == ["down"]


@pytest.mark.parametrize(
    "line",
    ["Heartbeat {time} id=device session=1", "Heartbeat id=device session=1", "Heartbeat 9 {time} id=device",
     "Heartbeat 9 {time} session=1", "Heartbeat 9 {time}", "9 {time}"],
)  # fmt: skip
def test_what_cannot_be_told_from_its_replay_is_refused(monitor: udpping.Monitor, line: str) -> None:
    seen = Seen(monitor)
    with Device(monitor.address, key=OPS) as device, udp_socket() as one, udp_socket() as other:
        device.rise(monitor)
        before = peer_of(monitor, "device")
        sealed = seal(line.format(time=f"{time.time():.3f}"), OPS)
        for stranger in (one, other, one):
            put(monitor, [sealed], stranger)
        after = peer_of(monitor, "device")
    assert after.state in ALIVE
    assert (after.received, after.duplicates, after.address, after.last_seen_wall_ns) == (
        before.received,
        before.duplicates,
        before.address,
        before.last_seen_wall_ns,
    )
    counters = monitor.counters
    assert (counters.clients, counters.unreadable, counters.forged) == (1, 3, 0)
    _, reason, datagram = monitor.unreadable[-1]
    assert (
        reason
        == "it is sealed and lacks a number, an id or a session, so that it cannot be told from its replay"
    )
    assert datagram == sealed
    assert seen.names() == ["new", "up"]


def test_a_key_may_be_for_some_senders_only(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"ops {OPS[1]} web*,db1\nlab {LAB[1]}\n", encoding="utf-8")
    with pytest.raises(
        udpping.ConfigError, match=r'^id "mail" is not usable: expected web\*,db1: the key ops'
    ):
        udpping.Heartbeat(id="mail", key=keys, key_name="ops")
    with (
        udpping.Monitor(HERE, 0, keys=keys) as monitor,
        udpping.Heartbeat(*monitor.address, id="web7", interval=TICK, key=keys, key_name="ops"),
        udpping.Heartbeat(*monitor.address, id="mail", interval=TICK, key=keys, key_name="lab"),
        Device(monitor.address, id="mail", session=2, key=OPS) as device,
    ):
        wait_until(lambda: {state_of(monitor, name) for name in ("web7", "mail")} == {"up"})
        put(monitor, [seal(f"Heartbeat 1 {time.time()} id=mail session=9", OPS)], device.socket)
        assert peer_of(monitor, "mail").sessions == 1
        assert monitor.unreadable[-1][1] == "it is sealed with a key that is not for its id"


def test_what_was_recorded_while_no_monitor_was_there_is_stale(keys: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    options = {"keys": keys, "state": state, "detector": "fixed:10"}
    with udpping.Monitor(HERE, 0, **options) as monitor:  # type: ignore[arg-type]
        device = Device(monitor.address, key=OPS)
        with device:
            device.rise(monitor)
        before = peer_of(monitor, "device")
    # It goes on for a while, an attacker records that, and it dies.
    with udp_socket() as recorder:
        recorder.bind((HERE, 0))
        device.address = recorder.getsockname()
        with device:
            recorded = [device.beat() for _ in range(20)]
        device.session, device.seq, device.began = 2, 0, time.time()
    # Longer than the client may be silent: clocks are not believed to agree better than that.
    time.sleep(3)
    with udpping.Monitor(HERE, 0, **options) as monitor, udp_socket() as stranger:  # type: ignore[arg-type]
        seen = Seen(monitor)
        put(monitor, recorded, stranger)
        seen.until("down")
        after = peer_of(monitor, "device")
        assert (after.seq, after.received, after.address) == (before.seq, before.received, before.address)
        assert seen.names("device") == ["down"]
        assert monitor.counters.stale == len(recorded)
        device.address = monitor.address
        with device:
            device.rise(monitor)


def test_a_device_without_a_clock_is_let_in_by_its_boot_count(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with Device(monitor.address, key=OPS, clock=False, boot=1) as device:
        device.rise(monitor)
        first = list(device.sent)
        device.session, device.boot, device.seq = 2, 2, 0
        device.beat()
        seen.until("restarted")
        device.rise(monitor)
        received = peer_of(monitor, "device").received
        put(monitor, first, device.socket)
    row = peer_of(monitor, "device")
    assert (row.session, row.received) == (f"{2:016x}", received)
    assert row.state in ALIVE
    assert monitor.counters.stale == len(first)


def test_a_file_counts_the_boots(monitor: udpping.Monitor, keys: Path, tmp_path: Path) -> None:
    seen = Seen(monitor)
    options = {"id": "pump", "interval": TICK, "key": keys, "key_name": "ops", "boot": tmp_path / "boots"}
    with udpping.Heartbeat(*monitor.address, **options):  # type: ignore[arg-type]
        seen.until("up")
    seen.until("bye")
    with udpping.Heartbeat(*monitor.address, **options):  # type: ignore[arg-type]
        seen.until("restarted")
        seen.until("up")
    assert (tmp_path / "boots").read_text(encoding="ascii") == "2\n"
    assert peer_of(monitor, "pump").sessions == 2


def test_keys_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDPPING_KEY", " ".join(OPS))
    with (
        udpping.Monitor(HERE, 0) as monitor,
        udpping.Heartbeat(*monitor.address, id="web1", interval=TICK),
        udp_socket() as own,
    ):
        wait_until(lambda: state_of(monitor, "web1") == "up")
        put(monitor, [f"1 {time.time()}".encode()], own)
        assert monitor.counters.unsealed == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"ops short", "key on line 1 with a secret of 5 bytes is not usable: expected `name secret`"),
        (b"a=b correct-horse-battery", "key on line 1 with such a name is not usable: expected a name of"),
        (b"ops correct-horse-battery\nops correct-horse-battery", "key on line 2 with the name of another"),
        (b"# nobody\n", "key"),
        (b"ops \xff\xfe", "is not usable: expected a file of text"),
    ],
)
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(udpping.ConfigError, match=re.escape(told)) as refused:
        udpping.Monitor(HERE, 0, keys=file)
    assert "\n" not in str(refused.value)
    assert OPS[1] not in str(refused.value)
    with pytest.raises(FileNotFoundError):
        udpping.Monitor(HERE, 0, keys=tmp_path / "nowhere")
