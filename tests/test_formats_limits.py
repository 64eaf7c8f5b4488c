"""Files made to take long: time grows as the length and no faster, memory is bounded, or they are refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import udpping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.python, pytest.mark.untimed]

PING = "PING a (192.0.2.1) 56(84) bytes of data.\n"
REPLY = "64 bytes from 192.0.2.1: icmp_seq={} ttl=64 time=1.25 ms\n"
FPING = "a : [0], 64 bytes, 1 ms (1 avg, 0% loss)\n"
WINDOWS = "Pinging a with 32 bytes of data:\nReply from ::1: time<1ms\n"
HEADER = "target,seq,status,copies,rtt_ns,ttl"
TRIP = '{"seqno": %d, "lost": "false", "delay": {"rtt": 5}}'
IRTT = '{"version": {}, "config": {"remote_address": "a"}, "stats": {}, "round_trips": [%s]}'
ROW = '{"target":"a","seq":%s,"status":"timeout","copies":0'


def after(head: str, text: str, times: int = 1) -> Callable[[int], str]:
    """Make texts that grow behind a head."""
    return lambda size: head + text * (size * times // len(text)) + "\n"


GROWING: dict[str, Callable[[int], str]] = {
    "blank lines of ping": after(PING + REPLY.format(1), "\n"),
    "blanks": after(PING + REPLY.format(1), " \t\n"),
    "carriage returns": after(PING + REPLY.format(1), "\r"),
    "replies": lambda size: PING + "".join(REPLY.format(seq % 65536) for seq in range(1, size // 50)),
    "letters": after(PING, "x"),
    "digits": after(PING, "1"),
    "beginnings of replies": after(PING, "64 bytes from "),
    "colons": after(PING + "64 bytes from ", ": "),
    "brackets": after(PING + "From a (", "b"),
    "beginnings of refusals": after(PING, "From "),
    "times": after(PING + REPLY.format(1).rstrip(), " time 1"),
    "sums": after(PING + REPLY.format(1) + "1 packets transmitted, 1 received, ", "1"),
    "sums of Windows": after(PING, "= 1, "),
    "no header": after("", "bytes from "),
    "stamps": after("", "10:00:01 "),
    "runs of ping": after("", PING + REPLY.format(1)),
    "replies of Windows": after(WINDOWS, "Reply from ::1: time<1ms\n"),
    "letters of Windows": after(WINDOWS + "Reply from ", "a"),
    "words of fping": after(FPING, "x"),
    "a word first": lambda size: "x" * size + "\n" + FPING,
    "names of fping": after(FPING, "x  : "),
    "gaps of fping": after(FPING + "x", " ", 4),
    "times of fping": after("a : -", " -"),
    "no times of fping": lambda size: "a : " + "1 " * (size // 2) + "x\n",
    "hosts of fping": lambda size: "".join(FPING.replace("a", f"h{host}") for host in range(size // 50)),
    "runs of fping": after("", FPING),
    "lines of fping's JSON": lambda size: "".join(
        f'{{"resp": {{"host": "a", "seq": {seq}, "rtt": 0.25}}}}\n' for seq in range(size // 50)
    ),
    "round trips": lambda size: IRTT % ", ".join(TRIP % seq for seq in range(size // 50)),
    "runs of irtt": lambda size: "".join(
        (IRTT % (TRIP % 1)).replace('"a"', f'"a{run}"') + "\n" for run in range(size // 130)
    ),
    "beginnings of irtt": lambda size: '{"version":\n' * (size // 12) + IRTT % (TRIP % 1),
    "nested lists": after('{"version": ', "["),
    "nested objects": after('{"version": ', '{"a":'),
    "columns": lambda size: HEADER + "".join(f",c{column}" for column in range(size // 6)) + "\n",
    "rows": lambda size: HEADER + "\n" + "".join(f"a,{seq},reply,1,5,64\n" for seq in range(size // 18)),
    "targets": lambda size: (
        HEADER + "\n" + "".join(f"h{host},1,reply,1,5,64\n" for host in range(size // 18))
    ),
    "quotes": after(HEADER + '\n"', '""'),
    "commas": after(HEADER + "\n", ","),
    "metadata": after('# udpping: {"a": "', "x"),
    "nested metadata": after("# udpping: ", "["),
    "runs of CSV": lambda size: "".join(f"{HEADER}\na,{seq},timeout,0,,\n" for seq in range(size // 60)),
    "members": lambda size: ROW % 1 + "".join(f',"c{member}":1' for member in range(size // 9)) + "}\n",
    "rows of JSON": lambda size: "".join(ROW % seq + "}\n" for seq in range(size // 60)),
    "nested JSON": after('{"target":', "["),
    "text without an end": after('{"target":"', "a"),
    "digits of JSON": after(ROW % "", "9"),
    "starts": after("", '{"schema": 1, "type": "start", "target": "a"}\n'),
    "nothing": after("", "x : y\n"),
}


def seconds(text: str) -> float:
    """Measure what it takes of the processor, of which other programs take nothing."""
    begin = time.process_time()
    with contextlib.suppress(udpping.ConfigError):
        udpping.load(text)
    return time.process_time() - begin


@pytest.mark.parametrize("form", GROWING)
def test_time_grows_with_the_length_and_no_faster(form: str) -> None:
    """What is eight times as long would take 64 times as long in a reader that goes back each time."""
    short, long = GROWING[form](25_000), GROWING[form](200_000)
    seconds(short)
    # The slower of the short ones and the fastest of the long ones: a busy cache does not matter.
    assert min(seconds(long) for _ in range(2)) < 0.05 + 30 * max(seconds(short) for _ in range(3))


def test_the_cases_that_took_long() -> None:
    """They took 17.5 and 5.3 seconds."""
    assert seconds(PING + "\n" * 80_000 + REPLY.format(1)) < 2
    assert seconds(FPING + "x" * 40_000 + "\n") < 2


def test_silent_pings_are_bounded_for_a_file_and_not_for_each_target() -> None:
    text = "".join(f"h{host} : xmt/rcv/%loss = 999999/0/100%\n" for host in range(10))
    assert len(text) < 560
    with pytest.raises(
        udpping.ConfigError, match=r"9999990 pings of which no line speaks .* at most 1000000"
    ):
        udpping.load(text)


@pytest.mark.parametrize("way", ["path", "bytes", "file"])
@pytest.mark.parametrize("what", ["\0", "\n", PING + "\n" * 1000, f"{HEADER}\n"])
def test_what_unpacks_to_far_more_is_refused_early(what: str, way: str, tmp_path: Path) -> None:
    size = 200 * 2**20
    packed = gzip.compress((what * (2**20 // len(what)) + what[: 2**20 % len(what)]).encode()) * (
        size // 2**20
    )
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed)
    given: Any = {"path": path, "bytes": packed, "file": io.BytesIO(packed)}[way]
    with pytest.raises(udpping.ConfigError, match=r"unpacks to at most 100 times its size|begins"):
        udpping.load(given)


MEASURE = """
import resource, sys, udpping
udpping.load({small!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    udpping.load(sys.argv[1])
except udpping.ConfigError as error:
    print(error, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def peak(path: Path) -> tuple[int, str]:
    """Read a file in a process of its own; return the bytes that this took, and the error."""
    program = MEASURE.format(small=PING + REPLY.format(1))
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    return 1024 * int(done.stdout), done.stderr


def test_a_bomb_takes_no_more_memory_than_it_may_unpack_to(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress((PING + "\n" * 2**28).encode(), mtime=0))
    assert path.stat().st_size < 2**19
    taken, error = peak(path)
    assert "unpacks to at most 100 times its size" in error
    assert taken < 200 * 2**20


@pytest.mark.parametrize(
    "form", ["replies", "replies of Windows", "round trips", "commas", "rows", "members"]
)
def test_memory_is_a_stated_multiple_of_the_length(form: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(GROWING[form](2_000_000), encoding="utf-8")
    taken, error = peak(path)
    assert (error == "") == (form != "commas")
    pings = 0 if error else len(udpping.load(path))
    assert taken < 35 * path.stat().st_size + 600 * pings + 2**24


def test_rows_of_parquet_are_counted_before_they_are_read(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    one = pa.table(udpping.sim.ping(count=1, loss=1))
    rows = 3_000_000
    table = pa.table(
        {name: pa.repeat(one[name].combine_chunks()[0], rows) for name in ("run", "status", "copies", "seq")}
        | {"target": pa.repeat(pa.scalar("a"), rows)}
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < rows // 8
    taken, error = peak(path)
    assert "expected at most" in error
    assert f"rows in {path.stat().st_size} bytes, not {rows}" in error
    assert taken < 2**27


def test_a_metadata_comment_may_be_long_and_is_shown_short() -> None:
    told = {"settings": {"a": "x" * 100_000}, "rows": 0, "summary": {"a": "x"}, "summaries": []}
    with pytest.raises(udpping.ConfigError) as error:
        udpping.load(f"# udpping: {json.dumps(told)}\n{HEADER}\n")
    assert len(str(error.value)) < 300
