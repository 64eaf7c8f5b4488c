"""The lab's other forms: programs that need Python alone, and a client with blanks to fill in.

In virtual time they print what the golden files of their profiles have, byte for byte. On real sockets each
is run against the originals, as docs/interop.md has it.
"""

from __future__ import annotations

import io
import itertools
import random
import re
import runpy
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest
from common import wait_until
from test_lab_goldens import GOLDEN, LOST, MESSAGES
from test_lab_interop import CLIENTS, PATIENT, PEERS, SECONDS, SERVERS, TIMEOUT, counts, python, tables
from udpping import lab
from udpping.__main__ import main
from udpping._console import hosts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.python

START = 1_700_000_000 * 10**9
SCRIPTS = list(lab.SCRIPTS)
ALONE = {"book": SCRIPTS, "exercise": SCRIPTS[2:]}


def written(folder: Path, *words: str) -> Path:
    assert main(["lab", str(folder), *words]) == 0
    return folder


class World:
    """A socket and clocks in virtual time. The mark `.` is answered, `2` twice, `x` never, `L` late."""

    def __init__(self, marks: str, reply: str) -> None:
        self.now = START
        self.arrivals: list[tuple[int, bytes, tuple[str, int]]] = []
        self.draws: list[int] = []
        self.sent: list[bytes] = []
        self._marks = itertools.cycle(marks)
        self._reply = reply
        self._timeout: float | None = None

    def patched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "socket", self.opened)
        monkeypatch.setattr(time, "time", lambda: self.now / 1e9)
        for name in ("perf_counter", "monotonic"):
            monkeypatch.setattr(time, name, lambda: (self.now - START) / 1e9)
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(random, "randint", self.randint)

    def opened(self, *_: object) -> World:
        return self

    def randint(self, *_: int) -> int:
        return self.draws.pop(0) if self.draws else 10

    def bind(self, address: object) -> None: ...

    def connect(self, address: object) -> None: ...

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def send(self, message: bytes) -> None:
        self.sent.append(message)
        mark, seq = next(self._marks), message.split()[1].decode()
        if mark == "i":
            raise KeyboardInterrupt
        if mark != "x":
            after = 1_000_500_000 if mark == "L" else 1_000_000
            answer = message.upper() if self._reply == "upper" else f"{seq} 0.000000".encode()
            self.arrivals += [(self.now + after, answer, ("127.0.0.1", 12000))] * (2 if mark == "2" else 1)
            self.arrivals.sort()

    def sendto(self, message: bytes, _to: tuple[str, int]) -> None:
        self.sent.append(message)

    def recv(self, size: int) -> bytes:
        return self.recvfrom(size)[0]

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if not self.arrivals and self._timeout is None:
            raise KeyboardInterrupt
        end = self.now + round((self._timeout or 1e9) * 1e9)
        if self.arrivals and self.arrivals[0][0] <= end:
            at, message, client = self.arrivals.pop(0)
            self.now = max(self.now, at)
            return message[:size], client
        self.now = end
        raise TimeoutError


def printed(world: World, script: Path, monkeypatch: pytest.MonkeyPatch, **constants: int) -> str:
    """Run a script in that world, with other values for its constants."""
    text = script.read_text(encoding="utf-8")
    for name, value in constants.items():
        text, found = re.subn(rf"\b{name}(, .*)? = \d+", rf"{name}\1 = {value}", text, count=1)
        assert found
    script.write_text(text, encoding="utf-8")
    output = io.StringIO()
    monkeypatch.setattr(sys, "argv", [str(script)])
    with monkeypatch.context() as patch, redirect_stdout(output):
        world.patched(patch)
        runpy.run_path(str(script))
    return output.getvalue()


def served(world: World, script: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a server, which Ctrl-C ends."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "argv", [str(script)])
    with monkeypatch.context() as patch, redirect_stdout(output):
        world.patched(patch)
        with pytest.raises(KeyboardInterrupt):
            runpy.run_path(str(script))
    return output.getvalue()


PINGS = {
    "answered": (3, "."),
    "some-lost": (10, LOST.partition(":")[2]),
    "all-lost": (10, "x"),
    "late-reply": (2, "L."),
    "duplicates": (2, "2"),
    "interrupted": (2, ".i"),
}
HEARTBEATS = {
    "answered": (3, "."),
    "down": (1000, "xx.xx.xxx."),
    "never-up": (1000, "x"),
    "late-reply": (2, "L."),
}
CASES = [("Pinger", case) for case in PINGS] + [("Heartbeat", case) for case in HEARTBEATS]


@pytest.mark.untimed
@pytest.mark.parametrize(("noun", "case"), CASES)
def test_a_client_prints_what_that_of_the_profile_does(
    noun: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, marks = (PINGS if noun == "Pinger" else HEARTBEATS)[case]
    world = World(marks, "upper" if noun == "Pinger" else "diff")
    script = written(tmp_path, "--standalone") / f"UDP{noun}Client.py"
    found = printed(world, script, monkeypatch, **{"PINGS" if noun == "Pinger" else "HEARTBEATS": count})
    expected = (GOLDEN / f"book-{noun.lower()}-{case}.txt").read_text(encoding="utf-8")
    if case == "late-reply":  # there the second ping leaves at another time
        found, expected = (re.sub(r"(PING \d+) \S+", r"\1", text) for text in (found, expected))
    assert found == expected


@pytest.mark.untimed
def test_the_heartbeat_server_prints_what_that_of_the_profile_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World("", "")
    for client, message, verdict in MESSAGES[:-1]:
        host, _, port = client.rpartition(":")
        world.arrivals.append((START, message, (host, int(port))))
        world.draws.append(10 if verdict == "answer" else 3)
    script = written(tmp_path, "--standalone") / "UDPHeartbeatServer.py"
    output = served(world, script, monkeypatch)
    expected = (GOLDEN / "book-heartbeat-server.txt").read_text(encoding="utf-8").splitlines()
    assert output.splitlines()[:3] == expected[:3]
    assert output.splitlines()[3:] == [r"From 127.0.0.1:50000: no heartbeat: b'\xff\x1b[2J hello'"]
    assert world.sent == [b"1 0.500000", b"7 0.750000", b"3 0.500000"]


@pytest.mark.untimed
def test_the_server_draws_as_the_textbook_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("", "")
    world.draws = [3, 4, 0, 10]
    messages = [b"Ping 1 a", b"Ping 2 \xff\xdf", b"", b"x" * 2000]
    world.arrivals = [(START, message, ("127.0.0.1", 9)) for message in messages]
    script = written(tmp_path, "--skeleton") / "UDPPingerServer.py"
    assert served(world, script, monkeypatch) == ""
    assert world.sent == [b"PING 2 \xff\xdf", b"X" * 1024]


WATCHED = """\
Watching heartbeats at port 12000; after 4 s of silence, a client has stopped.
Heartbeat 1 from 127.0.0.1:9: time difference 0.250000 seconds
Heartbeat 3 from 127.0.0.1:9: time difference 0.250000 seconds
Lost from 127.0.0.1:9: heartbeat 2
From 127.0.0.1:8: no heartbeat: b'hello'
Heartbeat 6 from 127.0.0.1:9: time difference 0.250000 seconds
Lost from 127.0.0.1:9: heartbeats 4 to 5
127.0.0.1:9 has stopped: nothing for 4.0 s after heartbeat 6
Heartbeat 7 from 127.0.0.1:9: time difference 0.250000 seconds
127.0.0.1:9 is back

127.0.0.1:9: 4 received, 3 lost (42.9 %), up
"""


@pytest.mark.untimed
def test_the_watching_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("", "")
    for seq, second in ((1, 0), (3, 2), (6, 5), (7, 11)):
        at = START + second * 10**9
        text = f"Heartbeat {seq} {at / 1e9 - 0.25}" if seq != 7 else f"7 {at / 1e9 - 0.25}"
        world.arrivals.append((at, text.encode(), ("127.0.0.1", 9)))
    world.arrivals.insert(2, (START + 3 * 10**9, b"hello", ("127.0.0.1", 8)))
    at_end = world.recvfrom

    def recvfrom(size: int) -> tuple[bytes, tuple[str, int]]:
        if not world.arrivals:
            raise KeyboardInterrupt
        return at_end(size)

    monkeypatch.setattr(world, "recvfrom", recvfrom)
    script = written(tmp_path, "--standalone", "--profile", "exercise") / "UDPHeartbeatServer.py"
    assert printed(world, script, monkeypatch) == WATCHED


def alone(script: Path, *words: object) -> list[str]:
    """Run it without any package, and so without udpping."""
    return [sys.executable, "-I", "-S", str(script), *map(str, words)]


@pytest.fixture
def lossy(tmp_path: Path) -> Path:
    """Make a program that runs another one in which the third draw loses a datagram."""
    wrapper = tmp_path / "lossy.py"
    wrapper.write_text(
        "import itertools, random, runpy, sys\n"
        "draws = itertools.chain([10, 10, 0], itertools.repeat(10))\n"
        "random.randint = lambda *_: next(draws)\n"
        "sys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0])\n",
        encoding="utf-8",
    )
    return wrapper


FORMS = {
    "book PingerServer": ("UDPPingerServer.py", ["--standalone"]),
    "book PingerClient": ("UDPPingerClient.py", ["--standalone"]),
    "book HeartbeatServer": ("UDPHeartbeatServer.py", ["--standalone"]),
    "book HeartbeatClient": ("UDPHeartbeatClient.py", ["--standalone"]),
    "exercise HeartbeatClient": ("UDPHeartbeatClient.py", ["--standalone", "--profile", "exercise"]),
    "skeleton PingerServer": ("UDPPingerServer.py", ["--skeleton"]),
    "skeleton PingerClient": ("UDPPingerClient.py", ["--skeleton"]),
}
TOLD = {
    "book PingerClient": (r"^RTT: ", r"^Request timed out$"),
    "book HeartbeatClient": (r"^RTT: ", r"^No reply"),
    "skeleton PingerClient": (r"^RTT: ", r"^Request timed out$"),
}
BLANKS = [
    "socket(AF_INET, SOCK_DGRAM)",
    "client.settimeout({timeout})",
    'f"Ping {number} {time.time()}"',
    "time.time()",
    "client.sendto(message.encode(), (host, port))",
    "client.recvfrom(1024)",
    "time.time() - start",
]


def form(ours: str, folder: Path, timeout: str = TIMEOUT) -> Path:
    """Write a program; four pings are enough."""
    name, words = FORMS[ours]
    script = written(folder / "forms", *words) / name
    text = script.read_text(encoding="utf-8")
    if ours == "skeleton PingerClient":
        for blank in BLANKS:
            filled = blank.replace("{timeout}", timeout)
            text = re.sub(r"(?m)(^ *|= )TODO\(\d\)$", rf"\g<1>{filled}", text, count=1)
        assert not re.search(r"(?m)TODO\(\d\)$", text)
        text = text.replace("range(1, 11)", "range(1, 5)")
    text = re.sub(r"(PINGS|HEARTBEATS), TIMEOUT(.*) = \d+, 1", rf"\1, TIMEOUT\2 = 4, {timeout}", text)
    script.write_text(text, encoding="utf-8")
    return script


PAIRS = [
    (ours.strip("`"), original, expected)
    for (corner, *originals), (ours, *cells) in tables()
    if corner == "without udpping"
    for original, expected in zip(originals, cells, strict=True)
]


@pytest.mark.parametrize("pair", PAIRS, ids=" with ".join)
def test_a_pair_is_as_the_page_says(
    pair: tuple[str, str, str], tmp_path: Path, lossy: Path, free_port: int
) -> None:
    ours, original, expected = pair
    timeout = PATIENT if expected == "works" else TIMEOUT
    script = form(ours, tmp_path, timeout)
    if ours.endswith("Client"):
        works = client_works(script, TOLD[ours], original)
    else:
        works = server_works(script, lossy, original, free_port, timeout)
    assert works == (expected == "works")


def client_works(script: Path, told: tuple[str, str], original: str) -> bool:
    name, seed = SERVERS[original]
    far = subprocess.Popen(
        python("-I", PEERS / name, "127.0.0.1", seed),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert far.stdout
        port = far.stdout.readline().strip()
        done = subprocess.run(
            alone(script, "127.0.0.1", port), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    finally:
        far.kill()
        far.communicate(timeout=SECONDS)
    return (done.returncode, counts(done.stdout, *told)) == (0, (3, 1))


def server_works(script: Path, lossy: Path, original: str, port: int, timeout: str) -> bool:
    name, answered, missed, end = CLIENTS[original]
    ours = subprocess.Popen(
        alone(lossy, script, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until_bound(port)
        done = subprocess.run(
            python("-I", PEERS / name, "127.0.0.1", port, timeout),
            input="\n", capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert ours.poll() is None, "nothing that a client sends ends a server"
    finally:
        ours.kill()
        ours.communicate(timeout=SECONDS)
    return counts(done.stdout, answered, missed) == (9, 1) and end in done.stderr


def wait_until_bound(port: int) -> None:
    """Read the kernel's table: to try the port would take it from the program."""
    wait_until(lambda: bool(hosts.listeners(port)))


def test_the_page_has_every_pair() -> None:
    clients = {ours for ours in FORMS if ours.endswith("Client")} - {"exercise HeartbeatClient"}
    servers = {ours for ours in FORMS if ours.endswith("Server")}
    wanted = {(ours, original) for ours in clients for original in SERVERS}
    wanted |= {(ours, original) for ours in servers for original in CLIENTS}
    assert {(ours, original) for ours, original, _ in PAIRS} == wanted


def test_the_one_way_pair_works(tmp_path: Path, free_port: int) -> None:
    folder = written(tmp_path, "--standalone", "--profile", "exercise")
    server = subprocess.Popen(
        alone(folder / "UDPHeartbeatServer.py", free_port), stdout=subprocess.PIPE, text=True
    )
    client = None
    try:
        wait_until_bound(free_port)
        client = subprocess.Popen(alone(folder / "UDPHeartbeatClient.py", "127.0.0.1", free_port))
        assert server.stdout
        first, heard = server.stdout.readline(), server.stdout.readline()
    finally:
        for each in (client, server):
            if each is not None:
                each.kill()
                each.communicate(timeout=SECONDS)
    assert first == f"Watching heartbeats at port {free_port}; after 4 s of silence, a client has stopped.\n"
    assert re.match(r"Heartbeat 1 from 127\.0\.0\.1:\d+: time difference \d\.\d{6} seconds\n", heard)


def test_a_client_alone_says_that_nothing_listens_and_waits(tmp_path: Path, free_port: int) -> None:
    script = form("book PingerClient", tmp_path)
    began = time.monotonic()
    done = subprocess.run(
        alone(script, "127.0.0.1", free_port), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert time.monotonic() - began >= 4 * float(TIMEOUT)
    assert done.stdout.splitlines()[:4] == ["Request timed out"] * 4
    line = f"nothing listens at 127.0.0.1:{free_port}; start UDPPingerServer.py first"
    assert done.stderr == f"{line}\n"


def run_alone(script: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(alone(script, *words), capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.parametrize("ours", [each for each in FORMS if each != "skeleton PingerClient"])
def test_a_program_alone_explains_itself_and_what_it_cannot_use(
    ours: str, tmp_path: Path, free_port: int
) -> None:
    script = form(ours, tmp_path)
    told = run_alone(script, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert f"python {script.name} [" in told.stdout
    if ours.endswith("Server"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
            holder.bind(("", free_port))
            wrong: list[tuple[object, ...]] = [(free_port,), ("bar",), (99_999,)]
            dones = [run_alone(script, *words) for words in wrong]
    else:
        wrong = [("no..such..host",), ("127.0.0.1", "bar"), ("127.0.0.1", 99_999)]
        dones = [run_alone(script, *words) for words in wrong]
    for words, done in zip(wrong, dones, strict=True):
        assert done.returncode == 1
        assert re.match(r"cannot (listen at|send to) ", done.stderr), done.stderr
        assert done.stderr.count("\n") == 1
        assert all(str(word) in done.stderr for word in words)


def test_a_client_to_fill_in_names_the_first_blank(tmp_path: Path) -> None:
    script = written(tmp_path, "--skeleton") / "UDPPingerClient.py"
    for number, blank in zip((1, 2, 3, 4, 4, 5, 6), BLANKS, strict=True):
        done = run_alone(script, "127.0.0.1", 9)
        told = f"TODO({number}) is not replaced yet: the comment above it says by what\n"
        assert (done.returncode, done.stderr) == (1, told)
        if number == 5:
            break  # from here on it takes a server
        text = script.read_text(encoding="utf-8")
        filled = blank.replace("{timeout}", TIMEOUT)
        text = re.sub(r"(?m)(^ *|= )TODO\(\d\)$", rf"\g<1>{filled}", text, count=1)
        script.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("words", [[], ["--profile", "exercise"], ["--profile", "slides"]])
def test_the_first_comment_of_each_wrapper_names_the_other_forms(words: list[str], tmp_path: Path) -> None:
    for script in written(tmp_path, *words).iterdir():
        first = script.read_text(encoding="utf-8").split('"""')[1]
        assert "udpping lab DIR --standalone" in first
        assert "udpping lab DIR --skeleton" in first


def test_forms_are_short_and_need_no_package(tmp_path: Path) -> None:
    for folder, words in (
        (tmp_path / "book", ["--standalone"]),
        (tmp_path / "exercise", ["--standalone", "--profile", "exercise"]),
        (tmp_path / "skeleton", ["--skeleton"]),
    ):
        for script in written(folder, *words).iterdir():
            text = script.read_text(encoding="utf-8")
            assert "udpping" not in text
            assert len(text.splitlines()) <= 65
            modules = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
            assert modules <= {"random", "socket", "sys", "time"}
    assert {path.name for path in (tmp_path / "skeleton").iterdir()} == set(SCRIPTS[:2])
    pings = [(tmp_path / name / "UDPPingerClient.py").read_text(encoding="utf-8") for name in ALONE]
    assert pings[0] == pings[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--standalone", "--profile", "java"],
            "--profile java is not usable with --standalone: expected book",
        ),
        (["--skeleton", "--profile", "exercise"], "--profile exercise is not usable with --skeleton"),
    ],
)
def test_what_there_is_not_is_refused(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", str(tmp_path / "new"), *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_profile_in_place_of_the_directory_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "kurose"]) == 2
    assert "did you mean udpping lab DIR --profile kurose?" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["lab", "./kurose"]) == 0
    assert main(["lab", "kurose", "--force"]) == 0


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.mark.parametrize("noun", ["Pinger", "Heartbeat"])
def test_a_client_that_finds_nobody_says_so_once_and_waits(noun: str, folders: Path, free_port: int) -> None:
    began = time.monotonic()
    done = subprocess.run(
        python(folders / f"UDP{noun}Client.py", "127.0.0.1", free_port, "--timeout", TIMEOUT, "--count", 4),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    waits = 4 if noun == "Pinger" else 3
    assert time.monotonic() - began >= waits * float(TIMEOUT)
    place = f"127.0.0.1:{free_port}"
    assert done.stderr == f"UDP{noun}Client: nothing listens at {place}; start UDP{noun}Server.py first\n"
    assert done.stdout.splitlines()[0] in {"Request timed out", "No reply to heartbeat 1"}
    assert f"\n{waits} packets transmitted, 0 received" in done.stdout


def test_a_server_that_is_started_later_answers_the_rest(folders: Path, free_port: int) -> None:
    client = subprocess.Popen(
        python(folders / "UDPPingerClient.py", "127.0.0.1", free_port, "--timeout", "3"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout
    assert client.stdout.readline() == "Request timed out\n"
    server = subprocess.Popen(
        python(folders / "UDPPingerServer.py", free_port, "--host", "127.0.0.1", "--loss", "0"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        rest, _ = client.communicate(timeout=SECONDS)
    finally:
        server.kill()
        server.communicate(timeout=SECONDS)
    assert "PING 10 " in rest


def test_the_warning_of_an_open_server_is_one_sentence_once(folders: Path, free_port: int) -> None:
    server = subprocess.Popen(
        python(folders / "UDPHeartbeatServer.py", free_port), stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr
        warning, listening = server.stderr.readline(), server.stderr.readline()
    finally:
        server.kill()
        server.communicate(timeout=SECONDS)
    told = "everybody on the network can use this server; --host 127.0.0.1 limits it to this machine"
    assert warning == f"UDPHeartbeatServer: {told}\n"
    assert "listening on every interface" in listening
