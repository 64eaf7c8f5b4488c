"""The same calls for asyncio: they leave the event loop free, and cancelling one stops its pings.

>>> import asyncio, udpping
>>> async def main():
...     with udpping.Server(port=0) as server:
...         return await udpping.aio.ping(*server.address, count=2)
>>> asyncio.run(main()).summary.received
2
"""

import asyncio

from udpping._ping import targets_of
from udpping._session import Session
from udpping._targets import DEFAULT_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypedDict, Unpack

    from udpping._ping import Target
    from udpping._run import Run

    class Options(TypedDict, total=False):
        """The keywords of `udpping.ping`."""

        count: int
        timeout: float
        interval: float | None
        linger: float | None
        size: int | None
        bind: str | None
        ttl: int | None
        dscp: int | None
        df: bool
        family: str | None


__all__ = ["ping", "ping_many"]

POLL = 0.002, 0.02
"""Seconds between two looks at a session: at first, and at most. The measuring does not depend on it."""


async def ping(host: str = "localhost", port: int = DEFAULT_PORT, **options: "Unpack[Options]") -> "Run":
    """Ping as `udpping.ping` does, with the same keywords; cancelling it stops the pings."""
    return await _finish([(host, port)], options)


async def ping_many(
    targets: "Iterable[Target]", *, port: int = DEFAULT_PORT, **options: "Unpack[Options]"
) -> "Run":
    """Ping as `udpping.ping_many` does, with the same keywords; cancelling it stops the pings."""
    return await _finish(targets_of(targets, port), options)


async def _finish(targets: list[tuple[str, int]], options: "Options") -> "Run":
    # Names are looked up on construction, which may take seconds.
    session = await asyncio.to_thread(lambda: Session(targets, **options))
    session.start()
    pause, longest = POLL
    try:
        # Looking now and then costs less than a thread for each of a thousand sessions.
        while not session.done:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest)
        return session.finish()
    finally:
        session.stop()
