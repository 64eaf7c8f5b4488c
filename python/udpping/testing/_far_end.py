"""The far end itself: a UDP socket and a thread that answers what comes there."""

import contextlib
import errno
import heapq
import math
import os
import selectors
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from udpping._args import checks, durations
from udpping._args.keywords import SuggestsKeywords
from udpping._args.limits import MAX_PORT
from udpping.errors import AddressError, ConfigError, NetworkError, PortBusyError
from udpping.testing._script import Received, Refuse, Reply, reader

if TYPE_CHECKING:
    from collections.abc import Generator

    from udpping._args.durations import Duration
    from udpping.testing._script import Script

ECHO = Reply()
ROOM = 4 << 20
"""Bytes that may wait in a socket: on a busy machine nobody may come to read it for a while."""
LEAST_PORT, TRIES = 10_000, 50
"""Ports below are often those of services."""
SO_RCVBUFFORCE = 33  # Linux; the socket module has no names for these two
IP_RECVTTL = 12 if sys.platform == "linux" else 24
if sys.platform == "win32":
    MARKS: dict[socket.AddressFamily, tuple[tuple[int, int], ...]] = {socket.AF_INET: (), socket.AF_INET6: ()}
else:
    MARKS: dict[socket.AddressFamily, tuple[tuple[int, int], ...]] = {
        socket.AF_INET: ((socket.IPPROTO_IP, socket.IP_RECVTOS), (socket.IPPROTO_IP, IP_RECVTTL)),
        socket.AF_INET6: (
            (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS),
            (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT),
        ),
    }
HOPS = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
TTL = {(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)}
TOS = {(socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}


class FarEnd(SuggestsKeywords):
    """Answers the datagrams that come, while its `with` block lasts.

    * `script`: a `Reply` for every datagram; a list, or anything to iterate over, with a step for each
      datagram, after which nothing is answered; or a function that is given the `Received` datagram and gives
      back the step. It is called in a thread of its own. A step is `None` (the datagram is lost), `bytes` or
      a `Reply`, a `Refuse`, or a list of these. By default each datagram is sent back as it came.
    * `host`, `port`: where it listens, IPv4 or IPv6; 0 is any free port.
    * `ttl`: the TTL or hop limit of its replies, 1 to 255; `None` is that of the system.

    Raises ConfigError for what cannot be used, and PortBusyError, AddressError or NetworkError where it
    cannot listen. An error in the script ends the far end; `wait` and the end of the block raise it.

    >>> import socket, udpping
    >>> from udpping.testing import FarEnd, Reply
    >>> script = [[Reply(), Reply()], Reply(b"pong 1"), Reply(other_port=True)]
    >>> with FarEnd(script) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    ...     client.settimeout(5)
    ...     for text in (b"ping 1", b"ping 2", b"ping 3"):
    ...         size = client.sendto(text, far.address)
    ...     answers = [client.recvfrom(2048) for _ in range(4)]
    >>> [text for text, _ in answers]  # twice, with a wrong number, and from a port that was not asked
    [b'ping 1', b'ping 1', b'pong 1', b'ping 3']
    >>> [source == far.address for _, source in answers]
    [True, True, True, False]

    A function sees what came:

    >>> with FarEnd(lambda datagram: Reply(datagram.payload.upper())) as far:
    ...     run = udpping.ping(*far.address, count=1)
    >>> run.row(0).reply == far.received[0].payload.upper()
    True
    """

    def __init__(
        self, script: "Script" = ECHO, *, host: str = "127.0.0.1", port: int = 0, ttl: int | None = None
    ) -> None:
        self._actions = reader(script)
        self._host = checks.text("host", host)
        self._port = within("port", port, 0, MAX_PORT)
        self._ttl = None if ttl is None else within("ttl", ttl, 1, 255)
        self._family = family(host)
        self.received: list[Received] = []
        """What came, in order. It stays when the block ends."""
        self.address: tuple[str, int] = (host, port)
        """Where it listens: host and port, once the block has begun."""
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._entered = False
        self._refusing = 0

    def __enter__(self) -> Self:
        if self._entered:
            raise ConfigError("this far end had its `with` block: make another FarEnd")
        self._began = time.monotonic_ns()
        self._count = self._order = 0
        self._waiting: list[tuple[float, int, Reply, Received]] = []
        self._over = False
        self._refused_until = 0.0
        self._socket: socket.socket | None = self._open(self._host, self._port)
        self.address = self._socket.getsockname()[:2]
        self._holder: socket.socket | None = None
        self._other = self._open(self.address[0], 0)
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="far end", daemon=True)
        self._thread.start()
        self._entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._waker.send(b"!")
        self._thread.join()
        for each in (self._socket, self._holder, self._other, self._woken, self._waker):
            if each is not None:
                each.close()
        if self._error is not None:
            raise self._error

    def __repr__(self) -> str:
        host, port = self.address
        state = "not entered" if not self._entered else "serving" if self._is_serving() else "over"
        return f"<udpping.testing.FarEnd {host} port {port}, {len(self.received):,} received: {state}>"

    def wait(self, count: int, timeout: "Duration" = 20.0) -> list[Received]:
        """Wait until `count` datagrams have come, and give back all that have.

        `timeout` is 0 to a day, in seconds or as text such as `"200ms"`. Raises TimeoutError when they do not
        come, and an error of the script.

        >>> from udpping.testing import FarEnd
        >>> with FarEnd() as far:
        ...     try:
        ...         far.wait(1, timeout=0.1)
        ...     except TimeoutError as error:
        ...         print(error)
        0 of 1 datagrams came within 0.1 s
        """
        wanted, seconds = (
            checks.whole("count", count),
            durations.seconds("timeout", timeout, durations.LINGER),
        )
        with self._changed:
            self._changed.wait_for(lambda: len(self.received) >= wanted or self._error, seconds)
            if self._error is not None:
                raise self._error
            if len(self.received) < wanted:
                raise TimeoutError(f"{len(self.received)} of {wanted} datagrams came within {seconds:g} s")
            return list(self.received)

    @contextlib.contextmanager
    def refusing(self) -> "Generator[None]":
        """Refuse what comes during a `with` block, as `Refuse` does.

        >>> import socket
        >>> from udpping.testing import FarEnd
        >>> with FarEnd() as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        ...     client.settimeout(5)
        ...     client.connect(far.address)
        ...     with far.refusing():
        ...         size = client.send(b"ping 1")
        ...         try:
        ...             client.recv(2048)
        ...         except ConnectionRefusedError:
        ...             print("refused")
        ...     size = client.send(b"ping 2")
        ...     client.recv(2048)
        refused
        b'ping 2'
        """
        if not self._is_serving():
            raise ConfigError("nothing is refused outside the far end's `with` block: enter that first")
        self._refuse_more(1)
        try:
            yield
        finally:
            self._refuse_more(-1)

    def _is_serving(self) -> bool:
        return self._entered and not self._over

    def _is_refusing(self) -> bool:
        return self._refusing > 0 or time.monotonic() < self._refused_until

    def _refuse_more(self, blocks: int) -> None:
        with self._changed:
            self._refusing += blocks
            if self._is_serving():
                self._waker.send(b"!")
                self._changed.wait_for(lambda: (self._socket is None) == self._is_refusing() or self._error)

    def _open(self, host: str, port: int, *, shared: bool = False) -> socket.socket:
        own = socket.socket(self._family, socket.SOCK_DGRAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
        listen(own, host, port)
        make_room(own)
        for level, option in MARKS[self._family]:
            own.setsockopt(level, option, 1)
        if self._ttl is not None:
            own.setsockopt(*HOPS[self._family], self._ttl)
        return own

    def _serve(self) -> None:
        try:
            while not self._over:
                self._wait()
                self._open_or_close()
                self._send()
        except BaseException as error:  # noqa: BLE001 - raised where the far end is used
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _open_or_close(self) -> None:
        if self._is_refusing() == (self._socket is None):
            return
        if self._socket is None:
            self._socket = self._open(*self.address, shared=True)
            if self._holder is not None:
                self._holder.close()
                self._holder = None
        else:
            if sys.platform == "linux":
                # Connected to itself, it receives nothing; nobody else is given the port, and replies leave.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._holder = self._open(*self.address, shared=True)
                self._holder.connect(self.address)
            self._socket.close()
            self._socket = None
        with self._changed:
            self._changed.notify_all()

    def _wait(self) -> None:
        """Take the next datagram, or wait until something is due."""
        dues = [self._waiting[0][0]] if self._waiting else []
        if self._socket is None:
            dues.append(math.inf if self._refusing else self._refused_until)
        until = min(dues, default=math.inf)
        left = None if until == math.inf else max(0.0, until - time.monotonic())
        listening = [] if self._socket is None else [self._socket]
        with selectors.DefaultSelector() as selector:  # select() takes no descriptor above 1,023
            for each in (*listening, self._woken):
                selector.register(each, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(left)]
        if self._woken in ready:
            self._woken.recv(64)
        for own in listening:
            if own in ready:
                self._receive(own)

    def _receive(self, own: socket.socket) -> None:
        if sys.platform == "win32":
            payload, client = own.recvfrom(65_535)
            marks: list[tuple[int, int, bytes]] = []
        else:
            payload, marks, _, client = own.recvmsg(65_535, 256)
        came = time.monotonic_ns()
        self._count += 1
        datagram = Received(
            self._count, payload, client[:2], came - self._began, mark(marks, TTL), mark(marks, TOS)
        )
        with self._changed:
            self.received.append(datagram)
            self._changed.notify_all()
        for action in self._actions(datagram):
            if isinstance(action, Refuse):
                until = came / 1e9 + durations.seconds("seconds", action.seconds)
                self._refused_until = max(self._refused_until, until)
            else:
                self._order += 1
                due = came / 1e9 + durations.seconds("after", action.after)
                heapq.heappush(self._waiting, (due, self._order, action, datagram))

    def _send(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, reply, datagram = heapq.heappop(self._waiting)
            own = self._other if reply.other_port else self._socket or self._holder
            if own is not None:
                own.sendto(datagram.payload if reply.payload is None else reply.payload, datagram.client)


def free_port(host: str = "127.0.0.1") -> int:
    """Find a UDP port of this machine at which nobody listens: to listen there, or to be refused.

    On Linux it is none of those that the system gives to programs that ask for any port. So no other program
    gets it by chance before somebody listens there; one that asks for this very port does. Raises
    AddressError, and NetworkError for an address that this machine does not have.

    >>> import udpping
    >>> from udpping.testing import free_port
    >>> udpping.ping("127.0.0.1", free_port(), count=1).row(0).status
    'unreachable'
    """
    kind = family(checks.text("host", host))
    for port in (*unasked_ports(), 0):
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            try:
                listen(probe, host, port)
            except NetworkError:
                if port:
                    continue
                raise
            return int(probe.getsockname()[1])
    raise AssertionError("port 0 is any")


def unasked_ports() -> list[int]:
    """Choose ports that the system gives to nobody who does not ask for them; none where it does not tell."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except OSError:
        return []
    many = first - LEAST_PORT
    return [LEAST_PORT + int.from_bytes(os.urandom(4), "big") % many for _ in range(TRIES if many > 0 else 0)]


def family(host: str) -> socket.AddressFamily:
    """Tell IPv6 from IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def listen(own: socket.socket, host: str, port: int) -> None:
    """Bind a socket, or close it and say why not."""
    try:
        own.bind((host, port))
    except OSError as error:
        own.close()
        kind = AddressError if isinstance(error, socket.gaierror) else NetworkError
        if error.errno == errno.EADDRINUSE:
            kind = PortBusyError
        raise kind(error.errno, f"cannot listen at port {port} of {host!r}: {error.strerror}") from None


def make_room(own: socket.socket) -> None:
    """Let much wait in a socket."""
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # past the system's limit, for root alone
            own.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)


def mark(marks: "list[tuple[int, int, bytes]]", kinds: set[tuple[int, int]]) -> int | None:
    """Find a number among what came beside a datagram."""
    return next(
        (int.from_bytes(data[:4], sys.byteorder) for *kind, data in marks if tuple(kind) in kinds), None
    )


def within(name: str, value: object, least: int, most: int) -> int:
    """Take a whole number of a range."""
    number = checks.whole(name, value)
    if not least <= number <= most:
        raise checks.refuse(name, value, f"{least} to {most}")
    return number
