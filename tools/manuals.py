"""Writes the man pages and the completion for shells that the wheel installs, as the parsers say.

python tools/manuals.py FOLDER     FOLDER is what the wheel's data folder is to be: manuals
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["COLUMNS"] = "1000"  # man wraps the texts, and not argparse

import udpping
from udpping import lab
from udpping.cli import COMMANDS

if TYPE_CHECKING:
    from udpping._console.options import Parser

shtab: Any = import_module("shtab")
argparse_manpage: Any = import_module("argparse_manpage.manpage")

SHELLS = {
    "bash": "bash-completion/completions/udpping",
    "zsh": "zsh/site-functions/_udpping",
    "fish": "fish/vendor_completions.d/udpping.fish",
}
"""Where each shell looks, below share/."""
PURPOSE = "Break, measure and watch UDP paths."
EXIT = "0: it has done what it was asked; 2: it could not; 130: it was interrupted before it began."
MACROS = {".TH", ".SH", ".TP", ".PP", ".B", ".BR", ".nf", ".fi"}
FORMS: dict[Any, str] = {None: "{}", "?": "[{}]", "*": "[{} ...]", "+": "{} ..."}
PATHS = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}


def main(folder: Path) -> None:
    """Write each file, and nothing else."""
    share = folder / "data/share"
    parsers = {name: command_parser(name) for name in COMMANDS}
    whole = whole_parser(parsers)
    for name, parser in parsers.items():
        write(share / f"man/man1/udpping-{name}.1", page(parser, COMMANDS[name]))
    write(share / "man/man1/udpping.1", page(overview(), PURPOSE.rstrip(".")))
    for shell, place in SHELLS.items():
        write(share / place, shtab.complete(whole, shell=shell))


def command_parser(name: str) -> Parser:
    """Make the parser of a command, with what its values can be."""
    parser: Parser = import_module(f"udpping.cli.{name}").parser()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for action in actions_of(parser):
        describe(action)
    return parser


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """List the options and arguments; argparse has no public way to."""
    found: list[argparse.Action] = vars(parser)["_actions"]
    return found


def describe(action: argparse.Action) -> None:
    """Let a shell complete the value of an option."""
    metavar = str(action.metavar)
    place: Any = action
    if metavar in PATHS:
        place.complete = PATHS[metavar]
    elif "|" in metavar:
        action.choices = metavar.split("|")
    elif "--profile" in action.option_strings:
        action.choices = lab.names()


def whole_parser(parsers: dict[str, Parser]) -> argparse.ArgumentParser:
    """Make one parser of all commands, for completion."""
    whole = argparse.ArgumentParser("udpping", description=PURPOSE, add_help=False)
    whole.add_argument("-h", "--help", action="store_true", help="print this help")
    whole.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = whole.add_subparsers()
    for name, parser in parsers.items():
        commands.add_parser(name, parents=[parser], add_help=False, help=COMMANDS[name])
    shown = commands.add_parser("help", add_help=False, help="print the options of a command")
    shown.add_argument("command", choices=list(COMMANDS), nargs="?")
    return whole


def overview() -> argparse.ArgumentParser:
    """Make the parser of the page of all commands: each is an argument of it."""
    parser = argparse.ArgumentParser("udpping", description=PURPOSE, add_help=False)
    commands = parser.add_argument_group("commands")
    for name, purpose in COMMANDS.items():
        commands.add_argument(name, metavar=name, help=f"{purpose}: see udpping-{name}(1)")
    commands.add_argument("help", metavar="help [COMMAND]", help="print the options of a command")
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def page(parser: argparse.ArgumentParser, purpose: str) -> str:
    """Write a man page."""
    places = [action for action in actions_of(parser) if not action.option_strings]
    is_whole = parser.prog == "udpping"
    arguments = [FORMS[each.nargs].format(each.metavar) for each in places]
    synopsis = "COMMAND [OPTION ...]" if is_whole else " ".join(["[OPTION ...]", *arguments])
    description, parser.description = f"{parser.description}\n\n{parser.epilog or ''}", None
    parser.epilog = None
    about = {"version": udpping.__version__, "project_name": "udpping", "manual_title": "udpping"}
    made = argparse_manpage.Manpage(parser, about)
    made.prog, made.date, made.description = parser.prog.replace(" ", "-"), "", purpose
    made.add_section("synopsis", "=", f".B {parser.prog}\n{synopsis}")
    made.add_section("description", "=", paragraphs(description))
    if "Exit code" not in description:
        made.add_section("exit status", "=", EXIT)
    if not is_whole:
        made.add_section("see also", "=", ".BR udpping (1)")
    return "\n".join(literal(line) for line in str(made).splitlines())


def paragraphs(text: str) -> str:
    """Write a description as a man page does; the lines of a table stay as they are."""
    found = [each for each in text.split("\n\n") if each.strip()]
    tables = [re.search(r"^ |^[A-Z]+: ", each, re.MULTILINE) for each in found]
    escaped = [each.replace("\\", "\\\\").replace("-", "\\-") for each in found]
    return "\n.PP\n".join(
        f".nf\n{each}\n.fi" if table else each for each, table in zip(escaped, tables, strict=True)
    )


def literal(line: str) -> str:
    """Let a line of text that begins with a point not be a macro."""
    return f"\\&{line}" if line[:1] in {".", "'"} and line.partition(" ")[0] not in MACROS else line


def write(path: Path, text: str) -> None:
    """Write a file, whose lines end without blanks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (line.rstrip() for line in text.splitlines())
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
