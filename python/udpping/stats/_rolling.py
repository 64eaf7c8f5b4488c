"""Loss and round trips over windows."""

from udpping import _core
from udpping._args import checks
from udpping._args.durations import nanos
from udpping._table.table import Table
from udpping.errors import ConfigError
from udpping.stats._tables import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.durations import Duration
    from udpping.stats._tables import Frame

WINDOW = 1, 9 * 10**18
"""The least and the most nanoseconds: they fit into 64 bits."""


def rolling(
    table: "Frame",
    *,
    pings: int | None = None,
    seconds: "Duration | None" = None,
    step: "Duration | None" = None,
    confidence: float = 0.95,
) -> Table:
    """Loss (RFC 6673) and round trips (RFC 2681) in windows of so many `pings` or `seconds`: a table.

    Windows begin every `step`, in the same unit. By default each begins where the last one ends. The first
    begins with the first ping of each run and target, and the last one has the last ping. Windows without a
    ping are left out. Columns: `run`, `target`, `start_ns` (when the window begins; null without times),
    `seq` of its first ping, `sent`, `received`, `lost`, `loss` with Wilson's interval `loss_low` to
    `loss_high`, and `rtt_min_ns`, `rtt_mean_ns`, `rtt_median_ns`, `rtt_p95_ns`, `rtt_max_ns`, `rtt_stddev_ns`
    of the replies in time.

    Of no ping the table is empty; a window with none in time has null round trips, one with a single round
    trip a null standard deviation. Windows in seconds need `sent_ns` or `due_ns`. A step is from a thousandth
    of the window to all of it, and there are 10,000,000 windows at most. `table` is anything that `Pings`
    takes. Raises ConfigError.

    >>> import udpping
    >>> from udpping import stats
    >>> run = udpping.sim.ping(count=10, loss="pattern:...x.", interval=0.5)
    >>> stats.rolling(run, seconds=2)["loss"].to_list()
    [0.25, 0.0, 0.5]
    >>> stats.rolling(run, pings=5, step=1)["lost"].to_list()
    [1, 1, 1, 1, 1, 1]
    """
    if (pings is None) == (seconds is None):
        raise ConfigError(
            f"window of pings={pings!r}, seconds={seconds!r} is not usable:"
            " expected one of the two, such as pings=100"
        )
    if pings is not None:
        length = checks.whole("pings", pings)
        hop = None if step is None else checks.whole("step", step)
    else:
        length = nanos("seconds", seconds, WINDOW)
        hop = None if step is None else nanos("step", step, WINDOW)
    samples = read(table, "sent_ns", "due_ns")
    in_time, confidence = seconds is not None, checks.number("confidence", confidence)
    return Table(_core.stats_rolling(samples, length, hop, in_time, confidence))
