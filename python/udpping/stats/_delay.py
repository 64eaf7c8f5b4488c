"""Round trips, and the three things called jitter, each under its own name."""

from udpping import _core
from udpping._args import checks
from udpping.stats._results import Ipdv, Jitter, Pdv, RoundTrip, made
from udpping.stats._tables import ORDER, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping.stats._tables import Frame

QUANTILES = (0.5, 0.95, 0.99)


def round_trip(
    table: "Frame", quantiles: "Iterable[float]" = QUANTILES, *, lost: str = "left out"
) -> RoundTrip:
    """Round trips (RFC 2681, Type-P-Round-trip-Delay), in nanoseconds: count, mean, spread, quantiles.

    From sending a ping to the first copy of its reply, of those answered in time. Quantiles are linear
    between order statistics (definition 7 of Hyndman and Fan 1996, as in numpy and R): of n ascending values,
    counted from 0, the q quantile stands at q (n - 1). With `lost="infinite"` a lost ping is worth an
    infinite round trip, as in RFC 2681. Then a quantile says how long to wait for that share of *all* pings,
    and is infinite where it touches a lost one. Mean, standard deviation and extremes stay those of the
    others.

    Of no round trip everything is `None`; of one, every quantile is that one, the MAD 0 and the standard
    deviation `None`; of two, the median is their mean. `table` is anything that `Pings` takes. Raises
    ConfigError for a quantile outside 0 to 1 and for columns that cannot be used.

    >>> from udpping import stats
    >>> table = {"rtt_ns": [2_000_000, None, 4_000_000]}
    >>> found = stats.round_trip(table, [0.5, 0.9])
    >>> found.count, found.mean_ns, found.quantiles_ns
    (2, 3000000.0, {0.5: 3000000.0, 0.9: 3800000.0})
    >>> stats.round_trip(table, [0.5, 0.9], lost="infinite").quantiles_ns
    {0.5: 4000000.0, 0.9: inf}
    """
    return made(RoundTrip, _core.stats_round_trip(read(table), shares(quantiles), infinite(lost)))


def quantile(table: "Frame", q: float, *, lost: str = "left out") -> float | None:
    """One quantile of the round trips (RFC 2681), in nanoseconds, by the definition of `round_trip`.

    `None` without a round trip; with one, that one; with two, between them. Raises ConfigError.

    >>> from udpping import stats
    >>> stats.quantile({"rtt_ns": [1, 2, 3, 4]}, 0.95)
    3.8499999999999996
    """
    wanted = shares([q])
    return round_trip(table, wanted, lost=lost).quantiles_ns[wanted[0]]


def ipdv(table: "Frame", quantiles: "Iterable[float]" = QUANTILES) -> Ipdv:
    """Inter-packet delay variation (RFC 3393, Type-P-One-way-ipdv, on round trips), in nanoseconds.

    The round trip of a ping less that of the ping just before it, for pairs with adjacent numbers (`seq`)
    that were both answered in time. Signed, so that its mean is near 0 on any path; `mean_abs_ns` is the mean
    of the sizes, often called jitter. Adjacent in the order of sending: a path that reorders does not change
    it.

    Without such a pair (none or one ping) everything is `None`; of two pings there is one difference. `table`
    is anything that `Pings` takes. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.ipdv({"rtt_ns": [10, 20, None, 90, 70]})
    >>> found.count, found.mean_ns, found.mean_abs_ns
    (2, -5.0, 15.0)
    """
    return made(Ipdv, _core.stats_ipdv(read(table), shares(quantiles)))


def pdv(table: "Frame", quantiles: "Iterable[float]" = QUANTILES) -> Pdv:
    """Packet delay variation (RFC 5481, PDV, on round trips), in nanoseconds: above the shortest round trip.

    Its high quantiles say what a playout buffer has to hold. The shortest is that of the same run and target.

    Of no round trip everything is `None`; of one the variation is 0; of two it is 0 and their difference.
    `table` is anything that `Pings` takes. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.pdv({"rtt_ns": [10, 20, None, 90]})
    >>> found.min_ns, found.median_ns, found.max_ns
    (0, 10.0, 80)
    """
    return made(Pdv, _core.stats_pdv(read(table), shares(quantiles)))


def jitter(table: "Frame") -> Jitter:
    """Interarrival jitter (RFC 3550, section 6.4.1, on round trips), in nanoseconds.

    J begins at 0 and grows by (abs(D) - J) / 16 with each reply in time. D is how much longer its round trip
    was than that of the reply that *came* before it, in the order of arrival. What was sent or lost between
    the two does not matter. Computed with fractions, not with the whole numbers of the RFC's example. It
    forgets: after some 50 replies little is left of what was before, so `mean_ns` says more about a whole run
    than `last_ns`.

    Of no reply and of one everything is `None`; of two, J is a sixteenth of their difference. Needs
    `arrival`, or else `sent_ns`: see `reordering`. `table` is anything that `Pings` takes. Raises
    ConfigError.

    >>> from udpping import stats
    >>> stats.jitter({"rtt_ns": [10, 42, 10], "arrival": [1, 2, 3]})
    Jitter: interarrival jitter (RFC 3550), on round trips
      count    2
      last_ns  3.875
      mean_ns  2.9375
      max_ns   3.875
    """
    return made(Jitter, _core.stats_jitter(read(table, *ORDER)))


def shares(quantiles: "Iterable[float]") -> list[float]:
    return [checks.number("quantile", q) for q in checks.items("quantiles", quantiles, "a list of numbers")]


def infinite(lost: str) -> bool:
    if lost not in ("left out", "infinite"):
        raise checks.refuse("lost", lost, "'left out' or 'infinite'")
    return lost == "infinite"
