"""A command that runs beside heartbeats, on Windows: Ctrl-C and Ctrl-Break reach it and us."""

import signal
import subprocess
import sys
from contextlib import suppress

from udpping._args.keys import environ

if sys.platform != "win32":
    raise ImportError(__name__)

ENDED_BY_CTRL_C = 0xC000013A
"""`STATUS_CONTROL_C_EXIT`"""
MOST = (1 << 31) - 1
"""The highest status that heartbeats say."""


def _let_it_be(*_: object) -> None:
    pass


class Command:
    """Make it before other threads are started."""

    def __init__(self) -> None:
        for each in (signal.SIGINT, signal.SIGBREAK):
            # Not SIG_IGN: the command ends when it wants to, and we with it.
            signal.signal(each, _let_it_be)

    def start(self, words: list[str]) -> None:
        """Start it; OSError if it cannot be run."""
        self._process = subprocess.Popen(words, env=environ())  # noqa: S603 - the user's own words

    def poll(self) -> int | None:
        """Return its exit status, or the negative number of a signal, once it has ended."""
        status = self._process.poll()
        if status == ENDED_BY_CTRL_C:
            return -signal.SIGINT
        return None if status is None else min(status, MOST)

    def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
