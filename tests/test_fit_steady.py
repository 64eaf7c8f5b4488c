"""A fit says what changed while a path was measured."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import udpping

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.untimed

DAY = 86_400


def table(lost: Any, every: float = 0.02) -> Any:  # noqa: ANN401 - arrays of numpy and Arrow
    sent = (np.arange(len(lost)) * every * 1e9).astype(np.int64)
    return pa.table({"rtt_ns": pa.array(np.full(len(lost), 5_000_000), mask=lost), "sent_ns": sent})


def steadiness(*shares: tuple[float, int], seed: int = 1, every: float = 0.02) -> udpping.Steadiness:
    draw = np.random.default_rng(seed)
    lost = np.concatenate([draw.random(pings) < share for share, pings in shares])
    return udpping.fit(table(lost, every)).steadiness


def test_a_step_is_found_with_its_place_and_each_segment_has_its_model() -> None:
    found = steadiness((0.01, 15_000), (0.1, 15_000))
    assert found.steady is False
    before, after = found.segments
    assert (before.seq[0], after.seq[1]) == (0, 29_999)
    assert abs(after.seq[0] - 15_000) < 100
    assert after.rows == (after.seq[0], 30_000)
    assert before.rows[1] == after.rows[0] == before.seq[1] + 1
    assert after.times == pytest.approx((after.seq[0] * 0.02, 29_999 * 0.02))
    assert (before.loss, after.loss) == pytest.approx((0.01, 0.1), rel=0.25)
    models = [part.model for part in found.segments if part.model is not None]
    replays = [udpping.sim.ping(count=20_000, loss=model, seed=2).summary.loss for model in models]
    assert replays == pytest.approx([0.01, 0.1], rel=0.3)


def test_the_words_of_a_fit_say_that_the_path_changed_and_when() -> None:
    draw = np.random.default_rng(5)
    fit = udpping.fit(table(np.concatenate([draw.random(10_000) < 0.01, draw.random(10_000) < 0.1])))
    assert "but the path changed, so it is no model of it" in fit.loss_words
    assert "the path changed: 1." in fit.steadiness.words
    assert fit.steadiness.words in repr(fit)
    html: str = fit._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert fit.steadiness.words in html


def test_a_bad_time_is_three_segments() -> None:
    found = steadiness((0.01, 10_000), (0.3, 3_000), (0.01, 7_000))
    assert [round(part.loss, 1) for part in found.segments] == [0, 0.3, 0]
    assert [part.seq[0] for part in found.segments] == pytest.approx([0, 10_000, 13_000], abs=30)


def test_a_loss_that_grows_is_a_trend() -> None:
    found = steadiness(*((share, 400) for share in np.linspace(0.02, 0.06, 50)), seed=3)
    assert found.steady is False
    assert found.segments == ()
    [(target, first, last)] = found.trends
    assert target is None
    assert (first, last) == pytest.approx((0.025, 0.055), rel=0.2)
    assert "the loss rises, from 2." in found.words


def test_an_outage_stands_apart_from_short_runs() -> None:
    draw = np.random.default_rng(4)
    lost = draw.random(50_000) < 0.01
    lost[20_000:20_700] = lost[40_000:40_300] = True
    found = udpping.fit(table(lost)).steadiness
    assert [part.seq for part in found.outages] == [(20_000, 20_699), (40_000, 40_299)]
    assert [(part.loss, part.model) for part in found.outages] == [(1, None)] * 2


def test_an_hour_of_the_day_stands_out_of_a_week() -> None:
    hours = np.arange(0, 7 * DAY, 20) // 3_600 % 24
    draw = np.random.default_rng(6)
    found = udpping.fit(
        table(draw.random(len(hours)) < np.where(hours == 3, 0.06, 0.02), every=20)
    ).steadiness
    [(target, hour, (inside, others))] = found.hours
    assert (target, hour) == (None, 3)
    assert (inside, others) == pytest.approx((0.06, 0.02), rel=0.25)
    assert "the loss depends on the hour of the day: " in found.words


def test_targets_are_judged_one_by_one_and_named() -> None:
    steady = udpping.sim.ping(count=20_000, loss="5%", seed=1)
    assert udpping.fit(steady).steadiness.steady is True
    draw = np.random.default_rng(7)
    worse = table(np.concatenate([draw.random(10_000) < 0.01, draw.random(10_000) < 0.1]))
    worse = worse.append_column("target", pa.array(["b.example"] * 20_000))
    other = table(draw.random(20_000) < 0.05).append_column("target", pa.array(["a.example"] * 20_000))
    found = udpping.fit([other, worse]).steadiness
    assert {part.target for part in found.segments} == {"b.example"}
    assert "b.example: " in found.words


def test_too_few_losses_are_not_judged() -> None:
    assert steadiness((0.01, 900), (0.9, 90)).steady is None
    assert steadiness((0.001, 10_000)).steady is None
    assert steadiness((0, 10_000)).words.startswith("too few losses to say")


@pytest.mark.parametrize("size", [5_000, 20_000])
def test_segments_are_the_whole_run(size: int) -> None:
    found = steadiness((0.02, size), (0.2, size), (0.05, size), seed=8)
    assert found.segments[0].rows[0] == 0
    assert found.segments[-1].rows[1] == 3 * size
    assert all(one.rows[1] == two.rows[0] for one, two in pairwise(found.segments))
