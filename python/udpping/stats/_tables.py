"""Converts tables of any kind to what the core reads: Arrow streams, and dicts of columns."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, TypeAlias, cast

from udpping import _core
from udpping._args.public import PublicNames
from udpping._table.table import Table
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Frame: TypeAlias = object
    """A run or another table with Arrow's stream interface, a pandas frame, a mapping of columns, `Pings`."""

Foreign: TypeAlias = Any
"""An object of a library that may not be installed."""
ORDER = ("arrival", "sent_ns", "user_rtt_ns")
"""The columns that say in which order replies came."""
CLOCK = ("sent_wall_ns", "user_rtt_ns", "server_recv_ns", "server_sent_ns")
"""The columns that say when a ping and its reply were sent and received, by the clocks of both ends."""
DIRECTION = ("copies", "server_seq", "server_sent_ns", "lost_on")
"""The columns that say on which way a ping was lost."""
USED = (
    "rtt_ns",
    "status",
    "seq",
    "run",
    "target",
    *ORDER,
    "due_ns",
    "copies",
    *CLOCK,
    "server_seq",
    "lost_on",
)
"""The columns that statistics read; others may hold anything."""
MISSING = -(2**63)
"""A missing time, as numpy's NaT."""


class Pings(PublicNames):
    """The pings of a table, read once and sorted out by run and target; every statistic takes it as a table.

    `table` is a run, or anything with Arrow's `__arrow_c_stream__` (polars, pyarrow, DuckDB,
    `udpping.Table`). It may also be a pandas frame (pyarrow is not needed), or a mapping of column names to
    sequences or arrays. A list of rows, as a run has them, and a list of such tables are taken as well.
    Several tables, runs or targets are pooled: nothing is counted from one to the next.

    Columns are those of a run (`udpping.Row` says what they mean). `rtt_ns` is needed; a missing one is a
    lost ping. Without `status`, whatever has a round trip was answered in time. Without `seq`, rows follow
    each other without gaps; with it they may be in any order. `run` and `target` tell samples apart. Times
    may be durations or moments of any unit, without a zone those of UTC; numbers are nanoseconds, rounded to
    whole ones. Rows of pings in
    flight (`open`) are left out. Raises ConfigError for what cannot be used.

    >>> from udpping import stats
    >>> pings = stats.Pings({"rtt_ns": [2_000_000, None, 4_000_000]})
    >>> len(pings), stats.loss(pings).lost, stats.round_trip(pings).mean_ns
    (3, 1, 3000000.0)
    """

    __slots__ = ("core",)

    def __init__(self, table: "Frame") -> None:
        self.core = read(table, *ORDER, "due_ns", "copies", *CLOCK, "server_seq", "lost_on")

    def __len__(self) -> int:
        return len(self.core)

    def by_target(self) -> "dict[str | None, Pings]":
        """Split them by target, in the order of first appearance; without a column `target` all are `None`'s.

        >>> from udpping import stats
        >>> table = {"rtt_ns": [5, 6, None], "target": ["a", "b", "b"]}
        >>> {name: stats.loss(pings).loss for name, pings in stats.Pings(table).by_target().items()}
        {'a': 0.0, 'b': 0.5}
        """
        return {target: self._of(core) for target, core in self.core.by_target()}

    @classmethod
    def _of(cls, core: "_core.Samples") -> "Pings":
        pings = cls.__new__(cls)
        pings.core = core
        return pings

    def __repr__(self) -> str:
        return f"<udpping.stats.Pings: {len(self):,}>"


def read(table: "Frame", *wanted: str) -> "_core.Samples":
    """Read a table, or return what `Pings` has read. `wanted` are columns needed beside the usual ones."""
    if isinstance(table, Pings):
        return table.core
    return _core.Samples(readable(table), list(wanted))


def readable(table: "Frame") -> object:
    """Convert a table, or a list of them, to what the core reads."""
    if isinstance(table, Pings):
        raise ConfigError(f"table {table!r} is not usable: expected it alone, not in a list")
    if isinstance(table, Mapping):
        return _of_columns(cast("Mapping[str, Any]", table), cast("Mapping[str, Any]", table))
    if isinstance(table, Table):
        # It joins the pieces of a column once, not for each statistic.
        return _of_columns(table, table.column_names)
    if _home(table) in ("pandas", "polars") and hasattr(table, "shape") and hasattr(table, "columns"):
        # By column, as others may have a type that Arrow or the core does not know.
        return _of_columns(table, cast("Foreign", table).columns)
    if isinstance(table, (list, tuple)):
        tables = list(cast("Iterable[Any]", table))
        if tables and hasattr(tables[0], "_fields"):
            return readable(dict(zip(tables[0]._fields, zip(*tables, strict=True), strict=True)))
        return [readable(each) for each in tables]
    return _validated(table, USED)


def _home(thing: object) -> str:
    """Return the name of the library without importing it."""
    return type(thing).__module__.partition(".")[0]


def _of_columns(table: Foreign, names: "Iterable[object]") -> dict[str, object]:
    used = {name: _column(table[name]) for name in USED if name in names}
    if "rtt_ns" not in used:
        # The core refuses it, and names its columns.
        return used | dict.fromkeys(map(str, names), ())
    return used


def _column(column: Foreign) -> object:
    home = _home(column)
    if home == "pandas":
        return _series(column)
    if home == "polars" and column.null_count() == len(column):
        return [None] * len(column)  # the type may be one without an Arrow form
    if hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_c_stream__"):
        return _validated(column)
    if hasattr(column, "dtype"):
        return _memory(column)
    if isinstance(column, (str, bytes)) or hasattr(column, "typecode") or not isinstance(column, Iterable):
        return column  # an array.array is a buffer; the core refuses the others
    return _listed(list(cast("Iterable[object]", column)))


def _validated(table: Foreign, used: "Iterable[str]" = ()) -> object:
    """Let pyarrow check its own data: the interface does not tell the core how long their memory is."""
    if _home(table) != "pyarrow" or not hasattr(table, "validate"):
        return table
    import pyarrow as pa

    try:
        names = table.schema.names if hasattr(table, "select") else ()
        if "rtt_ns" in names:
            table = table.select([place for place, name in enumerate(names) if name in used])
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise ConfigError(f"table ({str(error)[:200]!r}) is not usable: expected valid Arrow data") from None
    return table


def _series(series: Foreign) -> object:
    """Convert a pandas column to what the core reads, without a copy where possible."""
    import pandas as pd

    if series.ndim != 1:
        raise ConfigError(f"table with {series.shape[1]} columns of one name is not usable: expected one")
    kind = series.dtype
    if isinstance(kind, pd.ArrowDtype):
        import pyarrow as pa

        return _validated(pa.chunked_array(pa.array(series, from_pandas=True)))
    if isinstance(kind, pd.CategoricalDtype | pd.StringDtype) or kind.kind == "O":
        codes, words = cast("tuple[Any, Any]", pd.factorize(series))
        if all(isinstance(word, str) for word in words):
            return _memory(codes), list(words)
        return _listed([None if pd.isna(value) else value for value in series])
    if isinstance(kind, pd.DatetimeTZDtype):
        return _memory(series.dt.tz_convert(None).to_numpy())
    if pd.api.types.is_extension_array_dtype(kind):
        whole = kind.kind in "iu"
        return _memory(
            series.to_numpy("int64" if whole else "float64", na_value=MISSING if whole else math.nan)
        )
    return _memory(series.to_numpy())


def _memory(array: Foreign) -> object:
    """Convert a numpy array to numbers in native byte order, times to nanoseconds, objects to a list."""
    kind = array.dtype.kind
    if kind in "OUT":
        return _listed(array.tolist())
    if kind in "mM":
        array = _nanoseconds(array, "m8[ns]" if kind == "m" else "M8[ns]")
    if hasattr(array, "mask"):
        # Masked values are missing.
        array = array.filled(math.nan) if kind == "f" else array.astype("i8").filled(MISSING)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _nanoseconds(array: Foreign, unit: str) -> Foreign:
    import numpy as np

    if np.datetime_data(array.dtype)[0] not in FINE:
        # numpy wraps around, or raises OverflowError from 2.5 on. The last of a coarse unit may not be whole.
        end, numbers = np.array(-(MISSING + 1), unit).astype(array.dtype).view("i8"), array.view("i8")
        if bool((((numbers >= end) | (numbers <= -end)) & ~np.isnat(array) & (numbers != 0)).any()):
            raise ConfigError("table with times beyond 292 years is not usable: expected nanoseconds")
    return array.astype(unit, copy=False).view("i8")


FINE = ("ns", "ps", "fs", "as", "generic")
"""The units of numpy's times of which any number fits into nanoseconds."""


def _listed(values: list[Any]) -> list[Any]:
    """Convert `datetime` and `timedelta` to nanoseconds; other values stay as they are."""
    first = next((value for value in values if value is not None), None)
    if first is None or isinstance(first, (int, float, str)):
        return values
    from datetime import datetime, timedelta

    microsecond, zero = timedelta(microseconds=1), cast("Any", timedelta())
    if isinstance(first, datetime):
        zero = datetime(1970, 1, 1, tzinfo=UTC if first.tzinfo else None)
    elif not isinstance(first, timedelta):
        return values
    return [None if value is None else (value - zero) // microsecond * 1000 for value in values]
