"""What reaches a command while it works: signals, and a deadline."""

import signal
import sys
from _thread import interrupt_main
from contextlib import contextmanager, suppress

from udpping._console import interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

if sys.platform == "win32":
    HANGUP: frozenset[int] = frozenset()
    ASKING: frozenset[int] = frozenset()
    # Ctrl-Break, and a window that is closed.
    ENDING = HANGUP | {signal.SIGINT, signal.SIGTERM, signal.SIGBREAK}
else:
    HANGUP: frozenset[int] = frozenset({signal.SIGHUP})
    """The terminal is gone, or files were moved or changed."""
    ASKING: frozenset[int] = frozenset({signal.SIGQUIT, signal.SIGUSR1})
    """Each asks for the summary so far."""
    ENDING = HANGUP | {signal.SIGINT, signal.SIGTERM}
    """Each ends a command with its summary."""


def raise_on_signals() -> None:
    """Let the others raise KeyboardInterrupt, as SIGINT does: process 1 gets only what it handles."""
    for each in ENDING:
        _install(each, signal.default_int_handler)
    interrupts.keep()


class Noted:
    """Notes that one of some signals came; `take` tells once."""

    def __init__(self, numbers: "Iterable[int]") -> None:
        self._came = False
        for each in numbers:
            _install(each, self._note)

    def take(self) -> bool:
        came, self._came = self._came, False
        return came

    def _note(self, *_: object) -> None:
        self._came = True


@contextmanager
def held() -> "Generator[None]":
    """Let signals that end a command wait: argparse cannot be interrupted while it mends its actions."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def calling(stop: "Callable[[], None]") -> "Generator[None]":
    """Let the first signal call `stop`, which interrupts nothing; a second one raises KeyboardInterrupt."""

    def stop_and_restore(*_: object) -> None:
        restore()
        stop()

    def restore() -> None:
        for each in ENDING:
            _install(each, signal.default_int_handler)

    for each in ENDING:
        _install(each, stop_and_restore)
    try:
        yield
    finally:
        restore()


class Deadline:
    """Calls `act` when so many seconds have passed, from the start of the command on: at first Ctrl-C."""

    def __init__(self, seconds: float | None) -> None:
        self.over = False
        self.act: Callable[[], None] = interrupt_main
        if seconds is None:
            return
        from threading import Timer

        timer = Timer(seconds, self._end)
        timer.daemon = True
        timer.start()

    def then(self, act: "Callable[[], None]") -> None:
        """Call this instead, also if the time is over already."""
        self.act = act
        if self.over:
            act()

    def _end(self) -> None:
        self.over = True
        self.act()


def _install(number: int, handler: "Callable[..., object]") -> None:
    # A signal that is ignored, as under nohup, stays so; and only the main thread may set handlers.
    if signal.getsignal(number) is not signal.SIG_IGN:
        with suppress(ValueError):
            signal.signal(number, handler)
