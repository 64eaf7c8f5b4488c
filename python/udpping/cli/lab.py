"""`udpping lab DIR`: the course's programs, to read and to change."""

import os
from pathlib import Path

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
    folder = Path(options.directory)
    there = [str(folder / name) for name in SCRIPTS if os.path.lexists(folder / name)]
    if there and not options.force:
        raise ConfigError(
            f"already there: {', '.join(there)}; nothing was written: name another DIR, or add --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCRIPTS:
        (folder / name).write_text(Path(home[0], name).read_text(encoding="utf-8"), encoding="utf-8")
        report.record("written", path=str(folder / name))
        report.say(f"wrote {folder / name}")
    server, client = (folder / name for name in SCRIPTS)
    report.say(f"\nin one terminal:  python {server}\nin another one:   python {client}")
    return 0


def parser() -> Parser:
    """Say what can be asked for."""
    options = command_parser("lab", PURPOSE)
    options.add_argument("directory", metavar="DIR", help="where to write them; made if it is not there")
    options.add_argument("--force", action="store_true", help="overwrite what is there")
    return options
