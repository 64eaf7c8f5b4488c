"""`udpping server --log FILE` and `-v`: what it writes about each datagram."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import call, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.python

COLUMNS = ["time", *udpping.LogRow._fields]
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SHOWN = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


def started(start: Start, *words: object) -> tuple[subprocess.Popen[str], int]:
    """Start a server with JSON records; return it and its port."""
    process = start("-m", "udpping", "server", "--host", "127.0.0.1", "-p", "0", "--json", *words)
    return process, record_of(process, "start")["port"]


def record_of(process: subprocess.Popen[str], kind: str) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        record: dict[str, Any] = json.loads(line)
        if record["type"] == kind:
            return record
    raise AssertionError(f"no {kind}: {process.communicate()}")


def stopped(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> list[dict[str, Any]]:
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def pinged(port: int, count: int, timeout: float = 1) -> udpping.Run:
    return udpping.ping("127.0.0.1", port, count=count, interval=0.001, timeout=timeout)


def lines_of(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_csv_log_has_each_decision(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "server.csv"
    process, port = started(start, "--loss", "pattern:.x.", "--delay", "2ms", "--log", path)
    run = pinged(port, 6)
    records = stopped(process, number)
    assert records[-1]["received"] == 6
    seen = rows(path)
    assert list(seen[0]) == COLUMNS
    assert [row["verdict"] for row in seen] == ["answer", "drop", "answer"] * 2
    assert [row["reason"] for row in seen] == ["", "loss", ""] * 2
    assert [row["delay_ns"] for row in seen] == ["2000000", "0", "2000000"] * 2
    assert [int(row["seq"]) for row in seen] == [row.seq for row in run]
    assert [int(row["number"]) for row in seen] == [1, 2, 3, 4, 5, 6]
    assert {row["client"].partition(":")[0] for row in seen} == {"127.0.0.1"}
    assert all(TIME.fullmatch(row["time"]) for row in seen)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["log.jsonl", "log.ndjson", "log.json"])
def test_a_log_of_json_lines_has_the_same(start: Start, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    process, port = started(start, "--loss", "pattern:.x", "--log", path)
    pinged(port, 2)
    stopped(process)
    seen = [json.loads(line) for line in path.read_text().splitlines()]
    assert [list(row) for row in seen] == [["schema", "type", *COLUMNS]] * 2
    assert [(row["type"], row["verdict"], row["delay_ns"]) for row in seen] == [
        ("datagram", "answer", 0),
        ("datagram", "drop", 0),
    ]


def test_a_log_is_added_to_and_turned_over_by_moving_it(start: Start, tmp_path: Path) -> None:
    for name in ("log.csv", "log.jsonl"):
        path, old = tmp_path / name, tmp_path / f"old-{name}"
        head = 1 if name.endswith("csv") else 0
        for _ in range(2):
            process, port = started(start, "--log", path)
            pinged(port, 2)
            stopped(process)
        assert lines_of(path) == 4 + head
        process, port = started(start, "--log", path)
        pinged(port, 1)
        wait_until(partial(has_lines, path, 5 + head))
        path.rename(old)
        process.send_signal(signal.SIGHUP)
        assert record_of(process, "reopened")["log"] == str(path)
        pinged(port, 3)
        stopped(process)
        assert (lines_of(old), lines_of(path)) == (5 + head, 3 + head)


def has_lines(path: Path, count: int) -> bool:
    return lines_of(path) == count


def test_a_foreign_file_a_link_and_a_pipe_are_not_touched(tmp_path: Path) -> None:
    for name in ("other.csv", "other.jsonl"):
        other = tmp_path / name
        other.write_text("date,price\n")
        link = tmp_path / f"link-{name}"
        link.symlink_to(tmp_path / "nothing")
        os.mkfifo(pipe := tmp_path / f"pipe-{name}")
        for path, told in ((other, "not a log of a server"), (link, "is a link"), (pipe, "is a pipe")):
            done = call("server", "--host", "127.0.0.1", "-p", 0, "--log", path)
            assert done.returncode == 2
            assert str(path) in done.stderr
            assert told in done.stderr
            assert done.stderr.count("\n") == 1
        assert other.read_text() == "date,price\n"
        assert not (tmp_path / "nothing").exists()


def test_without_a_log_a_hangup_ends_it(start: Start) -> None:
    process, _ = started(start, "-v")
    assert stopped(process, signal.SIGHUP)[-1]["type"] == "counters"


def test_verbose_prints_a_line_for_each_datagram(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{client.getsockname()[1]}"
        port = udpping.testing.free_port()
        process = start(
            *("-m", "udpping", "server", "--host", "127.0.0.1", "-p", str(port), "-v"),
            *("--loss", "pattern:.x", "--delay", "1ms"),
        )
        assert process.stdout is not None
        while "Ctrl-C" not in process.stdout.readline():
            pass
        for datagram in (b"PING 7 1.5", b"no \x1b[2J number"):
            client.sendto(datagram, ("127.0.0.1", port))
        lines = [process.stdout.readline().rstrip() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert re.fullmatch(
        rf"{SHOWN}  {re.escape(address)}  datagram 1, seq 7, answered after 1.000 ms: PING 7 1.5", lines[0]
    )
    assert re.fullmatch(
        rf"{SHOWN}  {re.escape(address)}  datagram 2, dropped on its way up \(loss\): no \\x1b\[2J number",
        lines[1],
    )


def test_verbose_json_has_the_datagram(start: Start) -> None:
    process, port = started(start, "-v", "--loss", "pattern:x")
    pinged(port, 1)
    record = record_of(process, "datagram")
    assert (record["seq"], record["verdict"], record["reason"]) == (1, "drop", "loss")
    assert record["message"].startswith("Ping 1 ")
    stopped(process)


def test_every_datagram_is_in_the_log_or_counted(start: Start, tmp_path: Path) -> None:
    """As fast as it goes: the log holds up no reply."""
    path = tmp_path / "flood.csv"
    process, port = started(start, "--log", path, "--workers", "2")
    run = udpping.ping("127.0.0.1", port, count=20_000, timeout=1, interval=0.000_01)
    records = stopped(process)
    missing = sum(record["datagrams"] for record in records if record["type"] == "missing")
    assert run.summary.received > 0
    assert lines_of(path) - 1 + missing == records[-1]["received"]


def test_a_full_disk_is_said_once_and_the_server_goes_on(start: Start, tmp_path: Path) -> None:
    """A limit on the size of files is refused as a full disk is."""
    path = tmp_path / "log.csv"
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from udpping.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["server", "--host", "127.0.0.1", "-p", "0", "--json", "--log", path]
    process = start("-c", script, *words)
    port = record_of(process, "start")["port"]
    assert pinged(port, 40, timeout=10).summary.received == 40
    assert "File too large" in record_of(process, "problem")["message"]
    assert pinged(port, 40, timeout=10).summary.received == 40
    records = stopped(process)
    assert [record["type"] for record in records] == ["counters"]
    assert records[-1]["received"] == 80


def test_a_profile_prints_as_the_course_does_and_has_no_log(tmp_path: Path) -> None:
    done = call("server", "--profile", "book", "-p", 0, "--log", tmp_path / "log.csv")
    assert done.returncode == 2
    assert "--log and -v cannot be used with --profile" in done.stderr
    assert not (tmp_path / "log.csv").exists()
