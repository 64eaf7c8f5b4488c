"""The base class of the course's programs, and the functions that print their lines."""

import sys

from udpping._args.limits import DEFAULT_PORT
from udpping._console import streams
from udpping._table import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping._console.options import Parser

LIMIT = 1_000
"""Bytes shown of a datagram."""


class Program:
    """One of the four scripts as a profile has it: its class attributes are the settings and their defaults.

    Methods named for a moment (`begin`, `outcome`, `end`, ...) return the text to print then, or `None`.
    """

    purpose = ""
    """Its description in `--help`."""
    host = ""
    port = DEFAULT_PORT
    script = ""
    """The name of the script, which begins its lines on standard error."""

    def __init__(self, **settings: object) -> None:
        for name, value in settings.items():
            setattr(self, name, value)

    def settle(self, options: "Namespace") -> None:
        """Set the attributes that options name; the others keep the values of the profile."""
        for name, value in vars(options).items():
            if value is not None and hasattr(self, name):
                setattr(self, name, value)

    def options(self, parser: "Parser") -> None:
        """Add the options of this program."""

    def check(self, parser: "Parser", options: "Namespace") -> None:
        """Refuse options that exclude each other, and merge those with two names."""

    def run(self) -> int:
        """Run the program; return its exit code."""
        raise NotImplementedError


def say(text: str | None) -> None:
    """Print, unless the text is `None`; at once, for programs that read a pipe."""
    if text is not None:
        streams.write(text, sys.stdout)


def note(text: str) -> None:
    """Print to standard error, apart from the output of the program."""
    streams.write(text, sys.stderr)


def seconds_of(wall_ns: int) -> float:
    """Turn nanoseconds since 1970 into the float that the core writes into messages."""
    return wall_ns / 1e9


def shown(datagram: bytes) -> str:
    """Show a datagram on one line, without its padding."""
    return text.shown(datagram[:LIMIT].rstrip(b"\0\r\n "))
