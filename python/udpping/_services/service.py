"""The base classes of services, which the core runs in its own threads while Python waits in slices."""

from typing import TYPE_CHECKING, Generic, TypeVar

from udpping._args.keywords import SuggestsKeywords
from udpping.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, TypeAlias
    from weakref import WeakSet

    from udpping import _core

    Source: TypeAlias = _core.EchoServer | _core.UdpRelay | _core.HeartbeatMonitor | _core.PingSession
    Bound: TypeAlias = _core.EchoServer | _core.UdpRelay | _core.HeartbeatMonitor | _core.StampReflector
    CoreT = TypeVar("CoreT", bound=Bound | _core.HeartbeatSender)
    BoundT = TypeVar("BoundT", bound=Bound)
else:
    # Reading bounds takes a millisecond.
    CoreT, BoundT = TypeVar("CoreT"), TypeVar("BoundT")

SLICE = 0.05
"""The longest seconds of one wait, and so until Ctrl-C is handled."""
LOOK = 0.1
"""Seconds between two polls of a command."""


def wait_for(core: "Source | Bound | _core.HeartbeatSender", seconds: float | None = None) -> bool:
    """Wait until it ends, at most so many seconds; return whether it has."""
    from time import monotonic

    end = None if seconds is None else monotonic() + seconds
    while True:
        left = SLICE if end is None else end - monotonic()
        if core.wait(min(SLICE, max(0.0, left))):
            return True
        if left <= 0:
            return False


def next_of(core: "Source", seconds: float | None = None) -> "tuple[Any, ...] | None":
    """Wait for the next event, at most so many seconds; `None` after that time, or after the last event."""
    return next_from(lambda: core.done, core.next, seconds)


def next_from(
    is_over: "Callable[[], bool]",
    take: "Callable[[float], tuple[Any, ...] | None]",
    seconds: float | None = None,
) -> "tuple[Any, ...] | None":
    """Wait likewise for what `take` gives, until it is over."""
    from time import monotonic

    end = None if seconds is None else monotonic() + seconds
    while True:
        over = is_over()
        left = SLICE if end is None else max(0.0, end - monotonic())
        values = take(0 if over else min(SLICE, left))
        if values is not None or over or left <= 0:
            return values


class OfParent:
    """What a forked child has of a service that its parent started.

    The threads are not there, and may have left any lock held: waiting for one would never end.
    """

    UNLOCKED = frozenset(
        {"address", "bound", "delay", "detector", "loss", "seed", "session", "stop", "touch"}
    )
    running = False

    def __init__(self, core: object) -> None:
        self._core = core

    def __getattr__(self, name: str) -> object:
        if name in self.UNLOCKED:
            return getattr(self._core, name)
        raise NetworkError(f"cannot use {name} in a forked process: its parent runs this one; make a new one")


_started: "WeakSet[Service[Any]] | None" = None


def _leave_out_of_children(service: "Service[Any]") -> None:
    global _started  # noqa: PLW0603 - made when it is needed, as weakref takes long to import
    if _started is None:
        import os
        from weakref import WeakSet

        _started = WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_leave_to_parent)
    _started.add(service)


def _leave_to_parent() -> None:
    for service in list(_started or ()):
        service.__dict__["_core"] = OfParent(service.__dict__["_core"])
    if _started is not None:
        _started.clear()


class Service(SuggestsKeywords, Generic[CoreT]):
    """Runs in the background between `start()` and `stop()`, or within a `with` or an `async with` block."""

    _core: CoreT

    def start(self) -> None:
        """Begin, in the background. May be called twice.

        Raises NetworkError for one that was stopped (make a new one), and when the system gives no thread.
        """
        self._core.start()
        _leave_out_of_children(self)

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> "Self":
        return self.__enter__()

    async def __aexit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        from asyncio import to_thread

        # It may wait for a file, or for a goodbye to leave.
        await to_thread(self.__exit__, kind, error, trace)

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._core.running

    def __repr__(self) -> str:
        match self.__dict__.get("_core"):
            case None:
                return f"<udpping.{type(self).__name__}: not made>"
            case OfParent():
                return f"<udpping.{type(self).__name__}: runs in the process that this one was forked from>"
            case _:
                return self._shown()

    def _shown(self) -> str:
        raise NotImplementedError


class Listener(Service[BoundT]):
    """A service at a port."""

    def stop(self) -> None:
        """End, and free the port. May be called twice."""
        self._core.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until it stops, through `stop()` in another thread or through a failure.

        Raises that failure, once, as NetworkError, and KeyboardInterrupt on Ctrl-C, with which it goes on.
        One that was never started is waited for as well.
        """
        wait_for(self._core)

    @property
    def missed_events(self) -> int:
        """Events that nobody took in time."""
        return self._core.missed_events

    @property
    def address(self) -> tuple[str, int]:
        """The host and port for others on this machine, also when bound to all interfaces."""
        return self._core.address

    @property
    def bound(self) -> tuple[str, int]:
        """The host and port that it listens at."""
        return self._core.bound
