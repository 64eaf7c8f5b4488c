"""`udpping heartbeat`: send heartbeats for this machine, or while a command runs."""

import sys

from udpping._args.durations import HEARTBEAT
from udpping._args.keys import exposed
from udpping._args.limits import MONITOR_PORT
from udpping._args.targets import parse_target, target_text
from udpping._console.options import Parser, port, share, whole
from udpping._console.program import text_of
from udpping._services.heartbeat import Heartbeat
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, HANGUP, Noted
from udpping.cli._output import Report, command_parser, warn
from udpping.cli._watch import Watch
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

PURPOSE = r"""Send heartbeats to a monitor until Ctrl-C, or as long as a command runs:

    udpping heartbeat HOST[:PORT] [options]
    udpping heartbeat HOST[:PORT] [options] -- COMMAND [ARGUMENT ...]

The last heartbeats say goodbye. With COMMAND they carry its exit status, which is also the exit code of
this program (128 + n if signal n ended it; 127 if it was not found).

Keys are read from a file, or from the environment variable UDPPING_KEY: one `name secret` on each line.
COMMAND does not get that variable.

Signals: Ctrl-C and SIGTERM say goodbye and end the heartbeat. SIGQUIT (Ctrl-\) and SIGUSR1 print how many
were sent, and it goes on. SIGHUP reads the file of --key again; without --key it ends the heartbeat. With
COMMAND, all of these and SIGUSR2 are passed on to it.

Exit code without COMMAND: 0 if a heartbeat was sent, 1 if none was, 2 for an error in the options."""
MOST = 2**63 - 1
SETTINGS = "interval", "id", "key", "key_name", "wire", "jitter", "count"


def main(words: list[str]) -> int:
    own, command = split(words)
    options = parser().parse_args(own)
    if command and options.count is not None:
        raise ConfigError(
            f"count {options.count} is not usable: expected none with COMMAND, as heartbeats end with it"
        )
    # Standard output belongs to the command.
    report = Report(json=options.json, stream=sys.stderr if command else None, beside=True)
    host, number = parse_target(options.target, options.port)
    heartbeat = make(host, number, options)
    warn(exposed(options.key), "heartbeat")
    name = target_text(host, number)
    facts = {"target": name, "id": heartbeat.id, "session": heartbeat.session, "interval": options.interval}
    if not command:
        report.record("start", **facts)
        report.say(
            f"a heartbeat to {name} every {options.interval:g} s as {heartbeat.id}; Ctrl-C says goodbye"
        )
        return beat(heartbeat, report, Noted(HANGUP if options.key else ()))
    from udpping.cli import _child

    report.record("start", **facts, command=command)
    report.say(f"udpping: a heartbeat to {name} every {options.interval:g} s as {heartbeat.id}")
    return _child.run(heartbeat, command, Watch(heartbeat, report, "udpping: "))


def make(host: str, number: int, options: "Namespace") -> Heartbeat:
    """Make it, without the number of starts if the file cannot be counted in."""
    settings = {name: getattr(options, name) for name in SETTINGS}
    if options.boot is None:
        return Heartbeat(host, number, **settings)
    try:
        return Heartbeat(host, number, **settings, boot=options.boot)
    except OSError as error:
        heartbeat = Heartbeat(host, number, **settings)
        warn(f"{text_of(error)}; going on without --boot", "heartbeat")
        return heartbeat


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Separate our own words from those of the command."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    if at == len(words) - 1:
        raise ConfigError("COMMAND is missing: name one after the --")
    return words[:at], words[at + 1 :]


def beat(heartbeat: Heartbeat, report: Report, moved: Noted) -> int:
    watch = Watch(heartbeat, report)
    asked = Noted(ASKING)
    try:
        heartbeat.start()
        while not heartbeat.wait(LOOK):
            watch.look()
            if asked.take():
                report.record("status", **heartbeat.as_dict())
                report.say(totals(heartbeat))
            if moved.take():
                watch.reopen()
    except KeyboardInterrupt:
        report.say()
    heartbeat.stop()
    watch.end()
    report.say(totals(heartbeat))
    return 0 if heartbeat.sent else 1


def totals(heartbeat: Heartbeat) -> str:
    others = {name: getattr(heartbeat, name) for name in ("answered", "skipped", "errors")}
    parts = [f"{heartbeat.sent:,} sent", *(f"{count:,} {name}" for name, count in others.items() if count)]
    return ", ".join(parts)


def parser() -> Parser:
    options = command_parser("heartbeat", PURPOSE)
    options.add_argument(
        "target", metavar="HOST[:PORT]", help="the monitor; write IPv6 with a port as [ADDRESS]:PORT"
    )
    options.add_time(
        "-i", "--interval", within=HEARTBEAT, default=1.0, help="time between two heartbeats (1s)"
    )
    options.add_argument(
        "-c",
        "--count",
        type=whole(1, MOST),
        metavar="N",
        help="say goodbye after N heartbeats, those that could not be sent included",
    )
    options.add_argument(
        "-p",
        "--port",
        type=port,
        default=MONITOR_PORT,
        metavar="PORT",
        help="port, if HOST names none (12001)",
    )
    options.add_argument("--id", metavar="NAME", help="name of this client at the monitor (the host name)")
    options.add_argument("--key", "--keys", metavar="FILE", help="sign heartbeats with a key from this file")
    options.add_argument("--key-name", metavar="NAME", help="name of the key to use, if the file has several")
    options.add_argument(
        "--wire",
        default="full",
        metavar="full|lab3|lab2",
        help="format: lab3 and lab2 are for the course's servers (full)",
    )
    options.add_argument(
        "--jitter",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="send up to this share of the interval early, at random (0; at most 0.25)",
    )
    options.add_argument(
        "--boot",
        metavar="FILE",
        help="count the starts in this file, and send the count: tells a restart without a clock",
    )
    return options
