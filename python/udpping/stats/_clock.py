"""The offset of a server's clock from ours, and one-way delays with a bound."""

from typing import Any, cast

from udpping import _core
from udpping._args import checks
from udpping._table.table import Table
from udpping.stats._delay import QUANTILES, shares
from udpping.stats._results import Clock, ClockStep, OneWay, OneWayDelay, made
from udpping.stats._tables import CLOCK, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping.stats._tables import Frame

MAX_RATE_PPM = 200.0
"""Free-running crystals of computers differ by 5 to 30 parts per million: this is safe."""


def clock(table: "Frame", max_rate_ppm: float = MAX_RATE_PPM) -> Clock:
    """Bound the offset of a server's clock from ours: an interval that contains it, from both ways' times.

    A delay is never negative. So the offset (server less ours) is at most `server_recv_ns - sent_wall_ns` and
    at least `server_sent_ns` less the time of receiving. This holds at the time of each ping. It is carried
    to the times of the other pings by `max_rate_ppm`: by how much the rates of the clocks differ at most, in
    parts per million from 0 to 100,000. The interval has the true offset while that bound holds, on
    asymmetric paths too. It is never narrower than half of the shortest delays up and down: nobody can know
    more from such times.

    If no one offset fits, a clock was set, or its rate was beyond the bound: `steps` has the times between
    which it was. Beside the interval, a straight line is fitted between the bounds (convex hulls; Duda 1987):
    it bounds the difference of the rates (`skew_low_ppm`, `skew_high_ppm`), and mostly the offset better. All
    of it is `None` where no line fits: then the rates changed.

    Needs `sent_wall_ns` and `server_recv_ns` or `server_sent_ns`, and uses `user_rtt_ns`, else `rtt_ns`, for
    the time of receiving. Pings without these times are left out; with none the offset is `None`. Late
    replies count. `table` is anything that `Pings` takes, with pings to one target. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.clock(
    ...     {
    ...         "rtt_ns": [50_000, 30_000],
    ...         "sent_wall_ns": [0, 1_000_000],
    ...         "server_recv_ns": [540_000, 1_510_000],
    ...         "server_sent_ns": [540_000, 1_510_000],
    ...     }
    ... )
    >>> found.offset_low_ns, found.offset_high_ns, found.steps
    (489990, 510206, ())
    """
    rate = checks.number("max_rate_ppm", max_rate_ppm)
    facts = cast("dict[str, Any]", _core.stats_clock(read(table, *CLOCK), rate))
    return made(Clock, facts | {"steps": tuple(ClockStep(*step) for step in facts["steps"])})


def one_way(
    table: "Frame", quantiles: "Iterable[float]" = QUANTILES, max_rate_ppm: float = MAX_RATE_PPM
) -> OneWay:
    """Delays of both ways (RFC 7679), in nanoseconds, each with a bound of its error.

    Each target's clock is bounded by `clock`, and the middle of its interval is taken for the offset. Then a
    delay is wrong by half of the interval at most, and the two ways are wrong by opposite amounts: their sum
    is the round trip less the time in which the server held the reply. Differences between the delays of one
    way are more exact than the delays. `one_way_rows` has a row for each ping.

    `quantiles`, `max_rate_ppm` and `table` are those of `round_trip` and `clock`; tables with several targets
    are pooled. Without server times the counts are 0 and the delays `None`. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.one_way(
    ...     {
    ...         "rtt_ns": [50_000_000, 30_000_000],
    ...         "sent_wall_ns": [0, 1_000_000],
    ...         "server_recv_ns": [40_000_000, 11_000_000],
    ...         "server_sent_ns": [40_000_000, 11_000_000],
    ...     }
    ... )
    >>> found.up.median_ns, found.down.median_ns, found.error_ns
    (25002000.0, 14998000.0, 10008100)
    """
    wanted = shares(quantiles)
    rate = checks.number("max_rate_ppm", max_rate_ppm)
    facts = cast("dict[str, Any]", _core.stats_one_way(read(table, *CLOCK), wanted, rate))
    ways = {name: made(OneWayDelay, facts[name]) for name in ("up", "down")}
    return made(OneWay, ways | {"error_ns": facts["error_ns"], "max_rate_ppm": rate})


def one_way_rows(table: "Frame", max_rate_ppm: float = MAX_RATE_PPM) -> Table:
    """Delays of both ways, a row for each ping whose reply has a time of its server, in order of sending.

    Columns: `run`, `target` and `seq`; `sent_wall_ns`; `up_ns` and `down_ns`; `owd_error_ns`, by which each
    of the two is wrong at most; `offset_low_ns` and `offset_high_ns`, between which the server's clock was
    ahead of ours. See `one_way` and `clock` for the arguments, the needed columns and the errors.

    >>> from udpping import stats
    >>> table = {"rtt_ns": [50], "sent_wall_ns": [100], "server_recv_ns": [640], "server_sent_ns": [647]}
    >>> rows = stats.one_way_rows(table, max_rate_ppm=0)
    >>> [rows[name][0] for name in ("up_ns", "down_ns", "owd_error_ns")]
    [22, 21, 22]
    """
    return Table(_core.stats_one_way_rows(read(table, *CLOCK), checks.number("max_rate_ppm", max_rate_ppm)))
