"""The theory in use: what it takes, arrays, refusals, explanations, and the page about it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import itertools
import math
import pkgutil
import re
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import udpping
from test_import import loaded_by
from udpping import ConfigError, theory

pytestmark = pytest.mark.untimed

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/theory.md").read_text(encoding="utf-8")
FUNCTIONS = {name: getattr(theory, name) for name in theory.__all__ if name[0].islower()}
"""All of it that is no class."""


# --- What it takes ---


def test_exact_in_exact_out() -> None:
    forms = [
        "4/11",
        Fraction(4, 11),
        udpping.loss.Bernoulli("4/11"),
        udpping.loss.RandInt(0, 10, below=4),
        "randint:0,10,4",
    ]
    assert theory.expected_pings(3, forms) == [Fraction(1991, 64)] * len(forms)
    assert theory.expected_pings(1, ["30%", "0.3", "3/10"]) == [Fraction(10, 3)] * 3
    assert isinstance(theory.expected_pings(1, 1), Fraction)
    for one in (0.25, Decimal("0.25")):
        assert isinstance(theory.expected_pings(1, one), float)
        assert isinstance(theory.run_within(5, 1, one), float)
    assert isinstance(theory.false_alarms_per_day(3, "5%", interval=0.5), float)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in {"claims", "explain", "gilbert"}])
def test_a_float_gives_a_float_also_at_its_ends(name: str) -> None:
    # Not every Python can format a fraction as a float: one that comes as a surprise is an error in a table.
    whole = {"pings_quantile", "misses_needed", "sample_size"}
    good = {each: GOOD[each] for each in arguments(name) if each in GOOD} | {"misses": 2}
    for loss in (0.0, 0.5, 1.0):
        if "loss" in arguments(name) and not (name == "sample_size" and loss in {0, 1}):
            given = {each: good[each] for each in arguments(name) if each in good} | {
                "loss": loss,
                "other": 0.4,
            }
            given = {each: value for each, value in given.items() if each in arguments(name)}
            assert isinstance(FUNCTIONS[name](**given), (int, float) if name in whole else float)


def test_whatever_is_exact_can_be_shown() -> None:
    began = time.process_time()
    for n in (3_500, 3_900, 10**6):
        assert str(theory.run_within(n, 5, "4/11"))
        assert str(theory.binomial_cdf(n // 3, n, "4/11"))
        assert str(theory.run_length_pmf(n, "4/11"))
        assert repr(theory.explain((n, n // 3), "4/11"))
    assert str(theory.pings_variance(1_000, "4/11"))
    assert str(theory.pings_variance(1_000, "4000001/11000003")) == "inf"
    assert time.process_time() - began < 5


# --- Arrays ---


def test_sequences_give_lists() -> None:
    assert theory.run_within((2, 3), 3, "1/2") == [0, Fraction(1, 8)]
    assert theory.run_within(range(2, 4), [3, 3], ["1/2", 0.5]) == [0, 0.125]
    assert theory.expected_pings([[1, 2], [3]], "1/2") == [[2, 6], [14]]
    assert theory.expected_pings(misses=[1, 2], loss="1/2") == [2, 6]
    assert theory.expected_pings([], "1/2") == []
    assert theory.binomial_pmf([0, 1], [1, 2], loss=["1/2", "1/2"]) == [Fraction(1, 2), Fraction(1, 2)]
    assert theory.sample_size("30%", ["4/11", "1/2"], method="exact") == [441, 47]
    with pytest.raises(ConfigError, match=r"loss \[.*\] is not usable: expected 3 values, as misses has"):
        theory.expected_pings([1, 2, 3], ["1/2", "1/3"])


def test_arrays_of_numpy_keep_their_shape() -> None:
    np = pytest.importorskip("numpy")
    rates = np.linspace(0.05, 0.95, 12).reshape(3, 4)
    means: Any = theory.expected_pings(3, rates)
    assert (means.shape, means.dtype) == ((3, 4), np.float64)
    assert means == pytest.approx((1 - rates**3) / ((1 - rates) * rates**3), rel=1e-12)
    pings = np.arange(0, 200)
    within: Any = theory.run_within(pings, 3, "4/11")
    assert within.dtype == np.float64
    assert within[10] == pytest.approx(float(theory.run_within(10, 3, "4/11")), rel=1e-14)
    assert (np.diff(within) >= 0).all()
    grid: Any = theory.run_within(pings[:, None], 3, np.array([0.1, 0.3]))
    assert grid.shape == (200, 2)
    medians: Any = theory.pings_quantile(0.5, np.array([[1, 2], [3, 3]]), [0.3, 0.0])
    assert medians.tolist() == [[2, math.inf], [36, math.inf]]
    nothing: Any = theory.expected_pings(np.array([], dtype=int), 0.3)
    assert (nothing.shape, nothing.dtype) == ((0,), np.float64)
    assert theory.expected_pings(np.int64(3), np.float64(0.5)) == 14
    assert theory.expected_pings(np.array(3), np.array(0.5)) == 14
    with pytest.raises(ConfigError, match=r"misses \(2,\) and loss \(3,\)"):
        theory.expected_pings(np.array([1, 2]), np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_series_is_an_array(library: str) -> None:
    series = pytest.importorskip(library).Series([1, 2])
    means: Any = theory.expected_pings(series, 0.5)
    assert means.tolist() == [2, 6]


def test_numpy_is_not_imported_for_it() -> None:
    loaded = loaded_by("from udpping import theory; theory.expected_pings([1, 2], 0.5); theory.claims()")
    assert "udpping.theory" in loaded
    assert not {"numpy", "scipy", "pandas"} & loaded
    assert "udpping.theory" not in loaded_by("import udpping; udpping.sim")


# --- Refusals ---

LOSSES: list[object] = [
    None,
    True,
    "",
    "much",
    "4/",
    "12/11",
    -0.1,
    1.1,
    math.nan,
    "pattern:.x",
    "every:3",
    b"0",
    [[None]],
]
WHOLE: list[object] = [None, 1.5, "3", True, -(10**30), 10**30]
BAD: dict[str, list[object]] = {
    "loss": LOSSES,
    "other": LOSSES,
    "misses": [*WHOLE, 0, -1, 1001],
    "sent": [*WHOLE, -1],
    "lost": WHOLE,
    "length": [*WHOLE, 0],
    "share": [None, -1, 2, "x", math.nan],
    "alpha": [None, 0, 1, math.nan, "0.05", True],
    "power": [None, 0, 1, math.nan],
    "method": ["", None, "students"],
    "interval": [None, 0, -1, math.inf, math.nan, "soon", True],
    "timeout": [None, -1, math.inf, math.nan, "soon"],
    "rtt": [None, -1, math.inf, math.nan],
    "mean_run": [0, 0.5, 1, math.inf, math.nan, "3"],
    "per_day": [None, 0, -1, math.inf, "1"],
    "p": [*LOSSES, 0],
    "r": [*LOSSES, 0],
    "observed": [
        None,
        5,
        "",
        "abc",
        b"",
        {},
        [],
        (),
        [2],
        [None],
        [[True]],
        (0, 0),
        {"rtt": []},
        {"status": ["gone"]},
    ],
}
GOOD: dict[str, object] = {
    "loss": 0.6, "other": 0.5, "misses": 3, "sent": 10, "lost": 3, "length": 2, "share": 0.5,
    "per_day": 1, "p": 0.1, "r": 0.1, "observed": (10, 3),
}  # fmt: skip


def arguments(name: str) -> list[str]:
    return list(inspect.signature(FUNCTIONS[name]).parameters)


@pytest.mark.parametrize(("name", "argument"), [(f, a) for f in FUNCTIONS for a in arguments(f)])
def test_what_cannot_be_used_is_named_on_one_line(name: str, argument: str) -> None:
    function = FUNCTIONS[name]
    good = {each: GOOD[each] for each in arguments(name) if each in GOOD}
    assert function(**good) is not None
    for value in BAD[argument]:
        with pytest.raises(ConfigError, match=r"\A[^\n]+ is not usable: expected [^\n]+\Z"):
            function(**good | {argument: value})


def test_two_losses_that_are_one() -> None:
    for loss, other in [("0.3", 0.3), (0, 0.3), (1, 0.3)]:
        with pytest.raises(ConfigError):
            theory.sample_size(loss, other)
    with pytest.raises(ConfigError, match="100,000 pings"):
        theory.sample_size(0.3, 0.3001, method="exact")
    with pytest.raises(ConfigError, match=r"mean_run 2 is not usable: expected 9 or more"):
        theory.false_alarms_per_day(3, "90%", mean_run=2)
    with pytest.raises(ConfigError, match="everything is lost"):
        theory.false_alarms_per_day(3, 1, mean_run=2)
    with pytest.raises(ConfigError, match="1,000 misses"):
        theory.misses_needed(1e-9, 0.5, mean_run=1000)
    with pytest.raises(TypeError):
        theory.expected_pings([1], 0.5, 7)


def test_the_strictest_and_the_laxest_levels() -> None:
    for alpha in (1e-20, 5e-324):
        assert theory.explain((10, 3), "30%", alpha=alpha).high > 0.9
        assert theory.explain("..x.......", "30%", alpha=alpha).consistent
        assert theory.sample_size("30%", "4/11", alpha=alpha) > 4_000
    # Less power than chance gives takes no more pings than some power does.
    for method in ("normal", "continuity", "exact"):
        sizes: Any = theory.sample_size(0.3, 0.31, power=[1e-9, 0.01, 0.03, 0.1, 0.5], method=method)
        assert sizes == sorted(sizes)
    assert theory.sample_size(0.3, 0.31, power=1e-9) == 1


# --- explain ---


def test_explain_reads_runs_and_tables() -> None:
    run = udpping.sim.ping(count=500, loss="4/11", delay="exponential:400ms", seed=5)
    assert run.summary.late > 0
    expected = theory.explain(run, "4/11")
    assert (expected.sent, expected.lost) == (run.summary.sent, run.summary.lost)
    assert (expected.low, expected.high) == pytest.approx(
        (run.summary.loss_low, run.summary.loss_high), rel=1e-14
    )
    marks = [row.status != "reply" for row in run]
    longest = max(sum(1 for _ in group) for lost, group in itertools.groupby(marks) if lost)
    assert expected.longest_run == longest
    assert expected.longest_run_probability == theory.run_within(500, longest, "4/11")
    text = "".join("x" if lost else "." for lost in marks)
    for same in (
        marks,
        tuple(marks),
        iter(marks),
        text,
        text.upper(),
        [int(lost) for lost in marks],
        {"status": run["status"]},
    ):
        assert theory.explain(same, "4/11") == expected
    counts = theory.explain((500, run.summary.lost), "4/11")
    assert counts.p_value == expected.p_value
    assert counts.longest_run is counts.longest_run_probability is counts.burst_probability is None


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "numpy"])
def test_explain_reads_the_tables_of_others(library: str) -> None:
    other = pytest.importorskip(library)
    run = udpping.sim.ping(count=100, loss="30%", seed=2)
    match library:
        case "pandas":
            table = run.to_pandas()
        case "polars":
            table = other.DataFrame(run)
        case "pyarrow":
            table = other.table(run)
        case _:
            table = other.array([row.status != "reply" for row in run])
    assert theory.explain(table, "30%") == theory.explain(run, "30%")


def test_explain_wants_one_target() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0) as two:
        run = udpping.ping_many([one.address, two.address], count=2)
    for observed in (run, {"status": ["reply"] * 2, "target": ["a", "b"]}):
        with pytest.raises(
            ConfigError, match="observed run of 2 targets is not usable: expected one with one"
        ):
            theory.explain(observed, 0.1)


def test_explain_counts_what_a_run_without_an_end_no_longer_has() -> None:
    run = udpping.sim.ping(count=50, loss="30%", seed=1)
    facts = {name: fact for name, fact in vars(run.summary).items() if name != "target"}
    summary = udpping.Summary("far", facts | {"sent": 100_000, "lost": 30_123})
    core = run._core  # pyright: ignore[reportPrivateUsage]
    said = theory.explain(udpping.Run(core, summary, (summary,)), "30%")
    assert (said.sent, said.lost, said.longest_run) == (100_000, 30_123, None)


@pytest.mark.parametrize("loss", ["30%", "4/11"])
def test_chance_is_rarely_called_inconsistent(loss: str) -> None:
    said = [theory.explain(udpping.sim.ping(count=300, loss=loss, seed=seed), loss) for seed in range(600)]
    size = float(theory.power(300, loss, loss))
    assert 0.03 < size <= 0.05
    # Three standard deviations of the share of 600.
    assert abs(sum(not each.consistent for each in said) / 600 - size) < 3 * math.sqrt(size / 600)
    assert sum("bursts" in each.text for each in said) / 600 < 0.08


# --- The page ---


def test_the_table_of_the_page_is_what_claims_says() -> None:
    rows = re.findall(r"^\| (book|slides|report) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == len(theory.claims())
    for (source, what, said, right), claim in zip(rows, theory.claims(), strict=True):
        assert (source, what) == (claim.source, claim.claim)
        assert f"said {said}, right {right}: {claim.why}" in str(claim)


def test_what_the_page_prints_is_what_comes() -> None:
    assert re.sub(r"\s+", " ", str(theory.explain((240, 90), "30%"))) in re.sub(r"\s+", " ", PAGE)
    lines = re.findall(
        r"^\| ([\d/ %]+)(?:, in runs of (\d))? \| (\d) \| (.*) \| (.*) \| (.*) s \|$", PAGE, re.MULTILINE
    )
    assert len(lines) == 4
    units = {"s": 1, "hours": 3_600, "days": 86_400}
    for loss, mean_run, misses, alarms, first, noticed in lines:
        channel = loss.replace(" ", ""), int(mean_run) if mean_run else None
        number, unit = first.split()
        first_s = float(theory.time_to_false_alarm(int(misses), *channel))
        assert float(alarms.replace(",", "")) == pytest.approx(
            theory.false_alarms_per_day(int(misses), *channel), rel=5e-3
        )
        assert float(number) == pytest.approx(first_s / units[unit], rel=5e-3)
        assert float(noticed) == pytest.approx(theory.detection_time(int(misses), *channel), rel=5e-3)


def test_every_function_has_an_example_that_is_run() -> None:
    examples = set[str]()
    for module in pkgutil.iter_modules(theory.__path__, "udpping.theory."):
        for test in doctest.DocTestFinder().find(importlib.import_module(module.name)):
            if test.examples:
                examples.add(test.name.rpartition(".")[2])
    assert FUNCTIONS.keys() <= examples


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "claims"])
def test_every_function_says_its_ranges_and_what_it_raises(name: str) -> None:
    assert re.search("ConfigError|[Rr]anges", FUNCTIONS[name].__doc__)
