"""Nothing is left behind: no thread, no descriptor, no memory, however a run or a server ends."""

from __future__ import annotations

import contextlib
import gc
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import belongings, threads, wait_until
from udpping.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4_096


def ping_once(server: udpping.Server) -> None:
    udpping.ping(*server.address, count=1)


def ping_many_once(server: udpping.Server) -> None:
    udpping.ping_many([server.address, ("127.0.0.2", server.bound[1])], count=1)


def iterate_and_leave(server: udpping.Server) -> None:
    for row in udpping.Pinger(*server.address, count=None, interval=0.001):
        if row.seq == 2:
            break


def never_start(server: udpping.Server) -> None:
    udpping.Pinger(*server.address)
    udpping.Server(port=0)


def start_and_forget(server: udpping.Server) -> None:
    udpping.Server(port=0, record=True).start()
    udpping.Pinger(*server.address, count=None, timeout=60).__enter__()


def fail_to_open(server: udpping.Server) -> None:
    with contextlib.suppress(udpping.PortBusyError):
        udpping.Server(port=server.bound[1])
    with contextlib.suppress(udpping.ConfigError):
        udpping.ping(*server.address, bind="::1")
    with contextlib.suppress(udpping.AddressError):
        udpping.ping_many(["[::1]:9", "[::2]:9"], family="ipv4")


def nobody_there(_server: udpping.Server) -> None:
    udpping.ping("127.0.0.1", free_port(), count=2, timeout=1)


WAYS = [
    ping_once,
    ping_many_once,
    iterate_and_leave,
    never_start,
    start_and_forget,
    fail_to_open,
    nobody_there,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_thread_and_no_descriptor_is_left(way: Callable[[udpping.Server], None]) -> None:
    with udpping.Server("", 0) as server:
        way(server)
        gc.collect()
        wait_until(lambda: "udpping ping" not in threads())
        before = belongings()
        for _ in range(100):
            way(server)
        gc.collect()
        wait_until(lambda: belongings() <= before)


def test_runs_that_are_kept_keep_no_socket() -> None:
    with udpping.Server("", 0) as server:
        gc.collect()
        wait_until(lambda: "udpping ping" not in threads())
        before = belongings()
        kept = [udpping.ping(*server.address, count=1) for _ in range(10)]
        wait_until(lambda: belongings() <= before)
        assert [run.settings["count"] for run in kept] == [1] * 10


def test_a_program_may_end_while_its_server_and_its_pings_run() -> None:
    script = """
import udpping
server = udpping.Server(port=0)
server.start()
pinger = udpping.Pinger(*server.address, count=None, interval=0.0001)
assert next(pinger).seq == 1
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.python
def test_runs_and_their_columns_give_their_memory_back() -> None:
    """A run of 100,000 rows takes some 10 MB; fifty of them, each dropped, take no more than a few."""

    def once() -> None:
        run = udpping.sim.ping(count=100_000, loss=0.1)
        assert len(run["rtt_ns"].to_list()) == 100_000
        run.__arrow_c_stream__()  # a capsule that nobody imports
        run.row(-1)

    for _ in range(5):
        once()
    before = resident()
    for _ in range(20):
        once()
    assert resident() < before + 60 * 2**20


def test_a_column_outlives_its_run() -> None:
    """What numpy looks at stays, though the run is gone."""
    numpy = pytest.importorskip("numpy")
    array = numpy.asarray(udpping.sim.ping(count=100_000, delay="1ms")["rtt_ns"])
    gc.collect()
    udpping.sim.ping(count=100_000, delay="2ms")
    assert (array == numpy.timedelta64(1_000_000, "ns")).all()
    assert not array.flags.writeable


def test_a_server_forgets_the_longest_silent_of_very_many_clients() -> None:
    """Its table holds 65,536 clients. One that returns after more than that have come is a new one."""
    with udpping.Server("", 0, record=True) as server:
        hosts = [f"127.{number // 250}.{number % 250}.9" for number in range(700)]
        with contextlib.ExitStack() as stack:
            first, *_ = opened = [
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
            ]
            for each in opened:
                each.bind(("127.0.0.1", 0))
                ask(each, server)
            for host in hosts:
                meet(server, host, 100)
                ask(opened[1], server)  # the second one keeps coming back
            ask(first, server)
        rows = [(row.client_index, row.number) for row in server.log if row.client.startswith("127.0.0.1:")]
    assert server.counters.clients == 2 + 70_000 + 1
    assert rows == [(0, 1), *((1, number) for number in range(1, 702)), (70_002, 1)]


def meet(server: udpping.Server, host: str, clients: int) -> None:
    """Let so many clients of one host ask, each with a port of its own."""
    with contextlib.ExitStack() as stack:
        for _ in range(clients):
            own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            own.bind((host, 0))
            ask(own, server)


def ask(own: socket.socket, server: udpping.Server) -> None:
    own.settimeout(60)
    own.sendto(b"x", server.address)
    own.recv(10)
