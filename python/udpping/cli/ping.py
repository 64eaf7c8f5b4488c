"""`udpping ping`: print each ping as it is settled, then the summary."""

from udpping import _core
from udpping._args.durations import LINGER, SIMULATION, SPIN, WAIT
from udpping._args.limits import DEFAULT_PORT, MAX_PAYLOAD, MOST_PINGS
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, PING, SCHEDULE, TIMEOUT
from udpping._args.targets import parse_target, target_text
from udpping._console.options import Parser, any_whole, chosen_profile, port, whole
from udpping._services.ping import PrintedPinger
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, Deadline, Noted, calling
from udpping.cli._output import FAILED, Report, command_parser
from udpping.errors import AddressError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping.lab._client import Client

PURPOSE = """Ping a UDP server that answers, such as `udpping server`: once a second, unless told otherwise.

With --profile it pings and prints as the lab's UDPPingerClient.py does (udpping lab --list), at its pace.

To a file or a pipe every row is printed, however slow that is: with -f the pings wait for it, on a schedule
the rows wait in memory, then in a temporary file. A terminal that is too slow is shown fewer, and how many.

Exit code 0: a reply came in time; 1: none did, or -w ended the run before all pings of -c were sent; 2: it
could not be tried, or rows are left out because the temporary file has no room."""
INTERVAL = 1.0
MEMORY: int | None = None
"""Bytes of rows that wait in memory for a slow reader; `None` is the core's default."""
# Not options of argparse: with such options it takes the `-1` of `--interval -1` for an option too.
SHORT = {"-4": "--ipv4", "-6": "--ipv6"}


def main(words: list[str]) -> int:
    client = profile_client(words)
    options = parser(client).parse_args([SHORT.get(word, word) for word in words])
    deadline = Deadline(options.deadline)
    report = Report(json=options.json)
    asked = Noted(ASKING) if client is None else None
    if client is None:
        settle_pace(options)
    if options.forever:
        options.count = None
    host, number = parse_target(options.target, options.port)
    lab_client = None if options.json or options.quiet else client
    pinger = open_pinger(host, number, options, deadline, announce=lab_client is not None)
    if not report.is_terminal:
        pinger.miss_no_row(MEMORY)
    deadline.then(pinger.stop)
    if lab_client is not None:
        lab_client.host = host
        received = lab_client.watch(pinger).received
        return FAILED if tell_missing(pinger, report) else 0 if received else 1
    name = target_text(host, number)
    address = pinger.address
    start = {"timeout": options.timeout, "interval": options.interval}
    report.record("start", target=name, address=address, count=options.count, **start)
    report.say(f"PING {name}" + (f" ({address})" if address != name else ""))
    with calling(pinger.stop), pinger:
        for row in pinger.rows(LOOK):
            if row is not None:
                # Asking for the address holds up the pings, so it is not done for each reply from there.
                now = address if row.source == address else pinger.address
                if now != address:
                    address = now
                    report.moved(name, address)
                report.row(row)
            if asked is not None and asked.take():
                report.summary(pinger.summary)
        summary = pinger.summary
        report.problems(pinger.problems)
        report.summary(summary)
    if tell_missing(pinger, report):
        return FAILED
    is_cut = deadline.over and options.count is not None and summary.sent < options.count
    return 0 if summary.received and not is_cut else 1


def settle_pace(options: "Namespace") -> None:
    """Set how often and how many times to ping, where no option does."""
    if options.interval is None and not options.flood:
        options.interval = INTERVAL
    if options.count is None and options.deadline is None:
        options.count = COUNT


def open_pinger(
    host: str, number: int, options: "Namespace", deadline: Deadline, *, announce: bool
) -> PrintedPinger:
    wanted = {name: getattr(options, name) for name in PING}
    rows = not options.quiet
    try:
        return PrintedPinger(host, number, wanted, rows=rows, announce=announce, flood=options.flood)
    except KeyboardInterrupt:
        if deadline.over:
            raise AddressError(f"cannot find host {host!r} within {options.deadline:g}s: see -w") from None
        raise


def tell_missing(pinger: PrintedPinger, report: Report) -> bool:
    """Report rows that were left out; return whether that is a failure, which it is not on a terminal."""
    missing = pinger.missed_rows
    if missing and report.is_terminal:
        report.record("missed", rows=missing)
        report.say(f"{missing:,} lines left out: this terminal was too slow; the summary has them")
    elif missing:
        why = pinger.backlog_failure or "a temporary file was too slow"
        report.fail(
            "udpping ping", "NetworkError", f"{missing:,} rows are left out: {why}; the summary has them"
        )
    return bool(missing) and not report.is_terminal


def profile_client(words: list[str]) -> "Client | None":
    name = chosen_profile(words)
    if name is None:
        return None
    from udpping import lab

    return lab.profile(name).PingerClient()


def parser(client: "Client | None" = None) -> Parser:
    """Make the parser; a client of the lab has its own defaults."""
    options = command_parser("ping", PURPOSE)
    options.add_argument(
        "target",
        nargs=None if client is None else "?",
        metavar="HOST[:PORT]",
        help="who to ping; IPv6 with a port as [ADDRESS]:PORT",
    )
    options.add_argument("--profile", metavar="NAME", help="be that client of the lab")
    number = options.add_mutually_exclusive_group()
    number.add_argument(
        "-c", "--count", type=whole(1, MOST_PINGS), metavar="N", help=f"pings ({COUNT}; with -w any number)"
    )
    number.add_argument("-t", "--forever", action="store_true", help="until Ctrl-C, in constant memory")
    options.add_time("-i", "--interval", within=WAIT, help=f"one every so often ({INTERVAL:g}s)")
    options.add_argument(
        "-f",
        "--flood",
        action="store_true",
        help="the next when the last is done; with -i: lifts the limit to other hosts, one every"
        f" {_core.SHORTEST_GAP / 1e6:g}ms",
    )
    options.add_argument(
        "--schedule",
        default=SCHEDULE,
        metavar="NAME",
        help="with -i: isochronous, poisson, uniform[:SHARE], train:N or pair",
    )
    options.add_argument("--seed", type=any_whole, metavar="N", help="repeats a random schedule")
    options.add_argument(
        "--busy", action="store_true", help="never wait: a whole processor, the shortest times"
    )
    options.add_time("--spin", within=SPIN, help="how long to spin before a ping is due (adapts)")
    options.add_time(
        "-W",
        "--timeout",
        within=WAIT,
        default=TIMEOUT,
        help=f"how long to wait for a reply ({TIMEOUT:g}s)",
    )
    options.add_time("-w", "--deadline", within=SIMULATION, help="stop after so long, whatever has come")
    options.add_time("-l", "--linger", within=LINGER, help="how long to listen for late replies at the end")
    options.add_argument(
        "--misses", type=whole(1, MOST_PINGS), metavar="N", help="give up after N in a row without a reply"
    )
    options.add_argument(
        "-p", "--port", type=port, default=DEFAULT_PORT, metavar="PORT", help="port, if HOST has none (12000)"
    )
    options.add_argument("-s", "--size", type=whole(1, MAX_PAYLOAD), metavar="BYTES", help="bytes of payload")
    options.add_argument("--bind", metavar="ADDRESS", help="local IP address to send from")
    options.add_argument("--ttl", type=whole(1, 255), metavar="N", help="hops allowed")
    options.add_argument("--dscp", type=whole(0, 63), metavar="N", help="class of service")
    options.add_argument("--df", action="store_true", help="do not fragment")
    options.add_argument(
        "-b", "--broadcast", action="store_true", help="allow broadcast and multicast; whoever answers counts"
    )
    family = options.add_mutually_exclusive_group()
    family.add_argument("--ipv4", dest="family", action="store_const", const="ipv4", help="IPv4 only (or -4)")
    family.add_argument("--ipv6", dest="family", action="store_const", const="ipv6", help="IPv6 only (or -6)")
    options.add_argument("-q", "--quiet", action="store_true", help="only the summary")
    options.set_defaults(message=MESSAGE, first_seq=FIRST_SEQ)
    if client is not None:
        names = ("port", "count", "timeout", "interval", "message", "first_seq")
        options.set_defaults(target=client.host, linger=0, **{name: getattr(client, name) for name in names})
    return options
