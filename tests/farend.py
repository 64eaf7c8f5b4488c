"""What the tests share: a far end that does as it is told, and waiting for what must happen.

A `FarEnd` is a UDP socket with a thread. For each request its script says what goes back, and when. What it
does not answer, it still notes.
"""

from __future__ import annotations

import contextlib
import heapq
import select
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import udpping

Address: TypeAlias = "tuple[str, int]"
IP_RECVTTL = 12  # Linux; the socket module has no name for it
SO_RCVBUFFORCE = 33  # likewise


@dataclass(frozen=True)
class Answer:
    """What goes back: `payload` after so many seconds, if `foreign` from a port that was not asked."""

    payload: bytes
    after: float = 0.0
    foreign: bool = False


@dataclass(frozen=True)
class Request:
    """A datagram that came, with the marks that it bore."""

    payload: bytes
    client: Address
    ttl: int | None
    traffic_class: int | None


def upper(_number: int, request: bytes) -> list[Answer]:
    """Answer as the course's server does when it loses nothing."""
    return [Answer(request.upper())]


def silent(_number: int, _request: bytes) -> list[Answer]:
    """Answer nothing."""
    return []


def make_room(own: socket.socket) -> None:
    """Let much wait in a socket: on a busy machine nobody may come to read it for a while."""
    size = 4 << 20
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # past the system's limit, for root alone
            own.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)


@dataclass
class FarEnd:
    """Answers request `number` (from 1) with what `script(number, request)` says, `hops` as its hop limit."""

    script: Callable[[int, bytes], Iterable[Answer]] = upper
    family: socket.AddressFamily = socket.AF_INET
    hops: int | None = None
    requests: list[Request] = field(default_factory=list[Request])

    def __enter__(self) -> Self:
        host = "127.0.0.1" if self.family == socket.AF_INET else "::1"
        self._sockets = [socket.socket(self.family, socket.SOCK_DGRAM) for _ in range(2)]
        for each in self._sockets:
            each.bind((host, 0))
            make_room(each)
            if self.hops is not None and self.family == socket.AF_INET:
                each.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.hops)
            elif self.hops is not None:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, self.hops)
        self._mark_requests(self._sockets[0])
        self.address: Address = self._sockets[0].getsockname()[:2]
        self._bell, self._rope = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rope.send(b"!")
        self._thread.join()
        for each in (*self._sockets, self._bell, self._rope):
            each.close()

    def wait_for_requests(self, count: int) -> None:
        """Return as soon as so many requests have come."""
        wait_until(lambda: len(self.requests) >= count)

    def _mark_requests(self, own: socket.socket) -> None:
        if self.family == socket.AF_INET:
            own.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            own.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        else:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)

    def _serve(self) -> None:
        own, stranger = self._sockets
        waiting: list[tuple[float, int, Answer, Address]] = []
        order = 0
        while True:
            left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            ready, _, _ = select.select([own, self._bell], [], [], left)
            if self._bell in ready:
                return
            if own in ready:
                request = self._receive(own)
                came = time.monotonic()
                self.requests.append(request)
                for answer in self.script(len(self.requests), request.payload):
                    order += 1
                    heapq.heappush(waiting, (came + answer.after, order, answer, request.client))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, answer, client = heapq.heappop(waiting)
                (stranger if answer.foreign else own).sendto(answer.payload, client)

    def _receive(self, own: socket.socket) -> Request:
        payload, marks, _, client = own.recvmsg(65_535, 256)
        ttl = traffic_class = None
        for level, kind, data in marks:
            value = int.from_bytes(data[:4], "little")
            if (level, kind) in {
                (socket.IPPROTO_IP, socket.IP_TTL),
                (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT),
            }:
                ttl = value
            elif (level, kind) in {
                (socket.IPPROTO_IP, socket.IP_TOS),
                (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
            }:
                traffic_class = value
        return Request(payload, client, ttl, traffic_class)


def udp_socket(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Open a socket that waits ten seconds and not for ever."""
    own = socket.socket(family, socket.SOCK_DGRAM)
    own.settimeout(10)
    return own


def ask(server: udpping.Server, payload: bytes) -> bytes:
    """Send one datagram; give back the answer, which must come from where it was asked."""
    with udp_socket(socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET) as own:
        own.sendto(payload, server.address)
        answer, source = own.recvfrom(65_535)
    assert source[:2] == server.address
    return answer


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.002)


def closed_port() -> int:
    """Give a port of 127.0.0.1 at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def statuses(run: udpping.Run) -> list[str]:
    """Give the status of each ping."""
    return [row.status for row in run]


def marks(run: udpping.Run) -> str:
    """Write a run as the loss models do: `x` had no answer at all, `.` had one, however late."""
    return "".join("x" if row.status == "timeout" else "." for row in run)


def log_marks(server: udpping.Server, client_index: int = 0) -> str:
    """Write what a server did to one client's datagrams in the same way."""
    rows = [row for row in server.log if row.client_index == client_index]
    return "".join("x" if row.verdict == "drop" else "." for row in rows)


def send_all(server: udpping.Server, payloads: Iterable[bytes], client: socket.socket | None = None) -> None:
    """Send datagrams to a server and wait until it has seen them all."""
    own = client or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for payload in payloads:
            wanted = server.counters.received + 1
            own.sendto(payload, server.address)
            wait_until(partial(has_received, server, wanted))
    finally:
        if client is None:
            own.close()


def has_received(server: udpping.Server, count: int) -> bool:
    """Say whether a server has seen so many datagrams."""
    return server.counters.received >= count


def threads() -> list[str]:
    """Give the names of this process's threads, those of the core too."""
    names: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return names


def belongings() -> Counter[str]:
    """Count this process's threads by name, and its open files and sockets.

    Whoever looks for what was left behind compares by `<=`: a test before may still be giving something back.
    """
    return Counter([*threads(), *("descriptor" for _ in Path("/proc/self/fd").iterdir())])
