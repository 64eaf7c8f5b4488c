"""A group's report: a client and a heartbeat pair, with statistics as the ping of Windows has them."""

from udpping.lab import book
from udpping.lab._client import Client, Tally
from udpping.lab._program import shown
from udpping.lab._server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Event, Row

FROM = "a group's report: the textbook's server, a client, and a heartbeat pair"
PRINTS = "`Reply from HOST: REPLY` (or --form address), `RTT: S seconds`, `Request timed out`; statistics"

PingerServer = book.PingerServer


class PingerClient(Client):
    """Its listing prints one form of the reply line, its figures show another."""

    host = "127.0.0.1"
    form = "plain"
    forms: tuple[str, ...] = ("plain", "address")
    title = "Ping"

    def outcome(self, row: "Row") -> str:
        if row.reply is None or row.rtt_ns is None or row.status != "reply":
            return "Request timed out"
        address = f", address: {self.address(row)}" if self.form == "address" else ""
        return f"Reply from {self.host}{address}: {shown(row.reply)}\nRTT: {row.rtt_ns / 1e9:.6f} seconds"

    @staticmethod
    def address(row: "Row") -> tuple[str, int]:
        """Return the sender as Python's sockets do."""
        host, _, port = (row.source or "").rpartition(":")
        return host.strip("[]"), int(port)

    def end(self, tally: Tally) -> str:
        percent = (tally.lost / tally.sent) * 100 if tally.sent else 0.0
        counts = f"Sent = {tally.sent}, Received = {tally.received}, Lost = {tally.lost}"
        text = f"\n--- {self.title} statistics ---\nPackets: {counts} ({percent}% packet loss)"
        return f"{text}{self.round_trips(tally)}"

    def round_trips(self, tally: Tally) -> str:
        if not tally.received:
            return ""
        low, high, mean = tally.min_ns / 1e9, tally.max_ns / 1e9, tally.mean_ns / 1e9
        return f"\nRTTs: Min = {low:.6f}s, Max = {high:.6f}s, Avg = {mean:.6f}s"


class HeartbeatServer(Server):
    """Prints each heartbeat that it does not lose, and answers with the time difference."""

    purpose = "Answers heartbeats with their time difference, and loses some of them."
    reply = "{seq} {diff:.6f}"
    follows = True

    def begin(self, host: str, port: int) -> str:  # noqa: ARG002 - the source prints neither
        return "The server is ready to receive heartbeats..."

    def handled(self, event: "Event") -> str | None:
        """Return what came, as text; a datagram that is no heartbeat does not stop the server."""
        return f"Received message: {shown(event.message)}" if event.verdict == "answer" else None


class HeartbeatClient(PingerClient):
    """Takes the server for dead after three misses in a row. A reply's number is that of its heartbeat."""

    purpose = "Watches a server by heartbeats: three in a row without an answer, and it is down."
    count = 1000
    misses = 3
    forms = ()
    title = "Heartbeat"

    def outcome(self, row: "Row") -> str:
        if row.reply is None or row.status != "reply":
            return f"Heartbeat {row.seq}: Request timed out"
        found = f"Received heartbeat response {row.seq}: "
        words = row.reply.split()
        try:
            _, seconds = words
            return f"{found}Time difference = {float(seconds):.6f} seconds"
        except ValueError:
            return f"{found}no time difference in it: {shown(row.reply)}"

    def down(self, misses: int) -> str:
        return f"Server is down! {misses} consecutive heartbeat responses were missed."

    def round_trips(self, tally: Tally) -> str:  # noqa: ARG002 - the source has none here
        return ""
