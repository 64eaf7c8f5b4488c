"""What `udpping ping` and `demo` print of pings: rows as ping does, sums of several targets as fping does."""

from udpping._results.peers import utc
from udpping._table.text import iso, shown, visible
from udpping.cli._output import row_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from udpping._results.rows import Row
    from udpping._results.run import Summary
    from udpping._results.ways import Ways
    from udpping._services.ping import PrintedPinger
    from udpping.cli._output import Report

SECOND = 1_000_000_000


class Lines:
    """Prints rows and sums to a report."""

    def __init__(
        self,
        report: "Report",
        timeout: float,
        *,
        stamps: bool = False,
        numeric: bool = False,
        payload: bool = False,
    ) -> None:
        self.report = report
        self.timeout = timeout
        self.stamps = stamps
        self.numeric = numeric
        self.payload = payload
        self.printed = 0

    def start(self, addresses: "dict[str, str]", name: str, **options: object) -> None:
        """Print what begins: targets with their addresses, and the options."""
        for target, address in addresses.items():
            self.report.record("start", target=target, address=address, **options)
        address = _readable(next(iter(addresses.values()))) if len(addresses) == 1 else name
        head = f"PING {visible(name)}" + (f" ({address})" if address != name else "")
        self.report.say(self.report.wrapped(head))

    def row(self, row: "Row") -> None:
        if self.report.json:
            self.report.record("ping", **row_facts(row))
        else:
            self._say(row)
        self.printed += 1

    def _say(self, row: "Row") -> None:
        is_reply = row.rtt_ns is not None and row.reply is not None
        text = self._reply(row) if is_reply else self._loss(row)
        if self.stamps:
            text = f"[{iso(self._settled(row))}] {text}"
        if self.payload and row.reply is not None:
            text = self.report.beside(text, shown(row.reply))
        is_odd = row.status == "late" or row.copies > 1 or row.match == "unverified"
        colour = self.report.warning if is_odd else str
        self.report.say(colour(text) if is_reply else self.report.alarm(text))

    def _reply(self, row: "Row") -> str:
        source = _readable(row.source or row.target)
        place = source
        if not self.numeric and source != row.target:
            host, _, port = source.rpartition(":")
            is_same_port = row.target.endswith(f":{port}")
            place = f"{visible(row.target)} ({host.strip('[]') if is_same_port else source})"
        hops = "" if row.ttl is None else f" ttl={row.ttl}"
        rtt = f"{(row.rtt_ns or 0) / 1e6:.3f} ms"
        text = f"{row.bytes} bytes from {place}: seq={row.seq}{hops} time={rtt}"
        if row.status == "late":
            text = f"late reply: {text}"
        if row.copies > 1:
            text += " (DUP!)"
        if row.match == "unverified":
            text += " (unverified: the reply does not say which ping it answers)"
        return text

    def _loss(self, row: "Row") -> str:
        target = visible(row.target)
        text = f"no reply from {target} within {self.timeout:g} s: seq={row.seq}"
        if row.status == "unreachable":
            text = f"{target} is unreachable, as {_readable(row.source or '')} reports: seq={row.seq}"
        if row.status == "error":
            text = f"not sent to {target}: seq={row.seq}"
        return text

    def _settled(self, row: "Row") -> int:
        """Return the wall clock at which the ping was settled."""
        sent = (row.run or 0) + (row.due_ns or 0) if row.sent_wall_ns is None else row.sent_wall_ns
        if row.user_rtt_ns is not None:
            return sent + row.user_rtt_ns
        return sent + round(self.timeout * SECOND) if row.status == "timeout" else sent

    def moved(self, target: str, address: str) -> None:
        self.report.record("moved", target=target, address=address)
        self.report.say(f"{visible(target)} is now {address}")

    def events(self, pinger: "PrintedPinger") -> None:
        """Print which targets are up or down now."""
        while (event := pinger.next_event(0)) is not None:
            self.report.record("event", time=utc(event.wall_ns), **event._asdict())
            text = visible(event.message)
            if self.stamps:
                text = f"[{iso(event.wall_ns)}] {text}"
            self.report.say(text if event.event == "up" else self.report.alarm(text))

    def problems(self, problems: "dict[str, str]", *, several: bool) -> None:
        """Say why pings were not sent."""
        for target, problem in problems.items():
            self.report.record("problem", target=target, message=problem)
            where = f" to {visible(target)}" if several else ""
            self.report.say(self.report.alarm(self.report.wrapped(f"not sent{where}: {problem}")))

    def sums(self, total: "Summary", each: "Sequence[Summary]", ways: "Sequence[Ways]" = ()) -> None:
        """Print the summary: with several targets a line for each, and then that of all."""
        self._sums(total, each)
        for way in ways:
            self.report.record("ways", **way.as_dict())
            text = repr(way) if len(each) > 1 else way.text
            self.report.say("\n".join(map(self.report.wrapped, text.splitlines())))

    def _sums(self, total: "Summary", each: "Sequence[Summary]") -> None:
        if len(each) == 1:
            self.report.summary(total)
            return
        for summary in each:
            self.report.record("summary", **summary.as_dict())
        if self.report.json:
            self.report.record("total", **total.as_dict())
            return
        self.report.say()
        for summary, name in zip(each, padded([summary.target for summary in each]), strict=True):
            rtts = summary.rtt_min_ns, summary.rtt_avg_ns, summary.rtt_max_ns
            self.report.say(sums_text(name, summary.sent, summary.received, rtts))
        self.report.summary(total)


class Interim:
    """Sums of the time since the last ones, one line for each target."""

    def __init__(self, lines: Lines, seconds: float) -> None:
        from time import monotonic

        self._now = monotonic
        self._lines = lines
        self._seconds = seconds
        self._next = monotonic() + seconds
        self._before: dict[str, Summary] = {}
        self._rtts: dict[str, list[int]] = {}

    def add(self, row: "Row") -> None:
        """Take the round trip of a first reply in time."""
        if row.status == "reply" and row.copies == 1 and row.rtt_ns is not None:
            sums = self._rtts.setdefault(row.target, [row.rtt_ns, 0, 0, row.rtt_ns])
            sums[:] = [min(sums[0], row.rtt_ns), sums[1] + row.rtt_ns, sums[2] + 1, max(sums[3], row.rtt_ns)]

    @property
    def is_due(self) -> bool:
        return self._now() >= self._next

    def print(self, each: "Sequence[Summary]", *, missed_rows: int = 0) -> None:
        import time

        report = self._lines.report
        # What is due while nothing could be printed is left out: a burst of lines would say nothing.
        missed = int((self._now() - self._next) / self._seconds + 0.5)
        self._next += self._seconds * (1 + missed)
        wall = time.time_ns()
        report.say(f"[{iso(wall, 'milliseconds' if self._seconds % 1 else 'seconds')}]")
        for summary, name in zip(each, padded([summary.target for summary in each]), strict=True):
            before = self._before.get(summary.target)
            sent = summary.sent - (before.sent if before else 0)
            least, total, count, most = self._rtts.get(summary.target) or (None, 0, 0, None)
            # The summary knows of replies whose rows wait to be taken: these count in the next lines.
            received = summary.received - (before.received if before else 0) if missed_rows else count
            rtts = least, total / count if count else None, most
            report.say(sums_text(name, sent, received, rtts))
            named = dict(zip(("rtt_min_ns", "rtt_avg_ns", "rtt_max_ns"), rtts, strict=True))
            facts = {"target": summary.target, "wall_ns": wall, "sent": sent, "received": received, **named}
            report.record("interim", **facts)
            self._before[summary.target] = summary
        self._rtts.clear()


def _readable(address: str) -> str:
    """Write the interface of an address by its name."""
    if "%" not in address:
        return address
    from udpping._console.hosts import with_zone_name

    return with_zone_name(address)


def sums_text(name: str, sent: int, received: int, rtts: "tuple[float | None, ...]") -> str:
    """Write sums as fping does."""
    # Replies to earlier pings may be among those received.
    share = f"{100 * max(0, sent - received) // sent}%" if sent else "0%"
    text = f"{name} : xmt/rcv/%loss = {sent}/{received}/{share}"
    if None in rtts:
        return text
    return f"{text}, min/avg/max = {'/'.join(f'{(rtt or 0) / 1e6:.3f}' for rtt in rtts)}"


def padded(names: list[str]) -> list[str]:
    names = [visible(name) for name in names]
    wide = min(40, max(map(len, names), default=0))
    return [name.ljust(wide) for name in names]
