"""The statistics against numpy, scipy and statsmodels, and against their definitions word by word.

Agreement is to 1e-12, relative; quantiles of numpy round differently in the last digits.
"""

from __future__ import annotations

import itertools
import math
import random

import pytest
import udpping
from udpping import stats

np = pytest.importorskip("numpy")
scipy_stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.untimed

SEEDS = range(5)
LEAST, MOST = 1_000, 5_000_000_000
CLOSE = 1e-12


def table(seed: int, rows: int = 1_000, loss: float = 0.2) -> dict[str, list[int | None]]:
    """Draw pings: losses come in runs, numbers have gaps, and replies overtake each other."""
    draw = random.Random(seed)
    lost, seq = False, 0
    columns: dict[str, list[int | None]] = {name: [] for name in ("seq", "sent_ns", "rtt_ns", "copies")}
    for row in range(rows):
        lost = draw.random() < (0.6 if lost else loss)
        seq += 1 if draw.random() < 0.95 else draw.randint(2, 9)
        columns["seq"].append(seq)
        columns["sent_ns"].append(row * 10_000_000 + draw.randint(0, 1_000))
        columns["rtt_ns"].append(None if lost else int(draw.expovariate(1e-7)) + LEAST)
        columns["copies"].append(0 if lost else draw.choice([1, 1, 1, 2, 3]))
    return columns


def round_trips(columns: dict[str, list[int | None]]) -> list[int]:
    return [rtt for rtt in columns["rtt_ns"] if rtt is not None]


def pairs(columns: dict[str, list[int | None]]) -> list[tuple[int, int]]:
    rows = list(zip(columns["seq"], columns["rtt_ns"], strict=True))
    return [
        (one, two)
        for (first, one), (second, two) in itertools.pairwise(rows)
        if one is not None and two is not None and first is not None and second == first + 1
    ]


def agrees(found: stats.Distribution, values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    assert (found.count, found.min_ns, found.max_ns) == (len(values), array.min(), array.max())
    assert found.mean_ns == pytest.approx(sum(values) / len(values), rel=CLOSE)
    assert found.stddev_ns == pytest.approx(array.astype(np.float64).std(ddof=1), rel=CLOSE)
    assert found.median_ns == pytest.approx(np.median(array), rel=CLOSE)
    assert found.mad_ns == pytest.approx(scipy_stats.median_abs_deviation(array), rel=CLOSE)
    for q, value in found.quantiles_ns.items():
        assert value == pytest.approx(np.quantile(array, q), rel=CLOSE, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_distributions_are_those_of_numpy_and_scipy(seed: int) -> None:
    columns = table(seed)
    wanted = [0.0, 0.001, 0.25, 1 / 3, 0.5, 0.95, 0.99, 1.0]
    values = round_trips(columns)
    agrees(stats.round_trip(columns, wanted), values)
    agrees(stats.pdv(columns, wanted), [value - min(values) for value in values])
    differences = [two - one for one, two in pairs(columns)]
    found = stats.ipdv(columns, wanted)
    agrees(found, differences)
    assert found.mean_abs_ns == pytest.approx(np.abs(differences).mean(), rel=CLOSE)
    assert stats.quantile(columns, 0.95) == found_quantile(stats.round_trip(columns, [0.95]), 0.95)


def found_quantile(found: stats.Distribution, q: float) -> float | None:
    return found.quantiles_ns[q]


@pytest.mark.parametrize("seed", SEEDS)
def test_lost_pings_can_be_infinite_as_in_numpy(seed: int) -> None:
    columns = table(seed, rows=101)
    values = [math.inf if rtt is None else float(rtt) for rtt in columns["rtt_ns"]]
    found = stats.round_trip(columns, [0.1, 0.5, 0.99], lost="infinite")
    assert found.infinite == values.count(math.inf)
    assert found.quantiles_ns[0.1] == pytest.approx(np.quantile(values, 0.1), rel=CLOSE)
    assert found.quantiles_ns[0.5] == pytest.approx(np.sort(values)[50], rel=CLOSE)
    assert found.quantiles_ns[0.99] == math.inf
    assert found.mean_ns == stats.round_trip(columns).mean_ns


@pytest.mark.parametrize("seed", SEEDS)
def test_jitter_is_in_the_order_of_arrival(seed: int) -> None:
    columns = table(seed)
    rows = zip(columns["sent_ns"], columns["rtt_ns"], strict=True)
    came = sorted(
        (sent + rtt, row, rtt) for row, (sent, rtt) in enumerate(rows) if rtt is not None and sent is not None
    )
    now, all_of_them = 0.0, []
    for (*_, one), (*_, two) in itertools.pairwise(came):
        now += (abs(two - one) - now) / 16
        all_of_them.append(now)
    found = stats.jitter(columns)
    assert found.count == len(all_of_them)
    assert found.last_ns == pytest.approx(now, rel=CLOSE)
    assert found.mean_ns == pytest.approx(math.fsum(all_of_them) / len(all_of_them), rel=CLOSE)
    assert found.max_ns == pytest.approx(max(all_of_them), rel=CLOSE)
    in_order = sorted(range(len(came)), key=lambda place: came[place][1])
    assert in_order != list(range(len(came))), "replies overtake each other, or this proves nothing"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_loss_has_the_intervals_of_statsmodels(seed: int, confidence: float) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    columns = table(seed)
    lost = columns["rtt_ns"].count(None)
    found = stats.loss(columns, confidence)
    assert (found.lost, found.sent, found.received) == (lost, 1_000, 1_000 - lost)
    assert found.loss == lost / 1_000
    expected = proportion.proportion_confint(lost, 1_000, 1 - confidence, "wilson")
    assert (found.low, found.high) == pytest.approx(expected, rel=CLOSE)
    assert stats.wilson(lost, 1_000, confidence) == pytest.approx(expected, rel=CLOSE)
    fates = [
        (one is None, two is None)
        for (first, one), (second, two) in itertools.pairwise(
            zip(columns["seq"], columns["rtt_ns"], strict=True)
        )
        if first is not None and second == first + 1
    ]
    after_reply = [second for first, second in fates if not first]
    after_loss = [second for first, second in fates if first]
    p, r = sum(after_reply) / len(after_reply), 1 - sum(after_loss) / len(after_loss)
    trials = 1_000 * (p + r) / (2 - p - r)
    assert (found.p, found.r, found.correlation) == pytest.approx((p, r, 1 - p - r), rel=1e-10)
    assert found.independent_pings == pytest.approx(trials, rel=1e-10)
    parts = np.array([sum(rtt is None for rtt in part) for part in _parts(columns["rtt_ns"], 16)])
    sizes = np.array([len(part) for part in _parts(columns["rtt_ns"], 16)])
    off = parts - lost / 1_000 * sizes
    if (off[1:] @ off[:-1] / (off @ off) + 1 / 16) * 4 > 2.33:
        assert (found.burst_low, found.burst_high) == (None, None)
        return
    share, variance, t = lost / 1_000, off @ off * 16 / 15, scipy_stats.t.ppf((1 + confidence) / 2, 15)
    trials = 1_000 * 1_000 * share * (1 - share) / variance
    middle, half = (
        share + t * t / 2 / trials,
        t * np.sqrt(share * (1 - share) / trials + (t / 2 / trials) ** 2),
    )
    wider = np.array([middle - half, middle + half]) / (1 + t * t / trials)
    assert (found.burst_low, found.burst_high) == pytest.approx(wider, abs=1e-5)


def _parts(values: list[int | None], many: int) -> list[list[int | None]]:
    edges = [number * len(values) // many for number in range(many + 1)]
    return [values[first:last] for first, last in itertools.pairwise(edges)]


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_of_losses_are_what_their_text_says(seed: int) -> None:
    columns = {"rtt_ns": table(seed)["rtt_ns"]}
    text = "".join("x" if rtt is None else "." for rtt in columns["rtt_ns"])
    runs = [len(run) for run in text.split(".") if run]
    places = [place for place, fate in enumerate(text) if fate == "x"]
    distances = [two - one for one, two in itertools.pairwise(places)]
    found = stats.loss_runs(columns)
    assert found.lengths == {length: runs.count(length) for length in sorted(set(runs))}
    assert found.distances == {distance: distances.count(distance) for distance in sorted(set(distances))}
    assert (found.runs, found.longest_run) == (len(runs), max(runs))
    assert found.mean_run == pytest.approx(sum(runs) / len(runs), rel=CLOSE)
    assert found.burst_ratio == pytest.approx(sum(runs) / len(runs) * text.count(".") / len(text), rel=CLOSE)
    assert found.noticeable(3) == pytest.approx(sum(d <= 3 for d in distances) / len(places), rel=CLOSE)
    periods = stats.loss_periods(columns)
    assert periods["length"].to_list() == runs
    first = [place for place in places if place == 0 or text[place - 1] == "."]
    assert periods["seq"].to_list() == first


@pytest.mark.parametrize("seed", SEEDS)
def test_duplication_and_reordering_are_what_the_rfcs_say(seed: int) -> None:
    columns = table(seed, rows=300)
    copies = [count or 0 for count in columns["copies"]]
    double = stats.duplication(columns)
    assert double.answered == sum(count > 0 for count in copies)
    assert double.duplicates == sum(count - 1 for count in copies if count)
    assert double.replicated == sum(count > 1 for count in copies)
    came = [
        row
        for _, row in sorted(
            (sent + rtt, row)
            for row, (sent, rtt) in enumerate(zip(columns["sent_ns"], columns["rtt_ns"], strict=True))
            if rtt is not None and sent is not None
        )
    ]
    extents = [
        place - next(earlier for earlier in range(place) if came[earlier] > row)
        for place, row in enumerate(came)
        if any(other > row for other in came[:place])
    ]
    assert extents, "replies overtake each other, or this proves nothing"
    n_reordered = [row for place, row in enumerate(came) if place >= 2 and min(came[place - 2 : place]) > row]
    found = stats.reordering(columns, n=2)
    assert (found.received, found.reordered, found.max_extent) == (len(came), len(extents), max(extents))
    assert found.mean_extent == pytest.approx(sum(extents) / len(extents), rel=CLOSE)
    assert (found.n, found.n_reordered) == (2, len(n_reordered))


def test_windows_are_tables_of_their_own() -> None:
    run = udpping.sim.ping(count=1_000, loss="burst:20%,3", delay="exponential:5ms", interval=0.01, seed=5)
    rolled = stats.rolling(run, seconds=0.7, step=0.35, confidence=0.9)
    rows = [(row.sent_ns or 0, row.rtt_ns) for row in run]
    assert rolled["start_ns"].to_list()[:3] == [0, 350_000_000, 700_000_000]
    for place, start in enumerate(range(0, 350_000_000 * len(rolled), 350_000_000)):
        inside = [rtt for at, rtt in rows if start <= at < start + 700_000_000]
        part = {"rtt_ns": inside}
        loss, found = stats.loss(part, 0.9), stats.round_trip(part, [0.95])
        row = dict(zip(rolled.column_names, rolled.row(place), strict=True))
        assert (row["sent"], row["lost"], row["loss_low"]) == (loss.sent, loss.lost, loss.low)
        assert (row["rtt_median_ns"], row["rtt_max_ns"]) == (found.median_ns, found.max_ns)
        assert row["rtt_p95_ns"] == found.quantiles_ns[0.95]


def test_a_run_has_the_numbers_of_its_summary() -> None:
    run = udpping.sim.ping(count=5_000, loss="10%", delay="exponential:300ms", interval=0.01, seed=2)
    summary, loss, found = run.summary, stats.loss(run), stats.round_trip(run)
    assert (loss.sent, loss.lost, loss.late) == (summary.sent, summary.lost, summary.late)
    assert loss.late > 0
    assert (loss.low, loss.high) == pytest.approx((summary.loss_low, summary.loss_high), rel=CLOSE)
    assert (found.min_ns, found.median_ns, found.max_ns) == (
        summary.rtt_min_ns,
        summary.rtt_median_ns,
        summary.rtt_max_ns,
    )
    assert found.stddev_ns == pytest.approx(summary.rtt_stddev_ns, rel=1e-9)
    assert summary.reordered
    assert stats.reordering(run).reordered == summary.reordered


def test_an_outage_that_has_no_end_says_so() -> None:
    periods = stats.loss_periods({"rtt_ns": [5, None, None, 5, None], "due_ns": [0, 10, 20, 30, 40]})
    assert periods["outage_ns"].to_list() == [20, 0]
    assert periods["ended"].to_list() == [True, False]
    untimed = stats.loss_periods({"rtt_ns": [5, None]})
    assert (untimed["outage_ns"].to_list(), untimed["ended"].to_list()) == ([None], [None])
    ends: dict[str, list[int | None]] = {"rtt_ns": [None, None, 5], "due_ns": [0, 7, 9], "seq": [1, 2, 3]}
    cases: list[tuple[object, tuple[int | None, bool | None]]] = [
        (ends, (9, True)),
        ({name: column[:2] for name, column in ends.items()}, (7, False)),
        (ends | {"seq": [1, 2, 8]}, (7, False)),
        ([ends, {"rtt_ns": [None, None], "due_ns": [0, 500]}], (500, False)),
        ({"rtt_ns": [None, 5]}, (None, None)),
        ({"rtt_ns": [5], "due_ns": [0]}, (None, None)),
    ]
    for table, expected in cases:
        digest = stats.Digest.from_json(stats.Digest(table).to_json())
        for runs in (stats.loss_runs(table), digest.loss_runs()):
            assert (runs.longest_outage_ns, runs.longest_outage_ended) == expected


@pytest.mark.parametrize("rtt", [[], [None], [None, None]])
def test_without_a_reply_nothing_is_known(rtt: list[int | None]) -> None:
    columns = {"rtt_ns": rtt, "sent_ns": [0, 1][: len(rtt)], "copies": [0, 0][: len(rtt)]}
    found = stats.round_trip(columns)
    assert (found.count, found.mean_ns, found.median_ns, found.stddev_ns, found.mad_ns) == (0, *[None] * 4)
    assert stats.ipdv(columns).mean_abs_ns is None
    assert stats.pdv(columns).max_ns is None
    assert stats.jitter(columns).last_ns is None
    assert stats.duplication(columns).rate is None
    assert stats.reordering(columns).ratio is None
    assert stats.loss(columns).loss == (1.0 if rtt else None)
    assert stats.loss_runs(columns).longest_run == len(rtt)
    assert len(stats.loss_periods(columns)) == (1 if rtt else 0)
    assert len(stats.rolling(columns, pings=5)) == (1 if rtt else 0)


def test_of_one_and_of_two() -> None:
    one, two = {"rtt_ns": [7], "sent_ns": [0]}, {"rtt_ns": [7, 10], "sent_ns": [0, 9]}
    found = stats.round_trip(one)
    assert (found.median_ns, found.stddev_ns, found.mad_ns, found.quantiles_ns[0.99]) == (7, None, 0, 7)
    assert (stats.pdv(one).max_ns, stats.ipdv(one).mean_ns, stats.jitter(one).last_ns) == (0, None, None)
    found = stats.round_trip(two)
    assert (found.median_ns, found.mad_ns) == (8.5, 1.5)
    assert found.stddev_ns == pytest.approx(math.sqrt(4.5), rel=CLOSE)
    assert (stats.ipdv(two).mean_ns, stats.jitter(two).last_ns) == (3, 3 / 16)
    assert stats.wilson(0, 0) is None


def test_nothing_is_counted_from_one_sample_to_the_next() -> None:
    lost_at_its_end, lost_at_its_start = {"rtt_ns": [5, None]}, {"rtt_ns": [None, 9]}
    both = [lost_at_its_end, lost_at_its_start]
    assert stats.loss_runs(both).lengths == {1: 2}
    assert stats.ipdv(both).count == 0
    assert stats.pdv(both).max_ns == 0
    assert stats.loss(both).lost == 2
    targets = {"rtt_ns": [5, 1, None, 9], "target": ["a", "b", "a", "b"], "seq": [1, 1, 2, 2]}
    assert stats.ipdv(targets).mean_ns == 8
    assert stats.loss_periods(targets)["target"].to_list() == ["a"]


def test_numbers_that_are_missing_are_gaps() -> None:
    columns = {"rtt_ns": [5, None, None, 9, 11], "seq": [1, 2, 4, 5, 6]}
    assert stats.loss_runs(columns).lengths == {1: 2}
    assert stats.loss_runs(columns).distances == {2: 1}
    assert stats.ipdv(columns).count == 1


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (lambda: stats.jitter({"rtt_ns": [1]}), "sent_ns.*jitter"),
        (lambda: stats.reordering({"rtt_ns": [1]}), "sent_ns.*reordering"),
        (lambda: stats.duplication({"rtt_ns": [1]}), "copies.*duplication"),
        (lambda: stats.rolling({"rtt_ns": [1]}, seconds=1), "sent_ns or due_ns"),
        (lambda: stats.rolling({"rtt_ns": [1]}), "one of the two"),
        (lambda: stats.rolling({"rtt_ns": [1]}, pings=5, seconds=1), "one of the two"),
        (lambda: stats.rolling({"rtt_ns": [1]}, pings=0), "at least one"),
        (lambda: stats.rolling({"rtt_ns": [1]}, seconds=-1), "expected 1ns to"),
        (lambda: stats.rolling({"rtt_ns": [1]}, seconds=1, step=2), "step"),
        (lambda: stats.reordering({"rtt_ns": [1], "sent_ns": [1]}, n=0), "n 0"),
        (lambda: stats.round_trip({"rtt_ns": [1]}, [95]), "0 to 1"),
        (lambda: stats.round_trip({"rtt_ns": [1]}, lost="zero"), "left out"),
        (lambda: stats.loss({"rtt_ns": [1]}, 95), "confidence"),
        (lambda: stats.wilson(5, 4), "hits 5"),
        (lambda: stats.wilson(-1, 4), "hits -1"),
    ],
)
def test_what_makes_no_sense_is_refused(statistic: object, message: str) -> None:
    assert callable(statistic)
    with pytest.raises(udpping.ConfigError, match=message):
        statistic()


def test_results_are_frozen_and_tell_themselves() -> None:
    found = stats.loss_runs({"rtt_ns": [5, None, 5]})
    assert "longest_run           1" in repr(found)
    assert "<th>longest_run</th><td>1</td>" in getattr(found, "_repr_html_")()  # noqa: B009 - notebooks call it
    assert found.as_dict()["lengths"] == {1: 1}
    assert found == stats.loss_runs({"rtt_ns": [5, None, 5]})
    with pytest.raises(AttributeError):
        found.lost = 2  # type: ignore[misc]
