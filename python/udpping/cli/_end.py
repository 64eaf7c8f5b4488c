"""What ends a command before its work is done: signals, and a deadline."""

import signal
from _thread import interrupt_main
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ENDING = signal.SIGINT, signal.SIGTERM
"""Each ends a command with its summary: Ctrl-C, and what `kill` and service managers send."""


def raise_on_signals() -> None:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does: process 1 gets it only with a handler."""
    _install(signal.SIGTERM, signal.default_int_handler)


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
