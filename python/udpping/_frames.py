"""A table for other programs: pandas, CSV, JSON."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import io

from udpping import _core
from udpping._table import core_of, metadata_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import TextIO

    import pandas as pd

    from udpping._table import Table


def to_pandas(table: "Table") -> "pd.DataFrame":
    """Build the frame from the columns' own memory, so that pandas alone is enough."""
    import pandas as pd

    return pd.DataFrame({name: _series(table, name) for name in table.column_names})


def write(
    table: "Table",
    writer: "Callable[[Table, TextIO, str | None], None]",
    path: "str | PathLike[str] | None",
    *,
    metadata: bool = False,
) -> str | None:
    """Let `writer` write to `path`, or return what it wrote."""
    told = metadata_of(table) if metadata else None
    if path is None:
        text = io.StringIO(newline="")
        writer(table, text, told)
        return text.getvalue()
    from pathlib import Path

    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer(table, file, told)
    return None


def write_csv(table: "Table", file: "TextIO", told: str | None) -> None:
    """Write a header and one line per row."""
    if told is not None:
        file.write(f"# udpping: {told}\n")
    file.write(",".join(table.column_names) + "\n")
    _write_rows(table, file, core_of(table).csv_lines)


def write_json(table: "Table", file: "TextIO", told: str | None) -> None:
    """Write one object per row and line."""
    if told is not None:
        file.write(f'{{"udpping":{told}}}\n')
    _write_rows(table, file, core_of(table).json_lines)


def _write_rows(table: "Table", file: "TextIO", lines: "Callable[[int, int], str]") -> None:
    for first in range(0, len(table), ROWS):
        file.write(lines(first, ROWS))


ROWS = 16_384
"""Rows that are written together."""


def write_parquet(table: "Table", path: str) -> None:
    """Write by whichever library is installed; both take the metadata along."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        try:
            import polars as pl
        except ImportError:
            raise ImportError("to write Parquet: pip install pyarrow, or polars") from None
        told = metadata_of(table)
        pl.DataFrame(table).write_parquet(path, metadata=None if told is None else {"udpping": told})
        return
    pq.write_table(pa.table(table), path)


def plain(value: object) -> object:
    """Turn a reply's bytes into text; everything else is text or number already."""
    return _core.escape_bytes(value) if isinstance(value, bytes) else value


WHOLE = {"seq", "ttl", "bytes", "distance"}
"""Columns of whole numbers that may be missing, beside the times. Their type does not depend on the rows."""


def _series(table: "Table", name: str) -> object:
    import numpy as np
    import pandas as pd

    column = table[name]
    if (told := column.words()) is not None:
        words, codes = told
        return pd.array([*words, None], dtype="str").take(np.asarray(codes))
    numbers = column.filled()
    if not hasattr(numbers, "__array_interface__"):
        return pd.Series(column.to_list(), dtype="object" if name == "reply" else None)
    # Copies, because the core's memory is read-only and a frame should not be.
    array = np.array(numbers)
    if array.dtype.kind in "mM":
        return pd.arrays.IntegerArray(array.view("i8"), np.isnat(array))
    if name in WHOLE:
        return pd.arrays.IntegerArray(array, np.frombuffer(column.null_mask(), dtype=bool).copy())
    return array
