"""Test a UDP program of your own against a network that misbehaves on purpose, without root.

    pytest examples/lossy_server_in_a_test.py

`ask` stands for the program under test: it sends a question, waits, and sends it again. The fixture is all
that your own tests need: a server on a free port that loses exactly what the test says.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import udpping

WAIT = 1.0


def ask(address: tuple[str, int], question: bytes, *, tries: int) -> bytes | None:
    """Send a question until somebody answers; `None` when nobody does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(WAIT)
        for _ in range(tries):
            udp.sendto(question, address)
            try:
                return udp.recv(2048)
            except TimeoutError:
                continue
    return None


@pytest.fixture
def lossy() -> Iterator[Callable[..., udpping.Server]]:
    """Start servers that lose what they are told to lose, and stop them when the test is over."""
    with ExitStack() as running:
        yield lambda **what: running.enter_context(udpping.Server(port=0, record=True, **what))


def test_asks_again_when_the_first_two_are_lost(lossy: Callable[..., udpping.Server]) -> None:
    server = lossy(loss="list:1,2")
    assert ask(server.address, b"who?", tries=3) == b"WHO?"
    assert [row.verdict for row in server.log] == ["drop", "drop", "answer"]


def test_gives_up_in_the_end(lossy: Callable[..., udpping.Server]) -> None:
    server = lossy(loss=1)
    assert ask(server.address, b"who?", tries=3) is None
    assert server.counters.dropped == 3


def test_asks_again_when_the_answer_is_too_slow(lossy: Callable[..., udpping.Server]) -> None:
    server = lossy(delay=1.5 * WAIT)
    assert ask(server.address, b"who?", tries=3) == b"WHO?"
    assert server.counters.received > 1, "it was sent again, although nothing was lost"
