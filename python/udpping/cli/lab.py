"""`udpping lab DIR`: the course's programs, to read and to change."""

import os

from udpping._options import Parser
from udpping.cli._output import Report, command_parser
from udpping.errors import ConfigError
from udpping.lab import SCRIPTS
from udpping.lab import __path__ as home

PURPOSE = """Write the course's programs, UDPPingerServer.py and UDPPingerClient.py, into a directory.

They behave as the textbook's do, without their bugs. They need udpping to run, and are yours to change."""


def main(words: list[str]) -> int:
    """Run the command."""
    options = parser().parse_args(words)
    report = Report(json=options.json)
    paths = [os.path.join(options.directory, name) for name in SCRIPTS]
    there = [path for path in paths if os.path.lexists(path)]
    if there and not options.force:
        raise ConfigError(
            f"{' and '.join(there)} already there, so nothing was written: name another directory, or add --force"
        )
    os.makedirs(options.directory, exist_ok=True)
    for name, path in zip(SCRIPTS, paths, strict=True):
        with open(os.path.join(home[0], name), encoding="utf-8") as source:
            text = source.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        report.record("written", path=path)
        report.say(f"wrote {path}")
    report.say(f"\nin one terminal:  python {paths[0]}\nin another one:   python {paths[1]}")
    return 0


def parser() -> Parser:
    """Say what can be asked for."""
    options = command_parser("lab", PURPOSE)
    options.add_argument("directory", metavar="DIR", help="where to write them; made if it is not there")
    options.add_argument("--force", action="store_true", help="overwrite what is there")
    return options
