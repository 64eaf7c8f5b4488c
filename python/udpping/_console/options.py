"""Options of the command line and of the course's programs."""

import argparse
import sys

from udpping._args import durations
from udpping._args.limits import MAX_PORT
from udpping._console import streams
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn, Self

    from _typeshed import SupportsWrite

    from udpping._args.durations import Range

TIMES = "TIME: 0.5 (seconds)  200ms  1s  2m; the units are ns, us, ms, s, m, h and d"


LEFT = "unrecognized arguments: "
"""The beginning of the error of argparse for words that it could not place."""
MISSING = "the following arguments are required: "
"""And of that for words that are not there."""
WIDEST = 100
"""The most columns of a help text."""


class Parser(argparse.ArgumentParser):
    """The parser of a program's options. An error prints one line and exits with code 2."""

    def __init__(self, prog: str | None, purpose: str) -> None:
        super().__init__(
            prog=prog,
            description=purpose,
            allow_abbrev=False,
            formatter_class=Help,
        )
        self.elsewhere: Mapping[str, str] = {}
        """Options of other programs of this kind, and what to type here instead."""

    def add_time(self, *names: str, within: "Range", help: str, default: float | None = None) -> None:  # noqa: A002
        """Add an option that takes a duration, and say how that is written."""
        self.epilog = TIMES
        self.add_argument(*names, type=duration(within), metavar="TIME", default=default, help=help)

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # argparse's own lets a full disk pass.
        if message:
            stream: Any = file or sys.stderr
            streams.write(message.removesuffix("\n"), stream)

    def error(self, message: str) -> "NoReturn":
        """Print the error without the usage, and exit."""
        if message.startswith("argument "):
            message = message.removeprefix("argument ").replace(": ", " ", 1)
            message = message.replace(" expected one argument", " needs a value")
            message = message.replace(" not allowed with argument ", " cannot be used with ")
        if message.startswith(MISSING):
            message = f"{message.removeprefix(MISSING)} is missing"
        if message.startswith(LEFT):
            message = self._unknown(message.removeprefix(LEFT).split(" "))
        end = "" if message.endswith("?") else ";"
        self.exit(2, f"{self.prog}: {message}{end} see {self.prog} --help\n")

    def _unknown(self, words: list[str]) -> str:
        """Name the unknown option, and not the words behind it."""
        option = next((word.partition("=")[0] for word in words if word[:1] == "-" and word != "-"), None)
        if option is None:
            return f"{words[0]!r} is one word too many"
        return f"unknown option {option}{self._meant(option)}"

    def _meant(self, option: str) -> str:
        if option in self.elsewhere:
            return f": here it is {self.elsewhere[option]}"
        from difflib import get_close_matches

        known = [name for name in self._option_string_actions if name.startswith("--")]
        near = [name for name in known if len(option) > len("--x") and name.startswith(option)]
        near = near or get_close_matches(option, known, 1, 0.75)
        return f": did you mean {near[0]}?" if near else ""


class Help(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs as wide as the terminal; one with an indented line stays as it is."""

    def __init__(self, prog: str) -> None:
        from shutil import get_terminal_size

        super().__init__(prog, width=min(get_terminal_size().columns - 2, WIDEST))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        from textwrap import fill

        paragraphs = text.split("\n\n")
        return "\n\n".join(
            each if "\n " in f"\n{each}" else fill(each, width, initial_indent=indent) for each in paragraphs
        )


class Seconds(float):
    """A duration in seconds that remembers how it was typed."""

    def __new__(cls, seconds: float, text: str) -> "Self":
        self = super().__new__(cls, seconds)
        self.text = text
        return self

    text: str


def whole(low: int, high: int) -> "Callable[[str], int]":
    """Make the type of an option: a whole number in a range."""

    def read(text: str) -> int:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"{text!r} is not usable: expected a whole number from {low} to {high}"
        )

    return read


def duration(within: "Range") -> "Callable[[str], float]":
    """Make the type of an option that takes a duration, in seconds."""

    def read(text: str) -> Seconds:
        try:
            return Seconds(durations.seconds("", text, within), text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error).strip()) from None

    return read


def share(text: str) -> float:
    """Read an option that is a share; the core checks the range."""
    try:
        return float(text)
    except ValueError:
        message = f"{text!r} is not usable: expected a share, such as 0.1"
        raise argparse.ArgumentTypeError(message) from None


def any_whole(text: str) -> int:
    """Read an option that is a whole number of any size."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not usable: expected a whole number") from None


def add_listener(options: Parser, port: int) -> None:
    options.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: every interface)")
    options.add_argument(
        "-p",
        "--port",
        type=whole(0, MAX_PORT),
        default=port,
        metavar="PORT",
        help=f"UDP port to listen on; 0 takes any free one (default: {port})",
    )
    options.add_argument(
        "--port-tries",
        type=whole(1, MAX_PORT),
        default=1,
        metavar="N",
        help="if the port is in use, try the next ones, N ports in all (default: 1)",
    )


def chosen_profile(words: list[str]) -> str | None:
    """Find the lab's profile on a command line: the parser depends on it. The last one counts.

    >>> from udpping._console.options import chosen_profile
    >>> chosen_profile(["192.0.2.7", "--profile", "report"])
    'report'
    """
    found = None
    for word, following in zip(words, [*words[1:], None], strict=False):
        if word == "--profile":
            found = following
        elif word.startswith("--profile="):
            found = word.partition("=")[2]
    return found


port = whole(1, MAX_PORT)
