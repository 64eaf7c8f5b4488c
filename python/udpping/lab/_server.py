"""Runs the lab's servers: answers datagrams by `udpping.Server` and prints the lines of a profile.

A profile subclasses `Server` and defines what is lost, what the replies are, and what is printed. The core
reads and answers datagrams, so no datagram can stop a server. `Listener` is also the base of `Watcher` in
`_oneway`.
"""

import time
from threading import Event, Thread

from udpping._args.durations import LINGER
from udpping._console import streams
from udpping._console.options import Parser, any_whole, duration, port
from udpping.lab._client import one_of
from udpping.lab._program import Program, note, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from typing import Any

    import udpping
    from udpping._results.rows import Event as Handled
    from udpping._services.monitor import Monitor

MOST_CLIENTS = 65_536
"""Clients that a server keeps, as many as the core does; the oldest makes room."""

OPEN = "everybody on the network can use this server; --host 127.0.0.1 limits it to this machine"
TICK = 0.02
"""Seconds between two checks for pings."""


class Listener(Program):
    """A program that binds a port and drops some datagrams on purpose."""

    loss = "randint:0,10,4"
    """The course's `random.randint(0, 10) < 4`: four of eleven numbers, not the 30 % of its text."""
    seed: int | None = None
    port_tries = 1
    idle: float | None = None
    """Seconds without a datagram after which it prints that; `None` never does."""

    def begin(self, host: str, port: int) -> str | None:
        """When it listens, at that address and port."""

    def options(self, parser: Parser) -> None:
        where = self.host or "all interfaces"
        parser.add_argument("port", nargs="?", type=port, metavar="PORT", help=f"UDP port ({self.port})")
        parser.add_argument("-p", "--port", dest="port_option", type=port, metavar="PORT", help="the same")
        parser.add_argument("--host", metavar="HOST", help=f"address to listen at ({where})")
        parser.add_argument("--loss", help=f"share to lose on purpose: 0.3, 30%% or 4/11 ({self.loss})")
        parser.add_argument(
            "--seed", type=any_whole, metavar="N", help="any whole number makes the losses repeat"
        )
        if self.idle:
            silent = f"seconds without a client to tell of ({self.idle:g})"
            parser.add_argument("--idle", type=duration(LINGER), metavar="S", help=silent)

    def check(self, parser: Parser, options: "Namespace") -> None:
        """Accept the port as a positional argument or as an option."""
        one_of(parser, options, "port")


class Server(Listener):
    """A program that answers; a profile defines its settings and texts."""

    purpose = "Answers pings in capitals and loses some of them."
    delay = "0"
    reply = "upper"
    scope = "shared"
    """One stream of random numbers for all clients, as in the course."""
    follows = False
    """Whether it prints something for each datagram."""

    def handled(self, event: "Handled") -> str | None:
        """When a datagram was answered or lost (`event.verdict`). Only if it `follows`."""

    def silence(self, seconds: float) -> str | None:
        """When no datagram has come for so long; once, until the next one."""

    def end(self, counters: "udpping.Counters") -> str | None:
        """After Ctrl-C."""
        return f"\n{counters}"

    def options(self, parser: Parser) -> None:
        super().options(parser)
        parser.add_argument("--delay", help=f"how long to hold replies back, such as 50ms ({self.delay})")

    @streams.beside()
    def run(self) -> int:
        server = self.server()
        quiet = Event()
        watcher = Thread(target=self._watch, args=(server, quiet), daemon=True)
        try:
            say(self.begin(*server.bound))
            note(f"{self.script}: {where(server, self.script.replace('Server', 'Client'))}")
            # Before it starts, so that no event is missed.
            events = server.follow() if self.follows else None
            server.start()
            if self.idle:
                watcher.start()
            self._serve(server, events)
        except KeyboardInterrupt:
            server.stop()
        # What it received until then.
        while self.follows and (event := server.next_event(0)) is not None:
            say(self.handled(event))
        quiet.set()
        say(self.end(server.counters))
        return 0

    def server(self) -> "udpping.Server":
        """Make the server with the current settings; print its warnings, each on one line."""
        import warnings

        from udpping._services.server import Server

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            server = Server(
                self.host,
                self.port,
                loss=self.loss,
                delay=self.delay,
                reply=self.reply,
                seed=self.seed,
                scope=self.scope,
                port_tries=self.port_tries,
            )
        if caught:
            note(f"{self.script}: {OPEN}")
        return server

    def _serve(self, server: "udpping.Server", events: "Iterator[Handled] | None") -> None:
        if events is None:
            server.wait()
            return
        for event in events:
            say(self.handled(event))

    def _watch(self, server: "udpping.Server", quiet: Event) -> None:
        seen, since, reported = 0, time.monotonic(), False
        while not quiet.wait(TICK):
            count = server.counters.received
            if count != seen:
                seen, since, reported = count, time.monotonic(), False
            elif not reported and self.idle and time.monotonic() - since >= self.idle:
                reported = True
                say(self.silence(self.idle))


def make_room(clients: "dict[str, Any]", newcomer: str) -> None:
    """Remove the oldest client if there are too many: one sender can spoof any number of addresses."""
    if newcomer not in clients and len(clients) >= MOST_CLIENTS:
        del clients[next(iter(clients))]


def where(server: "udpping.Server | Monitor", client: str = "UDPPingerClient") -> str:
    """Return the address of a server and the command to reach it, from another machine if that is possible.

    >>> import udpping
    >>> from udpping.lab._server import where
    >>> with udpping.Server(port=0, seed=42) as server:
    ...     print(where(server))
    listening on 127.0.0.1, UDP port ..., seed 42; only from this machine: python UDPPingerClient.py ...
    """
    from udpping._args.targets import is_loopback
    from udpping._console import hosts

    host, port = server.bound
    wild = host in {"0.0.0.0", "::"}  # noqa: S104 - shown, not bound
    found = [each for each in hosts.addresses() if host == "::" or ":" not in each] if wild else [host]
    if found and not is_loopback(found[0]):
        whence, target = "from another machine", found[0]
    else:
        whence, target = "only from this machine", server.address[0]
    place = "every interface" if wild else host
    command = f"python {client}.py {target} {port}"
    return f"listening on {place}, UDP port {port}, seed {server.seed}; {whence}: {command}"
