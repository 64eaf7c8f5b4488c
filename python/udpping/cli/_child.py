"""Runs a command between heartbeats: it gets our signals, and we return its exit status."""

import sys
from contextlib import suppress

from udpping._services.service import LOOK
from udpping.cli._output import warn
from udpping.errors import NetworkError

if sys.platform == "win32":
    from udpping.cli._command_windows import Command
else:
    from udpping.cli._command_unix import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._services.heartbeat import Heartbeat
    from udpping.cli._watch import Watch

NOT_FOUND, NOT_RUNNABLE = 127, 126


def run(heartbeat: "Heartbeat", words: list[str], watch: "Watch") -> int:
    """Run a command between the first heartbeat and the goodbye; return the exit code."""
    command = Command()
    try:
        heartbeat.start()
    except NetworkError as error:
        warn(f"{error}; going on without heartbeats", "heartbeat")
    try:
        command.start(words)
    except OSError as error:
        status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        warn(f"cannot run {words[0]}: {error.strerror}", "heartbeat")
    else:
        while (found := command.poll()) is None:
            watch.look()
            command.wait(LOOK)
        status = found
    heartbeat.stop(status)
    with suppress(NetworkError):
        watch.end()
    return status if status >= 0 else 128 - status
