"""A command that runs beside heartbeats, on Unix: signals that are sent to us are passed on to it."""

import os
import signal
import sys

from udpping._args.keys import environ

if sys.platform == "win32":
    raise ImportError(__name__)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARDED = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
)
OF_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT})
"""Keys send these, to the command as well."""
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class Notes:
    r"""Notes signals in a pipe, where there is no `sigtimedwait`, as on macOS.

    Who sent one is not told: in the foreground of a terminal, Ctrl-C and Ctrl-\ are taken for its keys.
    """

    def __init__(self) -> None:
        self.mask: Iterable[int] = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for each in (*FORWARDED, signal.SIGCHLD):
            # The command gets the default action, or ignores what is ignored.
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, _let_it_be)

    def wait(self, seconds: float) -> list[int]:
        """Wait for a signal or the end of the command, at most so long; return what is to be passed on."""
        from select import select

        if not select([self._read], [], [], seconds)[0]:
            return []
        caught = set(os.read(self._read, 4_096)) & FORWARDED
        return sorted(caught - OF_TERMINAL if is_in_foreground() else caught)


def _let_it_be(*_: object) -> None:
    pass


def is_in_foreground() -> bool:
    """Whether the keys of a terminal send signals to us."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


if sys.platform == "linux":

    class Queue:
        """Waits for signals by `sigtimedwait`, which tells who sent them; all later threads block them."""

        BY_KERNEL = 128
        """`SI_KERNEL` (sigaction(2)): the terminal sent it."""

        def __init__(self) -> None:
            self.mask: Iterable[int] = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})

        def wait(self, seconds: float) -> list[int]:
            """As of `Notes`."""
            caught = signal.sigtimedwait({*FORWARDED, signal.SIGCHLD}, seconds)
            if caught is None or caught.si_signo not in FORWARDED or caught.si_code == self.BY_KERNEL:
                return []
            return [caught.si_signo]

    Signals = Queue
else:
    Signals = Notes


class Command:
    """Make it before other threads are started."""

    def __init__(self) -> None:
        # If it is ignored, the system forgets the status of a child.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._signals = Signals()

    def start(self, words: list[str]) -> None:
        """Start it; OSError if it cannot be run."""
        mask, ignored = self._signals.mask, IGNORED_BY_PYTHON
        self._child = os.posix_spawnp(words[0], words, environ(), setsigmask=mask, setsigdef=ignored)

    def poll(self) -> int | None:
        """Return its exit status, or the negative number of a signal, once it has ended."""
        done, status = os.waitpid(self._child, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if done else None

    def wait(self, seconds: float) -> None:
        """Pass signals on, until one came or it has ended, at most so long."""
        for each in self._signals.wait(seconds):
            os.kill(self._child, each)
