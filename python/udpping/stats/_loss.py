"""Loss: how much, how sure that is, and in which pattern."""

from udpping import _core
from udpping._args import checks
from udpping._table.table import Table
from udpping.stats._results import Loss, LossRuns, made
from udpping.stats._tables import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping.stats._tables import Frame


def loss(table: "Frame", confidence: float = 0.95) -> Loss:
    """Loss of the round trip (RFC 6673, Type-P-Round-trip-Loss-Ratio): pings without a reply in time.

    Out of all that are settled, a share from 0 to 1; which way a ping was lost is unknown. RFC 7680 has the
    same with one way, and asks as well for the timeout to be part of the metric. `low` and `high` are
    Wilson's interval (1927), which holds if losses are independent. On real paths they come in bursts, and
    then it is too narrow. `burst_low` and `burst_high` hold for bursts of most shapes: Wilson's interval with
    the variance that 16 equal parts of the pings show, or the runs of many (batch means: Conway 1963), and
    Student's t. It is narrower than Wilson's where losses are regular. docs/statistics.md has how often it
    held. It is `None` below 1,000 pings or 30 runs of losses, and when neighbouring parts resemble each
    other: then the loss changes too slowly for so few pings to show it.

    Of no ping the share and its interval are `None`; of one, and of two, the interval is wide, and
    `correlation` is `None`. `confidence` is above 0 and below 1. `table` is anything that `Pings` takes.
    Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.loss({"rtt_ns": [5, None, None, 5, 5, 5, 5, 5, 5, 5]})
    >>> found.lost, found.sent, found.loss, round(found.low, 3), round(found.high, 3)
    (2, 10, 0.2, 0.057, 0.51)
    >>> found = stats.loss({"rtt_ns": [None, None, 5, 5, 5, 5, 5, None, 5, 5, 5, 5] * 100})
    >>> found.loss, round(found.burst_low, 3), round(found.burst_high, 3)
    (0.25, 0.244, 0.256)
    """
    return made(Loss, _core.stats_loss(read(table), checks.number("confidence", confidence)))


def loss_runs(table: "Frame") -> LossRuns:
    """Count runs of losses (RFC 3357, Loss-Period-Total, Loss-Period-Lengths and Loss-Distance), in pings.

    A run is unbroken, and ends where a number (`seq`) is missing or a sample ends. The burst ratio is that of
    ITU-T G.107. With `sent_ns` or `due_ns` the longest outage is known too, in nanoseconds: from sending the
    first lost ping of a run to sending the next that was answered in time. Where none was, at the end of a
    sample or before a missing number, it ends with the last lost one, and `longest_outage_ended` is False.

    Without a loss (and so of no ping) there is no run: the means are `None`. Of one lost ping there is one
    run of 1, and no burst ratio, as nothing was received. `table` is anything that `Pings` takes. Raises
    ConfigError.

    >>> from udpping import stats
    >>> found = stats.loss_runs({"rtt_ns": [5, None, 5, 5, None, None, None, 5]})
    >>> found.lengths, found.mean_run, found.longest_run, found.burst_ratio
    ({1: 1, 3: 1}, 2.0, 3, 1.0)
    """
    return made(LossRuns, _core.stats_loss_runs(read(table, "sent_ns", "due_ns")))


def loss_periods(table: "Frame") -> Table:
    """Loss periods (RFC 3357, Type-P-One-Way-Loss-Period-Stream, on round trips): a row for each.

    Columns:

    * `run` and `target` of the sample; 0 and null where the table has no such column.
    * `seq` of the first lost ping, and `start_ns`, when it was sent.
    * `length` in pings.
    * `distance` from the last loss of the period before to the first of this one
      (Inter-Loss-Period-Length). It is null for the first period.
    * `outage_ns`: how long nothing got through.
    * `ended`: whether it is known when something got through again. It is not known at the end of a sample
      and before a missing number. Then `outage_ns` goes to the last lost ping: it lasted at least that long.

    The last two are null without times. Without a loss, and of no ping, the table is empty. `table` is
    anything that `Pings` takes. Raises ConfigError.

    >>> import udpping
    >>> from udpping import stats
    >>> run = udpping.sim.ping(count=6, loss="pattern:.xx.xx", interval=0.1)
    >>> periods = stats.loss_periods(run)
    >>> periods["seq"].to_list(), periods["length"].to_list(), periods["distance"].to_list()
    ([2, 5], [2, 2], [None, 2])
    >>> periods["outage_ns"].to_list(), periods["ended"].to_list()
    ([200000000, 100000000], [True, False])
    """
    return Table(_core.stats_loss_periods(read(table, "sent_ns", "due_ns")))


def wilson(hits: int, n: int, confidence: float = 0.95) -> "tuple[float, float] | None":
    """Wilson's score interval (1927) of a proportion, `hits` of `n`: its ends, from 0 to 1.

    Unlike p plus or minus 1.96 standard deviations it is right to use where nothing or everything was hit,
    and for few trials. `None` without a trial; of one or two it spans most of 0 to 1. Raises ConfigError for
    counts that do not fit each other, and a `confidence` that is not above 0 and below 1.

    >>> from udpping import stats
    >>> stats.wilson(0, 10)
    (0.0, 0.2775...)
    """
    hits, n = checks.whole("hits", hits), checks.whole("n", n)
    if not 0 <= hits <= n:
        raise checks.refuse("hits", hits, f"0 to n, which is {n}")
    return _core.wilson(hits, n, checks.number("confidence", confidence))
