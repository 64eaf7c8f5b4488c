"""What `--json` prints is what its schema says: each record of each command, as a command prints it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call
from meshes import hosts, row
from udpping._mesh._frame import frame
from udpping.cli import COMMANDS
from udpping.cli._output import Report
from udpping.cli._ping_lines import Lines
from udpping.cli._server_log import File
from udpping.cli.mesh import Whole, summary
from udpping.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

jsonschema: Any = pytest.importorskip("jsonschema", reason="has no wheel for this Python")

ROOT = Path(__file__).parents[1]
HERE = "127.0.0.1"
LOCAL = ["--host", HERE, "--port", "0", "--json"]


class Seen:
    """Validates records, and remembers which there were."""

    def __init__(self, schema: dict[str, Any]) -> None:
        jsonschema.Draft202012Validator.check_schema(schema)
        self.each = {name: jsonschema.Draft202012Validator(one) for name, one in schema["$defs"].items()}
        self.names: set[str] = set()

    def add(self, command: str, text: str) -> list[dict[str, Any]]:
        """Validate what a command printed."""
        found: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        for record in found:
            name = f"{command} {record['type']}"
            assert name in self.each, record
            self.each[name].validate(record)
            self.names.add(name)
        return found

    def ran(self, command: str, *words: object, code: int = 0) -> list[dict[str, Any]]:
        """Run a command and validate what it printed."""
        done = call(command, *words, "--json")
        assert done.returncode == code, done.stderr
        return self.add(command, done.stdout)

    def until(self, process: subprocess.Popen[str], command: str, kind: str) -> dict[str, Any]:
        """Validate what a running command prints, up to a record of that type."""
        assert process.stdout is not None
        for line in process.stdout:
            (record,) = self.add(command, line)
            if record["type"] == kind:
                return record
        raise AssertionError(f"no {kind}: {process.communicate()}")

    def end(self, process: subprocess.Popen[str], command: str) -> None:
        """End a command and validate the rest."""
        process.send_signal(signal.SIGTERM)
        self.add(command, process.communicate(timeout=30)[0])


@pytest.mark.timeout(600)  # some forty commands, one after the other
def test_every_record_of_every_command_is_what_the_schema_says(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = subprocess.check_output([sys.executable, ROOT / "tools/records.py"], text=True)
    seen = Seen(json.loads(text))
    with udpping.Server(port=0) as echo, udpping.Server(port=0, loss=1) as lossy:
        place, deaf = (f"{HERE}:{each.address[1]}" for each in (echo, lossy))
        errors(seen, place, tmp_path)
        demo(seen)
        ping(seen, place, deaf)
        server(seen, start, tmp_path)
        relay(seen, start, place, tmp_path)
        reflector(seen, start)
        mesh(seen, capsys)
        monitor(seen, start, tmp_path)
        heartbeat(seen, start, tmp_path)
        doctor(seen, place, deaf)
        lab(seen, tmp_path)
    rare(seen, tmp_path, capsys)
    assert seen.each.keys() - seen.names == set()


def errors(seen: Seen, place: str, folder: Path) -> None:
    wrong: dict[str, list[str | Path]] = {
        "demo": ["--loss", "2"],
        "server": ["--loss", "2"],
        "relay": ["--to", place, "--loss", "2"],
        "reflector": ["--admit", "anybody"],
        "ping": [place, "--size", "1"],
        "mesh": ["--scheduler", "nonsense"],
        "heartbeat": [place, "--key", folder / "nowhere"],
        "monitor": ["--key", folder / "nowhere"],
        "doctor": ["255.255.255.255"],
        "lab": [folder],
    }
    (folder / "UDPPingerServer.py").touch()
    assert wrong.keys() == set(COMMANDS)
    for command, words in wrong.items():
        (record,) = seen.ran(command, *words, code=2)
        assert record["type"] == "error"


def demo(seen: Seen) -> None:
    seen.ran("demo", "-c", 3, "--seed", 1, "--delay", 0, "-W", 5)


def ping(seen: Seen, place: str, deaf: str) -> None:
    seen.ran("ping", place, deaf, "no-such-host.invalid", "-c", 2, "-i", "50ms", "-W", "50ms", code=1)
    seen.ran("ping", place, "-c", 10, "-i", "50ms", "-Q", "100ms", "-W", "5s")
    seen.ran("ping", place, "-c", 2, "-i", "50ms", "-W", "20s", "--detector", "fixed")


def server(seen: Seen, start: Start, folder: Path) -> None:
    log = folder / "log.csv"
    process = start("-m", "udpping", "server", *LOCAL, "-v", "--log", log, "--up", "corrupt=0.000001%")
    port = seen.until(process, "server", "start")["port"]
    assert call("ping", f"{HERE}:{port}", "-c", 1, "-W", "5s").returncode == 0
    seen.until(process, "server", "datagram")
    process.send_signal(signal.SIGHUP)
    seen.until(process, "server", "reopened")
    log.rename(folder / "old.csv")
    log.mkdir()
    process.send_signal(signal.SIGHUP)
    seen.until(process, "server", "problem")
    seen.end(process, "server")


def relay(seen: Seen, start: Start, place: str, folder: Path) -> None:
    log = folder / "relay.csv"
    process = start(
        "-m", "udpping", "relay", "--to", place, "-v", "--log", log, "--json", "--up", "corrupt=0.000001%"
    )
    client = seen.until(process, "relay", "start")["client"]
    assert call("ping", client, "-c", 1, "-W", "5s").returncode == 0
    seen.until(process, "relay", "datagram")
    process.send_signal(signal.SIGHUP)
    seen.until(process, "relay", "reopened")
    log.rename(folder / "old_relay.csv")
    log.mkdir()
    process.send_signal(signal.SIGHUP)
    seen.until(process, "relay", "problem")
    seen.end(process, "relay")


def reflector(seen: Seen, start: Start) -> None:
    process = start("-m", "udpping", "reflector", *LOCAL)
    port = seen.until(process, "reflector", "start")["port"]
    seen.ran("ping", "--stamp", f"{HERE}:{port}", "-c", 3, "-i", "10ms", "-W", "5s")
    seen.end(process, "reflector")


def mesh(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    found = seen.ran("mesh", "--local", 2, "-c", 3, "-i", "20ms", "-W", "5s", "--stamp")
    assert [each["received"] for each in found if each["type"] == "pair"] == [3, 3]
    # Clocks that contradict each other, as when one is set.
    pair = row(0, *hosts(2), sent=1, up=0, down=0)._replace(offset_low_ns=5, offset_high_ns=1)
    capsys.readouterr()
    summary(Whole(frame([pair]), hosts(2)), Report(json=True))
    seen.add("mesh", capsys.readouterr().out)


def monitor(seen: Seen, start: Start, folder: Path) -> None:
    process = start("-m", "udpping", "monitor", *LOCAL, "--state", folder / "state")
    port = seen.until(process, "monitor", "start")["port"]
    with udpping.Heartbeat(HERE, port, interval=0.05, id="web1"):
        seen.until(process, "monitor", "event")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.sendto(b"nonsense", (HERE, port))
    seen.until(process, "monitor", "unreadable")
    process.send_signal(signal.SIGHUP)
    seen.until(process, "monitor", "reopened")
    seen.end(process, "monitor")

    keys = folder / "keys"
    keys.touch(0o600)
    keys.write_text(f"first {'s' * 20}\n")
    process = start("-m", "udpping", "monitor", *LOCAL, "--key", keys)
    seen.until(process, "monitor", "start")
    keys.write_text("")
    process.send_signal(signal.SIGHUP)
    seen.until(process, "monitor", "problem")
    seen.end(process, "monitor")


def heartbeat(seen: Seen, start: Start, folder: Path) -> None:
    keys = folder / "key"
    keys.touch(0o600)
    keys.write_text(f"first {'s' * 20}\n")
    port = free_port(HERE)
    process = start("-m", "udpping", "heartbeat", f"{HERE}:{port}", "-i", "50ms", "--key", keys, "--json")
    seen.until(process, "heartbeat", "problem")
    with udpping.Monitor(HERE, port):
        seen.until(process, "heartbeat", "well")
        process.send_signal(signal.SIGUSR1)
        seen.until(process, "heartbeat", "status")
        process.send_signal(signal.SIGHUP)
        seen.until(process, "heartbeat", "reopened")
        seen.end(process, "heartbeat")
        done = call("heartbeat", f"{HERE}:{port}", "--json", "--", "true")
    assert seen.add("heartbeat", done.stderr)[0]["command"] == ["true"]


def doctor(seen: Seen, place: str, deaf: str) -> None:
    seen.ran("doctor")
    seen.ran("doctor", place, "-c", 2, "-W", "5s")
    seen.ran("doctor", deaf, "-c", 2, "-W", "50ms", code=1)
    seen.ran("doctor", "no-such-host.invalid", code=2)


def lab(seen: Seen, folder: Path) -> None:
    seen.ran("lab", folder / "lab")
    seen.ran("lab", "--list")


def rare(seen: Seen, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Print what needs a name that moves, a disk that is slow, and a terminal that is slower."""
    report = Report(json=True)
    capsys.readouterr()
    Lines(report, 1.0).moved("host:1", "192.0.2.1:1")
    report.record("missed", rows=3)
    seen.add("ping", capsys.readouterr().out)
    for command in ("server", "relay"):
        File(str(folder / f"new_{command}.csv"), report).end(3)
        seen.add(command, capsys.readouterr().out)
