"""Reads the output of `ping` of iputils (Linux), busybox, macOS, Solaris and Windows."""

import re

from udpping._files.forms import FOREIGN, WINDOWS
from udpping._files.lines import SHOWN, last_line, lines, unstamped
from udpping._files.pings import TIMEOUT, PingLog, nanoseconds, number, run_of_pings
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

WRAP = 65_536
"""Sequence numbers in ICMP have 16 bits."""
LEAST = 24
"""Shorter replies, of 8 bytes and what `-s` says, have no room for the time."""
HEAD = re.compile(r"P(?:ING|ing)(?:6\([^)]*\) \S+ -->)? ([^\s(]+)")
FROM_ZERO = re.compile(r": \d+ data bytes|PING6")
"""In the header: iputils and toybox count from 1, all others from 0."""
REPLY = re.compile(
    r"(?P<size>\d+) bytes from (?P<source>.+?)[:,] (?:icmp_)?(?:seq|req)=(?P<seq>\d+)\.?(?!\S)"
)
TIME = re.compile(r"\btime(?P<sign>[=<]) ?(?P<rtt>\S*?)\.?(?P<unit> ?ms(?!\S)|(?!\S).*)")
HOPS = re.compile(r" (?:ttl|hlim)=(\S+)")
REFUSED = re.compile(r"From (?P<source>\S+?):?(?: \(\S+\))?:? icmp_[sr]eq=(?P<seq>\d+) (?P<why>\S.*)")
NO_ERROR = ("Redirect", "Source Quench")
"""What a router says that passes the ping on all the same, and that `ping` does not count as an error."""
SILENT = re.compile(r"(?:no answer yet for icmp_seq=|Request timeout for icmp_seq )(?P<seq>\d+)$")
END = re.compile(
    r"(?P<sent>\d+) packets transmitted, (?P<received>\d+) (?P<from_zero>packets )?received"
    r"(?P<rest>(?:,.*)?)$"
)
LOSS = re.compile(r"(?<![\d.])(\d{1,9}(?:\.\d{1,9})?)% (?:packet )?loss")
NUMBERED = re.compile(r"seq[= ]\d")
SAYING = re.compile(r"\d+ bytes from .*=|From .*seq=|no answer yet|Request timeout for ")
SUMMING = re.compile(r"\btransmitted, |% packet loss")
"""What the lines have in them that say something of a ping, or of all."""
PLACE = r"(?:[^\s:]{1,300}|\[\S{1,100}\]):\d{1,5}"
OURS = re.compile(
    rf"(?:\[[^]]{{1,60}}\] )?(?:PING {PLACE}(?:,| \(\S+\)$|$)"
    rf"|(?:late reply: )?\d+ bytes from {PLACE}(?: \(\S+\))?: seq=|(?:no reply from|not sent to) {PLACE}"
    rf"|{PLACE} is unreachable)"
)
"""Lines of `udpping ping`, which have a port."""
INSIDE = re.compile(r".{1,99}?(?<!\d)(\d{1,9} bytes from|From|no answer yet|Request timeout) ")


class Reader:
    """Collects the pings of the lines read so far: those of the latest header are in `log`."""

    def __init__(self, last_line: int | None) -> None:
        self.logs: list[PingLog] = []
        self.last_line = last_line
        self.begin("")

    def begin(self, name: str, first: int | None = None) -> None:
        self.log = PingLog(name, first)
        self.logs.append(self.log)
        self.newest = 0
        self.errors = 0

    def line(self, line: int, words: str) -> None:
        """Read one line; lines without a ping are ignored."""
        at, rest = unstamped(words)
        if OURS.match(words):
            raise self.refuse(
                line, words, "this is what udpping ping prints for people; use udpping ping --json"
            )
        if rest.startswith(("PING ", "PING6(", "Ping ")) and (head := HEAD.match(rest)):
            self.begin(head[1].removesuffix(":"), 0 if FROM_ZERO.search(rest) else 1)
        elif found := END.match(rest):
            self._end(found, line)
        elif NUMBERED.search(rest) or SAYING.match(rest) or SUMMING.search(rest):
            if self.log.count is not None:
                self.begin("")
            if found := REPLY.match(rest):
                self._reply(found, at, line)
            elif found := REFUSED.match(rest):
                if not found["why"].startswith(NO_ERROR):
                    self.errors += 1
                    self.log.lost(self._seq(found, line), "unreachable", found["source"])
            elif found := SILENT.match(rest):
                self.log.lost(self._seq(found, line))
            else:
                raise self.refuse(line, words, self._cause(rest))

    def _cause(self, words: str) -> str:
        if SAYING.match(words) or SUMMING.search(words):
            return (
                "expected what ping prints, such as '64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=1.25 ms'"
            )
        if found := INSIDE.match(words):
            return f"something stands before {found[1]!r}; expected nothing there, or the time of day"
        return "expected a reply, or why none came, in English (LC_ALL=C)"

    def refuse(self, line: int, words: str, cause: str) -> ConfigError:
        if line == self.last_line:
            cause = f"the last line is not whole, or else {cause}"
        return ConfigError(f"line {line}: {words[:SHOWN]!r} is not usable: {cause}")

    def _reply(self, found: re.Match[str], at: str | None, line: int) -> None:
        words, rest = found.string, found.string[found.end() :]
        seq = self._seq(found, line)
        size = number(found["size"], line)
        if "(BAD CHECKSUM!)" in rest:
            self.log.lost(seq)
            return
        time, hops = TIME.search(rest), HOPS.search(rest)
        if time is None:
            raise self.refuse(line, words, _untimed(rest, size))
        rtt = time["rtt"]
        if time["sign"] != "=" or time["unit"].strip() != "ms" or not re.fullmatch(r"\d+(?:\.\d+)?", rtt):
            shown = f"time{time['sign']}{rtt}"[:SHOWN]
            what = "a point (LC_NUMERIC=C)" if "," in rtt else "milliseconds, such as time=1.25 ms"
            raise self.refuse(line, words, f"expected {what}, and not {shown!r}")
        # Replies to a broadcast, which come from several hosts, are not marked.
        again = "(DUP!)" in rest or self.log.pings.get(seq, TIMEOUT)[3] != found["source"]
        if seq in self.log.copies and not again:
            raise self.refuse(
                line,
                words,
                f"ping {seq} has a reply already, and this one is not marked (DUP!): expected one run, or "
                "'PING ...' before each",
            )
        self.log.reply(
            seq,
            nanoseconds(rtt, 1_000_000, line),
            at=None if at is None else nanoseconds(at, 1_000_000_000, line),
            source=found["source"],
            ttl=None if hops is None else number(hops[1], line, 255),
            size=size,
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
        """Read the sums, and compare what only they and the lines so far tell."""
        log, rest = self.log, found["rest"]
        if log.count is not None:
            self.begin("")
            log = self.log
        log.count, log.received = number(found["sent"], line), number(found["received"], line)
        if log.first is None:
            log.first = 0 if found["from_zero"] else 1
        told = {name: _sum(rf"(?<!\d)(\d{{1,99}}) {name}", rest, line) for name in ("duplicates", "errors")}
        log.copied = told["duplicates"]
        loss, lost = LOSS.search(rest), log.count - log.received
        if self.errors > told["errors"] and not found["from_zero"]:
            raise self.refuse(line, found.string, f"expected {self.errors} errors, as many as lines say so")
        if loss and log.count and lost >= 0 and abs(float(loss[1]) - 100 * lost / log.count) > 1:
            raise self.refuse(line, found.string, f"expected a loss of {lost} of {log.count}")
        if time := re.search(r"\btime (\d+) ?ms$", rest):
            log.facts["duration_ns"] = number(time[1], line) * 1_000_000


def _sum(pattern: str, words: str, line: int) -> int:
    found = re.search(pattern, words)
    return number(found[1], line) if found else 0


def _untimed(rest: str, size: int) -> str:
    if "(truncated)" in rest:
        return "(truncated): the reply was cut, and has no time"
    if size < LEAST:
        return "expected time=; below 16 bytes (-s) ping has no room for it, and cannot say how long it took"
    return "expected time=1.25 ms"


def read(text: str) -> "Run":
    reader = Reader(last_line(text))
    for line, words in lines(text):
        rest = unstamped(words)[1]
        if rest.startswith(WINDOWS):
            if any(log.pings or log.count for log in reader.logs):
                raise reader.refuse(line, words, "expected the lines of one program, and not also Windows'")
            from udpping._files.ping_windows import read as read_windows

            return read_windows(text)
        check_language(line, rest)
        reader.line(line, words)
    return run_of_pings(reader.logs)


def check_head(head: str) -> None:
    """Look for another language before the text is decoded, as Windows writes it in an old encoding."""
    for line, words in lines(head):
        check_language(line, unstamped(words)[1])


def check_language(line: int, words: str) -> None:
    if FOREIGN.match(words) and not words.startswith(WINDOWS):
        raise ConfigError(
            f"line {line}: {words[:SHOWN]!r} is not usable: this looks like ping of Windows in another "
            "language; expected English, such as 'Reply from 192.0.2.1: bytes=32 time=12ms TTL=57'"
        )
