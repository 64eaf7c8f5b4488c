"""Runs a command for each event, one at a time, in a thread and for a limited time.

Values from the network go into its environment, never into its arguments.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import deque
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import gmtime, monotonic, strftime

from udpping._args import checks
from udpping._args.keys import environ
from udpping._services.service import LOOK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from udpping._results.rows import MonitorEvent

WAITING = 256
"""Events that may wait."""
LIMIT = 30.0
"""Seconds that one run may take."""
PATIENCE = 5.0
"""Seconds that the queued events may take at the end."""
SECOND = 1_000_000_000


class Hook:
    """Runs a command for each event, in a thread of its own."""

    def __init__(self, command: str, *, limit: float = LIMIT) -> None:
        self.words = split(command)
        self.limit = limit
        self.dropped = 0
        self._queue: Queue[MonitorEvent] = Queue(WAITING)
        self._problems: deque[str] = deque(maxlen=WAITING)
        self._closing, self._aborted, self._done = Event(), Event(), Event()
        Thread(target=self._work, daemon=True).start()

    def run(self, event: "MonitorEvent") -> None:
        """Queue an event; drop it when too many wait."""
        try:
            self._queue.put_nowait(event)
        except Full:
            self.dropped += 1
            if self.dropped == 1:
                self._problems.append("events come faster than the command runs: some go without it")

    def problems(self) -> "Iterator[str]":
        while self._problems:
            yield self._problems.popleft()

    def close(self, patience: float = PATIENCE) -> None:
        """Run the command for the queued events, for some seconds; then kill it."""
        self._closing.set()
        # Not by join(): after a Ctrl-C in it, Python takes the thread for ended.
        try:
            self._done.wait(patience)
        finally:
            self._aborted.set()
            self._done.wait()
        self.dropped += self._queue.qsize()
        if self.dropped:
            self._problems.append(f"{self.dropped:,} events went without the command")

    def _work(self) -> None:
        try:
            while not self._aborted.is_set():
                try:
                    event = self._queue.get(timeout=LOOK)
                except Empty:
                    if self._closing.is_set():
                        return
                    continue
                problem = self._run(event)
                if problem is not None:
                    self._problems.append(f"{self.words[0]} {problem}, for: {event.message}")
        finally:
            self._done.set()

    def _run(self, event: "MonitorEvent") -> str | None:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own arguments; none comes from the network
                self.words,
                env=environ() | environment(event),
                stdin=subprocess.DEVNULL,
                # Standard output may be JSON.
                stdout=sys.stderr,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"could not be run: {error}"
        end = monotonic() + self.limit
        while True:
            try:
                status = process.wait(LOOK)
            except subprocess.TimeoutExpired:
                if monotonic() < end and not self._aborted.is_set():
                    continue
                # The whole process group.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"was killed after {monotonic() - end + self.limit:.1f} s"
            if status == 0:
                return None
            return f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"


def split(command: str) -> list[str]:
    """Split a command as a shell does, and check that there is such a program."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words or shutil.which(words[0]) is None:
        raise checks.refuse(
            "exec", command, "a program that can be found, and its words, quoted as for a shell"
        )
    return words


def environment(event: "MonitorEvent") -> dict[str, str]:
    """Return the environment variables of an event; unknown values are empty."""
    seconds, rest = divmod(event.wall_ns, SECOND)
    time = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{rest // 1_000:06}Z"
    known = {
        "EVENT": event.event,
        "CLIENT": event.client,
        "ADDRESS": event.address,
        "PREVIOUS": event.previous,
        "BEFORE": event.before,
        "SEQ": event.seq,
        "SECONDS": None if event.span_ns is None else f"{event.span_ns / SECOND:.6f}",
        "VALUE": event.value,
        "MESSAGE": event.message,
        "TIME": time,
        "NUMBER": event.number,
    }
    return {f"UDPPING_{name}": "" if value is None else str(value) for name, value in known.items()}
