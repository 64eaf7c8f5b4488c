"""How long a server delays a reply: models for `Server(delay=...)`.

A number is seconds and text carries its unit: `delay=0.05` and `delay="50ms"` mean `Fixed`, and so does a
`timedelta`. The models below take their times in the same forms. Since `delay=50` is likely meant in
milliseconds, a number from 10 on needs a unit: `"50ms"` or `"50s"`. A delayed reply delays
nobody else. Times go from 0 to 1 hour, in steps of a nanosecond; anything else raises ConfigError. The delays
of a seed are the same in every later version.
"""

from typing import cast

from udpping import _core
from udpping._args import checks
from udpping._args.grammar import decimals, delay_time
from udpping._args.streams import DelayStream
from udpping._args.text_model import TextModel
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping._args.durations import Duration
    from udpping._results.run import Run

__all__ = [
    "Delay",
    "Empirical",
    "Exponential",
    "Fixed",
    "Gamma",
    "LogNormal",
    "Normal",
    "Pareto",
    "Table",
    "Trace",
    "Uniform",
    "Weibull",
]


def __dir__() -> list[str]:
    return __all__


class Delay(TextModel):
    """Base of the models: a checked text that says how long a reply waits. Equal texts are equal models.

    >>> import udpping
    >>> udpping.delay.Delay("0.05")
    <udpping.delay.Delay 50ms>
    >>> udpping.delay.Delay("50ms") == udpping.delay.Fixed(0.05)
    True
    """

    __slots__ = ()

    _MODULE = __name__

    def __init__(self, text: str) -> None:
        super().__init__(_core.check_delay(checks.text("delay", text)))

    def stream(self, seed: int | None = None) -> "DelayStream":
        """Delay in a program of one's own: an iterator without end, with the seconds for each datagram.

        `seed` is any whole number; `None` draws one, and `.seed` of the stream tells it. The delays are those
        that the first client of a `Server` with that seed meets. Each stream begins anew.

        >>> import udpping
        >>> delay = udpping.delay.Uniform("10ms", "30ms").stream(seed=7)
        >>> all(0.01 <= next(delay) <= 0.03 for _ in range(1_000))
        True
        """
        return DelayStream(self, "0", self._text, seed)


class Fixed(Delay):
    """Every reply waits `seconds` (0 to 1 hour).

    >>> import udpping
    >>> run = udpping.sim.ping(count=3, delay=udpping.delay.Fixed(0.05))
    >>> run.summary.rtt_min_ns >= 50_000_000
    True
    """

    __slots__ = ()

    def __init__(self, seconds: "Duration") -> None:
        super().__init__(delay_time("seconds", seconds))


class Uniform(Delay):
    """Anything between `low` and `high` is equally likely (0 <= low <= high <= 1 hour).

    >>> import udpping
    >>> run = udpping.sim.ping(count=1000, delay=udpping.delay.Uniform(0.01, 0.03), seed=1)
    >>> 10_000_000 <= run.summary.rtt_min_ns < 11_000_000, 29_000_000 < run.summary.rtt_max_ns <= 30_000_000
    (True, True)
    """

    __slots__ = ()

    def __init__(
        self, low: "Duration", high: "Duration", *, correlation: float = 0.0, floor: "Duration" = 0.0
    ) -> None:
        times = f"{delay_time('low', low)},{delay_time('high', high)}"
        super().__init__(f"uniform:{times}{_drawn(correlation, floor)}")


class Exponential(Delay):
    """Exponentially distributed, `mean` on average (0 to 1 hour): mostly short, now and then long.

    With a `base` (0 to 1 hour) it comes on top of that: a path that takes 20 ms, and 5 ms more on
    average in its queues, is `Exponential("5ms", base="20ms")`. No delay is longer than the base and 36.7
    times the mean: at that point the random numbers end.

    >>> import udpping
    >>> run = udpping.sim.ping(count=1000, delay=udpping.delay.Exponential(0.02), seed=1)
    >>> 0.018 < run.summary.rtt_avg_ns / 1e9 < 0.022
    True
    >>> udpping.delay.Exponential("5ms", base="20ms")
    <udpping.delay.Exponential exponential:5ms,base=20ms>
    """

    __slots__ = ()

    def __init__(
        self,
        mean: "Duration",
        *,
        base: "Duration" = 0.0,
        correlation: float = 0.0,
        floor: "Duration" = 0.0,
    ) -> None:
        times = f"{delay_time('mean', mean)},base={delay_time('base', base)}"
        super().__init__(f"exponential:{times}{_drawn(correlation, floor)}")


class LogNormal(Delay):
    """The logarithm is normally distributed: half of the delays are above `median`, some far above.

    `sigma` is the standard deviation of the logarithm: 16 % are longer than `exp(sigma)` medians, 2.3 % than
    `exp(2 * sigma)`; the mean is `exp(sigma**2 / 2)` medians. `median` is 0 to 1 hour and comes on top of
    `base`, 0 to 1 hour as well. `sigma` is 0 or more, and such that the longest delay there is, that of one
    packet in 2^53, is within two days: with a median of 20 ms up to 1.9. Else ConfigError.

    >>> import udpping
    >>> model = udpping.delay.LogNormal(0.005, sigma=0.8, base=0.02)
    >>> model
    <udpping.delay.LogNormal lognormal:median=5ms,sigma=0.8,base=20ms>
    >>> run = udpping.sim.ping(count=10_000, delay=model, seed=1)
    >>> 24_800_000 < run.summary.rtt_median_ns < 25_200_000
    True
    """

    __slots__ = ()

    def __init__(
        self,
        median: "Duration",
        sigma: float,
        *,
        base: "Duration" = 0.0,
        correlation: float = 0.0,
        floor: "Duration" = 0.0,
    ) -> None:
        # A time of 0 goes with any number, so it is the number alone that is refused here and below.
        form, expected = "lognormal:median=0,sigma={}", "0 to 80, the standard deviation of the logarithm"
        spread = decimals("sigma", sigma, checks.number("sigma", sigma), form, expected)
        times = f"median={delay_time('median', median)},sigma={spread}"
        super().__init__(f"lognormal:{times},base={delay_time('base', base)}{_drawn(correlation, floor)}")


class Gamma(Delay):
    """Gamma-distributed, `mean` on average: the sum of `shape` exponential times, as in queues.

    With `shape` 1 it is `Exponential`; below it is more uneven, above it becomes a bell: its standard
    deviation is `mean / sqrt(shape)`. `mean` is 0 to 1 hour and comes on top of `base`, 0 to 1 hour as well,
    and `shape`, no whole number of need, 0.1 to 1000. The longest delay there is, that of one packet in 2^53,
    is within two days. Else ConfigError.

    >>> import udpping
    >>> model = udpping.delay.Gamma(0.005, shape=2, base=0.02)
    >>> model
    <udpping.delay.Gamma gamma:mean=5ms,shape=2,base=20ms>
    >>> run = udpping.sim.ping(count=10_000, delay=model, seed=1)
    >>> 24_800_000 < run.summary.rtt_avg_ns < 25_200_000
    True
    """

    __slots__ = ()

    def __init__(
        self,
        mean: "Duration",
        shape: float,
        *,
        base: "Duration" = 0.0,
        correlation: float = 0.0,
        floor: "Duration" = 0.0,
    ) -> None:
        form, expected = "gamma:mean=0,shape={}", "0.1 to 1000; 1 is exponential"
        steps = decimals("shape", shape, checks.number("shape", shape), form, expected)
        times = f"mean={delay_time('mean', mean)},shape={steps}"
        super().__init__(f"gamma:{times},base={delay_time('base', base)}{_drawn(correlation, floor)}")


class Normal(Delay):
    """Normally distributed, `mean` on average, with a standard deviation of `sigma` (0 to 1 hour both).

    What would be below 0 is 0; with a mean of 3 `sigma` that is one delay in 740.

    >>> import udpping
    >>> run = udpping.sim.ping(count=10_000, delay=udpping.delay.Normal(0.04, "5ms"), seed=1)
    >>> 39_800_000 < run.summary.rtt_avg_ns < 40_200_000, 4_900_000 < run.summary.rtt_stddev_ns < 5_100_000
    (True, True)
    >>> udpping.delay.Normal(0.04, "5ms", correlation=0.5, floor="35ms")
    <udpping.delay.Normal normal:mean=40ms,sigma=5ms,correlation=0.5,floor=35ms>
    """

    __slots__ = ()

    def __init__(
        self, mean: "Duration", sigma: "Duration", *, correlation: float = 0.0, floor: "Duration" = 0.0
    ) -> None:
        times = f"mean={delay_time('mean', mean)},sigma={delay_time('sigma', sigma)}"
        super().__init__(f"normal:{times}{_drawn(correlation, floor)}")


class Pareto(Delay):
    """Pareto-distributed: never shorter than `scale`, and now and then very much longer.

    The share of delays longer than `x` scales is `x ** -shape`; above a `shape` of 1 the mean is
    `shape / (shape - 1)` scales. `scale` is 0 to 1 hour and comes on top of `base`, 0 to 1 hour as well, and
    `shape` is 0.1 to 1000. The longest delay there is, that of one packet in 2^53, is within two days: with
    a scale of 5 ms from a shape of 2.2 on. Else ConfigError.

    >>> import udpping
    >>> run = udpping.sim.ping(count=10_000, delay=udpping.delay.Pareto("5ms", shape=3), seed=1, timeout=10)
    >>> run.summary.rtt_min_ns >= 5_000_000, 7_300_000 < run.summary.rtt_avg_ns < 7_700_000
    (True, True)
    """

    __slots__ = ()

    def __init__(
        self,
        scale: "Duration",
        shape: float,
        *,
        base: "Duration" = 0.0,
        correlation: float = 0.0,
        floor: "Duration" = 0.0,
    ) -> None:
        super().__init__(_scaled("pareto", scale, shape, base) + _drawn(correlation, floor))


class Weibull(Delay):
    """Weibull-distributed: with `shape` 1 it is `Exponential`, below the tail is longer, above shorter.

    The share of delays longer than `x` scales is `exp(-(x ** shape))`. `scale` is 0 to 1 hour and comes on
    top of `base`, 0 to 1 hour as well, and `shape` is 0.1 to 1000. The longest delay there is, that of one
    packet in 2^53, is within two days. Else ConfigError.

    >>> import udpping
    >>> model = udpping.delay.Weibull("5ms", shape=0.8, base="20ms")
    >>> model
    <udpping.delay.Weibull weibull:scale=5ms,shape=0.8,base=20ms>
    >>> run = udpping.sim.ping(count=10_000, delay=model, seed=1)
    >>> 25_400_000 < run.summary.rtt_avg_ns < 25_900_000
    True
    """

    __slots__ = ()

    def __init__(
        self,
        scale: "Duration",
        shape: float,
        *,
        base: "Duration" = 0.0,
        correlation: float = 0.0,
        floor: "Duration" = 0.0,
    ) -> None:
        super().__init__(_scaled("weibull", scale, shape, base) + _drawn(correlation, floor))


class Table(Delay):
    """Distributed as a table says: the delays that equally spaced shares of all are below.

    `quantiles` are two times or more (0 to 1 hour), none shorter than the one before: the shortest delay
    first, the longest last. Between two of them any delay is equally likely. With three the middle one is the
    median, with 101 they are percentiles; at most 1,048,576. Else ConfigError.

    >>> import udpping
    >>> model = udpping.delay.Table(["10ms", "12ms", "30ms"])
    >>> model
    <udpping.delay.Table table:10ms,12ms,30ms>
    >>> run = udpping.sim.ping(count=10_000, delay=model, seed=1)
    >>> 11_900_000 < run.summary.rtt_median_ns < 12_100_000, run.summary.rtt_max_ns <= 30_000_000
    (True, True)
    """

    __slots__ = ()

    def __init__(
        self, quantiles: "Iterable[Duration]", *, correlation: float = 0.0, floor: "Duration" = 0.0
    ) -> None:
        super().__init__(f"table:{_times('quantiles', quantiles)}{_drawn(correlation, floor)}")


class Empirical(Delay):
    """One of the delays that were measured, each as likely as the others.

    `measured` is a run, also one that `udpping.load` has read, or a time (0 to 1 hour) for each delay. Of a
    run they are the round trips of all targets, late ones too. They are whole: a run does not tell how long
    each way took. So give them to one direction, as `delay=` of a server or in its `down`. One at least, and
    at most 1,048,576; else ConfigError.

    >>> import udpping
    >>> seen = udpping.sim.ping(count=1_000, delay="gamma:mean=5ms,shape=2,base=20ms", seed=7)
    >>> model = udpping.delay.Empirical(seen)
    >>> run = udpping.sim.ping(count=1_000, delay=model, seed=8)
    >>> set(run["rtt_ns"].to_list()) <= set(seen["rtt_ns"].to_list())
    True
    >>> udpping.delay.Empirical([0.03, 0.01, "10ms"])
    <udpping.delay.Empirical empirical:10ms,10ms,30ms>
    """

    __slots__ = ()

    def __init__(
        self, measured: "Run | Iterable[Duration]", *, correlation: float = 0.0, floor: "Duration" = 0.0
    ) -> None:
        if checks.run_targets(measured) is None:
            times = _times("measured delays", measured)
        else:
            times = ",".join(f"{each}ns" for each in _round_trips(measured) if each is not None)
        super().__init__(f"empirical:{times}{_drawn(correlation, floor)}")


class Trace(Delay):
    """What was seen before, once more: a run with one target, or a time (0 to 1 hour) for each datagram.

    Of a run each datagram has the whole round trip of its ping, late ones too, so give them to one direction
    (`delay=` of a server, or its `down`). A ping that was lost has that of the last one before it that was
    answered, or of the first one after it; with `udpping.loss.Trace` of the same run it is lost again. When
    the trace has been played, nothing more is delayed, or with `repeat=True` it starts again. One time at
    least, and at most 1,048,576; else ConfigError. A trace has no `correlation` but its own.

    >>> import udpping
    >>> seen = udpping.sim.ping(count=100, loss="30%", delay="exponential:5ms", seed=7)
    >>> loss, delay = udpping.loss.Trace(seen), udpping.delay.Trace(seen)
    >>> again = udpping.sim.ping(count=100, loss=loss, delay=delay)
    >>> again["rtt_ns"].to_list() == seen["rtt_ns"].to_list()
    True
    >>> udpping.delay.Trace(["30ms", "10ms"], repeat=True)
    <udpping.delay.Trace trace-repeat:30ms,10ms>
    """

    __slots__ = ()

    def __init__(
        self, trace: "Run | Iterable[Duration]", *, repeat: bool = False, floor: "Duration" = 0.0
    ) -> None:
        targets = checks.run_targets(trace)
        if targets is None:
            times = _times("delay trace", trace)
        elif len(targets) > 1:
            raise ConfigError(f"delay trace of {len(targets)} targets is not usable: expected a run with one")
        else:
            found = _round_trips(trace)
            last = next(each for each in found if each is not None)
            times = ",".join(f"{(last := last if each is None else each)}ns" for each in found)
        kind = "trace-repeat" if checks.flag("repeat", repeat) else "trace"
        super().__init__(f"{kind}:{times}{_drawn(0.0, floor)}")


def _scaled(kind: str, scale: "Duration", shape: float, base: "Duration") -> str:
    form = f"{kind}:scale=0,shape={{}}"
    steps = decimals("shape", shape, checks.number("shape", shape), form, "0.1 to 1000")
    return f"{kind}:scale={delay_time('scale', scale)},shape={steps},base={delay_time('base', base)}"


def _drawn(correlation: float, floor: "Duration") -> str:
    """Write what every delay that is drawn can have."""
    number = checks.number("correlation", correlation)
    rho = decimals("correlation", correlation, number, "uniform:0,0,correlation={}", "0 to below 1")
    told = {"correlation": rho, "floor": delay_time("floor", floor)}
    return "".join(f",{name}={value}" for name, value in told.items() if value != "0")


def _times(name: str, values: object) -> str:
    expected = "a run, or times such as [0.02, '30ms']"
    if isinstance(values, (str, bytes)):
        raise checks.refuse(name, values, expected)
    listed = checks.items(name, values, expected)
    if not listed:
        raise checks.refuse(name, values, "one time at least")
    return ",".join(delay_time(name, cast("Duration", each)) for each in listed)


def _round_trips(run: object) -> "list[int | None]":
    found = cast("list[int | None]", cast("Run", run)["rtt_ns"].to_list())
    if not any(each is not None for each in found):
        raise ConfigError("a run without a reply is not usable: expected one with a round trip at least")
    return found
