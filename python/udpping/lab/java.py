"""The lab in Java, as PingServer and PingClient: delays as well as losses, and replies of 1,024 bytes."""

from udpping.lab import book
from udpping.lab._client import Client, Tally
from udpping.lab._program import shown
from udpping.lab._server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Event, Row

FROM = "the lab in Java (PingServer, PingClient), with delays of 0 to 200 ms (heartbeats: book's)"
PRINTS = (
    "client: `PING 0: 12.345 ms` or `PING 1: no reply`; server: `Received from IP: LINE`, `   Reply sent.`"
)

HeartbeatServer = book.HeartbeatServer
HeartbeatClient = book.HeartbeatClient


class PingerServer(Server):
    """Answers with its whole buffer: the request, and NULs to 1,024 bytes. A delay is one client's only."""

    purpose = "Answers pings after a delay, in 1,024 bytes, and loses some of them."
    loss = "0.3"
    delay = "uniform:0ms,200ms"
    reply = "{message}{pad:1024}"
    follows = True

    def handled(self, event: "Event") -> str:
        """Return the first line of the request, and whether it was answered."""
        address = event.client.rpartition(":")[0].strip("[]")
        line = event.message.splitlines()[0] if event.message else b""
        fate = "   Reply sent." if event.verdict == "answer" else "   Reply not sent."
        return f"Received from {address}: {shown(line)}\n{fate}"


class PingerClient(Client):
    """Sends one ping each second, ten of them, from number 0. How it prints was left to students."""

    interval: float | None = 1.0
    message = "PING {seq} {ms}\r\n"
    first_seq = 0

    def outcome(self, row: "Row") -> str:
        if row.rtt_ns is None or row.status != "reply":
            return f"PING {row.seq}: no reply"
        return f"PING {row.seq}: {row.rtt_ns / 1e6:.3f} ms"

    def end(self, tally: Tally) -> str | None:
        text = f"{tally.received} of {tally.sent} answered"
        if not tally.received:
            return text
        low, high, mean = tally.min_ns / 1e6, tally.max_ns / 1e6, tally.mean_ns / 1e6
        return f"{text}; RTT min {low:.3f} ms, max {high:.3f} ms, average {mean:.3f} ms"
