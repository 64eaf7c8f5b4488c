"""The lab's profiles as users meet them: how they are chosen and told, and what only real runs can show."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import wait_until
from udpping import lab
from udpping.__main__ import main
from udpping._results.rows import Event
from udpping.lab import book, exercise
from udpping.lab._client import Client
from udpping.lab._server import MOST_CLIENTS, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.python

HOME = Path(lab.__path__[0])
LOSSES = {"java": "3/10", "multi": "2/5", "slides": "3/10"}  # of all others: 4/11
SECONDS = 120


def run(script: str, *words: object, keys: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HOME / script), *map(str, words)]
    return subprocess.run(command, input=keys, capture_output=True, text=True, timeout=SECONDS, check=False)


def serve(start: Start, script: str, port: int, *words: object) -> subprocess.Popen[str]:
    """Start a server of the lab, and wait until it says that it listens."""
    process = start(HOME / script, port, "--host", "127.0.0.1", *words)
    assert process.stderr is not None
    while "listening on" not in (line := process.stderr.readline()):
        assert line, "it ended"
    return process


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return out, err


def test_each_profile_is_explained_on_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[::3]] == lab.names()
    for source, dropped, prints in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        name = source.split()[0]
        one = lab.profile(name)
        assert one.FROM in source
        assert f"drops {LOSSES.get(name, '4/11')}" in dropped
        assert one.PRINTS in prints
    assert main(["lab", "--list", "--json"]) == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {fact["name"]: fact["loss"] for fact in facts} == {
        name: LOSSES.get(name, "4/11") for name in lab.names()
    }


def test_the_copies_have_the_profile_that_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", str(tmp_path), "--profile", "report"]) == 0
    assert all('\nPROFILE = "report"\n' in (tmp_path / name).read_text("utf-8") for name in lab.SCRIPTS)
    with udpping.Server(port=0) as server:
        script = str(tmp_path / "UDPPingerClient.py")
        command = [sys.executable, script, "127.0.0.1", str(server.address[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert "--- Ping statistics ---" in done.stdout
    capsys.readouterr()
    assert main(["lab", str(tmp_path / "new"), "--profile", "nine"]) == 2
    assert "expected book, exercise, java, kurose, multi, notes, report, slides" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert main(["lab"]) == 2
    assert "DIR is missing" in capsys.readouterr().err


def test_one_more_file_is_one_more_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (HOME / "kurose.py").read_text("utf-8").replace("Request timed out.", "No answer!")
    (tmp_path / "tenth.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(lab, "__path__", [*lab.__path__, str(tmp_path)])
    assert "tenth" in lab.names()
    lab.profile("tenth").PingerClient(count=1).rehearse(loss="1")
    assert capsys.readouterr().out == "No answer!\n"


def test_an_unknown_profile_is_named_by_every_script() -> None:
    for script in lab.SCRIPTS:
        done = run(script, "--profile", "nine")
        assert done.returncode == 2
        assert re.fullmatch(r"UDP\w+: profile 'nine' is not known: expected .*\n", done.stderr)


@pytest.mark.parametrize("name", lab.names())
def test_udpping_server_and_ping_take_profiles_too(start: Start, free_port: int, name: str) -> None:
    words = ["server", "--profile", name, "--host", "127.0.0.1", "--loss", "list:2", "--delay", "0"]
    process = start("-m", "udpping", *words, "-p", free_port)
    assert process.stderr is not None
    assert "listening on 127.0.0.1" in process.stderr.readline()
    client = [sys.executable, "-m", "udpping", "ping", f"127.0.0.1:{free_port}", "--profile", name]
    done = subprocess.run(
        [*client, "-c", "3", "-W", "2"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    missed = r"timed out|Timed out|No response|no reply"
    assert len(re.findall(missed, done.stdout)) == 1
    as_json = subprocess.run(
        [*client, "-c", "1", "-W", "20", "--json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    kinds = [json.loads(line)["type"] for line in as_json.stdout.splitlines()]
    assert kinds == ["start", "ping", "summary"]
    out, _ = interrupted(process)
    assert "4 received" in out or re.search(r"127\.0\.0\.1 +4 +1 ", out)


def test_the_bugs_come_back_and_say_so(free_port: int, start: Start) -> None:
    serve(start, "UDPPingerServer.py", free_port, "--loss", "1")
    words = ("127.0.0.1", free_port, "--profile", "report", "--count", 2, "--timeout", 0.1)
    done = run("UDPPingerClient.py", *words, "--compat-bugs")
    told, crash = done.stderr.splitlines()
    assert told.startswith(
        "UDPPingerClient: --compat-bugs: bugs are back: it takes any datagram for the reply,"
    )
    assert "not connected" in crash
    assert "Sent = 10, Received = 8, Lost = 2 (20.0% packet loss)" in done.stdout
    assert done.returncode == 1
    done = run("UDPPingerClient.py", *words)
    assert "Sent = 2, Received = 0, Lost = 2 (100.0% packet loss)" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_where_no_bugs_are_known_nothing_changes(free_port: int, start: Start) -> None:
    serve(start, "UDPHeartbeatServer.py", free_port, "--profile", "multi", "--loss", "0")
    done = run(
        "UDPHeartbeatClient.py",
        "127.0.0.1",
        free_port,
        "--profile",
        "multi",
        "--count",
        1,
        "--timeout",
        20,
        "--compat-bugs",
    )
    assert done.stderr == (
        "UDPHeartbeatClient: --compat-bugs changes nothing: "
        "no bugs are known of this program of the profile multi\n"
    )
    assert re.match(r"Heartbeat 1: time difference \d+\.", done.stdout)


@pytest.mark.parametrize("name", ["slides", "report"])
def test_a_malformed_heartbeat_ends_the_original_and_not_ours(
    start: Start, free_port: int, name: str
) -> None:
    ours = serve(start, "UDPHeartbeatServer.py", free_port, "--profile", name, "--loss", "0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as student:
        student.settimeout(60)
        for message in (b"", b"1", b"1 2 3 4", b"\xff\xfe", b"x nan", b"\0" * 1024):
            student.sendto(message, ("127.0.0.1", free_port))
            assert student.recv(2048)
        student.sendto(b"Ping 7 1700000000.0", ("127.0.0.1", free_port))
        assert student.recv(2048).startswith(b"7 ")
    interrupted(ours)

    words = [free_port, "--host", "127.0.0.1", "--profile", name, "--seed", "42", "--compat-bugs"]
    original = start(HOME / "UDPHeartbeatServer.py", *words)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as student:
        while original.poll() is None:  # one that is lost does no harm
            student.sendto(b"1", ("127.0.0.1", free_port))
            threading.Event().wait(0.02)
    assert original.returncode == 1
    _, err = original.communicate(timeout=SECONDS)
    assert "ValueError: not enough values to unpack" in err


def test_slides_wait_for_enter_again_and_again() -> None:
    with udpping.Server(port=0) as server:
        words = ("127.0.0.1", server.address[1], "--profile", "slides", "--count", 2, "--timeout", 20)
        done = run("UDPPingerClient.py", *words, keys="\n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nPress any key to start...\n") == 3
    assert done.stdout.count("Packet Loss: 0%\n-----\n") == 2
    assert server.counters.received == 4


def test_slides_count_misses_anew_in_each_run() -> None:
    with udpping.Server(port=0, loss="list:2,3,4,5") as server:
        words = ("127.0.0.1", server.address[1], "--profile", "slides", "--count", 3, "--timeout", 1.5)
        done = run("UDPHeartbeatClient.py", *words, keys="\n\n")
    assert "Server is assumed to be down" not in done.stdout
    assert done.stdout.count("Packet Loss: 66.66666666666667%") == 2


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ([], "2/5"),
        (["30"], "3/10"),
        (["-l", "7"], "7/100"),
        (["--packetloss", "0"], "0"),
        (["--loss", "1/3"], "1/3"),
    ],
)
def test_multi_takes_its_packet_loss_by_place_and_by_name(words: list[str], loss: str) -> None:
    place = ["8000"] if words and words[0].isdigit() else ["-p", "8000"]
    program = lab.program("UDPHeartbeatServer.py", [*place, *words, "--profile", "multi"])
    assert program.port == 8000
    assert Fraction(str(vars(program).get("loss", "40/100"))) == Fraction(loss)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["1023"], "PORT '1023' is not usable: expected a whole number from 1024 to 65535"),
        (["-p", "65536"], "--port '65536' is not usable: expected a whole number from 1024 to 65535"),
        (["8000", "101"], "packetloss '101' is not usable: expected a whole number from 0 to 100"),
        (["--packetloss", "-1"], "--packetloss '-1' is not usable: expected a whole number from 0 to 100"),
        (["8000", "30", "-l", "30"], "--packetloss 30 and 30 are one too many"),
        (["8000", "30", "--loss", "0"], "--loss and packetloss are one too many"),
    ],
)
def test_multi_refuses_what_is_out_of_range(words: list[str], told: str) -> None:
    done = run("UDPHeartbeatServer.py", "--profile", "multi", *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr


def test_multi_takes_the_next_port_and_shows_its_clients(start: Start, free_port: int) -> None:
    with udpping.Server(port=free_port):
        words = ["--profile", "multi", "--loss", "list:2", "--idle", "0.2", "--host", ""]
        process = start(HOME / "UDPHeartbeatServer.py", free_port, *words)
        assert process.stdout is not None
        port = int(re.findall(r"at port (\d+)", process.stdout.readline())[0])
        assert port > free_port
        assert process.stdout.readline() == "No client has pinged for 0.2 seconds. Still waiting.\n"
        client = run(
            "UDPHeartbeatClient.py", "127.0.0.1", port, "--profile", "multi", "--count", 3, "--timeout", 1.5
        )
        assert [line[:18] for line in client.stdout.splitlines()] == [
            "Heartbeat 1: time ",
            "No response to hea",
            "Heartbeat 3: time ",
        ]
        assert client.stdout.endswith(" 1 lost since the last response\n")
        assert process.stdout.readline().startswith("No client has pinged"), (
            "silence after a client is told anew"
        )
        out = interrupted(process)[0].replace("No client has pinged for 0.2 seconds. Still waiting.\n", "")
    assert re.fullmatch(
        r"\nClient +Received +Lost  Last heartbeat\n127\.0\.0\.1 +3 +1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", out
    )


def test_java_answers_a_full_buffer_after_a_while(start: Start, free_port: int) -> None:
    serve(start, "UDPPingerServer.py", free_port, "--profile", "java", "--loss", "0", "--seed", "1")
    run_ = udpping.ping(port=free_port, count=5, timeout=20, message="PING {seq} {ms}\r\n", first_seq=0)
    assert [row.bytes for row in run_] == [1024] * 5
    assert all(row.reply and row.reply.startswith(b"PING %d " % row.seq) for row in run_)
    assert max(row.rtt_ns or 0 for row in run_) > 20_000_000


@pytest.mark.parametrize(
    ("name", "noun", "told"),
    [
        ("notes", "Pinger", "Sequence 9: Requeset timed out"),
        ("slides", "Pinger", "Packet Loss: 10%"),
        ("report", "Pinger", "Sent = 10, Received = 9, Lost = 1 (10.0% packet loss)"),
        ("kurose", "Pinger", "Request timed out."),
        ("slides", "Heartbeat", "Packet Loss: 99.2%"),
        ("report", "Heartbeat", "Sent = 11, Received = 8, Lost = 3 (27.27272727272727% packet loss)"),
    ],
)
def test_originals_on_real_sockets(start: Start, free_port: int, name: str, noun: str, told: str) -> None:
    lost = "list:9" if noun == "Pinger" else "list:9,10,11"
    serve(start, f"UDP{noun}Server.py", free_port, "--profile", name, "--loss", lost)
    words = ("127.0.0.1", free_port, "--profile", name, "--timeout", 1.5, "--compat-bugs")
    done = run(f"UDP{noun}Client.py", *words, keys="\n")
    assert told in done.stdout
    assert f"UDP{noun}Client: --compat-bugs: bugs are back: it " in done.stderr


@pytest.mark.parametrize(("name", "noun"), [("book", "Pinger"), ("slides", "Pinger"), ("java", "Pinger"),
                                            ("slides", "Heartbeat"), ("report", "Heartbeat")])  # fmt: skip
def test_original_servers_on_real_sockets(start: Start, free_port: int, name: str, noun: str) -> None:
    words = ["--host", "127.0.0.1", "--profile", name, "--seed", "0", "--compat-bugs"]
    process = start(HOME / f"UDP{noun}Server.py", free_port, *words)
    assert process.stderr is not None
    assert "bugs are back" in process.stderr.readline()
    client = lab.profile(name).HeartbeatClient
    assert issubclass(client, Client)
    with udpping.Pinger(port=free_port, count=None, timeout=0.4, message=client.message) as probe:
        answered = next(row for row in probe if row.status == "reply")
    assert answered.match in {"seq", "payload"}


@pytest.mark.parametrize("name", ["book", "multi"])
def test_strangers_cannot_fill_the_memory_of_a_heartbeat_server(name: str) -> None:
    server = lab.profile(name).HeartbeatServer()
    assert isinstance(server, Server)
    for number in range(MOST_CLIENTS + 10):
        client = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:5000"
        message = b"1 1700000000.25"
        size = len(message)
        done = Event(0, 0, client, 0, 1, 1, "answer", None, 0, None, size, size, 0, 1, None, message)
        server.handled(done)
    (known,) = [each for each in vars(server).values() if isinstance(each, dict)]
    assert len(known) == MOST_CLIENTS


def test_what_came_before_the_server_began_or_ctrl_c_is_told_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = udpping.Server.start

    def start_when_two_wait(server: udpping.Server) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as student:
            for number in (1, 2):
                student.sendto(b"Heartbeat %d 1700000000.25" % number, server.address)
            begin(server)
            wait_until(lambda: server.counters.received == 2)

    told: list[bytes] = []

    class Interrupted(book.HeartbeatServer):
        def handled(self, event: Event) -> str | None:
            told.append(event.message)
            if len(told) == 1:
                raise KeyboardInterrupt
            return None

    monkeypatch.setattr(udpping.Server, "start", start_when_two_wait)
    assert Interrupted(host="127.0.0.1", port=0, loss="0", script="UDPHeartbeatServer").run() == 0
    assert told == [b"Heartbeat 1 1700000000.25", b"Heartbeat 2 1700000000.25"]


def test_what_came_before_ctrl_c_is_told_of_by_the_watching_server_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = udpping.Monitor.start

    def start_and_hear_two(monitor: udpping.Monitor) -> None:
        begin(monitor)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as student:
            for number in (1, 2):
                student.sendto(b"Heartbeat %d 1700000000.25" % number, monitor.address)
            wait_until(lambda: monitor.counters.received == 2)

    told: list[str] = []

    class Interrupted(exercise.HeartbeatServer):
        def reported(self, event: udpping.MonitorEvent) -> str | None:
            told.append(event.event)
            if len(told) == 1:
                raise KeyboardInterrupt
            return None

    monkeypatch.setattr(udpping.Monitor, "start", start_and_hear_two)
    assert Interrupted(host="127.0.0.1", port=0, script="UDPHeartbeatServer").run() == 0
    assert told.count("heard") == 2
