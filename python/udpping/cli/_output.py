"""How commands print: lines for people, records for programs."""

import os
import sys
from contextlib import suppress

from udpping import _core
from udpping._console.options import Parser
from udpping._table.text import TEXT, plain, short, shown
from udpping.cli import _stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from udpping._results.rows import PeerRow, Row
    from udpping._results.run import Summary

FAILED = 2
"""The exit code of a command that could not do what it was asked."""
SCHEMA = 1
"""Version of the JSON records: it changes when a name goes away or means something else."""


class Report:
    """Where a command prints: sentences for people, or records for programs, never both."""

    def __init__(self, *, json: bool, stream: "TextIO | None" = None, beside: bool = False) -> None:
        """Print to standard output or that stream; `beside` what is printed, the work goes on (`_stream`)."""
        self.json = json
        self.stream = sys.stdout if stream is None else stream
        self._writer = _stream.of(self.stream) if beside else None
        self.is_terminal = self.stream.isatty()
        self.colour = (
            not json
            and self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def say(self, text: str = "") -> None:
        if not self.json:
            self._print(text)

    def record(self, kind: str, **facts: object) -> None:
        """Print one object for programs, with the version of its schema and its type."""
        if self.json:
            import json

            record = {"schema": SCHEMA, "type": kind, **facts}
            self._print(_core.visible_json(json.dumps(record, ensure_ascii=False)))

    def fail(self, program: str, kind: str, message: str) -> None:
        """Print an error to standard error, and a record of it."""
        with suppress(OSError):
            self.record("error", error=kind, message=message)
        with suppress(OSError):
            print(f"{program}: {message}", file=sys.stderr)

    def row(self, row: "Row") -> None:
        if self.json:
            self.record("ping", **row_facts(row))
        else:
            self.say(f"{row.seq:>5}  {self._outcome(row)}")

    def moved(self, target: str, address: str) -> None:
        self.record("moved", target=target, address=address)
        self.say(f"{target} is now {address}")

    def problems(self, problems: dict[str, str]) -> None:
        """Say why pings were not sent."""
        for target, problem in problems.items():
            self.record("problem", target=target, message=problem)
            self.say(self.alarm(f"not sent: {problem}"))

    def summary(self, summary: "Summary") -> None:
        self.record("summary", **summary.as_dict())
        self.say(f"\n{summary!r}")

    def ways(self, here: str, elsewhere: list[str]) -> None:
        """Print the commands to type, on this machine and on others."""
        self.say(f"from this machine:     {here}")
        for command in elsewhere or ["(none: it listens on loopback only)"]:
            self.say(f"from another machine:  {command}")

    def alarm(self, text: str) -> str:
        """Colour a problem red, if the terminal has colours."""
        return f"\x1b[31m{text}\x1b[0m" if self.colour else text

    def _print(self, text: str) -> None:
        if self._writer is not None:
            self._writer.print(text)
            return
        try:
            print(text, file=self.stream)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, f"cannot write to standard output: {error.strerror}") from None

    def _outcome(self, row: "Row") -> str:
        if row.rtt_ns is None or row.reply is None:
            return self.alarm(f"{NO_REPLY.get(row.status, row.status):>12}")
        notes = [beginning(row.reply)]
        if row.status == "late":
            notes.append(self.alarm("(late)"))
        if row.copies > 1:
            notes.append(self.alarm(f"(copy {row.copies})"))
        if row.match == "unverified":
            notes.append(self.alarm("(unverified: the reply does not say which ping it answers)"))
        return f"{row.rtt_ns / 1e6:>9.3f} ms  {' '.join(notes)}"


NO_REPLY = {"timeout": "no reply", "error": "not sent"}


def row_facts(row: "Row | PeerRow") -> dict[str, object]:
    return {name: plain(value) for name, value in row._asdict().items()}


def beginning(datagram: bytes) -> str:
    return short(shown(datagram[: 4 * TEXT]))


def warn(text: str | None, command: str) -> None:
    """Print a warning, if there is one, apart from the output."""
    if text is not None:
        _stream.of(sys.stderr).print(f"udpping {command}: {text}")


def command_parser(command: str, purpose: str) -> Parser:
    """Make the parser of a subcommand, with `--json`."""
    parser = Parser(f"udpping {command}", purpose)
    parser.add_argument("--json", action="store_true", help="print one JSON object per line, for programs")
    return parser
