"""Signals to commands: what ends them, asks for a summary, and lets them read files again."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from beats import byes, lines
from common import has_received, wait_until
from udpping.testing import FarEnd
from watching import BUSY, STEADY, Device

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
ASKING = [signal.SIGQUIT, signal.SIGUSR1]
SECRET, NEWER = "correct-horse-battery", "another-secret-of-30-bytes"


def place_of(service: udpping.Server | FarEnd) -> str:
    return f"{HERE}:{service.address[1]}"


def record_of(process: subprocess.Popen[str], kind: str) -> dict[str, Any]:
    """Read records until one of that type."""
    assert process.stdout is not None
    for line in process.stdout:
        record: dict[str, Any] = json.loads(line)
        if record["type"] == kind:
            return record
    raise AssertionError(f"no {kind}: {process.communicate()}")


@pytest.fixture
def server() -> Iterator[udpping.Server]:
    with udpping.Server(port=0) as server:
        yield server


def test_a_hangup_ends_each_command_without_files_as_ctrl_c_does(
    start: Start, server: udpping.Server
) -> None:
    with FarEnd([]) as far, udpping.Server(port=0, loss=1) as deaf:
        commands = {
            "ping": ([place_of(server), "-t", "-i", "0.05"], "ping", 0),
            "demo": (["-c", "10000", "--loss", "0", "--delay", "0.05"], "ping", 0),
            "server": (["--host", HERE, "--port", "0"], "start", 0),
            "monitor": (["--host", HERE, "--port", "0"], "start", 0),
            "heartbeat": ([place_of(far), "-i", "0.05"], "start", 0),
        }
        last = {
            "ping": "summary",
            "demo": "chance",
            "server": "counters",
            "monitor": "counters",
            "heartbeat": "end",
        }
        started = {
            name: start("-m", "udpping", name, *words, "--json") for name, (words, _, _) in commands.items()
        }
        doctor = start("-m", "udpping", "doctor", place_of(deaf), "-c", "1000", "-W", "0.5", "--json")
        for name, (_, kind, status) in commands.items():
            record_of(started[name], kind)
            if name == "heartbeat":
                far.wait(1, 60)
            started[name].send_signal(signal.SIGHUP)
            out, err = started[name].communicate(timeout=60)
            assert (started[name].returncode, err) == (status, ""), name
            assert json.loads(out.splitlines()[-1])["type"] == last[name]
        wait_until(lambda: len(byes(far)) == 3)
        wait_until(lambda: has_received(deaf, 7))
        doctor.send_signal(signal.SIGHUP)
        out, err = doctor.communicate(timeout=60)
        assert (doctor.returncode, err) == (1, "")
        assert json.loads(out.splitlines()[-1])["verdict"] == "silent"


def test_a_hangup_that_is_ignored_from_the_start_stays_ignored(start: Start) -> None:
    """As under nohup."""
    script = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with FarEnd([]) as far:
        process = start("-c", script, "-m", "udpping", "heartbeat", place_of(far), "-i", "0.02", "--json")
        far.wait(1, 60)
        process.send_signal(signal.SIGHUP)
        far.wait(len(far.received) + 5, 60)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["start", "end"]


@pytest.mark.parametrize("number", ASKING)
def test_a_summary_can_be_asked_for(start: Start, server: udpping.Server, number: signal.Signals) -> None:
    with FarEnd([]) as far:
        commands = {
            "ping": ([place_of(server), "-t", "-i", "0.05"], "ping", "summary"),
            "server": (["--host", HERE, "--port", "0"], "start", "counters"),
            "monitor": (["--host", HERE, "--port", "0", *STEADY], "start", "counters"),
            "heartbeat": ([place_of(far), "-i", "0.05"], "start", "status"),
        }
        started = {
            name: start("-m", "udpping", name, *words, "--json") for name, (words, *_) in commands.items()
        }
        for name, (_, first, summary) in commands.items():
            begun = record_of(started[name], first)
            told: dict[str, Any] = {}
            for _ in range(2):
                started[name].send_signal(number)
                told = record_of(started[name], summary)
            match name:
                case "server":
                    assert udpping.ping(HERE, begun["port"], count=1, timeout=20).summary.received == 1
                    started[name].send_signal(number)
                    assert record_of(started[name], summary)["answered"] == 1
                case "monitor":
                    with Device((HERE, begun["port"])) as device:
                        device.beat()
                        assert record_of(started[name], "event")["client"] == "device"
                    started[name].send_signal(number)
                    assert record_of(started[name], "peer")["client"] == "device"
                case "ping":
                    assert told["received"] >= 1
                    while record_of(started[name], "ping")["seq"] <= told["received"]:
                        pass
                case _:
                    assert told["session"] == begun["session"]
                    far.wait(len(far.received) + 2, 60)
            started[name].send_signal(signal.SIGINT)
            _, err = started[name].communicate(timeout=60)
            assert (started[name].returncode, err) == (0, ""), name


def test_ping_tells_its_summary_while_it_waits_for_a_reply(start: Start, deaf: str) -> None:
    process = start("-m", "udpping", "ping", deaf, "-c", "1", "-W", "1h")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("PING ")
    process.send_signal(signal.SIGUSR1)
    assert [process.stdout.readline() for _ in range(2)] == ["\n", f"--- {deaf} ---\n"]
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_a_watched_command_gets_them_and_nothing_is_printed(start: Start, number: signal.Signals) -> None:
    script = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n"
        "print('ready', flush=True)\n"
        "print(signal.sigwait(range(1, 32)))"
    )
    with FarEnd([]) as far:
        words = ["heartbeat", place_of(far), "-i", "0.02", "--id", "job", "--", sys.executable, "-c", script]
        process = start("-m", "udpping", *words)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, int(out)) == (0, number)
        assert err == f"udpping: a heartbeat to {place_of(far)} every 0.02 s as job\n"
        wait_until(lambda: byes(far) == ["0", "0", "0"])


def test_a_monitor_reads_its_keys_again_at_a_hangup(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(f"ops {SECRET}\n")
    words = ["--host", HERE, "--port", "0", *STEADY, "--key", str(keys), "--json"]
    process = start("-m", "udpping", "monitor", *words)
    address = HERE, record_of(process, "start")["port"]
    with Device(address, key=("ops", NEWER)) as device:
        device.beat()
        assert "wrong signature" in record_of(process, "problem")["message"]
        keys.write_text(f"ops {NEWER}\n")
        process.send_signal(signal.SIGHUP)
        record_of(process, "reopened")
        device.beat()
        assert record_of(process, "event")["event"] == "new"
        for content in ("ops short\n", ""):
            keys.write_text(content)
            process.send_signal(signal.SIGHUP)
            told = record_of(process, "problem")["message"]
            assert "the keys from before stay in use" in told
        keys.unlink()
        process.send_signal(signal.SIGHUP)
        assert "cannot read the keys" in record_of(process, "problem")["message"]
        # The first one alone brings nobody up who was silent for too long, on a busy machine.
        for _ in range(3):
            device.beat()
        events = {event := record_of(process, "event")["event"]}
        while event != "up":
            events.add(event := record_of(process, "event")["event"])
        assert events <= {"up", "down", *BUSY}
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("files", [["--log"], ["--state"], ["--log", "--state"]])
def test_a_monitor_opens_moved_files_anew_at_a_hangup(start: Start, tmp_path: Path, files: list[str]) -> None:
    log, state = tmp_path / "log.csv", tmp_path / "state"
    words = [word for option in files for word in (option, str(log if option == "--log" else state))]
    kept = [path for option, path in (("--log", log), ("--state", state / "events.jsonl")) if option in files]
    process = start("-m", "udpping", "monitor", "--host", HERE, "--port", "0", *STEADY, *words, "--json")
    with Device((HERE, record_of(process, "start")["port"])) as device:
        device.beat()
        wait_until(lambda: all("heard for the first time" in path.read_text() for path in kept))
        for path in kept:
            path.rename(path.with_suffix(".old"))
        process.send_signal(signal.SIGHUP)
        record_of(process, "reopened")
        wait_until(lambda: all(path.exists() for path in kept))
        # One alone is forgotten on a busy machine.
        device.beat()
        device.beat()
        wait_until(lambda: all("device is up" in path.read_text() for path in kept))
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == ""
    if log in kept:
        assert log.read_text().startswith("run,time,event,")
    assert not any("device is up" in path.with_suffix(".old").read_text() for path in kept)


def test_a_heartbeat_reads_its_key_again_at_a_hangup(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(f"first {SECRET}\n")
    with FarEnd([]) as far:
        words = ["heartbeat", place_of(far), "-i", "0.02", "--id", "web1", "--key", str(keys), "--json"]
        process = start("-m", "udpping", *words)
        far.wait(1, 60)
        record_of(process, "start")
        keys.write_text(f"second {NEWER}\n")
        process.send_signal(signal.SIGHUP)
        record_of(process, "reopened")
        wait_until(lambda: lines(far)[-1]["key"] == "second")
        for content in (f"third {SECRET} db*\n", "a secret\n", ""):
            keys.write_text(content)
            process.send_signal(signal.SIGHUP)
            assert "the key from before stays in use" in record_of(process, "problem")["message"]
        far.wait(len(far.received) + 2, 60)
        assert lines(far)[-1]["key"] == "second"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[1] == ""
        wait_until(lambda: len(byes(far)) == 3)
    assert {line["session"] for line in lines(far)} == {lines(far)[0]["session"]}


def test_reopen_without_files_changes_nothing() -> None:
    with (
        udpping.Monitor(HERE, 0) as monitor,
        udpping.Heartbeat(*monitor.address, id="web1", interval=0.02) as beat,
    ):
        monitor.reopen()
        beat.reopen()
        assert next(event.event for event in monitor if event.event in {"up", "down"}) == "up"


def test_a_monitor_is_told_when_a_file_of_keys_is_gone(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(f"ops {SECRET}\n")
    monitor, beat = udpping.Monitor(HERE, 0, keys=keys), udpping.Heartbeat(HERE, 9, key=keys)
    keys.unlink()
    for service in (monitor, beat):
        with pytest.raises(OSError, match="cannot read the keys"):
            service.reopen()
