"""Numbers that the course and two solutions state for random losses, beside the correct ones."""

from fractions import Fraction
from typing import NamedTuple

from udpping.theory._counts import binomial_tail
from udpping.theory._runs import expected_pings, no_run_within, pings_quantile, run_within
from udpping.theory._samples import sample_size

THIRTY, COURSE = Fraction(3, 10), Fraction(4, 11)


class Claim(NamedTuple):
    """A number that somebody gives, beside the right one."""

    source: str
    """Who says it: `book` is the course's text, `slides` and `report` are known solutions (docs/lab.md)."""
    claim: str
    """What they say."""
    said: "Fraction | int"
    """Their number."""
    right: "Fraction | float | int"
    """The right one, for the loss of the program that they speak of."""
    why: str
    """Where the difference comes from."""

    def __repr__(self) -> str:
        said, right = _shown(self.said), _shown(self.right)
        return f"{self.source}: {self.claim}\n    said {said}, right {right}: {self.why}"


def claims() -> list[Claim]:
    """List what the course and two known solutions say about chance, and what is right, each worked out.

    docs/theory.md goes through them one by one. The program of `slides` draws `randint(1, 10) < 4` and loses
    3/10, the others draw `randint(0, 10) < 4` and lose 4/11.

    >>> from udpping import theory
    >>> print(theory.claims()[1])
    slides: three losses in a row within 10 pings
        said 0.027, right 0.15512: 0.3^3 is the chance for one given triple; there are eight places for it
    >>> [float(round(claim.right, 2)) for claim in theory.claims() if claim.said == 174]
    [51.48]
    """
    return [
        Claim(
            "book",
            "the share of packets that the server loses",
            THIRTY,
            COURSE,
            "randint(0, 10) draws eleven numbers, and four of them are below 4;"
            f" it takes {sample_size(THIRTY, COURSE)} pings to notice",
        ),
        Claim(
            "slides",
            "three losses in a row within 10 pings",
            Fraction("0.027"),
            run_within(10, 3, THIRTY),
            "0.3^3 is the chance for one given triple; there are eight places for it",
        ),
        Claim(
            "slides",
            "three losses in a row within 100 pings",
            Fraction("0.7903"),
            run_within(100, 3, THIRTY),
            "no formula is given, and none that we know leads there",
        ),
        Claim(
            "slides",
            "three losses in a row within 1000 pings",
            Fraction("0.9999"),
            run_within(1000, 3, THIRTY),
            f"right, to the digits shown: {float(no_run_within(1000, 3, THIRTY)):.1e} is missing to 1",
        ),
        Claim(
            "slides",
            "pings until three losses in a row, on average",
            174,
            expected_pings(3, THIRTY),
            "their recurrence has 2/p and the loss for p; it is E(n) = (E(n - 1) + 1) / loss",
        ),
        Claim(
            "slides",
            "pings that surely have three losses in a row",
            1000,
            pings_quantile(Fraction(99, 100), 3, THIRTY),
            "99 of 100 clients need no more",
        ),
        Claim(
            "report",
            "losses among 100 pings that are no reason to doubt the 30 %",
            46,
            _largest_unsuspicious(100, THIRTY),
            f"at 30 % as many come in {100 * float(binomial_tail(46, 100, THIRTY)):.2f} % of all runs,"
            f" at 4/11 in {100 * float(binomial_tail(46, 100, COURSE)):.1f} %",
        ),
        Claim(
            "report",
            "the server is down within 50 pings on average",
            50,
            expected_pings(3, COURSE),
            f"half of all runs are down within {pings_quantile(Fraction(1, 2), 3, COURSE)}, and within 50"
            f" it is {100 * float(run_within(50, 3, COURSE)):.0f} %: 50 is no average and no bound",
        ),
        Claim(
            "report",
            "100 pings pass without three losses in a row, on different machines",
            1,
            no_run_within(100, 3, COURSE),
            "it did once, and that was luck: what the server draws does not depend on the machine",
        ),
    ]


def _largest_unsuspicious(sent: int, loss: Fraction) -> int:
    """Find the largest number of losses that `explain` finds consistent at 5 %."""
    from udpping.theory._explain import explain

    return max(lost for lost in range(sent + 1) if explain((sent, lost), loss).consistent)


def _shown(number: "Fraction | float | int") -> str:
    if isinstance(number, int):
        return str(number)
    return f"{float(number):.10f}" if 0.9999 < number < 1 else f"{float(number):.5g}"  # noqa: PLR2004 - would print as 1
