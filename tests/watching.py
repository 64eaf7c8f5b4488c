"""Helpers of the monitor's tests: wait for events, and send single heartbeats."""

from __future__ import annotations

import hmac
import socket
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from common import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import udpping

SECONDS = 40.0
"""The longest wait for an expected event: the machine may be busy."""
TICK = 0.05
"""The interval of the senders in the tests."""
ALIVE = {"up", "late", "suspect"}
"""States of a healthy client: any heartbeat may be late."""
BUSY = {"paused", "stalled"}
"""Events that a busy machine causes, in a sender or in the monitor."""
STEADY = ("--detector", "fixed:1000")
"""With it nobody is down, or forgotten, though the test stands still between two heartbeats."""


class Seen:
    """Collects the events of a monitor, and waits for expected ones."""

    def __init__(self, monitor: udpping.Monitor) -> None:
        self.monitor = monitor
        self.events: list[udpping.MonitorEvent] = []

    def until(self, name: str, client: str | None = None) -> udpping.MonitorEvent:
        """Wait for the next event of that name, of that client if one is named."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            event = self.monitor.next_event(1)
            if event is not None:
                self.events.append(event)
                if event.event == name and client in {None, event.client}:
                    return event
            elif not self.monitor.running:
                break
        raise AssertionError(f"no {name} of {client}: {[event.message for event in self.events]}")

    def names(self, client: str | None = None) -> list[str]:
        """Return the names of the events so far, of one client if named; see `told`."""
        while (event := self.monitor.next_event(0)) is not None:
            self.events.append(event)
        return told(event for event in self.events if client in {None, event.client})


@dataclass
class Device:
    """Sends heartbeats one by one, each with the current time."""

    address: tuple[str, int]
    id: str = "device"
    session: int = 1
    boot: int | None = None
    clock: bool = True
    key: tuple[str, str] | None = None
    seq: int = 0
    began: float = field(default_factory=time.time)
    ahead: float = 0.0
    sent: list[bytes] = field(default_factory=list[bytes])

    def __enter__(self) -> Self:
        self.socket = self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def open(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        own = socket.socket(family, socket.SOCK_DGRAM)
        own.settimeout(10)
        return own

    def move(self) -> None:
        """Send from another port from here on, as behind a NAT that dropped its mapping."""
        self.__exit__()
        self.socket = self.open()

    def set_clock(self, seconds: float) -> None:
        """Put its wall clock forward, but not its monotonic one."""
        self.ahead += seconds

    def beat(self, *, skip: int = 0, more: str = "") -> bytes:
        """Send the next heartbeat, after skipping some if asked."""
        self.seq += 1 + skip
        now = time.time()
        wall = now + self.ahead if self.clock else 0
        line = f"Heartbeat {self.seq} {wall:.6f} id={self.id} session={self.session:x}"
        if self.boot is not None:
            line += f" boot={self.boot}"
        line += f" interval={TICK}"
        if self.clock:
            line += f" mono={now - self.began:.6f}"
        datagram = seal(f"{line}{more}", self.key)
        self.send(datagram)
        return datagram

    def send(self, datagram: bytes) -> None:
        """Send a datagram as it is."""
        self.sent.append(datagram)
        self.socket.sendto(datagram, self.address)

    def beat_until(self, condition: Callable[[], bool]) -> None:
        """Send heartbeats until a condition is true."""

        def try_again() -> bool:
            self.beat()
            time.sleep(TICK)
            return condition()

        wait_until(try_again, SECONDS)

    def rise(self, monitor: udpping.Monitor) -> None:
        """Send heartbeats until the monitor has it up, and has read them all."""
        self.beat_until(lambda: state_of(monitor, self.id) == "up")
        self.be_heard(monitor)

    def be_heard(self, monitor: udpping.Monitor) -> None:
        """Wait until the monitor has read what was sent in this session."""

        def is_heard() -> bool:
            row = peer_of(monitor, self.id)
            return row.session == f"{self.session:016x}" and (row.seq or 0) >= self.seq

        wait_until(is_heard, SECONDS)


def told(events: Iterable[udpping.MonitorEvent]) -> list[str]:
    """Return the names of the notable events, without those that a busy machine causes."""
    return [event.event for event in events if event.is_notable and event.event not in BUSY]


def seal(line: str, key: tuple[str, str] | None) -> bytes:
    """Append the seal to a line as documented, if there is a key."""
    if key is None:
        return line.encode()
    name, secret = key
    covered = f"{line} key={name}".encode()
    return covered + b" mac=" + hmac.digest(secret.encode(), covered, "sha256")[:16].hex().encode()


def peer_of(monitor: udpping.Monitor, client: str) -> udpping.PeerRow:
    """Return the row of a known client."""
    (row,) = [row for row in monitor.peers if row.client == client]
    return row


def state_of(monitor: udpping.Monitor, client: str) -> str | None:
    """Return the state of a client, `None` if it is unknown."""
    return next((row.state for row in monitor.peers if row.client == client), None)


def put(monitor: udpping.Monitor, datagrams: list[bytes], own: socket.socket) -> None:
    """Send datagrams, and wait until the monitor has read them."""
    for datagram in datagrams:
        wanted = monitor.counters.received + 1
        own.sendto(datagram, monitor.address)
        wait_until(partial(has_received, monitor, wanted))


def has_received(monitor: udpping.Monitor, count: int) -> bool:
    return monitor.counters.received >= count
