"""Writes the clients of a monitor as text: a row each, and further values below it."""

from time import gmtime, localtime, strftime
from typing import NamedTuple

from udpping import _core
from udpping._table.text import SECOND, counted, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from udpping._results.rows import PeerRow

WIDTH = 99
"""Columns of a line; a comma may follow."""
INDENT = "    "
NAME = 24
"""Columns for a name; a longer one has a line to itself."""
MOST = 1_000
"""Clients in the table; of more, those with the most heartbeats."""
STATES = ("new", "up", "late", "suspect", "unknown", "down", "bye")


FORETOLD = 0.1
"""False alarms from which on it is worth a line that none came."""


class Alarms(NamedTuple):
    """The false alarms of all clients together, and what was foretold of them."""

    watched_ns: int
    """How long clients had a detector, added up."""
    false_alarms: int
    """How many there were."""
    false_alarms_low: float
    """The lower end of the exact 95 % Poisson interval of their mean (Garwood 1936)."""
    false_alarms_high: float
    """The upper end."""
    false_alarms_foretold: float | None
    """How many calibrated detectors expected for that time; `None` without such a detector."""

    @classmethod
    def of(cls, peers: "Iterable[PeerRow]") -> "Alarms":
        rows = list(peers)
        count = sum(row.false_alarms for row in rows)
        foretold = [row.false_alarms_foretold for row in rows if row.false_alarms_foretold is not None]
        watched = sum(row.watched_ns for row in rows)
        return cls(watched, count, *_core.garwood(count), sum(foretold) if foretold else None)


def alarms_text(alarms: "Alarms | PeerRow") -> str:
    """Write how many false alarms there were, and were foretold; nothing while that says nothing."""
    count, foretold = alarms.false_alarms, alarms.false_alarms_foretold
    if not count and (foretold or 0) < FORETOLD:
        return ""
    low, high = alarms.false_alarms_low, alarms.false_alarms_high
    days = alarms.watched_ns / (86_400 * SECOND)
    span = f"{days:,.1f} days" if days >= 2 else time_text(alarms.watched_ns)  # noqa: PLR2004
    text = f"{counted(count, 'false alarms')} in {span} (95 % interval {low:,.3g} to {high:,.3g})"
    return text if foretold is None else f"{text}, {foretold:,.3g} foretold"


def status_text(
    peers: "Iterable[PeerRow]", alarm: "Callable[[str], str]" = str, *, false_alarms: bool = True
) -> str:
    """Write the table; `alarm` marks the rows of those that are down.

    Names have no control characters for the terminal: the core refuses them.
    """
    rows = every = list(peers)
    if len(every) > MOST:
        shown = sorted(every, key=lambda row: row.received, reverse=True)[:MOST]
        rows = sorted(shown, key=lambda row: row.client)
    head = ("client", "state", "received", "lost", "loss (95 % interval)", "last heartbeat")
    lines = [_columns(head)] if rows else []
    for row in rows:
        lines += (alarm(line) if row.state == "down" else line for line in _row(row))
        lines += _more(row, false_alarms=false_alarms)
    if len(every) > MOST:
        lines.append(f"{len(every) - MOST:,} more, with fewer heartbeats, are not shown")
    rows = every
    counts = [(state, sum(row.state == state for row in rows)) for state in STATES]
    totals = ", ".join(f"{count:,} {state}" for state, count in counts if count)
    lines.append(f"{counted(len(rows), 'clients')}: {totals}" if rows else "no clients")
    told = alarms_text(Alarms.of(rows)) if false_alarms else ""
    return "\n".join([*lines, told] if told else lines)


def moment(wall_ns: int) -> str:
    """Write a local time."""
    return strftime("%Y-%m-%d %H:%M:%S", localtime(wall_ns // SECOND))


def offset(wall_ns: int) -> str:
    """Write how much local time is ahead of UTC then, as ISO 8601 does."""
    zone = strftime("%z", localtime(wall_ns // SECOND))
    return f"{zone[:3]}:{zone[3:]}"


def utc(wall_ns: int) -> str:
    """Write a time in UTC, as ISO 8601 does."""
    seconds, rest = divmod(wall_ns, SECOND)
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{rest // 1_000:06}Z"


def _row(row: "PeerRow") -> "Iterator[str]":
    name = row.client
    if len(name) > NAME:
        yield name
        name = ""
    total = row.received + row.lost
    interval = _core.wilson(row.lost, total)
    loss = "-"
    if interval is not None:
        low, high = (100 * end for end in interval)
        loss = f"{100 * row.lost / total:.1f} % ({low:.1f} to {high:.1f})"
    counts = f"{row.received:,}", f"{row.lost:,}"
    yield _columns((name, row.state, *counts, loss, moment(row.last_seen_wall_ns)))


def _columns(cells: "tuple[str, str, str, str, str, str]") -> str:
    client, state, received, lost, loss, seen = cells
    return f"{client:<{NAME}}  {state:<7}  {received:>9}  {lost:>7}  {loss:<23}  {seen}"


def _more(row: "PeerRow", *, false_alarms: bool) -> "Iterator[str]":
    line = ""
    told = alarms_text(row) if false_alarms else ""
    for fact in (*_facts(row), *([told] if told else [])):
        longer = f"{line}, {fact}" if line else f"{INDENT}{fact}"
        if len(longer) > WIDTH:
            yield f"{line},"
            longer = f"{INDENT}{fact}"
        line = longer
    if line:
        yield line


def _facts(row: "PeerRow") -> "Iterator[str]":
    if row.stopped_from_wall_ns is not None and row.stopped_to_wall_ns is not None:
        first, last = moment(row.stopped_from_wall_ns), moment(row.stopped_to_wall_ns)
        yield f"stopped at {first}" if first == last else f"stopped between {first} and {last}"
    if row.exit_status:
        yield (
            f"ended by signal {-row.exit_status}" if row.exit_status < 0 else f"exit status {row.exit_status}"
        )
    if row.overdue:
        yield f"{row.overdue:,} overdue"
    if row.loss_runs:
        yield f"{row.loss_runs:,} {'run' if row.loss_runs == 1 else 'runs'} of losses"
        yield f"the longest {row.longest_loss_run:,}"
    if row.sessions > 1:
        yield "restarted once" if row.sessions == 2 else f"restarted {row.sessions - 1:,} times"  # noqa: PLR2004
    counts = (("duplicates", row.duplicates), ("overtaken", row.reordered))
    yield from (counted(count, name) for name, count in counts if count)
    if row.difference_ns is not None:
        yield f"time difference {time_text(row.difference_ns)}"
    if row.delay_variation_ns is not None:
        yield f"delay variation {time_text(row.delay_variation_ns)}"
    if row.drift_ppm is not None:
        yield f"clock {row.drift_ppm:+.1f} ppm"
    if row.detection_ns is not None:
        noticed = f"a stop is noticed after {time_text(row.detection_ns)}"
        learning = row.to_learn and f"learning for {time_text(row.to_learn * row.interval_ns)} more"
        yield f"{learning}; until then {noticed}" if learning else noticed
