"""The theory is right: by known numbers, by counting everything, by scipy, and by pinging in virtual time.

What it says of heartbeats is in test_theory_misses.py.
"""

from __future__ import annotations

import itertools
import math
import time
from fractions import Fraction

import pytest
import udpping
from udpping import theory
from udpping.theory import _counts, _runs, _samples

pytestmark = pytest.mark.untimed

RATES = [1e-9, 1e-3, 0.1, 0.3, 4 / 11, 0.5, 0.74, 0.75, 0.76, 0.9, 0.99, 1 - 1e-9]
EXACT = [Fraction(4, 11), Fraction(3, 10), Fraction(0), Fraction(1), Fraction(9, 10)]


def off(got: float | Fraction, exact: Fraction) -> float:
    """Give the relative error; nothing is asked for below what a float can hold."""
    return abs(float(Fraction(got) / exact) - 1) if float(exact) > 1e-290 else float(got > 1e-289)


# --- Known numbers ---


def test_the_numbers_of_the_lab() -> None:
    assert theory.expected_pings(3, "30%") == Fraction(1390, 27)
    assert theory.expected_pings(3, "4/11") == Fraction(1991, 64)
    assert [round(math.sqrt(theory.pings_variance(3, q)), 2) for q in ("30%", "4/11")] == [49.28, 28.95]
    shares = ["0.5", "0.9", "0.99"]
    assert theory.pings_quantile(shares, 3, "30%") == [36, 116, 229]
    assert theory.pings_quantile(shares, 3, "4/11") == [22, 69, 136]
    assert theory.run_within(10, 3, "30%") == Fraction(7755777, 50000000)
    assert theory.run_within(10, 3, "4/11") == Fraction(53755648, 214358881)
    assert float(theory.run_within(100, 3, "30%")) == 0.8639479206635807
    assert float(theory.run_within(100, 3, "4/11")) == 0.9665002612184437
    assert f"{float(theory.no_run_within(1000, 3, '30%')):.5g}" == "1.5951e-09"
    assert f"{theory.no_run_within(1000, 3, 4 / 11):.5g}" == "1.0699e-15"
    waits = [float(theory.expected_wait(3, q)) for q in ("30%", "4/11")]
    assert waits == pytest.approx([15.44, 11.31], abs=0.005)
    assert [round(float(theory.expected_pings(k, "30%")), 2) for k in (2, 4, 5)] == [14.44, 174.94, 586.46]
    assert [round(float(theory.expected_pings(k, "4/11")), 2) for k in (2, 4, 5)] == [10.31, 88.30, 245.58]


def test_the_numbers_of_ten_pings() -> None:
    lost_all = [f"{float(theory.binomial_pmf(10, 10, q)):.2e}" for q in ("30%", "4/11")]
    assert lost_all == ["5.90e-06", "4.04e-05"]
    assert [f"{float(theory.binomial_pmf(0, 10, q)):.2%}" for q in ("30%", "4/11")] == ["2.82%", "1.09%"]
    assert theory.binomial_mean(10, ["30%", "4/11"]) == [3, Fraction(40, 11)]
    sd = [math.sqrt(variance) for variance in theory.binomial_variance(10, ["30%", "4/11"])]
    assert sd == pytest.approx([1.449, 1.521], abs=0.001)


def test_the_mean_obeys_its_recurrence() -> None:
    for q in ("1/7", "4/11", "99/100"):
        values = theory.expected_pings(range(1, 9), q)
        assert values[0] == 1 / Fraction(q)
        assert all(b == (a + 1) / Fraction(q) for a, b in itertools.pairwise(values))


# --- Everything counted ---


@pytest.mark.parametrize("q", EXACT, ids=str)
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_small_numbers_by_counting_all_outcomes(q: Fraction, k: int) -> None:
    for n in range(11):
        hit, ends, losses = Fraction(0), Fraction(0), [Fraction(0)] * (n + 1)
        for outcome in itertools.product((True, False), repeat=n):
            chance = q ** sum(outcome) * (1 - q) ** (n - sum(outcome))
            found = [end for end in range(k, n + 1) if all(outcome[end - k : end])]
            hit += chance if found else 0
            ends += chance if found[:1] == [n] else 0
            losses[sum(outcome)] += chance
        assert theory.run_within(n, k, q) == hit
        assert theory.no_run_within(n, k, q) == 1 - hit
        assert theory.run_at(n, k, q) == ends
        assert theory.binomial_pmf(range(n + 1), n, q) == losses
        assert theory.binomial_cdf(range(n + 1), n, q) == list(itertools.accumulate(losses))
        assert theory.binomial_tail(n // 2, n, q) == sum(losses[n // 2 :])


@pytest.mark.parametrize("q", [0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_mean_and_variance_are_those_of_the_distribution(q: float, k: int) -> None:
    mean = square = 0.0
    for n in range(1, 60_000):
        chance = float(theory.run_at(n, k, q))
        mean += n * chance
        square += n * n * chance
        if n > 40 * float(theory.expected_pings(k, q)):
            break
    assert mean == pytest.approx(float(theory.expected_pings(k, q)), rel=1e-9)
    assert square - mean**2 == pytest.approx(float(theory.pings_variance(k, q)), rel=1e-9, abs=1e-9)


def test_run_lengths_are_what_follows_a_first_loss() -> None:
    q = Fraction(4, 11)
    lengths = range(1, 400)
    shares = theory.run_length_pmf(lengths, q)
    assert float(sum(shares)) == pytest.approx(1, abs=1e-15)
    mean = sum(length * share for length, share in zip(lengths, shares, strict=True))
    assert float(mean) == pytest.approx(float(theory.run_length_mean(q)), rel=1e-14)
    assert theory.run_length_tail(5, q) == 1 - sum(shares[:4])
    assert theory.run_length_variance(q) == q / (1 - q) ** 2
    assert theory.run_length_mean(1) == theory.run_length_variance(1.0) == math.inf
    assert theory.run_length_pmf([1, 2], 0) == [1, 0]


# --- Floats ---


@pytest.mark.parametrize("q", RATES)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 10, 40])
def test_floats_have_the_exact_value_also_where_it_is_tiny(q: float, k: int) -> None:
    exact = Fraction(q)
    for n in (k, k + 1, 2 * k, 2 * k + 1, 50, 120):
        if n >= k:
            none = _runs.exactly_without(n, k, exact)
            assert off(theory.run_within(n, k, q), 1 - none) < 1e-13
            assert off(theory.no_run_within(n, k, q), none) < 1e-13
    if k * math.log10(1 / q) < 150:
        assert theory.expected_pings(k, q) == float(theory.expected_pings(k, exact))
        assert theory.pings_variance(k, q) == float(theory.pings_variance(k, exact))


def test_many_numbers_take_little_time() -> None:
    began = time.process_time()
    for k in (1, 10, 1_000):
        assert len(theory.expected_pings(k, [i / 200 for i in range(200)])) == 200
        assert len(theory.pings_variance(k, [i / 200 for i in range(200)])) == 200
    assert time.process_time() - began < 4  # a common divisor for each takes twice that


@pytest.mark.parametrize("q", [1e-6, 0.01, 0.3, 0.5, 0.9, 0.97, 0.998])
@pytest.mark.parametrize("k", [1, 2, 3, 10, 40, 300, 1000])
def test_far_out_one_root_is_enough(q: float, k: int) -> None:
    far = _runs.far_out(k, q)
    if far is None or far.begins > 100_000:
        assert q > 0.95 * k / (k + 1)
        return
    for n in (math.ceil(far.begins), math.ceil(1.5 * far.begins)):
        stepped = next(itertools.islice(_runs.steps(k, q), n, None))
        assert far.chance(n) == pytest.approx(stepped, rel=1e-11, abs=1e-300)


def test_far_out_it_is_exact_as_well() -> None:
    for q, k, n in [(Fraction(1, 2), 3, 2_000), (Fraction(1, 10), 2, 5_000), (Fraction(3, 4), 5, 1_000)]:
        none = _runs.exactly_without(n, k, q)
        assert off(theory.no_run_within(n, k, float(q)), none) < 1e-12
        assert off(theory.run_within(n, k, float(q)), 1 - none) < 1e-14


def test_extremes_of_runs() -> None:
    for q in (0, 0.0, "0%"):
        assert theory.run_within([0, 3, 10**18], 3, q) == [0, 0, 0]
        assert (
            theory.expected_pings(3, q)
            == theory.pings_variance(3, q)
            == theory.expected_wait(3, q)
            == math.inf
        )
        assert theory.pings_quantile(0.5, 3, q) == math.inf
    for q in (1, 1.0, "100%"):
        assert theory.run_within([0, 2, 3, 10**18], 3, q) == [0, 0, 1, 1]
        assert theory.run_at([2, 3, 4], 3, q) == [0, 1, 0]
        assert (theory.expected_pings(3, q), theory.pings_variance(3, q)) == (3, 0)
        assert theory.pings_quantile([0, "1/2", 1], 3, q) == [0, 3, 3]
        assert theory.expected_wait(3, q, 2) == 6
    assert theory.run_within(10**18, 3, 1e-6) == pytest.approx(-math.expm1(-1), rel=1e-5)
    assert theory.run_within(10**18, 3, 1e-9) == pytest.approx(1e-9, rel=1e-8)
    assert theory.run_within(10**6, 1000, 0.9999) == 1
    assert theory.run_within(10**9, 1000, 0.3) == 0
    assert theory.expected_pings(1000, 1e-9) == math.inf


def test_huge_counts_and_tiny_losses_end_and_stay_probabilities() -> None:
    losses = [5e-324, 1e-300, 1e-9, 0.3, 0.5, 2 / 3, 0.7, 0.9, 0.999, 1 - 2**-53, "4/11", Fraction(1, 10**30)]
    began = time.process_time()
    for loss, misses in itertools.product(losses, (1, 2, 3, 10, 100)):
        for sent in (10**6, 10**12, 10**18):
            hit, none = theory.run_within(sent, misses, loss), theory.no_run_within(sent, misses, loss)
            assert 0 <= theory.run_at(sent, misses, loss) <= hit <= 1
            assert 0 <= none <= 1
            assert float(hit + none) == pytest.approx(1, abs=1e-11)
        for share in (1e-9, 0.5, 1 - 2**-53):
            assert theory.pings_quantile(share, misses, loss) >= misses
    assert time.process_time() - began < 60  # some seconds; what never returned is the fault that this finds
    assert theory.run_within(10**12, 2, 0.7) == 1
    assert theory.no_run_within(10**6, 2, 0.7) == 0


def test_small_chances_of_no_run_are_exact_until_floats_have_too_few_digits() -> None:
    loss = Fraction(7, 10)
    for sent in (1_500, 1_544):  # 2.5e-299 and 4.4e-308
        exact = _runs.exactly_without(sent, 2, loss)
        assert theory.no_run_within(sent, 2, 0.7) == pytest.approx(float(exact), rel=1e-11, abs=0)
    assert theory.no_run_within(1_700, 2, 0.7) == 0


def test_losses_that_floats_cannot_tell_apart_are_refused() -> None:
    for method in ("normal", "continuity", "exact"):
        with pytest.raises(udpping.ConfigError, match="differs more"):
            theory.sample_size(5e-324, 0.0, method=method)


def test_quantiles_are_the_first_to_get_there() -> None:
    for q, k, share in itertools.product(
        (0.01, 0.3, 0.8, 0.97), (1, 2, 4, 30), (1e-9, 0.1, 0.5, 0.999, 1 - 1e-12)
    ):
        n = theory.pings_quantile(share, k, q)
        if n > 10**15:
            continue
        assert theory.run_within(n, k, q) >= share * (1 - 1e-12)
        assert n == k or theory.run_within(n - 1, k, q) < share * (1 + 1e-12)
    # Ties, which floats miss: 1 - 0.7^2 is 0.51.
    assert [theory.pings_quantile(share, 1, "0.3") for share in ("0.51", "0.657", "0.7599")] == [2, 3, 4]
    assert theory.pings_quantile("0.9999999999999999999999", 1, "0.1") == 481
    assert theory.pings_quantile([0, 1], 3, "0.3") == [0, math.inf]
    assert theory.pings_quantile(0.5, 3, 1e-9) == pytest.approx(math.log(2) * 1e27, rel=1e-8)


@pytest.mark.parametrize("q", [*RATES, 1e-12])
@pytest.mark.parametrize("n", [1, 10, 17, 100, 1500])
def test_floats_of_counts_have_the_exact_value(q: float, n: int) -> None:
    exact = Fraction(q)
    if n > 100 and exact.denominator > 2**55:
        return
    ways, whole = _counts.weights(0, n, n, exact), exact.denominator**n
    at_most = list(itertools.accumulate(ways))
    for x in range(0, n + 1, max(1, n // 20)):
        assert off(theory.binomial_pmf(x, n, q), Fraction(ways[x], whole)) < 1e-12
        assert off(theory.binomial_cdf(x, n, q), Fraction(at_most[x], whole)) < 1e-12
        assert off(theory.binomial_tail(x, n, q), Fraction(whole - at_most[x] + ways[x], whole)) < 1e-12


def test_extremes_of_counts() -> None:
    assert theory.binomial_pmf([-1, 0, 1], 0, 0.3) == [0, 1, 0]
    assert theory.binomial_pmf([0, 5, 10], 10, 0.0) == [1, 0, 0]
    assert theory.binomial_pmf([0, 5, 10], 10, 1.0) == [0, 0, 1]
    assert theory.binomial_cdf([-1, 0, 9, 10, 11], 10, 1.0) == [0, 0, 0, 1, 1]
    assert theory.binomial_tail([-1, 0, 1, 11], 10, 0.0) == [1, 1, 0, 0]
    assert theory.binomial_tail(10**12, 10**12, 0.5) == 0
    assert theory.binomial_cdf(5 * 10**11, 10**12, 0.5) == pytest.approx(0.5, abs=1e-6)
    # Answers too long to be shown are floats, of the same value.
    short, long = theory.binomial_pmf(1200, 3800, "4/11"), theory.binomial_pmf(1200, 3900, "4/11")
    assert isinstance(short, Fraction)
    assert isinstance(long, float)
    assert str(short)


# --- scipy ---


def test_counts_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, q in itertools.product((1, 10, 1_000, 100_000), (1e-3, 0.3, 4 / 11, 0.9)):
        for sd in (-8, -3, -1, 0, 1, 3, 8):
            x = round(n * q + sd * math.sqrt(n * q * (1 - q)))
            assert theory.binomial_pmf(x, n, q) == pytest.approx(stats.binom.pmf(x, n, q), rel=1e-11)
            assert theory.binomial_cdf(x, n, q) == pytest.approx(stats.binom.cdf(x, n, q), rel=1e-11)
            assert theory.binomial_tail(x, n, q) == pytest.approx(stats.binom.sf(x - 1, n, q), rel=1e-11)
    lengths = [1, 2, 7, 50]
    assert theory.run_length_pmf(lengths, 0.3) == pytest.approx(stats.geom.pmf(lengths, 0.7), rel=1e-12)
    assert theory.run_length_tail(lengths, 0.3) == pytest.approx(stats.geom.sf([0, 1, 6, 49], 0.7), rel=1e-12)


def test_the_test_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, q in itertools.product((1, 2, 7, 30, 200), ("1/1000", "3/10", "4/11", "1/2", "77/100", "1")):
        for x in range(0, n + 1, max(1, n // 30)):
            test = stats.binomtest(x, n, float(Fraction(q)))
            ends = test.proportion_ci(0.9, method="wilson")
            for form in (q, float(Fraction(q))):
                said = theory.explain((n, x), form, alpha=0.1)
                assert said.p_value == pytest.approx(test.pvalue, rel=1e-11, abs=1e-300)
                assert (said.low, said.high) == pytest.approx((ends.low, ends.high), rel=1e-12, abs=1e-15)


def test_large_tests_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, x, q in [
        (10**6, 364_384, 4 / 11),
        (10**5, 1, 1e-4),
        (10**7, 5_001_000, 0.5),
        (50_000, 15_300, 0.3),
    ]:
        assert _samples.p_value(x, n, q) == pytest.approx(stats.binomtest(x, n, q).pvalue, rel=1e-9)


def test_power_and_sample_size_agree_with_scipy() -> None:
    np, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")

    def power(n: int, p: float, q: float) -> float:
        numbers = np.arange(n + 1)
        refused = [stats.binomtest(x, n, p).pvalue <= 0.05 for x in numbers]
        return float(stats.binom.pmf(numbers, n, q)[refused].sum())

    for n, p, q in [(1, 0.5, 0.9), (10, 0.3, 4 / 11), (60, 0.3, 0.5), (60, 0.01, 0.001), (83, 0.5, 0.5)]:
        assert theory.power(n, p, q) == pytest.approx(power(n, p, q), rel=1e-11)
    least = theory.sample_size(0.3, 0.5, method="exact")
    assert power(least - 1, 0.3, 0.5) < 0.8 <= min(power(n, 0.3, 0.5) for n in range(least, least + 12))


def test_sample_sizes() -> None:
    assert [theory.sample_size("30%", "4/11", method=m) for m in ("normal", "continuity", "exact")] == [
        420,
        435,
        441,
    ]
    assert theory.sample_size(0.5, [0.6, 0.9], power=0.9) == [259, 12]
    assert theory.sample_size(0.3, 0.305, method="exact") == 66_481
    assert theory.sample_size(0.001, 0.999, method="exact") < 5
    assert all(theory.power(n, "30%", "30%") <= 0.05 for n in range(1, 60))
    assert theory.power([10, 10], [0, 1], [0.1, 0.1]) == pytest.approx([1 - 0.9**10, 1 - 0.1**10])


# --- Pings in virtual time ---


@pytest.mark.parametrize("loss", ["4/11", "30%"])
def test_pings_until_three_misses(loss: str) -> None:
    runs = 4_000
    ended = [
        udpping.sim.ping(count=2_000, misses=3, loss=loss, seed=seed).summary.sent for seed in range(runs)
    ]
    sd = math.sqrt(theory.pings_variance(3, loss))
    assert abs(sum(ended) / runs - theory.expected_pings(3, loss)) < 4 * sd / math.sqrt(runs)
    for n in (10, 22, 36, 100):
        share = float(theory.run_within(n, 3, loss))
        seen = sum(each <= n for each in ended) / runs
        assert abs(seen - share) < 4 * math.sqrt(share * (1 - share) / runs)


def test_the_wait_until_three_misses() -> None:
    runs = 2_000
    waits = [
        udpping.sim.ping(
            count=2_000, misses=3, loss="4/11", linger=0, seed=seed, delay="100ms"
        ).summary.duration_ns
        or 0
        for seed in range(runs)
    ]
    # A wait has at most as much spread as if each ping took a whole second.
    bound = 4 * math.sqrt(theory.pings_variance(3, "4/11") / runs)
    expected = float(theory.expected_wait(3, "4/11", timeout=1, rtt=Fraction(1, 10)))
    assert abs(sum(waits) / runs / 1e9 - expected) < bound
