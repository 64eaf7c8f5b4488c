"""The official client of the textbook's lab, beside the textbook's server."""

from udpping.lab import book
from udpping.lab._client import Client
from udpping.lab._program import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Row

FROM = "the textbook's official client, with the textbook's server (heartbeats: book's)"
PRINTS = "`Reply from IP: REPLY`, `RTT: S`, or `Request timed out.` with its period; no statistics"

PingerServer = book.PingerServer
HeartbeatServer = book.HeartbeatServer
HeartbeatClient = book.HeartbeatClient


class PingerClient(Client):
    """Sends the date as text, and shows the address that answered."""

    message = "Ping {seq} {ctime}"

    def outcome(self, row: "Row") -> str:
        """Return the reply and the round trip in seconds, as Python prints a float."""
        if row.reply is None or row.rtt_ns is None or row.status != "reply":
            return "Request timed out."
        address = (row.source or "").rpartition(":")[0].strip("[]")
        return f"Reply from {address}: {shown(row.reply)}\nRTT: {row.rtt_ns / 1e9}"
