"""`udpping mesh`: measure every pair of the hosts of a cluster, then print who lost what."""

from udpping import _core
from udpping._args.durations import WAIT
from udpping._args.limits import MAX_PAYLOAD
from udpping._args.options import TIMEOUT
from udpping._console.options import Parser, any_whole, whole
from udpping._mesh._engine import MOST_HOSTS, LocalHosts
from udpping._mesh._frame import frame, measured, values
from udpping._mesh._measured import Measured
from udpping._mesh._run import COUNT, INTERVAL, MOST_ROUNDS, Mesh
from udpping._table.text import percents, short, time_text
from udpping.cli._output import Report, command_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence
    from typing import Any, Literal

    from udpping._mesh._frame import Pairs
    from udpping._mesh._rows import Host

PURPOSE = """Let the hosts of a cluster ping each other, every pair both ways, and say who loses what.

The hosts are the workers of a Dask cluster that runs already, or processes of this machine (--local). Each
opens a server, and pings those of the others. A host that dies or is cut off costs its own results.

Replies are numbered and carry times, so it is told on which way pings were lost, and how the clocks differ.

Exit code 0: every pair had a reply. 1: a pair had none, or a host was not heard from. 2: it could not run."""
WIDE = 12
"""Up to so many hosts, the loss of each pair is printed."""
SETTINGS = (
    "count",
    "interval",
    "timeout",
    "peers",
    "address",
    "protocol",
    "one_per_address",
    "flows",
    "size",
    "seed",
)


class Whole(Measured):
    """What was measured in all rounds so far."""

    def __init__(self, rows: "Pairs", hosts: "Sequence[Host]") -> None:
        self.rows, self.hosts = rows, hosts


def main(words: list[str]) -> int:
    reader = parser()
    options = reader.parse_args(words)
    if options.scheduler is None and options.local is None:
        reader.error("--scheduler ADDRESS is missing, or --local N")
    report = Report(json=options.json)
    if options.scheduler is not None:
        return measure(options.scheduler, options, report)
    with LocalHosts(options.local) as hosts:
        return measure(hosts, options, report)


def measure(client: object, options: "Namespace", report: Report) -> int:
    """Print each round, and at the end, or when it is interrupted, all of them."""
    settings: dict[str, Any] = {name: getattr(options, name) for name in SETTINGS}
    rounds = None if options.forever else options.rounds
    whole: Whole | None = None
    several = rounds != 1
    try:
        for number, mesh in enumerate(Mesh.watch(client, rounds=rounds, **settings)):
            if whole is None:
                start(mesh, options, report)
            for row in mesh.rows:
                report.record("pair", **row._asdict())
            # Without an end, only the last round is kept.
            table = frame(mesh.rows, None if whole is None or options.forever else whole.frame)
            whole = Whole(table, mesh.hosts)
            if several:
                report.say(f"round {number + 1}: {loss_text(*sums(mesh))}")
                if options.forever:
                    tell(mesh, report)
    except KeyboardInterrupt:
        if whole is None:
            raise
    if whole is None:
        return 1
    summary(whole, report)
    return 0 if all(received for (received,) in values(whole.rows, "received")) else 1


def start(mesh: Mesh, options: "Namespace", report: Report) -> None:
    for host in mesh.hosts:
        report.record("host", **host._asdict())
    report.say(
        f"{len(mesh.hosts):,} hosts, {100 * mesh.coverage:.0f} % of their pairs in a round,"
        f" {options.count:,} pings each"
    )


def sums(mesh: "Measured") -> tuple[int, int]:
    """Return the pings of a mesh, and how many were lost."""
    sent = lost = 0
    for each, received in values(mesh.rows, "sent", "received"):
        sent, lost = sent + each, lost + each - received
    return sent, lost


def loss_text(sent: int, lost: int) -> str:
    """Write a loss with its interval."""
    ends = _core.wilson(lost, sent)
    if ends is None:
        return "no pings"
    middle, low, high = percents(lost / sent, *ends)
    return f"{lost:,} of {sent:,} lost, {middle} % (95 %: {low} to {high} %)"


def summary(mesh: "Measured", report: Report) -> None:
    """Print the hosts, the loss of each pair, what explains it, and the clocks."""
    report.say()
    for line in host_lines(mesh):
        report.say(line)
    if len(mesh.hosts) <= WIDE:
        report.say(f"\n{mesh.matrix('loss')!r}")
    report.say()
    tell(mesh, report)
    offsets = mesh.offsets()
    first, *others = offsets.hosts
    for each in offsets.hosts:
        if each.offset_ns is not None:
            report.record("clock", **each._asdict())
    for host, offset, low, high in others:
        if offset is not None and low is not None and high is not None:
            ends = f"{time_text(low)} to {time_text(high)}"
            report.say(f"the clock of {short(host)} is {ends} ahead of that of {short(first.host)}")
    for wrong in offsets.contradictions:
        report.record("contradiction", **wrong._asdict())
        report.say(report.warning(str(wrong)))
    sent, lost = sums(mesh)
    report.record(
        "summary", hosts=len(mesh.hosts), pairs=measured(mesh.rows, mesh.hosts), sent=sent, lost=lost
    )


def tell(mesh: "Measured", report: Report) -> None:
    """Print what explains the losses."""
    for finding in mesh.explain():
        report.record("finding", **finding._asdict())
        report.tell(str(finding) if finding.kind == "none" else report.alarm(str(finding)))


def host_lines(mesh: "Measured") -> "Iterator[str]":
    """Yield a table of the hosts: what each lost of its own pings, and of those sent to it."""
    own: dict[str, list[int]] = {host.name: [0, 0, 0, 0] for host in mesh.hosts}
    errors: dict[str, str] = {}
    for source, target, sent, received, error in values(
        mesh.rows, "source", "target", "sent", "received", "error"
    ):
        for name, place in ((source, 0), (target, 2)):
            own[name][place] += sent
            own[name][place + 1] += sent - received
        if error is not None:
            errors[source] = error
    wide = max(4, *(len(short(name)) for name in own))
    yield f"{'host':<{wide}}  {'its pings':>9}  {'lost':>7}  {'pings to it':>11}  {'lost':>7}"
    for name, (sent, lost, asked, missed) in own.items():
        text = f"  {short(errors[name])}" if name in errors else ""
        yield f"{short(name):<{wide}}  {sent:>9,}  {lost:>7,}  {asked:>11,}  {missed:>7,}{text}"


def peers(text: str) -> "Literal['all'] | int":
    return "all" if text == "all" else whole(1, MOST_ROUNDS)(text)


def parser() -> Parser:
    options = command_parser("mesh", PURPOSE)
    engine = options.add_mutually_exclusive_group()
    engine.add_argument(
        "--scheduler", metavar="ADDRESS", help="the scheduler of a Dask cluster, such as tcp://10.0.0.1:8786"
    )
    engine.add_argument(
        "--local", type=whole(2, MOST_HOSTS), metavar="N", help="N processes of this machine, to try it out"
    )
    options.add_argument(
        "-c",
        "--count",
        type=whole(1, 1_000_000),
        default=COUNT,
        metavar="N",
        help=f"pings of each pair in a round (default: {COUNT})",
    )
    options.add_time(
        "-i",
        "--interval",
        within=WAIT,
        default=INTERVAL,
        help=f"time between two pings of a pair (default: {INTERVAL:g}s)",
    )
    options.add_time(
        "-W",
        "--timeout",
        within=WAIT,
        default=TIMEOUT,
        help=f"how long to wait for a reply (default: {TIMEOUT:g}s)",
    )
    options.add_argument(
        "--peers",
        type=peers,
        default="all",
        metavar="all|N",
        help="how many others each host pings in a round (default: all, or 32 of more than 100 hosts)",
    )
    number = options.add_mutually_exclusive_group()
    number.add_argument(
        "--rounds", type=whole(1, MOST_ROUNDS), default=1, metavar="N", help="how many rounds (default: 1)"
    )
    number.add_argument("-t", "--forever", action="store_true", help="go on until Ctrl-C, in constant memory")
    options.add_argument(
        "--stamp",
        dest="protocol",
        action="store_const",
        const="stamp",
        default="text",
        help="send test packets of STAMP (RFC 8762) instead of lines of text",
    )
    options.add_argument(
        "--address", metavar="INTERFACE", help="where hosts are reached: the name of an interface, as eth1"
    )
    options.add_argument(
        "--one-per-address", action="store_true", help="of several workers with one address, take the first"
    )
    options.add_argument(
        "--flows", type=whole(1, 64), default=1, metavar="N", help="source ports of each host (default: 1)"
    )
    options.add_argument(
        "-s", "--size", type=whole(1, MAX_PAYLOAD), metavar="BYTES", help="bytes of payload in each ping"
    )
    options.add_argument(
        "--seed", type=any_whole, default=0, metavar="N", help="repeat the choice of peers (default: 0)"
    )
    return options
