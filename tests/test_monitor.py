"""The monitor on real sockets: who is up, who has gone, and what strangers can do to it."""

from __future__ import annotations

import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import udp_socket, wait_until
from udpping.testing import free_port
from watching import ALIVE, BUSY, TICK, Device, Seen, peer_of, put, state_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "127.0.0.1"


@pytest.fixture
def monitor() -> Iterator[udpping.Monitor]:
    """Watch with room for four, who may be silent for ten seconds."""
    with udpping.Monitor(HERE, 0, detector="fixed:200", max_clients=4, losses=True) as monitor:
        yield monitor


def test_a_sender_is_new_then_up_and_says_goodbye(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with udpping.Heartbeat(*monitor.address, id="web1", interval=TICK) as heartbeat:
        new, up = seen.until("new"), seen.until("up")
        wait_until(lambda: peer_of(monitor, "web1").received >= 10)
        alive = peer_of(monitor, "web1")
    bye = seen.until("bye")
    assert (new.client, up.before, bye.value) == ("web1", "new", 0)
    assert up.message == "web1 is up"
    assert alive.state in ALIVE
    assert (alive.interval_ns, alive.interval_stated) == (TICK * 1e9, True)
    assert (alive.session, alive.sessions, alive.sealed) == (heartbeat.session, 1, False)
    assert alive.detection_ns is not None
    # It says so three times.
    assert heartbeat.wait(20)
    wait_until(lambda: peer_of(monitor, "web1").received == heartbeat.sent)
    gone = peer_of(monitor, "web1")
    assert (gone.state, gone.lost, gone.duplicates, gone.exit_status) == ("bye", 0, 0, 0)
    assert gone.seq == heartbeat.sent
    assert abs(gone.last_seen_wall_ns - time.time_ns()) < 60e9
    # One clock here: what the heartbeats took is all there is between the times.
    assert alive.difference_ns is not None
    assert 0 <= alive.difference_ns < 10e9


def test_a_goodbye_with_a_status_says_how_it_ended(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    heartbeat = udpping.Heartbeat(*monitor.address, id="job", interval=TICK)
    heartbeat.start()
    seen.until("up")
    heartbeat.stop(-9)
    assert seen.until("bye").message == "job was ended by signal 9"
    assert peer_of(monitor, "job").exit_status == -9


def test_silence_is_down_after_what_was_foretold_and_two_heartbeats_bring_back() -> None:
    with (
        udpping.Monitor(HERE, 0, detector="fixed:10") as monitor,
        Device(monitor.address) as device,
    ):
        seen = Seen(monitor)
        device.rise(monitor)
        device.beat_until(lambda: peer_of(monitor, "device").received >= 4)
        foretold = peer_of(monitor, "device").detection_ns
        # It may have been down before, if this machine was busy.
        while (down := seen.until("down")).seq != device.seq:
            pass
        assert down.before == "suspect"
        assert foretold is not None
        assert down.span_ns is not None
        # As foretold; later only if this machine was busy.
        assert down.span_ns > 0.9 * foretold
        gone = peer_of(monitor, "device")
        assert gone.stopped_from_wall_ns is not None
        assert gone.stopped_to_wall_ns is not None
        assert 0 <= gone.stopped_to_wall_ns - gone.stopped_from_wall_ns <= 2 * TICK * 1e9
        device.rise(monitor)
        again = seen.until("up")
    assert again.before == "down"
    assert again.message.startswith("device is up again after ")
    assert peer_of(monitor, "device").lost == 0


def test_what_is_lost_is_counted_and_told(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with Device(monitor.address) as device:
        device.rise(monitor)
        device.beat(skip=3)
        first = device.seq - 3
        for _ in range(4):
            device.beat()
        lost = seen.until("lost")
        assert (lost.seq, lost.value) == (first, 3)
        assert lost.message == f"device: heartbeats {first} to {first + 2} are lost"
        assert not lost.is_notable
        row = peer_of(monitor, "device")
        assert (row.lost, row.loss_runs, row.longest_loss_run) == (3, 1, 3)
        # One of the three comes after all, then again.
        late = device.sent[-1].replace(b"Heartbeat %d " % device.seq, b"Heartbeat %d " % (first + 1))
        put(monitor, [late, late], device.socket)
    row = peer_of(monitor, "device")
    assert (row.lost, row.reordered, row.duplicates, row.loss_runs) == (2, 1, 1, 2)


def test_another_session_is_a_restart_and_no_loss(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with Device(monitor.address) as device:
        device.rise(monitor)
        device.session, device.seq, device.began = 2, 0, time.time()
        device.beat()
        restarted = seen.until("restarted")
        device.beat_until(lambda: peer_of(monitor, "device").received >= 5)
    assert restarted.client == "device"
    row = peer_of(monitor, "device")
    assert (row.sessions, row.session, row.lost) == (2, f"{2:016x}", 0)
    assert seen.names() == ["new", "up", "restarted"]


def test_two_senders_of_one_name_are_found_out(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with (
        udpping.Heartbeat(*monitor.address, id="twin", interval=TICK),
        udpping.Heartbeat(*monitor.address, id="twin", interval=TICK),
    ):
        found = seen.until("duplicate_identity")
    assert (found.client, found.message) == ("twin", "two senders use the name twin")
    assert monitor.counters.stale > 0


def test_a_new_way_through_a_nat_is_a_change_of_address(monitor: udpping.Monitor) -> None:
    seen = Seen(monitor)
    with Device(monitor.address) as device:
        device.rise(monitor)
        before = device.socket.getsockname()
        device.move()
        device.beat()
        moved = seen.until("address_changed")
        after = device.socket.getsockname()
    assert (moved.previous, moved.address) == (f"{HERE}:{before[1]}", f"{HERE}:{after[1]}")
    row = peer_of(monitor, "device")
    assert (row.address, row.lost, row.sessions) == (moved.address, 0, 1)
    assert seen.names() == ["new", "up", "address_changed"]


def test_the_course_s_clients_are_known_by_their_address(monitor: udpping.Monitor) -> None:
    with udp_socket() as three, udp_socket() as two:
        now = time.time()
        put(monitor, [f"Ping {n} {now + n}".encode() for n in (1, 2, 3)], three)
        put(monitor, [f"{n} {now + n}".encode() for n in (0, 1, 3)], two)
        ports = [own.getsockname()[1] for own in (three, two)]
    rows = {row.client: row for row in monitor.peers}
    assert set(rows) == {f"{HERE}:{port}" for port in ports}
    first, second = (rows[f"{HERE}:{port}"] for port in ports)
    assert (first.received, first.seq, first.session) == (3, 3, None)
    # They do not say how often they send.
    assert (second.received, second.interval_stated) == (3, False)


def test_what_is_no_heartbeat_is_counted_and_shown(monitor: udpping.Monitor) -> None:
    with udp_socket() as own:
        put(monitor, [b"", b"hello", b"\xff\xfe\x00", b"Heartbeat 1 5 id=a;b"], own)
        source = f"{HERE}:{own.getsockname()[1]}"
        assert monitor.counters.unreadable == 4
        sources, reasons, datagrams = zip(*monitor.unreadable, strict=True)
        assert set(sources) == {source}
        assert reasons[0] == "it is empty"
        assert "id that is no name" in reasons[3]
        assert datagrams == (b"", b"hello", b"\xff\xfe\x00", b"Heartbeat 1 5 id=a;b")
        noise = random.Random(4)
        put(monitor, [noise.randbytes(noise.randrange(1_400)) for _ in range(500)], own)
    assert len(monitor.unreadable) == 16
    assert all(len(datagram) <= 200 for _, _, datagram in monitor.unreadable)
    with udpping.Heartbeat(*monitor.address, id="well", interval=TICK):
        wait_until(lambda: state_of(monitor, "well") == "up")


def test_answers_are_those_of_the_course_and_never_longer_than_the_request() -> None:
    with udpping.Monitor(HERE, 0, answer=True) as monitor, udp_socket() as own:
        own.sendto(f"Heartbeat 1 {time.time() - 5:.6f}".encode(), monitor.address)
        seq, difference = own.recv(100).split()
        assert seq == b"1"
        assert 4.9 < float(difference) < 15
        assert len(difference.partition(b".")[2]) == 6
        # Nothing for a duplicate, a number without a time, and what has less room than its answer.
        put(monitor, [b"Heartbeat 1 1700000000.0", b"Heartbeat 2", b"3 1"], own)
        own.sendto(f"Heartbeat 4 {time.time():.6f}".encode(), monitor.address)
        assert own.recv(100).split()[0] == b"4"


def test_nobody_is_answered_unless_asked_for(monitor: udpping.Monitor) -> None:
    with Device(monitor.address) as device:
        device.rise(monitor)
        device.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            device.socket.recv(100)


def test_newcomers_make_room_and_those_who_are_up_stay(monitor: udpping.Monitor) -> None:
    """There is room for four."""
    seen = Seen(monitor)
    with udp_socket() as own:
        put(monitor, [f"Heartbeat 1 {time.time()} id=once{n}".encode() for n in range(6)], own)
        assert (monitor.counters.clients, monitor.counters.evicted) == (4, 2)
        assert seen.until("forgotten").client == "once0"
        senders = [Device(monitor.address, id=f"up{n}") for n in range(4)]
        for sender in senders:
            with sender:
                sender.rise(monitor)
        assert [row.client for row in monitor.peers] == ["up0", "up1", "up2", "up3"]
        put(monitor, [b"Heartbeat 1 1700000000 id=late"], own)
    assert monitor.counters.refused == 1
    assert seen.until("full").client is None


def test_one_network_has_only_so_many_clients() -> None:
    with udpping.Monitor(HERE, 0, per_prefix=2) as monitor, udp_socket() as own, udp_socket() as other:
        other.bind(("127.0.9.1", 0))
        put(monitor, [f"Heartbeat 1 {time.time()} id=a{n}".encode() for n in range(5)], own)
        assert (monitor.counters.clients, monitor.counters.refused) == (2, 3)
        put(monitor, [f"Heartbeat 1 {time.time()} id=b".encode()], other)
        assert monitor.counters.clients == 3


def test_nobody_at_all_is_told_once(monitor: udpping.Monitor) -> None:
    assert monitor.counters.clients == 0
    with udpping.Monitor(HERE, 0, idle=0.1, detector="fixed:3") as lonely:
        seen = Seen(lonely)
        with Device(lonely.address) as device:
            for times in (1, 2, 3):
                assert seen.until("idle").message.startswith("nobody was heard for ")
                time.sleep(0.5)
                assert seen.names().count("idle") == times
                device.beat()


def test_it_hears_both_versions_and_calls_ipv4_by_its_name() -> None:
    with udpping.Monitor("::", 0) as monitor:
        port = monitor.bound[1]
        assert monitor.address == ("::1", port)
        with (
            Device(("::1", port), id="six") as six,
            Device((HERE, port), id="four") as four,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nameless,
        ):
            six.rise(monitor)
            four.rise(monitor)
            put_to = (HERE, port)
            nameless.sendto(f"1 {time.time()}".encode(), put_to)
            wait_until(lambda: monitor.counters.clients == 3)
            own = f"{HERE}:{nameless.getsockname()[1]}"
            ports = [each.socket.getsockname()[1] for each in (six, four)]
        assert peer_of(monitor, "six").address == f"[::1]:{ports[0]}"
        assert peer_of(monitor, "four").address == f"{HERE}:{ports[1]}"
        assert peer_of(monitor, own).address == own


def test_a_busy_port_is_an_error_with_advice_and_the_next_one_may_be_free() -> None:
    with udpping.Monitor(HERE, free_port()) as first:
        port = first.address[1]
        with pytest.raises(udpping.PortBusyError, match=f"{port} is already in use"):
            udpping.Monitor(HERE, port)
        with udpping.Monitor(HERE, port, port_tries=50) as second:
            assert second.address[1] > port
    with udpping.Monitor(HERE, port):
        pass


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("port", 70_000, "port 70000 is not usable: expected 0 to 65535"),
        ("detector", "soon", 'detector "soon" is not usable'),
        ("interval", 0, "interval 0 is not usable"),
        ("interval", "fast", "interval 'fast' is not usable: expected 1ms to 1d"),
        ("answer", 1, "answer 1 is not usable: expected True or False"),
        ("max_clients", 0, "max_clients 0 is not usable: expected 1 to 10,000,000"),
        ("per_prefix", 0, "per_prefix 0 is not usable"),
        ("idle", -1, "idle -1 is not usable"),
        ("port_tries", 0, "port_tries 0 is not usable"),
        ("state", 5, "state 5 is not usable: expected the path"),
        ("on_event", 5, "on_event 5 is not usable: expected something to call"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(name: str, value: object, told: str) -> None:
    options: dict[str, Any] = {"port": 0, name: value}
    with pytest.raises(udpping.ConfigError) as refused:
        udpping.Monitor(HERE, **options)
    assert str(refused.value).startswith(told)


def test_a_loop_ends_when_the_monitor_stops_and_gives_what_was_left() -> None:
    monitor = udpping.Monitor(HERE, 0, detector="fixed:200")
    taken: list[udpping.MonitorEvent] = []
    with monitor, Device(monitor.address) as device:
        loop = threading.Thread(target=lambda: taken.extend(monitor))
        loop.start()
        device.rise(monitor)
    loop.join(20)
    assert not loop.is_alive()
    assert told(taken) == ["new", "up"]
    assert monitor.next_event() is None
    assert taken == list(monitor.events)
    assert not monitor.running
    with pytest.raises(udpping.NetworkError, match="make a new one"):
        monitor.start()


def test_the_next_event_is_waited_for_so_long_and_no_longer(monitor: udpping.Monitor) -> None:
    began = time.monotonic()
    for seconds in (0, 0.2):
        event = monitor.next_event(seconds)
        # On a busy machine it has something to tell of itself.
        while event is not None:
            assert event.event in BUSY
            began, event = time.monotonic(), monitor.next_event(seconds)
    assert time.monotonic() - began >= 0.2
    with pytest.raises(udpping.ConfigError, match=r"^seconds .soon. "):
        monitor.next_event("soon")


def test_a_callback_has_every_event_also_after_it_failed(capfd: pytest.CaptureFixture[str]) -> None:
    had: list[udpping.MonitorEvent] = []

    def tell(event: udpping.MonitorEvent) -> None:
        had.append(event)
        if event.event == "new":
            raise ValueError("on purpose")

    with udpping.Monitor(HERE, 0, on_event=tell, detector="fixed:200") as monitor:
        with pytest.raises(udpping.ConfigError, match="either it gets the events, or a loop does"):
            iter(monitor)
        with udpping.Heartbeat(*monitor.address, id="web1", interval=TICK):
            wait_until(lambda: "up" in told(had))
    # Those that were left when it stopped, too.
    assert told(had) == ["new", "up", "bye"]
    assert "ValueError: on purpose" in capfd.readouterr().err


def test_what_had_arrived_when_it_was_stopped_is_heard() -> None:
    """Else the goodbye of a sender that ends just before its monitor would get lost now and then."""
    count = 100
    for _ in range(20):
        with udpping.Monitor(HERE, 0) as monitor, Device(monitor.address) as device:
            for _ in range(count):
                device.beat()
        assert monitor.counters.received == count


def test_a_callback_may_stop_the_monitor() -> None:
    def stop(_event: udpping.MonitorEvent) -> None:
        own.stop()

    own = udpping.Monitor(HERE, 0, on_event=stop)
    own.start()
    with Device(own.address) as device:
        device.beat()
        own.wait()
    assert not own.running


def test_a_slow_callback_holds_up_no_verdict() -> None:
    go_on = threading.Event()
    monitor = udpping.Monitor(HERE, 0, on_event=lambda _: go_on.wait(60) and None, detector="fixed:200")
    with monitor, Device(monitor.address) as device:
        device.rise(monitor)
        assert told(monitor.events) == ["new", "up"]
        go_on.set()


def test_tables_and_texts(monitor: udpping.Monitor) -> None:
    assert monitor.status() == "no clients"
    with Device(monitor.address, id="web1") as device:
        device.rise(monitor)
        assert repr(monitor) == (
            f"<udpping.Monitor {HERE} port {monitor.bound[1]}, fixed:200: 1 client, running>"
        )
    assert tuple(monitor.peers.column_names) == udpping.PeerRow._fields
    assert tuple(monitor.events.column_names) == udpping.MonitorEvent._fields
    assert monitor.peers.row(0) == next(iter(monitor.peers))
    assert told(monitor.events) == ["new", "up"]
    assert "web1" in monitor.peers.to_csv()
    assert repr(monitor.counters).endswith(" received, 1 client")
