"""Whatever happens to senders, to the monitor or to its program is told as what it is, and leaves nothing."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import udpping
from common import belongings, threads, wait_until
from udpping.testing import free_port
from watching import ALIVE, SECONDS, TICK, Device, Seen, peer_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"


def sender(
    start: Start, monitor: udpping.Monitor, name: str = "web1", interval: float = TICK
) -> subprocess.Popen[str]:
    """Start a sender in a process of its own, to be hurt."""
    port = monitor.address[1]
    return start("-m", "udpping", "heartbeat", f"{HERE}:{port}", "--id", name, "-i", str(interval))


def beats(monitor: udpping.Monitor, more: int, name: str = "web1") -> None:
    """Wait for so many more heartbeats."""
    wanted = peer_of(monitor, name).received + more
    wait_until(lambda: peer_of(monitor, name).received >= wanted, SECONDS)


def test_a_sender_that_is_stopped_for_long_was_down_and_nothing_is_lost(start: Start) -> None:
    with udpping.Monitor(HERE, 0, detector="fixed:20") as monitor:
        seen = Seen(monitor)
        process = sender(start, monitor)
        seen.until("up")
        beats(monitor, 5)
        process.send_signal(signal.SIGSTOP)
        down = seen.until("down")
        process.send_signal(signal.SIGCONT)
        paused, up = seen.until("paused"), seen.until("up")
        beats(monitor, 5)
        row = peer_of(monitor, "web1")
        process.terminate()
        bye = seen.until("bye")
    assert down.span_ns is not None
    assert paused.span_ns is not None
    assert paused.span_ns >= 20 * TICK * 1e9
    assert paused.message.endswith(", and nothing is lost")
    assert up.before == "down"
    assert (row.lost, row.sessions) == (0, 1)
    assert bye.value == 0


def test_a_sender_that_is_stopped_for_a_moment_was_paused(start: Start) -> None:
    with udpping.Monitor(HERE, 0, detector="fixed:200") as monitor:
        seen = Seen(monitor)
        process = sender(start, monitor)
        seen.until("up")
        beats(monitor, 5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        # A busy machine may have stopped it for a shorter time before.
        while (seen.until("paused").span_ns or 0) < 0.9e9:
            pass
        beats(monitor, 5)
        row = peer_of(monitor, "web1")
    assert row.lost == 0
    assert row.state in ALIVE
    assert seen.names() == ["new", "up"]


def test_a_sender_that_is_killed_is_down_when_it_was_foretold_and_restarts_without_a_loss(
    start: Start,
) -> None:
    with udpping.Monitor(HERE, 0) as monitor:
        # With so long an interval, a sender that is late on a busy machine is not down for it.
        seen, interval = Seen(monitor), 0.2
        process = sender(start, monitor, interval=interval)
        seen.until("up")
        beats(monitor, 10)
        process.kill()
        process.wait()
        # What was still on its way when it died has been heard.
        wait_until(lambda: peer_of(monitor, "web1").overdue >= 3, SECONDS)
        foretold = peer_of(monitor, "web1").detection_ns
        down = seen.until("down")
        again = sender(start, monitor, interval=interval)
        restarted, up = seen.until("restarted"), seen.until("up")
        beats(monitor, 5)
        row = peer_of(monitor, "web1")
        again.kill()
    assert foretold is not None
    assert down.span_ns is not None
    # The monitor looks five times a second; whatever it stood still is added.
    stalled = sum(event.span_ns or 0 for event in monitor.events if event.event == "stalled")
    assert 0.9 * foretold < down.span_ns < foretold + stalled + 2e9
    assert (restarted.client, up.before) == ("web1", "down")
    assert (row.lost, row.sessions) == (0, 2)
    assert seen.names() == ["new", "up", "down", "restarted", "up"]


def test_a_monitor_that_is_stopped_blames_itself(start: Start) -> None:
    script = """
import sys, udpping
with udpping.Monitor("127.0.0.1", 0, detector="fixed:40") as monitor:
    print(monitor.address[1], flush=True)
    for event in monitor:
        print(event.event, flush=True)
"""
    process = start("-c", script)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with udpping.Heartbeat(HERE, port, id="web1", interval=TICK) as heartbeat:
        said = hear(process, "up")
        wait_until(lambda: heartbeat.sent >= 10, SECONDS)
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.5)
        process.send_signal(signal.SIGCONT)
        said += hear(process, "stalled")
        sent = heartbeat.sent
        wait_until(lambda: heartbeat.sent >= sent + 60, SECONDS)
    said += hear(process, "bye")
    assert "down" not in said


def hear(process: subprocess.Popen[str], last: str) -> list[str]:
    """Give the lines that it prints until it says that one."""
    assert process.stdout is not None
    said: list[str] = []
    while last not in said:
        said.append(process.stdout.readline().strip())
        assert said[-1], f"it ended after {said}"
    return said


def test_ctrl_c_ends_the_loop_and_not_the_monitor(start: Start) -> None:
    script = """
import sys, udpping
with udpping.Monitor("127.0.0.1", 0) as monitor:
    print(monitor.address[1], flush=True)
    try:
        for event in monitor:
            print(event.event, flush=True)
    except KeyboardInterrupt:
        before = monitor.peers.row(0).received
        while monitor.peers.row(0).received < before + 3:
            monitor.next_event(0.05)
        print("goes on", monitor.running, flush=True)
"""
    process = start("-c", script)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with udpping.Heartbeat(HERE, port, id="web1", interval=TICK):
        while process.stdout.readline() != "up\n":
            pass
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        while (line := process.stdout.readline()) and not line.startswith("goes on"):
            pass
        seconds = time.monotonic() - sent
        _, errors = process.communicate(timeout=20)
    assert (line, errors, process.returncode) == ("goes on True\n", "", 0)
    assert seconds < 10


def test_an_event_that_comes_together_with_a_signal_is_not_lost(start: Start) -> None:
    script = """
import os, signal, threading, time, udpping

class Interrupt(BaseException):
    pass

def interrupt(*_):
    raise Interrupt

signal.signal(signal.SIGUSR1, interrupt)
with udpping.Monitor("127.0.0.1", 0) as monitor:
    def disturb():
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            begun.wait()
            for number in range(20):
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(0.01)
                sender.sendto(f"Heartbeat 1 0 id=c{number}".encode(), monitor.address)
                # What was returned and not kept yet would be lost in Python itself.
                end = time.monotonic() + 10
                while len(names) <= number and time.monotonic() < end:
                    time.sleep(0.01)
        monitor.stop()
    names, begun = [], threading.Event()
    thread = threading.Thread(target=disturb)
    thread.start()
    going = True
    while going:
        try:
            begun.set()
            while monitor.running or thread.is_alive():
                if (event := monitor.next_event(0.2)) is not None and event.event == "new":
                    names.append(event.client)
            going = False
        except Interrupt:
            pass
    print(len(names), len(set(names)))
"""
    output, errors = start("-c", script).communicate(timeout=30)
    assert (output, errors) == ("20 20\n", "")


def test_a_forked_child_may_leave_its_parent_s_monitor(tmp_path: Path) -> None:
    """Thread and files are the parent's: the child must not wait for the one, nor write the others."""
    script = """
import gc, os, sys, time, udpping
with udpping.Monitor("127.0.0.1", 0, state=sys.argv[1], log=sys.argv[2]) as monitor:
    with udpping.Heartbeat(*monitor.address, id="web1", interval=0.05):
        while not len(monitor.peers) or monitor.peers.row(0).received < 5:
            time.sleep(0.01)
        for _ in range(20):
            child = os.fork()
            if not child:
                break
            _, status = os.waitpid(child, 0)
            assert status == 0
            assert monitor.running
if child:
    print("parent", len(monitor.peers))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, tmp_path / "state", tmp_path / "log.csv"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("parent 1\n", "")
    log = (tmp_path / "log.csv").read_text(encoding="utf-8")
    assert log.count(",summary,") == 1
    assert log.count(",bye,") == 1


def test_a_program_may_end_without_stopping_it_and_the_log_is_whole(tmp_path: Path) -> None:
    script = """
import sys, time, udpping
monitor = udpping.Monitor("127.0.0.1", 0, log=sys.argv[1], on_event=print if sys.argv[2] else None)
monitor.start()
heartbeat = udpping.Heartbeat(*monitor.address, id="web1", interval=0.05)
heartbeat.start()
while not len(monitor.peers) or monitor.peers.row(0).state != "up":
    time.sleep(0.01)
"""
    for way in ("", "callback"):
        log = tmp_path / f"log{way}.csv"
        command = [sys.executable, "-c", script, str(log), way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        events = [line.split(",")[2] for line in log.read_text(encoding="utf-8").splitlines()[1:]]
        assert {"new", "up", "summary"} <= set(events)


def use(monitor: udpping.Monitor) -> None:
    """Let somebody come and go."""
    with Device(monitor.address) as device:
        device.beat()
        device.beat()
        wait_until(lambda: state_of(monitor, "device") in ALIVE)


def a_block(folder: Path) -> None:
    with udpping.Monitor(HERE, 0, state=folder / "state", log=folder / "log.csv") as monitor:
        use(monitor)


def a_callback(_folder: Path) -> None:
    with udpping.Monitor(HERE, 0, on_event=lambda _: None) as monitor:
        use(monitor)


def never_started(folder: Path) -> None:
    udpping.Monitor(HERE, 0, state=folder / "state", log=folder / "log.csv")


def started_and_forgotten(folder: Path) -> None:
    monitor = udpping.Monitor(HERE, 0, log=folder / "log.csv")
    monitor.start()
    use(monitor)


def left_in_a_loop(_folder: Path) -> None:
    with udpping.Monitor(HERE, 0) as monitor:
        use(monitor)
        for _event in monitor:
            break


def refused(folder: Path) -> None:
    with pytest.raises(OSError, match="cannot add to the log"):
        udpping.Monitor(HERE, 0, state=folder / "state", log=folder)


@pytest.mark.parametrize(
    "way",
    [a_block, a_callback, never_started, started_and_forgotten, left_in_a_loop, refused],
    ids=lambda way: way.__name__,
)
def test_no_thread_and_no_descriptor_is_left(way: Callable[[Path], None], tmp_path: Path) -> None:
    way(tmp_path)
    gc.collect()
    wait_until(lambda: not {"udpping monitor", "udpping keeper"} & set(threads()))
    before = belongings()
    for _ in range(20):
        way(tmp_path)
    gc.collect()
    wait_until(lambda: belongings() <= before)


def test_a_clock_that_is_set_is_told_by_the_other_one() -> None:
    """Nobody sets this machine's clock: the sender is one by hand, whose time jumps."""
    with udpping.Monitor(HERE, 0, detector="fixed:200") as monitor, Device(monitor.address) as device:
        seen = Seen(monitor)
        device.rise(monitor)
        device.set_clock(-3.06)
        device.beat_until(lambda: "client_clock_stepped" in seen.names())
        (stepped,) = [event for event in seen.events if event.event == "client_clock_stepped"]
        row = peer_of(monitor, "device")
    assert stepped.span_ns is not None
    assert abs(stepped.span_ns + 3.06e9) < 1e9
    assert (row.lost, row.sessions) == (0, 1)
    assert row.state in ALIVE


def test_an_outage_is_said_once_and_each_client_is_down_once(start: Start) -> None:
    """All three of three are killed."""
    with udpping.Monitor(HERE, 0, detector="fixed:100") as monitor:
        seen = Seen(monitor)
        names = ["web0", "web1", "web2"]
        processes = [sender(start, monitor, name) for name in names]
        # They come up in any order.
        wait_until(lambda: all(state_of(monitor, name) in ALIVE for name in names), SECONDS)
        for name in names:
            beats(monitor, 5, name)
        wait_until(lambda: all(state_of(monitor, name) in ALIVE for name in names), SECONDS)
        for process in processes:
            process.kill()
        outage = seen.until("outage")
        wait_until(lambda: all(state_of(monitor, name) == "down" for name in names), SECONDS)
        said = seen.names()
        counters = monitor.counters
        again = [sender(start, monitor, name) for name in names]
        over = seen.until("outage_over")
        for process in again:
            process.kill()
    assert (outage.client, outage.value, said.count("outage"), said.count("down")) == (None, 3, 1, 3)
    assert outage.message.startswith("outage: 3 of the 3 clients that were up are silent: web")
    assert (counters.outage, counters.isolated) == (3, False)
    assert over.value is not None
    assert over.value >= 2
    downs = [event.span_ns for event in seen.events if event.event == "down"]
    stalled = sum(event.span_ns or 0 for event in seen.events if event.event == "stalled")
    for span_ns in downs:
        assert span_ns is not None
        assert span_ns < 3 * 100.5 * TICK * 1e9 + 5e9 + stalled + 1e9


def test_with_a_witness_that_falls_silent_clients_are_unknown_until_they_are_heard() -> None:
    alive = threading.Event()
    alive.set()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as witness,
        udpping.Monitor(HERE, 0, detector="fixed:60", witness=bound(witness)) as monitor,
        Device(monitor.address) as device,
    ):
        answerer = threading.Thread(target=answer, args=(witness, alive))
        answerer.start()
        seen = Seen(monitor)
        device.rise(monitor)
        alive.clear()
        answerer.join()
        isolated = seen.until("isolated")
        wait_until(lambda: state_of(monitor, "device") == "unknown", SECONDS)
        assert monitor.counters.isolated
        device.beat_until(lambda: state_of(monitor, "device") == "up")
        seen.until("connected")
        assert not monitor.counters.isolated
    assert isolated.message.endswith("does not answer; silent clients are unknown")
    assert "down" not in seen.names()


def bound(witness: socket.socket) -> tuple[str, int]:
    witness.bind((HERE, 0))
    witness.settimeout(0.05)
    host, port = witness.getsockname()
    return host, port


def answer(witness: socket.socket, alive: threading.Event) -> None:
    """Answer while it is alive."""
    while alive.is_set():
        with contextlib.suppress(TimeoutError):
            witness.sendto(b"yes", witness.recvfrom(100)[1])


def test_without_the_interface_clients_are_unknown_and_none_is_down() -> None:
    """In a network of its own, whose only interface is taken away and given back."""
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no network namespace")
    script = """
import fcntl, socket, struct, time, udpping

def set_flags(flags):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        fcntl.ioctl(own, 0x8914, struct.pack("16sH14x", b"lo", flags))

def until(name):
    for event in monitor:
        names.append(event.event)
        if event.event == name:
            return event

names = []
set_flags(0x41)
with (
    udpping.Monitor("127.0.0.1", 0, detector="fixed:60") as monitor,
    udpping.Heartbeat(*monitor.address, id="web1", interval=0.05) as one,
    udpping.Heartbeat(*monitor.address, id="web2", interval=0.05) as two,
):
    until("up"), until("up")
    while min(peer.received for peer in monitor.peers) < 10:
        time.sleep(0.01)
    set_flags(0)
    print(until("isolated").message)
    until("unknown"), until("unknown")
    print([peer.state for peer in monitor.peers])
    set_flags(0x41)
    print(until("connected").message.split(" after")[0])
    while [peer.state for peer in monitor.peers] != ["up", "up"]:
        time.sleep(0.01)
print(names.count("down"), names.count("isolated"))
"""
    command = ["unshare", "-rn", sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "this machine's own connection is gone: interface lo is down; silent clients are unknown",
        "['unknown', 'unknown']",
        "this machine's own connection is back",
        "0 1",
    ]


def test_a_witness_whose_port_is_closed_answers_all_the_same() -> None:
    with udpping.Monitor(HERE, 0, detector="fixed:20", witness=(HERE, free_port())) as monitor:
        seen = Seen(monitor)
        with Device(monitor.address) as device:
            device.rise(monitor)
        seen.until("down")
    assert "isolated" not in seen.names()


def test_a_witness_that_cannot_be_is_refused() -> None:
    for witness in ("", ":5", "host:99999"):
        with pytest.raises(udpping.ConfigError, match=r"^witness .* is not usable"):
            udpping.Monitor(HERE, 0, witness=witness)
    with pytest.raises(udpping.AddressError, match=r"no-such-host\.invalid"):
        udpping.Monitor(HERE, 0, witness="no-such-host.invalid")


def test_facts_are_ready_for_json() -> None:
    with udpping.Monitor(HERE, 0) as monitor:
        use(monitor)
        facts = json.loads(json.dumps(monitor.counters.as_dict()))
    assert facts["received"] == 2
    assert facts["unkept"] is None
