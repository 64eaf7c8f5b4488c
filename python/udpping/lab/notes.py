"""A student's notes: the textbook's server, and a client with one line per ping and no statistics."""

from udpping.lab import book
from udpping.lab._client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Row

FROM = "a student's notes: the textbook's server, a client of one line per ping (heartbeats: book's)"
PRINTS = "`Sequence 1: Reply from HOST RTT=0.0010` or `Sequence 2: Requeset timed out`; no statistics"

PingerServer = book.PingerServer
HeartbeatServer = book.HeartbeatServer
HeartbeatClient = book.HeartbeatClient


class PingerClient(Client):
    """Names the server as it was typed. It was written for one address; here that is an option."""

    def outcome(self, row: "Row") -> str:
        """Return the round trip with four decimals; the spelling is the source's."""
        if row.rtt_ns is None or row.status != "reply":
            return f"Sequence {row.seq}: Requeset timed out"
        return f"Sequence {row.seq}: Reply from {self.host} RTT={row.rtt_ns / 1e9:.4f}"
