"""What `fping` prints with `-c`, `-C`, `-l`, with or without `-D`, and its JSON of `-J`."""

# What JSON holds has no type before it was looked at:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re

from udpping._files.own import objects
from udpping._files.pings import Lane, nanoseconds, number, run_of_lanes
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.run import Run

# With --timestamp-format the time is in whole seconds, and in words: that is of no use here.
START = r"(?:\[(?:(?P<at>[\d.]+)|[^]]+)\] )?(?P<host>\S+) +: "
PING = re.compile(
    START + r"\[(?P<seq>\d+)\], (?:(?P<size>\d+) bytes, (?P<rtt>[\d.]+) ms|timed out)(?P<rest>.*)"
)
COPY = re.compile(START + r"duplicate for \[(?P<seq>\d+)\], (?P<size>\d+) bytes, (?P<rtt>[\d.]+) ms")
TIMES = re.compile(START + r"(?P<times>(?:[\d.]+|-)(?: (?:[\d.]+|-))*)$")
END = re.compile(START + r"xmt/rcv/%(?:loss|return) = (?P<sent>\d+)/(?P<received>\d+)/")
OTHER = re.compile(r"\[<- (\S+?)\]")
TTL = re.compile(r"\(TTL (\d+)\)")
PING_LIKE = re.compile(r"\S+ +: (\[|duplicate)")


def read(text: str) -> "Run":
    """Read the lines, of as many targets as there are."""
    if text.lstrip()[:1] == "{":
        return _read_json(text)
    lanes: dict[str, Lane] = {}
    for line, words in enumerate(map(str.strip, text.splitlines()), 1):
        found = PING.match(words) or COPY.match(words) or TIMES.match(words) or END.match(words)
        if found is None:
            if PING_LIKE.search(words):
                raise ConfigError(f"line {line}: {words[:60]!r} is not usable: expected `host : [0], ...`")
            continue
        lane = lanes.setdefault(found["host"], Lane(found["host"], 0))
        if found.re is END:
            lane.count = number(found["sent"], line)
            if not lane.copies and number(found["received"], line):
                raise ConfigError(
                    f"line {line}: a sum is not usable: expected a line for each reply, without -q"
                )
        elif found.re is TIMES:
            _times(lane, found["times"].split(), line)
        elif found["rtt"] is None:
            lane.lost(number(found["seq"], line))
        else:
            _reply(lane, found, line)
    return run_of_lanes(list(lanes.values()), {"made_by": "fping"})


def _reply(lane: Lane, found: re.Match[str], line: int) -> None:
    at = found["at"]
    rest = found["rest"] if found.re is PING else ""
    other, ttl = OTHER.search(rest), TTL.search(rest)
    lane.reply(
        number(found["seq"], line),
        nanoseconds(found["rtt"], 1_000_000, line),
        at=None if at is None else nanoseconds(at, 1_000_000_000, line),
        source=other[1] if other else None,
        ttl=number(ttl[1], line, 255) if ttl else None,
        size=number(found["size"], line),
        again=found.re is COPY,
    )


def _times(lane: Lane, times: list[str], line: int) -> None:
    """Take the line of all round trips at the end, unless each had its own before."""
    lane.count = max(lane.count or 0, len(times))
    for seq, rtt in enumerate(times):
        if rtt == "-":
            lane.lost(seq)
        elif seq not in lane.pings:
            lane.reply(seq, nanoseconds(rtt, 1_000_000, line))


def _read_json(text: str) -> "Run":
    lanes: dict[str, Lane] = {}
    for line, record in objects(text):
        for kind, facts in record.items():
            match kind, facts:
                case "resp", {"host": str(host), "seq": int(seq), "rtt": rtt}:
                    lane = lanes.setdefault(host, Lane(host, 0))
                    _json_reply(lane, number(str(seq), line), facts, _time(rtt), line)
                case "timeout", {"host": str(host), "seq": int(seq)}:
                    lanes.setdefault(host, Lane(host, 0)).lost(number(str(seq), line))
                case "summary", {"host": str(host), "xmt": int(sent)}:
                    lane = lanes.setdefault(host, Lane(host, 0))
                    lane.count = number(str(sent), line)
                case "vSum", {"host": str(host), "values": list(values)}:
                    times = ["-" if value is None else _time(value) for value in values]
                    _times(lanes.setdefault(host, Lane(host, 0)), times, line)
                case (("resp" | "timeout" | "summary" | "vSum"), _):
                    raise ConfigError(
                        f"line {line}: {str(record)[:60]!r} is not usable: expected fping's JSON"
                    )
                case _:
                    pass
    return run_of_lanes(list(lanes.values()), {"made_by": "fping"})


def _time(value: object) -> str:
    """Write milliseconds without an exponent; what is no number stays to be refused."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _json_reply(lane: Lane, seq: int, facts: "dict[str, Any]", rtt: str, line: int) -> None:
    size, ttl, at = facts.get("size"), facts.get("ttl"), facts.get("timestamp")
    lane.reply(
        seq,
        nanoseconds(rtt, 1_000_000, line),
        at=nanoseconds(str(at), 1_000_000_000, line) if re.fullmatch(r"[\d.]+", str(at)) else None,
        size=size if isinstance(size, int) else None,
        ttl=number(str(ttl), line, 255) if isinstance(ttl, int) and ttl >= 0 else None,
    )
