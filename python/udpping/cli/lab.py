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

PURPOSE = """Write the four programs of the networking course into a directory: UDPPingerServer.py,
UDPPingerClient.py, UDPHeartbeatServer.py and UDPHeartbeatClient.py.

A profile names the source whose programs they imitate, without its bugs. They import udpping, so it must be
installed where they run. --standalone writes programs that need Python alone, as short as the textbook's, to
be read and changed; --skeleton writes the textbook's server, and a client with blanks to fill in."""
STANDALONE = ["book", "exercise"]
"""The profiles that there are without udpping."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json)
    if options.list:
        print_profiles(report)
        return 0
    if options.directory is None:
        raise ConfigError(
            "DIR is missing: name a directory to write to, such as udpping lab course, or use --list"
        )
    profile(options.profile)
    if options.directory in names() and not os.path.isdir(options.directory):  # noqa: PTH112
        named = options.directory
        raise ConfigError(
            f"{named} is a profile: did you mean udpping lab DIR --profile {named}?"
            f" For a directory of that name, type ./{named}"
        )
    write(Path(options.directory), texts_of(options), options.profile, report, force=options.force)
    return 0


def texts_of(options: "Namespace") -> dict[str, str]:
    """Return the files to write, by name, in the form that was asked for."""
    name = options.profile
    if options.skeleton:
        expect("--skeleton", name, [DEFAULT])
        server, client = list(SCRIPTS)[:2]
        return {server: alone(DEFAULT, server), client: read("standalone/pinger_client_skeleton.txt")}
    if options.standalone:
        expect("--standalone", name, STANDALONE)
        return {script: alone(name, script) for script in SCRIPTS}
    pattern = re.compile(r'^PROFILE = "\w+"$', re.MULTILINE)
    return {script: pattern.sub(f'PROFILE = "{name}"', read(script)) for script in SCRIPTS}


def expect(option: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ConfigError(f"--profile {name} is not usable with {option}: expected {' or '.join(known)}")


def alone(name: str, script: str) -> str:
    """Return the text of a program that needs no udpping; a profile without one has that of the default."""
    words = re.sub("(?<=[a-z])(?=[A-Z])", "_", SCRIPTS[script]).lower()
    file = f"standalone/{name}_{words}.py"
    return read(file if Path(home[0], file).exists() else f"standalone/{DEFAULT}_{words}.py")


def read(file: str) -> str:
    return Path(home[0], file).read_text(encoding="utf-8")


def write(folder: Path, texts: dict[str, str], name: str, report: Report, *, force: bool) -> None:
    there = [str(folder / script) for script in texts if os.path.lexists(folder / script)]
    if there and not force:
        raise ConfigError(
            f"these files exist: {', '.join(there)}; nothing was written: name another DIR, or add --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for script, text in texts.items():
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
        lost = (
            f"drops {pings}"
            if heartbeats == pings
            else f"drops {pings} of the pings, {heartbeats} of the heartbeats"
        )
        for begin, text in ((name, one.FROM), ("", lost), ("", f"prints {one.PRINTS}")):
            report.say(report.wrapped(f"{begin:<10}{text}", " " * 10))


def shares(one: Profile) -> tuple[str, str]:
    """Return the mean losses of its two servers, as exact fractions."""
    return str(loss_model(one.PingerServer.loss).mean), str(loss_model(one.HeartbeatServer.loss).mean)


def parser() -> Parser:
    options = command_parser("lab", PURPOSE)
    options.add_argument(
        "directory", nargs="?", metavar="DIR", help="directory to write to; it is made if it is missing"
    )
    options.add_argument(
        "--profile", default=DEFAULT, metavar="NAME", help=f"profile of the programs (default: {DEFAULT})"
    )
    forms = options.add_mutually_exclusive_group()
    forms.add_argument(
        "--standalone",
        action="store_true",
        help=f"programs that need Python alone (profiles {' and '.join(STANDALONE)})",
    )
    forms.add_argument(
        "--skeleton",
        action="store_true",
        help="the textbook's server, and a client to fill in (profile book)",
    )
    options.add_argument("--list", action="store_true", help="explain each profile")
    options.add_argument("--force", action="store_true", help="replace files that are there")
    return options
