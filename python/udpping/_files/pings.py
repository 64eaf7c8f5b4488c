"""Collects the pings read from the output of another program, and makes a run of them."""

from udpping import _core
from udpping._files.runs import run_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from udpping._results.run import Run

MOST_SILENT = 1_000_000
"""The most pings without a line, so that a short text cannot make a long run."""
LONGEST = 40
"""The most characters of a number."""
TIMEOUT = ("timeout", None, None, None, None, None)


class PingLog:
    def __init__(self, name: str, first: int | None = None) -> None:
        self.name = name
        self.pings: dict[int, tuple[Any, ...]] = {}
        self.copies: dict[int, int] = {}
        self.facts: dict[str, Any] = {"reordered": 0}
        self.first = first
        self.count: int | None = None
        self._expected = -1

    def reply(
        self,
        seq: int,
        rtt: int | None,
        *,
        at: int | None = None,
        source: str | None = None,
        ttl: int | None = None,
        size: int | None = None,
        again: bool = False,
    ) -> None:
        """Record a reply received `at`; another reply to the same ping is a copy."""
        self.copies[seq] = self.copies.get(seq, 0) + 1
        known = self.pings.get(seq)
        if known is not None and known[0] == "reply":
            return
        sent = None if at is None or rtt is None or again else at - rtt
        self.pings[seq] = ("reply", sent, rtt, source, ttl, size)
        if seq < self._expected:
            self.facts["reordered"] += 1
        self._expected = max(self._expected, seq + 1)

    def lost(self, seq: int, status: str = "timeout", source: str | None = None) -> None:
        """Record that no reply came, or why; a reply to the same ping replaces this."""
        if self.pings.get(seq, TIMEOUT)[0] == "timeout":
            self.pings[seq] = (status, None, None, source, None, None)

    def span(self) -> range:
        """Return the numbers of all pings, also of those without a line."""
        if not self.pings and self.count is None:
            return range(0)
        low = min(self.pings, default=0)
        first = low if self.first is None else min(low, self.first)
        end = max([*self.pings, first - 1]) + 1
        if self.count is not None:
            end = max(end, first + self.count)
        silent = end - first - len(self.pings)
        if silent > MOST_SILENT:
            raise ConfigError(
                f"{silent} pings of which no line speaks are not usable: expected at most {MOST_SILENT}"
            )
        return range(first, end)


def run_of_logs(logs: "list[PingLog]", settings: "dict[str, Any]") -> "Run":
    sends = [ping[1] for log in logs for ping in log.pings.values() if ping[1] is not None]
    began = min(sends, default=None)

    def rows() -> "Iterator[dict[str, Any]]":
        for log in logs:
            for seq in log.span():
                status, sent, rtt, source, ttl, size = log.pings.get(seq, TIMEOUT)
                copies = log.copies.get(seq, 0)
                yield {
                    "run": began,
                    "target": log.name,
                    "seq": seq,
                    "sent_ns": None if sent is None or began is None else sent - began,
                    "sent_wall_ns": sent,
                    "rtt_ns": rtt,
                    "status": status,
                    "copies": copies,
                    "source": source,
                    "ttl": ttl,
                    "bytes": size,
                    "match": "seq" if copies else None,
                }

    core = _core.run_from_rows(rows())
    if not len(core):
        raise ConfigError("no ping is in it: expected a line for each")
    targets = [{"target": log.name, "address": None} for log in logs]
    clocks = {"intervals": None if began is None else "wall", "shown": None if began is None else "wall"}
    summary = {"reordered": sum(log.facts["reordered"] for log in logs)}
    summary |= logs[0].facts if len(logs) == 1 else {}
    return run_of(
        core,
        {
            "settings": {"targets": targets, "clocks": clocks, "started_wall_ns": began, **settings},
            "rows": len(core),
            "summary": summary,
            "summaries": [{"target": log.name, **log.facts} for log in logs],
        },
    )


def run_of_ping(log: PingLog) -> "Run":
    """Make the run of one `ping`; its target is the given name, or else the source of a reply."""
    log.name = log.name or next((ping[3] for ping in log.pings.values() if ping[3]), "unknown")
    return run_of_logs([log], {"made_by": "ping"})


def nanoseconds(text: str, scale: int, line: int) -> int:
    """Read a decimal number exactly, in units of `scale` nanoseconds."""
    whole, _, rest = text.partition(".")
    digits = len(str(scale)) - 1
    plain = all(part.isascii() and part.isdigit() for part in (whole, rest or "0"))
    value = (
        int(whole) * scale + int(rest[:digits].ljust(digits, "0")) if plain and len(text) <= LONGEST else -1
    )
    if not 0 <= value < 2**62:
        raise ConfigError(f"line {line}: number {text[:40]!r} is not usable: expected a time such as 1.25")
    return value


def number(text: str, line: int, most: int = 2**32) -> int:
    if len(text) > LONGEST or not (text.isascii() and text.isdigit()) or int(text) > most:
        raise ConfigError(f"line {line}: number {text[:40]!r} is not usable: expected 0 to {most}")
    return int(text)
