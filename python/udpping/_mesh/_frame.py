"""The rows of a mesh as a table, and as a matrix of one value."""

from dataclasses import dataclass
from operator import itemgetter
from statistics import median
from typing import Any, ClassVar

from udpping import _core
from udpping._args import checks
from udpping._args.keywords import nearest
from udpping._args.public import PublicNames
from udpping._mesh._rows import PairRow
from udpping._table.table import Table, core_of
from udpping._table.text import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from udpping._mesh._rows import Host

    Number = int | float | None


def _columns() -> "Iterator[tuple[str, str, bool]]":
    """Yield name, type, and whether values may be missing, of each column."""
    for name, kind in PairRow.__annotations__.items():
        first, *rest = getattr(kind, "__args__", (kind,))
        yield name, first.__name__, bool(rest)


COLUMNS = list(_columns())


class Pairs(Table[PairRow]):
    """What was measured from each host to each other, a row for each pair, round and source port.

    Its columns are those of `udpping.PairRow`. `pl.DataFrame(pairs)`, `pa.table(pairs)` and
    `duckdb.sql("from pairs")` read it without a copy; see `Table`.
    """

    __slots__ = ()

    _row: "ClassVar[Any]" = PairRow._make
    _first: "ClassVar[tuple[str, ...]]" = (
        *("round", "source", "target", "sent", "received", "lost_up", "lost_down"),
        *("rtt_p50_ns", "rtt_p99_ns"),
    )


def frame(rows: "Iterable[PairRow]", before: Pairs | None = None) -> Pairs:
    """Make the table of rows, behind those of the table `before`, which is not copied."""
    if before is None and isinstance(rows, Pairs):
        return rows
    return Pairs(_core.table_of_rows(COLUMNS, rows, None if before is None else core_of(before)))


def values(rows: "Iterable[PairRow]", *names: str) -> "Iterator[tuple[Any, ...]]":
    """Yield these values of each row."""
    pick = itemgetter(*map(PairRow._fields.index, names))
    # Row by row, as a million of them has no room beside the table.
    whole = map(core_of(rows).row, range(len(rows))) if isinstance(rows, Pairs) else rows
    return (found if len(names) > 1 else (found,) for found in map(pick, whole))


def measured(rows: "Iterable[PairRow]", hosts: "Sequence[Host]") -> int:
    """Return how many ordered pairs were measured. A million of them take a megabyte."""
    places = {host.name: place for place, host in enumerate(hosts)}
    found = bytearray(len(hosts) ** 2)
    for source, target, sent in values(rows, "source", "target", "sent"):
        found[places[source] * len(hosts) + places[target]] |= sent > 0
    return sum(found)


@dataclass(frozen=True, slots=True, repr=False)
class Matrix(PublicNames):
    """One value for each ordered pair of hosts: `matrix[source, target]`, by names.

    `numpy.asarray(matrix)` makes an array of floats of it, with `nan` where a value is missing.
    """

    what: str
    """The name of the value."""
    hosts: tuple[str, ...]
    """The names of the hosts, in the order of the rows and of the columns."""
    values: "tuple[tuple[Number, ...], ...]"
    """A row for each source with a value for each target; `None` where nothing was measured."""

    def __getitem__(self, pair: tuple[str, str]) -> "Number":
        source, target = (self._place(name) for name in pair)
        return self.values[source][target]

    def _place(self, name: str) -> int:
        if name in self.hosts:
            return self.hosts.index(name)
        near = nearest(name, self.hosts)
        raise KeyError(f"no host {name!r}" + (f"; did you mean {near!r}?" if near else ""))

    def __len__(self) -> int:
        return len(self.hosts)

    def __array__(
        self, dtype: "npt.DTypeLike | None" = None, *, copy: bool | None = None
    ) -> "npt.NDArray[Any]":
        import numpy as np

        return np.array(self.values, dtype=float).astype(dtype or float)

    def __repr__(self) -> str:
        names = [short(name) for name in self.hosts[:SHOWN]]
        wide = max(8, *map(len, names), 0)
        table = [
            (self.what, *names),
            *((name, *map(self._text, row[:SHOWN])) for name, row in zip(names, self.values, strict=False)),
        ]
        lines = ["  ".join(f"{cell:>{wide}}" for cell in line) for line in table]
        more = [f"and {len(self.hosts) - SHOWN} more hosts"] if len(self.hosts) > SHOWN else []
        return "\n".join([*lines, *more])

    def _text(self, value: "Number") -> str:
        if value is None:
            return "-"
        if KINDS[self.what].unit == "ns":
            return f"{value / 1e6:.3f} ms"
        return f"{100 * value:.3g} %" if KINDS[self.what].unit == "share" else f"{value:,}"


SHOWN = 12
"""Hosts that are printed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A value of a matrix: of which columns it is made, and in which unit it is."""

    unit: str
    columns: tuple[str, ...]
    combine: "Callable[[list[tuple[Any, ...]]], Number]"


def _total(rows: "list[tuple[Any, ...]]") -> int:
    return sum(count for (count,) in rows)


def _lost(rows: "list[tuple[Any, ...]]") -> int:
    return sum(sent - received for sent, received in rows)


def _loss(rows: "list[tuple[Any, ...]]") -> "Number":
    sent = sum(row[0] for row in rows)
    return _lost(rows) / sent if sent else None


def _share(rows: "list[tuple[Any, ...]]") -> "Number":
    sent = sum(row[0] for row in rows)
    return sum(row[1] for row in rows) / sent if sent else None


def _median(rows: "list[tuple[Any, ...]]") -> "Number":
    return median([float(time) for (time,) in rows])


KINDS = {
    "sent": Kind("count", ("sent",), _total),
    "received": Kind("count", ("received",), _total),
    "lost": Kind("count", ("sent", "received"), _lost),
    "loss": Kind("share", ("sent", "received"), _loss),
    "lost_up": Kind("count", ("lost_up",), _total),
    "lost_down": Kind("count", ("lost_down",), _total),
    "loss_up": Kind("share", ("sent", "lost_up"), _share),
    "loss_down": Kind("share", ("sent", "lost_down"), _share),
    "min": Kind("ns", ("rtt_min_ns",), lambda rows: min(rows)[0]),
    "p50": Kind("ns", ("rtt_p50_ns",), _median),
    "p90": Kind("ns", ("rtt_p90_ns",), _median),
    "p99": Kind("ns", ("rtt_p99_ns",), _median),
    "max": Kind("ns", ("rtt_max_ns",), lambda rows: max(rows)[0]),
    "up": Kind("ns", ("up_p50_ns",), _median),
    "down": Kind("ns", ("down_p50_ns",), _median),
}


def kind_of(what: str) -> Kind:
    """Return the kind of value with that name."""
    what = checks.text("what", what)
    if what not in KINDS:
        near = nearest(what, KINDS)
        meant = f"; did you mean {near!r}?" if near else ""
        raise checks.refuse("what", what, f"one of {', '.join(KINDS)}{meant}")
    return KINDS[what]


def matrix(rows: "Iterable[PairRow]", hosts: "Sequence[Host]", what: str) -> Matrix:
    """Return one value for each ordered pair of hosts, over all rounds and source ports.

    Counts are added, and shares are of all pings. Of percentiles and one-way delays it is the median of those
    of the rows.
    """
    kind, places = kind_of(what), {host.name: place for place, host in enumerate(hosts)}
    # Most pairs have one row: a million of them need no lists.
    found: list[list[Any]] = [[None] * len(hosts) for _ in hosts]
    for source, target, *row in values(rows, "source", "target", *kind.columns):
        if None not in row:
            its, place = found[places[source]], places[target]
            if its[place] is None:
                its[place] = tuple(row)
            elif isinstance(its[place], tuple):
                its[place] = [its[place], tuple(row)]
            else:
                its[place].append(tuple(row))
    for each in found:
        for place, one in enumerate(each):
            if one is not None:
                each[place] = kind.combine([one] if isinstance(one, tuple) else one)
    whole: list[list[Number]] = found
    return Matrix(what, tuple(host.name for host in hosts), tuple(map(tuple, whole)))
