"""The heartbeat exercise as written: one way, and the server says what is lost and who has stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import udp_socket, wait_until
from udpping import lab
from udpping.testing import FarEnd

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from common import Address

    Start = Callable[..., subprocess.Popen[str]]

HOME = Path(lab.__path__[0])
SECONDS = 60


class Served:
    """The server's script, line by line."""

    def __init__(self, start: Start, port: int, *words: object) -> None:
        script, place = HOME / "UDPHeartbeatServer.py", (port, "--host", "127.0.0.1")
        self.process = start(script, *map(str, (*place, "--profile", "exercise", *words)))
        self.address: Address = ("127.0.0.1", port)
        self.lines: list[str] = []
        assert self.process.stderr is not None
        assert "listening on 127.0.0.1" in self.process.stderr.readline()
        assert self.line().startswith(f"Watching heartbeats at port {port}; when ")

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        self.lines.append(line)
        return line

    def until(self, pattern: re.Pattern[str] | str) -> None:
        """Read until a line is that, if none was; on a busy machine others may come between."""
        while not any(re.fullmatch(pattern, line) for line in self.lines):
            assert self.line() or self.process.poll() is None, self.lines

    def end(self) -> list[str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=SECONDS)
        assert (self.process.returncode, err) == (0, "")
        return out.splitlines()


def client(*words: object) -> subprocess.CompletedProcess[str]:
    script = str(HOME / "UDPHeartbeatClient.py")
    command = [sys.executable, script, "--profile", "exercise", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def beat(own: socket.socket, server: Served, seq: int, at: float | None = None) -> None:
    own.sendto(f"Heartbeat {seq} {time.time() if at is None else at}".encode(), server.address)


def told(own: socket.socket, seq: int) -> re.Pattern[str]:
    return re.compile(rf"Heartbeat {seq} from {name(own)}: time difference \d\.\d{{6}} seconds")


def name(own: socket.socket) -> str:
    return f"127.0.0.1:{own.getsockname()[1]}"


def test_the_server_tells_what_comes_what_is_lost_who_stopped_and_who_is_back(
    start: Start, free_port: int
) -> None:
    server = Served(start, free_port, "--misses", 1)
    with udp_socket() as own:
        began = time.time()
        for seq in (1, 2, 3, 5, 6, 7):
            beat(own, server, seq)
            server.until(told(own, seq))
        server.until(f"Lost from {name(own)}: heartbeat 4")
        server.until(rf"{name(own)} has stopped: nothing for [2-9]\.\d s after heartbeat 7")
        beat(own, server, 4, began)
        server.until(
            rf"Heartbeat 4 from {name(own)}: time difference \d+\.\d{{6}} seconds, late: it is not lost"
        )
        beat(own, server, 4, began)
        server.until(f"Heartbeat 4 from {name(own)}: once more")
        for seq in (8, 9):
            beat(own, server, seq)
            server.until(told(own, seq))
        server.until(f"{name(own)} is back")
        own.sendto(b"hello \x1b[2J", server.address)
        beat(own, server, 11)
        server.until(told(own, 11))
        table = server.end()
        at = table.index("")
        head, row, *_, clients, garbage = table[at + 1 :]
        assert head.split()[:4] == ["client", "state", "received", "lost"]
        assert re.fullmatch(rf"{name(own)} +(up|late|suspect) +10 +0 .*", row)
        assert re.fullmatch("1 client: 1 (up|late|suspect)", clients)
        assert garbage == rf"From {name(own)}: no heartbeat: hello \x1b[2J"


def test_the_pair_with_losses_on_purpose(start: Start, free_port: int) -> None:
    server = Served(start, free_port, "--loss", "list:3,4", "--seed", 1)
    done = client("127.0.0.1", free_port, "--count", 8, "--interval", 0.05)
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first == f"A heartbeat to 127.0.0.1, port {free_port}, every 0.05 s. Ctrl-C ends it."
    assert last == "8 sent"
    server.until(".*: heartbeats 3 to 4")
    server.until(r".* has stopped: nothing for [4-9]\.\d s after heartbeat 8")
    heard = [int(found[1]) for found in map(re.compile(r"Heartbeat (\d)").match, server.lines) if found]
    assert heard == [1, 2, 5, 6, 7, 8]
    row = server.end()[2]
    assert row.split()[1:4] == ["down", "6", "2"]


def test_clients_that_wait_for_answers_get_them_if_asked_for(start: Start, free_port: int) -> None:
    server = Served(start, free_port, "--answer")
    with udp_socket() as own:
        beat(own, server, 7)
        assert re.fullmatch(rb"7 \d\.\d{6}", own.recv(100))
        own.sendto(b"8\tTue Nov 14 22:13:20 2023", server.address)
        assert own.recv(100).startswith(b"8 ")
        server.until(told(own, 7))
        # No zone is told.
        server.until(re.escape(f"Heartbeat 8 from {name(own)}: time difference ? seconds"))


def test_a_minute_of_silence_is_told_once(start: Start, free_port: int) -> None:
    server = Served(start, free_port, "--idle", 0.3)
    silence = re.compile(r"nobody was heard for (?:[3-9]\d\d ms|\d\.\d s)")  # a busy monitor looks later
    server.until(silence)
    with udp_socket() as own:
        beat(own, server, 1)
        server.until(told(own, 1))
    server.lines.clear()
    server.until(silence)
    assert server.end()[-1] == "1 client: 1 new"


def test_nobody_was_there(start: Start, free_port: int) -> None:
    assert Served(start, free_port, "--misses", 5).end() == ["", "no clients"]


def test_the_client_sends_and_does_not_wait(start: Start) -> None:
    with FarEnd([]) as far:
        process = start(HOME / "UDPHeartbeatClient.py", *map(str, (*far.address, "--profile", "exercise")))
        far.wait(2, 60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        done = client(*far.address, "--count", 1, "--form", "lab2")
        (sent,) = re.findall(r"^(\d+) sent$", out, re.MULTILINE)
        far.wait(int(sent) + 1)
    assert (process.returncode, err) == (0, "")
    assert len(far.received) == int(sent) + 1
    *many, last = [request.payload.decode() for request in far.received]
    assert all(re.fullmatch(rf"Heartbeat {n} \d+\.\d+", text) for n, text in enumerate(many, 1))
    assert re.fullmatch(r"1 \d+\.\d+", last)
    assert done.stdout.endswith("1 sent\n")


def test_the_client_goes_on_without_a_server(free_port: int) -> None:
    done = client("127.0.0.1", free_port, "--count", 4, "--interval", 0.15)
    assert done.returncode == 0
    assert done.stdout.endswith("4 sent\n")
    notes = done.stderr.splitlines()
    assert notes
    assert all(line.startswith("UDPHeartbeatClient: ") and line.endswith("; going on") for line in notes)


@pytest.mark.parametrize(
    ("script", "words", "why"),
    [
        ("Server", ["--misses", "0"], "--misses '0' is not usable: expected a whole number from 1 to 999"),
        ("Server", ["--loss", "2"], "loss"),
        ("Client", ["--count", "0"], "--count '0' is not usable"),
        ("Client", ["--interval", "0"], "--interval '0' is not usable: expected 1ms to 1d: seconds"),
        ("Client", ["--form", "full"], "--form"),
    ],
)
def test_what_cannot_be_used_is_one_line(script: str, words: list[str], why: str) -> None:
    command = [sys.executable, str(HOME / f"UDPHeartbeat{script}.py"), "--profile", "exercise", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert why in done.stderr


def test_a_monitor_tells_of_each_heartbeat_and_loses_some_on_purpose() -> None:
    with udpping.Monitor("127.0.0.1", 0, beats=True, loss="pattern:.x", seed=3) as monitor:
        with udpping.Heartbeat(*monitor.address, interval=0.02, id="web1", count=6):
            wait_until(lambda: monitor.counters.received >= 6)

        def heard() -> list[int | None]:
            return [event.seq for event in monitor.events if event.event == "heard"]

        wait_until(lambda: len(heard()) >= 3)
        assert heard()[:3] == [1, 3, 5]
        assert (monitor.loss, monitor.seed) == ("pattern:.x", 3)
        assert monitor.counters.dropped >= 3
        assert "dropped on purpose" in repr(monitor.counters)
    assert all(event.span_ns is not None for event in monitor.events if event.event == "heard")


def test_what_a_restart_leaves_behind_is_told_as_lost() -> None:
    faults = ["crash@5.5 restart@7"]
    seen = udpping.sim.heartbeat(faults, duration=10, losses=True, loss="list:5", detector="fixed:3")
    told = [event.message for event in seen.events if event.event in {"lost", "restarted"}]
    assert told == [
        "sender0: heartbeat 5 is lost",
        "sender0 restarted, 2.0 s after its last heartbeat",
    ]
    assert seen.peers.row(0).lost == 1
