"""Chooses what of a table is shown: first what people read, in their units, then the other columns."""

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping._table.table import Table

SHOWN = 5
"""Rows shown at either end of a table."""
GAP = "..."


class Excerpt(NamedTuple):
    """The columns that are shown, the ends of the table, and the names of columns without a value."""

    names: list[str]
    rows: list[list[object]]
    empty: list[str]


def excerpt(table: "Table") -> Excerpt:
    """Return the first and the last rows, with a row of dots between them if there are others.

    A column that is null throughout is not shown.
    """
    size, names = len(table), table.column_names
    begin, end = ([*range(min(size, SHOWN))], [*range(max(SHOWN, size - SHOWN), size)])
    empty = table._core.empty_columns()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    rows = [table.row(at) for at in (*begin, *end)]
    columns: list[tuple[str, list[object]]] = []
    first = table._first  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    early = [name for name in first if name in names and name not in empty]
    for name in early:
        head, written = _for_people(name)
        columns.append((head, [written(row[names.index(name)]) for row in rows]))
    columns += [
        (name, [row[place] for row in rows])
        for place, name in enumerate(names)
        if name not in empty and (name not in early or _for_people(name)[0] != name)
    ]
    cells = [[values[at] for _, values in columns] for at in range(len(rows))]
    if size > 2 * SHOWN:
        cells.insert(SHOWN, [GAP] * len(columns))
    return Excerpt([head for head, _ in columns], cells, empty)


def _for_people(name: str) -> "tuple[str, Callable[[object], object]]":
    """Return the head of a column and what writes its values: times are in UTC, durations in milliseconds."""
    if name.endswith("wall_ns"):
        return f"{name.removesuffix('wall_ns').strip('_') or 'time'} (UTC)", moment
    if name.endswith("_ns"):
        return f"{name.removesuffix('_ns')} (ms)", millis
    return name, lambda value: value


def moment(nanos: object) -> object:
    """Write nanoseconds since 1970."""
    if not isinstance(nanos, int):
        return nanos
    from datetime import datetime, timedelta

    # Without a zone, which its head names.
    time = datetime(1970, 1, 1) + timedelta(microseconds=nanos // 1_000)  # noqa: DTZ001
    return time.isoformat(" ", "milliseconds")


def millis(nanos: object) -> object:
    """Write nanoseconds in milliseconds, each with three decimals."""
    return f"{nanos / 1e6:,.3f}" if isinstance(nanos, int) else nanos
