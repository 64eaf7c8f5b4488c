"""The lab's originals, as `--compat-bugs` brings them back: letter for letter, and with every bug."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakeworld import SERVER, FakeWorld
from udpping import lab
from udpping.lab.compat import book, java, kurose, notes, report, slides

if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping.lab._program import Program
    from udpping.lab.compat import World

    Original = Callable[[World, Program], None]

pytestmark = [pytest.mark.python, pytest.mark.untimed]

TRANSCRIPTS = (Path(__file__).parent / "golden/originals.txt").read_text(encoding="utf-8")
HEAD = re.compile(r"##### (\S+)\.py (\S+) (\S+) (\d+)\n")
ORIGINALS: dict[str, tuple[Original, str]] = {
    "s1": (notes.pinger_client, "192.168.50.217"),
    "s2p": (slides.pinger_client, "127.0.0.1"),
    "s2h": (slides.heartbeat_client, "127.0.0.1"),
    "s3p": (report.pinger_client, "127.0.0.1"),
    "s3h": (report.heartbeat_client, "127.0.0.1"),
}
PARTS = HEAD.split(TRANSCRIPTS)[1:]
RECORDED = [tuple(PARTS[at : at + 5]) for at in range(0, len(PARTS), 5)]
CLIENT = ("192.0.2.7", 50_000)


def play(original: Original, world: FakeWorld, host: str = "127.0.0.1", count: int | None = None) -> str:
    """Run a client to its end; how it crashes is told as the recordings tell it."""
    kind = lab.profile("report").HeartbeatClient if original is report.heartbeat_client else None
    client = (kind or lab.profile("report").PingerClient)(host=host)
    if count is not None:
        client.count = count
    try:
        original(world, client)
    except EOFError:
        pass  # nobody presses Enter any more
    except OSError as error:
        world.text += f"<<exception after stats: OSError {error!s:.51} >>\n"
    return world.text


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: " ".join(recorded[:2]))
def test_they_print_what_was_recorded(recorded: tuple[str, str, str, str, str]) -> None:
    name, marks, reply, enters, transcript = recorded
    original, host = ORIGINALS[name]
    told = play(original, FakeWorld(marks, reply, int(enters)), host)
    assert told.replace("\n", "⏎\n") == transcript


def test_all_recordings_are_played() -> None:
    assert [recorded[0] for recorded in RECORDED] == ["s1", "s2p", "s2p", "s3p", "s3p", "s2h", "s3h"]


def test_a_late_reply_shifts_all_that_follow() -> None:
    """Nothing is lost, and yet a loss is counted, and every reply is credited to the ping after its own."""
    world = FakeWorld("L...")
    told = play(report.pinger_client, world, count=4).splitlines()
    assert told[0] == "Request timed out"
    assert [line.split(": ")[1].split()[1] for line in told if line.startswith("Reply")] == ["1", "2", "3"]


def test_the_report_counts_over_ten_whatever_was_asked() -> None:
    told = play(report.pinger_client, FakeWorld("." * 20 + "x" * 11), count=31)
    assert "Packets: Sent = 10, Received = -1, Lost = 11 (110.00000000000001% packet loss)" in told


def test_ctrl_c_is_swallowed_when_nothing_came_back() -> None:
    world = FakeWorld(enters=1)
    world.arrivals = [KeyboardInterrupt()]
    assert play(slides.pinger_client, world).endswith("No packets received\n\nPress any key to start...\n")
    world = FakeWorld(enters=1)
    world.arrivals = [(b"PING 1", SERVER), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        play(slides.pinger_client, world)
    assert world.text.endswith("Packet Loss: 90%\n-----\n")


def test_the_official_client_takes_ctrl_c_for_a_timeout() -> None:
    world = FakeWorld(".x........")
    world.arrivals = [KeyboardInterrupt()]
    told = play(kurose.pinger_client, world).splitlines()
    assert told[0] == "Request timed out."
    assert told[1:3] == ["Reply from 127.0.0.1: PING 1 TUE NOV 14 22:13:20 2023", "RTT: 0.0009765625"]


def serve(original: Original, draws: list[int], *messages: bytes) -> FakeWorld:
    """Let a server have these messages; the end of the world is a Ctrl-C."""
    world = FakeWorld()
    world.draws = [*draws, 1]
    world.arrivals = [*((message, CLIENT) for message in messages), KeyboardInterrupt()]
    server = lab.profile("slides").PingerServer()
    with pytest.raises(KeyboardInterrupt):
        original(world, server)
    return world


def test_the_servers_lose_below_four() -> None:
    messages = [b"Ping %d x" % number for number in range(1, 11)]
    world = serve(book.pinger_server, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10], *messages)
    assert world.text == ""
    assert [reply for reply, _ in world.sent] == [message.upper() for message in messages[4:]]
    world = serve(slides.pinger_server, [1, 2, 3, 4, 10], *messages[:5])
    assert world.text == "Started UDP Server IP Address: 127.0.0.1 and Port: 12000\n"
    assert world.sent == [(b"PING 4 X", CLIENT), (b"PING 5 X", CLIENT)]


def test_the_heartbeat_servers_tell_the_difference() -> None:
    world = serve(slides.heartbeat_server, [4, 3], b"43 1700000000.0", b"44 1700000000.0")
    assert world.sent == [(b"43 0.0", CLIENT)]
    world = serve(report.heartbeat_server, [4, 3], b"any 43 1699999999.5", b"Ping 44 1")
    assert world.sent == [(b"43 0.500000", CLIENT)]
    assert (
        world.text == "The server is ready to receive heartbeats...\nReceived message: any 43 1699999999.5\n"
    )


@pytest.mark.parametrize("original", [slides.heartbeat_server, report.heartbeat_server])
@pytest.mark.parametrize("message", [b"1", b"1 2 3 4", b"\xff 1", b"x 1 y", b"\xff 1 2"])
def test_a_malformed_heartbeat_crashes_them_unless_it_is_lost(original: Original, message: bytes) -> None:
    serve(original, [1], message)
    with pytest.raises(ValueError, match=r"unpack|float|decode"):
        serve(original, [9], message)


def test_the_java_server_sleeps_before_it_answers() -> None:
    world = serve(java.pinger_server, [29, 30, 50], b"PING 0 1\r\n", b"PING 1 2\r\n")
    assert world.slept == [0.1]
    assert world.sent == [(b"PING 1 2\r\n".ljust(1024, b"\0"), CLIENT)]
    assert world.text == (
        "Received from 192.0.2.7: PING 0 1\n   Reply not sent.\n"
        "Received from 192.0.2.7: PING 1 2\n   Reply sent.\n"
    )


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("notes", notes.pinger_client),
        ("slides", slides.pinger_client),
        ("report", report.pinger_client),
        ("kurose", kurose.pinger_client),
    ],
)
def test_corrected_they_print_the_same(
    name: str, original: Original, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times aside, who replaces a script sees no difference, as long as no bug shows."""
    client = lab.profile(name).PingerClient(host="192.0.2.1")
    client.rehearse(loss="pattern:.xx.xxxx..", delay="1ms")
    corrected = capsys.readouterr().out
    world = FakeWorld(".xx.xxxx..", enters=1)
    world.arrivals = []
    before = play(original, world, "192.0.2.1").replace("127.0.0.1", "192.0.2.1")
    before = before.replace("\nPress any key to start...\n", "").split("<<", maxsplit=1)[0]
    assert re.sub(r"\d+\.\d+(?![.\d])", "#", corrected) == re.sub(r"\d+\.\d+(?![.\d])", "#", before)
