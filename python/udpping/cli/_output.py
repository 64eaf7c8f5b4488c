"""How commands print: lines for people, records for programs."""

import os
import re
import sys
from contextlib import suppress

from udpping import _core
from udpping._console import streams
from udpping._console.options import Parser
from udpping._console.program import FAILED as FAILED  # noqa: PLC0414 - commands return it
from udpping._table.excerpt import GAP
from udpping._table.text import TEXT, plain, short, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from udpping._results.rows import Event, PeerRow, RelayEvent, Row
    from udpping._results.run import Summary

LEAST = 20
"""The least columns for text beside a line."""
SCHEMA = 1
"""Version of the JSON records: it changes when a name goes away or means something else."""


class Report:
    """Where a command prints: sentences for people, or records for programs, never both."""

    def __init__(self, *, json: bool, stream: "TextIO | None" = None, beside: bool = False) -> None:
        """Print to standard output or that stream; `beside` what is printed, the work goes on (`streams`)."""
        self.json = json
        self.stream = sys.stdout if stream is None else stream
        self._writer = streams.of(self.stream) if beside else None
        self.is_terminal = self.stream.isatty()
        self.colour = (
            not json
            and self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and streams.colours(self.stream)
        )

    def say(self, text: str = "") -> None:
        if not self.json:
            self._print(text)

    def tell(self, text: str) -> None:
        """Say it on lines that fit the terminal."""
        self.say(self.wrapped(text))

    def record(self, kind: str, /, **facts: object) -> None:
        """Print one object for programs, with the version of its schema and its type."""
        if self.json:
            self._print(record_text(kind, facts))

    def fail(self, program: str, kind: str, message: str) -> None:
        """Print an error to standard error, and a record of it."""
        with suppress(OSError):
            self.record("error", error=kind, message=message)
        with suppress(OSError):
            print(f"{program}: {message}", file=sys.stderr)

    def summary(self, summary: "Summary") -> None:
        self.record("summary", **summary.as_dict())
        self.say("\n" + "\n".join(map(self.wrapped, repr(summary).splitlines())))

    def ways(self, here: str, elsewhere: list[str]) -> None:
        """Print the commands to type, on this machine and on others."""
        self.say(f"from this machine:     {here}")
        for command in elsewhere or ["(none: it listens on loopback only)"]:
            self.say(f"from another machine:  {command}")

    def alarm(self, text: str) -> str:
        """Colour a problem red, if the terminal has colours."""
        return f"\x1b[31m{text}\x1b[0m" if self.colour else text

    def warning(self, text: str) -> str:
        """Colour what is unusual yellow, if the terminal has colours."""
        return f"\x1b[33m{text}\x1b[0m" if self.colour else text

    def beside(self, text: str, more: str) -> str:
        """Put more text beside a line, or below it if there is no room, and cut it to the width."""
        wide = self._columns()
        if wide is None or len(text) + len(more) + 2 <= wide:
            return f"{text}  {more}"
        begin = f"{text}  " if wide - len(text) >= LEAST else f"{text}\n  "
        room = wide - len(begin.rpartition("\n")[2])
        return begin + (more if len(more) <= room else more[: room - len(GAP)] + GAP)

    def wrapped(self, text: str, indent: str = "  ") -> str:
        """Break a line that is wider than the terminal, at a punctuation mark if there is one."""
        wide, lines = self._columns(), [""]
        if wide is None or len(text) <= wide:
            return text
        for part in re.findall(r".+?(?:[,;] |$| (?=\())", text):
            if lines[-1].strip() and len(lines[-1]) + len(part.rstrip()) > wide:
                lines.append(indent)
            lines[-1] += part
        from textwrap import wrap

        # What has no mark at the right place is broken between words.
        rows = (
            wrap(line, wide, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
            for line in lines
        )
        return "\n".join(row for each in rows for row in each)

    def _columns(self) -> int | None:
        """Return the width of the terminal; `None` if it is none."""
        if not self.is_terminal:
            return None
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

    def _print(self, text: str) -> None:
        if self._writer is not None:
            self._writer.print(text)
        else:
            streams.write(text, self.stream)


def record_text(kind: str, facts: "Mapping[str, object]") -> str:
    """Write an object for programs, on one line."""
    import json

    return _core.visible_json(json.dumps({"schema": SCHEMA, "type": kind, **facts}, ensure_ascii=False))


def row_facts(row: "Row | PeerRow | Event | RelayEvent") -> dict[str, object]:
    return {name: plain(value) for name, value in row._asdict().items()}


def beginning(datagram: bytes) -> str:
    return short(shown(datagram[: 4 * TEXT]))


def warn(text: str | None, command: str) -> None:
    """Print a warning, if there is one, apart from the output."""
    if text is not None:
        streams.of(sys.stderr).print(f"udpping {command}: {text}")


def command_parser(command: str, purpose: str) -> Parser:
    """Make the parser of a subcommand, with `--json`."""
    parser = Parser(f"udpping {command}", purpose)
    parser.add_argument("--json", action="store_true", help="print one JSON object per line, for programs")
    return parser
