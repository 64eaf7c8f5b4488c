"""`Table`: the base of all results, for Arrow, pandas, polars, CSV, JSON and plain loops."""

from typing import TYPE_CHECKING, Generic, SupportsIndex, overload

from udpping._args import checks
from udpping._args.keywords import nearest
from udpping._args.public import PublicNames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import IO, Any, ClassVar, TypeAlias

    import pandas as pd
    import polars as pl
    from typing_extensions import TypeVar

    from udpping import _core

    RowT_co = TypeVar("RowT_co", bound=tuple[Any, ...], covariant=True, default=tuple[Any, ...])
    Target: TypeAlias = "str | bytes | PathLike[str] | PathLike[bytes] | IO[str] | IO[bytes]"
else:
    from typing import TypeVar

    RowT_co = TypeVar("RowT_co", covariant=True)


class Table(PublicNames, Generic[RowT_co]):
    """Columns of equal length, kept in the core and shown to others without a copy where they can take it.

    `pl.DataFrame(table)`, `pa.table(table)` and `duckdb.sql("from table")` read it directly, through the
    Arrow C stream interface, a long run in pieces of 16,384 rows. `numpy.asarray(table["rtt_ns"])` shares the
    memory of its column, which is put together from the pieces, if there are several, when it is first asked
    for. Tables are equal (`==`) when they have the same columns, of the same types, with the same values;
    what goes along with a run, its settings and summary, is compared by itself.

    >>> import udpping
    >>> table = udpping.sim.ping(count=3, loss="pattern:.x.", delay="2ms")
    >>> len(table), table.column_names[:3]
    (3, ['run', 'target', 'seq'])
    >>> [(row.seq, row.rtt_ns) for row in table]
    [(1, 2000000), (2, None), (3, 2000000)]
    """

    __slots__ = ("_core",)

    _row: "ClassVar[Any]" = tuple
    """Makes a row from the values of the core."""
    _first: "ClassVar[tuple[str, ...]]" = ()
    """The columns that are shown first, with times for people; the table itself keeps its order."""

    def __init__(self, core: "_core.Table") -> None:
        self._core = core

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return self._core.column_names

    def __len__(self) -> int:
        return len(self._core)

    @overload
    def __getitem__(self, key: str) -> "_core.Column": ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> RowT_co: ...
    @overload
    def __getitem__(self, key: slice) -> list[RowT_co]: ...
    def __getitem__(self, key: str | SupportsIndex | slice) -> "_core.Column | RowT_co | list[RowT_co]":
        r"""One column, by its name (KeyError if unknown), or one row, by its index, as `row` gives it.

        A slice gives a list of rows: `run[1:3]`, `run[-5:]`.

        A column is a sequence: `len(column)`, `column[i]` (negative from the end; IndexError beyond),
        iteration. It has a `name`, a `null_count`, `to_list()`, and `null_mask()`: one byte for each row, 1
        where the value is missing. Columns of numbers have numpy's `__array_interface__`, read-only and
        without a copy; times are `timedelta64[ns]` or `datetime64[ns]` there, and a missing one is `NaT`.
        All have Arrow's `__arrow_c_array__`.

        >>> import udpping
        >>> run = udpping.sim.ping(count=3, loss="pattern:.x.", delay="2ms")
        >>> run[-1].seq, [row.seq for row in run[1:]]
        (3, [2, 3])
        >>> column = run["rtt_ns"]
        >>> column.to_list(), column[-1], column.null_count, column.null_mask()
        ([2000000, None, 2000000], 2000000, 1, b'\x00\x01\x00')
        """
        if isinstance(key, str):
            return self._column(checks.text("column", key))
        if isinstance(key, slice):
            return [self.row(place) for place in range(*key.indices(len(self)))]
        if isinstance(key, bool) or not isinstance(key, SupportsIndex):  # pyright: ignore[reportUnnecessaryIsInstance] - a user may give any
            expected = "the name of a column, the index of a row, or a slice such as 2:5"
            raise checks.refuse("key", key, expected)
        return self.row(key)

    def _column(self, name: str) -> "_core.Column":
        try:
            return self._core[name]
        except KeyError as error:
            near = nearest(name, self.column_names)
            raise (KeyError(f"{error.args[0]}; did you mean {near!r}?") if near else error) from None

    def __iter__(self) -> "Iterator[RowT_co]":
        return map(self._row, map(self._core.row, range(len(self._core))))

    def row(self, index: SupportsIndex) -> "RowT_co":
        """Give the row at `index`, counted from 0, or from the end when negative. IndexError beyond.

        >>> import udpping
        >>> udpping.sim.ping(count=3).row(-1).seq
        3
        """
        size, index = len(self._core), checks.whole("row", index)
        if not -size <= index < size:
            raise IndexError(f"row {index} is not there: the table has {size}")
        row: RowT_co = self._row(self._core.row(index % size))
        return row

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._with_metadata().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._with_metadata().__arrow_c_schema__()

    def __eq__(self, other: object) -> bool:
        return self._core.equals(other._core) if isinstance(other, Table) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _metadata(self) -> str | None:
        """Return the metadata of the rows in JSON, if any."""
        return None

    def _with_metadata(self) -> "_core.Table":
        return self._core

    def to_pandas(self) -> "pd.DataFrame":
        """Make a pandas frame. Needs pandas and not pyarrow.

        Whole numbers stay whole, also beside missing ones, which are `<NA>`. For moments instead of
        nanoseconds: `pd.to_datetime(frame["sent_wall_ns"], utc=True)`. ImportError without pandas.
        """
        from udpping._table.write import to_pandas

        return to_pandas(self._core)

    def to_polars(self) -> "pl.DataFrame":
        """Make a polars frame. Needs polars from 1.33; ImportError without it."""
        import polars as pl

        return pl.DataFrame(self)

    @overload
    def to_csv(self, path: None = None, *, metadata: bool = False) -> str: ...
    @overload
    def to_csv(self, path: "Target", *, metadata: bool = False) -> None: ...
    def to_csv(self, path: "Target | None" = None, *, metadata: bool = False) -> str | None:
        r"""Write CSV to `path`, or return it as text.

        What is missing is empty. Replies are text: bytes that are not UTF-8 become `\xff`, and a backslash
        that might be taken for one becomes `\x5c`. A text that begins with `=`, `+`, `-`, `@`, a tab or a
        carriage return, which a spreadsheet would compute, has a `'` in front of it, also behind other `'`;
        `udpping.load` takes one away. With `metadata=True` a run puts a comment with its settings before the
        header. `path` is a path, or a file that is open for text or bytes. If a path ends with `.gz`, it is
        packed by gzip. A file that is there is replaced when the new one is whole, by one of its owner and
        mode, and a link stays a link: OSError, when it cannot be written, leaves it as it was. `udpping.load`
        reads it again.

        >>> import udpping
        >>> print(udpping.sim.ping(count=1).to_csv()[:34])
        run,target,seq,due_ns,sent_ns,sent
        """
        from udpping._table.write import write, write_csv

        header = self._metadata() if checks.flag("metadata", metadata) else None
        return write(self._core, write_csv, path, header)

    @overload
    def to_json(self, path: None = None, *, metadata: bool = False) -> str: ...
    @overload
    def to_json(self, path: "Target", *, metadata: bool = False) -> None: ...
    def to_json(self, path: "Target | None" = None, *, metadata: bool = False) -> str | None:
        r"""Write one JSON object per row and line to `path`, or return them as text.

        What is missing is null. Replies are text: bytes that are not UTF-8 become as in `to_csv`. Control and
        format characters are escaped, so that each row is one line to every program. With `metadata=True` a
        run puts its settings before the rows. For files it is as `to_csv`. `udpping.load` reads it again.

        >>> import json, udpping
        >>> json.loads(udpping.sim.ping(count=1).to_json())["status"]
        'reply'
        """
        from udpping._table.write import write, write_json

        header = self._metadata() if checks.flag("metadata", metadata) else None
        return write(self._core, write_json, path, header)

    def to_parquet(self, path: "Target") -> None:
        """Write Parquet to `path`, by pyarrow or else by polars. A run takes its settings with it.

        A file that is open is one for bytes. ImportError without either library; OSError, as with `to_csv`,
        when it cannot be written. `udpping.load` reads it again.
        """
        from udpping._table.write import write_parquet

        write_parquet(self._with_metadata(), self._metadata, path)

    def __repr__(self) -> str:
        from udpping._table.text import table_text

        return table_text(self)

    def _repr_html_(self) -> str:
        from udpping._table.html import table_html

        return table_html(self)


def core_of(table: Table) -> "_core.Table":
    return table._core  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
