"""Writes numbers, names and tables as text for people."""

import sys
from math import floor, log10

from udpping import _core
from udpping._table.excerpt import GAP, excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Summary
    from udpping._table.table import Table

TEXT = 60
"""Characters shown of a name or a cell."""
WIDTH = 99
"""Columns of a line, where it is not for a terminal."""
NO_BREAK = "\u00a0"  # Python loads a module for \N, and Ctrl-C meanwhile would be a SyntaxError.
SECOND = 1_000_000_000
SPANS = ((1_000, "ns", 1), (1_000_000, "µs", 1_000), (SECOND, "ms", 1_000_000), (120 * SECOND, "s", SECOND))


def percents(*shares: float) -> list[str]:
    """Write shares in percent: the ends of an interval, the last two, with enough digits to differ."""
    wide = 100 * (shares[-1] - shares[-2])
    digits = max(1, -floor(log10(wide))) if wide > 0 else 1
    return [f"{100 * share:.{digits}f}" for share in shares]


def loss_percents(summary: "Summary") -> list[str] | None:
    """Write the loss and the ends of its interval in percent; `None` when nothing was sent."""
    if summary.loss is None or summary.loss_low is None or summary.loss_high is None:
        return None
    return percents(summary.loss, summary.loss_low, summary.loss_high)


def visible(text: str, *, but: str = NO_BREAK) -> str:
    r"""Escape invisible and control characters as Python does: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == but else ascii(c)[1:-1] for c in text)


def shown(datagram: bytes) -> str:
    """Show bytes on one line, without control characters."""
    return visible(datagram.decode("utf-8", "backslashreplace"), but="")


def short(text: str) -> str:
    text = visible(text)
    return text if len(text) <= TEXT else text[: TEXT - len(GAP)] + GAP


def iso(wall_ns: int, precision: str = "microseconds") -> str:
    """Write a time of the wall clock as local time with its offset from UTC."""
    from datetime import UTC, datetime

    utc = datetime.fromtimestamp(wall_ns // SECOND, UTC)
    return utc.replace(microsecond=wall_ns % SECOND // 1000).astimezone().isoformat("T", precision)


def counted(count: int, names: str) -> str:
    """Write a number of things, whose name is a plural such as `clients` or `events not in the files`."""
    return f"{count:,} {SINGULARS.get(names, names) if count == 1 else names}"


SINGULARS = {
    "clients": "client",
    "copies": "copy",
    "duplicates": "duplicate",
    "errors": "error",
    "events": "event",
    "false alarms": "false alarm",
    "events not in the files": "event not in the files",
    "events only counted": "event only counted",
    "kernel drops": "kernel drop",
    "late replies are not drawn": "late reply is not drawn",
    "more columns": "more column",
    "restarts of its numbers": "restart of its numbers",
    "rows": "row",
    "stalls": "stall",
    "times": "time",
}


def rows_text(count: int) -> str:
    return counted(count, "rows")


def cell(value: object, missing: str = "") -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1 else f"{value:.10g}"
    return missing if value is None else short(str(plain(value)))


def plain(value: object) -> object:
    """Turn a reply's bytes into text; everything else is text or number already."""
    return _core.escape_bytes(value) if isinstance(value, bytes) else value


def table_text(table: "Table") -> str:
    """Show the ends of a table, the columns that fit on a line, and the names of the others."""
    names, rows, empty = excerpt(table)
    wide_at_most = line_width()
    lines, room = [""] * (1 + len(rows)), wide_at_most
    notes: list[str] = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        cells = [name, *(cell(value, "-") for value in values)]
        wide = max(map(len, cells))
        room -= 2 + wide
        if room < 0 and place:
            others = ", ".join(names[place:])
            notes.append(f"and in {counted(len(names) - place, 'more columns')}: {others}")
            break
        words = any(isinstance(value, (str, bytes)) and not is_number(value) for value in values)
        for at, each in enumerate(cells):
            lines[at] += f"  {each:{'<' if words else '>'}{wide}}"
    if empty:
        notes.append(f"without a value: {', '.join(empty)}")
    lines += (line for note in notes for line in _folded(note, wide_at_most))
    title = f"{type(table).__name__}: {rows_text(len(table))}"
    # Replies may have any character, and not every terminal can print it.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "\n".join([title, *(line.rstrip() for line in lines)])
    return text.encode(encoding, "backslashreplace").decode(encoding)


def line_width() -> int:
    """Return the columns of the terminal that is written to, or else those of a line."""
    import os

    try:
        wide = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    except (AttributeError, OSError, ValueError):
        wide = 0
    return wide or WIDTH


def _folded(note: str, wide: int) -> list[str]:
    from textwrap import wrap

    return wrap(note, wide, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def is_number(value: "str | bytes") -> bool:
    """Whether it is written as a number, or stands for rows that are not shown."""
    return value == GAP or (isinstance(value, str) and value.replace(",", "").replace(".", "").isdecimal())


def time_text(nanos: int) -> str:
    """Write a duration with its unit."""
    for below, unit, size in SPANS:
        if abs(nanos) < 0.9995 * below:  # else it would round to the next unit
            return f"{nanos / size:.3g} {unit}"
    seconds = nanos / SECOND
    hours = 3_600
    return f"{seconds / 60:,.1f} min" if abs(seconds) < 2 * hours else f"{seconds / hours:,.1f} h"
