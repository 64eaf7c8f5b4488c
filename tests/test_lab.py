"""The course's programs: against its own server and client, and against each other."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import udpping
from udpping import lab
from udpping.__main__ import main
from udpping._console import hosts
from udpping.lab._server import where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.python

REPLY = re.compile(r"PING (\d+) \d+\.\d+\nRTT: (\d+\.\d{6}) seconds\n")


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Make a directory with the two programs, as a student has it."""
    assert main(["lab", str(tmp_path)]) == 0
    return tmp_path


def client(scripts: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(scripts / "UDPPingerClient.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def serve(start: Start, script: Path, port: int, *words: object) -> subprocess.Popen[str]:
    """Start the server, and wait for the line that says that it is there."""
    process = start(script, "--host", "127.0.0.1", "--port", port, *words)
    assert process.stderr is not None
    assert "listening on 127.0.0.1" in process.stderr.readline()
    return process


def test_both_are_written_and_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "UDPPingerClient.py").write_text("mine", encoding="utf-8")
    assert main(["lab", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["UDPPingerClient.py"]
    assert main(["lab", str(tmp_path), "--force"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(lab.SCRIPTS)
    assert "mine" not in (tmp_path / "UDPPingerClient.py").read_text(encoding="utf-8")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["lab", str(tmp_path / "file" / "below")]) == 2
    assert "below" in capsys.readouterr().err


def test_the_server_loses_what_cpython_draws(start: Start, scripts: Path, free_port: int) -> None:
    process = start(scripts / "UDPPingerServer.py", free_port, "--host", "127.0.0.1", "--seed", 42)
    assert process.stderr is not None
    told = f"listening on 127.0.0.1, UDP port {free_port}, seed 42; only from this machine: "
    command = f"python UDPPingerClient.py 127.0.0.1 {free_port}"
    assert process.stderr.readline() == f"UDPPingerServer: {told}{command}\n"
    draws = random.Random(42)
    lost = [draws.randint(0, 10) < 4 for _ in range(30)]
    run = udpping.ping(port=free_port, count=30, interval=0.01, timeout=2)
    assert [row.status == "timeout" for row in run] == lost
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "30 received" in out
    assert (process.returncode, err) == (0, "")


def test_the_server_says_what_to_type_on_another_machine(
    start: Start, scripts: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(scripts / "UDPPingerServer.py", "--port", free_port)
    assert process.stderr is not None
    line = process.stderr.readline()
    told = re.fullmatch(
        rf"UDPPingerServer: listening on every interface, UDP port {free_port}, seed \d+; "
        rf"(?:only from this machine|from another machine): python UDPPingerClient\.py (\S+) {free_port}\n",
        line,
    )
    assert told, line
    assert told[1] in {*hosts.addresses(), "127.0.0.1"}
    # One random draw in a row of many is answered, at the address that was told.
    assert client(scripts, told[1], free_port, "--timeout", 1.5).returncode == 0
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    assert (out.splitlines()[0], rest) == ("", "")
    assert out.splitlines()[1].startswith("10 received")

    monkeypatch.setattr(hosts, "addresses", lambda: ["2001:db8::7", "192.0.2.7"])
    with udpping.Server("", 0) as server:
        command = f"from another machine: python UDPPingerClient.py 192.0.2.7 {server.address[1]}"
        assert where(server).endswith(command)
    monkeypatch.setattr(hosts, "addresses", list)
    with udpping.Server("", 0) as server:
        assert "only from this machine: python UDPPingerClient.py 127.0.0.1 " in where(server)


def test_the_server_answers_as_the_course_says(start: Start, scripts: Path, free_port: int) -> None:
    serve(start, scripts / "UDPPingerServer.py", free_port, "--loss", "0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as student:
        student.settimeout(60)
        for message in (b"Ping 1 1700000000.0", b"", b"\xff\xfe a\x00b", "ß é".encode(), b"x" * 1024):
            student.sendto(message, ("127.0.0.1", free_port))
            assert student.recvfrom(2048)[0] == message.upper()


def test_the_server_refuses_a_bad_loss(scripts: Path) -> None:
    command = [sys.executable, str(scripts / "UDPPingerServer.py"), "--loss", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def course_server() -> Iterator[Callable[[str], int]]:
    """Run the course's server with its losses written down: x is lost, anything else is answered."""
    threads: list[threading.Thread] = []

    def serve_pattern(pattern: str) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(60)
        port: int = sock.getsockname()[1]

        def loop() -> None:
            with sock:
                for mark in pattern:
                    message, address = sock.recvfrom(1024)
                    if mark != "x":
                        sock.sendto(message.upper(), address)

        threads.append(threading.Thread(target=loop))
        threads[-1].start()
        return port

    yield serve_pattern
    for thread in threads:
        thread.join()


def test_the_client_prints_what_the_course_asks_for(
    scripts: Path, course_server: Callable[[str], int]
) -> None:
    port = course_server(".x.....x..")
    done = client(scripts, "127.0.0.1", port, "--timeout", 2)
    assert done.returncode == 0, done.stderr
    pings, statistics = done.stdout.split("\n\n")
    lines = REPLY.sub(r"reply \1" + "\n", pings + "\n").splitlines()
    missed = {2, 8}
    assert lines == ["Request timed out" if seq in missed else f"reply {seq}" for seq in range(1, 11)]
    counts, rtts = statistics.splitlines()
    assert counts == "10 packets transmitted, 8 received, 20.0% packet loss"
    told = [float(rtt) for _, rtt in REPLY.findall(pings + "\n")]
    least, average, most = map(
        float, rtts.removeprefix("RTT min/avg/max = ").removesuffix(" seconds").split("/")
    )
    assert (least, most) == (min(told), max(told))
    assert average == pytest.approx(sum(told) / 8, abs=2e-6)


def test_a_late_reply_is_not_taken_for_the_next(scripts: Path) -> None:
    with udpping.Server(port=0, delay=0.15) as server:
        done = client(scripts, "--port", server.address[1], "--count", 3, "--timeout", 0.1)
    assert done.stdout.count("Request timed out\n") == 3
    assert "3 packets transmitted, 0 received, 100.0% packet loss" in done.stdout


def test_ctrl_c_on_the_client_prints_the_statistics(start: Start, scripts: Path) -> None:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        process = start(scripts / "UDPPingerClient.py", "--port", server.address[1], "--timeout", "30")
        assert process.stdout is not None
        assert process.stdout.readline().startswith("PING 1 ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "1 received" in out
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ([], ("localhost", 12000)),
        (["h"], ("h", 12000)),
        (["h", "7"], ("h", 7)),
        (["--host", "h", "--port", "7"], ("h", 7)),
        (["--port", "7", "h"], ("h", 7)),
    ],
)
def test_ways_to_name_the_server(words: list[str], place: tuple[str, int]) -> None:
    program = lab.program("UDPPingerClient.py", words)
    assert (program.host, program.port) == place


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["h", "0"], "PORT '0' is not usable: expected a whole number from 1 to 65535"),
        (["--count", "0"], "--count '0' is not usable: expected a whole number from 1"),
        (["--timeout", "x"], "--timeout 'x' is not usable: expected 1us to 1d: seconds"),
        (["--timeout", "-1", "127.0.0.1"], "--timeout '-1' is not usable: expected 1us to 1d: seconds"),
        (["no..such..host"], "no..such..host"),
    ],
)
def test_the_client_names_what_it_cannot_use(scripts: Path, words: list[str], told: str) -> None:
    done = client(scripts, *words)
    assert done.returncode != 0
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["UDPPingerServer", "UDPPingerClient"])
def test_they_run_from_the_package_too(name: str) -> None:
    command = [sys.executable, "-m", f"udpping.lab.{name}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "--port" in done.stdout
