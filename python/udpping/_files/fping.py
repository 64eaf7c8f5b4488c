"""Reads the output of `fping` with `-c`, `-C`, `-l`, with or without `-D`, and its JSON of `-J`."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from reprlib import repr as short

from udpping._files.forms import HOST
from udpping._files.lines import SHOWN, last_line, lines, unstamped
from udpping._files.own import objects
from udpping._files.pings import PingLog, nanoseconds, number, run_of_logs
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.run import Run

# With --timestamp-format the time is text in whole seconds, which is too coarse.
START = rf"(?:\[[^]]{{1,60}}\] )?{HOST}"
PING = re.compile(
    START + r"\[(?P<seq>\d+)\], (?:(?P<size>\d+) bytes, (?P<rtt>[\d.]+) ms|timed out)(?![^ ,])(?P<rest>.*)"
)
COPY = re.compile(START + r"duplicate for \[(?P<seq>\d+)\], (?P<size>\d+) bytes, (?P<rtt>[\d.]+) ms(?!\S)")
TIMES = re.compile(START + r"(?P<times>(?:[\d.]+|-)(?: (?:[\d.]+|-))*)$")
END = re.compile(
    START + r"xmt/rcv/%(?:loss|return) = (?P<sent>\d+)/(?P<received>\d+)/(?P<share>\d+)%(?=, |$)"
)
OTHER = re.compile(r"\[<- (\S+?)\]")
TTL = re.compile(r"\(TTL (\d+)\)")
SAYING = re.compile(
    r"\[\d+\], |\d bytes, |\], timed out|duplicate for \[|xmt/rcv|/%loss|\S \s{0,300}: (?:[\d.]+|-)(?: |$)"
)
"""What a line has in it that says something of a ping, or of all."""
INTERVAL = re.compile(r"\[\d\d:\d\d:\d\d\]$")


class Reader:
    """Collects the pings of each run in a file, and of each target in it."""

    def __init__(self) -> None:
        self.runs: list[dict[str, PingLog]] = []
        self.with_sums: list[set[str]] = []
        self.begin()

    def begin(self) -> None:
        """Begin with another run."""
        self.logs: dict[str, PingLog] = {}
        self.summed: set[str] = set()
        self.with_sums.append(self.summed)
        self.before: dict[str, int] = {}
        self.replies: dict[str, int] = {}
        self.runs.append(self.logs)

    def run(self) -> "Run":
        # Where one run has sums, a second [0] is no beginning of another, but a line that came twice.
        if any(self.with_sums) and not all(self.with_sums[:-1]):
            place = next(place for place, summed in enumerate(self.with_sums) if not summed)
            host = next(iter(self.runs[place + 1]))
            raise ConfigError(f"ping 0 of {host[:40]!r} is there twice: expected the sums of each run")
        for logs, summed in zip(self.runs, self.with_sums, strict=True):
            if summed and (missing := next((name for name in logs if name not in summed), None)):
                raise ConfigError(f"the sums of {missing[:40]!r} are missing: expected those of each target")
        return run_of_logs([list(logs.values()) for logs in self.runs if logs], {"made_by": "fping"})

    def log_of(self, host: str, seq: int, status: str, where: str) -> PingLog:
        """Find where a ping belongs: to this run, or to another one if its number was there before."""
        log = self.logs.setdefault(host, PingLog(host, 0))
        known = log.pings.get(seq)
        # In a loop, which has no end, fping tells of a second reply as of the first.
        if self.summed or (known is not None and seq == 0):
            before = (
                {} if self.summed else {name: max(log.pings) for name, log in self.logs.items() if log.pings}
            )
            self.begin()
            self.before = before
            log = self.logs[host] = PingLog(host, 0)
        elif known is not None and not known[0] == status == "reply":
            raise ConfigError(f"{where}: ping {seq} of {host[:40]!r} has an end already: expected one run")
        elif seq == self.before.pop(host, -2) + 1 and not (log.pings and seq == 1):
            raise ConfigError(
                f"{where}: ping {seq} of {host[:40]!r} may belong to either run: expected the sums of each"
            )
        return log

    def times(self, host: str, times: list[str], line: int) -> None:
        """Read the final line with all round trips, unless each had a line of its own before."""
        log = self._ending(host)
        log.count = len(times)
        for seq, text in enumerate(times):
            known = log.pings.get(seq)
            rtt = None if text == "-" else nanoseconds(text, 1_000_000, line)
            if known is None and rtt is not None:
                log.reply(seq, rtt, ordered=False)
            elif known is not None and known[2] != rtt:
                raise ConfigError(
                    f"line {line}: {text[:40]!r} of ping {seq} is not usable: its line says otherwise"
                )
            else:
                log.lost(seq)

    def sums(self, host: str, sent: int, received: int, line: int) -> None:
        """Compare the sums with the lines before them."""
        log = self._ending(host)
        log.count = sent
        replies = self.replies.get(host, 0)
        if received != replies:
            raise ConfigError(
                f"line {line}: {replies} replies of {host[:40]!r} are not usable where {received} came: "
                "expected a line for each, without -q and -Q"
            )

    def _ending(self, host: str) -> PingLog:
        if host in self.summed:
            if missing := next((name for name in self.logs if name not in self.summed), None):
                raise ConfigError(
                    f"the sums of {host[:40]!r} are there twice: expected those of {missing[:40]!r} too"
                )
            self.begin()
        self.summed.add(host)
        return self.logs.setdefault(host, PingLog(host, 0))


def read(text: str) -> "Run":
    """Read the lines of all targets."""
    if text.lstrip()[:1] == "{":
        return _read_json(text)
    reader, last = Reader(), last_line(text)
    for line, words in lines(text):
        if INTERVAL.match(words):
            raise ConfigError(
                f"line {line}: the sums of an interval (-Q) are not usable: expected a line for each ping"
            )
        at, rest = unstamped(words)
        if found := TIMES.match(rest):
            reader.times(found["host"], found["times"].split(), line)
        elif found := END.match(rest):
            _end(reader, found, line)
        elif found := PING.match(rest) or COPY.match(rest):
            _ping(reader, found, at, line)
        elif SAYING.search(rest):
            cause = _cause(rest, is_last=line == last)
            raise ConfigError(f"line {line}: {words[:SHOWN]!r} is not usable: {cause}")
    return reader.run()


def _cause(words: str, *, is_last: bool) -> str:
    cause = "expected what fping prints, such as 'host : [0], 64 bytes, 1.25 ms (1.25 avg, 0% loss)'"
    if found := re.search(r"\d,\d+ ms", words):
        cause = f"{found[0]!r}: expected a point (LC_NUMERIC=C)"
    return f"the last line is not whole, or else {cause}" if is_last else cause


def _ping(reader: Reader, found: re.Match[str], at: str | None, line: int) -> None:
    host, seq, is_copy = found["host"], number(found["seq"], line), found.re is COPY
    if is_copy:
        log = reader.logs.setdefault(host, PingLog(host, 0))
    else:
        log = reader.log_of(host, seq, "timeout" if found["rtt"] is None else "reply", f"line {line}")
    if found["rtt"] is None:
        log.lost(seq)
        return
    if not is_copy:
        reader.replies[host] = reader.replies.get(host, 0) + 1
    rest = "" if is_copy else found["rest"]
    other, ttl = OTHER.search(rest), TTL.search(rest)
    log.reply(
        seq,
        nanoseconds(found["rtt"], 1_000_000, line),
        at=None if at is None else nanoseconds(at, 1_000_000_000, line),
        source=other[1] if other else None,
        ttl=number(ttl[1], line, 255) if ttl else None,
        size=number(found["size"], line),
        again=is_copy,
    )


def _end(reader: Reader, found: re.Match[str], line: int) -> None:
    sent, received = number(found["sent"], line), number(found["received"], line)
    if "%loss" in found[0]:
        _check_loss(sent, received, number(found["share"], line), line)
    reader.sums(found["host"], sent, received, line)


def _check_loss(sent: int, received: int, share: object, line: int) -> None:
    lost = sent - received
    fits = lost >= 0 and (sent == 0 or not isinstance(share, int) or abs(share * sent - 100 * lost) < sent)
    if share is not None and not fits:
        raise ConfigError(f"line {line}: {short(share)} % is not usable: expected a loss of {lost} of {sent}")


def _read_json(text: str) -> "Run":
    reader = Reader()
    for line, record in objects(text):
        for kind, facts in record.items():
            match kind, facts:
                case "resp", {"host": str(), "seq": int(), "rtt": _}:
                    _json_reply(reader, facts, line)
                case "timeout", {"host": str(host), "seq": int(seq)}:
                    place = number(str(seq), line)
                    reader.log_of(host, place, "timeout", f"line {line}").lost(place)
                case "summary", {"host": str(host), "xmt": int(sent), "rcv": int(received)}:
                    _check_loss(sent, received, facts.get("loss"), line)
                    reader.sums(host, number(str(sent), line), number(str(received), line), line)
                case "vSum", {"host": str(host), "values": list(values)}:
                    times = ["-" if value is None else _time(value) for value in values]
                    reader.times(host, times, line)
                case (("resp" | "timeout" | "summary" | "vSum"), _):
                    raise ConfigError(f"line {line}: {short(record)} is not usable: expected fping's JSON")
                case _:
                    pass
    return reader.run()


def _time(value: object) -> str:
    """Write milliseconds without an exponent; the caller refuses other values."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _json_reply(reader: Reader, facts: "dict[str, Any]", line: int) -> None:
    host, seq, rtt = facts["host"], number(str(facts["seq"]), line), _time(facts["rtt"])
    size, ttl, at = facts.get("size"), facts.get("ttl"), facts.get("timestamp")
    log = reader.log_of(host, seq, "reply", f"line {line}")
    reader.replies[host] = reader.replies.get(host, 0) + 1
    log.reply(
        seq,
        nanoseconds(rtt, 1_000_000, line),
        at=nanoseconds(str(at), 1_000_000_000, line) if re.fullmatch(r"[\d.]+", str(at)) else None,
        size=size if isinstance(size, int) else None,
        ttl=number(str(ttl), line, 255) if isinstance(ttl, int) and ttl >= 0 else None,
    )
