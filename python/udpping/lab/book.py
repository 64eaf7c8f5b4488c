"""The textbook's lab: the server that it prints, and the client and the heartbeats that its text asks for."""

from udpping._args.grammar import utc_offset
from udpping._core import read_time
from udpping.lab._client import Client, Tally
from udpping.lab._program import seconds_of, shown
from udpping.lab._server import Server, make_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Event, Row

FROM = "the textbook's server, with a client and heartbeats written to its description"
PRINTS = "the reply and `RTT: S seconds`, or `Request timed out`; then counts and RTT min/avg/max"

UNKNOWN = "?"


class PingerServer(Server):
    """Given in full: it loses a ping when `random.randint(0, 10) < 4`, and prints nothing."""


class PingerClient(Client):
    """As the text asks: the reply, its round trip in seconds, or that there was none; then statistics."""

    def outcome(self, row: "Row") -> str:
        if row.reply is None or row.rtt_ns is None or row.status != "reply":
            return "Request timed out"
        return f"{shown(row.reply)}\nRTT: {row.rtt_ns / 1e9:.6f} seconds"

    def end(self, tally: Tally) -> str:
        percent = 100 * tally.lost / tally.sent if tally.sent else 0
        text = f"\n{tally.sent} packets transmitted, {tally.received} received, {percent:.1f}% packet loss"
        if tally.received:
            rtts = (tally.min_ns, tally.mean_ns, tally.max_ns)
            text += "\nRTT min/avg/max = " + "/".join(f"{rtt / 1e9:.6f}" for rtt in rtts) + " seconds"
        return text


class HeartbeatServer(Server):
    """As the text asks: the time difference of each heartbeat, and how many are missing before it."""

    purpose = "Answers heartbeats with their time difference, loses some, and tells which are missing."
    reply = "{seq} {diff:.6f}"
    follows = True

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.latest: dict[str, int] = {}

    def handled(self, event: "Event") -> str | None:
        """Report a heartbeat that was answered; one that is lost on purpose is missing at the next."""
        if event.verdict != "answer":
            return None
        seconds = difference(event)
        if event.seq is None and seconds == UNKNOWN:
            return f"From {event.client}: no heartbeat: {shown(event.message)}"
        if event.seq is None:
            return f"Heartbeat from {event.client}: time difference {seconds} seconds"
        make_room(self.latest, event.client)
        missing = event.seq - self.latest.get(event.client, event.seq - 1) - 1
        self.latest[event.client] = event.seq
        text = f"Heartbeat {event.seq} from {event.client}: time difference {seconds} seconds"
        return f"{text}, {missing} lost before it" if missing > 0 else text


class HeartbeatClient(PingerClient):
    """Watches the server, as all heartbeat pairs of the lab do: three misses in a row, and it is down."""

    purpose = "Watches a server by heartbeats: three in a row without an answer, and it is down."
    count = 1000
    misses = 3

    def outcome(self, row: "Row") -> str:
        """Return the reply of the server and the round trip."""
        if row.reply is None or row.rtt_ns is None or row.status != "reply":
            return f"No reply to heartbeat {row.seq}"
        return f"Reply to heartbeat {row.seq}: {shown(row.reply)}\nRTT: {row.rtt_ns / 1e9:.6f} seconds"

    def down(self, misses: int) -> str:
        return f"The server is down: {misses} heartbeats in a row had no reply"


def difference(event: "Event") -> str:
    """Format the seconds from the time in a heartbeat to its arrival, `?` if it has none."""
    sent = read_time(event.message, utc_offset())
    return UNKNOWN if sent is None else f"{seconds_of(event.recv_wall_ns) - sent:.6f}"
