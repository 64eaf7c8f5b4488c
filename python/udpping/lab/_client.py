"""Runs the lab's clients: sends pings by `udpping.Pinger` and prints the lines of a profile.

A profile subclasses `Client` and defines what it sends, and what it prints when a ping is sent, answered or
given up, and at the end. The core matches replies to pings, for all profiles alike.
"""

import time

from udpping._args.durations import WAIT
from udpping._args.limits import MOST_PINGS
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, TIMEOUT
from udpping._args.targets import target_text
from udpping._console.options import Parser, duration, port, whole
from udpping.lab._program import Program, note, say, seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator

    from udpping._args.options import RunOptions
    from udpping._results.rows import Row
    from udpping._services.ping import Pinger


class Tally:
    """The sums of the pings that were printed."""

    def __init__(self) -> None:
        self.sent = self.received = self.total_ns = self.min_ns = self.max_ns = 0
        self.interrupted = False

    def add(self, row: "Row") -> None:
        self.sent += 1
        if row.status != "reply" or row.rtt_ns is None:
            return
        self.min_ns = min(self.min_ns, row.rtt_ns) if self.received else row.rtt_ns
        self.max_ns = max(self.max_ns, row.rtt_ns)
        self.total_ns += row.rtt_ns
        self.received += 1

    @property
    def lost(self) -> int:
        return self.sent - self.received

    @property
    def mean_ns(self) -> float:
        """The mean round trip; ZeroDivisionError without a reply."""
        return self.total_ns / self.received


class Client(Program):
    """A program that pings; a profile defines its settings and texts."""

    purpose = "Pings a server and tells round trips and losses."
    host = "localhost"
    count = COUNT
    timeout = TIMEOUT
    interval: float | None = None
    """Seconds between pings; `None` sends the next one when the last is answered or given up."""
    message = MESSAGE
    first_seq = FIRST_SEQ
    form = ""
    forms: tuple[str, ...] = ()
    """The names of its output forms, where the source has several; the first is the default."""
    prompt: str | None = None
    """If set, it prints this and waits for Enter before each run, without end."""
    zone = staticmethod(time.localtime)
    """The time zone of dates; `rehearse` uses UTC."""
    misses: int | None = None
    """After so many in a row without a reply, the server is taken for dead."""
    _refused = False
    """Whether it has said that nothing listens there."""

    def begin(self) -> str | None:
        """Before the first ping."""

    def sent(self, row: "Row") -> str | None:
        """When a ping has left."""

    def outcome(self, row: "Row") -> str | None:
        """When a ping is answered (status `reply`) or given up (any other)."""

    def down(self, misses: int) -> str | None:
        """When the server is taken for dead."""

    def end(self, tally: Tally) -> str | None:
        """At the end, also after Ctrl-C."""

    def options(self, parser: Parser) -> None:
        add_place(parser, self)
        parser.add_argument(
            "--count", type=whole(1, MOST_PINGS), metavar="N", help=f"how many to send ({self.count})"
        )
        parser.add_argument(
            "--timeout",
            type=duration(WAIT),
            metavar="S",
            help=f"seconds to wait for each reply ({self.timeout:g})",
        )
        if self.misses:
            misses = f"so many misses in a row: the server is down ({self.misses})"
            parser.add_argument("--misses", type=whole(1, MOST_PINGS), metavar="N", help=misses)
        if self.forms:
            add_forms(parser, self.forms)

    def check(self, parser: Parser, options: "Namespace") -> None:
        one_of(parser, options, "host", "port")

    def run(self) -> int:
        """Run once, or each time that Enter is pressed, and print the outcomes."""
        tally = Tally()
        while self.prompt is None or pressed(self.prompt):
            tally = self.watch(self.pinger())
            if self.prompt is None or tally.interrupted:
                break
        return 0

    def pinger(self) -> "Pinger":
        from udpping._services.ping import PrintedPinger

        pinger = PrintedPinger([(self.host, self.port)], self.asked(), announce=True, patient=True)
        pinger.miss_no_row()
        return pinger

    def asked(self) -> "RunOptions":
        return {
            "count": self.count,
            "timeout": self.timeout,
            "interval": self.interval,
            "linger": 0,
            "misses": self.misses,
            "message": self.message,
            "first_seq": self.first_seq,
        }

    def watch(self, pinger: "Pinger") -> Tally:
        with pinger:
            return self.perform(pinger)

    def rehearse(self, *, loss: str = "0", delay: str = "0", reply: str = "upper") -> Tally:
        """Print a run in virtual time: the same lines, without a network and without waiting."""
        from udpping import sim

        self.zone = time.gmtime
        run = sim.ping(loss=loss, delay=delay, reply=reply, **self.asked())
        return self.perform(announced(run))

    def perform(self, rows: "Iterable[Row]") -> Tally:
        """Print one run, from its rows as they come."""
        tally = Tally()
        say(self.begin())
        try:
            self.print_rows(rows, tally)
        except KeyboardInterrupt:
            tally.interrupted = True
        say(self.end(tally))
        return tally

    def wait_if_refused(self, row: "Row", since: float) -> None:
        """Say that nothing listens there, and wait as long as a program that does not learn of it."""
        if row.status != "unreachable":
            return
        if not self._refused:
            self._refused = True
            server = f"{self.script.replace('Client', 'Server')}.py" if self.script else "the server"
            place = target_text(self.host, self.port)
            note(f"{self.script or 'ping'}: nothing listens at {place}; start {server} first")
        time.sleep(max(0.0, since + self.timeout - time.monotonic()))

    def text_of(self, row: "Row") -> str:
        wall_ns = row.sent_wall_ns or 0
        seconds = seconds_of(wall_ns)
        date = time.asctime(self.zone(wall_ns // 10**9))
        return self.message.format(seq=row.seq, time=seconds, ctime=date, ms=wall_ns // 10**6)

    def print_rows(self, rows: "Iterable[Row]", tally: Tally) -> None:
        """Print each ping once: a late reply or a duplicate changes nothing that was printed."""
        waiting: dict[int, float] = {}
        missed = 0
        for row in rows:
            if row.status == "open":
                waiting[row.seq] = time.monotonic()
                say(self.sent(row))
            elif row.seq in waiting:
                self.wait_if_refused(row, waiting.pop(row.seq))
                tally.add(row)
                say(self.outcome(row))
                missed = 0 if row.status == "reply" else missed + 1
                if missed == self.misses:
                    say(self.down(missed))
                    break


def announced(rows: "Iterable[Row]") -> "Iterator[Row]":
    """Yield each row of a finished run, and before it the open row that announces it."""
    for row in rows:
        yield row._replace(status="open", rtt_ns=None, copies=0, reply=None, match=None)
        yield row


def pressed(prompt: str) -> bool:
    """Wait for Enter; return `False` at the end of input and on Ctrl-C."""
    try:
        input(prompt)
    except (EOFError, KeyboardInterrupt):
        say("")
        return False
    return True


def add_place(parser: Parser, program: Program) -> None:
    parser.add_argument("host", nargs="?", metavar="HOST", help=f"the server ({program.host})")
    parser.add_argument("port", nargs="?", type=port, metavar="PORT", help=f"its UDP port ({program.port})")
    parser.add_argument("--host", dest="host_option", metavar="HOST", help="the server, as above")
    parser.add_argument(
        "--port", dest="port_option", type=port, metavar="PORT", help="its UDP port, as above"
    )


def add_forms(parser: Parser, forms: tuple[str, ...]) -> None:
    parser.add_argument("--form", choices=forms, help=f"which of the source's forms ({forms[0]})")


def one_of(parser: Parser, options: "Namespace", *names: str) -> None:
    """Accept a value as a positional argument or as an option, but not as both."""
    for name in names:
        place, option = getattr(options, name), getattr(options, f"{name}_option")
        if place is not None and option is not None:
            parser.error(f"--{name} {option} and {place} are one too many: expected only one of them")
        setattr(options, name, option if place is None else place)
