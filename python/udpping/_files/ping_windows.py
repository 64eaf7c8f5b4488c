"""Reads the English output of `ping` on Windows: no numbers, no time of day, and whole milliseconds."""

import re

from udpping._files.pings import PingLog, number, run_of_ping
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

HEAD = re.compile(r"Pinging (\S+)")
REPLY = re.compile(
    r"Reply from (?P<source>\S+): (?:bytes=(?P<size>\d+) )?time(?:=(?P<rtt>\d+)|<1)ms(?: TTL=(?P<ttl>\d+))?$"
)
ANSWER = re.compile(r"Reply from (?P<source>\S+): (?P<why>[^=]+)$")
"""An ICMP error. Windows counts it as received."""
FATES = (
    ("timeout", re.compile(r"Request timed out")),
    ("unreachable", re.compile(r"(?:Destination|TTL|Packet needs) .*\.")),
    ("error", re.compile(r"(?:PING: transmit failed|General failure|Hardware error)")),
)
END = re.compile(r"Packets: Sent = (\d+), Received = (\d+), Lost = \d+")


class Reader:
    """Collects the pings of the lines read so far, in order, as `ping` waits for each before the next."""

    def __init__(self, in_flight: int) -> None:
        self.log = PingLog("", 0)
        self.seq = 0
        self.answers = 0
        self.in_flight = in_flight

    def line(self, words: str, line: int) -> None:
        """Read one line; lines without a ping are ignored."""
        if found := HEAD.match(words):
            if self.log.name:
                raise ConfigError(f"line {line}: a second {words[:40]!r} is not usable: expected one ping")
            self.log.name = found[1]
        elif found := END.match(words):
            self._end(number(found[1], line), number(found[2], line))
        elif words.startswith("Reply from "):
            self._answer(words, line)
        elif fate := next((fate for fate, marks in FATES if marks.match(words)), None):
            self.log.lost(self.seq, fate)
            self.seq += 1

    def _answer(self, words: str, line: int) -> None:
        if found := REPLY.match(words):
            size, ttl = found["size"], found["ttl"]
            self.log.reply(
                self.seq,
                number(found["rtt"] or "0", line) * 1_000_000,
                source=found["source"],
                size=None if size is None else number(size, line),
                ttl=None if ttl is None else number(ttl, line, 255),
            )
        elif found := ANSWER.match(words):
            self.log.lost(self.seq, "unreachable", found["source"])
        else:
            raise ConfigError(
                f"line {line}: {words[:60]!r} is not usable: expected "
                "'Reply from 192.0.2.1: bytes=32 time=12ms TTL=64' or why it is none, in English"
            )
        self.seq += 1
        self.answers += 1

    def _end(self, sent: int, received: int) -> None:
        """Compare with the totals, which Ctrl-Break prints in the middle too."""
        if not 0 <= sent - self.seq <= self.in_flight or received != self.answers:
            raise ConfigError(
                f"{self.seq} lines with {self.answers} answers are not usable where {sent} were sent "
                f"and {received} came: expected a line for each, in English"
            )


def read(text: str) -> "Run":
    reader = Reader(in_flight=int("Control-" in text))
    for line, words in enumerate(map(str.strip, text.splitlines()), 1):
        reader.line(words, line)
    return run_of_ping(reader.log)
