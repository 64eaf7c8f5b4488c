"""Runs the lab's one-way programs: a server that watches its clients, and a client that waits for no reply.

A profile subclasses them and defines what they print. `udpping.Monitor` detects losses and stopped clients.
"""

from udpping._args.durations import HEARTBEAT
from udpping._console import streams
from udpping._console.options import Parser, duration, whole
from udpping._services.service import LOOK
from udpping.lab._client import add_forms, add_place, one_of
from udpping.lab._program import Program, note, say
from udpping.lab._server import Listener, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from udpping._results.rows import MonitorEvent
    from udpping._services.heartbeat import Heartbeat
    from udpping._services.monitor import Monitor, Peers

MOST_MISSES = 999
MOST_HEARTBEATS = 2**63 - 1


class Watcher(Listener):
    """A program that watches clients; a profile defines its settings and texts."""

    purpose = "Watches the senders of heartbeats: what is lost, and who has stopped."
    loss = "0"
    """It drops nothing on purpose."""
    idle: float | None = 60.0
    misses = 3
    """When so many heartbeats in a row are missing, the client has stopped."""
    answer = False

    def reported(self, event: "MonitorEvent") -> str | None:
        """When the monitor reports an event, also a heartbeat that was received or lost."""

    def end(self, peers: "Peers", unreadable: "list[tuple[str, str, bytes]]") -> str | None:
        """After Ctrl-C: the clients, and the last datagrams that were no heartbeats."""

    def options(self, parser: Parser) -> None:
        super().options(parser)
        stopped = f"so many missing in a row: the client has stopped ({self.misses})"
        parser.add_argument("--misses", type=whole(1, MOST_MISSES), metavar="N", help=stopped)
        parser.add_argument(
            "--answer", action="store_true", default=None, help="answer each heartbeat: NUMBER DIFFERENCE"
        )

    @streams.beside()
    def run(self) -> int:
        monitor = self.monitor()
        try:
            say(self.begin(*monitor.bound))
            note(f"{self.script}: {where(monitor, self.script.replace('Server', 'Client'))}")
            monitor.start()
            self.print_events(monitor)
        except KeyboardInterrupt:
            monitor.stop()
        # What it received until then.
        while (event := monitor.next_event(0)) is not None:
            say(self.reported(event))
        say(self.end(monitor.peers, monitor.unreadable))
        return 0

    def monitor(self) -> "Monitor":
        from udpping._services.monitor import Monitor

        return Monitor(
            self.host,
            self.port,
            detector=self.detector,
            answer=self.answer,
            losses=True,
            beats=True,
            idle=self.idle or 0,
            loss=self.loss,
            seed=self.seed,
            port_tries=self.port_tries,
        )

    def rehearse(
        self, *senders: str, duration: float = 10, loss: str = "0", delay: str = "0", seed: int = 1
    ) -> None:
        """Print a run in virtual time, with a sender for each text of `udpping.sim.heartbeat`."""
        from udpping import sim

        seen = sim.heartbeat(
            senders or 1,
            duration=duration,
            detector=self.detector,
            losses=True,
            beats=True,
            loss=loss,
            delay=delay,
            seed=seed,
        )
        self.print_events(seen.events)
        say(self.end(seen.peers, []))

    @property
    def detector(self) -> str:
        """The detector: an interval longer than `misses`, for the last of these may arrive late."""
        return f"fixed:{self.misses + 1}"

    def print_events(self, events: "Iterable[MonitorEvent]") -> None:
        for event in events:
            say(self.reported(event))


class Sender(Program):
    """A program that sends heartbeats; a profile defines its settings and texts."""

    purpose = "Sends a heartbeat each second, and waits for no answer."
    host = "localhost"
    interval = 1.0
    count: int | None = None
    """`None` goes on until Ctrl-C."""
    form = ""
    forms = ("lab3", "lab2")
    """The `wire` of `udpping.Heartbeat`; the first is the default."""

    def begin(self) -> str | None:
        """Before the first heartbeat."""

    def end(self, heartbeat: "Heartbeat") -> str | None:
        """At the end, also after Ctrl-C."""

    def options(self, parser: Parser) -> None:
        add_place(parser, self)
        parser.add_argument(
            "--count", type=whole(1, MOST_HEARTBEATS), metavar="N", help="how many to send (until Ctrl-C)"
        )
        parser.add_argument(
            "--interval",
            type=duration(HEARTBEAT),
            metavar="S",
            help=f"seconds from one to the next ({self.interval:g})",
        )
        add_forms(parser, self.forms)

    def check(self, parser: Parser, options: "Namespace") -> None:
        one_of(parser, options, "host", "port")

    @streams.beside()
    def run(self) -> int:
        heartbeat = self.heartbeat()
        say(self.begin())
        try:
            heartbeat.start()
            problem = None
            while not heartbeat.wait(LOOK):
                if heartbeat.last_error not in {None, problem}:
                    note(f"{self.script}: {heartbeat.last_error}; going on")
                problem = heartbeat.last_error
        except KeyboardInterrupt:
            pass
        heartbeat.stop()
        say(self.end(heartbeat))
        return 0

    def heartbeat(self) -> "Heartbeat":
        from udpping._services.heartbeat import Heartbeat

        wire = self.form or self.forms[0]
        return Heartbeat(self.host, self.port, interval=self.interval, wire=wire, count=self.count)
