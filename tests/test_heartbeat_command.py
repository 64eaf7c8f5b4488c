"""`udpping heartbeat`, alone and beside a command that it watches."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from beats import byes, lines, seqs
from common import udp_socket, wait_until
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """Listen, and say nothing."""
    with FarEnd([]) as far:
        yield far


def place(far: FarEnd) -> str:
    return f"127.0.0.1:{far.address[1]}"


def call(
    *words: object, env: dict[str, str] | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "udpping", "heartbeat", *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if name != "UDPPING_KEY"} | (env or {})
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
        input=text,
    )


def records(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(record["schema"] == 1 for record in found)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_beats_until_it_is_told_to_stop(start: Start, far: FarEnd, number: int) -> None:
    process = start("-m", "udpping", "heartbeat", place(far), "-i", "0.02", "--id", "web1")
    far.wait(3, 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    wait_until(lambda: len(byes(far)) == 3)
    first, blank, last = out.splitlines()
    assert first == f"a heartbeat to {place(far)} every 0.02 s as web1; Ctrl-C says goodbye"
    assert (blank, last.split(",")[0]) == ("", f"{len(far.received)} sent")
    assert {line["id"] for line in lines(far)} == {"web1"}
    assert set(byes(far)) == {"0"}


def test_a_count_signed_and_started_for_the_first_time(far: FarEnd, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a 0123456789abcdef\nb fedcba9876543210\n")
    options = ["--key", keys, "--key-name", "b", "--boot", tmp_path / "boot", "--jitter", "0.2"]
    done = call(place(far), "-i", "0.01", "-c", "2", *options)
    assert done.returncode == 0, done.stderr
    # A busy machine may skip some turns.
    assert re.search(r"\n5 sent(, \d+ skipped)?\n$", done.stdout)
    far.wait(5, 60)
    assert {(line["key"], line["boot"]) for line in lines(far)} == {("b", "1")}
    done = call(place(far), "-i", "0.01", "-c", "1", env={"UDPPING_KEY": "web 0123456789abcdef"})
    assert done.returncode == 0, done.stderr
    far.wait(9, 60)
    assert lines(far)[-1]["key"] == "web"


def test_problems_are_told_when_they_begin_and_end(start: Start, free_port: int) -> None:
    port = free_port
    process = start("-m", "udpping", "heartbeat", f"127.0.0.1:{port}", "-i", "0.02", "--json")
    assert process.stdout
    begin, problem = (json.loads(process.stdout.readline()) for _ in range(2))
    assert (begin["type"], begin["target"], begin["interval"]) == ("start", f"127.0.0.1:{port}", 0.02)
    assert problem["type"] == "problem"
    assert problem["message"].startswith(f"cannot reach 127.0.0.1:{port}: Connection refused")
    with udp_socket() as late:
        late.bind(("127.0.0.1", port))
        well = json.loads(process.stdout.readline())
        assert (well["type"], well["address"]) == ("well", ["127.0.0.1", port])
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    (end,) = records(out)
    assert (end["type"], end["session"]) == ("end", begin["session"])
    assert end["refused"] > 0


def test_nothing_sent_is_exit_code_1(start: Start) -> None:
    process = start("-m", "udpping", "heartbeat", "no..such..host", "-i", "0.01")
    assert process.stdout
    assert process.stdout.readline().startswith("a heartbeat to no..such..host:12001 every")
    assert "no..such..host" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "0 sent" in out


def test_a_count_ends_it_also_when_nothing_can_be_sent() -> None:
    done = call("no..such..host", "-i", "0.01", "-c", "3")
    assert done.returncode == 1
    # A busy machine may skip some turns.
    assert re.fullmatch(r"0 sent, (\d+ skipped, )?6 errors", done.stdout.splitlines()[-1])


def test_the_help_says_what_signals_do() -> None:
    text = call("--help").stdout
    for name in ("Ctrl-C", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        assert name in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("localhost --interval 0", "--interval '0' is not usable: expected 1ms to 1d: seconds"),
        ("localhost --jitter 1", "--jitter 1 is not usable"),
        ("localhost --wire lab9", '--wire "lab9" is not usable'),
        ("localhost --key-name a", '--key-name "a" is not usable'),
        ("localhost --key no/such/file", "(not shown, as it may be a secret by mistake): No such file"),
        ("localhost --port 0", "--port '0' is not usable"),
        ("localhost:0", "target 'localhost:0' is not usable"),
        ("localhost --", "COMMAND is missing"),
        ("localhost -c 3 -- true", "-c/--count 3 is not usable: expected none with COMMAND"),
        ("-- true", "HOST[:PORT] is missing"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(words: str, told: str) -> None:
    done = call(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_command_s_exit_status_is_ours_and_is_told(far: FarEnd) -> None:
    script = (
        "import sys; print(sys.stdin.read(), *sys.argv[1:]); print('its own', file=sys.stderr); sys.exit(3)"
    )
    done = call(
        place(far), "-i", "0.02", "--id", "job", "--", sys.executable, "-c", script, "--", "-c", text="in"
    )
    assert (done.returncode, done.stdout) == (3, "in -- -c\n")
    assert done.stderr == f"udpping: a heartbeat to {place(far)} every 0.02 s as job\nits own\n"
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {"3"}


def test_a_command_that_a_signal_ends(far: FarEnd) -> None:
    done = call(place(far), "--json", "--", "sh", "-c", "kill -9 $$")
    assert (done.returncode, done.stdout) == (128 + 9, "")
    start, end = records(done.stderr)
    assert start["command"] == ["sh", "-c", "kill -9 $$"]
    assert end["sent"] >= 3
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {"-9"}


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/", 126)])
def test_a_command_that_cannot_be_run(far: FarEnd, command: str, status: int) -> None:
    done = call(place(far), "--", command)
    assert done.returncode == status
    assert f"udpping heartbeat: cannot run {command}: " in done.stderr
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {str(status)}


WAITS = """
import signal, sys
caught = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, _: caught.append(number))
assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN  # Python's own; see the test of the mask
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
print("ready", flush=True)
while not caught:
    signal.pause()
signal.sigtimedwait([signal.SIGUSR2], 0.3)
sys.exit(10 * len(caught) + caught[0])
"""


AS_ON_MACOS = """
import sys
from udpping.__main__ import main
from udpping.cli import _command_unix
_command_unix.Signals = _command_unix.Notes
sys.exit(main())
"""
WAYS = pytest.mark.parametrize(
    "way", [["-m", "udpping"], ["-c", AS_ON_MACOS]], ids=["sigtimedwait", "without it"]
)


@WAYS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(start: Start, far: FarEnd, number: int, way: list[str]) -> None:
    process = start(*way, "heartbeat", place(far), "-i", "0.02", "--", sys.executable, "-c", WAITS)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(60) == 10 + number
    wait_until(lambda: len(byes(far)) == 3)
    assert set(byes(far)) == {str(10 + number)}
    assert seqs(far) == list(range(1, len(far.received) + 1))


@WAYS
def test_ctrl_c_at_a_terminal_reaches_the_command_once(far: FarEnd, way: list[str]) -> None:
    """The terminal sends it to both of us. Passed on, it would come twice, which many take as force."""
    terminal = """
import os, pty, sys
child, screen = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
seen = b""
while b"ready" not in seen:
    seen += os.read(screen, 1024)
os.write(screen, b"\\x03")
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    words = [*way, "heartbeat", place(far), "-i", "0.02", "--", sys.executable, "-c", WAITS]
    done = subprocess.run(
        [sys.executable, "-c", terminal, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 10 + signal.SIGINT, done.stderr


def test_signals_work_in_the_command_as_without_us(far: FarEnd) -> None:
    """Python ignores SIGPIPE, and we hold signals back; the command knows nothing of either."""
    command = "grep -E '^Sig(Blk|Ign):' /proc/self/status"
    done = call(place(far), "--", "sh", "-c", command)
    alone = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    def masks(text: str) -> list[int]:
        # Those above 31 are the C library's own affair.
        return [int(line.split()[1], 16) % 2**31 for line in text.splitlines()]

    assert masks(done.stdout) == masks(alone.stdout)
    assert len(masks(done.stdout)) == 2


def test_a_command_does_not_get_the_keys(far: FarEnd) -> None:
    keys = {"UDPPING_KEY": "correct-horse-battery", "UDPPING_KEEP": "kept"}
    program = "import os; print(os.environ.get('UDPPING_KEY'), os.environ['UDPPING_KEEP'])"
    done = call(place(far), "--", sys.executable, "-c", program, env=keys)
    assert done.stdout == "None kept\n"
    assert b" key=default mac=" in far.received[0].payload


@pytest.mark.parametrize("option", ["--key", "--keys"])
def test_keys_that_everybody_can_read_are_used_with_a_warning(
    far: FarEnd, tmp_path: Path, option: str
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ops correct-horse-battery\n", encoding="utf-8")
    for mode, warned in [(0o644, True), (0o640, False), (0o600, False)]:
        keys.chmod(mode)
        done = call(place(far), option, keys, "-c", 1)
        warning = f"warning: everybody on this machine can read the keys in {keys}: chmod 600 {keys}"
        assert done.stderr == (f"udpping heartbeat: {warning}\n" if warned else "")
        assert done.returncode == 0
    assert all(b" key=ops mac=" in request.payload for request in far.received)
