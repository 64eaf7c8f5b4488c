"""`udpping relay`: what it says when it starts, while it runs, and at its end."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import udpping
from common import call
from udpping.cli.relay import round_trip

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]


def relay(start: Start, *words: object) -> subprocess.Popen[str]:
    return start("-m", "udpping", "relay", *map(str, words))


def line_of(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    record: dict[str, object] = json.loads(process.stdout.readline())
    return record


def test_the_first_lines_say_each_direction_and_the_round_trip(start: Start) -> None:
    with udpping.Server(port=0) as server:
        to = f"127.0.0.1:{server.address[1]}"
        process = relay(
            start, "--to", to, "--loss", "5%", "--delay", "40ms", "--up", "rate=1Mbit/s", "--seed", 1
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(7)]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert lines[0].startswith("listening on 127.0.0.1, UDP port ")
    assert lines[0].endswith(f", for {to}; programs on this machine can use it")
    assert lines[1:5] == [
        "up, towards the target: loss=0.05; delay=40ms; rate=1Mbit/s",
        "down, towards clients:  loss=0.05; delay=40ms",
        "lost are 5 % each way: 9.75 % of round trips; +80 ms, beside what rate does",
        "seed 1",
    ]
    assert lines[5].startswith("clients send to:        127.0.0.1:")
    assert "up: 0 received, 0 sent, 0 dropped on purpose\ndown: 0 received" in rest
    assert process.returncode == 0


def test_its_records_have_the_counters_of_each_direction_also_when_asked(start: Start) -> None:
    with udpping.Server(port=0) as server:
        process = relay(start, "--to", f"127.0.0.1:{server.address[1]}", "--up", "loss=list:2", "--json")
        first = line_of(process)
        assert (first["type"], first["up"], first["down"]) == ("start", "loss=list:2", "")
        run = udpping.ping(str(first["client"]), count=3, timeout=3, linger=0)
        assert run.summary.lost == 1
        process.send_signal(signal.SIGUSR1)
        asked, achieved = line_of(process), line_of(process)
        process.send_signal(signal.SIGTERM)
        end, achieved_at_end = line_of(process), line_of(process)
        assert process.wait(60) == 0
    assert (achieved["type"], achieved["direction"], achieved["effect"]) == ("achieved", "up", "loss")
    assert (achieved["hits"], achieved["of"], achieved["asked"]) == (1, 3, None)
    assert achieved_at_end == achieved
    for record in (asked, end):
        assert record["type"] == "counters"
        assert record["up"]["received"] == 3  # type: ignore[index]
        assert record["up"]["dropped"] == 1  # type: ignore[index]
        assert record["down"]["sent"] == 2  # type: ignore[index]


def test_asked_and_achieved_are_said_when_asked_and_at_the_end(start: Start) -> None:
    ways = ("--up", "loss=20%; first=10; delay=1ms", "--down", "mtu=1000; loss=1%")
    with udpping.Server(port=0) as server:
        process = relay(start, "--to", f"127.0.0.1:{server.address[1]}", *ways, "--seed", 1)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(7)]
        place = lines[5].split()[3].removesuffix(",")
        run = udpping.ping(place, count=200, interval=0.001, timeout=3, linger=0)
        process.send_signal(signal.SIGUSR1)
        asked = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert run.summary.sent == 200
    said = r"^(\w+ loss): ([\d.]+)% asked, (\d+) of (\d+) \(([\d.]+)%, 95 %: ([\d.]+)% to ([\d.]+)%\)$"
    for text in ("".join(asked), rest):
        (way, wanted, lost, of, share, low, high), down = re.findall(said, text, re.MULTILINE)
        assert (way, float(wanted), int(of)) == ("up loss", 20, 190)
        assert abs(float(share) - int(lost) / 1.9) < 1e-3
        assert 10 < float(low) < float(share) < float(high) < 33
        assert (down[0], float(down[1]), int(down[3])) == ("down loss", 1, 200 - int(lost))
        assert f"down mtu: 0 of {200 - int(lost) - int(down[2])} (0.000%" in text


def test_the_round_trip_names_what_else_loses_or_delays() -> None:
    for key, value in (
        ("jitter", "uniform:0ms,9ms"),
        ("reorder", "5%,10ms"),
        ("mtu", "500"),
        ("rate", "1Mbit/s"),
        ("schedule", "1s-2s"),
    ):
        told = f"nothing is lost or delayed, beside what {key} does"
        assert round_trip(f"{key}={value}", "") == round_trip("", f"{key}={value}") == told
    assert round_trip("delay=1ms; match=length=9", "first=2") == "+1 ms, only where first and match say so"
    assert round_trip("corrupt=5%; match=length=9", "") == "nothing is lost or delayed"
    assert round_trip("corrupt=5%; duplicate=5%; truncate=9", "") == "nothing is lost or delayed"


def test_who_can_use_it_is_said_where_it_is_not_this_machine_alone(start: Start, free_port: int) -> None:
    process = relay(start, "--listen", f"0.0.0.0:{free_port}", "--to", "127.0.0.1:9")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert first.startswith(f"listening on every IPv4 interface, UDP port {free_port}, for 127.0.0.1:9;")
    assert "everybody who can reach this address can use it" in first


def test_what_cannot_be_used_is_named_as_it_was_typed() -> None:
    for words, error in (
        ([], "--to is missing"),
        (["--to", "h:0"], "--to 'h:0' is not usable: expected a port from 1"),
        (["--to", "127.0.0.1"], """--to '127.0.0.1' is not usable: expected "host:port\""""),
        (["--to", "127.0.0.1:9", "--loss", "2"], '--loss "2" is not usable'),
        (["--to", "127.0.0.1:9", "--up", "los=5%"], '--up: link "los" is not usable'),
        (["--to", "127.0.0.1:9", "--listen", "a:b"], "--listen 'a:b' is not usable: expected :PORT"),
        (["--to", "127.0.0.1:9", "--listen", "5300"], "--listen '5300' is not usable: expected :PORT"),
        (["--to", "127.0.0.1:9", "--listen", ":99999"], "--listen ':99999' is not usable: expected :PORT"),
        (["--to", "127.0.0.1:9", "--idle", "1ns"], "--idle '1ns' is not usable"),
        (["--to", "127.0.0.1:9", "--link", "5g"], "path '5g' is not usable"),
    ):
        done = call("relay", *words)
        assert done.returncode == 2, done
        assert error in done.stderr, done.stderr
