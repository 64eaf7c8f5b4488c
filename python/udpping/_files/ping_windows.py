"""Reads the English output of `ping` on Windows: no numbers, no time of day, and whole milliseconds."""

import re

from udpping._files.lines import SHOWN, last_line, lines, unstamped
from udpping._files.pings import PingLog, number, run_of_pings
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

HEAD = re.compile(r"Pinging (\S+)")
REPLY = re.compile(
    r"Reply from (?P<source>\S+): (?:bytes=(?P<size>\d+) (?:\(sent \d+\) )?)?"
    r"time(?:=(?P<rtt>\d+)|<1)ms(?: TTL=(?P<ttl>\d+))?$"
)
ANSWER = re.compile(r"Reply from (?P<source>\S+): (?P<why>[^=]+)$")
"""An ICMP error. Windows counts it as received."""
FATES = (
    ("timeout", re.compile(r"Request timed out")),
    ("unreachable", re.compile(r"(?:Destination|TTL|Packet needs) .*\.")),
    ("error", re.compile(r"(?:PING: transmit failed|General failure|Hardware error)")),
)
END = re.compile(r"Packets: Sent = (\d+), Received = (\d+), Lost = (\d+)")
SHORTEST = re.compile(r"Minimum = (\d+)ms, Maximum = (\d+)ms, Average = \d+ms")
SUMMING = re.compile(r".*(?:\bSent =|Received =|Maximum =|Average =)")


class Reader:
    """Collects the pings of the lines read so far, in order, as `ping` waits for each before the next."""

    def __init__(self, text: str) -> None:
        self.logs: list[PingLog] = []
        self.in_flight = int("Control-" in text)
        self.last_line = last_line(text)
        self.begin("")

    def begin(self, name: str) -> None:
        self.log = PingLog(name, 0)
        self.logs.append(self.log)
        self.answers = 0

    def line(self, line: int, words: str) -> None:
        """Read one line; lines without a ping are ignored."""
        if found := HEAD.match(words):
            self.begin(found[1])
        elif found := END.match(words):
            self._end(found, line)
        elif found := SHORTEST.match(words):
            self._compare(found, line)
        elif words.startswith("Reply from "):
            self._answer(words, line)
        elif fate := next((fate for fate, marks in FATES if marks.match(words)), None):
            self.log.lost(len(self.log.pings), fate)
        elif SUMMING.match(words):
            raise self.refuse(
                line, words, "expected sums such as 'Packets: Sent = 4, Received = 4, Lost = 0'"
            )

    def refuse(self, line: int, words: str, cause: str) -> ConfigError:
        if line == self.last_line:
            cause = f"the last line is not whole, or else {cause}"
        return ConfigError(f"line {line}: {words[:SHOWN]!r} is not usable: {cause}")

    def _answer(self, words: str, line: int) -> None:
        seq = len(self.log.pings)
        if found := REPLY.match(words):
            size, ttl = found["size"], found["ttl"]
            self.log.reply(
                seq,
                number(found["rtt"] or "0", line) * 1_000_000,
                source=found["source"],
                size=None if size is None else number(size, line),
                ttl=None if ttl is None else number(ttl, line, 255),
            )
        elif found := ANSWER.match(words):
            self.log.lost(seq, "unreachable", found["source"])
        else:
            cause = "expected 'Reply from 192.0.2.1: bytes=32 time=12ms TTL=64' or why it is none, in English"
            raise self.refuse(line, words, cause)
        self.answers += 1

    def _end(self, found: re.Match[str], line: int) -> None:
        """Compare with the sums, which Ctrl-Break prints in the middle too."""
        sent, received, lost = (number(found[place], line) for place in (1, 2, 3))
        seen = len(self.log.pings)
        if not 0 <= sent - seen <= self.in_flight or received != self.answers or lost != sent - received:
            raise ConfigError(
                f"line {line}: {seen} lines with {self.answers} answers are not usable where {sent} were "
                f"sent, {received} came and {lost} were lost: expected a line for each, in English"
            )

    def _compare(self, found: re.Match[str], line: int) -> None:
        times = [ping[2] for ping in self.log.pings.values() if ping[2] is not None]
        told = [number(found[place], line) * 1_000_000 for place in (1, 2)]
        if times and told != [min(times), max(times)]:
            raise self.refuse(line, found.string, "expected the shortest and longest time of the lines above")


def read(text: str) -> "Run":
    reader = Reader(text)
    for line, words in lines(text):
        reader.line(line, unstamped(words)[1])
    return run_of_pings(reader.logs)
