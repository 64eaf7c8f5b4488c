"""What `theory.explain` makes of losses that come in bursts."""

from __future__ import annotations

import math
import re

import pytest
import udpping
from udpping import theory

pytestmark = pytest.mark.untimed


def test_bursts_are_named() -> None:
    clumped = theory.explain("." * 180 + "x" * 20, "10%")
    assert clumped.consistent
    assert clumped.burst_probability is not None
    assert clumped.burst_probability < 1e-15
    assert "come in bursts" in clumped.text
    for spread in ("x" * 20, ".........x" * 20, "." * 50):
        assert "come in bursts" not in theory.explain(spread, "10%").text
    assert clumped.text.endswith("They are too few, or too uneven, for an interval that holds for bursts.")
    many = theory.explain(("." * 90 + "x" * 10) * 40, "10%")
    assert re.search(r"holds for bursts is [89]\.\d to 1[01]\.\d %\.$", many.text)
    said = str(theory.explain("x..", 0))
    assert "none of such runs are as far off" in said
    assert said == theory.explain("x..", 0).text == repr(theory.explain("x..", 0))


def test_in_bursts_the_interval_for_them_is_right() -> None:
    path = udpping.loss.Burst("30%", 3)
    said = [theory.explain(udpping.sim.ping(count=1_000, loss=path, seed=seed), 0.3) for seed in range(1_000)]
    holds = [each.burst_low <= 0.3 <= each.burst_high for each in said if each.burst_low and each.burst_high]
    assert len(holds) > 950
    assert 0.93 < sum(holds) / len(holds) < 0.97
    # Independent losses, which the test is about, these are not: it refuses the true share far too often.
    assert sum(not each.consistent for each in said) / 1_000 > 0.15
    found = udpping.stats.loss({"rtt_ns": [None, 5, 5, None, None, None, 5, 5] * 200})
    assert found.burst_low
    assert theory.explain("x..xxx.." * 200, "30%")[-3:-1] == (found.burst_low, found.burst_high)
    assert theory.explain((8, 4), "30%")[-3:-1] == (None, None)


def test_a_model_of_bursts_is_rarely_called_inconsistent_with_what_it_does() -> None:
    path = udpping.loss.GilbertElliott("2%", "20%", loss_good="1%", loss_bad="70%")
    runs = [udpping.sim.ping(count=400, loss=path, seed=seed) for seed in range(1_000)]
    said = [theory.explain(run, path) for run in runs]
    # Losses are whole: the test refuses 5 % of runs at most. Three standard deviations of the share of 1,000.
    assert (
        0.02 < sum(not each.consistent for each in said) / 1_000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1_000)
    )
    assert sum((each.longest_run_probability or 1) <= 0.05 for each in said) / 1_000 < 0.071
    # Its loss alone explains a third of them badly.
    assert sum(not theory.explain(run, said[0].loss).consistent for run in runs) / 1_000 > 0.25
    first = said[0]
    assert (first.model, first.expected) == (path, 400 * first.loss)
    assert f"With {path}, " in first.text
    assert first.text.count("consistent with that model") == 1
    counts = theory.explain((400, first.lost), str(path))
    assert (counts.p_value, counts.longest_run_probability) == (first.p_value, None)


@pytest.mark.parametrize(
    ("path", "pings"),
    [
        ("gilbert-elliott:2%,20%,loss_good=1%,loss_bad=70%", 400),
        ("burst:5%,20", 3_000),
        ("gilbert-elliott:1%,2%,loss_bad=40%", 1_000),
        ("gilbert-elliott:90%,90%", 1_000),
    ],
)
def test_the_interval_of_a_model_is_as_wide_as_its_losses_vary(path: str, pings: int) -> None:
    """Wilson's of independent losses holds in 25 to 64 of a hundred, and in all of the last one's."""
    held = 0
    for seed in range(1_000):
        lost = udpping.sim.ping(count=pings, loss=path, seed=seed).summary.lost
        said = theory.explain((pings, lost), path)
        held += said.low <= said.loss <= said.high
    assert 930 <= held <= 970, held


def test_the_interval_of_a_model_without_chance_is_that_of_independent_losses() -> None:
    for model in ("burst:0%,3", "gilbert-elliott:0%,20%"):
        said = theory.explain((100, 2), model)
        assert (said.low, said.high) == udpping.stats.wilson(2, 100)


def test_a_fitted_model_explains_its_run() -> None:
    run = udpping.sim.ping(count=20_000, loss="burst:5%,4", seed=3)
    said = theory.explain(run, udpping.fit(run).loss)
    assert isinstance(said.model, udpping.loss.GilbertElliott)
    assert said.p_value > 0.9  # the fit has the loss of the run
    assert (theory.explain(run, "burst:5%,2").longest_run_probability or 1) < 0.01


def test_a_chain_without_memory_is_a_loss() -> None:
    """With p + r = 1 the states know nothing of each other."""
    for lost in (0, 20, 46, 100):
        found = theory.explain((100, lost), "gilbert-elliott:30%,70%").p_value
        tails = theory.binomial_cdf(lost, 100, 0.3), theory.binomial_tail(lost, 100, 0.3)
        assert found == pytest.approx(min(1, 2 * min(tails)), abs=1e-12)
    marks = "." * 50 + "x" * 6 + "." * 44
    longest = theory.explain(marks, "gilbert-elliott:30%,70%").longest_run_probability
    assert longest == pytest.approx(theory.run_within(100, 6, 0.3), rel=1e-9)
