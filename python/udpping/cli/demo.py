"""`udpping demo`: a lossy server and a pinger in one process, without any setup."""

from udpping._args.durations import WAIT
from udpping._args.loss_model import loss_model
from udpping._args.targets import target_text
from udpping._console.options import Parser, any_whole, whole
from udpping._services.ping import Pinger
from udpping._services.server import Server
from udpping.cli._end import calling
from udpping.cli._output import Report, command_parser
from udpping.cli._ping_lines import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction

PURPOSE = """Start a lossy server and ping it, in one process, and print how likely so many losses were.

LOSS and DELAY are written as for udpping server.

Exit code 0: a reply came in time; 1: no reply did."""
MOST = 10_000


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json)
    with Server(port=0, loss=options.loss, delay=options.delay, seed=options.seed) as server:
        name = target_text(*server.address)
        p = loss_model(server.loss).probability
        report.record(
            "start", target=name, loss=server.loss, delay=server.delay, seed=server.seed, count=options.count
        )
        report.tell(
            f"A server at {name} answers every ping in capitals, except those that it drops on purpose."
        )
        share = "" if p is None else f" = {float(100 * p):.4g} %"
        report.tell(
            f"Loss injected: {server.loss}{share}. Losses and delays repeat with --seed {server.seed}."
        )
        report.say()
        pinger = Pinger(*server.address, count=options.count, timeout=options.timeout)
        with calling(pinger.stop), pinger:
            lines = Lines(report, options.timeout)
            for row in pinger:
                lines.row(row)
            summary, counters = pinger.summary, server.counters
            report.summary(summary)
            report.record("counters", **counters.as_dict())
            report.tell(f"the server says: {counters!r}")
            if p is not None and summary.sent:
                print_chance(report, summary.sent, summary.lost, p)
    return 0 if summary.received else 1


def print_chance(report: Report, sent: int, lost: int, p: "Fraction") -> None:
    """Print how many losses to expect, and how likely as many or more, and as many or fewer, are."""
    from udpping import theory

    loss = f"{p.numerator}/{p.denominator}"
    expected = float(theory.binomial_mean(sent, p))
    at_least, at_most = float(theory.binomial_tail(lost, sent, p)), float(theory.binomial_cdf(lost, sent, p))
    report.record(
        "chance", loss=loss, sent=sent, lost=lost, expected=expected, at_least=at_least, at_most=at_most
    )
    report.say(
        f"\nChance: with a loss of {loss}, {sent:,} pings lose {expected:.1f} on average;"
        f"\n{lost:,} or more are lost in {100 * at_least:.1f} % of such runs,"
        f" {lost:,} or fewer in {100 * at_most:.1f} %."
    )


def parser() -> Parser:
    options = command_parser("demo", PURPOSE)
    options.add_argument(
        "-c", "--count", type=whole(1, MOST), default=20, metavar="N", help="pings to send (default: 20)"
    )
    options.add_time(
        "-W", "--timeout", within=WAIT, default=0.2, help="how long to wait for each reply (default: 200ms)"
    )
    options.add_argument(
        "--loss", default="4/11", help="pings to drop (default: 4/11, as the course's server)"
    )
    options.add_argument(
        "--delay",
        default="exponential:20ms",
        help="how long to delay each reply (default: exponential:20ms)",
    )
    options.add_argument(
        "--seed", type=any_whole, metavar="N", help="repeat the losses and delays of an earlier run"
    )
    return options
