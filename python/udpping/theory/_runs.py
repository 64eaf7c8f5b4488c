"""The time until so many losses in a row, if losses are independent: Feller's success runs."""

import math
import sys
from collections import deque
from fractions import Fraction
from itertools import islice
from typing import NamedTuple, overload

from udpping.theory._numbers import (
    duration,
    fits,
    like,
    over_arrays,
    probability,
    ratio,
    read_misses,
    whole,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from udpping._args.durations import Duration
    from udpping._args.grammar import LossLike
    from udpping.theory._numbers import Number

MOST_TRIALS = 10**18


@over_arrays
def expected_pings(misses: int, loss: "LossLike") -> "Number":
    """Expect so many pings until `misses` in a row are lost, the last of them counted.

    (1 - q^k) / ((1 - q) q^k), with q for `loss` (0 to 1) and k for `misses` (1 to 1000): Feller, An
    Introduction to Probability Theory and Its Applications, volume 1, XIII.7. `inf` when nothing is lost,
    and where a float does not reach. ConfigError beyond these ranges.

    >>> from udpping import theory
    >>> theory.expected_pings(3, "4/11")
    Fraction(1991, 64)
    >>> theory.expected_pings([1, 2, 3], 0.5)
    [2.0, 6.0, 14.0]
    """
    k, q = read_misses(misses), probability("loss", loss)
    if q in (0, 1):
        return like(Fraction(k), q) if q else math.inf
    lost, sent = q.as_integer_ratio()
    return ratio((sent**k - lost**k) * sent, (sent - lost) * lost**k, q)


@over_arrays
def pings_variance(misses: int, loss: "LossLike") -> "Number":
    """Give the variance of the number of pings until `misses` in a row are lost (pings squared).

    1 / (p q^k)^2 - (2k + 1) / (p q^k) - q / p^2, with p = 1 - q (Feller 1, XIII.7). Ranges as with
    `expected_pings`; `inf` when nothing is lost, and ConfigError for what cannot be used.

    >>> import math
    >>> from udpping import theory
    >>> round(math.sqrt(theory.pings_variance(3, "30%")), 2)
    49.28
    """
    k, q = read_misses(misses), probability("loss", loss)
    if q in (0, 1):
        return like(Fraction(0), q) if q else math.inf
    lost, sent = q.as_integer_ratio()
    often, always = (sent - lost) * lost**k, sent ** (k + 1)
    top = always**2 - (2 * k + 1) * always * often - lost ** (2 * k + 1) * sent
    return ratio(top, often**2, q)


@over_arrays
def run_within(sent: int, misses: int, loss: "LossLike") -> "Number":
    """Give the probability that, of `sent` pings, `misses` or more in a row are lost at least once.

    `sent` is 0 to 10^18, `misses` 1 to 1000, `loss` 0 to 1; else ConfigError. For a float the relative error
    is below 1e-11, and mostly near 1e-15, down to the least normal float, 2.2e-308; what is smaller may be 0
    (Feller 1, XIII.7: sums of positive terms, and far out his equation 7.11).

    >>> from udpping import theory
    >>> theory.run_within(10, 3, "4/11")
    Fraction(53755648, 214358881)
    >>> f"{theory.run_within(100, 3, 0.3):.4f}"
    '0.8639'
    >>> f"{theory.run_within(10**9, 3, 1e-9):.6g}"
    '1e-18'
    """
    n, k, q = whole("sent", sent, 0, MOST_TRIALS), read_misses(misses), probability("loss", loss)
    return within(n, k, q)


@over_arrays
def no_run_within(sent: int, misses: int, loss: "LossLike") -> "Number":
    """Give the probability that, of `sent` pings, never `misses` in a row are lost.

    It is 1 - `run_within`, with full accuracy where it is tiny. Ranges and errors as there.

    >>> from udpping import theory
    >>> f"{float(theory.no_run_within(1000, 3, '4/11')):.5g}"
    '1.0699e-15'
    """
    n, k, q = whole("sent", sent, 0, MOST_TRIALS), read_misses(misses), probability("loss", loss)
    return exactly_without(n, k, Fraction(q)) if fits(n, q) else _within(n, k, float(q)).missed


@over_arrays
def run_at(sent: int, misses: int, loss: "LossLike") -> "Number":
    """Give the probability that the first run of `misses` losses is complete with ping number `sent`.

    That is when a client that gives up then gives up. Ranges and errors as with `run_within` (Feller 1,
    XIII.7).

    >>> from udpping import theory
    >>> theory.run_at([2, 3, 4], 3, "1/2")
    [Fraction(0, 1), Fraction(1, 8), Fraction(1, 16)]
    """
    n, k, q = whole("sent", sent, 0, MOST_TRIALS), read_misses(misses), probability("loss", loss)
    if n <= k:
        answer = Fraction(q) ** k if n == k else Fraction(0)
        return like(answer, q)
    if fits(n, q):
        exact = Fraction(q)
        return (1 - exact) * exact**k * exactly_without(n - k - 1, k, exact)
    rate = float(q)
    return (1 - rate) * rate**k * _within(n - k - 1, k, rate).missed


@over_arrays
def pings_quantile(share: "float | str | Fraction", misses: int, loss: "LossLike") -> int | float:
    """Give the number of pings within which that `share` of all clients has seen `misses` losses in a row.

    The least n with `run_within(n, misses, loss) >= share`: 0.5 gives the median. `share` and `loss` are 0
    to 1, `misses` is 1 to 1000; else ConfigError. `inf` when it is never reached, and where a float does
    not reach; 16 digits are right where it is more than 10^15.

    >>> from udpping import theory
    >>> theory.pings_quantile([0.5, 0.9, 0.99], 3, "4/11")
    [22, 69, 136]
    """
    part, k, q = probability("share", share), read_misses(misses), probability("loss", loss)
    if part == 0:
        return 0
    n = _float_quantile(float(part), float(1 - part), k, float(q))
    if math.isinf(n) or not fits(int(n) + 1, q):
        return n
    # Rounding may put the float on the wrong side of a tie.
    exact, n = Fraction(q), int(n)
    if 1 - exactly_without(n - 1, k, exact) >= part:
        return n - 1
    return n if 1 - exactly_without(n, k, exact) >= part else n + 1


@over_arrays
def expected_wait(misses: int, loss: "LossLike", timeout: "Duration" = 1, rtt: "Duration" = 0) -> "Number":
    """Expect a client that gives up after `misses` losses in a row to do so after so many seconds.

    It sends the next ping as soon as the last is answered, after `rtt`, or given up, after `timeout` (both
    from 0; seconds, of which whole numbers and fractions are exact, or text such as `"200ms"`). So each
    of its pings costs loss x timeout + (1 - loss) x rtt on average, and by Wald's equation (Wald 1944)
    `expected_pings` times that in all. Ranges and errors as there.

    >>> from udpping import theory
    >>> theory.expected_wait(3, "4/11")
    Fraction(181, 16)
    """
    pings, q = expected_pings(misses, loss), probability("loss", loss)
    costs, answers = duration("timeout", timeout), duration("rtt", rtt)
    if isinstance(pings, float) and math.isinf(pings):
        return pings
    each = Fraction(q) * Fraction(costs) + (1 - Fraction(q)) * Fraction(answers)
    return like(Fraction(pings) * each, pings, q, costs, answers)


def within(n: int, k: int, q: "Number") -> "Number":
    """Compute the probability of k or more losses in a row within n pings, for any k from 1."""
    return 1 - exactly_without(n, k, Fraction(q)) if fits(n, q) else _within(n, k, float(q)).hit


# --- No run within n: exactly, in steps, and far out ---


@overload
def without_run(k: int, lost: int, kept: int, whole: int) -> "Iterator[int]": ...
@overload
def without_run(k: int, lost: float, kept: float, whole: float) -> "Iterator[float]": ...
def without_run(k: int, lost: float, kept: float, whole: float) -> "Iterator[float]":
    """Yield the probability of no run within 0, 1, 2, ... pings, times whole^n; lost + kept = whole.

    Fewer than k losses precede the first arrival, so Q_n = sum of p q^j Q_(n-1-j) for j < k. The shorter
    Q_n = Q_(n-1) - p q^k Q_(n-k-1) subtracts: in floats only error remains where q^n falls more slowly than
    Q_n. The sum is kept in two parts, so that a step costs the same for every k.
    """
    powers = [lost**i for i in range(k)]
    block = [whole**i for i in range(k)]
    yield from block
    while True:
        # `before` is what the last block adds to the sum at each position, `newer` what this one adds.
        before, older = block[:], lost * 0
        for i in reversed(range(k)):
            older += powers[k - 1 - i] * block[i]
            before[i] = older
        newer = lost * 0
        for i in range(k):
            block[i] = kept * (powers[i] * before[i] + newer)
            yield block[i]
            newer = lost * newer + block[i]


def exactly_without(n: int, k: int, q: Fraction) -> Fraction:
    """Compute the probability of no run within n exactly, however many digits it has."""
    if n < k or q in (0, 1):
        return Fraction(n < k or q == 0)
    lost, all_of_them = q.numerator, q.denominator
    ways = next(islice(without_run(k, lost, all_of_them - lost, all_of_them), n, None))
    return Fraction(ways, all_of_them**n)


class Chance(NamedTuple):
    """The probabilities of a run within n and of none, each accurate where it is tiny."""

    hit: float
    missed: float


def _within(n: int, k: int, q: float) -> Chance:
    if n < k or q**k == 0:
        return Chance(0.0, 1.0)
    far = far_out(k, q)
    return far.chance(n) if far and n >= far.begins else next(islice(steps(k, q), n, None), Chance(1.0, 0.0))


def steps(k: int, q: float) -> "Iterator[Chance]":
    """Yield the chances for 0, 1, 2, ... pings; end when that of no run is below the least normal float.

    Smaller floats have so few digits that a step may round them to what they were, and they never reach 0.
    """
    seen, total = deque[float](maxlen=k + 1), 0.0
    for n, missed in enumerate(without_run(k, q, 1 - q, 1.0)):
        if n < k:
            hit = 0.0
        else:
            total += seen[0] if n > k else 0.0
            hit = q**k * (1 + (1 - q) * total)
        if missed < sys.float_info.min:
            return
        yield Chance(1 - missed if missed < 0.5 else hit, missed)  # noqa: PLR2004 - the smaller one is accurate
        seen.append(missed)


class Far(NamedTuple):
    """After many pings, the chance of no run falls by a constant factor each (Feller 1, XIII.7, eq. 7.11)."""

    rate: float
    factor: float
    begins: float

    def chance(self, n: float) -> Chance:
        """Compute the chances within n pings, accurate to 16 digits when n is at least `begins`."""
        exponent = self.factor - n * self.rate
        return Chance(-math.expm1(exponent), math.exp(exponent))


def far_out(k: int, q: float) -> Far | None:
    """Solve d (1 - d)^k = p q^k for its smaller root: 1 - d is the factor. `None` if it does not dominate."""
    if not 0 < q < k / (k + 1):
        return None
    often = (1 - q) * q**k
    d, last = often, 0.0
    while d > last:  # Newton from below on a concave function: it grows until only rounding is left
        last, power = d, math.exp((k - 1) * math.log1p(-d))
        d -= (d * (1 - d) * power - often) / (power * (1 - (k + 1) * d))
    e = last / (1 - last)
    rate = math.log1p(e)
    # All other terms fall at least as fast as q^n; below e^-60 of this one they do not change a float.
    begins = k + 60 / (-rate - math.log(q))
    if k * e >= 1 or begins < 0:  # the roots coincide
        return None
    return Far(rate, math.log1p(-q / (1 - q) * e) - math.log1p(-k * e) - rate, begins)


def _float_quantile(share: float, rest: float, k: int, q: float) -> float:
    def reached(chance: Chance) -> bool:
        return chance.missed <= rest if rest < share else chance.hit >= share

    if q**k == 0 or (rest == 0 and q < 1):
        return math.inf
    far, n = far_out(k, q), 0
    for n, chance in enumerate(steps(k, q)):
        if reached(chance):
            return n
        if far and n >= far.begins:
            break
    if far is None or n < far.begins:  # no run has a probability of 0
        return n + 1
    wait = (far.factor - (math.log(rest) if rest < share else math.log1p(-share))) / far.rate
    if math.isinf(wait):
        return math.inf
    guess = math.ceil(wait)
    return next((n for n in (guess - 1, guess) if reached(far.chance(n))), guess + 1)
