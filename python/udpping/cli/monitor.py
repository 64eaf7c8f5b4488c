"""`udpping monitor`: print which clients go up and down, until Ctrl-C, then a table of all."""

import argparse
from time import monotonic

from udpping import _core
from udpping._args.durations import HEARTBEAT, LINGER
from udpping._args.keys import exposed
from udpping._args.limits import MONITOR_PORT
from udpping._console import hosts
from udpping._console.options import Parser, add_listener, whole
from udpping._results.peers import Alarms, moment, offset, status_text, utc
from udpping._services.monitor import Monitor
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, HANGUP, Noted, calling
from udpping.cli._often import Damping
from udpping.cli._output import Report, beginning, command_parser, row_facts, warn
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping._results.rows import MonitorEvent
    from udpping.cli._hook import Hook

PURPOSE = r"""Watch heartbeats: report clients that come up, stop sending or lose packets, until Ctrl-C.

It reads the heartbeats of `udpping heartbeat` and of every client of the course's heartbeat exercise.

DETECTOR: calibrated:1 per 30 days (false alarms of each client; the default), calibrated:10 per day,
fixed:3 (missed heartbeats), phi:8, chen:2s or 2w-fd:2s

COMMAND is run for each event, or for the events of --on, without a shell. One runs at a time, for 30
seconds at most; down, outage and isolated come first. Its environment has UDPPING_EVENT, UDPPING_CLIENT,
UDPPING_ADDRESS, UDPPING_MESSAGE, UDPPING_TIME, UDPPING_BEFORE, UDPPING_PREVIOUS, UDPPING_SEQ,
UDPPING_SECONDS, UDPPING_VALUE and UDPPING_NUMBER; an unknown value is empty. Several events of a kind
share one run: clients that come up within 2 seconds, more than 8 events that wait, and the events of a
client with more than 10 in 10 minutes. Then UDPPING_COUNT is the number of events, UDPPING_CLIENTS has
the names of their clients, and the other variables describe the first event.

Keys are read from a file, or from the environment variable UDPPING_KEY: one `name secret` on each line.
COMMAND does not get that variable.

Signals: Ctrl-C and SIGTERM print the table of clients and end the monitor. SIGQUIT (Ctrl-\) and SIGUSR1
print the table, and the monitor goes on. SIGHUP reads the keys and opens the files of --log and --state
again; without these options it ends the monitor."""
SETTINGS = (
    *("detector", "interval", "keys", "answer", "losses", "max_clients", "per_prefix", "idle"),
    *("state", "log", "port_tries", "witness"),
)
ONCE = {
    "unsealed": "a heartbeat without a signature was refused: this monitor has keys, so senders need --key",
    "forged": "a heartbeat with a wrong signature was refused: its sender has another key, or it was changed",
    "unwritten": "events came faster than they could be written: --state and --log lack some",
    "refused": "there is no room for a new client: raise --max-clients, or --per-prefix for one network",
}
"""What is printed when a counter is first above 0."""
ALARMS = frozenset({"down", "outage", "isolated"})


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    if options.on is not None and options.exec is None:
        raise ConfigError("--on is not usable without --exec: it names the events for which COMMAND is run")
    report = Report(json=options.json, beside=True)
    monitor = bind(options)
    warn(exposed(options.keys), "monitor")
    hook = None
    if options.exec is not None:
        from udpping.cli._hook import Hook

        hook = Hook(options.exec, on=options.on)
    has_files = any((options.keys, options.state, options.log))
    watch = Watch(monitor, report, hook, everything=options.all)
    try:
        try:
            # A signal that raised could lose the event that was just taken.
            with calling(monitor.stop):
                asked, moved = Noted(ASKING), Noted(HANGUP if has_files else ())
                monitor.start()
                announce(monitor, options, report)
                watch.follow(asked, moved)
            report.say()
        finally:
            monitor.stop()
            watch.end()
    finally:
        # A second Ctrl-C may come at any time.
        if hook is not None:
            hook.abort()
    return 0


def bind(options: "Namespace") -> Monitor:
    settings = {name: getattr(options, name) for name in SETTINGS}
    return hosts.on_every_interface(options.host, lambda host: Monitor(host, options.port, **settings))


def announce(monitor: Monitor, options: "Namespace", report: Report) -> None:
    host, port = monitor.bound
    here, elsewhere = hosts.ways("heartbeat", monitor.bound, monitor.address)
    detector, lessons = monitor.detector, monitor.lessons
    facts = {"detector": detector, "lessons": lessons, "client": here, "clients_elsewhere": elsewhere}
    report.record("start", bound=host, port=port, **facts)
    report.say(hosts.whereabouts(monitor.bound))
    kept = {"state": options.state, "log": options.log}
    report.say(", ".join([f"detector {detector}", *(f"{k} in {v}" for k, v in kept.items() if v)]))
    if lessons:
        report.say(
            f"it learns from the first {lessons:,} heartbeats of a client; until then it detects a stop later"
        )
    report.ways(here, elsewhere)
    report.say("Ctrl-C prints the clients and ends the monitor")


class Watch:
    """Prints events, and each kind of problem once."""

    def __init__(self, monitor: Monitor, report: Report, hook: "Hook | None", *, everything: bool) -> None:
        self.monitor = monitor
        self.report = report
        self.hook = hook
        self.everything = everything
        self.damping = Damping()
        self.reported: set[str] = set()
        self.unkept: str | None = None

    def follow(self, asked: Noted, moved: Noted) -> None:
        """Report until the monitor stops, the clients when asked, and open its files anew."""
        looked = monotonic()
        while self.monitor.running:
            event = self.monitor.next_event(LOOK)
            if event is not None:
                self.handle(event)
            if monotonic() - looked >= LOOK:
                self.look()
                looked = monotonic()
            if asked.take():
                self.show()
            if moved.take():
                self.reopen()

    def handle(self, event: "MonitorEvent") -> None:
        """Report an event, if the options ask for it."""
        if event.is_notable or event.event == "lost" or self.everything:
            self.report.record("event", time=utc(event.wall_ns), **event._asdict())
            text = self.damping.add(event, monotonic())
            if event.event == "full":
                text = event.message.replace("max_clients", "--max-clients")
            if text is not None:
                self.tell(event, text)
        if self.hook is not None:
            self.hook.run(event)

    def tell(self, event: "MonitorEvent", text: str) -> None:
        """Print a line about an event."""
        line = f"{moment(event.wall_ns)}{offset(event.wall_ns)}  {text}"
        self.report.say(self.report.alarm(line) if event.event in ALARMS else line)

    def look(self, *, ending: bool = False) -> None:
        """Report what was gathered, and problems, each once: strangers could cause very many."""
        for event, text in self.damping.due(monotonic(), everything=ending):
            self.tell(event, text)
        counters = self.monitor.counters
        if counters.unreadable and "unreadable" not in self.reported:
            self.reported.add("unreadable")
            source, reason, datagram = self.monitor.unreadable[0]
            text = beginning(datagram)
            self.report.record("unreadable", source=source, reason=reason, datagram=text)
            self.report.say(f"not a heartbeat, from {source}: {reason}: {text}")
            self.report.say("  further ones are counted, and not printed")
        for name, sentence in ONCE.items():
            if getattr(counters, name) and name not in self.reported:
                self.reported.add(name)
                self.complain(sentence)
        if counters.unkept != self.unkept:
            self.unkept = counters.unkept
            self.complain(f"cannot write to the files, {counters.unkept}; going on without them")
        for problem in self.hook.problems() if self.hook is not None else ():
            self.complain(f"--exec: {problem}")

    def reopen(self) -> None:
        """Read and open the files again."""
        try:
            self.monitor.reopen()
        except (ConfigError, OSError) as error:
            self.complain(f"{error}; the keys from before stay in use")
        else:
            self.report.record("reopened")
            self.report.say("read the keys and opened the files again")

    def complain(self, sentence: str) -> None:
        """Report a problem."""
        self.report.record("problem", message=sentence)
        self.report.say(self.report.alarm(sentence))

    def end(self) -> None:
        """Report the remaining events, then what there is at the end."""
        while (event := self.monitor.next_event(0)) is not None:
            self.handle(event)
        if self.hook is not None:
            self.hook.close()
        self.look(ending=True)
        self.show()

    def show(self) -> None:
        """Report the clients and the counters."""
        peers = self.monitor.peers
        for peer in peers if self.report.json else ():
            self.report.record("peer", **row_facts(peer))
        self.report.record("false_alarms", **Alarms.of(peers)._asdict())
        self.report.say(status_text(peers, self.report.alarm))
        counters = self.monitor.counters
        self.report.record("counters", **counters.as_dict())
        self.report.say(repr(counters))


def parser() -> Parser:
    options = command_parser("monitor", PURPOSE)
    add_listener(options, MONITOR_PORT)
    options.add_argument(
        "--detector",
        default="calibrated",
        help="how long a client may be silent before it is down (calibrated)",
    )
    options.add_time(
        "--interval",
        within=HEARTBEAT,
        default=1.0,
        help="assumed interval of clients that do not state theirs, at least (1s)",
    )
    options.add_argument(
        "--key",
        "--keys",
        dest="keys",
        metavar="FILE",
        help="accept only heartbeats that are signed with a key from this file",
    )
    options.add_argument(
        "--answer", action="store_true", help="answer each heartbeat with its number and the time difference"
    )
    options.add_argument("--losses", action="store_true", help="also print each loss")
    options.add_argument(
        "--all",
        action="store_true",
        help="also print clients that are late or suspect, and when they recover",
    )
    options.add_argument(
        "--exec", metavar="COMMAND", help="run this for each event, except late, suspect and lost"
    )
    options.add_argument(
        "--on",
        type=event_names,
        metavar="EVENTS",
        help="run COMMAND for these events only, such as down,bye",
    )
    options.add_argument(
        "--state",
        metavar="DIR",
        help="save the clients in this directory, and continue from it after a restart",
    )
    options.add_argument("--log", metavar="FILE", help="append the events to this CSV file")
    options.add_argument(
        "--max-clients",
        type=whole(1, 10_000_000),
        default=10_000,
        metavar="N",
        help="maximum number of clients (10000)",
    )
    options.add_argument(
        "--per-prefix",
        type=whole(1, 10_000_000),
        default=1024,
        metavar="N",
        help="maximum number of clients of one network, /24 or /64, without keys (1024)",
    )
    options.add_argument(
        "--witness",
        metavar="HOST:PORT",
        help="ping this host: without its answer and without heartbeats, clients are unknown and not down",
    )
    options.add_time(
        "--idle",
        within=LINGER,
        default=60.0,
        help="report when no heartbeat arrives for this long; 0 disables it (1m)",
    )
    return options


def event_names(text: str) -> frozenset[str]:
    """Read the names of events, with commas between."""
    known = _core.event_names()
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is not usable: expected {', '.join(known)}")
    return frozenset(names)
