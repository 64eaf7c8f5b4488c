"""`udpping ping`: print each ping as it is settled, then the summary."""

import re

from udpping._args.keys import exposed
from udpping._args.options import COUNT, PING
from udpping._console.options import Seconds, chosen_profile
from udpping._results.settings import total_name
from udpping._services.ping import PrintedPinger
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, Deadline, Noted, calling
from udpping.cli._output import FAILED, Report, warn
from udpping.cli._ping_lines import Interim, Lines
from udpping.cli._ping_options import INTERVAL, parser, read, targets
from udpping.errors import AddressError, ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping.lab._client import Client

MEMORY: int | None = None
"""Bytes of rows that wait in memory for a slow reader; `None` is the core's default."""
__all__ = ["main", "parser"]


def main(words: list[str]) -> int:
    client = profile_client(words)
    options = read(words, client)
    deadline = Deadline(options.deadline)
    report = Report(json=options.json)
    asked = Noted(ASKING) if client is None else None
    if client is None:
        settle_pace(options)
    if options.forever:
        options.count = None
    warn(exposed(options.key), "ping")
    found = targets(options)
    lab_client = None if options.json or options.quiet else client
    pinger = open_pinger(found, options, deadline, announce=lab_client is not None)
    if not report.is_terminal:
        pinger.miss_no_row(MEMORY)
    deadline.then(pinger.stop)
    if lab_client is not None:
        lab_client.host, lab_client.port = found[0]
        received = lab_client.watch(pinger).received
        return FAILED if tell_missing(pinger, report) else 0 if received else 1
    lines = Lines(
        report,
        options.timeout,
        stamps=options.stamps,
        numeric=options.numeric,
        payload=options.verbose,
    )
    with calling(pinger.stop), pinger:
        try:
            print_rows(pinger, lines, options, asked)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; {lines.printed:,} rows are there") from None
    if tell_missing(pinger, report):
        return FAILED
    summaries = pinger.summaries
    sent = sum(summary.sent for summary in summaries)
    is_cut = deadline.over and options.count is not None and sent < options.count * len(found)
    return 0 if all(summary.received for summary in summaries) and not is_cut else 1


def print_rows(pinger: PrintedPinger, lines: Lines, options: "Namespace", asked: Noted | None) -> None:
    """Print all from the start to the summary."""
    from time import monotonic

    addresses, next_look = pinger.addresses, 0.0
    begun = {"count": options.count, "timeout": options.timeout, "interval": options.interval}
    lines.start(addresses, total_name(list(addresses)), **begun)
    interim = None if options.interim is None else Interim(lines, options.interim)
    for row in pinger.rows(LOOK):
        if row is not None:
            # Only pings without an end follow a name.
            if options.count is None and row.source != addresses[row.target] and monotonic() >= next_look:
                next_look = monotonic() + (LOOK if len(addresses) > 1 else 0)
                tell_moves(pinger, lines, addresses)
            if interim is None:
                lines.row(row)
            else:
                interim.add(row)
        if options.detector is not None:
            lines.events(pinger)
        if interim is not None and interim.is_due:
            interim.print(pinger.summaries, missed_rows=pinger.missed_rows)
        if asked is not None and asked.take():
            lines.sums(pinger.summary, pinger.summaries, pinger.ways)
    if options.detector is not None:
        lines.events(pinger)
    lines.problems(pinger.problems, several=len(addresses) > 1)
    lines.sums(pinger.summary, pinger.summaries, pinger.ways)


def tell_moves(pinger: PrintedPinger, lines: Lines, addresses: "dict[str, str]") -> None:
    """Print the names whose address is another one now."""
    for name, address in pinger.addresses.items():
        if address != addresses[name]:
            addresses[name] = address
            lines.moved(name, address)


def settle_pace(options: "Namespace") -> None:
    """Set how often and how many times to ping, where no option does."""
    if options.interval is None and not options.flood:
        options.interval = INTERVAL
    if options.count is None and options.deadline is None:
        options.count = COUNT


def open_pinger(
    found: list[tuple[str, int]], options: "Namespace", deadline: Deadline, *, announce: bool
) -> PrintedPinger:
    wanted = {name: getattr(options, name) for name in PING}
    rows = not options.quiet
    try:
        return PrintedPinger(
            found, wanted, rows=rows, announce=announce, detector=options.detector, flood=options.flood
        )
    except KeyboardInterrupt:
        if deadline.over:
            name = f"host {found[0][0]!r}" if len(found) == 1 else f"the hosts ({len(found)})"
            raise AddressError(f"cannot find {name} within {options.deadline.text}: see -w") from None
        raise
    except ConfigError as error:
        raise ConfigError(as_typed(str(error), options)) from None


def as_typed(error: str, options: "Namespace") -> str:
    """Write the keywords of Python in an error of the core as options, and times as they were typed."""
    name, _, rest = error.partition(" ")
    value = getattr(options, name, None)
    if isinstance(value, Seconds):
        error = f"{name} {value.text} {rest.partition(' ')[2]}"
    return re.sub(r"\w+=\S+ \((-[^()]*)\)", r"\1", error)


def tell_missing(pinger: PrintedPinger, report: Report) -> bool:
    """Report rows that were left out; return whether that is a failure, which it is not on a terminal."""
    missing = pinger.missed_rows
    if missing and report.is_terminal:
        report.record("missed", rows=missing)
        report.say(f"{missing:,} rows not printed (this terminal was too slow); the summary includes them")
    elif missing:
        why = pinger.backlog_failure or "a temporary file was too slow"
        report.fail(
            "udpping ping", "NetworkError", f"{missing:,} rows not printed: {why}; the summary includes them"
        )
    return bool(missing) and not report.is_terminal


def profile_client(words: list[str]) -> "Client | None":
    name = chosen_profile(words)
    if name is None:
        return None
    from udpping import lab

    return lab.profile(name).PingerClient()
