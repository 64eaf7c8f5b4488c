"""Reads the output of `fping` with `-c`, `-C`, `-l`, with or without `-D`, and its JSON of `-J`."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re

from udpping._files.own import objects
from udpping._files.pings import PingLog, nanoseconds, number, run_of_logs
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.run import Run

# With --timestamp-format the time is text in whole seconds, which is too coarse.
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
    """Read the lines of all targets."""
    if text.lstrip()[:1] == "{":
        return _read_json(text)
    logs: dict[str, PingLog] = {}
    for line, words in enumerate(map(str.strip, text.splitlines()), 1):
        found = PING.match(words) or COPY.match(words) or TIMES.match(words) or END.match(words)
        if found is None:
            if PING_LIKE.search(words):
                raise ConfigError(f"line {line}: {words[:60]!r} is not usable: expected `host : [0], ...`")
            continue
        log = logs.setdefault(found["host"], PingLog(found["host"], 0))
        if found.re is END:
            log.count = number(found["sent"], line)
            if not log.copies and number(found["received"], line):
                raise ConfigError(
                    f"line {line}: a sum is not usable: expected a line for each reply, without -q"
                )
        elif found.re is TIMES:
            _times(log, found["times"].split(), line)
        elif found["rtt"] is None:
            log.lost(number(found["seq"], line))
        else:
            _reply(log, found, line)
    return run_of_logs(list(logs.values()), {"made_by": "fping"})


def _reply(log: PingLog, found: re.Match[str], line: int) -> None:
    at = found["at"]
    rest = found["rest"] if found.re is PING else ""
    other, ttl = OTHER.search(rest), TTL.search(rest)
    log.reply(
        number(found["seq"], line),
        nanoseconds(found["rtt"], 1_000_000, line),
        at=None if at is None else nanoseconds(at, 1_000_000_000, line),
        source=other[1] if other else None,
        ttl=number(ttl[1], line, 255) if ttl else None,
        size=number(found["size"], line),
        again=found.re is COPY,
    )


def _times(log: PingLog, times: list[str], line: int) -> None:
    """Read the final line with all round trips, unless each had a line of its own before."""
    log.count = max(log.count or 0, len(times))
    for seq, rtt in enumerate(times):
        if rtt == "-":
            log.lost(seq)
        elif seq not in log.pings:
            log.reply(seq, nanoseconds(rtt, 1_000_000, line))


def _read_json(text: str) -> "Run":
    logs: dict[str, PingLog] = {}
    for line, record in objects(text):
        for kind, facts in record.items():
            match kind, facts:
                case "resp", {"host": str(host), "seq": int(seq), "rtt": rtt}:
                    log = logs.setdefault(host, PingLog(host, 0))
                    _json_reply(log, number(str(seq), line), facts, _time(rtt), line)
                case "timeout", {"host": str(host), "seq": int(seq)}:
                    logs.setdefault(host, PingLog(host, 0)).lost(number(str(seq), line))
                case "summary", {"host": str(host), "xmt": int(sent)}:
                    log = logs.setdefault(host, PingLog(host, 0))
                    log.count = number(str(sent), line)
                case "vSum", {"host": str(host), "values": list(values)}:
                    times = ["-" if value is None else _time(value) for value in values]
                    _times(logs.setdefault(host, PingLog(host, 0)), times, line)
                case (("resp" | "timeout" | "summary" | "vSum"), _):
                    raise ConfigError(
                        f"line {line}: {str(record)[:60]!r} is not usable: expected fping's JSON"
                    )
                case _:
                    pass
    return run_of_logs(list(logs.values()), {"made_by": "fping"})


def _time(value: object) -> str:
    """Write milliseconds without an exponent; the caller refuses other values."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _json_reply(log: PingLog, seq: int, facts: "dict[str, Any]", rtt: str, line: int) -> None:
    size, ttl, at = facts.get("size"), facts.get("ttl"), facts.get("timestamp")
    log.reply(
        seq,
        nanoseconds(rtt, 1_000_000, line),
        at=nanoseconds(str(at), 1_000_000_000, line) if re.fullmatch(r"[\d.]+", str(at)) else None,
        size=size if isinstance(size, int) else None,
        ttl=number(str(ttl), line, 255) if isinstance(ttl, int) and ttl >= 0 else None,
    )
