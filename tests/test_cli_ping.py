"""`udpping ping`: no row is dropped, no host is flooded, and it ends as it is told to."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call, has_received, records, wait_until
from udpping._console import hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

ELSEWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737), which no host has."""
WITH_LITTLE_MEMORY = """
import sys
from udpping.__main__ import main
from udpping.cli import ping

ping.MEMORY = int(sys.argv[1])
sys.exit(main(["ping", *sys.argv[2:]]))
"""
WITH_SMALL_FILES = """
import resource, sys

resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
""" + WITH_LITTLE_MEMORY.lstrip()
ONCE_EACH = "-W", "5", "-l", "0"
"""No reply is late, so each ping has one row."""


@pytest.fixture
def server() -> Iterator[udpping.Server]:
    with udpping.Server(port=0) as server:
        yield server


def place_of(server: udpping.Server) -> str:
    return f"127.0.0.1:{server.address[1]}"


def seqs(text: str) -> list[int]:
    """Return the numbers of the printed pings, in text or JSON."""
    if text.startswith("{"):
        return [record["seq"] for record in records(text) if record["type"] == "ping"]
    lines = text.partition("\n")[2].partition("\n\n")[0].splitlines()
    return [int(line.partition("seq=")[2].split()[0]) for line in lines]


def wait_for_all(server: udpping.Server, count: int) -> None:
    """Wait until a server has received so many pings, or the kernel has dropped some of them."""
    wait_until(lambda: server.counters.received + (server.counters.kernel_drops or 0) >= count, 150)


def wait_for_full_pipe(process: subprocess.Popen[str]) -> None:
    """Wait until what a process prints has no room left in its pipe."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    most = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)

    def is_full() -> bool:
        (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))
        return bool(waiting > most - 2 * select.PIPE_BUF)

    wait_until(is_full)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_slow_reader_of_a_scheduled_run_gets_every_row(
    start: Start, server: udpping.Server, form: list[str]
) -> None:
    count = 70_000
    words = ["-c", str(count), "-i", "0.00002", *ONCE_EACH, *form]
    process = start("-c", WITH_LITTLE_MEMORY, "4000000", place_of(server), *words)
    # The reader sleeps until all pings have left: the schedule does not wait for it.
    wait_for_all(server, count)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert sorted(seqs(out)) == list(range(1, count + 1))


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_with_a_flood_the_pings_wait_for_a_slow_reader(
    start: Start, server: udpping.Server, form: list[str]
) -> None:
    count = 20_000
    process = start("-m", "udpping", "ping", place_of(server), "-f", "-c", str(count), *ONCE_EACH, *form)
    wait_for_full_pipe(process)
    assert server.counters.received < count / 2
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert seqs(out) == list(range(1, count + 1))


def test_a_file_gets_every_row(tmp_path: Path, server: udpping.Server) -> None:
    path = tmp_path / "rows"
    words = [place_of(server), "-f", "-c", "20000", *ONCE_EACH]
    with path.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "udpping", "ping", *words], stdout=file, timeout=150, check=True
        )
    assert seqs(path.read_text()) == list(range(1, 20_001))


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_rows_for_which_no_disk_has_room_are_counted(
    tmp_path: Path, server: udpping.Server, form: list[str]
) -> None:
    count = 40_000
    words = ["100000", place_of(server), "-c", str(count), "-i", "0.00002", *ONCE_EACH, *form]
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_SMALL_FILES, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with process:
        wait_for_all(server, count)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    told = f" rows not printed: cannot write a temporary file in {tmp_path}: File too large"
    assert err.startswith("udpping ping: ")
    assert told in err
    missing = int(err.removeprefix("udpping ping: ").partition(" ")[0].replace(",", ""))
    assert len(set(seqs(out))) + missing == count
    assert f"{count:,} sent, " in out or f'"sent": {count}' in out
    if form:
        error = records(out)[-1]
        assert (error["type"], error["message"]) == ("error", err.strip().removeprefix("udpping ping: "))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_file_that_can_take_no_more_ends_on_a_whole_line(
    tmp_path: Path, server: udpping.Server, form: list[str]
) -> None:
    path = tmp_path / "rows"
    words = ["100000", place_of(server), "-f", "-c", "20000", *ONCE_EACH, *form]
    with path.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", WITH_SMALL_FILES, *words],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            timeout=150,
            check=False,
        )
    assert done.returncode == 2
    text = path.read_text()
    assert text.endswith("\n")
    found = seqs(text)
    assert 100 < len(found) < 20_000
    told = f"cannot write to standard output: File too large; {len(found):,} rows are there"
    assert done.stderr == f"udpping ping: {told}\n"


def test_a_terminal_that_is_too_slow_is_told_how_many_rows_it_has_missed(server: udpping.Server) -> None:
    count = 80_000
    here, there = os.openpty()
    command = [sys.executable, "-m", "udpping", "ping", place_of(server), "-f", "-c", str(count), *ONCE_EACH]
    with subprocess.Popen(command, stdout=there, stderr=there) as process:
        os.close(there)
        # The terminal shows nothing meanwhile, and nobody waits for it.
        wait_for_all(server, count)
        text = b""
        try:
            while piece := os.read(here, 65_536):
                text += piece
        except OSError:  # how Linux says that the other end is closed
            os.close(here)
    assert process.returncode == 0
    told = re.search(rb"([\d,]+) rows not printed \(this terminal was too slow\)", text)
    assert told is not None
    missing = int(told[1].replace(b",", b""))
    assert missing + len(re.findall(rb"^\d+ bytes from ", text, re.MULTILINE)) == count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_row_is_lost_to_a_signal(start: Start, server: udpping.Server, number: signal.Signals) -> None:
    process = start("-m", "udpping", "ping", place_of(server), "-f", "-t", "--json", *ONCE_EACH)
    wait_for_full_pipe(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    summary = records(out)[-1]
    assert seqs(out) == list(range(1, summary["sent"] + 1)), "what is in flight is in no other count"


def test_a_second_ctrl_c_waits_for_no_reader(start: Start, server: udpping.Server) -> None:
    process = start("-m", "udpping", "ping", place_of(server), "-f", "-t")
    wait_for_full_pipe(process)

    def has_ended() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    wait_until(has_ended)
    # At its very end Python leaves the signal to the system.
    assert process.returncode in {130, -signal.SIGINT}


@pytest.mark.parametrize("words", [["localhost:{}"], ["localhost", "-p", "{}"]])
def test_a_profile_names_the_port_at_which_nothing_listens(words: list[str], free_port: int) -> None:
    place = (word.format(free_port) for word in words)
    done = call("ping", *place, "--profile", "book", "-c", 1, "-W", "2s")
    assert done.stderr == f"ping: nothing listens at localhost:{free_port}; start the server first\n"


def begun(words: list[object]) -> dict[str, Any]:
    """Return the record of the start of a run."""
    return records(call("ping", *words, "--json").stdout)[0]


def test_the_command_sends_one_ping_a_second_unless_told_otherwise(server: udpping.Server) -> None:
    place = place_of(server)
    first, *rows, _ = records(call("ping", place, "-c", 2, "--json").stdout)
    assert first["interval"] == 1
    assert [row["due_ns"] for row in rows] == [0, 10**9]
    assert begun([place, "-c", 1, "-i", 0.5])["interval"] == 0.5
    assert begun([place, "-c", 1, "-f", "-i", 0.001])["interval"] == 0.001
    assert begun([place, "-c", 1, "-f"])["interval"] is None
    assert begun([place, "-c", 1, "--profile", "slides"])["interval"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("-i 1ms", "-i/--interval 1ms is not usable: expected at least 2ms, or -f, to another"),
        ("-i 0.0010", "-i/--interval 0.0010 is not usable: expected at least 2ms, or -f, to another"),
        (
            "-i 10ms --schedule train:10",
            "-i/--interval 10ms is not usable: expected at least 20ms (2ms for each ping), or -f, to another",
        ),
        (
            "-t --profile slides",
            "option -t is not usable: expected -i 1s as well, or -f, to another",
        ),
        (
            "-c 100000000 --profile slides",
            "-c/--count 100000000 is not usable: expected at most 1000, or -i 1s as well, or -f, to another",
        ),
    ],
)
def test_a_flood_of_another_host_has_to_be_asked_for(words: str, told: str) -> None:
    done = call("ping", ELSEWHERE, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"udpping ping: {told} host, as {ELSEWHERE}:12000 is\n"


def test_endless_pings_of_another_host_need_an_interval(free_port: int) -> None:
    hint = (
        f"interval None is not usable: expected a number of seconds, such as interval=1, .* {ELSEWHERE}:9 is"
    )
    with pytest.raises(udpping.ConfigError, match=hint):
        udpping.Pinger(ELSEWHERE, 9, count=None)
    with pytest.raises(udpping.ConfigError, match=hint):
        udpping.Pinger([("127.0.0.1", free_port), (ELSEWHERE, 9)], count=None)
    udpping.Pinger(ELSEWHERE, 9, count=None, interval=1)
    udpping.Pinger(ELSEWHERE, 9, count=5)
    here = udpping.Pinger("127.0.0.1", free_port, count=None)
    with pytest.raises(udpping.ConfigError, match=hint):
        here.add((ELSEWHERE, 9))
    assert [summary.target for summary in here.so_far().summaries] == [f"127.0.0.1:{free_port}"]
    for address in hosts.addresses():
        udpping.Pinger(address, free_port, count=None)


def test_a_deadline_ends_the_command(server: udpping.Server, deaf: str) -> None:
    place = place_of(server)
    done = call("ping", place, "-w", 2, "-i", 0.05, "--json")
    first, *_, summary = records(done.stdout)
    assert first["count"] is None
    assert summary["received"] > 0
    assert done.returncode == 0
    assert call("ping", deaf, "-w", 0.3, "-i", 0.05, "-q").returncode == 1
    # As ping(8): fewer pings than asked for are a failure, and enough of them an end.
    assert call("ping", place, "-w", 0.3, "-i", 0.05, "-c", 10_000, "-q").returncode == 1
    assert call("ping", place, "-w", 3600, "-i", 0.01, "-c", 3, "-W", 20, "-q").returncode == 0
    assert "--deadline" in call("ping", place, "-w", 0).stderr


def test_a_ping_in_flight_at_the_end_was_sent(deaf: str) -> None:
    done = call("ping", deaf, "-w", 2, "-i", 60, "-W", "1h", "-q")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(f"\n--- {deaf} ---\n1 sent, still waiting for a reply\n")


WITH_A_SILENT_NAME_SERVER = """
import socket, subprocess, sys, tempfile

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
for path, text in ("/etc/resolv.conf", "nameserver 127.0.0.1"), ("/etc/nsswitch.conf", "hosts: dns"):
    with tempfile.NamedTemporaryFile("w") as file:
        print(text, file=file, flush=True)
        subprocess.run(["mount", "--bind", file.name, path], check=True)
sys.exit(subprocess.run([sys.executable, "-m", "udpping", "ping", "example.org", "-w", "500ms"]).returncode)
"""


def test_a_deadline_ends_the_search_for_a_name() -> None:
    if subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("`unshare --user --mount --net` is not allowed or not there")
    command = ["unshare", "-rmn", sys.executable, "-c", WITH_A_SILENT_NAME_SERVER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "udpping ping: cannot find host 'example.org' within 500ms: see -w\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_with_its_summary(start: Start, number: signal.Signals) -> None:
    process = start("-m", "udpping", "demo", "-c", "10000", "--loss", "0", "--delay", "0.05", "--json")
    assert process.stdout is not None
    head = [process.stdout.readline() for _ in range(3)]
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    kinds = [record["type"] for record in records("".join(head) + out)]
    assert kinds[-4:] == ["ping", "summary", "counters", "chance"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_doctor_ends_with_a_diagnosis(start: Start, number: signal.Signals) -> None:
    with udpping.Server(port=0, loss=1) as deaf:
        process = start("-m", "udpping", "doctor", place_of(deaf), "-c", "1000", "-W", "0.5", "--json")
        # The sixth ping leaves when the first is lost.
        wait_until(lambda: has_received(deaf, 7))
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (1, "")
    assert records(out)[-1]["verdict"] == "silent"


def test_a_signal_that_is_ignored_from_the_start_stays_ignored(server: udpping.Server) -> None:
    command = [sys.executable, "-m", "udpping", "ping", place_of(server), "-t", "-i", "0.05", "-W", "20"]
    script = 'trap "" TERM; exec "$@"'
    with subprocess.Popen(["sh", "-c", script, "sh", *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        lines += [process.stdout.readline() for _ in range(3)]
        assert seqs("".join(lines)) == [1, 2, 3, 4]
        process.send_signal(signal.SIGINT)
        assert "received in time" in process.communicate(timeout=120)[0]
    assert process.returncode == 0


def test_process_1_of_a_container_ends_on_sigterm() -> None:
    """The kernel gives process 1 no signal that it does not handle."""
    if subprocess.run(["unshare", "-rpf", "true"], capture_output=True, check=False).returncode:
        pytest.skip("`unshare --user --pid` is not allowed or not there")
    with udpping.Server(port=0) as server:
        command = [sys.executable, "-m", "udpping", "ping", place_of(server), "-t", "-i", "0.05", "--json"]
        with subprocess.Popen(["unshare", "-rpf", *command], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(first), signal.SIGTERM)
            out = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert json.loads(lines[0])["type"] == "start"
    assert json.loads(out.splitlines()[-1])["type"] == "summary"
