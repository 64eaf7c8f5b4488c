"""The sender of heartbeats, as a monitor hears it: on real sockets, through real trouble."""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from beats import LINE, byes, lines, seqs
from common import belongings, threads, udp_socket, wait_until
from udpping.testing import FarEnd, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

PEERS = Path(__file__).parent / "peers"


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """Listen, and say nothing."""
    with FarEnd([]) as far:
        yield far


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UDPPING_KEY", raising=False)


def test_a_block_beats_and_says_goodbye_three_times(far: FarEnd) -> None:
    before = time.time()
    with udpping.Heartbeat(*far.address, interval=0.02, id="web-1.example:a/b@c+d_e") as heartbeat:
        assert heartbeat.running
        far.wait(4, 60)
    assert not heartbeat.running
    assert heartbeat.wait(20)
    far.wait(heartbeat.sent)
    told = lines(far)
    assert seqs(far) == list(range(1, heartbeat.sent + 1))
    assert {(line["id"], line["session"], line["interval"]) for line in told} == {
        ("web-1.example:a/b@c+d_e", heartbeat.session, "0.02")
    }
    assert [line["bye"] for line in told[-3:]] == ["0"] * 3
    assert byes(far) == ["0"] * 3
    # On the schedule, by both clocks.
    beats = [(float(line["time"]), float(line["mono"])) for line in told[:-3]]
    slots = [round(mono / 0.02) for _, mono in beats]
    assert [mono for _, mono in beats] == pytest.approx([slot * 0.02 for slot in slots])
    assert slots[-1] == len(slots) - 1 + heartbeat.skipped
    assert all(before - 0.1 <= at - mono <= before + 10 for at, mono in beats)
    assert all(at - mono == pytest.approx(beats[0][0], abs=0.1) for at, mono in beats)
    assert (heartbeat.errors, heartbeat.withheld, heartbeat.last_error) == (0, 0, None)
    assert heartbeat.address == far.address


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(), 1),
        (SystemExit(3), 3),
        (SystemExit(), 0),
        (SystemExit("no"), 1),
        (KeyboardInterrupt(), -2),
    ],
)
def test_the_goodbye_of_a_block_tells_how_it_ended(far: FarEnd, error: BaseException, status: int) -> None:
    with pytest.raises(type(error)), udpping.Heartbeat(*far.address, interval=60):
        raise error
    far.wait(3, 60)
    assert set(byes(far)) == {str(status)}


def test_start_and_stop_by_hand(far: FarEnd) -> None:
    heartbeat = udpping.Heartbeat(*far.address, interval=60, id="x")
    assert repr(heartbeat).startswith(
        f"<udpping.Heartbeat x to 127.0.0.1 port {far.address[1]}, every 60 s, 0"
    )
    assert not heartbeat.wait(0)
    heartbeat.start()
    heartbeat.start()
    far.wait(1, 60)
    assert not heartbeat.wait(0.01)
    heartbeat.stop(7)
    heartbeat.stop(8)
    assert heartbeat.wait()
    far.wait(4, 60)
    assert byes(far) == ["7"] * 3
    with pytest.raises(udpping.NetworkError, match="make a new one"):
        heartbeat.start()


def test_a_count_ends_it(far: FarEnd) -> None:
    with udpping.Heartbeat(*far.address, interval=0.01, count=3) as heartbeat:
        assert heartbeat.wait(20)
        assert not heartbeat.running
    far.wait(6, 60)
    assert seqs(far) == [1, 2, 3, 4, 5, 6]


def test_it_survives_that_nobody_listens_and_is_heard_by_who_comes(free_port: int) -> None:
    port = free_port
    with udpping.Heartbeat("localhost", port, interval=0.02) as heartbeat:
        wait_until(lambda: heartbeat.refused > 2)
        assert heartbeat.last_error is not None
        assert f"127.0.0.1:{port}" in heartbeat.last_error
        with udp_socket() as late:
            late.bind(("127.0.0.1", port))
            first, client = late.recvfrom(2048)
            second, again = late.recvfrom(2048)
            assert client == again
            numbers = [int(line.split()[1]) for line in (first, second)]
            assert numbers[1] == numbers[0] + 1 > 3
            late.sendto(b"Heartbeat %d ok" % numbers[1], client)
            wait_until(lambda: heartbeat.last_error is None)
        assert heartbeat.errors == 0


def test_an_unknown_name_is_told_and_tried_again() -> None:
    with udpping.Heartbeat("no..such..host", 9, interval=0.01) as heartbeat:
        wait_until(lambda: heartbeat.errors > 2)
        assert heartbeat.running
        assert heartbeat.last_error is not None
        assert "no..such..host" in heartbeat.last_error
        assert (heartbeat.sent, heartbeat.address) == (0, None)


def test_a_name_that_moves_is_followed(tmp_path: Path, free_port: int) -> None:
    """In a mount namespace of its own, with a file for /etc/hosts that changes."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no mount namespace")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 monitor.test\n")
    port = free_port
    script = f"""
import subprocess, sys, udpping
subprocess.run(["mount", "--bind", {str(hosts)!r}, "/etc/hosts"], check=True)
with udpping.Heartbeat("monitor.test", {port}, interval=0.02):
    sys.stdin.read()
"""
    command = ["unshare", "-rm", sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with udp_socket() as old:
            old.bind(("127.0.0.1", port))
            assert old.recv(2048)
        # The old place refuses from here on.
        with udp_socket() as new:
            new.bind(("127.0.0.2", port))
            hosts.write_text("127.0.0.2 monitor.test\n")
            assert LINE.fullmatch(new.recv(2048).decode())
        process.communicate()
    assert process.returncode == 0


def test_a_lost_interface_and_address_are_errors_until_they_are_back() -> None:
    """In a network namespace of its own, where the only interface can be taken away."""
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no network namespace")
    script = """
import fcntl, socket, struct, time, udpping

own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
monitor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
monitor.settimeout(60)
SET_FLAGS, SET_ADDRESS, UP = 0x8914, 0x8916, 0x41

def set_address(address):
    packed = struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton(address))
    fcntl.ioctl(own, SET_ADDRESS, packed)

def hear_next(number):
    words = monitor.recv(2048).decode().split()
    assert words[1] == str(number), (words, number)

with udpping.Heartbeat("127.0.0.1", 12345, interval=0.02) as heartbeat:
    while heartbeat.errors < 3:
        time.sleep(0.002)
    assert "unreachable" in heartbeat.last_error, heartbeat.last_error
    monitor.bind(("", 12345))
    fcntl.ioctl(own, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
    set_address("127.0.0.1")
    for number in (1, 2, 3):
        hear_next(number)
    set_address("0.0.0.0")
    before = heartbeat.errors
    while heartbeat.errors < before + 3:
        time.sleep(0.002)
    sent = heartbeat.sent
    set_address("127.0.0.1")
    for number in range(4, sent + 3):
        hear_next(number)
    assert heartbeat.last_error is None, heartbeat.last_error
"""
    command = ["unshare", "-rn", sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_sign_of_life_it_falls_silent(far: FarEnd) -> None:
    with udpping.Heartbeat(*far.address, interval=0.02, touch=0.1) as heartbeat:

        def send_one() -> None:
            before = heartbeat.sent

            def has_sent() -> bool:
                heartbeat.touch()
                return heartbeat.sent > before

            wait_until(has_sent)

        send_one()
        silent = heartbeat.withheld + 3
        wait_until(lambda: heartbeat.withheld > silent)
        send_one()
    far.wait(heartbeat.sent)
    assert seqs(far) == list(range(1, heartbeat.sent + 1))
    monos = [float(line["mono"]) for line in lines(far) if not line["bye"]]
    assert max(later - earlier for earlier, later in pairwise(monos)) > 0.05


def test_answers_are_counted_and_told() -> None:
    with (
        FarEnd(lambda beat: b"%s 0.001" % beat.payload.split()[1]) as far,
        udpping.Heartbeat(*far.address, interval=0.02) as heartbeat,
    ):
        wait_until(lambda: heartbeat.answered >= 3)
        assert heartbeat.round_trip_ns is not None
        assert 0 < heartbeat.round_trip_ns < 5e9
        wait_until(lambda: any(line["ack"] == str(int(line["seq"]) - 1) for line in lines(far)))
    assert lines(far)[0]["ack"] is None


@pytest.mark.parametrize(
    ("wire", "server", "form"),
    [
        ("lab2", "slides_heartbeat_server.py", rb"\d+ \d+\.\d+"),
        ("lab3", "report_heartbeat_server.py", rb"Heartbeat \d+ \d+\.\d+"),
    ],
)
def test_the_course_s_servers_understand_its_forms(start: Start, wire: str, server: str, form: bytes) -> None:
    """They crash on everything else; and they lose some on purpose."""
    process = start(PEERS / server, "127.0.0.1", "1")
    assert process.stdout
    port = int(process.stdout.readline())
    with udpping.Heartbeat("127.0.0.1", port, interval=0.02, wire=wire) as heartbeat:
        wait_until(lambda: heartbeat.answered >= 5)
    assert process.poll() is None
    assert heartbeat.last_error is None
    with (
        FarEnd([]) as far,
        udpping.Heartbeat(*far.address, interval=0.01, wire=wire, count=3) as heartbeat,
    ):
        assert heartbeat.wait(20)
        far.wait(3, 60)
    assert heartbeat.sent == 3
    assert all(re.fullmatch(form, request.payload) for request in far.received)


def test_a_stopped_sender_skips_and_never_catches_up(start: Start, far: FarEnd) -> None:
    script = """
import sys, udpping
heartbeat = udpping.Heartbeat(sys.argv[1], int(sys.argv[2]), interval=0.05)
heartbeat.start()
heartbeat.wait()
"""
    process = start("-c", script, *map(str, far.address))
    far.wait(3, 60)
    process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    before = len(far.received)
    process.send_signal(signal.SIGCONT)
    far.wait(before + 4, 60)
    assert seqs(far) == list(range(1, len(far.received) + 1))
    slots = [round(float(line["mono"]) / 0.05) for line in lines(far)]
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert max(gaps) >= 15  # the sleep, in one step
    assert min(gaps) >= 1  # and no time on the schedule twice


def test_a_forked_child_neither_beats_nor_says_goodbye(far: FarEnd) -> None:
    script = """
import os, sys, udpping
with udpping.Heartbeat(sys.argv[1], int(sys.argv[2]), interval=0.02) as heartbeat:
    child = os.fork()
    if child == 0:
        heartbeat.touch()
        assert not heartbeat.running
        sys.exit(5)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    sent = heartbeat.sent
    while heartbeat.sent < sent + 5:
        heartbeat.wait(0.01)
    assert heartbeat.running
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, far.address)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {"0"}
    assert seqs(far) == list(range(1, len(far.received) + 1))


def start_and_stop(far: FarEnd) -> None:
    with udpping.Heartbeat(*far.address, interval=60):
        pass


def start_and_forget(far: FarEnd) -> None:
    udpping.Heartbeat(*far.address, interval=0.01).start()


def never_start(far: FarEnd) -> None:
    udpping.Heartbeat(*far.address)
    udpping.Heartbeat(*far.address).stop()


def by_name(far: FarEnd) -> None:
    udpping.Heartbeat("localhost", far.address[1], interval=60).start()
    udpping.Heartbeat("no..such..host", 9, interval=60).start()


def nobody_there(_far: FarEnd) -> None:
    with udpping.Heartbeat("127.0.0.1", free_port(), interval=0.001, count=3) as heartbeat:
        heartbeat.wait()


@pytest.mark.parametrize(
    "way",
    [start_and_stop, start_and_forget, never_start, by_name, nobody_there],
    ids=lambda way: way.__name__,
)
def test_no_thread_and_no_descriptor_is_left(way: Callable[[FarEnd], None], far: FarEnd) -> None:
    way(far)
    gc.collect()
    wait_until(lambda: not {"udpping beats", "udpping name"} & set(threads()))
    before = belongings()
    for _ in range(30):
        way(far)
    gc.collect()
    wait_until(lambda: belongings() <= before)


def test_a_program_may_end_while_its_heartbeat_runs(far: FarEnd) -> None:
    """It then says no goodbye: nobody stopped it, and the monitor shall notice."""
    script = "import sys, udpping; h = udpping.Heartbeat(sys.argv[1], int(sys.argv[2])); h.start()"
    command = [sys.executable, "-c", script, *map(str, far.address)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not byes(far)


def test_ctrl_c_ends_a_wait_and_says_goodbye(start: Start, far: FarEnd) -> None:
    script = """
import sys, udpping
with udpping.Heartbeat(sys.argv[1], int(sys.argv[2]), interval=0.02) as heartbeat:
    print("within", flush=True)
    heartbeat.wait()
"""
    process = start("-c", script, *map(str, far.address))
    assert process.stdout is not None
    assert process.stdout.readline() == "within\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {"-2"}
