"""Reads the output of `ping` of iputils (Linux), busybox, macOS and Windows."""

import re

from udpping._files.pings import PingLog, nanoseconds, number, run_of_ping
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

WRAP = 65_536
"""Sequence numbers in ICMP have 16 bits."""
HEAD = re.compile(r"PING(?:6\([^)]*\) \S+ -->)? ([^\s(]+)")
STAMP = r"(?:\[(?P<at>[\d.]+)\] )?"
REPLY = re.compile(
    STAMP + r"(?P<size>\d+) bytes from (?P<source>.+?)[:,] (?:icmp_)?seq=(?P<seq>\d+)(?: ident=\d+)?"
    r"(?: (?:ttl|hlim)=(?P<ttl>\d+))?(?: time=(?P<rtt>[\d.]+) ms)?"
)
REFUSED = re.compile(STAMP + r"From (?P<source>\S+?):?(?: \(\S+\))?:? icmp_seq=(?P<seq>\d+) (?P<why>\S.*)")
SILENT = re.compile(STAMP + r"(?:no answer yet for icmp_seq=|Request timeout for icmp_seq )(?P<seq>\d+)")
END = re.compile(
    r"(?P<sent>\d+) packets transmitted, (?P<received>\d+) (?:packets )?received"
    r".*?(?:time (?P<time>\d+) ?ms)?$"
)
WINDOWS = re.compile(r"^\s*(?:Pinging |Reply from )", re.MULTILINE)
NUMBERED = re.compile(r"seq[= ]\d")


class Reader:
    """Collects the pings of the lines read so far."""

    def __init__(self) -> None:
        self.log = PingLog("")
        self.newest = 0
        self.received: int | None = None

    def line(self, words: str, line: int) -> None:
        """Read one line; lines without a ping are ignored."""
        if found := REPLY.match(words):
            self._reply(found, line)
        elif found := REFUSED.match(words):
            self.log.lost(self._seq(found, line), "unreachable", found["source"])
        elif found := SILENT.match(words):
            self.log.lost(self._seq(found, line))
        elif found := END.match(words):
            self._end(found, line)
        elif words.startswith(("PING ", "PING6(")):
            self._head(words, line)
        elif NUMBERED.search(words):
            raise ConfigError(
                f"line {line}: {words[:60]!r} is not usable: expected a reply, or why none came, "
                "in English (LC_ALL=C)"
            )

    def _reply(self, found: re.Match[str], line: int) -> None:
        rtt, at, ttl = found["rtt"], found["at"], found["ttl"]
        if rtt is None:
            raise ConfigError(
                f"line {line}: {found.string[:60]!r} is not usable: expected time=, and milliseconds; "
                "below 16 bytes (-s) ping has no room for the time, and cannot say how long it took"
            )
        self.log.reply(
            self._seq(found, line),
            nanoseconds(rtt, 1_000_000, line),
            at=None if at is None else nanoseconds(at, 1_000_000_000, line),
            source=found["source"],
            ttl=None if ttl is None else number(ttl, line, 255),
            size=number(found["size"], line),
        )

    def _seq(self, found: re.Match[str], line: int) -> int:
        """Extend the 16-bit number: the nearest to the newest."""
        seq = number(found["seq"], line)
        if seq < WRAP:
            seq = self.newest + (seq - self.newest + WRAP // 2) % WRAP - WRAP // 2
            seq = seq if seq >= 0 else seq + WRAP
        self.newest = max(self.newest, seq)
        return seq

    def _end(self, found: re.Match[str], line: int) -> None:
        self.log.count, self.received = number(found["sent"], line), number(found["received"], line)
        if found["time"] is not None:
            self.log.facts["duration_ns"] = number(found["time"], line) * 1_000_000

    def _head(self, words: str, line: int) -> None:
        if self.log.name:
            raise ConfigError(f"line {line}: a second {words[:40]!r} is not usable: expected one ping")
        named = HEAD.match(words)
        self.log.name = named[1] if named else ""
        # iputils counts from 1; busybox and macOS, which put a colon there, from 0.
        self.log.first = 0 if re.search(r"\): \d+ data bytes|PING6", words) else 1


def read(text: str) -> "Run":
    if WINDOWS.search(text):
        from udpping._files.ping_windows import read as read_windows

        return read_windows(text)
    reader = Reader()
    for line, words in enumerate(map(str.strip, text.splitlines()), 1):
        reader.line(words, line)
    log = reader.log
    replies = sum(ping[0] == "reply" for ping in log.pings.values())
    if reader.received is not None and reader.received != replies:
        raise ConfigError(
            f"{replies} replies are not usable where {reader.received} came: expected a line for each, "
            "as ping prints without -q"
        )
    return run_of_ping(log)
