"""What every profile prints, line for line, in virtual time: tests/golden/PROFILE-CASE.txt.

`python tests/test_lab_goldens.py` writes the files anew; read them line by line before they are committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from udpping import lab, sim
from udpping._results.rows import Event, Row
from udpping._services.server import Counters
from udpping.lab._client import Client
from udpping.lab._oneway import Watcher
from udpping.lab._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.python, pytest.mark.untimed]

GOLDEN = Path(__file__).parent / "golden"
LOST = "pattern:.xx.xxxx.."  # what random.seed(42) makes of randint(0, 10) < 4
SERVER = "127.0.0.1:12000"


def rehearsed(client: Client, loss: str) -> None:
    client.rehearse(loss=loss, delay="1ms", reply=reply_to(client))


def reply_to(client: Client) -> str:
    """Give the form of reply that the profile's own server has."""
    kind = type(client)
    own = next(
        one for one in map(lab.profile, lab.names()) if kind in {one.PingerClient, one.HeartbeatClient}
    )
    server = own.HeartbeatServer if kind is own.HeartbeatClient else own.PingerServer
    assert issubclass(server, Server)
    return server.reply


def live(client: Client, count: int) -> list[Row]:
    """Give rows of pings that are all answered at once, to be changed by a case."""
    client.count, client.zone = count, time.gmtime
    run = sim.ping(
        count=count,
        delay="1ms",
        message=client.message,
        first_seq=client.first_seq,
        reply=reply_to(client),
    )
    return [row._replace(source=SERVER) for row in run]


def opened(row: Row) -> Row:
    return row._replace(status="open", rtt_ns=None, copies=0, reply=None, match=None)


def answered(client: Client) -> None:
    client.count = 3
    rehearsed(client, "0")


def some_lost(client: Client) -> None:
    client.count = 10
    rehearsed(client, LOST)


def all_lost(client: Client) -> None:
    client.count = 10
    rehearsed(client, "1")


def late_reply(client: Client) -> None:
    """Let the reply to the first come while the second is out. It changes nothing that has been said."""
    first, second = live(client, 2)
    given_up = first._replace(status="timeout", rtt_ns=None, copies=0, reply=None, source=None, match=None)
    late = first._replace(status="late", rtt_ns=1_200_000_000)
    client.perform([opened(first), given_up, opened(second), late, second])


def duplicates(client: Client) -> None:
    """Let each reply come twice; the copy of the first while the second is out."""
    first, second = live(client, 2)
    again, too = first._replace(copies=2), second._replace(copies=2)
    client.perform([opened(first), first, opened(second), again, second, too])


def down(client: Client) -> None:
    """Miss two, get one, miss two, get one, miss three: the third in a row ends it, and not before."""
    rehearsed(client, "pattern:xx.xx.xxx.")


def interrupted(client: Client) -> None:
    def rows() -> Iterator[Row]:
        first, second = live(client, 2)
        yield from (opened(first), first, opened(second))
        raise KeyboardInterrupt

    client.perform(rows())


PINGER: dict[str, Callable[[Client], None]] = {
    "answered": answered,
    "some-lost": some_lost,
    "all-lost": all_lost,
    "late-reply": late_reply,
    "duplicates": duplicates,
    "interrupted": interrupted,
}
WATCHER = {"answered": answered, "down": down, "never-up": all_lost, "late-reply": late_reply}

MESSAGES = [
    ("127.0.0.1:50000", b"Ping 1 1699999999.5", "answer"),
    ("127.0.0.1:50001", b"1\t1699999999.75", "drop"),
    ("192.0.2.7:50000", b"7 1699999999.25\r\n", "answer"),
    ("127.0.0.1:50000", b"Ping 2 1699999999.5", "drop"),
    ("127.0.0.1:50000", b"Ping 3 1699999999.5", "answer"),
    ("127.0.0.1:50000", b"\xff\x1b[2J hello", "answer"),
    ("[2001:db8::7]:9", b"", "answer"),
]


def served(server: Server) -> None:
    """Let a server have a few datagrams, some of which are no heartbeats."""
    print_all(server.begin(server.host or "0.0.0.0", server.port))  # noqa: S104 - as it is told
    for number, (client, message, verdict) in enumerate(MESSAGES, 1):
        reason = None if verdict == "answer" else "loss"
        seq = next((int(word) for word in message.split() if word.isdigit()), None)
        way, size = None if reason is None else "up", len(message)
        what = (0, 1_700_000_000 * 10**9, client, 0, number, seq, verdict, reason, 0)
        event = Event(*what, way, size, size, 0, 1, None, message)
        if server.follows:
            print_all(server.handled(event))
    if server.idle:
        print_all(server.silence(server.idle))
    counts = dict.fromkeys(
        ("received", "answered", "dropped", "delayed", "waiting", "errors", "copies", "damaged"), 0
    )
    counts |= {"received": 7, "answered": 5, "dropped": 2}
    print_all(server.end(Counters({**counts, "kernel_drops": None, "clients": 4, "unlogged": 0})))


def losses(server: Watcher) -> None:
    """Lose some on the way, also the last before the end."""
    server.rehearse("", "crash@12.5", duration=20, loss="20%", delay="exponential:5ms")


def overtaken(server: Watcher) -> None:
    """Let heartbeats overtake each other, some of them by so much that they counted as lost."""
    server.rehearse(duration=16, delay="uniform:0ms,8s", seed=2)


def stops(server: Watcher) -> None:
    """Stop in every way there is, and come back."""
    faults = ("crash@3.5 restart@9.2", "bye:1@4.2 restart@14", "pause:5s@4.5", "step:-3s@4.4", "rebind@4.6")
    server.rehearse(*faults, duration=18, delay="1ms")


def nobody(server: Watcher) -> None:
    """Hear one heartbeat, and no more for a minute."""
    server.rehearse("crash@0.5", duration=70, delay="1ms")


WATCHING: dict[str, Callable[[Watcher], None]] = {
    "losses": losses,
    "overtaken": overtaken,
    "stops": stops,
    "nobody": nobody,
}


def watch(play: Callable[[Watcher], None], kind: type[Watcher]) -> None:
    server = kind()
    print_all(server.begin(server.host or "0.0.0.0", server.port))  # noqa: S104 - as it is told
    play(server)


def print_all(text: str | None) -> None:
    if text is not None:
        print(text)  # noqa: T201 - it is caught


def perform(play: Callable[[Client], None], kind: type[Client]) -> None:
    play(kind())


def serve(kind: type[Server]) -> None:
    served(kind())


def cases() -> dict[str, Callable[[], None]]:
    """Name every golden file, and say how it is made. Programs that a profile borrows have theirs at home."""
    found: dict[str, Callable[[], None]] = {}
    for name in lab.names():
        one = lab.profile(name)
        home = f"udpping.lab.{name}"
        for label, kind, plays in (
            ("pinger", one.PingerClient, PINGER),
            ("heartbeat", one.HeartbeatClient, WATCHER),
        ):
            mine = kind.__module__ == home and (label == "pinger" or kind is not one.PingerClient)
            if mine and issubclass(kind, Client):
                for case, play in plays.items():
                    found[f"{name}-{label}-{case}"] = partial(perform, play, kind)
        for label, server in (("pinger", one.PingerServer), ("heartbeat", one.HeartbeatServer)):
            mine = server.__module__ == home and (label == "heartbeat" or server is not one.HeartbeatServer)
            if mine and issubclass(server, Server):
                found[f"{name}-{label}-server"] = partial(serve, server)
            elif mine and issubclass(server, Watcher):
                for case, scene in WATCHING.items():
                    found[f"{name}-{label}-{case}"] = partial(watch, scene, server)
    found["report-pinger-address"] = lambda: some_lost(lab.profile("report").PingerClient(form="address"))
    found["notes-pinger-typed"] = lambda: answered(lab.profile("notes").PingerClient(host="192.168.50.217"))
    return found


CASES = cases()


def told(case: str) -> str:
    """Give what a case prints, in UTC."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        CASES[case]()
    return output.getvalue()


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("case", CASES)
def test_it_prints_what_was_read(case: str) -> None:
    assert told(case) == (GOLDEN / f"{case}.txt").read_text(encoding="utf-8")


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {*CASES, "originals"}


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    for each in CASES:
        (GOLDEN / f"{each}.txt").write_text(told(each), encoding="utf-8")
