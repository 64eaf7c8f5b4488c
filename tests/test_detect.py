"""`compare_detectors` and the detectors, as a user has them."""

from __future__ import annotations

import copy
import pickle
import time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import udpping
from udpping import delay, detect

scipy_stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.untimed

ALL = [
    detect.Fixed(3),
    detect.Phi(8),
    detect.Chen(2),
    detect.TwoWindows(2),
    detect.Calibrated("10 per day"),
]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (detect.Fixed(), "fixed:3"),
        (detect.Phi(), "phi:8"),
        (detect.Phi(12.5, window=200, min_std=0.01, pause=3), "phi:12.5,window=200,min_std=10ms,pause=3s"),
        (detect.Chen(0.5, window=16), "chen:500ms,window=16"),
        (detect.Chen(2.1), "chen:2.1s"),
        (detect.TwoWindows(2.1), "2w-fd:2.1s"),
        (detect.TwoWindows(2, short=10, window=100), "2w-fd:2s,short=10,window=100"),
        (detect.Calibrated(), "calibrated:1 per 30 days"),
        (detect.Calibrated("10 per 1 day"), "calibrated:10 per day"),
    ],
)
def test_a_detector_is_its_text(made: detect.Detector, text: str) -> None:
    assert str(made) == text
    assert made == detect.Detector(text)
    assert hash(made) == hash(detect.Detector(text))
    assert made != detect.Fixed(99)
    assert made != text
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made  # noqa: S301
    assert repr(made) == f"<udpping.detect.{type(made).__name__} {text}>"


@pytest.mark.parametrize(
    "make",
    [
        lambda: detect.Fixed(0),
        lambda: detect.Fixed(True),
        lambda: detect.Fixed(2.5),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: detect.Phi(float("nan")),
        lambda: detect.Phi(8, window=1),
        lambda: detect.Phi(8, pause=-1),
        lambda: detect.Chen(-1),
        lambda: detect.Chen(2, window=1001),
        lambda: detect.TwoWindows(2, short=0),
        lambda: detect.TwoWindows(2, short=50, window=50),
        lambda: detect.Calibrated("often"),
        lambda: detect.Calibrated(3),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: detect.Detector("bertier:1"),
    ],
)
def test_what_is_no_detector_is_refused(make: Any) -> None:  # noqa: ANN401
    with pytest.raises(udpping.ConfigError, match="is not usable: expected"):
        make()


def test_a_known_gap_is_a_known_mistake() -> None:
    lost = [10 <= seq < 15 for seq in range(100)]
    (row,) = udpping.compare_detectors(lost, detectors=["fixed:3"], seed=1)
    assert (row.mistakes, row.mistake_mean_ns, row.observed_ns) == (1, 3 * 10**9, 100 * 10**9)
    assert row.query_accuracy == pytest.approx(0.97)
    assert row.mistakes_per_day == pytest.approx(864)
    # Garwood's interval of one event: 0.0253 to 5.5716.
    assert row.mistakes_per_day_low == pytest.approx(864 * 0.0253178, rel=1e-4)
    assert row.mistakes_per_day_high == pytest.approx(864 * 5.5716434, rel=1e-4)
    assert row.promised_per_day is row.foretold_per_day is row.foretold_ns is None


def test_mistakes_in_clusters_make_the_interval_wider() -> None:
    """Bad times of 50 heartbeats that lose half: four misses in a row come more than once."""
    path, rate, held, narrow = udpping.loss.GilbertElliott("0.2%", "2%", loss_bad="50%"), 0.0, 0, 0
    tables = [udpping.compare_detectors(path, detectors=["fixed:4"], days=0.4, seed=s) for s in range(200)]
    rows = [table.row(0) for table in tables]
    rate = sum(row.mistakes for row in rows) / (200 * 0.4)
    known = [row for row in rows if row.mistakes_per_day_low is not None]
    assert len(known) > 190
    for row in known:
        low, high = (end * 0.4 for end in (row.mistakes_per_day_low or 0, row.mistakes_per_day_high or 0))
        held += low <= rate * 0.4 <= high
        narrow += abs(row.mistakes - rate * 0.4) <= 1.96 * row.mistakes**0.5
    assert scipy_stats.binom.ppf(1e-6, len(known), 0.93) <= held
    assert narrow < 0.85 * len(known)  # what the Poisson interval would hold


def test_clusters_that_are_too_long_have_no_interval() -> None:
    lost = [seq % 10 < 4 for seq in range(5_000)] + [False] * 5_000
    (row,) = udpping.compare_detectors(lost, detectors=["fixed:3"], seed=1)
    assert row.mistakes == 499  # nothing has arrived before the first
    assert row.mistakes_per_day is not None
    assert row.mistakes_per_day_low is row.mistakes_per_day_high is None


def test_a_run_is_a_trace() -> None:
    run = udpping.sim.ping(count=2_000, loss="10%", interval=1, seed=4)
    marks = [row.status not in {"reply", "late"} for row in run]
    options: dict[str, Any] = {"detectors": ALL, "delay": "5ms", "seed": 1}
    assert list(udpping.compare_detectors(run, **options)) == list(
        udpping.compare_detectors(marks, **options)
    )
    assert udpping.compare_detectors(np.array(marks), **options).row(0) == udpping.compare_detectors(
        udpping.loss.Trace(run), days=2_000 / 86_400, **options
    ).row(0)


def test_a_promise_is_kept_and_its_price_is_told() -> None:
    table = udpping.compare_detectors(
        "10%", detectors=["calibrated:20 per day"], delay="exponential:5ms", days=20, seed=2
    )
    (row,) = table
    assert row.promised_per_day == pytest.approx(20)
    assert row.foretold_per_day == pytest.approx(20, rel=0.25)
    assert row.oracle_median_ns is not None
    assert row.detection_median_ns == pytest.approx(row.oracle_median_ns, rel=0.15)
    assert row.mistakes_per_day_low is not None
    assert row.mistakes_per_day_high is not None
    assert row.foretold_ns is not None
    assert row.detection_median_ns is not None
    assert 10 < row.mistakes_per_day_low < 20 < row.mistakes_per_day_high < 40
    # A crash falls half an interval after a heartbeat, on average.
    assert (row.foretold_ns - row.detection_median_ns) / 1e9 == pytest.approx(0.5, abs=0.3)


def test_a_promise_that_cannot_be_kept_is_not_foretold() -> None:
    lost = [seq % 80 >= 40 for seq in range(20_000)]
    (row,) = udpping.compare_detectors(lost, detectors=["calibrated:1 per year"], seed=1)
    assert (row.foretold_per_day or 0) > 1 / 365
    assert row.foretold_ns == 60 * 10**9


def test_a_monitor_has_what_it_foretold_beside_what_came() -> None:
    run = udpping.sim.heartbeat(
        duration="20d",
        interval="10s",
        loss="20%",
        delay="exponential:5ms",
        detector="calibrated:10 per day",
        seed=3,
    )
    (row,) = run.peers
    backs = [event for event in run.events if (event.event, event.before) == ("up", "down")]
    assert run.missed_events == 0
    assert row.false_alarms == len(backs) > 100
    assert row.watched_ns == pytest.approx(20 * 86_400e9, rel=0.02)
    assert row.false_alarms_foretold == pytest.approx(200, rel=0.1)
    assert row.false_alarms_foretold is not None
    assert row.false_alarms_low < row.false_alarms_foretold < row.false_alarms_high
    chi2 = scipy_stats.chi2.ppf
    assert row.false_alarms_low == pytest.approx(chi2(0.025, 2 * row.false_alarms) / 2)
    assert row.false_alarms_high == pytest.approx(chi2(0.975, 2 * row.false_alarms + 2) / 2)
    # What stopped was no false alarm, and other detectors foretell nothing.
    (row,) = udpping.sim.heartbeat(
        ["pause:30@100 crash@200"], duration="1h", detector="fixed:3", seed=1
    ).peers
    assert (row.state, row.false_alarms, row.false_alarms_foretold) == ("down", 0, None)
    assert row.watched_ns == pytest.approx(170e9, abs=5e9)


def test_another_interval() -> None:
    (row,) = udpping.compare_detectors(0, detectors=["fixed:3"], interval=0.1, days=0.1, seed=1)
    assert 0.2e9 <= (row.detection_median_ns or 0) <= 0.3e9
    assert row.observed_ns == 8_640 * 10**9


def test_two_windows_bear_a_path_that_becomes_slower_and_losses_no_better() -> None:
    """A delay of half a day that jumps by 2.5 s: one mistake of `chen` after the other, but one of 2W-FD."""
    slower = delay.Trace([0.0] * 20_000 + [2.5] * 20_000)
    chen, two = udpping.compare_detectors(
        0, detectors=["chen:2s", "2w-fd:2s"], delay=slower, days=40_000 / 86_400, seed=1
    )
    assert two.mistakes == 1
    assert chen.mistakes > 100
    chen, two = udpping.compare_detectors("20%", detectors=["chen:2s", "2w-fd:2s"], days=1, seed=1)
    assert two.mistakes == chen.mistakes > 100


def test_a_seed_repeats_it() -> None:
    first = udpping.compare_detectors(0.1, delay="exponential:5ms", days=2)
    again = udpping.compare_detectors(0.1, delay="exponential:5ms", days=2, seed=first.seed)
    assert list(first) == list(again)
    assert [row.detector for row in first] == [
        *("fixed:3", "phi:8", "chen:2s", "2w-fd:2s"),
        "calibrated:1 per 30 days",
    ]


def test_it_is_a_table_like_the_others() -> None:
    table = udpping.compare_detectors(0.1, detectors=ALL, days=1, seed=1)
    assert tuple(table.column_names) == udpping.DetectorRow._fields
    assert len(table) == 5
    assert table.row(-1).detector == "calibrated:10 per day"
    frame = pl.DataFrame(table)
    assert frame["promised_per_day"].to_list() == [None, None, None, None, 10.0]
    pandas = table.to_pandas()
    assert pandas["mistakes_per_day"].dtype == "float64"
    assert pandas["promised_per_day"].isna().tolist() == [True, True, True, True, False]
    assert pd.isna(pandas["foretold_ns"][0])
    assert np.isnan(np.asarray(table["promised_per_day"])[0])
    assert table.to_csv().startswith("detector,mistakes,mistakes_per_day,")
    assert '"promised_per_day":null' in table.to_json()
    assert "calibrated:10 per day" in table._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_when_nothing_arrives_nothing_is_known() -> None:
    for row in udpping.compare_detectors([True] * 100, detectors=ALL, seed=1):
        assert (row.mistakes, row.observed_ns) == (0, 0)
        assert row.mistakes_per_day is row.query_accuracy is row.detection_median_ns is None


def test_46_days_take_seconds() -> None:
    began = time.process_time()
    udpping.compare_detectors("5%", detectors=ALL, delay="exponential:5ms", days=46, seed=1)
    assert time.process_time() - began < 20  # of CPU: about two


@pytest.mark.parametrize(
    ("trace", "options"),
    [
        ([], {}),
        (["x", "."], {}),
        (None, {}),
        (True, {}),
        (2, {}),
        ([True], {"days": 1}),
        (0.1, {"days": 0}),
        (0.1, {"days": float("nan")}),
        (0.1, {"days": 1e9}),
        (0.1, {"interval": 0}),
        (0.1, {"interval": 1e6}),
        (0.1, {"delay": -1}),
        (0.1, {"crashes": 0}),
        (0.1, {"crashes": 100_001}),
        (0.1, {"detectors": []}),
        (0.1, {"detectors": "fixed:3"}),
        (0.1, {"detectors": [3]}),
        (0.1, {"detectors": ["calibrated:1 per second"]}),
        (0.1, {"seed": 1.5}),
    ],
)
def test_what_cannot_be_compared_is_refused(trace: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
    with pytest.raises(udpping.ConfigError, match="not usable: expected"):
        udpping.compare_detectors(trace, **options)
