"""False alarms and detection time of a detector that waits for so many misses in a row."""

import math
from fractions import Fraction
from typing import NamedTuple

from udpping._args import checks
from udpping._args.loss_model import loss_model
from udpping.loss import Loss
from udpping.theory._numbers import (
    LARGEST_MISSES,
    duration,
    like,
    over_arrays,
    positive,
    probability,
    read_misses,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.durations import Duration
    from udpping._args.grammar import LossLike
    from udpping.theory._numbers import Number

DAY = 86_400


class Bursts(NamedTuple):
    """Losses that come in runs: how many pings are lost, and how many of these follow each other."""

    loss: "Fraction | float"
    """The share of all pings that is lost, from 0 to 1."""
    mean_run: "Fraction | float"
    """The mean length of a run of losses, in pings."""


def gilbert(p: "LossLike", r: "LossLike") -> Bursts:
    """Turn the two numbers of a Gilbert channel into the loss and the mean length of its runs.

    The channel goes from good to bad with the probability `p` at each ping and back with `r`; when bad it
    loses everything, when good nothing (Gilbert, Capacity of a Burst-Noise Channel, 1960, with h = 0). So
    the loss is p / (p + r), and its runs have a mean of 1 / r. Both are above 0, up to 1; else ConfigError.

    >>> from udpping import theory
    >>> theory.gilbert("1/99", "1/5")
    Bursts(loss=Fraction(5, 104), mean_run=Fraction(5, 1))
    >>> theory.false_alarms_per_day(3, *theory.gilbert(0.01, 0.2)) > 500
    True
    """
    into, back = probability("p", p), probability("r", r)
    for name, given, found in (("p", p, into), ("r", r, back)):
        if found == 0:
            raise checks.refuse(name, given, "a probability above 0")
    share = Fraction(into) / (Fraction(into) + Fraction(back))
    return Bursts(like(share, into, back), like(1 / Fraction(back), back))


@over_arrays
def false_alarms_per_day(
    misses: int,
    loss: "LossLike",
    mean_run: "float | Fraction | None" = None,
    interval: "Duration | Fraction" = 1,
) -> "Number":
    """Expect so many false alarms a day: runs of `misses` or more losses, from a healthy sender.

    It sends one heartbeat each `interval` (above 0; seconds, or text such as `"200ms"`); `misses` is 1 to
    1000 and `loss` 0 to 1. A run begins after a heartbeat that arrives and goes on:
    86400 / interval x (1 - q) q^k. With `mean_run` losses come in bursts of so many on average (see
    `gilbert`): 86400 / interval x q r (1 - r)^(k - 1), with
    r = 1 / mean_run. It is at least 1 and at least loss / (1 - loss), or no channel has that loss. A model
    says both: `udpping.loss.Burst`, or a `GilbertElliott` that loses all when bad. ConfigError beyond these
    ranges.

    A run is one alarm, however long it is. It takes a deadline with room for the delay: `misses` intervals
    and a bit. `udpping.detect.Fixed(3)` has none, so a third heartbeat is as often too late as not, and its
    false alarms are the mean of those for 2 and for 3 misses.

    >>> from udpping import theory
    >>> theory.false_alarms_per_day(3, "5%")
    Fraction(513, 50)
    >>> theory.false_alarms_per_day(3, "5%", mean_run=3), theory.false_alarms_per_day(3, "burst:5%,3")
    (Fraction(640, 1), Fraction(640, 1))
    """
    k, channel = read_misses(misses), _channel(loss, mean_run)
    seconds = duration("interval", interval, above=True)
    return like(_often(k, channel) * DAY / Fraction(seconds), *channel.given, seconds)


@over_arrays
def time_to_false_alarm(
    misses: int,
    loss: "LossLike",
    mean_run: "float | Fraction | None" = None,
    interval: "Duration | Fraction" = 1,
) -> "Number":
    """Expect so many seconds from a heartbeat that arrives to the first false alarm.

    Without bursts that is `expected_pings` x `interval`. With them it is, in intervals, (1 / p +
    (1 - (1 - r)^(k - 1)) / r) / (1 - r)^(k - 1). Here p = r q / (1 - q) is the probability that a run begins.
    So a run begins after 1 / p pings on average, and one in 1 / (1 - r)^(k - 1) gets that long. Ranges and
    errors as with `false_alarms_per_day`; `inf` when it never comes.

    >>> from udpping import theory
    >>> theory.time_to_false_alarm(3, "5%"), theory.time_to_false_alarm(3, "5%", mean_run=3)
    (Fraction(8420, 1), Fraction(132, 1))
    """
    k, channel = read_misses(misses), _channel(loss, mean_run)
    seconds = duration("interval", interval, above=True)
    gets_there = channel.stays ** (k - 1)
    if channel.begins == 0 or gets_there == 0:
        return math.inf
    pings = (1 / channel.begins + _powers(k - 1, channel.stays)) / gets_there
    return like(pings * Fraction(seconds), *channel.given, seconds)


@over_arrays
def detection_time(
    misses: int,
    loss: "LossLike" = 0,
    mean_run: "float | Fraction | None" = None,
    interval: "Duration | Fraction" = 1,
    timeout: "Duration | Fraction" = 0,
) -> "Number":
    """Expect a crash to be noticed so many seconds after it happened, at any moment.

    The last of the `misses` is noticed `timeout` seconds (from 0) after it was due. Half an interval passes,
    on average, from the crash to the first heartbeat that is missing; losses just before the crash count as
    well and so make it shorter, down to 0 when there were enough. With s = q, or 1 - 1 / mean_run in bursts:
    interval x (k - q (1 - s^k) / (1 - s) - (1 - q s^(k - 1)) / 2) + timeout x (1 - q s^(k - 1)). A k-th loss
    whose timeout still runs at the crash is taken as noticed, so with a `timeout` the answer is too short, by
    timeout x q s^(k - 1) at most. The other arguments, their ranges and errors are those of
    `false_alarms_per_day`. It is the T_D of Chen, Toueg and Aguilera (2002).

    >>> from udpping import theory
    >>> theory.detection_time(3), theory.detection_time(3, interval="10s", timeout=1)
    (Fraction(5, 2), Fraction(26, 1))
    >>> f"{theory.detection_time(3, 0.2):.3f}"
    '2.256'
    """
    k, channel = read_misses(misses), _channel(loss, mean_run)
    seconds, late = duration("interval", interval, above=True), duration("timeout", timeout)
    not_yet = 1 - channel.loss * channel.stays ** (k - 1)
    intervals = k - channel.loss * _powers(k, channel.stays) - not_yet / 2
    answer = intervals * Fraction(seconds) + not_yet * Fraction(late)
    return like(answer, *channel.given, seconds, late)


@over_arrays
def longest_detection_time(
    misses: int, interval: "Duration | Fraction" = 1, timeout: "Duration | Fraction" = 0
) -> "Number":
    """Give the longest time in seconds in which a crash is noticed: misses x interval + timeout.

    That is for a crash just after a heartbeat that arrives. Ranges and errors as with `detection_time`.

    >>> from udpping import theory
    >>> theory.longest_detection_time([2, 3, 5], interval=10, timeout=1)
    [Fraction(21, 1), Fraction(31, 1), Fraction(51, 1)]
    """
    k, seconds = read_misses(misses), duration("interval", interval, above=True)
    late = duration("timeout", timeout)
    return like(k * Fraction(seconds) + Fraction(late), seconds, late)


@over_arrays
def misses_needed(
    per_day: "float | Fraction",
    loss: "LossLike",
    mean_run: "float | Fraction | None" = None,
    interval: "Duration | Fraction" = 1,
) -> int:
    """Say how many misses in a row to wait for, to have at most `per_day` false alarms a day (above 0).

    The least k with `false_alarms_per_day(k, ...) <= per_day`; the other arguments are those there. More
    than 1000 are refused, as is what cannot be used: ConfigError.

    >>> from udpping import theory
    >>> theory.misses_needed(1 / 30, "1%"), theory.misses_needed(1 / 30, "1%", mean_run=5)
    (4, 40)
    """
    most, channel = positive("per_day", per_day, "false alarms a day,"), _channel(loss, mean_run)
    seconds = duration("interval", interval, above=True)
    rate = _often(1, channel) * DAY / Fraction(seconds)
    for k in range(1, LARGEST_MISSES + 1):
        if rate <= most:
            return k
        rate *= channel.stays
    raise checks.refuse("per_day", per_day, f"false alarms that {LARGEST_MISSES:,} misses keep rare enough")


class Channel(NamedTuple):
    """The probabilities of a loss, exactly, and the arguments that they were made from."""

    loss: Fraction
    begins: Fraction
    stays: Fraction
    given: "tuple[Number, ...]"


def _channel(loss: "LossLike", mean_run: "float | Fraction | None") -> Channel:
    if mean_run is None and isinstance(loss, (str, Loss)):
        loss, mean_run = _of_model(loss)
    q = probability("loss", loss)
    share = Fraction(q)
    if mean_run is None:
        return Channel(share, share, share, (q,))
    run = positive("mean_run", mean_run, "a mean number of losses in a row,")
    if share == 1:
        raise checks.refuse("mean_run", mean_run, "none, as everything is lost")
    least = max(Fraction(1), share / (1 - share))
    if run < least:
        raise checks.refuse("mean_run", mean_run, f"{float(least):.6g} or more, which that loss takes")
    ends = 1 / Fraction(run)
    return Channel(share, ends * share / (1 - share), 1 - ends, (q, run))


def _of_model(loss: "str | Loss") -> "tuple[LossLike, Fraction | None]":
    """Read loss and mean run from a model of bursts whose bad state loses all; return others as they are."""
    given = loss_model(loss).parameters
    if "mean_run" in given:
        return given["loss"], given["mean_run"]
    if given and given["loss_good"] == 0 and given["loss_bad"] == 1:
        channel = gilbert(str(given["p"]), str(given["r"]))
        return channel.loss, Fraction(channel.mean_run)
    return loss, None


def _often(k: int, channel: Channel) -> Fraction:
    """Compute the probability that a heartbeat is the first of a run of k or more losses."""
    return channel.loss * (1 - channel.stays) * channel.stays ** (k - 1)


def _powers(k: int, s: Fraction) -> Fraction:
    """Sum the first k terms of 1 + s + s^2 + ..."""
    return (1 - s**k) / (1 - s) if s < 1 else Fraction(k)
