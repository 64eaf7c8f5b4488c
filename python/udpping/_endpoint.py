"""Datagram endpoints of asyncio whose datagrams pass a link, within the program: no second socket."""

import asyncio
import heapq

from udpping import _core
from udpping._args import checks, durations
from udpping._args.keywords import SuggestsKeywords
from udpping._args.link import Link, link_text
from udpping._args.public import PublicNames
from udpping._services.relay import WayCounters
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias, TypeVar

    from udpping._args.durations import Duration
    from udpping._args.link import LinkLike

    Address: TypeAlias = "tuple[Any, ...] | str | None"
    Protocol = TypeVar("Protocol", bound=asyncio.DatagramProtocol)


async def create_datagram_endpoint(
    protocol_factory: "Callable[[], Protocol]",
    *,
    up: "LinkLike" = "",
    down: "LinkLike" = "",
    seed: int | None = None,
    **endpoint: "Any",  # noqa: ANN401 - those of the loop
) -> "tuple[LinkTransport, Protocol]":
    """Open a datagram endpoint as the loop of asyncio does, and let its datagrams pass a link.

    * `up`: what happens to what the program sends, and `down`: to what it receives: a `udpping.Link`, or its
      text (`"loss=5%; delay=40ms"`). A server has `up` and `down` the other way round.
    * `seed`: the same one repeats every draw. Any whole number; `None` draws one, and `.seed` of the
      transport tells it.

    All others are those of `loop.create_datagram_endpoint`, and so are the transport and the errors. What a
    program does with them needs no change. Each peer is counted by itself, as each client of a server.

    What the program has sent before `close` is still sent when its time has come; the end of the loop or
    `abort` discards it. Raises ConfigError for what cannot be used.

    >>> import asyncio, udpping
    >>> class Client(asyncio.DatagramProtocol):
    ...     def datagram_received(self, data, addr):
    ...         answers.append(data)
    >>> answers = []
    >>> async def main():
    ...     async with udpping.Server(port=0) as server:
    ...         transport, client = await udpping.aio.create_datagram_endpoint(
    ...             Client, remote_addr=server.address, up="loss=list:2", down="duplicate=1"
    ...         )
    ...         for text in (b"one", b"two", b"three"):
    ...             transport.sendto(text)
    ...         while len(answers) < 4:
    ...             await asyncio.sleep(0.01)
    ...         transport.close()
    ...     return transport
    >>> transport = asyncio.run(main())
    >>> answers
    [b'ONE', b'ONE', b'THREE', b'THREE']
    >>> transport.counters.up
    3 received, 2 sent, 1 dropped on purpose
    >>> transport.counters.down.duplicated
    2
    """
    protocol = protocol_factory()
    wrapped = LinkProtocol(protocol, up=up, down=down, seed=seed)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: wrapped, **endpoint)
    return wrapped.transport, protocol


class EndpointCounters(PublicNames):
    """The counters of both directions of an endpoint."""

    def __init__(self, up: WayCounters, down: WayCounters) -> None:
        self.up = up
        """Of what the program sends."""
        self.down = down
        """Of what it receives."""

    def __repr__(self) -> str:
        return f"up: {self.up}; down: {self.down}"


class LinkProtocol(asyncio.DatagramProtocol, SuggestsKeywords):
    """Puts a link between a protocol and its transport, where a library opens the endpoint itself.

    `protocol` is a datagram protocol; `up`, `down` and `seed` are those of `create_datagram_endpoint`, which
    is the shorter way where the program opens the endpoint. The protocol is given a transport that
    passes the link (`.transport`); the one that the loop gives back does not.

    >>> import asyncio, udpping
    >>> class Greets(asyncio.DatagramProtocol):
    ...     def connection_made(self, transport):
    ...         transport.sendto(b"hello")
    >>> async def library(factory, address):
    ...     loop = asyncio.get_running_loop()
    ...     return await loop.create_datagram_endpoint(factory, remote_addr=address)
    >>> async def main():
    ...     with udpping.Server(port=0) as server:
    ...         through = udpping.aio.LinkProtocol(Greets(), up="loss=1")
    ...         await library(lambda: through, server.address)
    ...         through.transport.close()
    ...         return through.transport.counters.up.dropped, server.counters.received
    >>> asyncio.run(main())
    (1, 0)
    """

    def __init__(
        self,
        protocol: asyncio.DatagramProtocol,
        *,
        up: "LinkLike" = "",
        down: "LinkLike" = "",
        seed: int | None = None,
    ) -> None:
        self.protocol = protocol
        """The protocol of the program."""
        self._link = _core.EndpointLink(
            link_text("up", up),
            link_text("down", down),
            None if seed is None else checks.any_whole("seed", seed),
        )
        self._transport: LinkTransport | None = None

    @property
    def transport(self) -> "LinkTransport":
        """The transport that passes the link, once the endpoint is open."""
        if self._transport is None:
            raise ConfigError("this LinkProtocol has no transport: give it to loop.create_datagram_endpoint")
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the protocol its transport."""
        if self._transport is not None:
            raise ConfigError("this LinkProtocol has an endpoint: make another one for each")
        real: Any = transport
        loop = asyncio.get_running_loop()
        began = loop.time()
        up = _Way(loop, began, self._link, real.sendto, down=False)
        self._way_down = _Way(loop, began, self._link, self._receive, down=True)
        self._transport = LinkTransport(real, self.protocol, self._link, up, self._way_down)
        self.protocol.connection_made(self._transport)

    def datagram_received(self, data: bytes, addr: "Address") -> None:
        """Let a datagram pass the link on its way down."""
        self._way_down.take(data, addr, addr)

    def error_received(self, exc: Exception) -> None:
        """Hand an error on."""
        self.protocol.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """Discard what waits, and hand the end on."""
        self.transport.abort()
        self.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self.protocol.resume_writing()

    def _receive(self, data: bytes, addr: "Any") -> None:  # noqa: ANN401 - as protocols have it
        if not self.transport.is_closing():
            self.protocol.datagram_received(data, addr)

    def __repr__(self) -> str:
        return f"<udpping.aio.LinkProtocol of {self.protocol!r}>"


class LinkTransport(asyncio.DatagramTransport, PublicNames):
    """The transport of an endpoint whose datagrams pass a link. `create_datagram_endpoint` makes it.

    It is an `asyncio.DatagramTransport`, with all that the transport of the loop has.
    """

    def __init__(
        self,
        real: "Any",  # noqa: ANN401 - that of the loop, which has more than its base class
        protocol: asyncio.BaseProtocol,
        link: "_core.EndpointLink",
        up: "_Way",
        down: "_Way",
    ) -> None:
        super().__init__()
        self._real, self._protocol, self._link, self._way_up, self._way_down = real, protocol, link, up, down
        self._peer = real.get_extra_info("peername")
        self._closing: asyncio.Task[object] | None = None

    @property
    def seed(self) -> int:
        """The seed in force: the same one repeats every draw."""
        return self._link.seed

    @property
    def up(self) -> Link:
        """What happens to what the program sends; another one can be set while it is open."""
        return Link(self._link.way(False))

    @up.setter
    def up(self, link: "LinkLike") -> None:
        self._link.set(False, link_text("up", link))

    @property
    def down(self) -> Link:
        """What happens to what it receives; another one can be set while it is open."""
        return Link(self._link.way(True))

    @down.setter
    def down(self, link: "LinkLike") -> None:
        self._link.set(True, link_text("down", link))

    @property
    def counters(self) -> EndpointCounters:
        """What the link did so far: a snapshot; ask at any time, also when it is closed."""
        up, down = self._link.counters()
        return EndpointCounters(WayCounters(up), WayCounters(down))

    def block(self, seconds: "Duration") -> None:
        """Let nothing pass for so long, from now on, up to 1 day; 0 ends it. What is on its way arrives.

        >>> import asyncio, udpping
        >>> async def main():
        ...     transport, _ = await udpping.aio.create_datagram_endpoint(
        ...         asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)
        ...     )
        ...     transport.block("2s")
        ...     transport.sendto(b"anybody?")
        ...     transport.close()
        ...     return transport.counters.up.dropped
        >>> asyncio.run(main())
        1
        """
        self._way_up.block(durations.nanos("seconds", seconds, durations.LINGER))

    def sendto(self, data: "Any", addr: "Any" = None) -> None:  # noqa: ANN401
        """Send a datagram as the transport of the loop does, through the link."""
        given: object = data
        if not isinstance(given, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(given).__name__!r}")
        if self._peer is not None and addr not in (None, self._peer):
            raise ValueError(f"the endpoint sends to {self._peer} alone, not to {addr}")
        if self._peer is None and addr is None:
            raise ValueError("sendto needs an address: the endpoint was opened without remote_addr")
        if not self.is_closing():
            self._way_up.take(bytes(data), addr, addr or self._peer)

    def close(self) -> None:
        """Receive nothing more, and close when what was sent has left."""
        if self.is_closing():
            return
        self._way_down.discard()
        if self._way_up.is_empty:
            self._real.close()
            return
        # The end of the loop cancels its tasks, and so closes this as well.
        self._closing = asyncio.get_running_loop().create_task(self._way_up.emptied())
        self._closing.add_done_callback(lambda _: self._real.close())

    def abort(self) -> None:
        """Close at once; what waits is discarded."""
        self._way_up.discard()
        self._way_down.discard()
        self._real.abort()

    def is_closing(self) -> bool:
        """Return whether it is closed or about to be."""
        return self._closing is not None or self._real.is_closing()

    def get_extra_info(self, name: str, default: "Any" = None) -> "Any":  # noqa: ANN401
        """Tell what the transport of the loop tells."""
        return self._real.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of the program."""
        return self._protocol

    def __getattr__(self, name: str) -> "Any":  # noqa: ANN401
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._real, name)

    def __repr__(self) -> str:
        state = "closed" if self.is_closing() else "open"
        setup = f"up {str(self.up) or 'nothing'}, down {str(self.down) or 'nothing'}, seed {self.seed}"
        return f"<udpping.aio.LinkTransport {setup}: {state}>"


class _Way:
    """One direction: what the link decides, and the datagrams that wait for their time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        began: float,
        link: "_core.EndpointLink",
        deliver: "Callable[[bytes, Any], None]",
        *,
        down: bool,
    ) -> None:
        self._loop, self._began, self._link, self._deliver, self._is_down = loop, began, link, deliver, down
        self._heap: list[tuple[int, int, bytes, Address]] = []
        self._bytes = self._order = 0
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._heap

    def block(self, nanos: int) -> None:
        """Let nothing of either direction pass for so long."""
        self._link.block_until(self._now() + nanos)

    def take(self, data: bytes, addr: "Address", peer: "Address") -> None:
        """Let the link decide on a datagram, and pass on what is due."""
        host, port = (str(peer[0]).partition("%")[0], peer[1]) if isinstance(peer, tuple) else ("", 0)
        times, arriving = self._link.carry(self._is_down, host, port, self._now(), data)
        self._hold(times, arriving, addr)
        self._release()

    def discard(self) -> None:
        """Forget what waits."""
        self._link.failed(self._is_down, len(self._heap))
        self._heap.clear()
        self._bytes = 0
        self._rearm()

    async def emptied(self) -> None:
        """Wait until nothing waits."""
        if self._heap:
            self._emptied = self._loop.create_future()
            await self._emptied

    def _hold(self, times: "Iterable[int]", data: bytes, addr: "Address") -> None:
        for due in times:
            self._order += 1
            self._bytes += len(data)
            if len(self._heap) >= _core.MOST_HELD or self._bytes > _core.MOST_HELD_BYTES:
                self._bytes -= len(data)
                self._link.failed(self._is_down, 1)
            else:
                heapq.heappush(self._heap, (due, self._order, data, addr))

    def _release(self) -> None:
        try:
            while self._heap and self._heap[0][0] <= self._now():
                _, _, data, addr = heapq.heappop(self._heap)
                self._bytes -= len(data)
                self._link.sent(self._is_down)
                self._deliver(data, addr)
        finally:
            self._rearm()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._began + self._heap[0][0] / 1e9, self._release)
        elif self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _now(self) -> int:
        return round((self._loop.time() - self._began) * 1e9)
