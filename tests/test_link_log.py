"""What a server says of what its link did: the log, what was asked and what was done, and replays."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import udpping
from common import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

PATH = {"up": "loss=20%; delay=uniform:0,3ms", "down": "loss=20%; duplicate=20%,2; rate=300kbit/s; queue=3"}


def test_the_log_says_on_which_way_a_datagram_was_dropped() -> None:
    with udpping.Server(port=0, up="loss=20%", down="loss=20%", seed=1, record=True) as server:
        udpping.ping(server, count=300, interval=0.0005, timeout=0.2)
        wait_until(lambda: len(server.log) == 300)
    log, counters = server.log, server.counters
    ways = [row.direction for row in log]
    assert (ways.count("up"), ways.count("down")) == (counters.dropped_up, counters.dropped_down)
    assert counters.dropped == counters.dropped_up + counters.dropped_down
    assert all((row.direction is None) == (row.verdict == "answer") for row in log)
    assert all((row.reply_bytes is None) == (row.direction == "up") for row in log)
    # 5 standard deviations of 300 and of the 240 that come up.
    assert 25 < counters.dropped_up < 95
    assert 17 < counters.dropped_down < 79


def test_every_copy_is_answered_or_counted_as_dropped() -> None:
    with udpping.Server(port=0, down="duplicate=100%,7; rate=1kbit/s; queue=2", record=True) as server:
        udpping.ping(server, count=20, size=1000, interval=0.001, timeout=0.01, linger=0.01)
        wait_until(lambda: len(server.log) == 20)
    first, *rest = server.log
    assert (first.copies, first.replies) == (7, 2)
    assert {(row.copies, row.replies, row.reason) for row in rest} == {(7, 0, "queue")}
    assert (server.counters.copies, server.counters.dropped_copies) == (1, 6 + 19 * 7)


def test_the_log_says_what_was_damaged() -> None:
    with udpping.Server(port=0, up="truncate=10", down="corrupt=100%; first=1", record=True) as server:
        udpping.ping(server, count=2, size=40, timeout=0.05, linger=0)
        wait_until(lambda: len(server.log) == 2)
    facts = [(row.bytes, row.reply_bytes, row.damage) for row in server.log]
    assert facts == [(40, 10, "up:cut"), (40, 10, "up:cut down:flipped")]


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_the_file_of_a_server_is_replayed_to_the_same_decisions(
    start: Start, tmp_path: Path, name: str
) -> None:
    words = [word for way, link in PATH.items() for word in (f"--{way}", link)]
    file = tmp_path / name
    process = start("-m", "udpping", "server", "-p", "0", "--seed", "3", "--json", "--log", file, *words)
    assert process.stdout is not None
    record = json.loads(process.stdout.readline())
    udpping.ping("127.0.0.1", record["port"], count=100, interval=0.001, timeout=0.1)
    while (record.get("received"), record.get("waiting")) != (100, 0):
        process.send_signal(signal.SIGUSR1)
        record = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    records = [json.loads(line) for line in process.communicate(timeout=20)[0].splitlines()]
    again = udpping.sim.replay(file, **PATH, seed=3)
    assert len(again) == 100
    lines = file.read_text().splitlines()
    if name.endswith("csv"):
        seen = [line.split(",")[1:] for line in lines[1:]]
        assert seen == [["" if value is None else str(value) for value in row] for row in again]
    else:
        assert [list(json.loads(line).values())[3:] for line in lines] == [list(row) for row in again]
    done = {(row["direction"], row["effect"]): row for row in records if row["type"] == "achieved"}
    assert list(done) == [("up", "loss"), ("down", "loss"), ("down", "duplicate"), ("down", "queue")]
    lost = [row.reason == "loss" and row.direction == "up" for row in again]
    assert (done["up", "loss"]["hits"], done["up", "loss"]["of"]) == (sum(lost), 100)
    assert done["down", "queue"]["asked"] is None
    (counted,) = (row for row in records if row["type"] == "counters")
    assert counted["dropped"] == sum(row.verdict == "drop" for row in again)


def test_a_log_that_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with udpping.Server(port=0, record=True) as server:
        udpping.ping(server, count=3, timeout=20)
    rows = list(server.log)
    assert list(udpping.sim.replay(rows)) == rows
    for log, told in ((rows[1:], "is missing"), ([*rows, rows[1]], "number"), (5, "int"), ([5], "list")):
        with pytest.raises(udpping.errors.ConfigError, match=told):
            udpping.sim.replay(log)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        udpping.sim.replay(tmp_path / "none.csv")
    file = tmp_path / "other.csv"
    file.write_text("time,number\n1,2\n")
    with pytest.raises(udpping.errors.ConfigError, match="row 1"):
        udpping.sim.replay(file)


def test_heartbeats_over_a_bad_path_are_seen_as_they_are() -> None:
    plain = udpping.sim.heartbeat(duration="1h", loss="5%", delay="exponential:5ms", losses=True, seed=1)
    same = udpping.sim.heartbeat(duration="1h", up="loss=5%", delay="exponential:5ms", losses=True, seed=1)
    assert list(plain.events) == list(same.events)
    (copied,) = udpping.sim.heartbeat(duration="1h", up="duplicate=10%,2", seed=1).peers
    assert copied.lost == copied.reordered == 0
    assert 550 < copied.duplicates < 900
    (held,) = udpping.sim.heartbeat(duration="1h", up="reorder=10%,1.5s", detector="fixed:9", seed=1).peers
    assert (held.lost, held.duplicates) == (0, 0)
    assert 230 < held.reordered < 480
    (cut,) = udpping.sim.heartbeat(duration="1h", up="truncate=10%,3", detector="fixed:30", seed=1).peers
    assert 250 < cut.lost < 470
    seen = udpping.sim.heartbeat(duration="1h", up="schedule=10m-11m", detector="fixed:9", seed=1)
    assert [event.event for event in seen.events if event.event in {"down", "up"}][-2:] == ["down", "up"]
    with pytest.raises(udpping.errors.ConfigError, match="they are the same"):
        udpping.sim.heartbeat(up="loss=5%", loss="5%")
