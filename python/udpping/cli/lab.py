"""`udpping lab DIR`: write the course's programs into a directory; `--list`: list their profiles."""

import os
import re
from pathlib import Path

from udpping import _core
from udpping._args.loss_model import loss_model
from udpping._console.options import Parser
from udpping.cli._output import Report, command_parser
from udpping.errors import ConfigError
from udpping.lab import DEFAULT, SCRIPTS, Profile, names, profile
from udpping.lab import __path__ as home

PURPOSE = """Write the course's four programs into a directory: UDPPingerServer.py, UDPPingerClient.py,
UDPHeartbeatServer.py and UDPHeartbeatClient.py.

They behave as the profile's source does, without its bugs. They need udpping to run, and are yours to
change."""


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json)
    if options.list:
        print_profiles(report)
        return 0
    if options.directory is None:
        raise ConfigError("DIR is missing: name a directory to write to, or --list the profiles")
    profile(options.profile)
    write(Path(options.directory), options.profile, report, force=options.force)
    return 0


def write(folder: Path, name: str, report: Report, *, force: bool) -> None:
    there = [str(folder / script) for script in SCRIPTS if os.path.lexists(folder / script)]
    if there and not force:
        raise ConfigError(
            f"already there: {', '.join(there)}; nothing was written: name another DIR, or add --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        text = Path(home[0], script).read_text(encoding="utf-8")
        text = re.sub(r'^PROFILE = "\w+"$', f'PROFILE = "{name}"', text, flags=re.MULTILINE)
        put(folder / script, text)
        report.record("written", path=str(folder / script), profile=name)
        report.say(f"wrote {folder / script}")
    server, client = (folder / script for script in list(SCRIPTS)[:2])
    report.say(f"\nin one terminal:  python {server}\nin another one:   python {client}")


def put(path: Path, text: str) -> None:
    """Make a file, or replace it as a whole; a link is an error, and not followed."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _core.replace_file(path, text.encode())


def print_profiles(report: Report) -> None:
    for name in names():
        one = profile(name)
        pings, heartbeats = shares(one)
        report.record(
            "profile", name=name, source=one.FROM, loss=pings, heartbeat_loss=heartbeats, prints=one.PRINTS
        )
        lost = f"loses {pings}" + (f" (heartbeats {heartbeats})" if heartbeats != pings else "")
        report.say(f"{name:<8} {one.FROM}; {lost}; prints {one.PRINTS}")


def shares(one: Profile) -> tuple[str, str]:
    """Return the mean losses of its two servers, as exact fractions."""
    return str(loss_model(one.PingerServer.loss).mean), str(loss_model(one.HeartbeatServer.loss).mean)


def parser() -> Parser:
    options = command_parser("lab", PURPOSE)
    options.add_argument("directory", nargs="?", metavar="DIR", help="where to write them; made if need be")
    options.add_argument(
        "--profile", default=DEFAULT, metavar="NAME", help=f"their default profile ({DEFAULT})"
    )
    options.add_argument("--list", action="store_true", help="explain each profile on a line")
    options.add_argument("--force", action="store_true", help="overwrite what is there")
    return options
