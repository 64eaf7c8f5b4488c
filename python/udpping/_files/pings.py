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
"""The most pings of a file without a line, so that a short text cannot make a long run."""
LONGEST = 40
"""The most characters of a number."""
FIRSTS = (0, 1)
"""The number of the first ping: every program begins with one of these."""
TIMEOUT = ("timeout", None, None, None, None, None, None)


class PingLog:
    def __init__(self, name: str, first: int | None = None) -> None:
        self.name = name
        self.pings: dict[int, tuple[Any, ...]] = {}
        self.copies: dict[int, int] = {}
        self.facts: dict[str, Any] = {}
        self.first = first
        self.count: int | None = None
        self.received: int | None = None
        self.copied: int | None = None
        self._came = 0

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
        ordered: bool = True,
    ) -> None:
        """Record a reply received `at`, after those before if `ordered`. Another to this ping is a copy."""
        self.copies[seq] = self.copies.get(seq, 0) + 1
        known = self.pings.get(seq)
        if known is not None and known[0] == "reply":
            return
        sent = None if at is None or rtt is None or again else at - rtt
        self._came += 1
        self.pings[seq] = ("reply", sent, rtt, source, ttl, size, self._came if ordered else None)

    def lost(self, seq: int, status: str = "timeout", source: str | None = None) -> None:
        """Record that no reply came, or why; a reply to the same ping replaces this."""
        if self.pings.get(seq, TIMEOUT)[0] == "timeout":
            self.pings[seq] = TIMEOUT if status == "timeout" else (status, None, None, source, *TIMEOUT[4:])

    def answered(self) -> int:
        return sum(ping[0] == "reply" for ping in self.pings.values())

    def span(self) -> range:
        """Return the numbers of all pings, also of those without a line, which the sums must confirm."""
        if not self.pings and self.count is None:
            return range(0)
        low, high = min(self.pings, default=0), max(self.pings, default=-1)
        if self.count is None:
            return range(low if self.first is None else min(low, self.first), high + 1)
        # The sums decide from which number it counts, if the header is missing or says otherwise.
        for first in dict.fromkeys([self.first or 0, *FIRSTS]):
            if (first <= low or not self.pings) and high < first + self.count:
                return range(first, first + self.count)
        raise ConfigError(
            f"pings {low} to {high} of {_of(self.name)} are not usable where {self.count} were sent: "
            "expected the lines of one run"
        )

    def check(self) -> None:
        """Compare the lines with the sums of the same run, if there are any."""
        answered, copied = self.answered(), sum(self.copies.values()) - len(self.copies)
        if self.received is not None and self.received != answered:
            raise ConfigError(
                f"{answered} replies of {_of(self.name)} are not usable where {self.received} came: "
                "expected a line for each, without -q"
            )
        if self.copied is not None and self.copied != copied:
            raise ConfigError(
                f"{copied} duplicates of {_of(self.name)} are not usable where {self.copied} came: "
                "expected a line for each"
            )


def _of(name: str) -> str:
    return repr(name[:40]) if name else "one target"


def run_of_logs(runs: "list[list[PingLog]]", settings: "dict[str, Any]") -> "Run":
    """Make a run of the logs of each target in each of `runs`, which stood in one file."""
    spans: list[list[range]] = []
    silent = 0
    for logs in runs:
        for log in logs:
            log.check()
        spans.append([log.span() for log in logs])
        silent += sum(len(span) - len(log.pings) for log, span in zip(logs, spans[-1], strict=True))
    if silent > MOST_SILENT:
        raise ConfigError(
            f"{silent} pings of which no line speaks are not usable: expected at most {MOST_SILENT}"
        )
    began = [_began(logs) for logs in runs]
    of_target: dict[str, list[PingLog]] = {}
    for log in (log for logs in runs for log in logs):
        of_target.setdefault(log.name, []).append(log)

    def rows() -> "Iterator[dict[str, Any]]":
        for place, logs in enumerate(runs):
            start = began[place]
            # Runs that do not say when they began are told apart by their places.
            run = place + 1 if start is None and len(runs) > 1 else start
            for log, span in zip(logs, spans[place], strict=True):
                for seq in span:
                    status, sent, rtt, source, ttl, size, arrival = log.pings.get(seq, TIMEOUT)
                    copies = log.copies.get(seq, 0)
                    yield {
                        "run": run,
                        "target": log.name,
                        "seq": seq,
                        "sent_ns": None if sent is None or start is None else sent - start,
                        "sent_wall_ns": sent,
                        "rtt_ns": rtt,
                        "status": status,
                        "copies": copies,
                        "source": source,
                        "ttl": ttl,
                        "bytes": size,
                        "match": "seq" if copies else None,
                        "arrival": arrival,
                    }

    core = _core.run_from_rows(rows())
    if not len(core):
        raise ConfigError("no ping is in it: expected a line for each")
    clock = "wall" if any(start is not None for start in began) else None
    settings = {
        "targets": [{"target": name, "address": None} for name in of_target],
        "clocks": {"intervals": clock, "shown": clock},
        "started_wall_ns": min((start for start in began if start is not None), default=None),
        **settings,
    }
    each = [_facts(name, logs) for name, logs in of_target.items()]
    total = {name: value for name, value in each[0].items() if name != "target"} if len(each) == 1 else {}
    return run_of(core, {"settings": settings, "rows": len(core), "summary": total, "summaries": each})


def _began(logs: list[PingLog]) -> int | None:
    return min((ping[1] for log in logs for ping in log.pings.values() if ping[1] is not None), default=None)


def _facts(name: str, logs: list[PingLog]) -> "dict[str, Any]":
    """Return what the rows of a target do not tell; of several runs, nothing."""
    return {**(logs[0].facts if len(logs) == 1 else {}), "target": name}


def run_of_pings(logs: "list[PingLog]") -> "Run":
    """Make the run of each `ping` in a file; its target is the given name, or else the source of a reply."""
    for log in logs:
        log.name = log.name or next((ping[3] for ping in log.pings.values() if ping[3]), "unknown")
    return run_of_logs([[log] for log in logs if log.pings or log.count], {"made_by": "ping"})


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
