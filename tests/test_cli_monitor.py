"""`udpping monitor`: what it says, for whom, and what it runs."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import wait_until
from udpping._console import hosts
from watching import BUSY, STEADY, TICK, Device

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
LOCAL = ("--host", HERE, "--port", "0")


class Watched:
    """A monitor in a process of its own, whose lines are read as they come."""

    def __init__(self, start: Start, *words: object) -> None:
        self.process = start("-m", "udpping", "monitor", *map(str, words))
        self.lines: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """Read until a line has that in it."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.lines.append(line.rstrip("\n"))
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no {pattern}: {self.lines}, {self.process.communicate()[1]}")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return HERE, int(self.until(r"from this machine: .*:(\d+)$")[1])

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[list[str], str]:
        """End it; give the lines that came then, and what it complained about."""
        self.process.send_signal(by)
        output, errors = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, errors
        return output.splitlines(), errors


def counted(line: str) -> str:
    """Leave out of the counters how often the machine was too busy for the monitor."""
    return re.sub(r", \d+ stalls?", "", line)


def call(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "udpping", "monitor", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_says_who_is_up_and_who_is_down_and_ctrl_c_shows_the_table(start: Start) -> None:
    watched = Watched(start, *LOCAL, "--detector", "fixed:60")
    head = r"listening on 127\.0\.0\.1, UDP port \d+"
    watched.until(head)
    watched.until("^detector fixed:60$")
    with Device(watched.address) as device:
        watched.until("Ctrl-C prints the clients and ends the monitor")
        for _ in range(30):
            device.beat()
            time.sleep(TICK)
        watched.until(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  device is up$")
        watched.until(r"  device is down: silent for \d+\.\d s after heartbeat 30$")
    blank, title, row, more, *rest = watched.end()[0]
    # What is known of a client goes on as long as it has to.
    total, counters, *_ = [line for line in rest if not line.startswith("    ")]
    assert blank == ""
    assert (
        title
        == "client                    state     received     lost  loss (95 % interval)     last heartbeat"
    )
    assert re.fullmatch(
        r"device {20}down {12}30 {8}0  0\.0 % \(0\.0 to 11\.4\) {6}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row
    )
    assert "stopped " in more
    assert total == "1 client: 1 down"
    assert counters.startswith("30 received, 1 client")
    # Being late was not asked for.
    assert not [line for line in watched.lines if "late" in line or "suspect" in line]


def test_with_all_and_losses_it_says_everything(start: Start) -> None:
    watched = Watched(start, *LOCAL, "--detector", "fixed:60", "--all", "--losses", "--answer")
    with Device(watched.address) as device:
        for _ in range(10):
            device.beat()
            time.sleep(TICK)
        assert device.socket.recv(100).split()[0] == b"1"
        device.beat(skip=2)
        for _ in range(3):
            device.beat()
        watched.until("device is down: ")
        text = "\n".join(watched.lines)
        if "11 to 12 are lost" not in text:
            watched.until("device: heartbeats 11 to 12 are lost$")
    assert "device is late: " in text
    assert "device is suspect: " in text
    output, _ = watched.end()
    assert "1 run of losses, the longest 2" in "\n".join(output)


def test_the_help_says_what_signals_do() -> None:
    text = call("--help").stdout
    for name in ("Ctrl-C", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"):
        assert name in text


def test_a_client_with_very_many_events_has_a_line_a_minute(start: Start) -> None:
    watched = Watched(start, *LOCAL, *STEADY)
    with Device(watched.address, boot=0) as device:
        for _ in range(30):
            # A sender that is started again and again.
            device.beat()
            device.session, device.boot, device.seq = device.session + 1, device.session, 0
        device.id = "calm"
        device.beat()
        watched.until("calm was heard for the first time")
    restarts = [line for line in watched.lines + watched.end()[0] if "device restarted" in line]
    *_, entering, summary = restarts
    assert entering.endswith("it has very many events: from now on they are told once a minute")
    told = re.search(r"  device: (\d+) restarted within a minute; the last: device restarted", summary)
    assert told
    assert int(told[1]) + len(restarts) - 1 == 29


def test_programs_get_a_record_for_each(start: Start) -> None:
    watched = Watched(start, *LOCAL, "--json", "--detector", "fixed:60")
    assert watched.process.stdout is not None
    begun = json.loads(watched.process.stdout.readline())
    assert {name: begun[name] for name in ("schema", "type", "bound", "detector", "clients_elsewhere")} == {
        "schema": 1,
        "type": "start",
        "bound": HERE,
        "detector": "fixed:60",
        "clients_elsewhere": [],
    }
    assert begun["client"] == f"udpping heartbeat {HERE}:{begun['port']}"
    with Device((HERE, begun["port"])) as device:
        device.send(b"\x1b[2J")
        for _ in range(3):
            device.beat()
        watched.until('"event": "down"')
    watched.lines += watched.end(signal.SIGTERM)[0]
    records: list[dict[str, Any]] = [json.loads(line) for line in watched.lines]
    assert all(record["schema"] == 1 for record in records)
    of = {kind: [record for record in records if record["type"] == kind] for kind in
          ("event", "unreadable", "peer", "false_alarms", "counters")}  # fmt: skip
    assert sum(map(len, of.values())) == len(records)
    assert [event["event"] for event in of["event"] if event["event"] not in BUSY] == ["new", "up", "down"]
    assert set(udpping.MonitorEvent._fields) < of["event"][0].keys()
    (unreadable,) = of["unreadable"]
    assert unreadable["datagram"] == r"\x1b[2J"
    (peer,) = of["peer"]
    assert (peer["client"], peer["state"], peer["received"]) == ("device", "down", 3)
    assert set(udpping.PeerRow._fields) < peer.keys()
    (alarms,) = of["false_alarms"]
    assert (alarms["false_alarms"], alarms["false_alarms_foretold"]) == (0, peer["false_alarms_foretold"])
    assert (alarms["watched_ns"], alarms["false_alarms_low"]) == (peer["watched_ns"], 0)
    (counters,) = of["counters"]
    assert (counters["received"], counters["unreadable"], counters["unkept"]) == (4, 1, None)


def test_it_listens_everywhere_and_says_what_to_type_elsewhere(start: Start) -> None:
    watched = Watched(start, "--port", 0, *STEADY)
    port = int(watched.until(r"listening on every interface, .*UDP port (\d+)$")[1])
    watched.until("Ctrl-C")
    head = "\n".join(watched.lines)
    assert f"from this machine:     udpping heartbeat localhost:{port}" in head
    for command in hosts.client_commands(port, "heartbeat"):
        assert f"from another machine:  {command}" in head
    with Device((HERE, port)) as device:
        device.beat()
        device.beat()
        watched.until("device is up")
    watched.end()


def test_what_is_no_heartbeat_is_told_once_and_cannot_command_the_terminal(start: Start) -> None:
    watched = Watched(start, *LOCAL, *STEADY)
    with Device(watched.address) as device:
        for _ in range(5):
            device.send(b"\x1b[2Jhello\x07\x9b")
        source = f"{HERE}:{device.socket.getsockname()[1]}"
        watched.until(
            rf"^not a heartbeat, from {re.escape(source)}: it is neither text .*: \\x1b\[2Jhello\\x07"
        )
        device.beat()
        watched.until("device was heard for the first time")
    watched.lines += watched.end()[0]
    assert sum(line.startswith("not a heartbeat") for line in watched.lines) == 1
    assert counted(watched.lines[-1]) == "6 received, 1 client, 5 unreadable"


@pytest.mark.parametrize("option", ["--key", "--keys"])
def test_who_has_no_key_is_told_of_once(start: Start, tmp_path: Path, option: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ops correct-horse-battery\n", encoding="utf-8")
    keys.chmod(0o644)
    watched = Watched(start, *LOCAL, *STEADY, option, keys)
    with Device(watched.address) as device:
        for _ in range(3):
            device.beat()
        watched.until("a heartbeat without a signature was refused")
        device.key = ("ops", "another-secret-of-30-bytes")
        for _ in range(3):
            device.beat()
        watched.until("a heartbeat with a wrong signature was refused")
        device.key = ("ops", "correct-horse-battery")
        device.beat()
        watched.until("device was heard for the first time")
    output, errors = watched.end()
    assert counted(output[-1]) == "7 received, 1 client, 3 unsealed, 3 forged"
    assert errors.startswith("udpping monitor: warning: everybody on this machine can read the keys in ")


def test_nobody_is_said_once_and_it_goes_on(start: Start) -> None:
    watched = Watched(start, *LOCAL, "--idle", "0.2")
    watched.until(r"  nobody was heard for [\d.]+ m?s$")
    output, _ = watched.end()
    assert [counted(line) for line in output] == ["", "no clients", "0 received, 0 clients"]


def test_state_and_log_are_kept_and_a_second_monitor_is_refused(start: Start, tmp_path: Path) -> None:
    kept = ("--state", tmp_path / "state", "--log", tmp_path / "log.csv")
    watched = Watched(start, *LOCAL, *kept, *STEADY)
    watched.until("state in .*state, log in .*log.csv")
    done = call(*LOCAL, *kept)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"udpping monitor: cannot use {tmp_path / 'state'}: another monitor is using it; "
        "give this one its own\n"
    )
    with Device(watched.address) as device:
        device.beat()
        device.beat()
        watched.until("device is up")
        watched.end()
    again = Watched(start, *LOCAL, *kept, "--detector", "fixed:20")
    again.until("the monitor was away for .*: what happened then is unknown")
    again.until("device is down")
    again.end()
    assert (tmp_path / "log.csv").read_text(encoding="utf-8").count(",summary,device,") == 2


def test_down_is_red_on_a_terminal(free_port: int) -> None:
    here, there = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "udpping", "monitor", "--host", HERE, "-p", str(free_port)]
    process = subprocess.Popen(
        [*command, "--detector", "fixed:60"], stdin=there, stdout=there, env=environment | {"TERM": "xterm"}
    )
    os.close(there)
    text = b""

    def shows(what: bytes) -> bool:
        nonlocal text
        if select.select([here], [], [], 0.01)[0]:
            text += os.read(here, 65_536)
        return what in text

    try:
        wait_until(lambda: shows(b"Ctrl-C"))
        with Device((HERE, free_port)) as device:
            device.beat()
            device.beat()
            wait_until(lambda: shows(b"device is down"))
        process.send_signal(signal.SIGINT)
        wait_until(lambda: shows(b"1 client"))
    finally:
        process.kill()
        process.wait()
        os.close(here)
    red = re.findall(r"\x1b\[31m(.*?)\x1b\[0m", text.decode())
    assert len(red) == 2
    assert "device is down" in red[0]
    assert red[1].startswith("device   ")
    assert "device is up\r\n" in text.decode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--detector soon", '--detector "soon" is not usable: expected'),
        ("--interval 0", "--interval '0' is not usable: expected"),
        ("--port 70000", "--port '70000' is not usable: expected a whole number from 0 to 65535"),
        ("--host no..such..host", '"no..such..host"'),
        ("--max-clients 0", "--max-clients '0' is not usable"),
        ("--per-prefix 0", "--per-prefix '0' is not usable"),
        ("--idle -1", "--idle '-1' is not usable"),
        ("--keys /nowhere/keys", "cannot read the keys in the file of that name (not shown, as it may be"),
        ("--log /nowhere/log.csv", "cannot add to the log /nowhere/log.csv: No such file"),
        ("--state /dev/null/state", "cannot make the directory /dev/null/state: Not a directory"),
        (
            "--exec /nowhere/hook",
            "--exec '/nowhere/hook' is not usable: expected a program in the PATH",
        ),
        ("--exec 'unclosed", '--exec "\'unclosed" is not usable'),
        ("--on down,gone", "--on 'gone' is not usable: expected new, up, late"),
        ("--on down", "--on is not usable without --exec"),
        (
            "--detector calibrated:1\tper\tsecond",
            '--detector "calibrated:1 per second" is not usable: expected',
        ),
        ("--loss 1", "--loss"),
    ],
)
def test_a_bad_value_gets_one_line(words: str, told: str) -> None:
    done = call(*LOCAL, *(word.replace("\t", " ") for word in words.split(" ")))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("udpping monitor: ")
    assert told in done.stderr


def test_a_busy_port_is_named(start: Start) -> None:
    watched = Watched(start, *LOCAL)
    port = watched.address[1]
    done = call("--host", HERE, "-p", port)
    assert done.returncode == 2
    assert f"{HERE}:{port} is already in use" in done.stderr
    assert done.stderr.endswith("or use another port; --port-tries 10 tries the next ports\n")
    watched.end()


HOOK = """#!/bin/sh
{ echo "words $# $1 $2 $3"; env | grep ^UDPPING_ | sort; echo; } >> "$0.txt"
echo heard
test "$UDPPING_EVENT" != bye
"""


def test_exec_has_the_facts_in_its_environment(start: Start, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(HOOK, encoding="utf-8")
    hook.chmod(0o755)
    command = f"{hook} 'two words' ';' $HOME"
    watched = Watched(start, *LOCAL, "--detector", "fixed:400", "--json", "--losses", "--exec", command)
    port = json.loads(watched.until(".*")[0])["port"]
    with Device((HERE, port), id="web/1") as device:
        for _ in range(3):
            device.beat()
        device.beat(skip=1)
        watched.until('"event": "lost"')
        device.beat(more=" bye=3")
        watched.until("hook exited with status 1, for: web/1 ended with exit status 3")
        own = f"{HERE}:{device.socket.getsockname()[1]}"
    output, errors = watched.end()
    assert all(json.loads(line) for line in [*watched.lines, *output])
    blocks = (tmp_path / "hook.txt").read_text(encoding="utf-8").strip().split("\n\n")
    had = [dict(line.split("=", 1) for line in block.splitlines()[1:]) for block in blocks]
    assert [block.splitlines()[0] for block in blocks] == ["words 3 two words ; $HOME"] * len(blocks)
    # What it prints is not among our records.
    assert errors == "heard\n" * len(blocks)
    had = [each for each in had if each["UDPPING_EVENT"] not in BUSY]
    # Those that came up are gathered for two seconds.
    assert sorted(each["UDPPING_EVENT"] for each in had) == ["bye", "new", "up"]
    (bye,) = (each for each in had if each["UDPPING_EVENT"] == "bye")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", bye.pop("UDPPING_TIME"))
    assert float(bye.pop("UDPPING_SECONDS")) >= 0
    assert int(bye.pop("UDPPING_NUMBER")) >= 4
    assert bye.pop("UDPPING_BEFORE") in {"up", "late", "suspect"}
    assert bye == {
        "UDPPING_EVENT": "bye",
        "UDPPING_CLIENT": "web/1",
        "UDPPING_CLIENTS": "web/1",
        "UDPPING_COUNT": "1",
        "UDPPING_ADDRESS": own,
        "UDPPING_PREVIOUS": "",
        "UDPPING_SEQ": "6",
        "UDPPING_VALUE": "3",
        "UDPPING_MESSAGE": "web/1 ended with exit status 3",
    }


def test_a_second_ctrl_c_waits_for_no_command_and_leaves_none(start: Start, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(
        '#!/bin/sh\necho $$ > "$0.new"\nmv "$0.new" "$0.pid"\nexec sleep 1000\n', encoding="utf-8"
    )
    hook.chmod(0o755)
    watched = Watched(start, *LOCAL, "--idle", "0.1", "--exec", hook)
    watched.until("nobody was heard for ")
    wait_until((tmp_path / "hook.pid").exists)
    watched.process.send_signal(signal.SIGINT)
    watched.until("^$")
    watched.process.send_signal(signal.SIGINT)
    # The command holds our standard error: this would go on as long as it did.
    watched.process.communicate(timeout=60)
    assert watched.process.returncode == 130


WITH_A_SIGNAL_AT_THE_FIRST_EVENT = """
import signal, sys
from udpping.__main__ import main
from udpping.cli import monitor

handle = monitor.Watch.handle
def interrupted(self, event):
    monitor.Watch.handle = handle
    signal.raise_signal(signal.SIGINT)
    handle(self, event)
monitor.Watch.handle = interrupted
sys.exit(main(["monitor", *sys.argv[1:]]))
"""


def test_no_event_is_lost_to_ctrl_c() -> None:
    command = [sys.executable, "-c", WITH_A_SIGNAL_AT_THE_FIRST_EVENT, *LOCAL, "--idle", "50ms", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(record["event"] for record in told if record["type"] == "event") in {"idle", "stalled"}
    assert told[-1]["type"] == "counters"
