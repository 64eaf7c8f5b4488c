"""The same calls for asyncio: they leave the event loop free, and cancelling one stops its pings.

>>> import asyncio, udpping
>>> async def main():
...     async with udpping.Server(port=0) as server:
...         return await udpping.aio.ping(server, count=2)
>>> asyncio.run(main()).summary.received
2

`Server`, `Monitor` and `Heartbeat` run in the background anyway: `async with` starts and stops them without
blocking. The errors are those of `udpping.ping`. Ctrl-C is asyncio's: it cancels the main task, and the rows
are lost.

`create_datagram_endpoint` is that of the loop, and lets the datagrams of a program pass a link: losses and
delays in its tests, without a second socket. `LinkProtocol` does it where a library opens the endpoint.
"""

import asyncio
from contextlib import suppress
from functools import partial
from threading import Thread

from udpping._args import durations
from udpping._args.options import PROTOCOL, known, port_of
from udpping._args.targets import one_or_many, one_target, sole_target, targets_of
from udpping._endpoint import LinkProtocol, LinkTransport, create_datagram_endpoint
from udpping._services.ping import PingerBase, finite
from udpping._services.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self, TypeVar, Unpack

    from udpping._args.durations import Duration
    from udpping._args.options import PingerOptions, PingOptions
    from udpping._args.targets import AnyTarget, Target
    from udpping._results.rows import Row, TargetEvent
    from udpping._results.run import Run

    T = TypeVar("T")

__all__ = ["LinkProtocol", "LinkTransport", "Pinger", "create_datagram_endpoint", "ping", "ping_many"]


def __dir__() -> list[str]:
    return __all__


OWN = ("announce", "keep", "detector")
"""The keywords of `Pinger` that `ping` does not have."""
POLL = 0.002, 0.02
"""Seconds between two polls of a session: at first, and at most. Measurements do not depend on them."""


async def ping(
    host: "AnyTarget" = "localhost", port: int | None = None, **options: "Unpack[PingOptions]"
) -> "Run":
    """Ping as `udpping.ping` does, with the same keywords and errors; cancelling it stops the pings.

    >>> import asyncio, udpping
    >>> async def main():
    ...     with udpping.Server(port=0, loss=1) as server:
    ...         try:
    ...             await asyncio.wait_for(udpping.aio.ping(server, timeout=60), 2)
    ...         except TimeoutError:
    ...             return server.counters.received
    >>> asyncio.run(main())
    1
    """
    return await _finish([sole_target(host, port, default=_port(options))], options)


async def ping_many(
    targets: "Iterable[AnyTarget]", *, port: int | None = None, **options: "Unpack[PingOptions]"
) -> "Run":
    """Ping as `udpping.ping_many` does, with the same keywords and errors; cancelling it stops the pings.

    >>> import asyncio, udpping
    >>> async def main():
    ...     with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
    ...         return await udpping.aio.ping_many([near, deaf], count=2, timeout=1.5)
    >>> [summary.received for summary in asyncio.run(main()).summaries]
    [2, 0]
    """
    return await _finish(targets_of(targets, _port(options) if port is None else port), options)


class Pinger(PingerBase):
    """Pings that can be watched: `udpping.Pinger` for `async with` and `async for`.

    Keywords, rows, properties and errors are those of `udpping.Pinger`. Names are looked up and sockets
    opened when the block is entered or the first row is asked for; until then, there are no results.
    Leaving the block, also when the task is cancelled, stops the pings.

    >>> import asyncio, udpping
    >>> async def main():
    ...     async with udpping.Server(port=0) as server:
    ...         async with udpping.aio.Pinger(server, count=None) as pinger:
    ...             async for row in pinger:
    ...                 if row.seq == 3:
    ...                     return pinger.summary.received
    >>> asyncio.run(main()) >= 3
    True
    """

    _NAME = "udpping.aio.Pinger"

    def __init__(
        self,
        host: "AnyTarget | Iterable[AnyTarget]" = "localhost",
        port: int | None = None,
        **options: "Unpack[PingerOptions]",
    ) -> None:
        known("Pinger", options, OWN)
        self._port = _port(options) if port is None else port
        self._targets = one_or_many(host, port, self._port)
        self._options = options
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> "Self":
        (await self._open()).start()
        return self

    async def __aexit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    def __aiter__(self) -> "Self":
        return self

    async def __anext__(self) -> "Row":
        session = await self._open()
        # Rows that wait must not keep other tasks from their turn.
        await asyncio.sleep(0)
        for pause in _pauses():
            if (row := session.next_row(0)) is not None:
                return row
            if session.done:
                raise StopAsyncIteration
            await asyncio.sleep(pause)
        raise AssertionError

    async def run(self) -> "Run":
        """Wait for the end (with `count=None`: for `stop`) and give the whole run.

        Raises NetworkError when the system ends it.
        """
        return await _end(await self._open())

    async def next_event(self, seconds: "Duration | None" = None) -> "TargetEvent | None":
        """Give the next event of a `detector`, as `udpping.Pinger.next_event` does."""
        left = None if seconds is None else durations.seconds("seconds", seconds)
        session = await self._open()
        end = None if left is None else asyncio.get_running_loop().time() + left
        for pause in _pauses():
            over = session.over
            event = session.next_event(0)
            if event is not None or over or (end is not None and asyncio.get_running_loop().time() >= end):
                return event
            await asyncio.sleep(pause)
        raise AssertionError

    async def add(self, target: "AnyTarget") -> None:
        """Ping one more target, as `udpping.Pinger.add` does."""
        added = one_target(target, self._port)
        await _in_a_thread(partial(self._session.add, added))

    def remove(self, target: "AnyTarget") -> None:
        """Send nothing more to a target, as `udpping.Pinger.remove` does."""
        self._session.remove(one_target(target, self._port))

    async def resolve(self) -> "dict[str, Exception]":
        """Look up the names of all targets again, as `udpping.Pinger.resolve` does."""
        return await _in_a_thread(self._session.resolve)

    async def _open(self) -> Session:
        async with self._opening:
            if self._opened is None:
                every: dict[str, Any] = dict(self._options)
                own = {name: every.pop(name) for name in OWN if name in every}
                self._opened = await _in_a_thread(lambda: Session(self._targets, every, events=True, **own))
            return self._opened


def _port(options: "PingOptions | PingerOptions") -> int:
    return port_of(options.get("protocol", PROTOCOL))


async def _finish(targets: "list[Target]", options: "PingOptions") -> "Run":
    finite(options.get("count", 1))
    return await _end(await _in_a_thread(lambda: Session(targets, options)))


async def _end(session: Session) -> "Run":
    session.start()
    try:
        # Polling costs less than a thread for each of a thousand sessions.
        for pause in _pauses():
            if session.over:
                break
            await asyncio.sleep(pause)
        return session.finish()
    finally:
        session.stop()


def _pauses() -> "Iterator[float]":
    pause, longest = POLL
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


async def _in_a_thread(work: "Callable[[], T]") -> "T":
    """Look names up, which may take seconds, in a thread that nobody waits for when this is cancelled."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: "Callable[[], None]") -> None:
        if not done.done():
            result()

    def run() -> None:
        try:
            result = partial(done.set_result, work())
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            result = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result)

    Thread(target=run, name="udpping open", daemon=True).start()
    return await done
