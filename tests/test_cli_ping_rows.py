"""`udpping ping`: the options of ping and fping, its rows, and several hosts."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING

import pytest
import udpping
from common import call, records, udp_socket
from udpping._console import hosts
from udpping.cli._output import Report
from udpping.cli._ping_lines import Interim, Lines
from udpping.testing import FarEnd, Received, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]

QUICK = "-c", "2", "-i", "20ms"
ONE = "-c", "1", "-W", "20s"
PATIENT = "-W", "3s", "-l", "0"


@pytest.fixture
def echo() -> Iterator[str]:
    """Give the address of a server that answers."""
    with udpping.Server("127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.address[1]}"


@pytest.fixture
def slow() -> Iterator[str]:
    """Give the address of a server whose replies are late."""
    with udpping.Server("127.0.0.1", 0, delay="200ms") as server:
        yield f"127.0.0.1:{server.address[1]}"


def rows(*words: object) -> list[str]:
    """Return the rows that a run prints, with N for lengths and times."""
    done = call("ping", *words)
    assert done.stderr == ""
    lines = done.stdout.partition("\n")[2].partition("\n\n")[0].splitlines()
    return [re.sub(r"\d+ bytes", "N bytes", re.sub(r"time=\d+\.\d{3} ", "time=N ", line)) for line in lines]


def test_a_row_looks_as_that_of_ping(echo: str) -> None:
    port = echo.partition(":")[2]
    assert rows(echo, *ONE) == [f"N bytes from {echo}: seq=1 ttl=64 time=N ms"]
    name = f"localhost:{port}"
    assert rows(name, *ONE, "-4") == [f"N bytes from {name} (127.0.0.1): seq=1 ttl=64 time=N ms"]
    assert rows(name, *ONE, "-4", "-n") == [f"N bytes from {echo}: seq=1 ttl=64 time=N ms"]


def test_the_payload_is_printed_on_demand(echo: str) -> None:
    (row,) = rows(echo, *ONE, "-v")
    assert re.fullmatch(rf"N bytes from {echo}: seq=1 ttl=64 time=N ms  PING 1 \d+\.\d+", row)


def test_a_time_is_that_at_which_the_ping_was_settled(start: Start, slow: str) -> None:
    before = dt.datetime.now(dt.UTC)
    process = start("-m", "udpping", "ping", slow, "-c", "1", "-W", "50ms", "-l", "1h", "-D")
    assert process.stdout is not None
    _, *found = (process.stdout.readline() for _ in range(3))
    after = dt.datetime.now(dt.UTC)
    told = [row.partition("] ")[2].partition(" time=")[0].rstrip() for row in found]
    assert told[0] == f"no reply from {slow} within 0.05 s: seq=1"
    assert re.fullmatch(rf"late reply: \d+ bytes from {slow}: seq=1 ttl=64", told[1])
    timeout, late = (dt.datetime.fromisoformat(row[1:].partition("]")[0]) for row in found)
    assert timeout.tzinfo is not None
    assert before < timeout < late < after
    assert late - timeout >= dt.timedelta(milliseconds=149)


def test_a_refusal_names_who_reports_it(free_port: int) -> None:
    place = f"127.0.0.1:{free_port}"
    assert rows(place, *ONE) == [f"{place} is unreachable, as 127.0.0.1 reports: seq=1"]


def test_a_second_reply_is_marked_as_ping_does() -> None:
    with udp_socket() as twice:
        twice.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{twice.getsockname()[1]}"
        command = [sys.executable, "-m", "udpping", "ping", place, *QUICK, "-W", "1m"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for replies in (2, 1):
                datagram, client = twice.recvfrom(2048)
                for _ in range(replies):
                    twice.sendto(datagram, client)
            out = process.communicate(timeout=60)[0]
    found = [line.partition(" ms")[2] for line in out.splitlines() if "time=" in line]
    assert found == ["", " (DUP!)", ""]


def test_several_hosts_have_a_line_each_and_one_for_all(echo: str, deaf: str) -> None:
    done = call("ping", echo, *QUICK, deaf, *PATIENT)
    assert done.returncode == 1
    begin, _, sums = done.stdout.partition("\n\n")
    assert begin.startswith(f"PING {echo}, {deaf}\n")
    each, _, total = sums.partition("\n\n")
    first, second = each.splitlines()
    assert re.fullmatch(rf"{echo} +: xmt/rcv/%loss = 2/2/0%, min/avg/max = [\d.]+/[\d.]+/[\d.]+", first)
    assert re.fullmatch(rf"{deaf} +: xmt/rcv/%loss = 2/0/100%", second)
    assert total.startswith(f"--- {echo}, {deaf} ---\n4 sent, 2 received in time, 2 of 4 lost (50.0 %;")
    assert call("ping", echo, *QUICK, echo.replace("127.0.0.1", "127.0.0.2"), "-q").returncode == 1


def test_two_names_of_one_host_are_both_pinged(echo: str) -> None:
    """As in fping: a list of hosts has such names, and each is a line of the report."""
    port = echo.rpartition(":")[2]
    done = call("ping", "-4", f"127.0.0.1:{port}", f"localhost:{port}", "-c", 2, "-i", "50ms", "-W", "20s")
    sums = re.findall(r"^(\S+):\d+ +: xmt/rcv/%loss = 2/2/0%", done.stdout, re.MULTILINE)
    assert (done.returncode, done.stderr, sums) == (0, "", ["127.0.0.1", "localhost"])


def test_one_bad_host_ends_no_other(echo: str) -> None:
    done = call("ping", "no..such..host", echo, *QUICK, *PATIENT)
    assert done.returncode == 1
    assert "not sent to no..such..host:12000: seq=2\n" in done.stdout
    assert 'not sent to no..such..host:12000: cannot find host "no..such..host"' in done.stdout
    assert re.search(f"^{echo} +: xmt/rcv/%loss = 2/2/0%", done.stdout, re.MULTILINE)


def test_the_records_of_several_hosts_can_be_loaded(echo: str, deaf: str) -> None:
    done = call("ping", deaf, echo, *QUICK, *PATIENT, "--json")
    found = records(done.stdout)
    kinds = ["start", "start", *["ping"] * 4, "summary", "summary", "total"]
    assert [record["type"] for record in found] == kinds
    assert [record["target"] for record in found if record["type"] in {"start", "summary"}] == [
        deaf,
        echo,
    ] * 2
    assert (found[-1]["sent"], found[-1]["received"]) == (4, 2)
    run = udpping.load(done.stdout.encode())
    assert run.targets == (deaf, echo)
    assert (run.summary.sent, run.summary.received, run.summary.foreign) == (4, 2, 0)
    again = call("ping", deaf, *QUICK, "-W", "100ms", "--json").stdout
    both = udpping.load((done.stdout + again).encode())
    assert (both.summary.sent, both.summary.foreign) == (6, None)


def test_a_summary_that_was_asked_for_counts_once(start: Start) -> None:
    asked = threading.Event()

    def answer(ping: Received) -> Reply:
        # The last one only when the summary so far is there.
        if ping.number == 20:
            asked.wait(60)
        return Reply()

    with FarEnd(answer) as far:
        place = f"127.0.0.1:{far.address[1]}"
        process = start("-m", "udpping", "ping", place, "-c", "20", "-i", "50ms", "-W", "1m", "--json")
        assert process.stdout is not None
        head = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGUSR1)
        while '"type": "summary"' not in head[-1]:
            head.append(process.stdout.readline())
        asked.set()
        text = "".join(head) + process.communicate(timeout=120)[0]
    assert text.count('"type": "summary"') == 2
    assert udpping.load(text.encode()).summary.sent == 20


def test_text_for_people_is_refused_by_its_name(slow: str) -> None:
    text = call("ping", slow, *QUICK, "-W", "100ms", "-l", "3s", "-D").stdout
    name = text.replace(slow, f"localhost:{slow.partition(':')[2]} (127.0.0.1)")
    for part in (text, *text.splitlines(keepends=True)[1:4], *name.splitlines(keepends=True)[1:4]):
        with pytest.raises(udpping.ConfigError, match=r"line 1: .* for people; use udpping ping --json"):
            udpping.load((part + "\n").encode(), format="ping")


def test_hosts_come_from_a_file_or_standard_input(tmp_path: Path, echo: str, deaf: str) -> None:
    path = tmp_path / "hosts"
    path.write_text(f"\ufeff# those of mine\n\n  {echo} # the near one\n{deaf}\n", encoding="utf-8")
    done = call("ping", "--targets", path, *QUICK, "-W", "100ms", "-q", "--json")
    assert [each["target"] for each in records(done.stdout) if each["type"] == "start"] == [echo, deaf]
    command = [sys.executable, "-m", "udpping", "ping", "--targets", "-", *QUICK, "-q"]
    done = subprocess.run(command, input=echo, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith(f"PING {echo}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\nb:0\n", "{path}, line 2: target 'b:0' is not usable: expected a port from 1 to 65535"),
        ("a\nb c\n", "{path}, line 2: target 'b c' is not usable: expected one HOST or HOST:PORT"),
        (
            "a\n\na:12000 # again\n",
            "{path}, line 3: target 'a:12000' is not usable: expected each host once; it is in {path}, line",
        ),
        ("# n\xb2\na\xff\n", "{path}, line 2: target b'a\\xff' is not usable: expected text in UTF-8"),
        ("# none\n", "{path} is not usable: expected a host in a line"),
        (None, "cannot read {path}: No such file or directory"),
    ],
)
def test_a_bad_line_of_a_file_is_named(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "hosts"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    done = call("ping", "--targets", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told.format(path=path) in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("-t 3 localhost", "-t takes no number here: it pings until Ctrl-C; for at most 3 hops, as"),
        ("localhost -ft3", "-t takes no number here: it pings until Ctrl-C; for at most 3 hops, as"),
        ("-n 5 localhost", "-n takes no number here: it prints addresses without names; for 5 pings, as"),
        ("-f 7 localhost", "target '7' is not usable: expected a name or an IP address; does the option"),
        ("-f /etc/hosts", "-f takes no file here; for the hosts in /etc/hosts, use --targets;"),
        ("-t -c 3 localhost", "-c/--count cannot be used with -t/--forever;"),
        ("localhost localhost", "target 'localhost' is not usable: expected each host once"),
        ("a b --profile book", "--profile pings one HOST;"),
    ],
)
def test_a_number_of_another_ping_is_no_host(words: str, told: str) -> None:
    done = call("ping", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"udpping ping: {told}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "255.255.255.255",
            "host 255.255.255.255 is not usable: expected -b for this broadcast address, where",
        ),
        (
            "localhost --schedule pair -f",
            '--schedule "pair" is not usable: expected -i 10ms as well; without an interval each ping waits',
        ),
    ],
)
def test_an_error_says_what_to_type(words: str, told: str) -> None:
    done = call("ping", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"udpping ping: {told}")


def test_what_a_shell_would_take_for_a_pattern_is_quoted() -> None:
    assert hosts.typed("ping", "fd00::2", 12050) == "udpping ping '[fd00::2]:12050'"
    assert hosts.typed("ping", "192.0.2.7", 12050) == "udpping ping 192.0.2.7:12050"
    number, name = socket.if_nameindex()[0]
    assert hosts.typed("ping", f"fe80::1%{number}", 7) == f"udpping ping '[fe80::1%{name}]:7'"
    assert hosts.with_zone_name(f"[fe80::1%{number}]:7") == f"[fe80::1%{name}]:7"
    assert hosts.whereabouts((f"fe80::1%{number}", 7)) == f"listening on fe80::1%{name}, UDP port 7"


def test_interim_lines_are_those_of_fping(echo: str, deaf: str) -> None:
    done = call("ping", echo, deaf, "-c", 20, "-i", "50ms", *PATIENT, "-Q", "300ms")
    begin, _, sums = done.stdout.partition("\n\n")
    lines = begin.splitlines()[1:]
    assert len(lines) >= 6
    assert len(lines) % 3 == 0
    sent = {echo: 0, deaf: 0}
    for stamp, *each in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert dt.datetime.fromisoformat(stamp[1:-1]).tzinfo is not None
        for place, line in zip((echo, deaf), each, strict=True):
            found = re.fullmatch(rf"{place} +: xmt/rcv/%loss = (\d+)/(\d+)/\d+%(, min/avg/max = .*)?", line)
            assert found is not None
            assert (int(found[2]) > 0) == (found[3] is not None)
            sent[place] += int(found[1])
    assert all(0 < count <= 20 for count in sent.values())
    assert "xmt/rcv/%loss = 20/20/0%, min" in sums


def test_interim_lines_of_less_than_a_second_have_times_of_their_own(echo: str) -> None:
    done = call("ping", echo, "-c", 50, "-i", "50ms", "-W", "20s", "-Q", "0.1")
    stamps = re.findall(r"^\[(.*)\]$", done.stdout, re.MULTILINE)
    assert len(set(stamps)) == len(stamps) >= 3


@pytest.mark.untimed
def test_an_interim_line_counts_the_replies_of_which_it_has_round_trips(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = udpping.sim.ping(count=3, delay="2ms")
    interim = Interim(Lines(Report(json=False), 1.0), 1.0)
    interim.print([run.summary])
    for row in run:
        interim.add(row)
    interim.print([run.summary])
    _, first, _, second = capsys.readouterr().out.splitlines()
    assert first.endswith(": xmt/rcv/%loss = 3/0/100%")
    assert second.endswith(": xmt/rcv/%loss = 0/3/0%, min/avg/max = 2.000/2.000/2.000")


@pytest.mark.untimed
def test_interim_lines_that_were_missed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    interim = Interim(Lines(Report(json=False), 1.0), 0.1)
    printed: list[float] = []
    for tenths in (1, 2, 2.9, 3, 9.4, 9.5, 10, 11.9, 12, 13):
        now = tenths / 10 + 1e-6
        if interim.is_due:
            interim.print([])
            printed.append(tenths)
    assert printed == [1, 2, 3, 9.4, 10, 11.9, 13]


def test_a_median_without_the_rows_is_said_to_be_about_right(echo: str) -> None:
    known, about = (
        call("ping", echo, way, n, "-i", "10ms", "-W", "20s", "-q") for way, n in (("-c", 3), ("-w", "2s"))
    )
    assert known.stdout.endswith(" ms\n")
    assert about.stdout.endswith(" ms (the median to about 1 %)\n")


def test_interim_records_have_the_same_numbers(echo: str) -> None:
    found = records(call("ping", echo, "-c", 10, "-i", "50ms", "-W", "20s", "-Q", "100ms", "--json").stdout)
    assert found[0]["type"] == "start"
    assert [record["type"] for record in found[1:]] == ["interim"] * (len(found) - 2) + ["summary"]
    for record in found[1:-1]:
        assert record["target"] == echo
        assert (record["rtt_avg_ns"] is None) == (record["received"] == 0)
    assert sum(record["sent"] for record in found[1:-1]) <= found[-1]["sent"] == 10


def on_a_terminal_of(columns: int, *words: object) -> list[str]:
    here, there = os.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "udpping", *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment):
        os.close(there)
        text = b""
        try:
            while piece := os.read(here, 65_536):
                text += piece
        except OSError:  # how Linux says that the other end is closed
            os.close(here)
    return re.sub("\x1b\\[\\d+m", "", text.decode()).splitlines()


# 64 columns have the longest options that exclude each other, which argparse breaks in Python 3.13 only.
@pytest.mark.parametrize("columns", [64, 80, 120])
def test_what_is_printed_fits_the_terminal(columns: int, echo: str, deaf: str) -> None:
    lines = on_a_terminal_of(columns, "ping", echo, *ONE, "-v", "-s", 300)
    lines += on_a_terminal_of(columns, "ping", deaf, *QUICK, "-W", "50ms")
    lines += on_a_terminal_of(columns, "ping", "--help")
    assert not [line for line in lines if len(line) > columns]
    assert any(line.endswith("...") for line in lines)
