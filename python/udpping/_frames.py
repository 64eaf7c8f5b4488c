"""A table for other programs: pandas, CSV, JSON."""

import io

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
    table: "Table", writer: "Callable[[Table, TextIO], None]", path: "str | PathLike[str] | None"
) -> str | None:
    """Let `writer` write to `path`, or return what it wrote."""
    if path is None:
        text = io.StringIO(newline="")
        writer(table, text)
        return text.getvalue()
    from pathlib import Path

    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer(table, file)
    return None


def write_csv(table: "Table", file: "TextIO") -> None:
    """Write a header and one line per row."""
    import csv

    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(table.column_names)
    lines.writerows(map(plain, row) for row in table)


def write_json(table: "Table", file: "TextIO") -> None:
    """Write one object per row and line."""
    import json

    names = table.column_names
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for row in table:
        file.write(encode(dict(zip(names, map(plain, row), strict=True))) + "\n")


def plain(value: object) -> object:
    """Turn a reply's bytes into text; everything else is text or number already."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


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
