"""What the theory says of k misses in a row is what detectors do, and what channels that are drawn do."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest
import udpping
from udpping import theory

pytestmark = pytest.mark.untimed


@pytest.mark.parametrize(("loss", "mean_run"), [("5%", None), ("20%", None), ("5%", 3), ("1%", 5)])
def test_false_alarms_of_detectors(loss: str, mean_run: float | None) -> None:
    table = udpping.compare_detectors(
        bursts(20 * 86_400, float(theory.binomial_mean(1, loss)), mean_run) if mean_run else loss,
        detectors=["chen:2.1s", "fixed:3"],
        delay="exponential:5ms",
        days=None if mean_run else 20,
        seed=1,
    )
    chen, fixed = table
    two, three = (float(theory.false_alarms_per_day(k, loss, mean_run)) for k in (2, 3))
    # Three standard deviations.
    for row, expected in ((chen, three), (fixed, (two + three) / 2)):
        assert row.mistakes_per_day is not None
        assert row.mistakes_per_day_high is not None
        assert abs(row.mistakes_per_day - expected) < 1.5 * (row.mistakes_per_day_high - row.mistakes_per_day)


def bursts(count: int, loss: float, mean_run: float) -> list[bool]:
    """Draw the losses of a Gilbert channel."""
    draw = random.Random(7)
    bad, marks = False, list[bool]()
    begins = loss / (1 - loss) / mean_run
    for _ in range(count):
        bad = draw.random() >= 1 / mean_run if bad else draw.random() < begins
        marks.append(bad)
    return marks


def test_bursts_of_the_mean_length_of_chance_are_no_bursts() -> None:
    q = Fraction(4, 11)
    for k in (1, 2, 3, 7):
        for function in (theory.false_alarms_per_day, theory.time_to_false_alarm, theory.detection_time):
            assert function(k, q) == function(k, q, mean_run=theory.run_length_mean(q))
        assert theory.time_to_false_alarm(k, q, interval=2) == 2 * theory.expected_pings(k, q)


def test_the_time_to_a_false_alarm_and_to_detection_in_bursts() -> None:
    marks = bursts(400_000, 0.2, 3)
    begins = [i for i in range(1, len(marks)) if marks[i] and not marks[i - 1]]
    first, waited = 0, list[int]()
    for i in begins:
        if all(marks[i : i + 4]):
            waited.append(i + 4 - first)
            first = next((j for j in range(i, len(marks)) if not marks[j]), len(marks)) + 1
    expected = float(theory.time_to_false_alarm(4, 0.2, mean_run=3))
    assert sum(waited) / len(waited) == pytest.approx(expected, rel=4 / math.sqrt(len(waited)))

    # A crash at a random moment: the losses just before it count.
    ends = [
        sum(1 for _ in itertools.takewhile(bool, reversed(marks[max(0, i - 4) : i])))
        for i in range(4, 400_000)
    ]
    mean = sum(max(0.0, 4 - before - 0.5) for before in ends) / len(ends)
    assert float(theory.detection_time(4, 0.2, mean_run=3)) == pytest.approx(mean, rel=0.01)
    assert theory.detection_time(3, "0", interval=10, timeout=2) == 27
    assert theory.longest_detection_time(3, interval=10, timeout=2) == 32
    assert theory.detection_time(3, 1) == 0


def test_a_model_of_bursts_says_both_numbers() -> None:
    burst, gilbert = udpping.loss.Burst("5%", 3), udpping.loss.GilbertElliott("1%", "25%")
    for misses in (1, 3):
        rate = theory.false_alarms_per_day(misses, "5%", 3)
        assert theory.false_alarms_per_day(misses, [burst, "burst:5%,3"]) == [rate] * 2
        channel = theory.gilbert("1%", "25%")
        for function in (theory.false_alarms_per_day, theory.time_to_false_alarm, theory.detection_time):
            assert function(misses, gilbert) == function(misses, *channel)
    assert theory.misses_needed(1, burst) == theory.misses_needed(1, "5%", 3)
    # Measured, fitted, and asked what three misses would cost there.
    fitted = udpping.fit(udpping.sim.ping(count=50_000, loss=burst, seed=1)).loss
    found = theory.false_alarms_per_day(3, fitted)
    assert found == pytest.approx(float(theory.false_alarms_per_day(3, burst)), rel=0.1)
    np = pytest.importorskip("numpy")
    several = np.array([1, 3])
    assert theory.false_alarms_per_day(several, burst) == pytest.approx(
        theory.false_alarms_per_day(several, 0.05, 3)
    )
    for refused in (udpping.loss.GilbertElliott("1%", "25%", loss_bad="50%"), "pattern:.x"):
        with pytest.raises(udpping.ConfigError, match="depend on each other"):
            theory.false_alarms_per_day(3, refused)
    with pytest.raises(udpping.ConfigError, match="depend on each other"):
        theory.false_alarms_per_day(3, burst, mean_run=3)


def test_misses_needed_is_the_least() -> None:
    for per_day, loss, mean_run in [(1, "5%", None), (0.01, 0.3, None), (1, "5%", 3), (10, "1%", 5)]:
        k = theory.misses_needed(per_day, loss, mean_run)
        assert theory.false_alarms_per_day(k, loss, mean_run) <= per_day
        assert theory.false_alarms_per_day(k - 1, loss, mean_run) > per_day
    assert theory.misses_needed(1, 0) == theory.misses_needed(1, 1) == 1
    assert theory.gilbert("1/10", "1/2") == (Fraction(1, 6), 2)
    assert theory.time_to_false_alarm(2, "10%", mean_run=1) == theory.time_to_false_alarm(2, 0) == math.inf
