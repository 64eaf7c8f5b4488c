"""What `ping` prints: that of iputils (Linux), of busybox and of macOS."""

import re

from udpping._formats._pings import Lane, nanoseconds, number, run_of_lanes
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._run import Run

WRAP = 65_536
"""The number in an ICMP message has 16 bits."""
HEAD = re.compile(r"PING (\S+?) ?\(")
PLAIN_HEAD = re.compile(r"PING (\S+)")
STAMP = r"(?:\[(?P<at>[\d.]+)\] )?"
REPLY = re.compile(
    STAMP + r"(?P<size>\d+) bytes from (?P<source>.+?): (?:icmp_)?seq=(?P<seq>\d+)"
    r"(?: (?:ttl|hlim)=(?P<ttl>\d+))?(?: time[=<](?P<rtt>[\d.]+) ms)?(?P<rest>.*)"
)
REFUSED = re.compile(STAMP + r"From (?P<source>\S+?):?(?: \(\S+\))?:? icmp_seq=(?P<seq>\d+) (?P<why>\S.*)")
SILENT = re.compile(STAMP + r"(?:no answer yet for icmp_seq=|Request timeout for icmp_seq )(?P<seq>\d+)")
END = re.compile(r"(?P<sent>\d+) packets transmitted, .*?(?:time (?P<time>\d+) ?ms)?$")
NUMBERED = re.compile(r"seq[= ]\d")


def read(text: str) -> "Run":
    """Read the lines of one `ping`."""
    lane = Lane("")
    newest = 0

    def unwrapped(digits: str, line: int) -> int:
        nonlocal newest
        seq = number(digits, line)
        if seq < WRAP:
            seq = newest + (seq - newest + WRAP // 2) % WRAP - WRAP // 2
            seq = seq if seq >= 0 else seq + WRAP
        newest = max(newest, seq)
        return seq

    for line, words in enumerate(map(str.strip, text.splitlines()), 1):
        if found := REPLY.match(words):
            rtt, at, ttl = found["rtt"], found["at"], found["ttl"]
            lane.reply(
                unwrapped(found["seq"], line),
                None if rtt is None else nanoseconds(rtt, 1_000_000, line),
                at=None if at is None else nanoseconds(at, 1_000_000_000, line),
                source=found["source"],
                ttl=None if ttl is None else number(ttl, line, 255),
                size=number(found["size"], line),
            )
        elif found := REFUSED.match(words):
            lane.lost(unwrapped(found["seq"], line), "unreachable", found["source"])
        elif found := SILENT.match(words):
            lane.lost(unwrapped(found["seq"], line))
        elif found := END.match(words):
            lane.count = number(found["sent"], line)
            if found["time"] is not None:
                lane.facts["duration_ns"] = number(found["time"], line) * 1_000_000
        elif words.startswith("PING "):
            if lane.name:
                raise ConfigError(f"line {line}: a second {words[:40]!r} is not usable: expected one ping")
            named = HEAD.match(words) or PLAIN_HEAD.match(words)
            lane.name = named[1] if named else ""
            # iputils counts from 1; busybox and macOS, which put a colon there, from 0.
            lane.first = 0 if re.search(r"\): \d+ data bytes", words) else 1
        elif NUMBERED.search(words):
            raise ConfigError(
                f"line {line}: {words[:60]!r} is not usable: expected a reply, or why there is none"
            )
    if not lane.name:
        lane.name = next((ping[3] for ping in lane.pings.values() if ping[3]), "unknown")
    return run_of_lanes([lane], {"made_by": "ping"})
