"""Pictures of the two ways and of the other clock, also where the other end tells no times."""

# matplotlib is not fully typed:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import csv
import io
from typing import Any

import numpy as np
import pytest
import udpping
from udpping import stats

matplotlib = pytest.importorskip("matplotlib", reason="has no wheel for this Python")
matplotlib.use("agg")

pytestmark = pytest.mark.untimed


@pytest.fixture(scope="module")
def run() -> udpping.Run:
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(reflector, up="loss=list:3,20; delay=20ms", down="loss=list:5") as relay,
    ):
        return udpping.ping(relay, protocol="stamp", count=60, interval="2ms", timeout="2s")


def drawn(axes: Any, label: str) -> Any:  # noqa: ANN401 - of matplotlib
    """Find the line with this label."""
    return next(line for line in axes.lines if line.get_label() == label)


def test_both_ways_are_in_one_picture_with_their_bands_and_losses(run: udpping.Run) -> None:
    axes: Any = run.plot("ways")
    rows = stats.one_way_rows(run)
    for way, lost in (("up", 2), ("down", 1)):
        delays = [float(str(delay)) / 1e6 for delay in rows[f"{way}_ns"].to_list()]
        assert np.allclose(drawn(axes, way).get_ydata(), delays)
        assert len(drawn(axes, f"lost {way}").get_xdata()) == lost
    # A band for each way, and the one in the legend; the true delays, 20 and 0 ms, are in it.
    bands = [band.get_paths()[0].vertices for band in axes.collections if band.get_paths()]
    assert len(bands) == 2
    for band in bands:
        assert band[:, 1].min() < 0.5
        assert band[:, 1].max() > 19
    figure: Any = axes.figure
    figure.canvas.draw()


def test_the_offset_is_a_band_over_time(run: udpping.Run) -> None:
    axes: Any = run.plot("offset")
    rows = stats.one_way_rows(run)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    low, high = (
        [float(str(end)) / 1e6 for end in rows[f"offset_{name}_ns"].to_list()] for name in ("low", "high")
    )
    assert (band.min(), band.max()) == pytest.approx((min(low), max(high)))
    # One machine has one clock.
    assert band.min() <= 0 <= band.max()
    assert not axes.patches


def test_where_a_clock_was_set_is_marked(run: udpping.Run) -> None:
    rows, later = list(csv.DictReader(io.StringIO(run.to_csv()))), 0
    for row in rows[30:]:
        for name in ("server_recv_ns", "server_sent_ns"):
            if row[name]:
                row[name] = str(int(row[name]) + 10**9)
                later += 1
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    stepped = udpping.load(text.getvalue())
    assert later > 20
    assert [ways.clock_sets for ways in stepped.ways] == [1]
    axes: Any = stepped.plot("offset")
    assert [patch.get_label() for patch in axes.patches] == ["one of the clocks was set"]


def test_without_times_of_the_other_end_the_picture_says_so(run: udpping.Run) -> None:
    for kind in ("ways", "offset"):
        axes: Any = udpping.sim.ping(count=3).plot(kind)
        assert [text.get_text() for text in axes.texts] == ["no times of the other end"]
        compared: Any = udpping.compare({"with": run, "without": udpping.sim.ping(count=3)}).plot(kind)
        assert compared.has_data()
        compared.figure.canvas.draw()
