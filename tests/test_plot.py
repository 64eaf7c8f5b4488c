"""Pictures of runs: what is drawn is what was measured, with units."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import udpping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

matplotlib = pytest.importorskip("matplotlib", reason="has no wheel for this Python")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.untimed

KINDS = ["timeline", "hist", "ecdf", "loss-runs", "jitter"]
UNITS = {
    "timeline": ("sent, seconds since the run began", "round trip (ms)"),
    "hist": ("round trip (ms)", "pings"),
    "ecdf": ("round trip (ms)", "pings answered within it (%)"),
    "loss-runs": ("losses in a row (pings)", "runs of losses"),
    "jitter": ("seconds since the run began", "change of the round trip (ms)"),
}


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def run() -> udpping.SimRun:
    return udpping.sim.ping(count=400, interval=0.1, loss="20%", delay="exponential:5ms", seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_axes_have_units_and_are_those_asked_for(run: udpping.SimRun, kind: str, tmp_path: Path) -> None:
    figure, mine = pyplot.subplots()
    assert run.plot(kind, ax=mine) is mine
    assert (mine.get_xlabel(), mine.get_ylabel()) == UNITS[kind]
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5_000
    assert run.plot(kind).figure is not figure


def test_the_timeline_is_the_run(run: udpping.SimRun) -> None:
    axes = run.plot()
    lines: Any = axes.lines
    replies, losses, _timeout = lines
    answered = np.array([row.status == "reply" for row in run])
    sent = np.asarray(run["sent_ns"]).astype(float) / 1e9
    assert np.allclose(replies.get_xdata(), sent[answered])
    assert np.allclose(replies.get_ydata(), [row.rtt_ns / 1e6 for row in run if row.rtt_ns is not None])
    lost = sent[~answered]
    assert np.allclose(losses.get_xdata(), lost)
    # On the axis, whatever the round trips are.
    assert set(losses.get_ydata()) == {0}
    assert losses.get_transform() == axes.get_xaxis_transform()


def test_what_is_lost_is_never_answered(run: udpping.SimRun) -> None:
    line: Any = run.plot("ecdf").lines[0]
    assert line.get_ydata()[-1] == pytest.approx(100 * run.summary.received / run.summary.sent)
    assert run.summary.rtt_max_ns is not None
    assert line.get_xdata()[-1] == run.summary.rtt_max_ns / 1e6


def test_the_histogram_counts_every_reply(run: udpping.SimRun) -> None:
    bars: Any = run.plot("hist").patches
    assert sum(bar.get_height() for bar in bars) == run.summary.received


def test_runs_of_losses_stand_beside_what_chance_would_do() -> None:
    pattern = "pattern:.........x..xx...xxx"
    run = udpping.sim.ping(count=20 * 50, loss=pattern)
    axes: Any = run.plot("loss-runs")
    assert [bar.get_height() for bar in axes.patches] == [50, 50, 50]
    independent, bursts = axes.lines
    # 150 runs; after a loss comes another in 3 of 10 if independent, in about half with runs of 2.
    assert np.allclose(independent.get_ydata(), [150 * 0.7 * 0.3**k for k in range(3)])
    assert np.allclose(bursts.get_ydata(), [150 * 0.5**k / 2 for k in range(3)], rtol=0.03)
    fitted = udpping.fit(run)
    assert np.allclose(bursts.get_ydata(), 150 * np.array(fitted.loss.run_lengths(3)))
    assert bursts.get_label() == f"fitted {fitted.best_loss.kind}"


def test_long_runs_are_put_together() -> None:
    axes: Any = udpping.sim.ping(count=200, loss="list:" + ",".join(map(str, range(50, 150)))).plot(
        "loss-runs"
    )
    assert axes.get_xlabel() == "losses in a row (pings, 30 and more together)"
    assert axes.patches[-1].get_height() == 1


def test_jitter_is_that_of_the_standards() -> None:
    trace = udpping.sim.ping(count=50, interval=0.002, loss="10%", delay="uniform:1ms,9ms", seed=3)
    axes: Any = trace.plot("jitter")
    dots, line = axes.lines
    rows = list(trace)
    pairs = [
        (b.rtt_ns - a.rtt_ns) / 1e6
        for a, b in pairwise(rows)
        if a.rtt_ns is not None and b.rtt_ns is not None
    ]
    assert np.allclose(dots.get_ydata(), pairs)
    # In the order in which replies came, and not in that of the pings.
    came = sorted(
        (row.sent_ns + row.rtt_ns, row.rtt_ns) for row in rows if row.sent_ns is not None and row.rtt_ns
    )
    mean, means = 0.0, []
    for (_, before), (_, after) in pairwise(came):
        mean += (abs(after - before) - mean) / 16
        means.append(mean / 1e6)
    assert np.allclose(line.get_ydata(), means)
    assert np.allclose(line.get_xdata(), [at / 1e9 for at, _ in came[1:]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "loss"), [(1, "0"), (1, "1"), (2, "pattern:.x"), (50, "1")])
def test_any_run_can_be_drawn(kind: str, count: int, loss: str) -> None:
    udpping.sim.ping(count=count, loss=loss, delay="1ms").plot(kind).figure.canvas.draw()


def test_what_is_fitted_to_several_runs_has_their_colours() -> None:
    runs = [udpping.sim.ping(count=600, loss=f"pattern:.........x..xx...{'x' * most}") for most in (7, 3)]
    axes: Any = udpping.compare(dict(zip("ab", runs, strict=True))).plot("loss-runs")
    bars = {bars.get_label()[0]: bars.patches[0].get_facecolor()[:3] for bars in axes.containers}
    assert len(set(bars.values())) == 2
    assert [line.get_label()[0] for line in axes.lines] == ["a", "a", "b", "b"]
    for line in axes.lines:
        assert matplotlib.colors.to_rgb(line.get_color()) == bars[line.get_label()[0]]
    # The axis has room for the longest of any.
    assert list(axes.get_xticks()) == list(range(1, 8))
    dots: Any = udpping.compare(dict(zip("ab", runs, strict=True))).plot("jitter")
    colours = [line.get_color() for line in dots.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_several_runs_have_a_colour_each(run: udpping.SimRun) -> None:
    other = udpping.sim.ping(count=100, delay="9ms")
    axes: Any = udpping.compare({"before": run, "after": other}).plot()
    assert [line.get_label() for line in axes.lines] == ["before", "after"]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["before", "after"]


def test_a_comparison_has_room_for_all() -> None:
    runs = {
        f"{delay} ms": udpping.sim.ping(count=50, interval=0.1, delay=delay / 1000) for delay in (1, 90, 5)
    }
    axes: Any = udpping.compare(runs).plot("timeline")
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 90


def test_histograms_beside_each_other_have_the_same_bars() -> None:
    runs = {
        "many": udpping.sim.ping(count=5000, delay="exponential:5ms", seed=1),
        "few": udpping.sim.ping(count=100, loss="pattern:.x", delay="exponential:20ms", seed=2),
        "none": udpping.sim.ping(count=100, loss=1),
    }
    axes: Any = udpping.compare(runs).plot("hist")
    assert axes.get_ylabel() == "pings (%)"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == set(runs)
    many, few, none = (outline.get_xy() for outline in axes.patches)
    assert list(many[:, 0]) == list(few[:, 0])
    for outline, run in zip((many, few, none), runs.values(), strict=True):
        # Each height is there at both ends of its bar.
        assert outline[1:-1:2, 1].sum() == pytest.approx(100 * (1 - (run.summary.loss or 0)))


def test_no_two_of_many_runs_look_alike() -> None:
    runs = {
        f"{number}": udpping.sim.ping(count=30, loss="20%", delay="5ms", seed=number) for number in range(12)
    }
    lines: Any = udpping.compare(runs).plot("ecdf").lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12
    axes: Any = udpping.compare(runs).plot("timeline")
    replies = [line for line in axes.lines if line.get_label() in runs]
    assert len({(line.get_color(), line.get_marker()) for line in replies}) == 12
    # What was lost has the colour of its run, and one entry in the legend.
    losses = [line for line in axes.lines if line.get_marker() == 2]
    assert [line.get_color() for line in losses] == [line.get_color() for line in replies]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(texts) == sorted(
        [*runs, "no reply in time, in the colour of its run", "timeout 1 s, above the picture"]
    )


def test_names_are_names_and_not_formulas() -> None:
    names = ["_a", r"$\frac$", "$5", "x" * 200]
    runs = {name: udpping.sim.ping(count=30, loss="20%", delay="5ms") for name in names}
    axes = udpping.compare(runs).plot("ecdf")
    axes.figure.canvas.draw()
    legend: Any = axes.get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == [" _a", r"\$\frac\$", r"\$5", "x" * 57 + "..."]


def test_a_run_of_losses_ends_with_its_target() -> None:
    with udpping.Server(port=0, loss=1) as one, udpping.Server(port=0, loss=1) as other:
        targets: list[str | tuple[str, int]] = [one.address, other.address]
        axes: Any = udpping.ping_many(targets, count=3, timeout=0.05).plot("loss-runs")
    assert [bar.get_height() for bar in axes.patches] == [0, 0, 2]


@pytest.mark.parametrize(
    ("kind", "loss", "words"),
    [
        ("hist", "1", "no reply in time"),
        ("ecdf", "1", "no reply in time"),
        ("loss-runs", "0", "nothing was lost"),
        ("jitter", "pattern:.x", "no two replies in time"),
    ],
)
def test_a_picture_of_nothing_says_so(kind: str, loss: str, words: str) -> None:
    axes = udpping.sim.ping(count=2, loss=loss).plot(kind)
    assert [text.get_text() for text in axes.texts] == [words]
    empty = udpping.load("target,seq,status,rtt_ns,copies\n").plot(kind)
    assert [text.get_text() for text in empty.texts] == ["no pings"]
    assert not udpping.sim.ping(count=200, loss="30%", delay="exponential:1ms").plot(kind).texts


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_run_is_drawn_in_a_bounded_picture(kind: str, tmp_path: Path) -> None:
    long = udpping.sim.ping(count=60_000, interval=0.001, loss="20%", delay="exponential:5ms", seed=1)
    figure: Any = long.plot(kind).figure
    figure.savefig(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size < 8_000_000


def test_one_long_round_trip_does_not_hide_the_others() -> None:
    tail = udpping.sim.ping(count=1000, timeout=10, delay="uniform:1ms,1001ms", seed=1)
    assert tail.plot("hist").get_xscale() == "linear"
    with udpping.Server(port=0) as server:
        short = udpping.ping(*server.address, count=50, interval=0.001)
    assert len(short.plot("hist").patches) <= 200


def test_several_targets_are_said_to_be_drawn_alike() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0, loss=1) as other:
        targets: list[str | tuple[str, int]] = [one.address, other.address]
        axes: Any = udpping.ping_many(targets, count=3, timeout=0.05).plot()
    assert axes.get_title(loc="left").startswith("Round trips over time: 2 targets, drawn alike, 20")


def test_another_kind_is_refused(run: udpping.SimRun) -> None:
    with pytest.raises(udpping.ConfigError, match=r"kind 'pie' .*timeline, hist, ecdf, loss-runs, jitter"):
        run.plot("pie")
    with pytest.raises(udpping.ConfigError, match="kind 3"):
        run.plot(3)  # type: ignore[arg-type]
    others: list[Any] = [pyplot.subplots(2)[1], pyplot.gcf(), 3]
    for other in others:
        with pytest.raises(udpping.ConfigError, match=r"ax .* one matplotlib Axes"):
            run.plot(ax=other)


def test_without_matplotlib_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; import udpping; udpping.sim.ping(count=1).plot()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: plots need matplotlib: pip install 'udpping[notebook]'" in done.stderr


def test_runs_are_compared_by_name(run: udpping.SimRun) -> None:
    twice = udpping.compare([run, run])
    assert list(twice.runs) == ["192.0.2.1:12000", "192.0.2.1:12000 (2)"]
    assert len(twice) == 2
    assert list(twice) == [run, run]
    assert twice["192.0.2.1:12000 (2)"] is run
    html = udpping.compare({"<b>": run})._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<svg") == 1


@pytest.mark.parametrize("runs", [[], {}, 3, [1], {"a": 1}, {1: None}, "run"])
def test_what_is_no_run_is_refused(runs: object) -> None:
    with pytest.raises(udpping.ConfigError, match="runs"):
        udpping.compare(runs)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def late() -> udpping.SimRun:
    return udpping.sim.ping(
        count=60, interval=0.1, loss="10%", delay="uniform:10ms,150ms", timeout=0.1, seed=1
    )


def labelled(axes: Axes, label: str) -> Any:  # noqa: ANN401 - its data have any type
    (found,) = (line for line in axes.lines if line.get_label() == label)
    return found


def test_late_replies_stand_at_their_time_above_the_timeout(late: udpping.SimRun) -> None:
    axes = late.plot()
    times = [row.rtt_ns / 1e6 for row in late if row.status == "late" and row.rtt_ns is not None]
    assert len(times) > 5
    assert np.allclose(labelled(axes, "late reply").get_ydata(), times)
    assert list(labelled(axes, "timeout 100 ms").get_ydata()) == [100, 100]
    assert axes.get_ylim()[1] > max(times)


def test_a_timeout_far_above_all_round_trips_is_named_and_flattens_nothing(run: udpping.SimRun) -> None:
    axes = run.plot()
    assert labelled(axes, "timeout 1 s, above the picture")
    assert axes.get_ylim()[1] < 40


def test_a_very_late_reply_leaves_the_others_readable() -> None:
    run = udpping.sim.ping(count=40, delay="lognormal:median=1ms,sigma=1.9", timeout=0.02, linger=60, seed=2)
    assert run.summary.late
    axes = run.plot()
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 0 < low < run.summary.rtt_min_ns / 1e6  # type: ignore[operator] # pyright: ignore[reportOptionalOperand]
    assert high > max(labelled(axes, "late reply").get_ydata())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("runs", [1, 2, 12])
def test_a_legend_hides_nothing_and_is_not_hidden(kind: str, runs: int, late: udpping.SimRun) -> None:
    many = {f"a run with a name, number {number}": late for number in range(runs)}
    axes: Any = udpping.compare(many).plot(kind) if runs > 1 else late.plot(kind)
    axes.figure.canvas.draw()
    title, whole = axes._left_title, axes.figure.bbox
    assert title.get_text()
    assert whole.y1 >= title.get_window_extent().y1
    if (legend := axes.get_legend()) is not None:
        box = legend.get_window_extent()
        assert not box.overlaps(axes.patch.get_window_extent())
        assert not box.overlaps(title.get_window_extent())
        assert box.x1 <= whole.x1


def test_a_title_names_the_target_and_the_time(late: udpping.SimRun) -> None:
    assert late.plot().get_title(loc="left") == "Round trips over time: 192.0.2.1:12000, simulated"
    with udpping.Server(port=0) as server:
        run = udpping.ping(server, count=1)
    words = run.plot("hist").get_title(loc="left")
    assert re.fullmatch(r"Round trips: 127\.0\.0\.1:\d+, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", words)
    assert (
        udpping.compare([late, late]).plot().get_title(loc="left") == "Pings answered within a time: 2 runs"
    )


def test_a_title_of_the_callers_own_stays(late: udpping.SimRun) -> None:
    _, axes = pyplot.subplots()
    axes.set_title("mine", loc="left")
    assert late.plot(ax=axes).get_title(loc="left") == "mine"


def test_dots_of_a_few_pings_are_larger_than_those_of_many() -> None:
    sizes = [
        labelled(udpping.sim.ping(count=count, delay="5ms").plot(), "replies").get_markersize()
        for count in (30, 300, 3_000, 30_000)
    ]
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[0] >= 5


@pytest.mark.parametrize("kind", ["hist", "ecdf"])
def test_a_plot_of_replies_in_time_says_how_many_were_late(kind: str, late: udpping.SimRun) -> None:
    told = f"{late.summary.late} late replies are not drawn"
    assert told in late.plot(kind).get_legend_handles_labels()[1]
    legend = udpping.compare({"a": late, "b": late}).plot(kind).get_legend_handles_labels()[1]
    assert f"{2 * late.summary.late} late replies are not drawn" in legend
    without = udpping.sim.ping(count=9).plot(kind).get_legend_handles_labels()[1]
    assert not any("late" in label for label in without)


def test_marks_of_losses_are_under_the_dots(late: udpping.SimRun) -> None:
    runs = {"a": udpping.sim.ping(count=60, interval=0.1, loss=1), "b": late}
    lines: Any = udpping.compare(runs).plot("timeline").lines
    marks = [line.get_zorder() for line in lines if len(line.get_ydata()) and not any(line.get_ydata())]
    dots = [line.get_zorder() for line in lines if any(line.get_ydata())]
    assert len(marks) == 2
    assert max(marks) < min(dots)
