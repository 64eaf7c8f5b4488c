"""Intervals hold and tests accuse as often as they say, on seeds that nobody has seen.

Bounds are binomial: a share that is right is outside of them once in a million times. `make test FULL=1`
draws many more runs, with `INTERVALS=table` in the environment, and writes the tables of
docs/statistics.md to build/reports/intervals.md.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from losses import PERIODIC, PROCESSES, SLOW, losses, table
from udpping import stats, theory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

np = pytest.importorskip("numpy")
scipy_stats = pytest.importorskip("scipy.stats")

pytestmark = [pytest.mark.untimed, pytest.mark.long, pytest.mark.timeout(900)]

FULL = os.environ.get("INTERVALS") == "table"
SEED = random.SystemRandom().randrange(2**32)
REPORT = Path(__file__).parents[1] / "build/reports/intervals.md"
LENGTHS = (1_000, 3_000, 10_000, 30_000)
CHANCE = 1e-6

MODELS = {
    "independent, 30 %": ("30%", 1_000),
    "`burst:5%,3`": ("burst:5%,3", 1_000),
    "`burst:5%,20`": ("burst:5%,20", 3_000),
    "`gilbert-elliott:1%,2%,loss_bad=40%`": ("gilbert-elliott:1%,2%,loss_bad=40%", 1_000),
}


class Shares:
    """What came out so often of so many times, and which shares are outside of their bounds."""

    def __init__(self) -> None:
        self.wrong: list[tuple[object, ...]] = []

    def judge(self, name: str, hits: int, of: int, least: float = 0.0, most: float = 1.0) -> str:
        low, high = scipy_stats.binom.ppf(CHANCE, of, least), scipy_stats.binom.isf(CHANCE, of, most)
        if of and not low <= hits <= high:
            self.wrong.append((name, hits, of, least, most))
        return f"{100 * hits / of:.1f} % of {of:,}" if of else "too few"


def held(intervals: Iterable[tuple[float | None, float | None]], truth: float) -> tuple[int, int]:
    """Count the intervals that hold the truth, and all that there are."""
    some = [low <= truth <= high for low, high in intervals if low is not None and high is not None]
    return sum(some), len(some)


def written(title: str, head: str, rows: list[list[str]]) -> None:
    """Add a table to the report."""
    if not FULL:
        return
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    columns = head.count("|") + 1
    lines = [f"{title} ({dt.datetime.now(dt.UTC):%-d %B %Y}, seed {SEED}):", ""]
    lines += [f"| {head} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows), ""]
    with REPORT.open("a", encoding="utf-8") as report:
        report.write("\n".join([*lines, ""]))


def test_the_interval_of_the_loss() -> None:
    draw, shares, rows, runs = (
        np.random.default_rng(SEED),
        Shares(),
        list[list[str]](),
        1_000 if FULL else 100,
    )
    for process in PROCESSES:
        cells = [process.name]
        for pings in LENGTHS:
            found = [stats.loss(table(losses(process, pings, draw))) for _ in range(runs)]
            right, some = held(((each.burst_low, each.burst_high) for each in found), process.loss)
            exact = pings > LENGTHS[1] and process not in (PERIODIC, SLOW)
            name = f"{process.name}, {pings}"
            cells.append(shares.judge(name, right, some, *((0.93, 0.97) if exact else ())))
            if some < runs / 20:
                cells[-1] = "too few"
        rows.append(cells)
    written("Of the interval for bursts", "losses | 1,000 pings | 3,000 | 10,000 | 30,000", rows)
    assert not shares.wrong, (SEED, shares.wrong)


def test_the_interval_of_the_mistakes() -> None:
    """Its truth is the mean of all runs, so of few runs it holds a little more."""
    draw, shares, rows, runs = np.random.default_rng(SEED), Shares(), list[list[str]](), 500 if FULL else 60
    detectors = ("fixed:2", "fixed:5")
    for process in PROCESSES:
        traces = [losses(process, 20_000, draw).tolist() for _ in range(runs)]
        tables = [udpping.compare_detectors(each, detectors=detectors, crashes=1, seed=1) for each in traces]
        cells = [process.name]
        for place, detector in enumerate(detectors):
            found = [each.row(place) for each in tables]
            days = sum(each.observed_ns for each in found) / 86_400e9
            truth = sum(each.mistakes for each in found) / days
            ends = ((each.mistakes_per_day_low, each.mistakes_per_day_high) for each in found)
            right, some = held(ends, truth)
            least = 0.0 if process is PERIODIC else 0.9 if process is SLOW else 0.93
            cells.append(shares.judge(f"{process.name}, {detector}", right, some, least))
        rows.append(cells)
    written("Of the interval of mistakes, of 20,000 heartbeats", "losses | `fixed:2` | `fixed:5`", rows)
    assert not shares.wrong, (SEED, shares.wrong)


def test_what_explain_says() -> None:
    """Losses are whole, so a test of 5 % accuses in 5 % at most; so does that of the longest run."""
    shares, rows, runs = Shares(), list[list[str]](), 1_000 if FULL else 200
    for name, (model, pings) in MODELS.items():
        path = [udpping.sim.ping(count=pings, loss=model, seed=SEED + run) for run in range(runs)]
        said = [theory.explain(run, model) for run in path]
        right, some = held(((each.low, each.high) for each in said), float(said[0].loss))
        refused = sum(not each.consistent for each in said)
        longest = sum((each.longest_run_probability or 1) <= said[0].alpha for each in said)
        rows.append(
            [
                f"{name}, {pings:,} pings",
                shares.judge(f"{name}: interval", right, some, 0.93, 0.97),
                shares.judge(f"{name}: test", refused, some, 0.02, 0.05),
                shares.judge(f"{name}: longest run", longest, some, 0, 0.05),
            ]
        )
    written("Of `theory.explain`", "model | interval | refused at 5 % | longest run below 5 %", rows)
    assert not shares.wrong, (SEED, shares.wrong)


def test_whom_a_fit_accuses() -> None:
    """Of paths that stay the same, few are said to have changed, and few chains are said to fit badly."""
    draw, shares, rows, runs = np.random.default_rng(SEED), Shares(), list[list[str]](), 60 if FULL else 8
    accused = judged = 0
    for process in PROCESSES:
        fits = [udpping.fit(table(losses(process, 10_000, draw))) for _ in range(runs)]
        changed = sum(each.steadiness.steady is False for each in fits)
        if process is not SLOW:
            accused, judged = accused + changed, judged + runs
        cell = shares.judge(f"{process.name}: changed", changed, runs, 0, 0.2 if process is SLOW else 0.05)
        chain = process.name.startswith(("independent", "Gilbert"))
        poor = sum((each.best_loss.p_value or 1) <= 0.05 for each in fits)
        cells = [
            process.name,
            cell,
            shares.judge(f"{process.name}: poor", poor, runs, 0, 0.05 if chain else 1),
        ]
        right = some = 0
        if process.name.startswith("Gilbert, "):
            turns = (process.good(draw, 10**6).mean(), process.bad(draw, 10**6).mean())
            for name, mean in zip(("p", "r"), turns, strict=True):
                for fit in (each.losses[1] for each in fits):
                    error = (fit.standard_errors or {})[name]
                    some += error is not None
                    right += abs((fit.parameters or {})[name] - 1 / mean) <= 1.96 * (error or 0)
            cells.append(shares.judge(f"{process.name}: standard errors", right, some, 0.92, 0.98))
        else:
            cells.append("-")
        rows.append(cells)
    shares.judge("all that stay the same", accused, judged, 0, 0.05)
    head = "losses | said to have changed | said to fit badly at 5 % | truth within 1.96 standard errors"
    written("Of fits to 10,000 pings", head, rows)
    assert not shares.wrong, (SEED, shares.wrong)


CHANGES: dict[str, tuple[Callable[[int], Any], float, float]] = {
    "1 %, halfway 10 %": (lambda pings: np.where(np.arange(pings) < pings / 2, 0.01, 0.1), 1, 0.99),
    "5 %, halfway 7 %": (lambda pings: np.where(np.arange(pings) < pings / 2, 0.05, 0.07), 1, 0.1),
    "2 % rising to 6 %": (lambda pings: np.linspace(0.02, 0.06, pings), 1, 0.9),
    "1 %, a fifth 20 %": (lambda pings: np.where(np.arange(pings) * 5 // pings == 2, 0.2, 0.01), 1, 0.9),
    "1 %, and an outage of 200": (lambda pings: np.where(np.arange(pings) // 200 == 20, 1, 0.01), 1, 0.99),
    "2 %, in one hour of the day 8 %": (
        lambda pings: np.where(np.arange(pings) * 60 // 3_600 % 24 == 3, 0.08, 0.02), 60, 0.9,
    ),
}  # fmt: skip


def test_what_a_fit_finds() -> None:
    draw, shares, rows, runs = np.random.default_rng(SEED), Shares(), list[list[str]](), 40 if FULL else 5
    for name, (path, every, least) in CHANGES.items():
        found = 0
        for _ in range(runs):
            lost = draw.random(10_000) < path(10_000)
            found += udpping.fit(table(lost, every)).steadiness.steady is False
        rows.append([name, shares.judge(name, found, runs, least)])
    written("Of changes in 10,000 pings", "path | said to have changed", rows)
    assert not shares.wrong, (SEED, shares.wrong)
