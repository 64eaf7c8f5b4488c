"""The first and the last moments of a command: no signal, stream or limit makes it print a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
import udpping.testing
from common import call, has_received, records, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.python

COMMAND = [sys.executable, "-m", "udpping"]
FULL = "cannot write to standard output: No space left on device"


def shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script; the command is "$@"."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("words", ["--version", "--help", "help ping", "ping --help", "lab --list", "pong"])
def test_a_closed_stream_and_a_full_disk_print_no_traceback(words: str) -> None:
    command = [*COMMAND, *words.split()]
    is_known = words != "pong"
    closed = shell('"$@" >&-', *command)
    assert (closed.returncode, closed.stderr == "") == (0 if is_known else 2, is_known)
    assert shell('"$@" >&- 2>&-', *command).returncode == (0 if is_known else 2)
    assert shell('"$@" >/dev/full 2>&1', *command).returncode == 2
    if is_known:
        full = shell('"$@" >/dev/full', *command)
        assert full.returncode == 2
        assert full.stderr.endswith(f": {FULL}\n")
        assert full.stderr.count("\n") == 1


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    assert call("lab", tmp_path).returncode == 0
    return tmp_path


def test_a_full_disk_ends_a_client_of_the_course_with_one_line(scripts: Path, place: str) -> None:
    client = str(scripts / "UDPPingerClient.py")
    for words in (place.split(":"), ["--help"]):
        done = shell('"$@" >/dev/full', sys.executable, client, *words)
        assert (done.returncode, done.stderr) == (2, f"UDPPingerClient: {FULL}\n")


def test_a_server_of_the_course_goes_on_whatever_becomes_of_its_output(scripts: Path, free_port: int) -> None:
    command = [sys.executable, str(scripts / "UDPPingerServer.py"), "-p", str(free_port), "--loss", "0"]
    for redirected in (">/dev/full", ">&- 2>&-"):
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {redirected}', "sh", *command], stderr=subprocess.PIPE, text=True
        )
        try:
            wait_until(partial(is_there, free_port))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0
        assert "Traceback" not in errors
        if "full" in redirected:
            assert f"udpping: {FULL}; going on without it" in errors


def is_there(port: int) -> bool:
    return udpping.ping("127.0.0.1", port, count=1, timeout=0.2).summary.received == 1


def test_lines_for_both_streams_keep_their_order(scripts: Path) -> None:
    """As they meet on a terminal."""
    server = [sys.executable, str(scripts / "UDPPingerServer.py"), "--profile", "slides", "-p"]
    for _ in range(5):
        command = [*server, str(udpping.testing.free_port())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
        assert [b"seed" in line for line in lines] == [False, True], lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_start_prints_no_traceback(number: signal.Signals, deaf: str) -> None:
    """Each run gets it some milliseconds later than the one before, from before the first import on."""
    for at in range(20):
        process = subprocess.Popen(
            [*COMMAND, "ping", deaf, "-c", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(at * 0.005)  # no wait for luck: any moment will do
        begun = is_in_udpping(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        if begun:
            assert "Traceback" not in errors, (at, errors)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_meets_a_finalizer_is_not_lost(name: str) -> None:
    """An import has finalizers, too. What else fails in one is printed as ever."""
    # A program of the course handles SIGINT alone.
    prepare = {
        "SIGINT": "from udpping._console.program import run; run(int, print)",
        "SIGTERM": "from udpping.cli._end import raise_on_signals; raise_on_signals()",
    }
    program = f"""
import signal

class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.{name})

class Failing:
    def __del__(self):
        raise ValueError("is printed")

{prepare[name]}
try:
    Failing()
    Interrupted()
    while True:
        pass
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n")
    assert "ValueError: is printed" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr


def is_in_udpping(pid: int, number: signal.Signals = signal.SIGTERM) -> bool:
    """Whether its handlers are set: before that, the signal meets Python itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (number - 1) & 1)


def test_asked_for_a_summary_at_the_start_a_server_goes_on(start: Start) -> None:
    process = start("-m", "udpping", "server", "--host", "127.0.0.1", "-p", "0", "--json")
    wait_until(partial(is_in_udpping, process.pid, signal.SIGUSR1))
    process.send_signal(signal.SIGUSR1)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert records(out)[-1]["type"] == "counters"


def test_too_little_memory_is_one_line(place: str) -> None:
    for mebibytes in (60, 90, 120, 200):
        done = shell(
            f'ulimit -v {mebibytes << 10}; exec "$@"', *COMMAND, "ping", place, "-c", "1", "-W", "20"
        )
        # Where the core gets no memory for a few bytes, Rust ends the process, with a line for each thread.
        assert done.returncode in {0, 2, -signal.SIGABRT}, done.stderr
        if done.returncode >= 0:
            assert done.stderr.count("\n") == (done.returncode == 2), done.stderr
        if done.returncode:
            assert "memory" in done.stderr


def test_doctor_does_not_blame_the_network_for_a_lack_of_files(deaf: str) -> None:
    done = shell('ulimit -n 5; exec "$@"', *COMMAND, "doctor", deaf, "--json")
    (record,) = records(done.stdout)
    assert (done.returncode, record["verdict"]) == (2, "not sent")
    assert "Too many open files" in record["detail"]
    assert "ulimit -n" in record["detail"]


def test_doctor_that_is_stopped_before_a_reply_could_come_says_so(start: Start) -> None:
    with udpping.Server(port=0, loss=1) as deaf:
        process = start("-m", "udpping", "doctor", f"127.0.0.1:{deaf.address[1]}", "-W", "60", "--json")
        wait_until(lambda: has_received(deaf, 1))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, "")
    assert records(out)[-1]["verdict"] == "stopped"


def test_no_thread_can_be_started_and_the_lines_are_there() -> None:
    """A limit on threads, as in a container; the server prints without one."""
    script = (
        "import threading, sys\n"
        'def refuse(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refuse\n"
        "from udpping._console import streams\n"
        "streams.of(sys.stdout).print('one'); streams.of(sys.stdout).print('two'); streams.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\ntwo\n", "")


def test_the_number_of_a_system_s_error_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = call("lab", tmp_path / "file" / "below")
    assert done.returncode == 2
    assert done.stderr == f"udpping lab: {tmp_path / 'file' / 'below'}: Not a directory\n"
