"""A server of several threads: it decides, counts and logs as one."""

from __future__ import annotations

import socket
import sys
from functools import partial

import pytest
import udpping
from common import ask, has_received, log_marks, send_all, threads, udp_socket, wait_until
from udpping.testing import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="more than one worker needs Linux")


@pytest.mark.parametrize("model", ["4/11", "burst:30%,3", "pattern:.xx."])
def test_what_a_client_loses_does_not_depend_on_how_many_workers_there_are(model: str) -> None:
    """Twelve clients appear in one order: four workers share them, and each loses what it did with one."""

    def lost(workers: int) -> list[str]:
        clients = [udp_socket() for _ in range(12)]
        with udpping.Server(
            port=0, loss=model, delay="uniform:0ms,1ms", seed=6, record=True, workers=workers
        ) as server:
            for _ in range(20):
                for each in clients:
                    send_all(server, [b"x"], each)
            for each in clients:
                each.close()
            assert server.counters.clients == 12
            return [log_marks(server, index) for index in range(12)]

    alone = lost(1)
    assert all(len(marks) == 20 for marks in alone)
    assert lost(4) == alone


def test_a_client_whom_several_workers_serve_is_still_one_client() -> None:
    """The system looks at both addresses: a socket that asks at sixteen does not stay with one worker."""

    def lost(workers: int) -> tuple[str, list[int], int]:
        with (
            udpping.Server("", 0, loss=0.5, seed=3, record=True, workers=workers) as server,
            udp_socket() as own,
        ):
            for number in range(64):
                own.sendto(b"x", (f"127.0.0.{1 + number % 16}", server.address[1]))
                wait_until(partial(has_received, server, number + 1))
            return log_marks(server), [row.number for row in server.log], server.counters.clients

    assert lost(4) == lost(1)
    assert lost(4)[1:] == (list(range(1, 65)), 1)


def test_the_counts_of_all_are_one_sum_and_the_log_is_in_order_of_time() -> None:
    clients = [udp_socket() for _ in range(16)]
    with udpping.Server(port=0, loss="every:4", delay="1ms", record=True, workers=4) as server:
        events = server.follow()
        for _ in range(25):
            for each in clients:
                each.sendto(b"Ping 1 1.0", server.address)
        wait_until(lambda: server.counters.answered + server.counters.dropped == 400)
        wait_until(lambda: server.counters.waiting == 0)
        counters = server.counters
    for each in clients:
        each.close()
    assert (counters.received, counters.answered, counters.dropped) == (400, 304, 96)
    assert (counters.delayed, counters.errors, counters.clients, counters.kernel_drops) == (304, 0, 16, 0)
    rows = list(server.log)
    assert len(rows) == 400
    times = [row.recv_ns for row in rows]
    assert times == sorted(times)
    assert [event.recv_ns for event in events] == times


def test_drops_of_all_sockets_are_counted() -> None:
    """Nobody reads before the start, so every buffer runs over."""
    server = udpping.Server(port=0, workers=4)
    clients = [udp_socket() for _ in range(16)]
    for _ in range(400):
        for each in clients:
            each.sendto(bytes(60_000), server.address)
    drops = server.counters.kernel_drops
    for each in clients:
        each.close()
    # 16 MiB is the most that one buffer holds of these 384 MB.
    assert drops is not None
    assert drops > 6_400 - 4 * 300
    server.stop()
    assert server.counters.kernel_drops == drops


def test_each_worker_is_a_thread_and_all_end_together() -> None:
    before = threads().count("udpping server")
    with udpping.Server(port=free_port(), workers=3) as server:
        wait_until(lambda: threads().count("udpping server") == before + 3)
        assert ask(server, b"x") == b"X"
    assert threads().count("udpping server") == before
    with udp_socket() as own:
        own.bind(server.bound)  # the port is free again


@pytest.mark.parametrize("workers", [0, 65, -1, 10**9])
def test_there_are_1_to_64_workers(workers: int) -> None:
    with pytest.raises(udpping.ConfigError, match=f"workers {workers} is not usable: expected 1 to 64"):
        udpping.Server(port=0, workers=workers)


@pytest.mark.parametrize("settings", [{"scope": "shared"}, {"loss": "randint:0,10,4"}])
def test_one_stream_for_all_clients_needs_one_worker(settings: dict[str, str]) -> None:
    with pytest.raises(udpping.ConfigError, match=r"workers 2 is not usable: expected 1 with scope="):
        udpping.Server(port=0, workers=2, **settings)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with udpping.Server(port=0, workers=2, **{**settings, "scope": "client"}) as server:  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        assert server.scope == "client"


def test_two_servers_never_share_a_port() -> None:
    with udpping.Server(port=0, workers=2) as first:
        for workers in (1, 2):
            with pytest.raises(udpping.PortBusyError):
                udpping.Server(port=first.address[1], workers=workers)
        assert ask(first, b"x") == b"X"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_several_workers_answer_both_versions_from_the_address_that_was_asked() -> None:
    with udpping.Server("::", 0, workers=3) as server, udp_socket() as four:
        port = server.address[1]
        for last in range(1, 9):
            four.sendto(b"four", (f"127.0.0.{last}", port))
            assert four.recvfrom(100) == (b"FOUR", (f"127.0.0.{last}", port))
        assert ask(server, b"six") == b"SIX"
