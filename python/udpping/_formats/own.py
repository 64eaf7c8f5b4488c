"""What udpping itself writes: CSV, JSON lines, Parquet, and what `udpping ping --json` prints."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re

from udpping import _core
from udpping._settings import KEY, decode, run_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from udpping._run import Run

MARK = f"# {KEY}: "
"""What a CSV with metadata begins with."""
OBJECT = re.compile(rf'\s*\{{\s*"{KEY}"\s*:[^\n]*')
"""The first line of JSON lines with metadata."""
LONGEST_LINE = 1_000_000
"""Characters of a line of JSON."""


def read_csv(text: str) -> "Run":
    """Read CSV, with its metadata if there are any in the first line."""
    told = None
    line = 1
    if text.startswith(MARK):
        first, _, text = text.partition("\n")
        told, line = decode(first[len(MARK) :]), 2
    return run_of(_core.run_from_csv(text, line), told)


def objects(text: str) -> "Iterator[tuple[int, dict[str, Any]]]":
    """Read one JSON object per line; gives the number of each line too."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line[:LONGEST_LINE])
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ConfigError(f"line {number} {line[:40]!r} is not usable: expected one JSON object")
        yield number, value


def read_json(text: str) -> "Run":
    """Read JSON lines: a row each, with the metadata before them if there are any."""
    told = None
    line = 1
    if first := OBJECT.match(text):
        ((line, value),) = objects(first[0])
        told, text = decode(json.dumps(value[KEY])), text[first.end() :]
    return run_of(_core.run_from_json(text, line) if text.strip() else empty(), told)


def _of_rows(names: list[str], records: "Iterable[tuple[int, dict[str, Any]]]") -> "_core.Table":
    """Make a run of objects, each with the number of its line, which an error tells."""
    place = 1

    def rows() -> "Iterator[tuple[Any, ...]]":
        nonlocal place
        for place, record in records:  # noqa: B007
            yield tuple(map(record.get, names))

    try:
        return _core.run_from_rows(names, rows())
    except ConfigError as error:
        raise ConfigError(f"line {place}: {error}") from None


def empty() -> "_core.Table":
    """Make a run without rows."""
    from udpping._rows import Row

    return _core.run_from_rows(list(Row._fields), [])


def read_command(text: str) -> "Run":
    """Read what `udpping ping --json` printed: the last word on each ping, and the summary."""
    settings: dict[str, Any] = {}
    summary: dict[str, Any] | None = None
    rows: dict[tuple[object, object], tuple[int, dict[str, Any]]] = {}
    for number, record in objects(text):
        kind = record.pop("type", None)
        record.pop("schema", None)
        if kind == "start":
            target = {name: record.pop(name, None) for name in ("target", "address")}
            settings = {"made_by": "udpping ping --json", "targets": [target], **record}
        elif kind == "ping":
            rows[str(record.get("target")), str(record.get("seq"))] = number, record
        elif kind == "summary":
            summary = record
    if not rows:
        raise ConfigError("no ping is in it: expected what `udpping ping --json` prints")
    core = _of_rows(list(next(iter(rows.values()))[1]), rows.values())
    facts = summary or {}
    each = [{**facts, "target": name} for name in dict.fromkeys(str(key[0]) for key in rows)][:1]
    facts = {name: value for name, value in facts.items() if name != "target"}
    return run_of(core, {"settings": settings, "rows": len(core), "summary": facts, "summaries": each})


def read_parquet(path: str) -> "Run":
    """Read Parquet by whichever library is installed."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return _by_polars(path)
    from pyarrow import ArrowException

    try:
        table = pq.read_table(path)
    except (ArrowException, ValueError) as error:
        raise ConfigError(f"path {path!r} is not usable: expected Parquet ({error})") from None
    # Of the file, as polars writes it there and not into the schema.
    told = (pq.read_metadata(path).metadata or {}).get(KEY.encode())
    return run_of(_core.run_from_arrow(table), None if told is None else decode(told))


def _by_polars(path: str) -> "Run":
    try:
        import polars as pl
    except ImportError:
        raise ImportError("to read Parquet: pip install pyarrow, or polars") from None
    try:
        table = pl.read_parquet(path)
        told = pl.read_parquet_metadata(path).get(KEY)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"path {path!r} is not usable: expected Parquet ({error})") from None
    return run_of(_core.run_from_arrow(table), None if told is None else decode(told))
