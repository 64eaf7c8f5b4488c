"""Reads Parquet, as far as its footer says that there is room for the rows."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import os

from udpping import _core
from udpping._files.runs import decode, run_of_file
from udpping._files.source import FREE, RATIO
from udpping._results.settings import KEY
from udpping._table.text import visible
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

FREE_ROWS = 1_000_000
"""A file may always have so many rows."""
ROWS_PER_BYTE = 4
"""A larger one has at most so many for each byte: runs take 2 bytes and more for a row."""
OLDEST = (14, 0, 1)
"""The first pyarrow that runs no code from a file: CVE-2023-47248."""
SHOWN = 200
"""The most characters of what a library says."""


def read_parquet(path: str) -> "Run":
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return _by_polars(path)
    import pyarrow as pa

    if tuple(map(int, pa.__version__.split(".")[:3])) < OLDEST:
        raise ImportError(
            "to read Parquet: pip install 'pyarrow>=14.0.1', as older ones run code from a file"
        )
    try:
        file = pq.ParquetFile(path)
        footer = file.metadata
        groups = [footer.row_group(place).total_byte_size for place in range(footer.num_row_groups)]
        _bound(path, footer.num_rows, sum(groups))
        columns = _columns(file.schema_arrow.names)
        # Texts stay in their dictionaries: a short file may repeat a long one for each row.
        words = [
            name
            for name in columns
            if any(
                is_kind(file.schema_arrow.field(name).type)
                for is_kind in (pa.types.is_string, pa.types.is_binary)
            )
        ]
        table = pq.read_table(path, columns=columns, read_dictionary=words)
        # It reads what lengths and text say without a check.
        table.validate(full=True)
    except (pa.ArrowException, ValueError, OSError, KeyError) as error:
        raise _refuse(path, error) from None
    # polars writes metadata to the file and not to the schema.
    return _run(path, table, (footer.metadata or {}).get(KEY.encode()))


def _by_polars(path: str) -> "Run":
    try:
        import polars as pl
    except ImportError:
        raise ImportError("to read Parquet: pip install pyarrow, or polars") from None
    try:
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        _bound(path, rows, 0)
        # On any other column polars may end the process, as on one with a NUL in its name.
        table = pl.read_parquet(path, columns=_columns(list(pl.read_parquet_schema(path))))
        metadata = pl.read_parquet_metadata(path).get(KEY)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError) as error:
        raise _refuse(path, error) from None
    return _run(path, table, metadata)


def _columns(names: list[str]) -> list[str]:
    """Return the columns of a run: only these are read."""
    ours = {name for name, *_ in _core.run_columns()}
    return [name for name in names if name in ours]


def _bound(path: str, rows: int, unpacked: int) -> None:
    """Refuse before anything is read what would take far more memory than the file has bytes."""
    size = os.stat(path).st_size  # noqa: PTH116 - a path may be bytes that are no text
    for number, most, what in (
        (rows, FREE_ROWS + ROWS_PER_BYTE * size, "rows"),
        (unpacked, FREE + RATIO * size, "unpacked bytes"),
    ):
        if number > most:
            raise ConfigError(
                f"path {path!r} is not usable: expected at most {most} {what} in {size} bytes, not {number}"
            )


def _refuse(path: str, error: BaseException) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    return ConfigError(
        f"path {path!r} is not usable: expected Parquet ({visible(str(error)[:SHOWN], but='')})"
    )


def _run(path: str, table: object, metadata: "str | bytes | None") -> "Run":
    try:
        rows = _core.run_from_arrow(table)
        return run_of_file(rows, [] if metadata is None else [decode(metadata)])
    except ConfigError as error:
        raise ConfigError(f"path {path!r} is not usable as parquet: {error}") from None
