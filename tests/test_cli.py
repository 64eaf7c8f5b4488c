"""The command line: what is printed, for whom, and the exit codes."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest
import udpping
from common import call, records
from udpping._console import hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.python


def test_ping_prints_replies_and_the_summary(place: str) -> None:
    done = call("ping", place, "-f", "-c", 2, "-W", 20)
    assert done.returncode == 0, done.stderr
    first, *replies, blank, title, counts, rtt = done.stdout.splitlines()
    assert first == f"PING {place}"
    told = [re.sub(r"time=\d+\.\d{3} ", "time=N ", re.sub(r"^\d+ ", "N ", line)) for line in replies]
    assert told == [f"N bytes from {place}: seq={seq} ttl=64 time=N ms" for seq in (1, 2)]
    assert (blank, title) == ("", f"--- {place} ---")
    assert counts.startswith("2 sent, 2 received in time, 0 of 2 lost (0.0 %;")
    assert rtt.endswith(" ms")


def test_ping_says_when_nobody_answers(deaf: str) -> None:
    done = call("ping", deaf, "-c", 1, "-W", 0.05)
    assert done.returncode == 1
    assert "no reply" in done.stdout


def test_ping_as_json(place: str) -> None:
    done = call("ping", place, "-f", "-c", 2, "-W", 20, "--json")
    start, *pings, summary = records(done.stdout)
    assert start["target"] == place
    assert [ping["type"] for ping in pings] == ["ping", "ping"]
    assert {"rtt_ns", "status", "reply"} <= set(pings[0])
    assert (summary["type"], summary["received"]) == ("summary", 2)


def test_what_a_server_sends_cannot_command_the_terminal() -> None:
    with udpping.Server(port=0, reply="\x1b[2J{seq}\x07\x9b") as server:
        done = call("ping", f"127.0.0.1:{server.address[1]}", "-c", 1, "-v", "-W", 20)
    assert "\\x1b[2J1\\x07\\x9b" in done.stdout


def test_lines_leave_at_once_and_ctrl_c_ends_with_the_summary(start: Start, place: str) -> None:
    process = start("-m", "udpping", "ping", place, "--forever", "--interval", "0.05", "-W", "20")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert "seq=3 " in lines[-1]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "received in time" in out
    assert not err


def test_ctrl_c_without_a_reply_exits_with_1(start: Start, deaf: str) -> None:
    process = start("-m", "udpping", "ping", deaf, "-ft", "-W", "0.05")
    assert process.stdout is not None
    while "no reply" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_reader_that_leaves_is_no_error(place: str) -> None:
    command = f"{sys.executable} -m udpping ping {place} -c 50 -i 0.01 | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30, check=False)  # noqa: S602
    assert done.stdout.startswith("PING")
    assert not done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ping localhost --count 0", "--count '0' is not usable: expected a whole number from 1"),
        ("ping localhost -c -1", "--count '-1' is not usable: expected a whole number from 1"),
        ("ping localhost --timeout -1", "--timeout '-1' is not usable: expected 1us to 1d"),
        (
            "ping localhost --timeout soon",
            "--timeout 'soon' is not usable: expected 1us to 1d: seconds (0.5), or a number with ns",
        ),
        ("ping localhost --ttl 256", "--ttl '256' is not usable: expected a whole number from 1 to 255"),
        ("ping localhost --bind here", '-I/--bind "here" is not usable: expected an IP address'),
        ("ping localhost:0", "target 'localhost:0' is not usable: expected a port from 1 to 65535"),
        ("ping localhost -p 70000", "--port '70000' is not usable: expected a whole number from 1 to 65535"),
        ("ping", "HOST[:PORT]"),
        ("heartbeat", "udpping heartbeat: HOST[:PORT] is missing; see"),
        ("ping localhost -s 3", "-s/--size 3 is not usable: expected 26 to 65507 bytes"),
        ("doctor 255.255.255.255", "expected udpping ping -b for this broadcast address"),
        ("ping localhost --colour", "unknown option --colour; see udpping ping --help"),
        ("ping -Z localhost", "unknown option -Z; see"),
        ("ping --intervall 3 localhost", "unknown option --intervall: did you mean --interval? see"),
        ("ping localhost --inter=3", "unknown option --inter: did you mean --interval? see"),
        ("ping -A localhost", "unknown option -A: here it is -f, which"),
        ("server 12000", "'12000' is one word too many"),
        ("ping localhost -w", "-w/--deadline needs a value; see"),
        ("ping no..such..host", '"no..such..host"'),
        ("server --loss 1.5", '--loss "1.5" is not usable: expected a probability from 0 to 1'),
        ("server --delay yesterday", '--delay "yesterday" is not usable: expected a time such as 50ms'),
        ("server --seed x", "--seed 'x' is not usable: expected a whole number"),
        ("server --port-tries 0", "--port-tries '0' is not usable: expected a whole number from 1"),
        ("server --scope all", '--scope "all" is not usable: expected client'),
        ("demo --count 0", "--count '0' is not usable: expected a whole number from 1 to"),
        ("doctor localhost:x", "target 'localhost:x' is not usable: expected a port from 1 to 65535"),
        ("lab", "DIR"),
        (
            "look",
            "'look' is not a command: expected demo, server, relay, reflector, ping, mesh, heartbeat",
        ),
        ("help look", "'look' is not a command: expected demo"),
        ("pong", "'pong' is not a command: did you mean udpping ping?"),
        ("-v", "unknown option -v: expected --version, --help, or a command with its options behind it"),
    ],
)
def test_a_bad_value_gets_one_line(words: str, told: str) -> None:
    done = call(*words.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("udpping")
    assert told in done.stderr


def test_an_error_has_a_record_too() -> None:
    done = call("server", "--loss", "2", "--json")
    assert done.returncode == 2
    (error,) = records(done.stdout)
    assert (error["type"], error["error"]) == ("error", "ConfigError")


def test_help_and_version() -> None:
    assert call("--version").stdout == f"udpping {udpping.__version__}\n"
    for command in ("demo", "server", "ping", "doctor", "lab"):
        assert command in call("--help").stdout
        done = call(command, "--help")
        assert done.returncode == 0
        assert "--json" in done.stdout
        assert call("help", command).stdout == done.stdout
    assert call("help").stdout == call("--help").stdout
    assert call().returncode == 2


def on_a_terminal(*words: object, wide: int | None = None, **more: str) -> str:
    """Run a command on a terminal, and give back what it prints."""
    here, there = pty.openpty()
    if wide is not None:
        termios.tcsetwinsize(there, (25, wide))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm", **more}
    command = [sys.executable, "-m", "udpping", *map(str, words)]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment)
    os.close(there)
    text = b""
    try:
        while piece := os.read(here, 65_536):
            text += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(here)
    process.wait(timeout=60)
    return text.decode()


def test_colour_is_for_terminals_that_want_it(deaf: str) -> None:
    words = ("ping", deaf, "-c", 1, "-W", 0.05)
    assert "\x1b[" in on_a_terminal(*words)
    assert "\x1b[" not in on_a_terminal(*words, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(*words, TERM="dumb")
    assert "\x1b[" not in call(*words).stdout


def test_server_says_where_it_is_and_what_it_did(start: Start) -> None:
    process = start("-m", "udpping", "server", "--port", "0", "--loss", "pattern:.x", "--seed", "7")
    assert process.stdout is not None
    head = ""
    while "Ctrl-C" not in head:
        head += process.stdout.readline()
    port = int(head.split("UDP port ")[1].split()[0])
    assert "every interface" in head
    assert "loss pattern:.x, delay 0, reply upper, seed 7" in head
    assert f"udpping ping localhost:{port}" in head
    for address in hosts.addresses():
        assert address in head
    run = udpping.ping(port=port, count=2, timeout=4, linger=0)
    assert [row.status for row in run] == ["reply", "timeout"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "2 received, 1 answered, 1 dropped on purpose" in out
    assert (process.returncode, err) == (0, "")


def test_server_as_json_ended_by_sigterm(start: Start) -> None:
    process = start("-m", "udpping", "server", "--host", "127.0.0.1", "--port", "0", "--json")
    assert process.stdout is not None
    (begun,) = records(process.stdout.readline())
    assert (begun["type"], begun["bound"], begun["clients_elsewhere"]) == ("start", "127.0.0.1", [])
    udpping.ping(port=begun["port"], count=1, timeout=20)
    process.send_signal(signal.SIGTERM)
    (counters,) = records(process.communicate(timeout=60)[0])
    assert (counters["type"], counters["answered"]) == ("counters", 1)


def test_server_names_a_busy_port(place: str) -> None:
    port = place.split(":")[1]
    done = call("server", "--port", port)
    assert done.returncode == 2
    assert port in done.stderr
    assert "--port-tries 10 tries the next ports" in done.stderr
    assert "port_tries" not in done.stderr


def test_a_program_of_the_course_names_no_option_that_it_has_not(place: str, tmp_path: Path) -> None:
    assert call("lab", tmp_path).returncode == 0
    command = [sys.executable, str(tmp_path / "UDPPingerServer.py"), "-p", place.split(":")[1]]
    done = subprocess.run(
        [*command, "--host", "127.0.0.1"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith(
        "is already in use by another program: stop that program, or use another port\n"
    )


def test_errors_name_what_can_be_typed() -> None:
    done = call("server", "--workers", 2, "--scope", "shared")
    assert done.returncode == 2
    assert "use --scope client or --scope same for more" in done.stderr
    assert "scope=" not in done.stderr


@pytest.mark.parametrize("wide", [60, 80, 120])
def test_what_is_printed_fits_the_terminal(place: str, wide: int) -> None:
    """But for commands, which are there to be copied."""
    port = place.split(":")[1]
    lines = []
    for words in (
        ("lab", "--list"),
        ("doctor", "127.0.0.1:9", "-c", 2, "-W", "0.1"),
        ("doctor", "-p", port),
        ("demo", "-c", 1, "-W", "0.1"),
        ("--help",),
    ):
        lines += on_a_terminal(*words, wide=wide).splitlines()
    for command in ("server", "demo", "doctor", "lab", "ping"):
        lines += on_a_terminal(command, "--help", wide=wide, COLUMNS=str(wide)).splitlines()
    long = [line for line in lines if len(line) > max(wide, 80) and "udpping ping" not in line]
    assert not long


def test_demo_tells_the_whole_story() -> None:
    done = call("demo", "--seed", 7, "--count", 10, "--timeout", 0.5, "--delay", 0)
    assert done.returncode == 0, done.stderr
    assert "4/11 = 36.36 %" in done.stdout
    assert "--seed 7" in done.stdout
    assert "10 sent" in done.stdout
    assert "dropped on purpose" in done.stdout
    assert "10 pings lose 3.6 on average" in done.stdout


def test_demo_as_json() -> None:
    words = ("--count", 4, "--loss", "1/2", "--timeout", 3, "--delay", 0, "--seed", 1)
    found = records(call("demo", "--json", *words).stdout)
    assert [record["type"] for record in found] == ["start", *["ping"] * 4, "summary", "counters", "chance"]
    assert found[-1]["expected"] == 2
    assert found[-1]["lost"] == found[-3]["lost"] == found[-2]["dropped"]


def test_demo_without_a_probability_leaves_chance_out() -> None:
    done = call("demo", "--loss", "pattern:.x", "--count", 4, "--timeout", 1)
    assert done.returncode == 0
    assert "Chance" not in done.stdout


def test_demo_that_loses_everything_exits_with_1() -> None:
    assert call("demo", "--loss", 1, "--count", 1, "--timeout", 0.05).returncode == 1


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("4/11", "4/11"),
        ("0.3", "3/10"),
        ("bernoulli:30%", "3/10"),
        ("0", "0/1"),
        ("randint:0,10,4", "4/11"),
        ("randint:0,10,-4", "0/1"),
        ("pattern:.x", None),
        ("every:3", None),
        ("burst:50%,3", None),
    ],
)
def test_demo_shows_what_chance_does_to_losses_that_are_independent(text: str, fraction: str | None) -> None:
    done = call("demo", "--json", "--loss", text, "-c", 2, "-W", 0.05, "--delay", 0, "--seed", 1)
    found = [record["loss"] for record in records(done.stdout) if record["type"] == "chance"]
    assert found == ([] if fraction is None else [fraction])


def test_demo_says_of_randint_what_it_says_of_its_fraction() -> None:
    done = call("demo", "--loss", "randint:0,10,4", "--count", 10, "--timeout", 0.1, "--delay", 0)
    assert "randint:0,10,4 = 36.36 %" in done.stdout
    assert "Chance: with a loss of 4/11, 10 pings lose 3.6 on average" in done.stdout


def diagnosis(target: str, timeout: float) -> tuple[int, str]:
    done = call("doctor", target, "-c", 6, "-W", timeout, "--json")
    (record,) = records(done.stdout)
    return done.returncode, record["verdict"]


def test_doctor_tells_failures_apart(place: str, deaf: str, free_port: int) -> None:
    assert diagnosis("no..such..host", 1) == (2, "no such host")
    assert diagnosis(f"127.0.0.1:{free_port}", 3) == (1, "refused")
    assert diagnosis(deaf, 0.5) == (1, "silent")
    assert diagnosis(place, 3) == (0, "fine")
    with udpping.Server(port=0, loss="pattern:.x") as lossy:
        assert diagnosis(f"127.0.0.1:{lossy.address[1]}", 3) == (0, "loss")
    with udpping.Server(port=0, delay="2100ms") as slow:
        assert diagnosis(f"127.0.0.1:{slow.address[1]}", 2) == (1, "late")


def test_doctor_knows_who_has_the_port(place: str) -> None:
    port = int(place.split(":")[1])
    addresses, told, stamps, commands = records(call("doctor", "--port", port, "--json").stdout)
    assert stamps["kernel"] in {"both", "receive", "none"}
    assert addresses["addresses"] == hosts.addresses()
    assert told["free"] is False
    if sys.platform == "linux":
        assert told["bound"] == ["127.0.0.1"]
        assert told["loopback_only"] is True
    assert commands["here"] == f"udpping ping localhost:{port}"
    assert "loopback only" in call("doctor", "-p", port).stdout


def test_doctor_knows_a_free_port(free_port: int) -> None:
    done = call("doctor", "--port", free_port)
    assert done.returncode == 0
    assert f"UDP port {free_port}: free" in done.stdout


def test_doctor_sees_wildcards() -> None:
    with udpping.Server("", 0) as server:
        port = server.address[1]
        assert not hosts.is_free(port)
        if sys.platform == "linux":
            assert hosts.listeners(port) == ["0.0.0.0"]  # noqa: S104 - told, not bound


def test_lab_through_the_command(tmp_path: Path) -> None:
    done = call("lab", tmp_path / "new", "--json")
    assert [record["type"] for record in records(done.stdout)] == ["written"] * 4
