"""Reads the formats of udpping that are text: CSV and JSON lines."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re

from udpping import _core
from udpping._files.runs import decode, run_of_file
from udpping._results.settings import KEY
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from udpping._results.run import Run

LONGEST_LINE = 1_000_000
"""The most characters of a line of JSON."""


def read_csv(text: str) -> "Run":
    """Read CSV, with the metadata of each part of it."""
    header = text.partition("\n")[0]
    if "," not in header and (found := re.search("[;\t]", header)):
        raise ConfigError(f"line 1: {found[0]!r} is not usable between fields: expected a comma")
    core, metadata = _core.run_from_csv(text)
    return run_of_file(core, [decode(each) for each in metadata])


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
    """Read JSON lines: a row each, with the metadata of each part of them."""
    core, metadata = _core.run_from_json(text)
    return run_of_file(core, [decode(each, KEY) for each in metadata])
