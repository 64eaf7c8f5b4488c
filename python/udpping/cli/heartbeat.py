"""`udpping heartbeat`: send heartbeats for this machine, or while a command runs."""

import signal
import sys

from udpping._args.durations import HEARTBEAT
from udpping._args.keys import exposed
from udpping._args.limits import MONITOR_PORT
from udpping._args.targets import parse_target, target_text
from udpping._console.options import Parser, port, share, whole
from udpping._services.heartbeat import Heartbeat
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, HANGUP, Noted
from udpping.cli._output import Report, command_parser, warn
from udpping.cli._watch import Watch
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

PURPOSE = """Send heartbeats to a monitor until Ctrl-C, or while a command runs:

    udpping heartbeat HOST[:PORT] [options]
    udpping heartbeat HOST[:PORT] [options] -- COMMAND [ARGUMENT ...]

The last ones say goodbye, with the exit status of the command, which is also that of this program (128 + n
when signal n ended it; 127: not found). The command gets the signals that this program gets.

Keys come from a file, or from the environment's UDPPING_KEY: `name secret`, one on each line. The command
does not get that variable.

Exit code without a command 0: heartbeats left; 1: none did; 2: it could not be tried."""
MOST = 2**63 - 1
SETTINGS = "interval", "id", "key", "key_name", "wire", "jitter", "count"


def main(words: list[str]) -> int:
    own, command = split(words)
    options = parser().parse_args(own)
    if command and options.count is not None:
        raise ConfigError(
            f"count {options.count} is not usable: expected none beside a COMMAND, which says when"
        )
    if command and not hasattr(signal, "sigtimedwait"):
        raise ConfigError("COMMAND is not usable on this system: it cannot wait for signals")
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
        warn(f"{error}; going on without --boot", "heartbeat")
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
        "target", metavar="HOST[:PORT]", help="the monitor; IPv6 with a port as [ADDRESS]:PORT"
    )
    options.add_time("-i", "--interval", within=HEARTBEAT, default=1.0, help="between two heartbeats (1s)")
    options.add_argument("-c", "--count", type=whole(1, MOST), metavar="N", help="say goodbye after N")
    options.add_argument(
        "-p", "--port", type=port, default=MONITOR_PORT, metavar="PORT", help="port, if HOST has none (12001)"
    )
    options.add_argument("--id", metavar="NAME", help="who is alive (this machine's name)")
    options.add_argument("--key", "--keys", metavar="FILE", help="sign with a key from this file")
    options.add_argument("--key-name", metavar="NAME", help="with this one of several")
    options.add_argument(
        "--wire", default="full", metavar="full|lab3|lab2", help="lab3, lab2: for the course's servers"
    )
    options.add_argument(
        "--jitter",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="up to so much of the interval early (0; at most 0.25)",
    )
    options.add_argument("--boot", metavar="FILE", help="count the starts in this file, and tell")
    return options
