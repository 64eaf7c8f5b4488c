"""Heartbeats that wait in the socket while the monitor stands still."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from common import wait_until
from watching import SECONDS

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = "127.0.0.1"
GRANTED = Path("/proc/sys/net/core/rmem_max")
IN_KERNEL = 1_280  # bytes that a heartbeat takes in a receive buffer, at most
TICK = 0.1
BEFORE, WAITING, AFTER = 10, 30, 10

SCRIPT = """
import json, sys, udpping
with udpping.Monitor("127.0.0.1", 0, detector="fixed:20") as monitor:
    print(monitor.address[1], flush=True)
    for line in sys.stdin:
        told = {}
        for event in monitor.events:
            told[event.event] = told.get(event.event, 0) + 1
        lost = sum(row.lost for row in monitor.peers)
        print(json.dumps({"received": monitor.counters.received, "lost": lost, **told}), flush=True)
"""


class Watcher:
    """A monitor in a process of its own, which says what happened when it is asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._ask, self._answer = process, process.stdin, process.stdout
        self.port = int(self._answer.readline())

    def told(self) -> dict[str, int]:
        self._ask.write("\n")
        self._ask.flush()
        return dict(json.loads(self._answer.readline()))


@contextlib.contextmanager
def watcher() -> Generator[Watcher]:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Watcher(process)
        finally:
            process.kill()


@pytest.mark.skipif(not GRANTED.exists(), reason="nobody says how much a receive buffer holds")
def test_what_waited_in_the_socket_is_drained_without_a_wrong_verdict() -> None:
    """As many as the buffer holds wait while the monitor is stopped, and the senders go on all the time."""
    granted = 2 * int(GRANTED.read_text(encoding="ascii"))
    clients = max(3, min(granted, 8 << 20) // IN_KERNEL // WAITING)
    seqs = iter(range(1, BEFORE + WAITING + AFTER + 1))
    with watcher() as monitor, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        began = time.monotonic()

        def say(rounds: int) -> None:
            for _ in range(rounds):
                seq = next(seqs)
                time.sleep(max(0.0, began + seq * TICK - time.monotonic()))
                times = f"interval={TICK} mono={seq * TICK:.1f}"
                for client in range(clients):
                    line = f"Heartbeat {seq} {1.7e9 + seq * TICK:.1f} id=c{client} session={client:x} {times}"
                    sender.sendto(line.encode(), (HERE, monitor.port))

        say(BEFORE)
        wait_until(lambda: monitor.told()["received"] == BEFORE * clients, SECONDS)
        monitor.process.send_signal(signal.SIGSTOP)
        say(WAITING)
        monitor.process.send_signal(signal.SIGCONT)
        say(AFTER)
        everything = (BEFORE + WAITING + AFTER) * clients
        wait_until(lambda: monitor.told()["received"] == everything, SECONDS)
        told = monitor.told()
    assert told["stalled"] >= 1
    assert (told["new"], told["lost"]) == (clients, 0)
    # On a busy machine the senders may be late, and that may be told; nobody is ever down for it.
    assert set(told) <= {"received", "lost", "stalled", "new", "up", "late", "suspect"}, told
