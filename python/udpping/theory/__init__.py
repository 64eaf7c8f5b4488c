"""What chance does to pings, exactly: losses in a row, losses in all, and how many pings show a difference.

Losses are independent of each other with the probability `loss` (where bursts are possible, `mean_run`
says so). A loss that is exact (`"4/11"`, `"30%"`, a `Fraction`, a whole number, a model of `udpping.loss`)
gives exact answers, as `fractions.Fraction`; a float gives a float, with full accuracy also where it is tiny.
An exact answer of more than 4000 digits is given as a float too.

Every function that gives a number takes sequences as well and gives a list; sequences of one length go
together, value by value. numpy's arrays are broadcast and give arrays of floats. Whatever cannot be used
raises ConfigError. Where losses may come in bursts, a model of them says both numbers (`"burst:5%,3"`).

>>> from udpping import theory
>>> theory.expected_pings(3, ["4/11", "30%", 0.3])
[Fraction(1991, 64), Fraction(1390, 27), 51.48148148148149]
"""

from udpping.theory._claims import Claim, claims
from udpping.theory._counts import (
    binomial_cdf,
    binomial_mean,
    binomial_pmf,
    binomial_tail,
    binomial_variance,
    run_length_mean,
    run_length_pmf,
    run_length_tail,
    run_length_variance,
)
from udpping.theory._explain import Explanation, explain
from udpping.theory._misses import (
    Bursts,
    detection_time,
    false_alarms_per_day,
    gilbert,
    longest_detection_time,
    misses_needed,
    time_to_false_alarm,
)
from udpping.theory._runs import (
    expected_pings,
    expected_wait,
    no_run_within,
    pings_quantile,
    pings_variance,
    run_at,
    run_within,
)
from udpping.theory._samples import power, sample_size

__all__ = [
    "Bursts",
    "Claim",
    "Explanation",
    "binomial_cdf",
    "binomial_mean",
    "binomial_pmf",
    "binomial_tail",
    "binomial_variance",
    "claims",
    "detection_time",
    "expected_pings",
    "expected_wait",
    "explain",
    "false_alarms_per_day",
    "gilbert",
    "longest_detection_time",
    "misses_needed",
    "no_run_within",
    "pings_quantile",
    "pings_variance",
    "power",
    "run_at",
    "run_length_mean",
    "run_length_pmf",
    "run_length_tail",
    "run_length_variance",
    "run_within",
    "sample_size",
    "time_to_false_alarm",
]


def __dir__() -> list[str]:
    return __all__
