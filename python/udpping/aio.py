"""The same calls for asyncio: they leave the event loop free, and cancelling one stops its pings.

>>> import asyncio, udpping
>>> async def main():
...     with udpping.Server(port=0) as server:
...         return await udpping.aio.ping(*server.address, count=2)
>>> asyncio.run(main()).summary.received
2

The errors are those of `udpping.ping`. Ctrl-C is asyncio's: it cancels the main task, and the rows are lost.
"""

import asyncio
from contextlib import suppress
from threading import Thread

from udpping._args.limits import DEFAULT_PORT
from udpping._args.targets import targets_of
from udpping._services.ping import finite
from udpping._services.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from udpping._args.options import PingOptions
    from udpping._args.targets import AnyTarget, Target
    from udpping._results.run import Run

__all__ = ["ping", "ping_many"]

POLL = 0.002, 0.02
"""Seconds between two polls of a session: at first, and at most. Measurements do not depend on them."""


async def ping(host: str = "localhost", port: int = DEFAULT_PORT, **options: "Unpack[PingOptions]") -> "Run":
    """Ping as `udpping.ping` does, with the same keywords and errors; cancelling it stops the pings.

    >>> import asyncio, udpping
    >>> async def main():
    ...     with udpping.Server(port=0, loss=1) as server:
    ...         try:
    ...             await asyncio.wait_for(udpping.aio.ping(*server.address, timeout=60), 0.5)
    ...         except TimeoutError:
    ...             return server.counters.received
    >>> asyncio.run(main())
    1
    """
    return await _finish([(host, port)], options)


async def ping_many(
    targets: "Iterable[AnyTarget]", *, port: int = DEFAULT_PORT, **options: "Unpack[PingOptions]"
) -> "Run":
    """Ping as `udpping.ping_many` does, with the same keywords and errors; cancelling it stops the pings.

    >>> import asyncio, udpping
    >>> async def main():
    ...     with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
    ...         return await udpping.aio.ping_many([near.address, deaf.address], count=2, timeout=0.5)
    >>> [summary.received for summary in asyncio.run(main()).summaries]
    [2, 0]
    """
    return await _finish(targets_of(targets, port), options)


async def _finish(targets: "list[tuple[str, int]] | list[Target]", options: "PingOptions") -> "Run":
    finite(options.get("count", 1))
    session = await _open(targets, options)
    session.start()
    pause, longest = POLL
    try:
        # Polling costs less than a thread for each of a thousand sessions.
        while not session.done:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest)
        return session.finish()
    finally:
        session.stop()


async def _open(targets: "list[tuple[str, int]] | list[Target]", options: "PingOptions") -> Session:
    """Look the names up, which may take seconds, in a thread that nobody waits for when this is cancelled."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Session] = loop.create_future()

    def settle(session: "Session | None", error: "BaseException | None") -> None:
        if session is not None and not opened.done():
            opened.set_result(session)
        elif error is not None and not opened.done():
            opened.set_exception(error)

    def work() -> None:
        session, failure = None, None
        try:
            session = Session(targets, options)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, session, failure)

    Thread(target=work, name="udpping open", daemon=True).start()
    return await opened
