"""Reads the formats of udpping: CSV, JSON lines, Parquet, and the output of `udpping ping --json`."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re

from udpping import _core
from udpping._files.runs import decode, run_of
from udpping._results.settings import KEY
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from udpping._results.run import Run

MARK = f"# {KEY}: "
"""The beginning of a CSV with metadata."""
OBJECT = re.compile(rf'\s*\{{\s*"{KEY}"\s*:[^\n]*')
"""The first line of JSON lines with metadata."""
PING = re.compile(
    r'\{"schema":\s*\d+,\s*"type":\s*"ping",\s*"run":\s*(?:\d+|null),\s*'
    r'"target":\s*("(?:[^"\\]|\\.)*"),\s*"seq":\s*(\d+),'
)
"""A line of `udpping ping --json` about a ping: its target and its number."""
LONGEST_LINE = 1_000_000
"""The most characters of a line of JSON."""


def read_csv(text: str) -> "Run":
    """Read CSV, with its metadata if there are any in the first line."""
    metadata = None
    line = 1
    if text.startswith(MARK):
        first, _, text = text.partition("\n")
        metadata, line = decode(first[len(MARK) :]), 2
    return run_of(_core.run_from_csv(text, line), metadata)


def objects(text: str, first: int = 1) -> "Iterator[tuple[int, dict[str, Any]]]":
    """Read one JSON object per line; yield the number of its line too, counted from `first`."""
    for number, line in enumerate(text.split("\n"), first):
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
    metadata = None
    line = 1
    if first := OBJECT.match(text):
        ((line, value),) = objects(first[0])
        metadata, text = decode(json.dumps(value[KEY])), text[first.end() :]
    return run_of(_core.run_from_json(text, line) if text.strip() else _core.run_from_rows([]), metadata)


def read_command(text: str) -> "Run":
    """Read the output of `udpping ping --json`: the last line of each ping, and the summary."""
    settings: dict[str, Any] = {}
    summary: dict[str, Any] | None = None
    places: dict[tuple[str, ...], int] = {}
    lines = text.split("\n")
    for place, line in enumerate(lines):
        # The core reads the last line of each ping, in the place of the first, and ignores empty lines.
        lines[place] = ""
        if found := PING.match(line):
            lines[places.setdefault(found.groups(), place)] = line
            continue
        for _, record in objects(line, place + 1):
            record.pop("schema", None)
            kind = record.pop("type", None)
            if kind == "ping":  # with its names in another order
                key = json.dumps(record.get("target")), str(record.get("seq"))
                lines[places.setdefault(key, place)] = line
            elif kind == "start":
                target = {name: record.pop(name, None) for name in ("target", "address")}
                settings = {"made_by": "udpping ping --json", "targets": [target], **record}
            elif kind == "summary":
                summary = record
    if not places:
        raise ConfigError("no ping is in it: expected what `udpping ping --json` prints")
    core = _core.run_from_json("\n".join(lines), 1)
    facts = summary or {}
    each = [{**facts, "target": core["target"][0]}]
    facts = {name: value for name, value in facts.items() if name != "target"}
    return run_of(core, {"settings": settings, "rows": len(core), "summary": facts, "summaries": each})


def read_parquet(path: str) -> "Run":
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return _by_polars(path)
    from pyarrow import ArrowException

    try:
        table = pq.read_table(path)
    except (ArrowException, ValueError) as error:
        raise ConfigError(f"path {path!r} is not usable: expected Parquet ({error})") from None
    # polars writes metadata to the file and not to the schema.
    metadata = (pq.read_metadata(path).metadata or {}).get(KEY.encode())
    return run_of(_core.run_from_arrow(table), None if metadata is None else decode(metadata))


def _by_polars(path: str) -> "Run":
    try:
        import polars as pl
    except ImportError:
        raise ImportError("to read Parquet: pip install pyarrow, or polars") from None
    try:
        table = pl.read_parquet(path)
        metadata = pl.read_parquet_metadata(path).get(KEY)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"path {path!r} is not usable: expected Parquet ({error})") from None
    return run_of(_core.run_from_arrow(table), None if metadata is None else decode(metadata))
