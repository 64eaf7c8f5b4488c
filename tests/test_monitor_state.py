"""What a monitor leaves on disk: it goes on after whatever ended it, and its log can be read by others."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import wait_until
from watching import ALIVE, BUSY, SECONDS, TICK, Device, Seen, peer_of, state_of, told

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
WATCH = """
import sys, udpping
words = {"state": sys.argv[2], "log": sys.argv[3], "detector": "fixed:60"}
with udpping.Monitor("127.0.0.1", int(sys.argv[1]), **words) as monitor:
    print(monitor.address[1], flush=True)
    for event in monitor:
        print(event.client, event.event, flush=True)
"""


def started(start: Start, port: int, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a monitor in a process of its own, to be killed."""
    process = start("-c", WATCH, str(port), folder / "state", folder / "log.csv")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return process, int(line)


def hear(process: subprocess.Popen[str], line: str) -> None:
    """Wait until it prints that line."""
    assert process.stdout is not None
    while (said := process.stdout.readline().strip()) != line:
        assert said, f"it ended without saying {line}"


def clients(folder: Path) -> dict[str, list[str]]:
    """Read the file of clients as the documentation describes it, once it is there."""
    path = folder / "state/clients.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    return {fields[0]: fields for fields in (line.split("\t") for line in lines)}


def test_a_killed_monitor_goes_on_where_it_was(start: Start, tmp_path: Path, free_port: int) -> None:
    process, port = started(start, free_port, tmp_path)
    alive = udpping.Heartbeat(HERE, port, id="alive", interval=TICK)
    alive.start()
    with Device((HERE, port), id="dies") as dies:
        dies.beat_until(lambda: alive.sent > 4 / TICK)
        hear(process, "alive up")
        sent = alive.sent
        process.kill()
        process.wait()
    # A second is what may be missing; a busy disk takes longer.
    known = clients(tmp_path)
    assert sent - 3 / TICK <= int(known["alive"][10]) <= alive.sent
    assert dies.seq - 3 / TICK <= int(known["dies"][10]) <= dies.seq
    away = alive.sent
    wait_until(lambda: alive.sent >= away + 10, SECONDS)

    with udpping.Monitor(HERE, port, state=tmp_path / "state", detector="fixed:60") as monitor:
        seen = Seen(monitor)
        resumed = seen.until("resumed")
        first = {row.client: (row.state, row.received) for row in monitor.peers}
        assert first["dies"] == (known["dies"][3], int(known["dies"][15]))
        assert first["dies"][0] in ALIVE
        assert resumed.client is None
        assert resumed.span_ns is not None
        assert resumed.span_ns > 5 * TICK * 1e9
        assert "what happened then is unknown" in resumed.message
        # The one that died meanwhile is found out, the one that did not is well, and nobody lost anything.
        assert seen.until("down").client == "dies"
        wait_until(lambda: peer_of(monitor, "alive").received > first["alive"][1] + 20, SECONDS)
        rows = {row.client: row for row in monitor.peers}
    alive.stop()
    assert rows["alive"].state in ALIVE
    assert (rows["alive"].lost, rows["alive"].sessions) == (0, 1)
    assert (rows["dies"].state, rows["dies"].lost, rows["dies"].received) == ("down", 0, first["dies"][1])
    assert seen.names() == ["resumed", "down"]


def test_it_may_be_killed_at_any_moment(start: Start, tmp_path: Path, free_port: int) -> None:
    moments = random.Random(7)
    process, port = started(start, free_port, tmp_path)
    with udpping.Heartbeat(HERE, port, id="alive", interval=TICK) as alive:
        hear(process, "alive up")
        wait_until(lambda: "alive" in clients(tmp_path), SECONDS)
        counts: list[int] = []
        for _ in range(6):
            time.sleep(moments.random() * 1.2)
            process.send_signal(signal.SIGKILL)
            process.wait()
            counts.append(int(clients(tmp_path)["alive"][10]))
            process, _ = started(start, port, tmp_path)
        process.kill()
        process.wait()
        with udpping.Monitor(HERE, port, state=tmp_path / "state", detector="fixed:60") as monitor:
            before = peer_of(monitor, "alive").received
            wait_until(lambda: peer_of(monitor, "alive").received > before, SECONDS)
            row = peer_of(monitor, "alive")
    assert counts == sorted(counts)
    assert (row.lost, row.sessions) == (0, 1)
    assert alive.sent >= row.seq > counts[-1]
    assert row.received > counts[0]
    lines = (tmp_path / "state/events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events.count("resumed") <= 7
    assert {"down", "restarted", "lost"}.isdisjoint(events)


def test_what_was_down_or_had_said_goodbye_still_is(tmp_path: Path) -> None:
    with udpping.Monitor(HERE, 0, state=tmp_path / "state", detector="fixed:10") as monitor:
        seen = Seen(monitor)
        with Device(monitor.address, id="down") as device:
            device.rise(monitor)
            device.rise(monitor)
            seen.until("down", "down")
            wait_until(lambda: state_of(monitor, "down") == "down")
        job = udpping.Heartbeat(*monitor.address, id="job", interval=TICK)
        job.start()
        seen.until("up", "job")
        job.stop(3)
        seen.until("bye")
        # It says so three times.
        assert job.wait(20)
        wait_until(lambda: peer_of(monitor, "job").received == job.sent)
        before = list(monitor.peers)
    with udpping.Monitor(HERE, 0, state=tmp_path / "state") as monitor:
        after = list(monitor.peers)
        time.sleep(0.3)
        assert told(monitor.events) == ["resumed"]
    known = ("client", "state", "since_wall_ns", "last_seen_wall_ns", "seq", "received", "session")
    assert [[getattr(row, name) for name in known] for row in after] == [
        [getattr(row, name) for name in known] for row in before
    ]
    assert [(row.client, row.state, row.exit_status) for row in after] == [
        ("down", "down", None),
        ("job", "bye", 3),
    ]


def test_a_directory_has_one_monitor_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / "deep/state"
    with (
        udpping.Monitor(HERE, 0, state=state),
        pytest.raises(
            OSError, match=r"^cannot use .*state: another monitor is using it; give this one its own$"
        ),
    ):
        udpping.Monitor(HERE, 0, state=state)
    with udpping.Monitor(HERE, 0, state=state) as monitor:
        assert Seen(monitor).until("resumed").number == 1


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_child_that_lives_on_keeps_no_directory_locked(tmp_path: Path) -> None:
    script = """
import os, sys, udpping
with udpping.Monitor("127.0.0.1", 0, state=sys.argv[1]):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
with udpping.Monitor("127.0.0.1", 0, state=sys.argv[1]) as monitor:
    print(monitor.running)
os.close(writer)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


TITLE = "udpping-monitor-1\t1700000000000000000"
GOOD = "web1\t0\t0\tup\t1\t2\t127.0.0.1:5\t9\t-\t-\t5\t1000000000\t1\t-\t1\t5\t0\t0\t0\t0\t0\t0\t0\t0"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("hello", 'line 1 is "hello": expected the first line'),
        ("udpping-monitor-2\t17\n", "udpping-monitor-2"),
        (f"{TITLE}\n{GOOD}\n{GOOD[: len(GOOD) // 2]}", "web1"),
        (f"{TITLE}\n{GOOD.replace('up', 'asleep')}\n", "asleep"),
        (f"{TITLE}\n{GOOD.replace('web1', 'w b')}\n", "w b"),
        (f"{TITLE}\n{GOOD.replace('1000000000', '-1')}\n", "web1"),
        (f"{TITLE}\n{GOOD.replace('web1', 'x' * 5_000)}\n", "xxx"),
    ],
    ids=["text", "another version", "cut", "state", "name", "interval", "long"],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, content: str, shown: str) -> None:
    (tmp_path / "clients.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(OSError, match=r"clients\.tsv") as refused:
        udpping.Monitor(HERE, 0, state=tmp_path)
    text = str(refused.value)
    number = 1 + content.startswith(TITLE) + (content.count("web1") > 1)
    assert text.startswith(f"cannot go on from {tmp_path}/clients.tsv: line {number} is ")
    assert shown in text
    assert text.endswith(" of a state that a monitor of this version saved; move the file away to begin anew")
    assert len(text) < 400
    # It is not touched.
    assert (tmp_path / "clients.tsv").read_text(encoding="utf-8") == content


def test_an_empty_file_keeps_no_monitor_from_watching(tmp_path: Path) -> None:
    for content in (b"", bytes(4_096)):
        (tmp_path / "clients.tsv").write_bytes(content)
        with udpping.Monitor(HERE, 0, state=tmp_path) as monitor, Device(monitor.address) as device:
            device.rise(monitor)
        told_first = next(iter(monitor.events))
        assert (told_first.event, told_first.is_notable) == ("state_lost", True)


def test_a_dead_client_is_found_by_a_monitor_that_is_restarted_again_and_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with (
        udpping.Monitor(HERE, 0, state=state, detector="fixed:80") as monitor,
        Device(monitor.address) as device,
    ):
        device.rise(monitor)
        began = time.monotonic()
    names: list[str] = []
    watched = [time.monotonic() - began + TICK]
    while "down" not in names:
        began = time.monotonic()
        with udpping.Monitor(HERE, 0, state=state, detector="fixed:80") as monitor:
            time.sleep(1)
        watched.append(time.monotonic() - began)
        names += [event.event for event in monitor.events]
        assert sum(watched) < 2 * SECONDS
    # It is found in the first run already if a busy machine takes so long over that.
    assert names.count("resumed") >= 2 or sum(watched[:2]) > 4


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with udpping.Monitor(HERE, 0, state=state) as monitor, Device(monitor.address) as device:
        device.rise(monitor)
        device.beat_until(lambda: peer_of(monitor, "device").received > 40)
        device.be_heard(monitor)
        before = peer_of(monitor, "device").detection_ns
    assert (state / "learned.tsv").read_text(encoding="utf-8").startswith("udpping-learned-1\ndevice\t0\t")
    with udpping.Monitor(HERE, 0, state=state) as monitor:
        assert peer_of(monitor, "device").detection_ns == before
        assert peer_of(monitor, "device").false_alarms_per_day is not None


def test_a_log_that_is_cut_begins_with_its_header_again(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    with udpping.Monitor(HERE, 0, log=log) as monitor, Device(monitor.address) as device:
        device.rise(monitor)
        wait_until(lambda: ",up,device," in log.read_text(encoding="utf-8"), SECONDS)
        os.truncate(log, 0)
        device.beat(more=" bye=0")
        wait_until(lambda: ",bye,device," in log.read_text(encoding="utf-8"), SECONDS)
        lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.startswith("run,time,event,client,") for line in lines].index(True) == 0
    assert not any(",up,device," in line for line in lines)


def test_files_that_were_moved_are_opened_anew(tmp_path: Path) -> None:
    log, state = tmp_path / "log.csv", tmp_path / "state"
    with udpping.Monitor(HERE, 0, log=log, state=state) as monitor, Device(monitor.address) as device:
        device.rise(monitor)
        wait_until(lambda: ",up,device," in log.read_text(encoding="utf-8"), SECONDS)
        log.rename(tmp_path / "log.1")
        (state / "events.jsonl").rename(tmp_path / "events.1")
        monitor.reopen()
        wait_until(log.exists, SECONDS)
        device.beat(more=" bye=0")
        wait_until(lambda: ",bye,device," in log.read_text(encoding="utf-8"), SECONDS)
    assert log.read_text(encoding="utf-8").startswith("run,time,")
    assert ",up,device," in (tmp_path / "log.1").read_text(encoding="utf-8")
    assert '"event": "bye"' in (state / "events.jsonl").read_text(encoding="utf-8")


def test_a_good_line_is_read_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clients.tsv").write_text(f"{TITLE}\n{GOOD}\n", encoding="utf-8")
    with udpping.Monitor(HERE, 0, state=tmp_path) as monitor:
        assert state_of(monitor, "web1") == "up"
    (tmp_path / "clients.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(OSError, match=r"^cannot go on from .*clients\.tsv: line 1 is "):
        udpping.Monitor(HERE, 0, state=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot make the directory"):
        udpping.Monitor(HERE, 0, state=tmp_path / "file/state")


def log_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def test_the_log_goes_on_over_runs_and_ends_each_with_a_line_for_each_client(tmp_path: Path) -> None:
    log = tmp_path / "sessions.csv"
    for number in range(2):
        with udpping.Monitor(HERE, 0, log=log, detector="fixed:200") as monitor:
            seen = Seen(monitor)
            with udpping.Heartbeat(*monitor.address, id=f"web{number}", interval=TICK):
                seen.until("up")
            seen.until("bye")
            with Device(monitor.address, id="other") as device:
                device.rise(monitor)
    rows = log_rows(log)
    assert list(rows[0]) == [
        "run", "time", "event", "client", "address", "seq", "seconds", "value",
        "received", "lost", "duplicates", "reordered", "message",
    ]  # fmt: skip
    runs = list(dict.fromkeys(row["run"] for row in rows))
    assert len(runs) == 2
    for number, run in enumerate(runs):
        own = [row for row in rows if row["run"] == run and row["event"] not in BUSY]
        assert [(row["client"], row["event"]) for row in own if row["client"] == f"web{number}"] == [
            (f"web{number}", event) for event in ("new", "up", "bye", "summary")
        ]
        summaries = {row["client"]: row for row in own if row["event"] == "summary"}
        assert summaries.keys() == {f"web{number}", "other"}
        assert int(summaries["other"]["received"]) >= 2
        assert summaries["other"]["lost"] == "0"
        assert own[-1]["event"] == "summary"
        assert own[1]["message"] == f"web{number} is up"


TITLE_OF_LOG = "run,time,event,client,address,seq,seconds,value,received,lost,duplicates,reordered,message"


def test_a_line_that_a_kill_cut_in_two_stays_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(f"{TITLE_OF_LOG}\ncut in tw", encoding="utf-8")
    with udpping.Monitor(HERE, 0, log=log) as monitor, Device(monitor.address) as device:
        device.rise(monitor)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [TITLE_OF_LOG, "cut in tw"]
    assert "device was heard for the first time" in lines[2]


NO_ROOM = """
import resource, sys, udpping
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
try:
    udpping.Monitor("127.0.0.1", 0, log=sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_log_that_cannot_begin_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, tmp_path / "log.csv"], capture_output=True, text=True, check=False
    )
    assert f"cannot add to the log {tmp_path / 'log.csv'}: File too large" in done.stdout, done.stderr
    with pytest.raises(OSError, match=r"cannot add to the log /nowhere/log\.csv: No such file"):
        udpping.Monitor(HERE, 0, log="/nowhere/log.csv")


FULL = """
import resource, sys, time, udpping
from watching import Seen
log, state = sys.argv[1:]
with udpping.Monitor("127.0.0.1", 0, log=log, state=state, detector="fixed:200") as monitor:
    # From here on files may not be longer than this: the system refuses as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
    seen = Seen(monitor)
    with udpping.Heartbeat(*monitor.address, id="web1", interval=0.05):
        seen.until("up")
        while monitor.counters.unkept is None:
            time.sleep(0.01)
        print(monitor.counters.unkept)
    seen.until("bye")
    print(open(log, "rb").read().count(b"\\n"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_full_disk_is_told_and_watching_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    done = subprocess.run(
        [sys.executable, "-c", FULL, log, tmp_path / "state"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    why, lines = done.stdout.splitlines()
    assert why.startswith(
        ("log: File too large", "state: File too large", "state: clients.tsv: File too large")
    )
    assert lines == "1"
    # What waited for the disk is there, no line twice and none cut.
    rows = [row for row in log_rows(log) if row["event"] not in BUSY]
    assert [row["event"] for row in rows] == ["new", "up", "bye", "summary"]
    with udpping.Monitor(HERE, 0, state=tmp_path / "state") as monitor:
        assert state_of(monitor, "web1") == "bye"
