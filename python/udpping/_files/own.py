"""Reads the formats of udpping that are text: CSV and JSON lines."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re

from udpping import _core
from udpping._files.forms import COMMENT
from udpping._files.runs import decode, run_of_file
from udpping._results.settings import KEY
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from udpping._results.run import Run
    from udpping._results.settings import Facts

OBJECT = re.compile(rf'\s*\{{\s*"{KEY}"\s*:[^\n]*')
"""The first line of JSON lines with metadata."""
LONGEST_LINE = 1_000_000
"""The most characters of a line of JSON."""


def read_csv(text: str) -> "Run":
    """Read CSV, with its metadata if there are any in the first line."""
    metadata: list[Facts] = []
    line = 1
    if text.startswith(COMMENT):
        first, _, text = text.partition("\n")
        metadata, line = [decode(first[len(COMMENT) :])], 2
    return run_of_file(_core.run_from_csv(text, line), metadata)


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
    metadata: list[Facts] = []
    line = 1
    if first := OBJECT.match(text):
        ((line, value),) = objects(first[0])
        metadata, text = [decode(json.dumps(value[KEY]))], text[first.end() :]
    return run_of_file(_core.run_from_json(text, line) if text.strip() else _core.run_from_rows([]), metadata)
