"""Runs a command between heartbeats: it gets our signals, and we return its exit status."""

import os
import signal
from contextlib import suppress

from udpping._args.keys import environ
from udpping._services.service import LOOK
from udpping.cli._output import warn
from udpping.errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._services.heartbeat import Heartbeat
    from udpping.cli._watch import Watch

FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
BY_KERNEL = 128
"""`SI_KERNEL` (sigaction(2)): the terminal sent it, to the command as well."""
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
NOT_FOUND, NOT_RUNNABLE = 127, 126


def run(heartbeat: "Heartbeat", command: list[str], watch: "Watch") -> int:
    """Run a command between the first heartbeat and the goodbye; return the exit code."""
    # From here on, all threads block these signals, for sigtimedwait; the command does not.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    try:
        heartbeat.start()
    except NetworkError as error:
        warn(f"{error}; going on without heartbeats", "heartbeat")
    try:
        child = os.posix_spawnp(
            command[0], command, environ(), setsigmask=before, setsigdef=IGNORED_BY_PYTHON
        )
    except OSError as error:
        status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        warn(f"cannot run {command[0]}: {error.strerror}", "heartbeat")
    else:
        status = supervise(child, watch)
    heartbeat.stop(status)
    with suppress(NetworkError):
        watch.end()
    return status if status >= 0 else 128 - status


def supervise(child: int, watch: "Watch") -> int:
    """Wait for the command, and forward signals; return its status, negative for a signal."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        watch.look()
        caught = signal.sigtimedwait({*FORWARDED, signal.SIGCHLD}, LOOK)
        if caught is not None and caught.si_signo in FORWARDED and caught.si_code != BY_KERNEL:
            os.kill(child, caught.si_signo)
