"""Forms in which people have the output of other programs: each is read, or its real cause is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import udpping

pytestmark = [pytest.mark.python, pytest.mark.untimed]

DATA = Path(__file__).parent / "data"
PING = "PING a (192.0.2.1) 56(84) bytes of data.\n"
REPLY = "64 bytes from 192.0.2.1: icmp_seq={} ttl=64 time=1.25 ms\n"
SUMS = "\n--- a ping statistics ---\n{} packets transmitted, {} received, {}% packet loss, time 9ms\n"
WINDOWS = "Pinging a [192.0.2.1] with 32 bytes of data:\n"


def statuses(text: str) -> list[tuple[int, str]]:
    return [(row.seq, row.status) for row in udpping.load(text)]


def refused(text: str | bytes) -> str:
    with pytest.raises(udpping.ConfigError) as told:
        udpping.load(text)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_without_a_header_no_ping_is_made_up() -> None:
    reply = "64 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=27 ms\n"
    known = [(1, "timeout"), (2, "timeout"), (3, "reply")]
    sums = SUMS.format(3, 1, 66.7)
    toybox = "Ping host (192.0.2.1): 56(84) bytes.\n" + reply + sums
    assert statuses(toybox) == known
    assert udpping.load(toybox).targets == ("host",)
    assert statuses(reply + sums) == known
    assert statuses(reply) == [(3, "reply")]
    from_zero = reply.replace("=3", "=2") + "3 packets transmitted, 1 packets received, 66.7% packet loss\n"
    assert statuses(from_zero) == [(0, "timeout"), (1, "timeout"), (2, "reply")]
    # The numbers decide where only one of the two fits.
    assert statuses(from_zero.replace("=2", "=3")) == known
    assert "pings 5 to 5 of '192.0.2.1'" in refused(reply.replace("=3", "=5") + sums)


@pytest.mark.parametrize("why", ["Redirect Host(New nexthop: 192.0.2.8)", "Source Quench"])
def test_what_ends_no_ping_is_passed_over(why: str) -> None:
    told = f"From 192.0.2.9: icmp_seq=1 {why}\n"
    assert statuses(PING + told + REPLY.format(2)) == [(1, "timeout"), (2, "reply")]
    assert statuses(PING + told + REPLY.format(1)) == [(1, "reply")]
    assert statuses(PING + told + REPLY.format(1) + SUMS.format(1, 1, 0)) == [(1, "reply")]


def test_a_reply_with_a_bad_checksum_is_none() -> None:
    bad = REPLY.format(1).replace(" ms\n", " ms (BAD CHECKSUM!)\n")
    text = (
        PING + bad + REPLY.format(2) + SUMS.format(2, 1, 50).replace(" received,", " received, +1 corrupted,")
    )
    assert statuses(text) == [(1, "timeout"), (2, "reply")]


@pytest.mark.parametrize(
    ("sums", "complaint"),
    [
        (SUMS.format(3, 3, 0), "2 replies of 'a' are not usable where 3 came"),
        (SUMS.format(1, 2, 0), "pings 1 to 2 of 'a' are not usable where 1 were sent"),
        (SUMS.format(3, 2, 50), "expected a loss of 1 of 3"),
        (SUMS.format(3, 2, "33.3").replace("ed, 33", "ed, +1 duplicates, 33"), "0 duplicates of 'a'"),
        ("3 packets transmitted, 2 rec", "the last line is not whole"),
        ("8 packets transmited, 2 received, 0% packet loss\n", "line 4: '8 packets transmited"),
    ],
)
def test_the_sums_of_ping_are_compared(sums: str, complaint: str) -> None:
    assert complaint in refused(PING + REPLY.format(1) + REPLY.format(2) + sums)


def test_refusals_of_ping_are_counted() -> None:
    told = "From 192.0.2.9 icmp_seq={} Destination Host Unreachable\n"
    text = PING + told.format(1) + told.format(2) + SUMS.format(2, 0, 100)
    assert "expected 2 errors" in refused(text)
    run = udpping.load(text.replace("received,", "received, +2 errors,"))
    assert run.summary.unreachable == 2


def test_a_second_reply_is_a_duplicate_only_where_ping_says_so() -> None:
    twice = PING + REPLY.format(1) + REPLY.format(1)
    assert "line 3: " in refused(twice)
    assert "not marked (DUP!)" in refused(twice)
    marked = twice.removesuffix("\n") + " (DUP!)\n"
    assert [row.copies for row in udpping.load(marked)] == [2]
    assert [
        row.copies for row in udpping.load(twice[::-1].replace("1.2.0.291"[::1], "2.2.0.291", 1)[::-1])
    ] == [2]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (REPLY.format(1).replace("1.25", "30,406"), "expected a point (LC_NUMERIC=C), and not 'time=30,406'"),
        (
            REPLY.format(1).replace("time=1.25 ms", "(truncated)"),
            "(truncated): the reply was cut, and has no time",
        ),
        ("x " + REPLY.format(1), "something stands before '64 bytes from'"),
        ("> " + REPLY.format(1), "something stands before '64 bytes from'"),
        (REPLY.format(1).removesuffix("1.25 ms\n"), "the last line is not whole"),
        (REPLY.format(1).removesuffix("25 ms\n"), "the last line is not whole"),
        (REPLY.format(1).replace("64 bytes from", "64 Bytes von"), "in English (LC_ALL=C)"),
        (REPLY.format(1).replace("time=1.25 ms", "time=1.25 s"), "expected milliseconds"),
        ("no answer yet for icmp_seq=x\n", "expected what ping prints"),
    ],
)
def test_the_cause_is_told(line: str, complaint: str) -> None:
    told = refused(PING + line)
    assert "line 2: " in told
    assert complaint in told


@pytest.mark.parametrize(
    "text",
    [
        "\nAntwort von 192.0.2.1: Bytes=32 Zeit=12ms TTL=57\n",
        "Respuesta desde 192.0.2.1: bytes=32 tiempo=12ms TTL=57\n",
        "R\xe9ponse de 192.0.2.1 : octets=32 temps=12 ms TTL=57\n",
        "192.0.2.1 \u304b\u3089\u306e\u5fdc\u7b54: \u30d0\u30a4\u30c8\u6570 =32 \u6642\u9593 =12ms TTL=57\n",
        "\u041e\u0442\u0432\u0435\u0442 \u043e\u0442 192.0.2.1: \u0431=32 \u0432=12\u043c\u0441 TTL=5\n",
        "Zeit\xfcberschreitung\n    Pakete: Gesendet = 1, Empfangen = 0, Verloren = 1\n    (100% Verlust),\n",
    ],
)
def test_windows_in_other_languages_is_recognized(text: str) -> None:
    for given in (text, text.encode(), text.replace("\n", "\r\n"), text.encode("utf-16")):
        assert "this looks like ping of Windows in another language" in refused(given)
    if "\xfc" in text or "\xe9" in text:
        assert "this looks like ping of Windows in another language" in refused(text.encode("cp850"))


def test_old_iputils_and_solaris() -> None:
    old = PING + REPLY.format(1).replace("icmp_seq", "icmp_req") + SUMS.format(1, 1, 0)
    assert statuses(old) == [(1, "reply")]
    solaris = (
        "PING host: 56 data bytes\n64 bytes from host (192.0.2.1): icmp_seq=0. time=0.485 ms\n"
        "64 bytes from host (192.0.2.1): icmp_seq=1. time=1. ms\n\n----host PING Statistics----\n"
        "3 packets transmitted, 2 packets received, 33% packet loss\n"
    )
    run = udpping.load(solaris)
    assert [row.rtt_ns for row in run] == [485_000, 1_000_000, None]
    assert run.targets == ("host",)


def test_windows_tells_how_much_it_sent() -> None:
    text = WINDOWS + "Reply from 192.0.2.1: bytes=68 (sent 2000) time=11ms TTL=109\n"
    assert [(row.bytes, row.rtt_ns, row.ttl) for row in udpping.load(text)] == [(68, 11_000_000, 109)]


@pytest.mark.parametrize(
    "stamp",
    [
        "Nov 05 10:00:01 ",
        "2026-11-25T10:00:01+0100 ",
        "2026-11-25 10:00:01.123456: ",
        "[2026-11-25 10:00:01] ",
        "Tue Nov 14 22:13:20 UTC 2023: ",
        "Tue Nov 14 10:13:20 PM CET 2023 ",
        "11/25/2026 10:00:01 AM - ",
        "25.11.2026, 10:00:01 ",
        "10:00:01 ",
        "00:00:01.250000\t",
        "1795635909 ",
        "1795635909.919592 ",
        "1795635909919,",
    ],
)
def test_a_time_before_each_line_is_passed_over(stamp: str) -> None:
    texts = [
        PING + REPLY.format(1) + REPLY.format(3) + SUMS.format(3, 2, 33).lstrip(),
        (DATA / "ping_iputils_stamped.txt").read_text(),
        (DATA / "ping_iputils_v6.txt").read_text(),
        (DATA / "fping_loop.txt").read_text(),
        (DATA / "fping_stamped.txt").read_text(),
        (DATA / "fping_times.txt").read_text(),
        WINDOWS + "Reply from 192.0.2.1: bytes=32 time=11ms TTL=109\nRequest timed out.\n",
    ]
    for text in texts:
        stamped = "".join(stamp + line for line in text.splitlines(keepends=True))
        assert udpping.load(stamped) == udpping.load(text)


def test_names_of_fping_with_their_addresses() -> None:
    line = "localhost (127.0.0.1) : [{}], 64 bytes, 0.042 ms (0.042 avg, 0% loss)\n"
    run = udpping.load(line.format(0) + line.format(1) + "\nlocalhost (127.0.0.1) : xmt/rcv/%loss = 2/2/0%\n")
    assert run.targets == ("localhost (127.0.0.1)",)
    assert run.summary.received == 2


@pytest.mark.parametrize("options", [["-A", "-n"], ["-A", "-d"], ["-D"], ["-n"]])
def test_what_the_installed_fping_prints(options: list[str]) -> None:
    if shutil.which("fping") is None:
        pytest.skip("fping is not installed")
    command = ["fping", *options, "-c", "2", "-p", "20", "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"fping may not send here: {done.stderr.strip()[:80]}")
    assert udpping.load(done.stdout).summary.received == 2
    assert udpping.load(done.stdout + done.stderr).summary.received == 2


FPING = "a : [{}], 64 bytes, 0.25 ms (0.25 avg, 0% loss)\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FPING.format(0) + "\na : xmt/rcv/%loss = 2/2/0%\n", "1 replies of 'a' are not usable where 2 came"),
        (FPING.format(0) + "\na : xmt/rcv/%loss = 2/1/40%\n", "expected a loss of 1 of 2"),
        (FPING.format(0) + FPING.format(1) + "\na : xmt/rcv/%loss = 1/1/0%\n", "line 4: 2 replies of 'a'"),
        (FPING.format(0) + "a : [1], timed out (NaN avg, 50% loss)\n\na : 0.25 0.3\n", "of ping 1"),
        (FPING.format(0) + "\na : 0.26\n", "line 3: '0.26' of ping 0"),
        (FPING.format(0) + "\na : -\n", "line 3: '-' of ping 0"),
        ("[12:00:01]\na : xmt/rcv/%loss = 2/0/100%\n", "the sums of an interval (-Q)"),
        (FPING.format(0).replace("0.25 ms", "0,25 ms"), "expected a point (LC_NUMERIC=C)"),
        (FPING.format(0) + "a : [1], 64 by", "the last line is not whole"),
        (FPING.format(0) + "a [1], 64 bytes, 0.25 ms (0.25 avg, 0% loss)\n", "line 2: 'a [1], 64 bytes"),
        (FPING.format(0) + "duplicate for [0], 64 bytes, 0.25 ms\n", "line 2: 'duplicate for"),
    ],
)
def test_the_sums_of_fping_are_compared_and_causes_told(text: str, complaint: str) -> None:
    assert complaint in refused(text)


def test_duplicates_of_fping_are_not_among_the_received() -> None:
    copy = "a : duplicate for [0], 64 bytes, 0.30 ms\n"
    run = udpping.load(FPING.format(0) + copy + "\na : xmt/rcv/%loss = 1/1/0%\n")
    assert [row.copies for row in run] == [2]
    # In a loop they are, and are no other kind of line.
    loop = FPING.format(0) + 2 * FPING.format(1) + "\na : xmt/rcv/%return = 2/3/150%\n"
    assert [row.copies for row in udpping.load(loop)] == [1, 2]


def test_several_runs_in_one_file() -> None:
    one = PING + REPLY.format(1) + REPLY.format(3) + SUMS.format(3, 2, 33)
    run = udpping.load(one + one + one.replace("PING a", "PING b"))
    assert run["run"].to_list() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [(each.target, each.sent, each.lost) for each in run.summaries] == [("a", 6, 2), ("b", 3, 1)]
    assert udpping.load(run.to_csv(metadata=True)) == run
    stamped = (DATA / "ping_iputils_stamped.txt").read_text()
    later = stamped.replace("[17956359", "[17956369")
    both = udpping.load(stamped + later)
    assert len(set(both["run"].to_list())) == 2
    assert [row._replace(run=0) for row in both][:8] == [row._replace(run=0) for row in udpping.load(stamped)]
    assert list(both)[8:] == list(udpping.load(later))
    windows = WINDOWS + "Reply from 192.0.2.1: bytes=32 time=11ms TTL=109\nRequest timed out.\n"
    assert statuses(windows + windows) == 2 * [(0, "reply"), (1, "timeout")]


def test_several_runs_of_fping() -> None:
    one = FPING.format(0) + FPING.format(1)
    sums = "\na : xmt/rcv/%loss = 2/2/0%\n"
    for text in (one + sums + one + sums, one + one, "a : 0.1 -\na : 0.2 -\n"):
        run = udpping.load(text)
        assert run["run"].to_list() == [1, 1, 2, 2]
    two = one.replace("a :", "b :")
    assert udpping.load(one + two + one + two).summary.sent == 8
    # A second reply to the first ping of a loop could be the first one of another run.
    assert "may belong to either run" in refused(one + FPING.format(0) + FPING.format(2))


def irtt() -> str:
    return (DATA / "irtt.json").read_text()


def test_the_parts_of_irtt_in_any_order_and_among_text() -> None:
    run = udpping.load(irtt())
    assert udpping.load(json.dumps(json.loads(irtt()), sort_keys=True, indent=2)) == run
    assert udpping.load(json.dumps(json.loads(irtt()), sort_keys=True)) == run
    told = "[Connecting] connecting to 127.0.0.1:22113\nseq=0 rtt=125\xb5s rd=58.6\xb5s sd=66\xb5s ipdv=n/a\n"
    assert udpping.load(told + irtt() + "\nRTT   111\xb5s\n") == run
    later = irtt().replace('"start_time": "2026-11-25T19', '"start_time": "2026-11-25T20')
    both = udpping.load(irtt() + later)
    assert (both.summary.sent, both.summary.lost, both.summary.duplicates) == (30, 6, 4)
    assert len(set(both["run"].to_list())) == 2


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"packets_sent": 15', '"packets_sent": 16', "packets_sent 16 is not usable: expected 15"),
        (
            '"packets_received": 14',
            '"packets_received": 13',
            "packets_received 13 is not usable: expected 14",
        ),
        ('"rtt": 230603', '"rtt": -100', "round trip 10 (seqno 10): delay.rtt -100"),
        ('"seqno": 11', '"seqno": "11"', "round trip 11 {"),
        ('"seqno": 13,', '"seqno": 13', "line "),
    ],
)
def test_what_irtt_contradicts_is_told(old: str, new: str, complaint: str) -> None:
    assert old in irtt()
    assert complaint in refused(irtt().replace(old, new))
