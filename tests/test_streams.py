"""What becomes of the output never decides what a command does: each stream with each signal, for real."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import udpping
from beats import byes
from common import call, wait_until
from udpping.testing import FarEnd, free_port

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = "127.0.0.1"
STREAMS = ("closed", "full", "full disk", "no reader", "nobody reads", "gone terminal", "stopped terminal")
BLOCKED = ("nobody reads", "stopped terminal")
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ASKING = (signal.SIGUSR1, signal.SIGQUIT)
WORKERS = ("server", "monitor", "heartbeat", "heartbeat --")
"""What they print is not their work."""
PRINTERS = ("ping", "demo", "doctor")
"""What they print is their work."""


def matrix(commands: tuple[str, ...]) -> list[tuple[str, str, signal.Signals, signal.Signals]]:
    """Pair each command and each stream with a signal that asks and one that ends: each two meet."""
    return [
        (name, kind, ASKING[(row // len(ENDING) + column) % 2], ENDING[(row + column) % len(ENDING)])
        for (row, kind), (column, name) in product(enumerate(STREAMS), enumerate(commands))
    ]


@cache
def new_disk() -> list[str]:
    """Return the words that make a command see a small disk of its own, which is full, in a directory.

    They mount it where only that command sees it. Without that right, there are none.
    """
    script = 'mount -t tmpfs -o size=16k none "$0" && { cat /dev/zero > "$0/rest"; true; } 2>&- && exec "$@"'
    for unshare in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        words = [*unshare, "sh", "-c", script]
        with TemporaryDirectory() as place, suppress(FileNotFoundError):
            if subprocess.run([*words, place, "true"], capture_output=True, check=False).returncode == 0:
                return words
    return []


@contextmanager
def open_stream(kind: str) -> Generator[int]:
    """Open a stream that takes no words."""
    if kind == "full":
        here = os.open("/dev/full", os.O_WRONLY)
        others: list[int] = []
    elif kind in {"no reader", "nobody reads"}:
        other, here = os.pipe()
        others = [other]
        os.set_blocking(here, False)
        with suppress(BlockingIOError):
            while os.write(here, bytes(4096)):
                pass
        os.set_blocking(here, True)
    else:
        other, here = pty.openpty()
        others = [other]
        if kind == "stopped terminal":
            termios.tcflow(here, termios.TCOOFF)
    if kind in {"no reader", "gone terminal"}:
        os.close(others.pop())
    try:
        yield here
    finally:
        for each in (here, *others):
            os.close(each)


@contextmanager
def command(kind: str, *words: object) -> Generator[subprocess.Popen[bytes]]:
    """Run a command whose standard output and standard error are such a stream."""
    own = [sys.executable, "-m", "udpping", *map(str, words)]
    with ExitStack() as stack:
        stream = subprocess.DEVNULL
        if kind == "closed":
            own = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *own]
        elif kind == "full disk" and new_disk():
            place = stack.enter_context(TemporaryDirectory())
            own = [*new_disk(), place, "sh", "-c", 'exec "$@" > "$0/out" 2>&1', place, *own]
        else:
            stream = stack.enter_context(open_stream("full" if kind == "full disk" else kind))
        process = subprocess.Popen(own, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def end(process: subprocess.Popen[bytes], ask: signal.Signals, by: signal.Signals) -> int:
    """Ask for a summary, then end it."""
    process.send_signal(ask)
    process.send_signal(by)
    return process.wait(30)


@pytest.mark.parametrize(("name", "kind", "ask", "number"), matrix(WORKERS))
def test_the_work_is_done_whatever_becomes_of_the_words(
    name: str, kind: str, ask: signal.Signals, number: signal.Signals, tmp_path: Path
) -> None:
    port = free_port()
    if name == "server":
        with command(kind, "server", "--host", HERE, "--port", port) as process:
            wait_until(lambda: udpping.ping(HERE, port, count=1, timeout=0.2).summary.received == 1)
            assert end(process, ask, number) == 0
    elif name == "monitor":
        ran = tmp_path / "ran"
        words = ["--host", HERE, "--port", port, "--exec", f"touch {ran}", "--all"]
        with command(kind, "monitor", *words) as process, udpping.Heartbeat(HERE, port, interval=0.02):
            wait_until(ran.exists)
            assert end(process, ask, number) == 0
    elif name == "heartbeat":
        with (
            FarEnd([]) as far,
            command(kind, "heartbeat", f"{HERE}:{far.address[1]}", "-i", "0.02") as process,
        ):
            far.wait(5)
            assert end(process, ask, number) == 0
            wait_until(lambda: byes(far) == ["0", "0", "0"])
    else:
        ran = tmp_path / "ran"
        boot = tmp_path / "missing" / "boot"
        script = ["sh", "-c", 'sleep 0.1; : > "$0"; exit 3', ran]
        with FarEnd([]) as far:
            words = [f"{HERE}:{far.address[1]}", "-i", "0.02", "--boot", boot, "--", *script]
            with command(kind, "heartbeat", *words) as process:
                assert process.wait(30) == 3
            assert ran.exists()
            wait_until(lambda: byes(far) == ["3", "3", "3"])


@pytest.mark.parametrize(("name", "kind", "ask", "number"), matrix(PRINTERS))
def test_what_cannot_print_its_work_fails_and_can_always_be_ended(
    name: str, kind: str, ask: signal.Signals, number: signal.Signals
) -> None:
    with udpping.Server(port=0) as server:
        place = f"{HERE}:{server.address[1]}"
        words = {
            "ping": ["ping", place, "-t", "-i", "0.02"],
            "demo": ["demo", "-c", "10000", "--loss", "0", "--delay", "0.02"],
            "doctor": ["doctor", place, "-c", "1000"],
        }[name]
        with command(kind, *words) as process:
            # The server of `demo` is its own.
            wait_until(lambda: process.poll() is not None or is_at_work(process, server, name, kind))
            if name == "ping":
                process.send_signal(ask)
            process.send_signal(number)
            if kind in BLOCKED:
                # It waits for the reader until a second signal; two that come at once may be one for Python.
                wait_until(partial(ends, process, number))
            code = process.wait(30)
    if (name, kind) == ("demo", "closed"):
        assert code in {0, 1}, "whether a reply came cannot be seen from here"
    elif kind in BLOCKED:
        # At its very end Python leaves the signal to the system.
        assert code in {130, -number}
    else:
        assert code == {"closed": 0}.get(kind, 2)


def is_at_work(process: subprocess.Popen[bytes], server: udpping.Server, name: str, kind: str) -> bool:
    """Whether it has sent some pings, or has a thread for its own server and, if it can begin, its pinger."""
    if name != "demo":
        return server.counters.received > 3
    tasks = Path(f"/proc/{process.pid}/task")
    return not tasks.exists() or len(list(tasks.iterdir())) > (1 if kind in BLOCKED else 2)


def ends(process: subprocess.Popen[bytes], by: signal.Signals) -> bool:
    """Whether it ends soon after a signal."""
    process.send_signal(by)
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    return process.returncode is not None


def test_a_descriptor_that_is_closed_at_the_start_is_given_to_no_socket(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    port = free_port()
    with (
        command("closed", "monitor", "--host", HERE, "--port", port, "--log", log) as process,
        udpping.Heartbeat(HERE, port, interval=0.02, id="web1"),
    ):
        wait_until(lambda: log.exists() and "web1 is up" in log.read_text())
        links = [Path(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        if Path("/proc/self/fd").exists():
            assert [str(link.readlink()) for link in links] == ["/dev/null"] * 3
        assert end(process, signal.SIGUSR1, signal.SIGTERM) == 0
    assert all(
        line.startswith(("run,", log.read_text().splitlines()[1][:16]))
        for line in log.read_text().splitlines()
    )


def test_a_broken_output_is_told_of_on_standard_error() -> None:
    port = free_port()
    own = [sys.executable, "-m", "udpping", "server", "--host", HERE, "--port", str(port)]
    with (
        open_stream("full") as full,
        subprocess.Popen(own, stdout=full, stderr=subprocess.PIPE, text=True) as process,
    ):
        wait_until(lambda: udpping.ping(HERE, port, count=1, timeout=0.2).summary.received == 1)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
    assert (
        errors == "udpping: cannot write to standard output: No space left on device; going on without it\n"
    )
    assert process.returncode == 0


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_ping_to_a_full_disk_is_an_error_and_closed_output_is_none(place: str, more: list[str]) -> None:
    own = [sys.executable, "-m", "udpping", "ping", place, "-c", "2", "-i", "0.01", "-W", "5", *more]
    with open_stream("full") as full:
        done = subprocess.run(own, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert (
        done.stderr
        == "udpping ping: cannot write to standard output: No space left on device; 0 rows are there\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *own], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_boot_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    with FarEnd([]) as far:
        done = call("heartbeat", f"{HERE}:{far.address[1]}", "-c", 1, "--boot", tmp_path / "missing" / "boot")
    assert done.returncode == 0
    assert "going on without --boot" in done.stderr


TOSTOP = """
import os, pty, subprocess, sys, termios
child, screen = pty.fork()
if child == 0:
    modes = termios.tcgetattr(1)
    modes[3] |= termios.TOSTOP
    termios.tcsetattr(1, termios.TCSANOW, modes)
    sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], process_group=0).returncode)
seen = b""
while b"4 sent" not in seen:
    seen += os.read(screen, 1024)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_heartbeat_in_the_background_is_not_stopped_by_its_terminal() -> None:
    """With `stty tostop` a line that a background job prints stops all of it."""
    with FarEnd([]) as far:
        words = ["-m", "udpping", "heartbeat", f"{HERE}:{far.address[1]}", "-c", "1"]
        done = subprocess.run(
            [sys.executable, "-c", TOSTOP, *words], capture_output=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        wait_until(lambda: len(byes(far)) == 3)
