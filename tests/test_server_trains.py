"""Datagrams that come as a train (UDP_GRO), or go as one if asked (UDP_SEGMENT): only the speed differs."""

from __future__ import annotations

import json
import random
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import udpping
from common import ask, udp_socket, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="trains are Linux's")

UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h; the socket module has no names for them


def told(server: udpping.Server) -> list[tuple[object, ...]]:
    """Give what the log says, without the times."""
    return [
        (row.client_index, row.number, row.seq, row.verdict, row.reason, row.delay_ns) for row in server.log
    ]


def received(own: socket.socket, count: int) -> list[bytes]:
    """Give so many datagrams as they come."""
    return [own.recv(65_535) for _ in range(count)]


def requests(lengths: Iterable[int]) -> list[bytes]:
    """Make a request of each length, each with its number as far as there is room."""
    return [
        f"Ping {number} 1700000000.0".encode().ljust(length, b"x")[:length]
        for number, length in enumerate(lengths)
    ]


def answers(
    asked: list[bytes], *, train: bool, gso: bool = False, loss: str = "4/11"
) -> tuple[list[bytes], list[tuple[object, ...]], udpping.Counters]:
    """Ask a server that starts when all is there, with one datagram or one train of 64 after the other."""
    server = udpping.Server(port=0, loss=loss, seed=5, record=True, gso=gso)
    with udp_socket() as own:
        own.connect(server.address)
        if train:
            own.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(asked[0]))
        step = 64 if train else 1
        for at in range(0, len(asked), step):
            own.send(b"".join(asked[at : at + step]))
        with server:
            wait_until(lambda: server.counters.answered + server.counters.dropped == len(asked))
            replies = received(own, server.counters.answered)
    return replies, told(server), server.counters


@pytest.mark.parametrize("length", [1, 32, 512])
@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_a_train_is_decided_on_and_answered_datagram_by_datagram(length: int, count: int) -> None:
    asked = requests([length] * (count - 1) + [max(1, length // 2)])
    replies, log, counters = answers(asked, train=True)
    assert (replies, log) == answers(asked, train=False)[:2] == answers(asked, train=True, gso=True)[:2]
    assert counters.received == count == len(log)
    answered = [request.upper() for request, row in zip(asked, log, strict=True) if row[3] == "answer"]
    assert replies == answered


@pytest.mark.parametrize("gso", [False, True])
def test_replies_of_any_lengths_to_several_clients_keep_their_borders_and_their_order(*, gso: bool) -> None:
    """Three clients in random turns, lengths that repeat, and empty ones: all are there before the start."""
    chance = random.Random(7)
    server = udpping.Server(port=0, reply="same", record=True, gso=gso)
    clients = [udp_socket() for _ in range(3)]
    sent: list[list[bytes]] = [[], [], []]
    turn = 0
    for _ in range(200):
        if chance.random() < 0.2:
            turn = chance.randrange(3)
        payload = chance.randbytes(chance.choice([0, 1, 32, 32, 32, 33, 1_400, 2_000]))
        sent[turn].append(payload)
        clients[turn].sendto(payload, server.address)
    with server:
        for own, wanted in zip(clients, sent, strict=True):
            assert received(own, len(wanted)) == wanted
            own.close()
    assert (server.counters.received, server.counters.answered, server.counters.errors) == (200, 200, 0)


def trains_of(address: tuple[str, int]) -> tuple[bytes, list[int]]:
    """Send 64 requests of 40 bytes as one; return what is read first, and the lengths within a train."""
    with udp_socket() as own:
        own.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 40)
        own.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        own.sendto(b"x" * 40 * 64, address)
        reply, facts, _, source = own.recvmsg(65_535, 64)
        own.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 0)
        rest = received(own, 64 - len(reply) // 40)
    assert (source, set(rest)) == (address, {b"X" * 40} if rest else set())
    return reply, [int.from_bytes(data, sys.byteorder) for _, kind, data in facts if kind == UDP_GRO]


def test_replies_are_joined_only_if_asked() -> None:
    with udpping.Server(port=0) as server:
        assert trains_of(server.address) == (b"X" * 40, [])
    with udpping.Server(port=0, gso=True) as server:
        assert trains_of(server.address) == (b"X" * 40 * 64, [40])
    assert server.counters.answered == 64


@pytest.mark.parametrize("words", [[], ["--gso"]])
def test_the_command_joins_replies_only_if_asked(
    words: list[str], start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("-m", "udpping", "server", "--host", "127.0.0.1", "--port", "0", "--json", *words)
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    assert trains_of(("127.0.0.1", port))[1] == ([40] if words else [])


def test_a_train_s_answers_come_from_the_address_that_was_asked() -> None:
    with udpping.Server("", 0, gso=True) as server, udp_socket() as own:
        own.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 8)
        to = ("127.9.8.7", server.address[1])
        own.sendto(b"x" * 20, to)
        assert [own.recvfrom(100) for _ in range(3)] == [(b"X" * 8, to), (b"X" * 8, to), (b"X" * 4, to)]


def test_a_train_of_the_longest_kind_is_answered() -> None:
    """So many bytes as one packet holds, and one more datagram behind them."""
    asked = requests([1_023] * 64 + [7])
    for gso in (False, True):
        assert answers(asked, train=True, gso=gso, loss="0")[0] == [request.upper() for request in asked]


def test_a_follower_sees_each_datagram_of_a_train() -> None:
    with udpping.Server(port=0, loss="pattern:.x", gso=True) as server, udp_socket() as own:
        events = server.follow()
        own.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 3)
        own.sendto(b"abcdefgh", server.address)
        assert received(own, 2) == [b"ABC", b"GH"]
        assert ask(server, b"end") == b"END"
    seen = [(event.message, event.number, event.verdict) for event in events]
    assert seen == [(b"abc", 1, "answer"), (b"def", 2, "drop"), (b"gh", 3, "answer"), (b"end", 1, "answer")]


def test_answers_of_another_length_than_their_requests_are_cut_where_they_end() -> None:
    with udpping.Server(port=0, reply="{seq}", record=True, gso=True) as server, udp_socket() as own:
        own.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 10)
        own.sendto(b"".join(f"Ping {number:<5}".encode() for number in range(8, 13)), server.address)
        assert received(own, 5) == [b"8", b"9", b"10", b"11", b"12"]
