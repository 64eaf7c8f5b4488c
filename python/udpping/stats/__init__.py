"""Numbers from pings, each by one named definition, and from any table.

Each function names its standard, its unit, and what it says of no, one and two pings. All take a run, a table
of polars, pyarrow, DuckDB or pandas, a mapping of columns, or a list of these: `Pings` says which columns
there are, and what becomes of those that are missing. Late replies are losses here as everywhere.
docs/statistics.md says which statistic answers which question.

>>> import udpping
>>> from udpping import stats
>>> run = udpping.sim.ping(count=10_000, loss="burst:5%,3", delay="exponential:20ms", interval=0.01, seed=1)
>>> print(stats.loss_runs(run).longest_run, "lost in a row at worst,", f"{stats.loss(run).loss:.1%} in all")
15 lost in a row at worst, 5.1% in all
>>> stats.round_trip(run).quantiles_ns.keys()
dict_keys([0.5, 0.95, 0.99])
"""

from udpping.stats._clock import clock, one_way, one_way_rows
from udpping.stats._delay import ipdv, jitter, pdv, quantile, round_trip
from udpping.stats._digest import Digest
from udpping.stats._direction import direction
from udpping.stats._loss import loss, loss_periods, loss_runs, wilson
from udpping.stats._order import duplication, reordering
from udpping.stats._results import (
    Clock,
    ClockStep,
    Direction,
    Distribution,
    Duplication,
    Ipdv,
    Jitter,
    Loss,
    LossRuns,
    OneWay,
    OneWayDelay,
    Pdv,
    Reordering,
    Result,
    RoundTrip,
)
from udpping.stats._rolling import rolling
from udpping.stats._tables import Pings

__all__ = [
    "Clock",
    "ClockStep",
    "Digest",
    "Direction",
    "Distribution",
    "Duplication",
    "Ipdv",
    "Jitter",
    "Loss",
    "LossRuns",
    "OneWay",
    "OneWayDelay",
    "Pdv",
    "Pings",
    "Reordering",
    "Result",
    "RoundTrip",
    "clock",
    "direction",
    "duplication",
    "ipdv",
    "jitter",
    "loss",
    "loss_periods",
    "loss_runs",
    "one_way",
    "one_way_rows",
    "pdv",
    "quantile",
    "reordering",
    "rolling",
    "round_trip",
    "wilson",
]


def __dir__() -> list[str]:
    return __all__
