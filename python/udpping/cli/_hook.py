"""Runs a command for events, one at a time, in a thread and for a limited time.

Values from the network go into its environment, never into its arguments.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import OrderedDict, deque
from threading import Condition, Event, Thread
from time import monotonic

from udpping._args import checks
from udpping._args.keys import environ
from udpping._results.peers import utc
from udpping._services.service import LOOK
from udpping.cli._often import CALMED, OFTEN, Often

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from udpping._results.rows import MonitorEvent

WAITING = 10_000
"""Events of a kind that may wait."""
LIMIT = 30.0
"""Seconds that one run may take."""
PATIENCE = 5.0
"""Seconds that the queued events may take at the end."""
SECOND = 1_000_000_000
FIRST = ("outage", "isolated", "down")
"""These are run before all others."""
ALONE = 8
"""As many events of a kind have a run each; if more wait, they share one."""
GATHERED = 2.0
"""Seconds in which clients that come up share a run."""
ROOM = 100_000
"""Characters of names in the environment; a variable of Linux has 131,072."""


class Hook:
    """Runs a command for events, in a thread of its own: for all that are notable, or those of some names."""

    def __init__(self, command: str, *, on: "Collection[str] | None" = None, limit: float = LIMIT) -> None:
        self.words = split(command)
        self.on = on
        self.limit = limit
        self._waiting = Waiting()
        self._problems: deque[str] = deque(maxlen=WAITING)
        self._closing, self._aborted, self._done = Event(), Event(), Event()
        Thread(target=self._work, daemon=True).start()

    @property
    def dropped(self) -> int:
        """Events that went without the command."""
        return self._waiting.dropped

    def run(self, event: "MonitorEvent") -> None:
        """Queue an event, if the command is wanted for it."""
        if not (event.is_notable if self.on is None else event.event in self.on):
            return
        if self._waiting.add(event) and self.dropped == 1:
            self._problems.append("events come faster than the command runs: it is not run for all of them")

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
            self.abort()
        dropped = self.dropped + len(self._waiting)
        if dropped:
            self._problems.append(f"the command was not run for {dropped:,} events")

    def abort(self) -> None:
        """Kill the command that runs, and run none any more."""
        self._aborted.set()
        self._done.wait()

    def _work(self) -> None:
        try:
            while not self._aborted.is_set():
                closing = self._closing.is_set()
                events = self._waiting.take(LOOK, everything=closing)
                if events:
                    problem = self._run(events)
                    if problem is not None:
                        self._problems.append(f"{self.words[0]} {problem}, for: {message(events)}")
                elif closing:
                    return
        finally:
            self._done.set()

    def _run(self, events: "list[MonitorEvent]") -> str | None:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own arguments; none comes from the network
                self.words,
                env=environ() | environment(events),
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
                kill(process)
                return f"was killed after {monotonic() - end + self.limit:.1f} s"
            if status == 0:
                return None
            return f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process of `subprocess` that leads a group, and all those of its group."""
    if sys.platform == "win32":
        words = ["taskkill", "/t", "/f", "/pid", str(process.pid)]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # noqa: S603
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Waiting:
    """Events that wait for their run, by kind and by how long they are gathered."""

    def __init__(self) -> None:
        self.dropped = 0
        self._kinds: OrderedDict[tuple[str, float], deque[tuple[float, MonitorEvent]]] = OrderedDict()
        self._runs = Often()
        self._changed = Condition()

    def __len__(self) -> int:
        with self._changed:
            return sum(map(len, self._kinds.values()))

    def add(self, event: "MonitorEvent") -> bool:
        """Add an event; return whether it was dropped, as too many wait."""
        now = monotonic()
        with self._changed:
            events = self._kinds.setdefault((event.event, self._pause(event, now)), deque())
            full = len(events) >= WAITING
            if full:
                self.dropped += 1
            else:
                events.append((now, event))
            self._changed.notify()
            return full

    def take(self, seconds: float, *, everything: bool) -> "list[MonitorEvent]":
        """Wait for the events of the next run, at most so many seconds; all that wait are due at the end."""
        with self._changed:
            if not (due := self._due(everything=everything)):
                self._changed.wait(seconds)
                due = self._due(everything=everything)
            if not due:
                return []
            events = self._kinds[due]
            pause = due[1]
            taken = [events.popleft()[1]] if len(events) <= ALONE and not pause else [e for _, e in events]
            if pause or len(taken) > 1 or not events:
                del self._kinds[due]
            return taken

    def _due(self, *, everything: bool) -> "tuple[str, float] | None":
        now = monotonic()
        due = [kind for kind, events in self._kinds.items() if everything or now - events[0][0] >= kind[1]]
        return min(due, key=lambda kind: kind[0] not in FIRST, default=None)

    def _pause(self, event: "MonitorEvent", now: float) -> float:
        """Return how long to gather such events."""
        if event.event == "new" or (event.event == "up" and event.before == "new"):
            return GATHERED
        if event.client is None:
            return 0.0
        return CALMED if self._runs.add(event.client, now) >= OFTEN else 0.0


def split(command: str) -> list[str]:
    """Split a command as a shell does, and check that there is such a program."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words or shutil.which(words[0]) is None:
        raise checks.refuse("exec", command, "a program in the PATH and its arguments, quoted as in a shell")
    return words


def message(events: "list[MonitorEvent]") -> str:
    """Write what happened: the first event, and how many more there are."""
    more = len(events) - 1
    return f"{events[0].message}, and {more:,} more" if more else events[0].message


def environment(events: "list[MonitorEvent]") -> dict[str, str]:
    """Return the environment variables of events of one kind; unknown values are empty."""
    event = events[0]
    clients = " ".join(dict.fromkeys(event.client for event in events if event.client is not None))
    if len(clients) > ROOM:
        clients = clients[:ROOM].rsplit(" ", 1)[0]
    known = {
        "EVENT": event.event,
        "CLIENT": event.client,
        "CLIENTS": clients,
        "COUNT": len(events),
        "ADDRESS": event.address,
        "PREVIOUS": event.previous,
        "BEFORE": event.before,
        "SEQ": event.seq,
        "SECONDS": None if event.span_ns is None else f"{event.span_ns / SECOND:.6f}",
        "VALUE": event.value,
        "MESSAGE": message(events),
        "TIME": utc(event.wall_ns),
        "NUMBER": event.number,
    }
    return {f"UDPPING_{name}": "" if value is None else str(value) for name, value in known.items()}
