"""A table for other programs: pandas, CSV, JSON."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import io

from udpping import _core
from udpping._table import metadata_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any, TextIO

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
    file.writelines(",".join(map(_field, row)) + "\n" for row in table)


def _field(value: object) -> str:
    if value is None:
        return ""
    text = plain(value)
    if not isinstance(text, str):
        return str(text)
    # In quotes, an empty answer can be told from none.
    return f'"{text.replace(QUOTE, QUOTE + QUOTE)}"' if not text or SPECIAL & set(text) else text


QUOTE = '"'
SPECIAL = {",", QUOTE, "\r", "\n"}


def write_json(table: "Table", file: "TextIO", told: str | None) -> None:
    """Write one object per row and line."""
    import json

    if told is not None:
        file.write(f'{{"udpping":{told}}}\n')
    names = table.column_names
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for row in table:
        file.write(encode(dict(zip(names, map(plain, row), strict=True))) + "\n")


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


WHOLE = {"seq": "UInt64", "ttl": "UInt8", "bytes": "UInt32"}
"""Columns of whole numbers that may be missing, beside the times. Their type does not depend on the rows."""


def _series(table: "Table", name: str) -> object:
    import numpy as np
    import pandas as pd

    column = table[name]
    if hasattr(column, "__array_interface__"):
        # Copies, because the core's memory is read-only and a frame should not be.
        array = np.array(column)
        if array.dtype.kind in "mM":
            return pd.arrays.IntegerArray(array.view("i8"), np.isnat(array))
        return pd.arrays.IntegerArray(array, np.zeros(len(array), dtype=bool)) if name in WHOLE else array
    if name in WHOLE:
        dtype: Any = WHOLE[name]
        return pd.Series(column.to_list(), dtype=dtype)
    return pd.Series(column.to_list(), dtype="object" if name == "reply" else "str")
