"""How long a server holds a reply back: models for `Server(delay=...)`.

A number is seconds and text carries its unit: `delay=0.05` and `delay="50ms"` mean `Fixed`, and so does a
`timedelta`. The models below take their times in the same forms. Since `delay=50` is likely meant in
milliseconds, a number from 10 on needs a unit: `"50ms"` or `"50s"`. A reply that is held back holds up
nobody else. Times go from 0 to 1 hour, in steps of a nanosecond; anything else raises ConfigError. The delays
of a seed are the same in every later version.
"""

from udpping import _core
from udpping._args import checks
from udpping._args.grammar import decimals, delay_time
from udpping._args.streams import DelayStream
from udpping._args.text_model import TextModel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.durations import Duration

__all__ = ["Delay", "Exponential", "Fixed", "Gamma", "LogNormal", "Normal", "Pareto", "Uniform", "Weibull"]


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

    def __init__(self, low: "Duration", high: "Duration") -> None:
        super().__init__(f"uniform:{delay_time('low', low)},{delay_time('high', high)}")


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

    def __init__(self, mean: "Duration", *, base: "Duration" = 0.0) -> None:
        super().__init__(f"exponential:{delay_time('mean', mean)},base={delay_time('base', base)}")


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

    def __init__(self, median: "Duration", sigma: float, *, base: "Duration" = 0.0) -> None:
        # A time of 0 goes with any number, so it is the number alone that is refused here and below.
        form, expected = "lognormal:median=0,sigma={}", "0 to 80, the standard deviation of the logarithm"
        spread = decimals("sigma", sigma, checks.number("sigma", sigma), form, expected)
        times = f"median={delay_time('median', median)},sigma={spread}"
        super().__init__(f"lognormal:{times},base={delay_time('base', base)}")


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

    def __init__(self, mean: "Duration", shape: float, *, base: "Duration" = 0.0) -> None:
        form, expected = "gamma:mean=0,shape={}", "0.1 to 1000; 1 is exponential"
        steps = decimals("shape", shape, checks.number("shape", shape), form, expected)
        times = f"mean={delay_time('mean', mean)},shape={steps}"
        super().__init__(f"gamma:{times},base={delay_time('base', base)}")


class Normal(Delay):
    """Normally distributed, `mean` on average, with a standard deviation of `sigma` (0 to 1 hour both).

    What would be below 0 is 0; with a mean of 3 `sigma` that is one delay in 740.

    >>> import udpping
    >>> run = udpping.sim.ping(count=10_000, delay=udpping.delay.Normal(0.04, "5ms"), seed=1)
    >>> 39_800_000 < run.summary.rtt_avg_ns < 40_200_000, 4_900_000 < run.summary.rtt_stddev_ns < 5_100_000
    (True, True)
    """

    __slots__ = ()

    def __init__(self, mean: "Duration", sigma: "Duration") -> None:
        super().__init__(f"normal:mean={delay_time('mean', mean)},sigma={delay_time('sigma', sigma)}")


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

    def __init__(self, scale: "Duration", shape: float, *, base: "Duration" = 0.0) -> None:
        super().__init__(_scaled("pareto", scale, shape, base))


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

    def __init__(self, scale: "Duration", shape: float, *, base: "Duration" = 0.0) -> None:
        super().__init__(_scaled("weibull", scale, shape, base))


def _scaled(kind: str, scale: "Duration", shape: float, base: "Duration") -> str:
    form = f"{kind}:scale=0,shape={{}}"
    steps = decimals("shape", shape, checks.number("shape", shape), form, "0.1 to 1000")
    return f"{kind}:scale={delay_time('scale', scale)},shape={steps},base={delay_time('base', base)}"
