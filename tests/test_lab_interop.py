"""Each of the lab's programs against each original, on real sockets, as docs/interop.md has it.

The originals are in tests/peers, in our words. Every pair exchanges ten packets at most. The servers lose the
third, so that a pair works if its client tells of just this miss. The client that
waits for no answer tells at its end how many came: all but the third, and perhaps the fourth.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import ask, udp_socket
from test_lab_dialects import DIALECTS
from udpping import lab
from udpping.lab._oneway import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs/interop.md"
PEERS = Path(__file__).parent / "peers"
SCRIPTS = {kind: Path(lab.__path__[0], name) for name, kind in lab.SCRIPTS.items()}
SECONDS = 60
TIMEOUT = "0.25"
"""For a miss to show."""
PATIENT = "2"
"""For an answer to come, though the machine is busy."""

# Seeds with which an original loses the third of its first four packets.
SERVERS = {
    "textbook server": ("course_server.py", 0),
    "slides server": ("slides_server.py", 0),
    "slides heartbeat server": ("slides_heartbeat_server.py", 0),
    "report heartbeat server": ("report_heartbeat_server.py", 0),
    "multi server": ("many_server.py", 17),
}
# The original, what it tells of an answer and of a miss, and how it ends: most of them crash then.
CLIENTS = {
    "notes client": ("first_client.py", r"Reply from", r"Requeset timed out", ""),
    "slides client": ("second_client.py", r"^Received b", r"Requested Timed out", "EOFError"),
    "slides heartbeat client": (
        "slides_heartbeat_client.py",
        r"^Received b",
        r"Requested Timed out",
        "EOFError",
    ),
    "report client": ("third_client.py", r"^Reply from", r"^Request timed out", "OSError"),
    "report heartbeat client": (
        "report_heartbeat_client.py",
        r"^Received heartbeat response \d+: T",
        r"Request timed out",
        "OSError",
    ),
    "multi client": ("many_client.py", r"^Answer: ", r"^No answer", ""),
}
TOLD = {
    "book PingerClient": (r"^RTT: ", r"^Request timed out$"),
    "book HeartbeatClient": (r"^RTT: ", r"^No reply"),
    "notes PingerClient": (r"Reply from", r"Requeset timed out$"),
    "slides PingerClient": (r"^Received b'", r"^#\d Requested Timed out$"),
    "slides HeartbeatClient": (r"^Received b'", r"^#\d Requested Timed out$"),
    "report PingerClient": (r"^Reply from", r"^Request timed out$"),
    "report HeartbeatClient": (r"^Received heartbeat response", r"^Heartbeat \d: Request timed out$"),
    "multi HeartbeatClient": (r"^(?!No response)\S", r"^No response"),
    "java PingerClient": (r"^PING \d: [\d.]+ ms$", r"^PING \d: no reply$"),
    "kurose PingerClient": (r"^Reply from", r"^Request timed out\.$"),
}
ONE_WAY = re.compile(r"^4 sent, [23] answered$", re.MULTILINE)


@dataclass(frozen=True)
class Pair:
    """A cell of the page: our program with its options, an original, and what is to be expected."""

    ours: str
    original: str
    expected: str

    @property
    def words(self) -> list[str]:
        """Give the options of our program."""
        name, _, *more = self.ours.split()
        return ["--profile", name, *more]

    @property
    def kind(self) -> str:
        return self.ours.split()[1]

    @property
    def timeout(self) -> str:
        return PATIENT if self.expected == "works" else TIMEOUT

    @property
    def is_one_way(self) -> bool:
        """Whether our program is a client that waits for no answer."""
        return issubclass(getattr(lab.profile(self.ours.split()[0]), self.kind), Sender)

    @property
    def script(self) -> Path:
        return SCRIPTS[self.kind]

    def __str__(self) -> str:
        return f"{self.ours} with {self.original}"


def tables() -> Iterator[tuple[list[str], list[str]]]:
    """Read the tables of the page: each row with the heads of its table."""
    heads: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
        elif not set(line) <= set("|-"):
            yield heads, cells


def pairs() -> Iterator[Pair]:
    """Give the cells of the tables of programs; the one of dialects has a name in its corner."""
    for (corner, *originals), (ours, *expected) in tables():
        if not corner:
            yield from (Pair(ours.strip("`"), *each) for each in zip(originals, expected, strict=True))


PAIRS = list(pairs())
RUN = [pair for pair in PAIRS if pair.expected != "n/a"]


def counts(output: str, answered: str, missed: str) -> tuple[int, int]:
    """Count what a client tells: answers and misses."""
    return len(re.findall(answered, output, re.MULTILINE)), len(re.findall(missed, output, re.MULTILINE))


def python(*words: object) -> list[str]:
    return [sys.executable, *map(str, words)]


def our_client(pair: Pair) -> tuple[str, str]:
    """Let our client ping an original: what works, and what the original had to complain."""
    name, seed = SERVERS[pair.original]
    far = subprocess.Popen(
        python("-I", PEERS / name, "127.0.0.1", seed),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert far.stdout
        port = far.stdout.readline().strip()
        pace = ["--interval", "1"] if pair.is_one_way else ["--timeout", pair.timeout]
        options = ["127.0.0.1", port, "--count", "4", *pace]
        done = subprocess.run(
            python(pair.script, *pair.words, *options),
            input="\n", capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        far.kill()
        _, complaint = far.communicate(timeout=SECONDS)
    assert done.returncode == 0
    if pair.is_one_way:
        return ("works" if ONE_WAY.search(done.stdout) else "fails"), complaint
    # A server that crashes listens no more.
    assert done.stderr == "" or (pair.expected != "works" and "nothing listens at" in done.stderr)
    told = TOLD[" ".join(pair.ours.split()[:2])]
    return ("works" if counts(done.stdout, *told) == (3, 1) else "fails"), complaint


def our_server(pair: Pair, port: int) -> tuple[str, str]:
    """Let an original ping our server: what works, and what the original had to complain."""
    options = ["--host", "127.0.0.1", "--port", port, "--loss", "list:3"]
    options += ["--delay", "0"] if pair.kind == "PingerServer" else []
    ours = subprocess.Popen(
        python(pair.script, *pair.words, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    name, answered, missed, end = CLIENTS[pair.original]
    try:
        assert ours.stderr
        line = ours.stderr.readline()
        assert "listening on 127.0.0.1" in line
        done = subprocess.run(
            python("-I", PEERS / name, "127.0.0.1", port, pair.timeout),
            input="\n", capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert ours.poll() is None, "nothing that a client sends ends our server"
    finally:
        ours.kill()
        _, complaint = ours.communicate(timeout=SECONDS)
    assert complaint == ""
    right = counts(done.stdout, answered, missed) == (9, 1) and end in done.stderr
    return ("works" if right else "fails"), done.stderr


@pytest.mark.parametrize("pair", RUN, ids=str)
def test_pair(pair: Pair, free_port: int) -> None:
    ours = our_client(pair) if pair.kind.endswith("Client") else our_server(pair, free_port)
    found, complaint = ours
    if pair.expected == "works":
        assert found == "works", complaint
    else:
        assert re.fullmatch(r"fails as the original does \[\d\]", pair.expected)
        assert found == "fails"
        # It crashes; but the one for many clients catches what it cannot read.
        assert "ValueError" in complaint or pair.original == "multi server"


def test_the_page_has_every_pair() -> None:
    programs = {f"{name} {kind}" for name in lab.names() for kind in lab.SCRIPTS.values()}
    clients = {program for program in programs if program.endswith("Client")}
    found = {(" ".join(pair.ours.split()[:2]), pair.original) for pair in PAIRS}
    wanted = {(ours, original) for ours in clients for original in SERVERS}
    assert found == wanted | {(ours, original) for ours in programs - clients for original in CLIENTS}


def test_only_what_another_profile_lends_is_left_out() -> None:
    for pair in PAIRS:
        name, kind = pair.ours.split()[:2]
        own = getattr(lab.profile(name), kind)
        borrowed = own.__module__ != f"udpping.lab.{name}" or own.__name__ != kind
        assert (pair.expected == "n/a") == borrowed, pair


EXAMPLES = [
    (example, told)
    for (corner, *_), (_, examples, *told) in ((heads, cells) for heads, cells in tables() if heads[0])
    for example in re.findall(r"`([^`]+)`", examples)
    if corner == "they say"
]


@pytest.mark.parametrize(("example", "told"), EXAMPLES)
def test_the_monitor_can_tell_what_the_page_says(example: str, told: list[str]) -> None:
    with udpping.Monitor("127.0.0.1", 0, beats=True) as monitor, udp_socket() as own:
        own.sendto(example.encode(), monitor.address)
        heard = next(event for event in monitor if event.event == "heard")
    with udpping.Server(port=0, record=True) as server:
        ask(server, example.encode())
    found = [True, server.log.row(0).seq is not None, heard.span_ns is not None]
    assert found == [cell.startswith("yes") for cell in told]


def test_the_page_counts_the_dialects() -> None:
    assert f": {len(DIALECTS)} dialects," in PAGE.read_text(encoding="utf-8")
    assert len(EXAMPLES) == 15


@pytest.mark.parametrize("noun", ["Pinger", "Heartbeat"])
@pytest.mark.parametrize("name", [name for name in lab.names() if name != "exercise"])
def test_each_client_works_with_its_own_server(name: str, noun: str, free_port: int) -> None:
    options = ["--profile", name, free_port, "--host", "127.0.0.1", "--loss", "list:3"]
    server = subprocess.Popen(
        python(SCRIPTS[f"{noun}Server"], *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr
        assert "listening on" in server.stderr.readline()
        client = python(SCRIPTS[f"{noun}Client"], "--profile", name, "127.0.0.1", free_port)
        done = subprocess.run(
            [*client, "--count", "4", "--timeout", PATIENT],
            input="\n", capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        server.kill()
        server.communicate(timeout=SECONDS)
    own = getattr(lab.profile(name), f"{noun}Client")
    told = TOLD[f"{own.__module__.rpartition('.')[2]} {own.__name__}"]
    assert (done.returncode, counts(done.stdout, *told)) == (0, (3, 1)), done
