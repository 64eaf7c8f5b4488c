"""Heartbeats: what one costs a monitor in CPU, and a client in memory.

Receiving one way has no closed loop. So the monitor is stopped (SIGSTOP) while a portion that its buffer
holds is sent, and then goes on: what it spends until the buffer is empty is what receiving costs, without a
wake-up for each and without a loss, wherever the sender runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness import CLIENT, HERE, BenchError, Figure, Report, Server, bare, pinned, subject, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "heartbeats"
BASELINES = ["bare", "seed"]
CPU = "CPU per heartbeat"
LEARNING = f"{CPU}, while its detector is new"
MEMORY = "memory per client"
HISTORY = "memory per client, with a detector"
IN_KERNEL = 1_280  # bytes that a heartbeat takes in a receive buffer, at most
GRANTED = 2 * int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
PORTION = min(GRANTED, 8 << 20) // IN_KERNEL
GOAL_US = 1.0
GOAL_BYTES, GOAL_HISTORY = 512, 4_096


def measure(report: Report) -> None:
    """Let each monitor hear every client so often; the first time it makes their acquaintance.

    A detector begins with the third heartbeat and looks at what it learned with each one at first, so of the
    later rounds the cheapest is what receiving costs, and the dearest what learning does.
    """
    clients, times = report.size(100_000, 1_000), report.size(3, 2)
    case = f"{clients:,} clients"
    room = {"max_clients": 2 * clients, "per_prefix": clients}
    monitors: dict[str, tuple[str, Callable[[], Server]]] = {
        "bare": ("course", lambda: Server(*bare("sink"))),
        "udpping": ("course", lambda: Server(*subject("monitor", **room))),
        "seed": ("course", lambda: Server(sys.executable, str(HERE / "seeds.py"), "heartbeats")),
        "udpping, its own form": ("native", lambda: Server(*subject("monitor", **room))),
    }
    for number, name in report.turns(list(monitors)):
        form, start = monitors[name]
        with start() as server, Clients(server, form, clients) as senders:
            before = server.resident_bytes()
            first = senders.beat(1)
            memory = (server.resident_bytes() - before) / clients
            later = [senders.beat(seq) for seq in range(2, times + 2)]
            history = (server.resident_bytes() - before) / clients
            drops = server.drops()
            told: dict[str, Any] | None = None if name == "seed" else server.told()
        what = f"beats, {case}, {name}: {clients * (times + 1)} sent, {drops} dropped by the kernel, {told}"
        if told is not None:
            report.check(told["received"] + drops == clients * (times + 1), what)
        if told is not None and "clients" in told:
            report.check(told["clients"] == clients and told["unreadable"] == told["stale"] == 0, what)
        report.check(drops == 0, what)
        report.add(Figure(NAME, CPU, "us", case, name, number, min(later) / 1e3))
        report.add(Figure(NAME, f"{CPU}, first of a client", "us", case, name, number, first / 1e3))
        report.add(Figure(NAME, LEARNING, "us", case, name, number, max(later) / 1e3))
        report.add(Figure(NAME, MEMORY, "bytes", case, name, number, memory))
        report.add(Figure(NAME, HISTORY, "bytes", case, name, number, history))
    cost = report.values(CPU, case, "udpping").values()
    report.told(
        f"at most {GOAL_US} us of CPU per heartbeat, {case}", max(cost) <= GOAL_US, f"most {max(cost):.2f} us"
    )
    report.aim(CPU, case, "udpping", "seed", 1 / 3.5)
    for metric, most in ((MEMORY, GOAL_BYTES), (HISTORY, GOAL_HISTORY)):
        values = [*report.values(metric, case, "udpping").values()]
        values += report.values(metric, case, "udpping, its own form").values()
        report.told(
            f"{metric}, {case}: at most {most} bytes", max(values) <= most, f"most {max(values):,.0f}"
        )


class Clients:
    """Very many clients, in one child: the same addresses and port each time."""

    def __init__(self, server: Server, form: str, count: int) -> None:
        with pinned(CLIENT):
            self._child = subprocess.Popen(
                bare("beats", to=f"127.0.0.1:{server.port}", form=form),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        self._server = server
        self._count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def beat(self, seq: int) -> float:
        """Let every client say this number; give the ns of CPU that the server spent on each heartbeat."""
        spent = 0
        for first in range(0, self._count, PORTION):
            count = min(PORTION, self._count - first)
            before = self._server.settled_cpu_ns()
            os.kill(self._server.pid, signal.SIGSTOP)
            try:
                self._send(first, count, seq)
            finally:
                os.kill(self._server.pid, signal.SIGCONT)
            wait_until(lambda: self._server.queued_bytes() == 0, "the heartbeats to be taken")
            spent += self._server.settled_cpu_ns() - before
        return spent / self._count

    def _send(self, first: int, count: int, seq: int) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{first} {count} {seq}\n")
        self._child.stdin.flush()
        if self._child.stdout.readline().strip() != str(count):
            raise BenchError(f"bare beats did not send {count} heartbeats")
