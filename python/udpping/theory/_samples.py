"""The number of pings that it takes to distinguish two losses, and the exact test of one loss."""

import math
from fractions import Fraction

from udpping._args import checks
from udpping.theory._counts import at_least, at_most, pmf, weights
from udpping.theory._numbers import fits, number, over_arrays, probability, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping._args.grammar import LossLike
    from udpping.theory._numbers import Number

MOST_TRIED = 100_000
"""The most pings for which the power of the test is computed exactly."""
METHODS = ("normal", "continuity", "exact")
SAME = 1 + 1e-7
"""Probabilities up to this factor apart count as equal, as in R's `binom.test` and scipy's `binomtest`."""


@over_arrays
def sample_size(
    loss: "LossLike", other: "LossLike", *, alpha: float = 0.05, power: float = 0.8, method: str = "normal"
) -> int:
    """Say how many pings it takes to notice that the loss is `other` and not `loss`.

    The two-sided test of `loss` at the level `alpha` then refuses it with the probability `power` at least,
    when `other` is true. `method` is

    * `"normal"`: ((z(1 - alpha/2) sd(loss) + z(power) sd(other)) / difference)^2, rounded up, the textbook's
      approximation (Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003, 2.5);
    * `"continuity"`: the same with the correction for continuity (there as well), which is cautious;
    * `"exact"`: the exact binomial test, that of `explain`. Its power goes up and down as pings are added,
      for losses are whole; this is the number from which on it never falls short again.

    By the first two, a one-sided test needs what the two-sided one does at twice its `alpha`.
    `loss` and `other` are between 0 and 1 and differ, `alpha` and `power` lie between 0 and 1; so many pings
    that the exact ones would be over 100,000 are refused. ConfigError for all that.

    >>> from udpping import theory
    >>> [theory.sample_size("30%", "4/11", method=m) for m in ("normal", "continuity", "exact")]
    [420, 435, 441]
    >>> theory.sample_size(0.01, [0.02, 0.05])
    [979, 90]
    """
    p, q = float(probability("loss", loss)), float(probability("other", other))
    least, wanted = level("alpha", alpha), level("power", power)
    if p == q or p in (0, 1):
        expected = "a loss between 0 and 1, and another one" if p in (0, 1) else "a loss other than `loss`"
        raise checks.refuse("loss" if p in (0, 1) else "other", loss if p in (0, 1) else other, expected)
    if method not in METHODS:
        raise checks.refuse("method", method, " or ".join(map(repr, METHODS)))
    n = _normal_size(p, q, least, wanted)
    if math.isinf(n):
        raise checks.refuse("other", other, "a loss that differs more from `loss`")
    if method == "normal":
        return math.ceil(n)
    corrected = n / 4 * (1 + math.sqrt(1 + 2 / (n * abs(p - q)))) ** 2
    if method == "continuity":
        return math.ceil(corrected)
    # A step of the critical number changes the power by about 0.4 / sd, as about 2 sqrt(n) more pings do.
    above = math.ceil(corrected + 10 * math.sqrt(corrected) + 50)
    if above > MOST_TRIED:
        raise checks.refuse("other", other, f"a loss that {MOST_TRIED:,} pings tell from `loss`")
    return next((n + 1 for n in range(above, 0, -1) if _power(n, p, q, least) < wanted), 1)


@over_arrays
def power(sent: int, loss: "LossLike", other: "LossLike", *, alpha: float = 0.05) -> float:
    """Give the probability that `sent` pings show that the loss is not `loss`, when it is `other`.

    Exactly, of the two-sided binomial test at the level `alpha` (between 0 and 1) that `explain` makes, up
    to rounding of floats. With `other` equal to `loss` it is the probability of a false alarm, `alpha` at
    most. `sent` is 1 to 100,000, the losses are 0 to 1; else ConfigError.

    >>> from udpping import theory
    >>> [round(theory.power(sent, "30%", "4/11"), 3) for sent in (10, 100, 420, 441)]
    [0.043, 0.256, 0.798, 0.81]
    """
    n = whole("sent", sent, 1, MOST_TRIED)
    p, q = float(probability("loss", loss)), float(probability("other", other))
    return _power(n, p, q, level("alpha", alpha))


def p_value(lost: int, sent: int, q: "Number") -> "Number":
    """Compute the probability of all numbers of losses that are no likelier than `lost`, when the loss is q.

    This is the two-sided p-value by minimum likelihood (one of those in Blaker 2000), as in R's `binom.test`
    and scipy's `binomtest`.
    """
    if fits(sent, q):
        exact = Fraction(q)
        if exact in (0, 1):
            return Fraction(lost == sent * exact)
        ways = weights(0, sent, sent, exact)
        return Fraction(sum(way for way in ways if way <= ways[lost]), exact.denominator**sent)
    rate = float(q)
    limit = pmf(lost, sent, rate) * SAME
    if lost == (mode := min(int((sent + 1) * rate), sent)):
        return 1.0
    if lost > mode:
        far = _last(0, mode + 1, lambda x: pmf(x, sent, rate) <= limit)
        return min(1.0, at_least(lost, sent, rate) + (at_most(far, sent, rate) if far >= 0 else 0.0))
    far = sent - _last(0, sent - mode + 1, lambda x: pmf(sent - x, sent, rate) <= limit)
    return min(1.0, at_most(lost, sent, rate) + (at_least(far, sent, rate) if far <= sent else 0.0))


def level(name: str, value: object) -> float:
    found = float(number(name, value, "a probability between 0 and 1"))
    if not 0 < found < 1:
        raise checks.refuse(name, value, "a probability between 0 and 1")
    return found


def two_sided(alpha: float) -> float:
    """Compute how many standard deviations a normal variable exceeds, either way, with probability alpha."""
    from statistics import NormalDist

    # The lower tail, as 1 - alpha / 2 rounds to 1 for a small alpha; half of the least float is 0.
    return -NormalDist().inv_cdf(alpha / 2 or alpha)


def _normal_size(p: float, q: float, alpha: float, power: float) -> float:
    from statistics import NormalDist

    wanted = NormalDist().inv_cdf(power)
    spread = two_sided(alpha) * math.sqrt(p * (1 - p)) + wanted * math.sqrt(q * (1 - q))
    # Below 0, the test refuses a true loss more often than `power`.
    ratio = max(0.0, spread) / (p - q)
    return max(1.0, ratio * ratio)


def _last(first: int, end: int, holds: "Callable[[int], bool]") -> int:
    """Find the last number in `first..end` for which `holds`, as for all before it; first - 1 if for none."""
    while first < end:
        middle = (first + end) // 2
        if holds(middle):
            first = middle + 1
        else:
            end = middle
    return first - 1


def _power(n: int, p: float, q: float, alpha: float) -> float:
    low, high = _refused(n, p, alpha)
    return (at_most(low, n, q) if low >= 0 else 0.0) + (at_least(high, n, q) if high <= n else 0.0)


def _refused(n: int, p: float, alpha: float) -> tuple[int, int]:
    """Find the critical numbers: the test refuses losses up to the first, and from the second on.

    It refuses the least likely numbers first, while their probabilities add up to alpha at most.
    """
    mode = min(int((n + 1) * p), n)
    low, high = _around(mode, n, p, alpha * 1e-17)
    spent = 0.0
    while True:
        below, above = len(low), len(high)
        limit = min(low[-1] if low else math.inf, high[-1] if high else math.inf) * SAME
        while low and low[-1] <= limit:
            spent += low.pop()
        while high and high[-1] <= limit:
            spent += high.pop()
        if spent > alpha or not (low or high):
            return mode - below - 1, mode + above


def _around(mode: int, n: int, p: float, least: float) -> tuple[list[float], list[float]]:
    """List the probabilities below the mode and from it on, each outwards, while they are above `least`."""
    top = pmf(mode, n, p)
    low, high = list[float](), [top]
    odds = p / (1 - p) if p < 1 else math.inf
    term, x = top, mode
    while x > 0 and (term := term * x / (n - x + 1) / odds) > least:
        low.append(term)
        x -= 1
    term, x = top, mode
    while x < n and (term := term * (n - x) / (x + 1) * odds) > least:
        high.append(term)
        x += 1
    return low, high
