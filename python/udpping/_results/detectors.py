"""`compare_detectors`: detectors side by side, in virtual time."""

from collections.abc import Iterable
from typing import NamedTuple

from udpping import _core
from udpping._args import checks
from udpping._args.durations import HEARTBEAT, seconds
from udpping._args.grammar import delay_text, detector_text, loss_text
from udpping._table.table import Table
from udpping.errors import ConfigError
from udpping.loss import Loss, Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction

    from udpping._args.durations import Duration
    from udpping._args.grammar import DelayLike
    from udpping._results.run import Run
    from udpping.detect import Detector

DETECTORS = ("fixed:3", "phi:8", "chen:2s", "2w-fd:2s", "calibrated:1 per 30 days")
"""What is compared by default."""


class DetectorRow(NamedTuple):
    """How one detector did. Times are whole nanoseconds; what cannot be known is `None`, never 0."""

    detector: str
    """Its text."""
    mistakes: int
    """How often it suspected the sender, which was well all the time."""
    mistakes_per_day: float | None
    """The same for each day that was observed."""
    mistakes_per_day_low: float | None
    """Lower end of the 95 % interval: the exact Poisson one (Garwood 1936), or wider if mistakes cluster.

    How much wider say 16 equal parts of the time: by the ratio of the variance of their counts to the mean.
    `None` where neighbouring parts resemble each other: then clusters are too long for the time observed.
    """
    mistakes_per_day_high: float | None
    """Upper end of it."""
    mistake_mean_ns: int | None
    """How long a mistake lasted, on average."""
    query_accuracy: float | None
    """The share of the time in which it was right."""
    detection_median_ns: int | None
    """From a crash to its suspicion, the median over the crashes that were tried."""
    detection_max_ns: int | None
    """The longest time from a crash to its suspicion."""
    promised_per_day: float | None
    """The false alarms that a calibrated detector promises."""
    foretold_per_day: float | None
    """Those it expects at the end, by what it has seen: more than promised if 60 intervals are too few."""
    foretold_ns: int | None
    """How long it waits, at the end, from when a heartbeat should arrive until it suspects the sender.

    A crash just after a heartbeat was sent is noticed after this and the time that the heartbeat takes.
    """
    oracle_median_ns: int | None
    """What `detection_median_ns` would be with the shortest constant silence that keeps the promise.

    It is found afterwards, from all heartbeats: no detector can know it. `None` without a promise.
    """
    observed_ns: int
    """From the first arrival to the end."""


class Comparison(Table[DetectorRow]):
    """A row for each detector, and the seed that repeats it."""

    __slots__ = ("seed",)
    _row = DetectorRow._make

    def __init__(self, core: "_core.Table", seed: int) -> None:
        super().__init__(core)
        self.seed = seed
        """The seed in force."""


def compare_detectors(
    trace: "Run | Iterable[bool] | str | float | Fraction | Loss",
    *,
    detectors: "Iterable[str | Detector]" = DETECTORS,
    interval: "Duration" = 1.0,
    delay: "DelayLike" = 0,
    days: float | None = None,
    crashes: int = 1000,
    seed: int | None = None,
) -> Comparison:
    """Let detectors follow the same heartbeats: how often each is wrong, how soon it notices a crash.

    `trace` says which heartbeats are lost: a run with one target, or one bool for each heartbeat (`True`:
    lost). It may also be a loss model as `udpping.Server` takes it, for so many `days`, 1 unless given. A
    trace has its own length. Heartbeats leave every `interval` (1 ms to a day) and take `delay`, drawn anew
    also for a run. The sender never stops, so each suspicion is a mistake; `crashes` (1 to 100,000) are tried
    beside that, spread over the run. `seed=None` draws one. 46 days at one heartbeat a second take some
    seconds for each detector. Raises ConfigError, and KeyboardInterrupt on Ctrl-C.

    >>> import udpping
    >>> table = udpping.compare_detectors(
    ...     "10%", delay="exponential:5ms", days=10, seed=1, detectors=["fixed:3", "calibrated:10 per day"]
    ... )
    >>> fixed, calibrated = table
    >>> fixed.mistakes_per_day > 300
    True
    >>> 5 < calibrated.mistakes_per_day_low < 10 < calibrated.mistakes_per_day_high < 20
    True
    """
    if isinstance(trace, (str, Loss)) or not isinstance(trace, Iterable):
        loss = loss_text(trace)
        days = 1.0 if days is None else days
    elif days is not None:
        raise ConfigError(f"days {days!r} is not usable: expected none, as a trace has its own length")
    else:
        loss = str(Trace(trace))
    texts = [
        detector_text(each)
        for each in checks.items("detectors", detectors, "texts or detectors, such as ['fixed:3']")
    ]
    if isinstance(detectors, str) or not texts:
        raise checks.refuse("detectors", detectors, "one at least, in a list such as ['fixed:3']")
    table, seed_in_force = _core.sim_detectors(
        texts,
        loss=loss,
        delay=delay_text(delay),
        interval=seconds("interval", interval, HEARTBEAT),
        days=None if days is None else checks.number("days", days),
        crashes=checks.whole("crashes", crashes),
        seed=None if seed is None else checks.any_whole("seed", seed),
    )
    return Comparison(table, seed_in_force)
