"""The textbook's second optional exercise as written: heartbeats go one way, and the server watches."""

from udpping._results.peers import status_text
from udpping.lab import book
from udpping.lab._oneway import Sender, Watcher
from udpping.lab._program import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.rows import MonitorEvent
    from udpping._services.heartbeat import Heartbeat
    from udpping._services.monitor import Peers

FROM = "the textbook's heartbeat exercise as written: one way, and the server watches (pings: book's)"
PRINTS = (
    "server: each heartbeat with its time difference, what is lost, who stopped and who is back; "
    "a table on Ctrl-C"
)

PingerServer = book.PingerServer
PingerClient = book.PingerClient


class HeartbeatServer(Watcher):
    """Prints each heartbeat, each that is lost, and each client that has stopped or is back."""

    def begin(self, host: str, port: int) -> str:  # noqa: ARG002 - the address is printed beside the output
        """Return the port, and after how many misses a client has stopped."""
        missing = "one is missing" if self.misses == 1 else f"{self.misses} in a row are missing"
        return f"Watching heartbeats at port {port}; when {missing}, a client has stopped."

    def reported(self, event: "MonitorEvent") -> str | None:
        match event.event:
            case "heard" | "heard_late" | "heard_again":
                return heartbeat(event)
            case "lost":
                return f"Lost from {event.client}: {numbers(event.seq or 0, event.value or 1)}"
            case "down":
                silence = (event.span_ns or 0) / 1e9
                return f"{event.client} has stopped: nothing for {silence:.1f} s after heartbeat {event.seq}"
            case "up" if event.before in {"down", "bye"}:
                return f"{event.client} is back"
            case "new" | "up" | "late" | "suspect" | "unknown":
                return None  # its heartbeats show it
            case _:
                return event.message

    def end(self, peers: "Peers", unreadable: "list[tuple[str, str, bytes]]") -> str:
        text = status_text(peers, false_alarms=False)
        for source, _, datagram in unreadable:
            text += f"\nFrom {source}: no heartbeat: {shown(datagram)}"
        return f"\n{text}"


class HeartbeatClient(Sender):
    """Prints where it sends, and at the end how many it sent."""

    def begin(self) -> str:
        return f"A heartbeat to {self.host}, port {self.port}, every {self.interval:g} s. Ctrl-C ends it."

    def end(self, heartbeat: "Heartbeat") -> str:
        """Return the counts; the exercise has no answers, but some servers send them."""
        answers = f", {heartbeat.answered} answered" if heartbeat.answered else ""
        return f"{heartbeat.sent} sent{answers}"


def heartbeat(event: "MonitorEvent") -> str:
    """Format a received one, with the seconds from its time to its arrival, if its zone is known."""
    text = f"Heartbeat {event.seq} from {event.client}"
    if event.event == "heard_again":
        return f"{text}: once more"
    seconds = "?" if event.span_ns is None else f"{event.span_ns / 1e9:.6f}"
    text += f": time difference {seconds} seconds"
    if event.event == "heard":
        return text
    return f"{text}, late: it is not lost" if event.value else f"{text}, out of order"


def numbers(first: int, count: int) -> str:
    return f"heartbeat {first}" if count == 1 else f"heartbeats {first} to {first + count - 1}"
