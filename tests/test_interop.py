"""Our server and students' clients, our client and the course's server, and every known form of reply."""

from __future__ import annotations

import contextlib
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import log_marks, marks, statuses
from udpping.testing import FarEnd, Received, Reply

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.python

PEERS = Path(__file__).parent / "peers"
SECONDS = 60
SEED, LOST = 29, ".x....x..."  # what random.seed makes of the first ten packets
TIMEOUT = 2.0


@contextlib.contextmanager
def course_server(host: str = "") -> Generator[int]:
    """Start the course's server as a student does: with the plain interpreter. Gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-I", PEERS / "course_server.py", host, str(SEED)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def client(
    name: str, server: udpping.Server, keys: str = "", timeout: float = TIMEOUT
) -> tuple[int, str, str]:
    """Let a student's client ping a server: exit code, output, errors."""
    host, port = server.address
    done = subprocess.run(
        [sys.executable, "-I", PEERS / name, host, str(port), str(timeout)],
        input=keys,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_ping_sees_what_the_course_s_server_drops() -> None:
    with course_server() as port:
        run = udpping.ping("127.0.0.1", port, count=10, timeout=TIMEOUT, linger=0)
    assert marks(run) == LOST
    answered = [row for row in run if row.status == "reply"]
    assert all(row.reply and row.reply.startswith(b"PING %d " % row.seq) for row in answered)
    assert {row.match for row in answered} == {"seq"}
    assert run.summary.foreign == 0


def test_ping_many_and_pinger_work_with_it_too() -> None:
    with course_server() as port:
        run = udpping.ping_many([("127.0.0.1", port)], count=5, timeout=TIMEOUT, linger=0)
        rest = list(udpping.Pinger("127.0.0.1", port, count=5, timeout=TIMEOUT, linger=0))
    assert marks(run) + "".join("x" if row.status == "timeout" else "." for row in rest) == LOST


def test_the_course_s_server_with_our_open_schedule_loses_the_same() -> None:
    with course_server("127.0.0.1") as port:
        run = udpping.ping("127.0.0.1", port, count=10, interval=0.01, timeout=3, linger=0)
    assert marks(run) == LOST


def test_the_first_client_sees_what_our_server_drops() -> None:
    with udpping.Server(port=0, loss="randint:0,10,4", seed=SEED, record=True) as server:
        code, output, errors = client("first_client.py", server)
    assert (code, errors) == (0, "")
    told = [line.split(": ", 1)[1] for line in output.splitlines()]
    assert "".join("." if line.startswith("Reply from 127.0.0.1 RTT=0.") else "x" for line in told) == LOST
    assert told.count("Requeset timed out") == LOST.count("x")
    assert log_marks(server) == LOST
    assert [row.seq for row in server.log] == list(range(1, 11))


def test_the_second_client_gets_its_date_in_capitals() -> None:
    """It asks for Enter again after each run, and ends with an error when there is nobody to press it."""
    with udpping.Server(port=0, loss="pattern:..x.......", record=True) as server:
        code, output, errors = client("second_client.py", server, "\n")
    assert code == 1
    assert "EOFError" in errors
    sent = re.findall(r"^Sent (.*)$", output, re.MULTILINE)
    received = re.findall(r"^Received b'(.*)'$", output, re.MULTILINE)
    assert len(sent) == 10
    assert received == [text.upper() for text in sent if not text.startswith("Ping 3 ")]
    assert "#3 Requested Timed out" in output
    assert "Packet Loss: 10%" in output
    assert [row.seq for row in server.log] == list(range(1, 11))


def test_the_second_client_tells_when_all_is_lost() -> None:
    with udpping.Server(port=0, loss=1) as server:
        _, output, _ = client("second_client.py", server, "\n", timeout=0.3)
    assert "Server Is Down: No packets received" in output
    assert server.counters.dropped == 10


def test_the_third_client_s_statistics_are_the_server_s() -> None:
    """Its shutdown of an unconnected socket fails on Linux, after everything has been told."""
    with udpping.Server(port=0, loss="randint:0,10,4", seed=SEED, record=True) as server:
        code, output, errors = client("third_client.py", server)
    assert code == 1
    assert "not connected" in errors
    replies = re.findall(r"^Reply from 127\.0\.0\.1, address: (.*): (PING \d+ [\d.]+)$", output, re.MULTILINE)
    assert [source for source, _ in replies] == [str(server.address)] * LOST.count(".")
    assert output.count("Request timed out") == LOST.count("x")
    assert "Packets: Sent = 10, Received = 8, Lost = 2 (20.0% packet loss)" in output
    assert log_marks(server) == LOST


# Every form of reply known from course work. {seq} and {next} are numbers, {time} is the text in the ping.
FORMS = {
    "upper": ("{upper}", "seq"),
    "same": ("{text}", "seq"),
    "padded to 512": ("{text:\0<512}", "seq"),
    "padded to 1024": ("{upper:\0<1024}", "seq"),
    "newline": ("{text}\n", "seq"),
    "carriage return": ("{upper}\r\n", "seq"),
    "space": ("{text} ", "seq"),
    "address in front": ("127.0.0.1:12000 {text}", "seq"),
    "words in front": ("Server says: {upper}", "seq"),
    "OK behind": ("{text} OK", "seq"),
    "pong": ("pong", "unverified"),
    "pong with number": ("pong {seq} {time}", "seq"),
    "echo": ("echo,{seq},2022-11-10 12:00:00.123456", "seq"),
    "zero difference": ("{seq} 0.0", "seq"),
    "six decimals": ("{seq} 0.003571", "seq"),
    "negative difference": ("{seq} -2.5680248737335205", "seq"),
    "in words": ("Seq: {seq}, Time Difference: 0.000123 seconds", "seq"),
    "signed": ("Reply {seq} 1.5 1.6 d41d8cd98f00b204e9800998ecf8427e\n", "seq"),
    "PINGECHO": ("PINGECHO {seq} {time} secret\r\n", "seq"),
    "JSON": ('{{"seq_num": {seq}, "message": "PING"}}', "seq"),
    "two integers": ("{pair}", "seq"),
    "64 bits": ("{wide}", "seq"),
    "received": ("received", "unverified"),
    "ok": ("ok", "unverified"),
    "empty": ("", "unverified"),
    "one more": ("{next} 1700000000 123456", "unverified"),
    "the time alone": ("{time}", "payload"),
}


def filled(form: str, seq: int, request: bytes) -> bytes:
    text = request.decode()
    binary = {"pair": struct.pack("!ii", 2, seq), "wide": struct.pack("!Q", seq)}
    fields = {name: value.decode("latin-1") for name, value in binary.items()}
    words = form.format(seq=seq, next=seq + 1, text=text, upper=text.upper(), time=text.split()[2], **fields)
    return words.encode("latin-1")


@pytest.mark.parametrize(("form", "match"), FORMS.values(), ids=FORMS)
def test_every_form_of_reply_is_credited_to_its_ping(form: str, match: str) -> None:
    with FarEnd(lambda ping: Reply(filled(form, ping.number, ping.payload))) as far:
        run = udpping.ping(*far.address, count=4, timeout=5)
        expected = [filled(form, row.seq, far.received[row.seq - 1].payload) for row in run]
    assert statuses(run) == ["reply"] * 4
    assert [row.match for row in run] == [match] * 4
    assert [row.reply for row in run] == expected
    assert [row.copies for row in run] == [1] * 4
    assert run.summary.unverified == (4 if match == "unverified" else 0)
    assert (run.summary.unmatched, run.summary.duplicates) == (0, 0)


@pytest.mark.parametrize("form", [form for form, match in FORMS.values() if match == "seq"], ids=repr)
def test_a_late_reply_of_any_form_with_a_number_shifts_nothing(form: str) -> None:
    """Students' clients credit it to the next ping, and every reply after it one too far."""
    waiting: list[Reply] = []

    def script(ping: Received) -> list[Reply]:
        waiting.append(Reply(filled(form, ping.number, ping.payload)))
        # The first is answered when the second has come, which is after the timeout.
        return [] if ping.number == 1 else waiting if ping.number == 2 else waiting[2:]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=3, timeout=2)
    assert statuses(run) == ["late", "reply", "reply"]
    assert [row.copies for row in run] == [1, 1, 1]
    assert run.summary.duplicates == 0


def test_a_server_that_never_answers_is_a_timeout_each() -> None:
    with udpping.Server(port=0, loss=1) as server:
        run = udpping.ping(*server.address, count=3, timeout=0.1)
    assert statuses(run) == ["timeout"] * 3
