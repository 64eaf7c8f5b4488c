"""The results of the statistics: frozen and typed, each number under its name and unit."""

from dataclasses import dataclass, fields
from html import escape
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

from udpping._args.public import PublicNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

R = TypeVar("R", bound="Result")
SHOWN = 8
"""Entries of a histogram that are shown."""


class Result(PublicNames):
    """Numbers by name. What cannot be known is `None`, never 0; times are nanoseconds."""

    __slots__ = ()

    TITLE: ClassVar[str]

    def as_dict(self) -> "dict[str, Any]":
        """Everything by name.

        >>> from udpping import stats
        >>> stats.jitter({"rtt_ns": [5, 21], "sent_ns": [0, 100]}).as_dict()
        {'count': 1, 'last_ns': 1.0, 'mean_ns': 1.0, 'max_ns': 1.0}
        """
        return {field.name: getattr(self, field.name) for field in fields(cast("Any", self))}

    def __repr__(self) -> str:
        facts = self.as_dict()
        width = max(map(len, facts))
        lines = (f"  {name:<{width}}  {_shown(value)}" for name, value in facts.items())
        return "\n".join([f"{type(self).__name__}: {self.TITLE}", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"
            for name, value in self.as_dict().items()
        )
        return f"<p>{escape(type(self).__name__)}: {escape(self.TITLE)}</p><table>{rows}</table>"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        entries = list(cast("dict[object, object]", value).items())
        shown = ", ".join(f"{_key(key)}: {_shown(each)}" for key, each in entries[:SHOWN])
        return f"{shown}, ..." if len(entries) > SHOWN else shown or "-"
    if isinstance(value, Result):
        return _shown(value.as_dict())
    if isinstance(value, tuple):
        return "; ".join(map(str, cast("tuple[object, ...]", value))) or "-"
    return _number(cast("float", value))


def _number(number: float) -> str:
    if not isinstance(number, int) and abs(number) < 1:
        return f"{number:,.6g}"
    return f"{number:,.10g}" if abs(number) < 1e9 else f"{number:,.0f}"  # noqa: PLR2004 - ten digits


def _key(key: object) -> str:
    return key if isinstance(key, str) else f"{key:,}"


def made(kind: "type[R]", facts: "Mapping[str, object]") -> R:
    return kind(**cast("Any", facts))


@dataclass(frozen=True, repr=False, kw_only=True)
class Distribution(Result):
    """What can be said about many times, in nanoseconds."""

    count: int
    """How many there are."""
    infinite: int
    """How many more are infinite: lost pings, where they count as such."""
    min_ns: int | None
    """The least."""
    mean_ns: float | None
    """Arithmetic mean of those that are finite."""
    median_ns: float | None
    """50 % quantile; all are linear between order statistics (definition 7 of Hyndman and Fan 1996)."""
    max_ns: int | None
    """The greatest of those that are finite."""
    stddev_ns: float | None
    """Standard deviation of the sample (n - 1) of those that are finite; `None` below two."""
    mad_ns: float | None
    """Median absolute deviation from the median, not scaled; `None` in a digest, and if that is infinite."""
    quantiles_ns: "dict[float, float | None]"
    """The quantiles asked for, by their share."""
    quantile_error: float = 0.0
    """Relative error of median and quantiles: 0 when exact, 0.01 in a digest."""


class RoundTrip(Distribution):
    """Round trips of the pings answered in time (RFC 2681)."""

    TITLE = "round trips (RFC 2681)"


class Pdv(Distribution):
    """Round trips less the shortest of their sample (RFC 5481)."""

    TITLE = "packet delay variation (RFC 5481), on round trips"


@dataclass(frozen=True, repr=False, kw_only=True)
class Ipdv(Distribution):
    """Differences between the round trips of neighbours (RFC 3393), signed."""

    TITLE = "inter-packet delay variation (RFC 3393), on round trips"

    mean_abs_ns: float | None
    """The mean of their sizes: what is often called jitter."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Jitter(Result):
    """Interarrival jitter (RFC 3550), in nanoseconds."""

    TITLE = "interarrival jitter (RFC 3550), on round trips"

    count: int
    """How many differences went into it: one less than the replies of each sample."""
    last_ns: float | None
    """The jitter at the end; `None` with several samples, as each has its own end."""
    mean_ns: float | None
    """The mean of the jitters after each reply."""
    max_ns: float | None
    """The greatest of them."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Loss(Result):
    """How pings ended (RFC 6673), with intervals for the loss."""

    TITLE = "loss of the round trip (RFC 6673)"

    sent: int
    """Settled pings."""
    received: int
    """Answered in time."""
    lost: int
    """All others: `late`, `timeouts`, `unreachable` and `errors` together."""
    late: int
    """Answered after the timeout."""
    timeouts: int
    """Never answered."""
    unreachable: int
    """The network said that nobody is there."""
    errors: int
    """Not even sent."""
    loss: float | None
    """`lost` over `sent`; `None` without a ping."""
    confidence: float
    """How sure the two intervals are to hold the true loss."""
    low: float | None
    """Lower end of the interval if losses are independent (Wilson 1927)."""
    high: float | None
    """Upper end of it."""
    burst_low: float | None
    """Lower end of the interval when losses depend on each other; `None` where there are too few of them."""
    burst_high: float | None
    """Upper end of it."""
    p: float | None
    """The share of pings lost just after one in time: p of the Gilbert model."""
    r: float | None
    """The share of pings in time just after a lost one: r of the Gilbert model."""
    correlation: float | None
    """q = 1 - p - r: 0 where losses are independent, near 1 in bursts, below 0 if they avoid each other."""
    independent_pings: float
    """How many independent pings say as much, for a Markov chain: sent (1 - q) / (1 + q), with q from 0."""


@dataclass(frozen=True, repr=False, kw_only=True)
class LossRuns(Result):
    """Runs of losses (RFC 3357), counted."""

    TITLE = "runs of losses (RFC 3357), on round trips"

    sent: int
    """Settled pings."""
    lost: int
    """Those without a reply in time."""
    runs: int
    """Unbroken runs of losses (Loss-Period-Total)."""
    mean_run: float | None
    """Losses in a run, on average."""
    longest_run: int
    """The most losses in a row; 0 without any."""
    burst_ratio: float | None
    """`mean_run` over what it would be for independent losses (ITU-T G.107): 1 at random, more in bursts."""
    longest_outage_ns: int | None
    """The longest time from sending a lost ping to sending the next answered one; `None` without times."""
    longest_outage_ended: bool | None
    """Whether there was such a next one. If not, it lasted that long at least; `None` without an outage."""
    lengths: "dict[int, int]"
    """How many runs there are of each length (Loss-Period-Lengths)."""
    distances: "dict[int, int]"
    """How often a loss has each distance from the one before it, in pings (Loss-Distance); 1 within a run."""

    def noticeable(self, constraint: int) -> float | None:
        """Give the share of losses at most `constraint` pings after another (Loss-Noticeable-Rate).

        `None` without a loss.

        >>> from udpping import stats
        >>> stats.loss_runs({"rtt_ns": [None, 5, None, None, 5, 5, 5, None]}).noticeable(2)
        0.5
        """
        near = sum(count for distance, count in self.distances.items() if distance <= constraint)
        return near / self.lost if self.lost else None


@dataclass(frozen=True, repr=False, kw_only=True)
class Duplication(Result):
    """Replies beyond the first (RFC 5560)."""

    TITLE = "duplication (RFC 5560), on round trips"

    answered: int
    """Pings with a reply, also a late one."""
    duplicates: int
    """Replies beyond the first to each."""
    replicated: int
    """Pings with more than one reply."""
    fraction: float | None
    """`duplicates` over `answered` (packet-duplication-fraction); may exceed 1, `None` without an answer."""
    rate: float | None
    """`replicated` over `answered` (replicated-packet-rate); `None` without an answer."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Reordering(Result):
    """Replies out of order (RFC 4737)."""

    TITLE = "reordering (RFC 4737), on round trips"

    received: int
    """Replies in time, the first copy of each."""
    reordered: int
    """Those that came after the reply to a later ping."""
    ratio: float | None
    """`reordered` over `received` (section 4.1); `None` without a reply."""
    mean_extent: float | None
    """How many replies a reordered one is late, on average (section 4.2); `None` without one."""
    max_extent: int
    """The greatest extent; 0 without one."""
    n: int
    """The n of the next two."""
    n_reordered: int
    """Replies that came right after n replies to later pings (section 5.4)."""
    n_ratio: float | None
    """`n_reordered` over `received`; `None` without a reply."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Direction(Result):
    """Unanswered pings by the way on which they were lost."""

    TITLE = "losses by their way, from the numbers of the server's replies"

    sent: int
    """Settled pings that were sent."""
    lost: int
    """Those without any reply, also a late one."""
    lost_up: int
    """Those that did not reach the server, or that it dropped, at least; at most `unknown` more."""
    lost_down: int
    """Those whose replies were lost on the way back, at least; at most `unknown` more."""
    unknown: int
    """Those that were lost on the one way or the other: `lost` less the two."""
    restarts: int
    """How often the server began to count anew."""


class ClockStep(NamedTuple):
    """Between these times, in nanoseconds since 1970 by our clock, one of two clocks was set."""

    after_ns: int
    before_ns: int


@dataclass(frozen=True, repr=False, kw_only=True)
class Clock(Result):
    """The offset of a server's clock from ours, as intervals."""

    TITLE = "offset of the server's clock, as an interval"

    count: int
    """Answered pings with times of the server."""
    impossible: int
    """More such pings whose times cannot be: the server held the reply for longer than the round trip."""
    at_ns: int | None
    """When the interval is narrowest, in nanoseconds since 1970; `None` without a time of the server."""
    offset_low_ns: int | None
    """The offset then, at least: the server's clock less ours."""
    offset_high_ns: int | None
    """The offset then, at most."""
    max_rate_ppm: float
    """What was assumed: the rates of the clocks differ by this at most, in parts per million."""
    skew_low_ppm: float | None
    """The server's clock is faster by this, at least, if the rates are constant; `None` if they are not."""
    skew_high_ppm: float | None
    """The server's clock is faster by this, at most."""
    line_low_ns: int | None
    """The offset at `at_ns`, at least, if the rates are constant."""
    line_high_ns: int | None
    """The offset at `at_ns`, at most, if the rates are constant."""
    steps: "tuple[ClockStep, ...]"
    """Where one of the clocks was set, or was too fast or too slow."""


class OneWayDelay(Distribution):
    """Delays of one way (RFC 7679)."""

    TITLE = "one-way delays (RFC 7679)"


@dataclass(frozen=True, repr=False, kw_only=True)
class OneWay(Result):
    """Delays of both ways, and the bound of their error."""

    TITLE = "one-way delays (RFC 7679), both ways"

    up: OneWayDelay
    """The way to the server."""
    down: OneWayDelay
    """The way back."""
    error_ns: int | None
    """Each delay is wrong by this at most, up by as much as down by the opposite; `None` without a delay."""
    max_rate_ppm: float
    """What was assumed: the rates of the clocks differ by this at most, in parts per million."""
