"""What chance does to a number of pings, exactly: whole numbers until the last division."""

from math import comb


def exact(loss: str) -> tuple[int, int] | None:
    """Read the canonical text of a loss as a fraction; `None` when it is no plain probability."""
    text = loss.removeprefix("bernoulli:")
    if not text[:1].isdigit():
        return None
    from fractions import Fraction

    value = Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    return value.numerator, value.denominator


def chance(sent: int, lost: int, p: tuple[int, int]) -> dict[str, float]:
    """Say how many losses to expect, and how likely as many or more, and as many or fewer, are.

    >>> chance(10, 0, (4, 11))["at_most"] == (7 / 11) ** 10
    True
    >>> chance(2, 1, (1, 2))
    {'expected': 1.0, 'at_least': 0.75, 'at_most': 0.75}
    """
    part, whole = p
    ways = [comb(sent, k) * part**k * (whole - part) ** (sent - k) for k in range(sent + 1)]
    every = whole**sent
    return {
        "expected": sent * part / whole,
        "at_least": sum(ways[lost:]) / every,
        "at_most": sum(ways[: lost + 1]) / every,
    }
