"""The number of losses (binomial) and the length of a run of them (geometric), if they are independent."""

import math
from fractions import Fraction

from udpping.theory._numbers import fits, like, over_arrays, probability, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.grammar import LossLike
    from udpping.theory._numbers import Number

MOST_SENT = 10**12


@over_arrays
def binomial_pmf(lost: int, sent: int, loss: "LossLike") -> "Number":
    """Give the probability that exactly `lost` of `sent` pings are lost.

    C(n, x) q^x (1 - q)^(n - x). `sent` is 0 to 10^12 and `loss` 0 to 1, else ConfigError; a `lost` that is
    impossible has the probability 0. In floats by Loader's saddle point (Loader, Fast and Accurate
    Computation of Binomial Probabilities, 2000), which subtracts nothing that is nearly equal.

    >>> from udpping import theory
    >>> theory.binomial_pmf(3, 10, "30%")
    Fraction(66706983, 250000000)
    >>> theory.binomial_pmf([0, 1, 2], 2, 0.5)
    [0.25, 0.5, 0.25]
    """
    x, n, q = _read(lost, sent, loss)
    if not 0 <= x <= n:
        return like(Fraction(0), q)
    return _exact_sum(x, x, n, Fraction(q)) if fits(n, q) else pmf(x, n, float(q))


@over_arrays
def binomial_cdf(lost: int, sent: int, loss: "LossLike") -> "Number":
    """Give the probability that `lost` or fewer of `sent` pings are lost. Ranges as with `binomial_pmf`.

    >>> from udpping import theory
    >>> f"{float(theory.binomial_cdf(0, 10, '4/11')):.2%}"
    '1.09%'
    """
    x, n, q = _read(lost, sent, loss)
    if not 0 <= x < n:
        return like(Fraction(x >= n), q)
    return _exact_sum(0, x, n, Fraction(q)) if fits(n, q) else at_most(x, n, float(q))


@over_arrays
def binomial_tail(lost: int, sent: int, loss: "LossLike") -> "Number":
    """Give the probability that `lost` or more of `sent` pings are lost. Ranges as with `binomial_pmf`.

    It counts `lost` itself, so it is scipy's `binom.sf(lost - 1, sent, loss)`.

    >>> from udpping import theory
    >>> [f"{float(theory.binomial_tail(46, 100, loss)):.2%}" for loss in ("30%", "4/11")]
    ['0.05%', '3.01%']
    """
    x, n, q = _read(lost, sent, loss)
    if not 0 < x <= n:
        return like(Fraction(x <= 0), q)
    return _exact_sum(x, n, n, Fraction(q)) if fits(n, q) else at_least(x, n, float(q))


@over_arrays
def binomial_mean(sent: int, loss: "LossLike") -> "Number":
    """Expect so many of `sent` pings to be lost: n q. Ranges as with `binomial_pmf`.

    >>> from udpping import theory
    >>> theory.binomial_mean(10, "4/11")
    Fraction(40, 11)
    """
    _, n, q = _read(0, sent, loss)
    return like(n * Fraction(q), q)


@over_arrays
def binomial_variance(sent: int, loss: "LossLike") -> "Number":
    """Give the variance of the number of lost pings: n q (1 - q). Ranges as with `binomial_pmf`.

    >>> from udpping import theory
    >>> theory.binomial_variance(10, "30%")
    Fraction(21, 10)
    """
    _, n, q = _read(0, sent, loss)
    return like(n * Fraction(q) * (1 - Fraction(q)), q)


@over_arrays
def run_length_pmf(length: int, loss: "LossLike") -> "Number":
    """Give the probability that a run of losses, once begun, has exactly this `length`.

    (1 - q) q^(length - 1), the geometric distribution (Feller 1, VI.8): it ends with each next ping that
    arrives. `length` is 1 to 10^12 and `loss` 0 to 1, else ConfigError.

    >>> from udpping import theory
    >>> theory.run_length_pmf([1, 2, 3], "4/11")
    [Fraction(7, 11), Fraction(28, 121), Fraction(112, 1331)]
    """
    j, q = whole("length", length, 1, MOST_SENT), probability("loss", loss)
    if fits(j, q):
        return (1 - Fraction(q)) * Fraction(q) ** (j - 1)
    return float(1 - q) * float(q) ** (j - 1)


@over_arrays
def run_length_tail(length: int, loss: "LossLike") -> "Number":
    """Give the probability that a run of losses, once begun, is of this `length` or longer: q^(length - 1).

    Ranges, errors and source as with `run_length_pmf`.

    >>> from udpping import theory
    >>> theory.run_length_tail(3, "4/11")
    Fraction(16, 121)
    """
    j, q = whole("length", length, 1, MOST_SENT), probability("loss", loss)
    return Fraction(q) ** (j - 1) if fits(j, q) else float(q) ** (j - 1)


@over_arrays
def run_length_mean(loss: "LossLike") -> "Number":
    """Expect a run of losses, once begun, to be so long: 1 / (1 - q) pings; `inf` when all are lost.

    Longer runs than this, on average, are bursts. `loss` is 0 to 1, else ConfigError (Feller 1, IX.3).

    >>> from udpping import theory
    >>> theory.run_length_mean("4/11")
    Fraction(11, 7)
    """
    q = probability("loss", loss)
    return math.inf if q == 1 else like(1 / (1 - Fraction(q)), q)


@over_arrays
def run_length_variance(loss: "LossLike") -> "Number":
    """Give the variance of the length of a run of losses: q / (1 - q)^2 (pings squared).

    Ranges as with `run_length_mean`.

    >>> from udpping import theory
    >>> theory.run_length_variance("4/11")
    Fraction(44, 49)
    """
    q = probability("loss", loss)
    return math.inf if q == 1 else like(Fraction(q) / (1 - Fraction(q)) ** 2, q)


def _read(lost: int, sent: int, loss: "LossLike") -> "tuple[int, int, Number]":
    n, q = whole("sent", sent, 0, MOST_SENT), probability("loss", loss)
    return whole("lost", lost, -MOST_SENT, MOST_SENT), n, q


# --- Exactly ---


def weights(first: int, last: int, n: int, q: Fraction) -> list[int]:
    """List the probabilities of `first` to `last` of n lost, each times denominator^n; 0 < q < 1."""
    lost, kept = q.numerator, q.denominator - q.numerator
    found, weight = list[int](), math.comb(n, first) * lost**first * kept ** (n - first)
    for x in range(first, last + 1):
        found.append(weight)
        weight = weight * (n - x) * lost // ((x + 1) * kept)
    return found


def _exact_sum(first: int, last: int, n: int, q: Fraction) -> Fraction:
    if q in (0, 1):
        return Fraction(first <= n * q <= last)
    return Fraction(sum(weights(first, last, n, q)), q.denominator**n)


# --- In floats ---

FEW, MODERATE, TINY = 16, 1_000, 1e-290
LEAST_SHARE = 1e-18
"""A term below this share of a sum does not change its float."""


def pmf(x: int, n: int, q: float) -> float:
    """Compute the probability of x of n by Loader's saddle-point expansion; 0 <= x <= n."""
    p = 1 - q
    # The product has the smallest error, but underflows.
    if n <= MODERATE and min(q**x, p ** (n - x)) > TINY:
        return math.comb(n, x) * q**x * p ** (n - x)
    if x == 0:
        return math.exp(n * math.log1p(-q)) if q < 1 else float(n == 0)
    if x == n:
        return math.exp(n * math.log(q)) if q > 0 else 0.0
    if q in (0, 1):
        return 0.0
    exponent = _stirling(n) - _stirling(x) - _stirling(n - x) - _deviance(x, n * q) - _deviance(n - x, n * p)
    return math.exp(exponent) * math.sqrt(n / (math.tau * x * (n - x)))


def at_least(x: int, n: int, q: float) -> float:
    if x <= 0:
        return 1.0
    return 1 - _down(x - 1, n, q) if x <= n * q else _up(x, n, q)


def at_most(x: int, n: int, q: float) -> float:
    if x >= n:
        return 1.0
    return 1 - _up(x + 1, n, q) if x >= n * q else _down(x, n, q)


def _up(x: int, n: int, q: float) -> float:
    """Sum the probabilities of x and more, where they decrease."""
    total = term = pmf(x, n, q) if x <= n else 0.0
    odds = q / (1 - q) if q < 1 else 0.0
    while x < n and term > LEAST_SHARE * total:
        term *= (n - x) / (x + 1) * odds
        x += 1
        total += term
    return total


def _down(x: int, n: int, q: float) -> float:
    """Sum the probabilities of x and fewer, where they decrease."""
    total = term = pmf(x, n, q) if x >= 0 else 0.0
    odds = (1 - q) / q if q > 0 else 0.0
    while x > 0 and term > LEAST_SHARE * total:
        term *= x / (n - x + 1) * odds
        x -= 1
        total += term
    return total


def _stirling(n: int) -> float:
    """Compute log(n!) minus Stirling's approximation of it."""
    if n < FEW:
        return math.log(math.factorial(n) / math.sqrt(math.tau * n)) - n * math.log(n) + n
    m = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / m) / m) / m) / m) / n


def _deviance(x: int, mean: float) -> float:
    """Compute x log(x / mean) + mean - x, also where its terms nearly cancel."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * math.log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, power, i = (x - mean) * v, 2 * x * v, 1
    while True:
        power *= v * v
        i += 2
        if total + power / i == total:
            return total
        total += power / i
