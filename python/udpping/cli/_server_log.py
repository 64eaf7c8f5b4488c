"""What `server` and `relay` write about each datagram: lines on the screen, and a log file."""

from time import gmtime, strftime

from udpping import _core
from udpping._results.rows import Event, LogRow, RelayEvent
from udpping._table.text import SECOND, iso
from udpping.cli._output import Report, beginning, record_text, row_facts

JSON_LINES = (".json", ".jsonl", ".ndjson")
"""How the name of a log ends that has lines of JSON; any other has CSV."""
DATAGRAM = "datagram"
BATCH = 1_000
"""Lines that are written together, at most."""


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    AnyEvent: TypeAlias = Event | RelayEvent


class Screen:
    """Prints a line for each datagram."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def add(self, event: "AnyEvent") -> None:
        self.report.record(DATAGRAM, **row_facts(event))
        if not self.report.json:
            line = (
                f"{iso(event.recv_wall_ns, 'milliseconds')}  {event.client}  {outcome(event)}:"
                f" {beginning(event.message)}"
            )
            self.report.say(line if event.verdict in {"answer", "send"} else self.report.alarm(line))

    def flush(self) -> None:
        """Nothing waits."""


def outcome(event: "AnyEvent") -> str:
    if isinstance(event, RelayEvent):
        number, done = f"{event.direction}, datagram {event.number}", "sent"
    else:
        number = f"datagram {event.number}" + ("" if event.seq is None else f", seq {event.seq}")
        done = "answered"
    if event.verdict == "drop":
        return f"{number}, dropped on its way {event.direction} ({event.reason})"
    if event.verdict == "error":
        return f"{number}, not {done} ({event.reason})"
    delay = "" if not event.delay_ns else f" after {event.delay_ns / 1e6:.3f} ms"
    more = "" if isinstance(event, RelayEvent) or event.replies == 1 else f", {event.replies} replies"
    damage = "" if isinstance(event, RelayEvent) or event.damage is None else f", {event.damage}"
    return f"{number}, {done}{delay}{more}{damage}"


class File:
    """Appends a line for each datagram to a file; a full disk is reported once, and tried again."""

    def __init__(self, path: str, report: Report, fields: tuple[str, ...] = LogRow._fields) -> None:
        self.path = path
        self.report = report
        self.fields = fields
        self.json = path.endswith(JSON_LINES)
        begins = record_text(DATAGRAM, {"time": ""}).removesuffix('"}')
        title = ",".join(("time", *fields)) + "\n"
        self._file = _core.LogFile(path, "" if self.json else title, begins)
        self._lines: list[str] = []
        self._second, self._time = -1, ""
        self._problem: str | None = None

    def add(self, event: "AnyEvent") -> None:
        row = event[:-1]
        time = self._time_of(event.recv_wall_ns)
        if self.json:
            line = record_text(DATAGRAM, {"time": time, **dict(zip(self.fields, row, strict=True))})
        else:
            line = ",".join(("" if value is None else str(value)) for value in (time, *row))
        self._lines.append(f"{line}\n")
        if len(self._lines) >= BATCH:
            self.flush()

    def flush(self) -> None:
        if not self._lines:
            return
        lines, self._lines = "".join(self._lines), []
        try:
            self._file.append(lines)
        except OSError as error:
            self._tell(str(error))

    def reopen(self) -> None:
        """Open it anew: it may have been moved."""
        self.flush()
        try:
            self._file.reopen()
        except OSError as error:
            self._tell(str(error))
        else:
            self.report.record("reopened", log=self.path)
            self.report.say(f"{self.path} is opened again")

    def end(self, missed: int) -> None:
        """Report how many datagrams it does not have."""
        self.flush()
        missing = missed + self._file.lost
        if missing:
            self.report.record("missing", log=self.path, datagrams=missing)
            self.report.say(
                self.report.alarm(
                    f"{missing:,} datagrams are not in {self.path}: they came faster than it was written"
                )
            )

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self.report.record("problem", message=problem)
            self.report.say(self.report.alarm(problem))

    def _time_of(self, wall_ns: int) -> str:
        second, rest = divmod(wall_ns, SECOND)
        if second != self._second:
            self._second, self._time = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return f"{self._time}.{rest // 1_000:06}Z"
