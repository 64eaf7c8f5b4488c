"""A group's slides: clients that wait for Enter, print what they send, and show replies as bytes."""

from udpping.lab._client import Client, Tally
from udpping.lab._server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import Row

FROM = "a group's slides: server, client, and a heartbeat pair in which the client watches the server"
PRINTS = (
    "`Sent Ping 1 DATE`, `Received b'PING 1 DATE'`, `Time: MS Milliseconds`; waits for Enter, again and again"
)


class PingerServer(Server):
    """Draws from 1 to 10, so that its loss is 30 % exactly. It listens on loopback by default."""

    host = "127.0.0.1"
    loss = "randint:1,10,4"

    def begin(self, host: str, port: int) -> str:
        return f"Started UDP Server IP Address: {host} and Port: {port}"


class PingerClient(Client):
    """Sends the date as text. Statistics count the pings that were sent, also if no reply comes."""

    host = "127.0.0.1"
    message = "Ping {seq} {ctime}"
    prompt: str | None = "\nPress any key to start...\n"
    header = "Ping"
    closing = "ping"

    def begin(self) -> str:
        return f"-----\nStarting {self.header}\n-----\n"

    def sent(self, row: "Row") -> str:
        return f"Sent {self.text_of(row)}"

    def outcome(self, row: "Row") -> str:
        """Return the bytes of the reply, and the round trip in milliseconds."""
        if row.reply is None or row.rtt_ns is None or row.status != "reply":
            return f"#{row.seq} Requested Timed out\n"
        return f"Received {row.reply!r}\nTime: {row.rtt_ns / 1e6} Milliseconds\n"

    def end(self, tally: Tally) -> str:
        lines = [f"Finish {self.closing}, closing socket", "-----", "Statistics"]
        if tally.received:
            lines.append(f"Average RTT: {tally.mean_ns / 1e6} Milliseconds")
            lines.append(f"Max RTT: {tally.max_ns / 1e6} Milliseconds")
            lines.append(f"Min RTT: {tally.min_ns / 1e6} Milliseconds")
        else:
            lines.append("Server Is Down: No packets received")
        if tally.sent:
            lines.append(f"Packet Loss: {self.percent(tally)}%")
        return "\n".join([*lines, "-----"])

    def percent(self, tally: Tally) -> float:
        """Return whole percentages as `int`: the source prints those of ten pings so."""
        share = 100 * tally.lost / tally.sent
        return int(share) if share.is_integer() else share


class HeartbeatServer(PingerServer):
    """Answers with the number and the time difference, as Python prints a float."""

    purpose = "Answers heartbeats with their time difference, and loses some of them."
    reply = "{seq} {diff}"


class HeartbeatClient(PingerClient):
    """Counts misses anew in each run, and the loss over what was sent, not over the 1,000 it may send."""

    purpose = "Watches a server by heartbeats: three in a row without an answer, and it is down."
    message = "{seq} {time}"
    prompt = "\nPress any key to start..."
    header = "Heartbeat"
    closing = "heartbeat"
    count = 1000
    first_seq = 0
    misses = 3

    def down(self, misses: int) -> str:
        return f"Server is assumed to be down after {misses} consecutive misses."

    def percent(self, tally: Tally) -> float:
        """Return a float, as the source does here."""
        return tally.lost * 100 / tally.sent
