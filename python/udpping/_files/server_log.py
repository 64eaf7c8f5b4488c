"""The log of a server as columns: of the server itself, or of the file that `udpping server --log` wrote."""

from csv import DictReader
from json import loads
from os import PathLike
from pathlib import Path

from udpping._args import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    from udpping._results.rows import Event, LogRow
    from udpping._table.table import Table

    LogLike: TypeAlias = "Table[LogRow] | Iterable[LogRow | Event] | str | PathLike[str]"

NUMBERS = ("recv_ns", "recv_wall_ns", "client_index", "number", "bytes")
MAYBE = ("seq", "reply_bytes")
TEXTS = ("client", "reason")
EXPECTED = "the log of a server, its rows, or a file that udpping server --log wrote"


def heard(log: "LogLike") -> "dict[str, list[Any]]":
    """Give the columns on which the decisions of a link depend.

    Raises ConfigError for what is no log, and OSError for a file that cannot be read.
    """
    if isinstance(log, (str, PathLike)):
        rows: Iterable[dict[str, Any]] = of_file(Path(log))
    else:
        try:
            rows = [row._asdict() for row in log]
        except (TypeError, AttributeError):
            raise checks.refuse("log", type(log).__name__, EXPECTED) from None
    columns: dict[str, list[Any]] = {name: [] for name in (*NUMBERS, *MAYBE, *TEXTS)}
    for number, row in enumerate(rows, 1):
        try:
            for name in NUMBERS:
                columns[name].append(int(row[name]))
            for name in MAYBE:
                columns[name].append(None if row[name] in ("", None) else int(row[name]))
            for name in TEXTS:
                columns[name].append(row[name] or "")
        except (KeyError, TypeError, ValueError):
            raise checks.refuse("log", f"row {number}", f"{EXPECTED}, with {', '.join(columns)}") from None
    columns["refused"] = [reason == "full" for reason in columns.pop("reason")]
    return columns


def of_file(path: Path) -> "Iterable[dict[str, Any]]":
    with path.open(encoding="utf-8", newline="") as file:
        if file.read(1) == "{":
            file.seek(0)
            yield from (loads(line) for line in file)
        else:
            file.seek(0)
            yield from DictReader(file)
