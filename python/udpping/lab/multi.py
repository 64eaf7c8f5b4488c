"""A group's heartbeat server for many clients, known from its description: a table of them all, on Ctrl-C.

It was written for Python 2. Where the description leaves a text open, the words are ours.
"""

from udpping._args.limits import DEFAULT_PORT, MAX_PORT
from udpping._console.options import Parser, whole
from udpping._results.peers import moment
from udpping.lab._client import Client, one_of
from udpping.lab._program import shown
from udpping.lab._server import Server, make_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping._results.rows import Event, Row
    from udpping._services.server import Counters

FROM = "a group's heartbeat server for many clients, by its description, and a test client for it"
PRINTS = "server: a table of all clients on Ctrl-C, a line after 60 s of silence; client: the reply as it is"
port = whole(1024, MAX_PORT)


class HeartbeatServer(Server):
    """Loses exactly `packetloss` percent; takes the next free port when its own is busy."""

    purpose = "Answers the heartbeats of many clients, and shows a table of them on Ctrl-C."
    loss = "40/100"
    reply = "Heartbeat {seq}: time difference {diff:.6f} seconds, {lost} lost since the last response"
    port_tries = MAX_PORT - DEFAULT_PORT + 1
    follows = True
    idle: float | None = 60.0

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.clients: dict[str, list[int]] = {}

    def options(self, parser: Parser) -> None:
        """Add the two options of the description, by their place or by name."""
        super().options(parser)
        percent = whole(0, 100)
        parser.add_argument("packetloss", nargs="?", type=percent, help="percent of heartbeats to lose (40)")
        parser.add_argument(
            "-l", "--packetloss", dest="packetloss_option", type=percent, metavar="PERCENT", help="the same"
        )
        for action in parser._actions:  # noqa: SLF001 - the range of ports is narrower here
            if action.dest in {"port", "port_option"}:
                action.type = port

    def check(self, parser: Parser, options: "Namespace") -> None:
        """Accept either as a positional argument or as an option; refuse two values of the loss."""
        one_of(parser, options, "port", "packetloss")
        if options.packetloss is not None and options.loss is not None:
            parser.error("--loss and packetloss are one too many: expected only one of them")

    def settle(self, options: "Namespace") -> None:
        """Set the attributes that options name; a busy port is replaced by any higher one."""
        super().settle(options)
        self.port_tries = MAX_PORT - self.port + 1
        percent = getattr(options, "packetloss", None)
        if percent is not None:
            self.loss = f"{percent}/100"

    def begin(self, host: str, port: int) -> str:  # noqa: ARG002 - only the port can differ
        busy = f" ({self.port} is busy)" if self.port not in {0, port} else ""
        return f"Heartbeat server at port {port}{busy}. Ctrl-C ends it and shows its clients."

    def handled(self, event: "Event") -> None:
        """Count for the table. Ports of one host are one client, as in the source."""
        host = event.client.rpartition(":")[0].strip("[]")
        make_room(self.clients, host)
        entry = self.clients.setdefault(host, [0, 0, 0])
        entry[0] += 1
        entry[1] += event.verdict != "answer"
        entry[2] = event.recv_wall_ns

    def silence(self, seconds: float) -> str:
        return f"No client has pinged for {seconds:g} seconds. Still waiting."

    def end(self, counters: "Counters") -> str:  # noqa: ARG002 - the table is by client
        width = max(16, *map(len, self.clients))
        lines = ["", f"{'Client':<{width}}{'Received':>9}{'Lost':>7}  Last heartbeat"]
        for host, (received, lost, wall_ns) in self.clients.items():
            lines.append(f"{host:<{width}}{received:>9}{lost:>7}  {moment(wall_ns)}")
        return "\n".join(lines if self.clients else ["", "No client has pinged."])


class HeartbeatClient(Client):
    """Sends number and time with a tab between them, and prints the reply as it is.

    The source's time is a date as `strftime` writes it, in an unknown format. Seconds are the
    default, for the difference to be exact; `--form date` sends what `strftime("%c")` gives.
    """

    purpose = "Sends heartbeats, and prints what the server says to each."
    message = "{seq}\t{time}"
    form = "seconds"
    forms = ("seconds", "date")

    def settle(self, options: "Namespace") -> None:
        """Set the attributes that options name, and the form of the time in the message."""
        super().settle(options)
        if self.form == "date":
            self.message = "{seq}\t{ctime}"

    def outcome(self, row: "Row") -> str:
        if row.reply is None or row.status != "reply":
            return f"No response to heartbeat {row.seq}"
        return shown(row.reply)


PingerServer = HeartbeatServer
PingerClient = HeartbeatClient
