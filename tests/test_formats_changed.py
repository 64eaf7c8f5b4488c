"""One thing changed in each line of each format: the right run, or one error that tells the real cause.

A change may spoil a line, or make it say something else that can be true. Then it changes at most the ping
that it is about, or who was asked: not how many pings there are, nor the sums, nor another ping.
Every way in gives the same.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.python, pytest.mark.untimed]

DATA = Path(__file__).parent / "data"
WINDOWS = """\
Pinging host.example [192.0.2.1] with 32 bytes of data:
Reply from 192.0.2.1: bytes=32 time=12ms TTL=57
Request timed out.
Reply from 192.0.2.9: Destination host unreachable.
Reply from 192.0.2.1: bytes=32 time<1ms TTL=57
Reply from 192.0.2.1: bytes=32 (sent 64) time=8ms TTL=57

Ping statistics for 192.0.2.1:
    Packets: Sent = 5, Received = 4, Lost = 1 (20% loss),
Approximate round trip times in milli-seconds:
    Minimum = 0ms, Maximum = 12ms, Average = 6ms
"""
MACOS = """\
PING host (192.0.2.1): 56 data bytes
64 bytes from 192.0.2.1: icmp_seq=0 ttl=64 time=1.000 ms
64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=2.500 ms
64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=9.500 ms (DUP!)
Request timeout for icmp_seq 3

--- host ping statistics ---
4 packets transmitted, 2 packets received, +1 duplicates, 50.0% packet loss
"""
FPING_JSON = """\
{"resp": {"host": "a", "seq": 0, "size": 64, "rtt": 0.25}}
{"resp": {"host": "a", "seq": 1, "size": 64, "rtt": 0.5}}
{"timeout": {"host": "a", "seq": 2}}
{"summary": {"host": "a", "xmt": 3, "rcv": 2, "loss": 33}}
"""


def texts() -> dict[str, str]:
    run = udpping.sim.ping(count=5, loss="pattern:.x", delay="2.5ms", seed=1)
    files = {
        path.name: path.read_text(encoding="utf-8")
        for path in DATA.iterdir()
        if path.suffix == ".txt" and "unreachable" not in path.name
    }
    start = '{"schema": 1, "type": "start", "target": "a", "address": "192.0.2.1:7", "count": 2}\n'
    ping = (
        '{"schema": 1, "type": "ping", "run": 5, "target": "a", "seq": %d, "status": "error", "copies": 0}\n'
    )
    return {
        **files,
        "windows": WINDOWS,
        "macos": MACOS,
        "fping.json": FPING_JSON,
        "csv": run.to_csv(),
        "json": run.to_json(),
        "command": start
        + ping % 1
        + ping % 2
        + '{"schema": 1, "type": "summary", "sent": 2, "received": 0}\n',
        "metadata.csv": run.to_csv(metadata=True),
        "metadata.json": run.to_json(metadata=True),
    }


TEXTS = texts()


def changes(line: str, chance: random.Random) -> Iterator[str]:
    """Change one thing in a line."""
    yield ""
    yield line + "\n" + line
    yield line + "\n"
    yield line[: chance.randrange(len(line) + 1)]
    yield "x " + line
    yield "10:00:01 " + line
    yield line + " x"
    yield line.replace(".", ",", 1) if line.count(".") == 1 else re.sub(r"(?<=\d)\.(?=\d+ ms)", ",", line)
    yield line.replace(" ", "", 1)
    yield line.swapcase()
    numbers = list(re.finditer(r"\d+", line))
    for found in chance.sample(numbers, min(4, len(numbers))):
        for number in (str(int(found[0]) + 1), "99999", "x", "-1"):
            yield line[: found.start()] + number + line[found.end() :]
    for _ in range(4):
        place = chance.randrange(len(line) + 1)
        yield line[:place] + line[place + 1 :]
        yield line[:place] + chance.choice("x7,:=[\"' ") + line[place:]


def changed(name: str) -> Iterator[tuple[int, str, str]]:
    """Give the number of each line, what stands there instead, and the whole text."""
    chance = random.Random(name)
    lines = TEXTS[name].split("\n")[:-1]
    for place, line in enumerate(lines):
        for new in dict.fromkeys(changes(line, chance)):
            if new != line:
                yield place + 1, new, "\n".join([*lines[:place], new, *lines[place + 1 :], ""])


def through_a_pipe(text: str) -> udpping.Run:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(text.encode())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with open(reading, "rb", buffering=0) as file:  # noqa: PTH123
            return udpping.load(file)
    finally:
        thread.join()


def ways(folder: Path) -> dict[str, Callable[[str], udpping.Run]]:
    """Give each way in: a function that reads a text by it."""
    path = folder / "text"

    def kept(content: bytes) -> Path:
        path.write_bytes(content)
        return path

    def opened(text: str, mode: str, buffering: int = -1) -> udpping.Run:
        encoding = None if "b" in mode else "utf-8"
        with kept(text.encode()).open(mode, buffering, encoding) as file:
            return udpping.load(file)

    return {
        "str": udpping.load,
        "marked str": lambda text: udpping.load("\ufeff" + text),
        "bytes": lambda text: udpping.load(text.encode()),
        "UTF-16": lambda text: udpping.load(text.encode("utf-16")),
        "Windows' lines": lambda text: udpping.load(text.replace("\n", "\r\n").encode("utf-8-sig")),
        "path": lambda text: udpping.load(kept(text.encode())),
        "path as bytes": lambda text: udpping.load(os.fsencode(kept(text.encode()))),
        "packed path": lambda text: udpping.load(kept(gzip.compress(text.encode(), 1))),
        "packed bytes": lambda text: udpping.load(gzip.compress(text.encode(), 1)),
        "text file": lambda text: opened(text, "r"),
        "binary file": lambda text: opened(text, "rb"),
        "unbuffered file": lambda text: opened(text, "rb", 0),
        "StringIO": lambda text: udpping.load(io.StringIO(text)),
        "BytesIO": lambda text: udpping.load(io.BytesIO(text.encode())),
        "pipe": through_a_pipe,
    }


def outcome(read: Callable[[str], udpping.Run], text: str) -> udpping.Run | str:
    try:
        return read(text)
    except udpping.ConfigError as error:
        # What is read is named differently by each way, and its place by none.
        return re.sub(r"^(?:text|(?:path|file) '[^']*') ", "", str(error))


@pytest.mark.parametrize("name", TEXTS)
def test_every_way_in_gives_the_same(name: str, tmp_path: Path) -> None:
    chance = random.Random(name)
    some = [TEXTS[name], *(text for *_, text in chance.sample(list(changed(name)), 12))]
    for text in some:
        told = {way: outcome(read, text) for way, read in ways(tmp_path).items()}
        for way, result in told.items():
            assert result == told["str"], (way, text)
            if isinstance(result, udpping.Run) and isinstance(told["str"], udpping.Run):
                assert (result.summary, result.settings) == (told["str"].summary, told["str"].settings), way


SUMS = {
    "sent": r"(\d+) packets transmitted|Sent = (\d+)|xmt/rcv/%\w+ = (\d+)/|\"xmt\": (\d+)|\"sent\": (\d+)",
    "received": r"transmitted, (\d+) |xmt/rcv/%\w+ = \d+/(\d+)/|\"rcv\": (\d+)|\"received\": (\d+)",
    "duplicates": r"\+(\d+) duplicates",
}


WHOLE = (
    r"where \d+ (?:came|were sent)|begins as none|is empty|metadata |header |column |twice|once|are missing"
)
"""What an error says that is about the whole text."""


def stated(text: str) -> dict[str, int]:
    """Add up the sums that a file states, by rules that have nothing to do with the readers'."""
    if text.startswith(("#", '{"udpping')) or "Sent =" in text:
        return {}  # Windows prints its sums again whenever it is asked for them
    # So does udpping: of sums that follow each other without a start between them, the last ones count.
    again = r'(?=(?:(?!.*"type": "start").*\n)*.*"type": "summary")'
    text = re.sub(rf'(?m)^.*"type": "summary".*\n{again}', "", text)
    found = {name: re.findall(pattern, text) for name, pattern in SUMS.items()}
    return {
        name: sum(int("".join(groups)) for groups in all_of_it)
        for name, all_of_it in found.items()
        if all_of_it
    }


def timeless(row: udpping.Row) -> udpping.Row:
    """Leave out what counts from the first line, as every row has another if that changes."""
    return row._replace(run=None, sent_ns=None, arrival=None)


@pytest.mark.parametrize("name", TEXTS)
def test_a_changed_line_is_read_rightly_or_told(name: str) -> None:
    original = udpping.load(TEXTS[name])
    rows = {(row.target, row.seq): timeless(row) for row in original}
    refused = 0
    for line, new, text in changed(name):
        result = outcome(udpping.load, text)
        if isinstance(result, str):
            refused += 1
            assert "\n" not in result
            # The cause is in the line, in the sums that it changed, or in what the whole text begins with.
            told = re.findall(r"line (\d+)|in line (\d+)", result)
            numbers = [int("".join(groups)) for groups in told]
            assert (
                any(abs(number - line) <= 1 for number in numbers) or re.search(WHOLE, result) or numbers
            ), (line, new, result)
            continue
        sums: dict[str, Any] = result.summary.as_dict()
        for what, total in stated(text).items():
            # In a loop fping counts a second reply among the received, and prints it as the first.
            more = sums["duplicates"] if what == "received" and "fping" in name else 0
            assert sums[what] == total or sums[what] + more == total, (line, new, what)
        is_header = line <= 2 and name in {"csv", "metadata.csv"}
        others = [row for row in result if rows.get((row.target, row.seq)) != timeless(row)]
        renamed = set(result.targets) != set(original.targets)
        repeated = len({*result["run"].to_list()}) > 1
        assert is_header or renamed or repeated or len(others) <= 2, (line, new)
    assert refused
