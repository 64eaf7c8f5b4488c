"""Plots runs with matplotlib, which is imported on first use.

Colours are those of Okabe and Ito, which colour-blind readers can distinguish; every axis has its unit.
"""

# matplotlib is not fully typed:
# pyright: reportUnknownMemberType=false

import itertools
from functools import partial
from typing import NamedTuple, cast

from udpping._args import checks
from udpping._args.keywords import nearest
from udpping._table.excerpt import moment
from udpping._table.table import core_of
from udpping._table.text import counted, short, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from udpping._results.run import Run
    from udpping._table.table import Table
    from udpping.loss import Loss

    Floats = npt.NDArray[np.float64]

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY)
LOST, BLACK = VERMILION, "black"
MANY = 50_000
"""With more pings than this, dots would hide each other, and take long: ranges are drawn instead."""
SPANS = 1_500
"""The number of these ranges."""
BARS = 200
"""Bars of a histogram, at most."""
LONG_TAIL = 50
"""The axis is logarithmic if the longest round trip is more than so many medians."""
MOST_RUNS = 30
"""Run lengths that get a bar of their own."""
LEGEND_CHARACTERS = 110
"""The characters of a row of a legend."""
LEGEND_ROW = 16
"""The points of its height."""
DOTS = ((60, 5.0), (500, 3.5), (5_000, 2.0))
"""The size of dots for at most so many pings, so that few can be seen and many do not hide each other."""
SMALLEST_DOT, LEGEND_DOT = 1.2, 4.0
TICK = 2
"""The number of matplotlib's mark that stands on its point, so that it hides no number of the axis."""
UNDER = 1.5
"""The layer of these marks: below the dots, which have matplotlib's 2."""
FAR = 2.5
"""A timeout above so many times what is drawn is named, and not drawn: it would flatten the rest."""
BANDS = 100
"""The most places at which a band has another width."""
BAND = "somewhere in its band"
STEPS = 20
"""The most steps of a clock that are marked."""
SIMULATED = "udpping.sim.ping"


class Look(NamedTuple):
    """How a run looks beside others."""

    name: str | None = None
    """`None` for a run alone."""
    colour: str = BLUE
    line: str = "-"
    dot: str = "o"
    place: int = 0
    of: int = 1

    def says(self, words: str) -> str:
        """Put the name before words that are about this run alone."""
        return f"{self.name}: {words}" if self.name else words

    def shares(self, axes: "Axes", words: str) -> str:
        """Return the label of marks that all runs have; empty if the legend has it already."""
        words = f"{words}, in the colour of its run" if self.name else words
        return "" if words in axes.get_legend_handles_labels()[1] else words


def looks(names: "Sequence[str | None]") -> "Iterator[Look]":
    """Yield a colour for each run; when colours repeat, with another line and another mark."""
    cycle = [(colour, line, dot) for line, dot in (("-", "o"), ("--", "x"), (":", "+")) for colour in CYCLE]
    for place, (name, look) in enumerate(zip(names, itertools.cycle(cycle), strict=False)):
        # matplotlib reads text between dollars as a formula, and omits labels that begin with `_`.
        label = name and short(name).replace("$", r"\$")
        yield Look(f" {label}" if label and label.startswith("_") else label, *look, place, len(names))


def plot(run: "Run", kind: str, ax: "Axes | None" = None) -> "Axes":
    return draw([run], [None], kind, ax)


def draw(runs: "Sequence[Run]", names: "Sequence[str | None]", kind: str, ax: "Axes | None") -> "Axes":
    kind = checks.text("kind", kind).replace("_", "-")
    drawing = KINDS.get(kind)
    if drawing is None:
        near = nearest(kind, KINDS)
        meant = f"; did you mean {near!r}?" if near else ""
        raise checks.refuse("kind", kind, f"one of {', '.join(KINDS)}{meant}")
    if drawing in {timeline, jitter} and not all(map(timed, runs)):
        raise checks.refuse("kind", kind, "hist, ecdf or loss-runs: it is not known when the pings were sent")
    axes = new_axes() if ax is None else checked_axes(ax)
    if drawing is hist:
        drawing = partial(hist, bins=_bins(axes, runs))
    for run, look in zip(runs, looks(names), strict=True):
        drawing(axes, run, look)
    if drawing is timeline:
        _timeouts(axes, runs)
    if kind in IN_TIME and (late := sum(map(_late, runs))):
        axes.plot([], [], linestyle="none", label=counted(late, "late replies are not drawn"))
    if not axes.has_data():
        reasons = NOTHING if any(map(len, runs)) else {}
        axes.text(0.5, 0.5, reasons.get(kind, "no pings"), ha="center", va="center", transform=axes.transAxes)
    rows = _legend(axes)
    if not axes.get_title(loc="left"):
        pad = 6 + LEGEND_ROW * rows
        axes.set_title(_title(runs, TITLES[kind]), loc="left", fontsize="medium", pad=pad)
    axes.grid(visible=True, alpha=0.3, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def _late(run: "Run") -> int:
    import numpy as np

    return int(np.count_nonzero(np.asarray(run["status"]) == "late"))


def _legend(axes: "Axes") -> int:
    """Put the legend above the axes, where it hides nothing; return its number of rows."""
    labels = axes.get_legend_handles_labels()[1]
    if not labels:
        return 0
    columns = max(1, min(len(labels), LEGEND_CHARACTERS // (max(map(len, labels)) + 6)))
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        borderpad=0.2,
        frameon=False,
        fontsize="small",
        ncols=columns,
        columnspacing=1.5,
        handletextpad=0.5,
    )
    for handle in filter(None, legend.legend_handles):
        if getattr(handle, "get_markersize", lambda: LEGEND_DOT)() < LEGEND_DOT:
            handle.set(markersize=LEGEND_DOT)
    return -(-len(labels) // columns)


def _title(runs: "Sequence[Run]", what: str) -> str:
    """Say what is drawn, of which target, and when that was measured."""
    if len(runs) != 1:
        return f"{what}: {len(runs):,} runs"
    (run,) = runs
    names = run.targets
    name = short(names[0]).replace("$", r"\$") if len(names) == 1 else f"{len(names):,} targets, drawn alike"
    words = [f"{what}: {name}"]
    if run.settings.get("made_by") == SIMULATED:
        words.append("simulated")
    elif began := next((at for at in run["sent_wall_ns"].to_list() if at is not None), None):
        words.append(f"{str(moment(began))[:19]} UTC")
    return ", ".join(words)


def timed(run: "Run") -> bool:
    """Return whether a run has times of sending: files of other programs may have none."""
    return not len(run) or any(run[name].null_count < len(run) for name in ("sent_ns", "due_ns"))


def new_axes(inches: tuple[float, float] = (8, 3.5)) -> "Axes":
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'udpping[notebook]'") from error
    _, axes = plt.subplots(figsize=inches, layout="constrained")
    return axes


def checked_axes(ax: object) -> "Axes":
    """Check that `ax` is one Axes: `subplots` returns an array of several."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise checks.refuse("ax", ax, "one matplotlib Axes; of several, as plt.subplots(2) gives, one")
    return ax


def timeline(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw round trips over the time of sending; pings without a reply in time are marks on that axis."""
    import numpy as np

    sent, rtts, in_time = columns(run)
    if len(run) > MANY:
        sent, in_time = _ranges(axes, run, look)
    elif look.name or in_time.any():
        dots = _dots(len(run), look)
        axes.plot(sent[in_time], rtts[in_time], color=look.colour, label=look.name or "replies", **dots)
    copies = np.asarray(run["copies"]) if len(run) <= MANY else np.zeros(0)
    open_dots: dict[str, Any] = {"fillstyle": "none", "linestyle": "none", "marker": "o"}
    twice = np.flatnonzero(copies > 1)
    twice = twice[in_time[twice]]
    # Alone, a run has room for more colours; beside others, each mark has the colour of its run.
    lost_colour, twice_colour, late_colour = (look.colour,) * 3 if look.name else (LOST, PURPLE, BLACK)
    if len(twice):
        label = look.shares(axes, "answered more than once")
        axes.plot(sent[twice], rtts[twice], color=twice_colour, label=label, **open_dots)
    late = np.asarray(run["status"]) == "late" if len(run) <= MANY else np.zeros(len(in_time), bool)
    # On the axis itself, whatever the round trips are.
    where = axes.get_xaxis_transform()
    if (lost := sent[~in_time & ~late]).size:
        label = look.shares(axes, "no reply in time")
        ticks: dict[str, Any] = {"color": lost_colour, "marker": TICK, "markersize": 8, "linestyle": "none"}
        ticks["zorder"] = UNDER
        axes.plot(lost, lost * 0, transform=where, label=label, **ticks)
    if late.any():
        label = look.shares(axes, "late reply")
        times = _millis(run, "rtt_ns")[late]
        open_dots |= {"markersize": 7}
        axes.plot(sent[late], times, color=late_colour, label=label, **open_dots)
        if in_time.any() and times.max() > LONG_TAIL * float(np.nanmedian(rtts)) > 0:
            axes.set_yscale("log")
    axes.set_xlabel("sent, seconds since the run began")
    axes.set_ylabel("round trip (ms)")


def _dots(count: int, look: Look) -> "dict[str, Any]":
    """Return the look of dots; those of runs beside each other let others be seen through them."""
    size = next((size for most, size in DOTS if count <= most), SMALLEST_DOT)
    cross = look.dot != "o"
    return {
        "linestyle": "none",
        "marker": look.dot,
        "markersize": size + 1.5 if cross else size,
        "markeredgewidth": 1 if cross else 0,
        "alpha": 0.6 if look.of > 1 else 0.9,
    }


def _timeouts(axes: "Axes", runs: "Sequence[Run]") -> None:
    """Draw a line where replies are late, or name it if it is far above all of them."""
    linear = axes.get_yscale() == "linear"
    found = {run.settings.get("timeout") for run in runs}
    timeouts = sorted(float(each) for each in found if isinstance(each, (int, float)))
    if len(timeouts) == 1 and axes.has_data():
        height, name = 1e3 * timeouts[0], f"timeout {time_text(round(1e9 * timeouts[0]))}"
        line: dict[str, Any] = {"color": "gray", "linestyle": "--", "linewidth": 1}
        if height <= FAR * axes.dataLim.y1 or not linear:
            axes.axhline(height, label=name, **line)
        else:
            axes.plot([], [], label=f"{name}, above the picture", **line)
    if linear:
        # Last, as it turns autoscaling off.
        axes.set_ylim(bottom=0)


def _ranges(axes: "Axes", run: "Run", look: Look) -> "tuple[Floats, npt.NDArray[np.bool_]]":
    """Draw the range of round trips in each span; return the middles of spans, and which have no loss."""
    import numpy as np

    from udpping._core import run_timeline

    first, last, (drawn,) = run_timeline(core_of(run), SPANS, [])
    spans = [(place, *span) for place, span in enumerate(drawn) if sum(span[2:6])]
    at = first + (np.array([span[0] for span in spans]) + 0.5) * (last - first) / SPANS
    low, high = (
        np.array([span[i] if span[i] is not None else np.nan for span in spans]) / 1e6 for i in (1, 2)
    )
    label = (
        look.says("shortest to longest")
        if look.name
        else f"shortest to longest of each {1e-9 * (last - first) / SPANS:.2g} s"
    )
    axes.vlines(at / 1e9, low, high, color=look.colour, linewidth=0.8, label=label, rasterized=True)
    return at / 1e9, np.array([span[3] == sum(span[3:7]) for span in spans])


def hist(axes: "Axes", run: "Run", look: Look, bins: "list[float]") -> None:
    """Draw a histogram of round trips; beside other runs their shares, in outlines."""
    import numpy as np

    _, rtts, in_time = columns(run)
    times = rtts[in_time]
    axes.set_xlabel("round trip (ms)")
    axes.set_ylabel("pings (%)" if look.name else "pings")
    if look.name:
        # Also without a reply, for its entry in the legend.
        weights = np.full(len(times), 100 / max(len(run), 1))
        outline: dict[str, Any] = {"histtype": "step", "color": look.colour, "linestyle": look.line}
        axes.hist(times, bins=bins or [0, 1], weights=weights, label=look.name, **outline)
    elif len(times):
        axes.hist(times, bins=bins, color=look.colour, alpha=0.6)
        _whole_numbers(axes)


def _bins(axes: "Axes", runs: "Sequence[Run]") -> "list[float]":
    """Choose the edges of the bars, the same for all runs."""
    import numpy as np

    times = np.concatenate([rtts[in_time] for _, rtts, in_time in map(columns, runs)])
    if not len(times):
        return []
    low, high = float(times.min()), float(times.max())
    if _long_tail(axes, times):
        return [float(edge) for edge in np.geomspace(low, high, BARS // 4 + 1)]
    # The rule of Freedman and Diaconis, with a limit: one long round trip makes any number of bars.
    width = 2 * float(np.subtract(*np.quantile(times, (0.75, 0.25)))) / len(times) ** (1 / 3)
    bars = min(max(1, round((high - low) / width)) if width > 0 else 10, BARS)
    return [float(edge) for edge in np.histogram_bin_edges(times, bars)]


def _whole_numbers(axes: "Axes") -> None:
    """Put only whole numbers on the axis of counts, unless the caller has changed its locator."""
    from matplotlib.ticker import MaxNLocator

    locator = axes.yaxis.get_major_locator()
    if isinstance(locator, MaxNLocator):
        locator.set_params(integer=True)


def _long_tail(axes: "Axes", times: "Floats") -> bool:
    """Make the axis of round trips logarithmic if the longest is far beyond the others; return whether."""
    import numpy as np

    if times.min() > 0 and times.max() > LONG_TAIL * float(np.median(times)):
        axes.set_xscale("log")
        return True
    return False


def ecdf(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw the share of all pings, lost ones included, that was answered within each time."""
    import numpy as np

    _, rtts, in_time = columns(run)
    times = np.sort(rtts[in_time])
    if look.name or len(times):
        if len(times):
            _long_tail(axes, times)
        share = 100 * np.arange(1, len(times) + 1) / max(len(rtts), 1)
        style: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "label": look.name}
        axes.step(np.r_[times[:1], times], np.r_[share[:1] * 0, share], where="post", **style)
    axes.set_xlabel("round trip (ms)")
    axes.set_ylabel("pings answered within it (%)")
    axes.set_ylim(0, 100)


def loss_runs(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw the number of runs of losses of each length, beside the numbers that models expect."""
    import numpy as np

    from udpping.stats import loss_runs as runs_of

    # Counted for each target: no run continues from one to the next.
    lengths = runs_of(run).lengths
    longest, several = max(lengths, default=0), sum(lengths.values())
    together = longest > MOST_RUNS
    if lengths:
        most = min(longest, MOST_RUNS)
        ks = np.arange(1, most + 1)
        counts = [0] * most
        for length, count in lengths.items():
            counts[min(length, most) - 1] += count
        width = 0.8 / look.of
        aside = (look.place - (look.of - 1) / 2) * width
        bars: dict[str, Any] = {"width": width, "color": look.colour, "alpha": 0.6}
        axes.bar(ks + aside, counts, label=look.says("observed"), **bars)
        for model, style, words in _chains(run):
            expected = several * np.array(model.run_lengths(most))
            if together:
                expected[-1] = several - expected[:-1].sum()  # this one and all longer ones
            line: dict[str, Any] = {"color": _second(look), "markersize": 3, "linewidth": 1}
            axes.plot(ks, expected, f"o{style}", label=look.says(words), **line)
        _whole_numbers(axes)
        # The axes may hold a run with longer ones.
        ticks = np.arange(1, int(axes.dataLim.x1) + 1)
        axes.set_xticks(ticks if len(ticks) <= 12 else ticks[:: len(ticks) // 10])  # noqa: PLR2004 - as many as fit
    if together or not axes.get_xlabel():
        axes.set_xlabel(f"losses in a row (pings{f', {MOST_RUNS} and more together' if together else ''})")
    axes.set_ylabel("runs of losses")


def _second(look: Look) -> str:
    """Choose the colour of a line over what else a run has: beside other runs, its own."""
    return BLACK if look.name is None else look.colour


def _chains(run: "Run") -> "Iterator[tuple[Loss, str, str]]":
    """Yield independent losses, and the model that fits best if it is another one."""
    from udpping._figures.fit import fit

    fitted = fit(run)
    if fitted.lost == fitted.sent:
        return  # one run of losses, without an end
    best, independent = fitted.best_loss, fitted.losses[0].model
    if independent is not None:
        yield independent, "--", "independent losses"
    if best.model is not None and best.model is not independent:
        yield best.model, "-", f"fitted {best.kind}"


def jitter(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw the differences of successive round trips (RFC 3393), and their running mean (RFC 3550).

    The first is of pings with adjacent numbers; the second of replies in the order of arrival.
    """
    import numpy as np

    from udpping._core import run_jitter

    sent, rtts, in_time = columns(run)
    both = in_time[1:] & in_time[:-1] & (np.diff(np.asarray(run["seq"]).astype(np.int64)) == 1)
    means = run_jitter(core_of(run))
    at = np.asarray(means["recv_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    # Each target has its own jitter: no line from one to the next.
    order = np.asarray(means["target"])
    values = np.asarray(means["jitter_ns"], dtype=np.float64) / 1e6
    values[1:][order[1:] != order[:-1]] = np.nan
    moments, changes = sent[1:][both], np.diff(rtts)[both]
    if len(changes) > MANY:
        starts = np.linspace(0, len(changes) - 1, SPANS, dtype=np.intp)
        low, high = np.minimum.reduceat(changes, starts), np.maximum.reduceat(changes, starts)
        label = look.says(f"IPDV, lowest to highest of {len(changes) // SPANS:,} each")
        axes.vlines(moments[starts], low, high, color=look.colour, linewidth=0.8, alpha=0.6, label=label)
        every = np.linspace(0, len(values) - 1, SPANS, dtype=np.intp)
        at, values = at[every], values[every]
    elif look.name or len(changes):
        dots = _dots(len(run), look)
        axes.plot(moments, changes, color=look.colour, label=look.shares(axes, "IPDV"), **dots)
    if look.name or len(values):
        line: dict[str, Any] = {"color": _second(look), "linestyle": look.line, "linewidth": 1}
        axes.plot(at, values, label=look.says("RFC 3550 jitter"), **line)
    axes.set_xlabel("seconds since the run began")
    axes.set_ylabel("change of the round trip (ms)")


def ways(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw the delays of both ways over time, the band in which each is, and what was lost on each."""
    import numpy as np

    from udpping.stats import one_way_rows

    axes.set_xlabel("sent, seconds since the run began")
    axes.set_ylabel("delay of one way (ms)")
    if not run.ways:
        return
    rows = one_way_rows(run)
    at, error = _since_start(rows), _millis(rows, "owd_error_ns")
    sent, _, _ = columns(run)
    lost_on = np.asarray(run["lost_on"].to_list(), dtype=object)
    for way, colour in (("up", BLUE), ("down", ORANGE)):
        delays, dots = _millis(rows, f"{way}_ns"), _dots(len(rows), look)
        if look.name:
            colour = look.colour  # noqa: PLW2901 - beside other runs, each has its own
            dots |= {"marker": "o" if way == "up" else "x", "markeredgewidth": 0 if way == "up" else 1}
        band: dict[str, Any] = {"color": colour, "alpha": 0.15, "linewidth": 0, "zorder": 1}
        for places in _each_target(rows):
            count = min(BANDS, max(len(places) // 10, min(len(places), 10)))
            spans = np.array_split(places[np.argsort(at[places], kind="stable")], count)
            middles = np.array([float(np.median(delays[span])) for span in spans])
            wrong = np.array([float(error[span].max()) for span in spans])
            edges = np.array([at[span].mean() for span in spans])
            axes.fill_between(edges, np.maximum(middles - wrong, 0), middles + wrong, **band)
        axes.plot(at, delays, color=colour, label=look.says(way), rasterized=len(rows) > MANY, **dots)
        if (lost := sent[lost_on == way]).size:
            _ticks(axes, lost, colour, look.shares(axes, "lost") if look.name else f"lost {way}")
    if (lost := sent[lost_on == "unknown"]).size:
        name = look.shares(axes, "lost") if look.name else "lost up or down"
        _ticks(axes, lost, look.colour if look.name else BLACK, name)
    axes.fill_between([], [], color="gray", alpha=0.3, label=look.shares(axes, BAND))
    axes.set_ylim(bottom=0)


def _ticks(axes: "Axes", at: "Floats", colour: str, label: str) -> None:
    """Mark losses on the axis itself."""
    where = axes.get_xaxis_transform()
    ticks: dict[str, Any] = {"marker": TICK, "markersize": 8, "linestyle": "none", "zorder": UNDER}
    axes.plot(at, at * 0, transform=where, color=colour, label=label, **ticks)


def offset(axes: "Axes", run: "Run", look: Look) -> None:
    """Draw by how much the clock of the target is ahead of ours over time: it is within the band."""
    import numpy as np

    from udpping.stats import Pings, clock, one_way_rows

    axes.set_xlabel("sent, seconds since the run began")
    axes.set_ylabel("clock there ahead of ours by (ms)")
    if not run.ways:
        return
    rows = one_way_rows(run)
    at, low, high = _since_start(rows), _millis(rows, "offset_low_ns"), _millis(rows, "offset_high_ns")
    label = look.says("within this band")
    for places in _each_target(rows):
        places = places[np.argsort(at[places], kind="stable")]  # noqa: PLW2901 - in order
        band: dict[str, Any] = {"color": look.colour, "alpha": 0.25, "linewidth": 0, "label": label}
        axes.fill_between(at[places], low[places], high[places], **band)
        line: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "linewidth": 1}
        middle = (low[places] + high[places]) / 2
        axes.plot(at[places], middle, label=look.says("its middle") if label else "", **line)
        label = ""
    begun = cast("int", rows["run"][0])
    steps = [step for pings in Pings(run).by_target().values() for step in clock(pings).steps]
    for number, step in enumerate(steps[:STEPS]):
        ends = (step.after_ns - begun) / 1e9, (step.before_ns - begun) / 1e9
        name = look.says("one of the clocks was set") if number == 0 else ""
        axes.axvspan(*ends, color=VERMILION, alpha=0.4, label=name)


def _since_start(rows: "Table") -> "Floats":
    """Return when pings were sent, in seconds since their run began, by the wall clock."""
    import numpy as np

    sent, begun = (np.asarray(rows[name].to_list(), dtype=np.int64) for name in ("sent_wall_ns", "run"))
    return (sent - begun) / 1e9


def _each_target(rows: "Table") -> "list[npt.NDArray[np.intp]]":
    """Return the places of the rows of each run and target, as each has a clock of its own."""
    import numpy as np

    names = list(zip(rows["run"].to_list(), rows["target"].to_list(), strict=True))
    return [np.flatnonzero([name == each for name in names]) for each in dict.fromkeys(names)]


def columns(run: "Run") -> "tuple[Floats, Floats, npt.NDArray[np.bool_]]":
    """Return the times of sending (s), the round trips (ms), and which of these are of replies in time."""
    import numpy as np

    sent = np.asarray(run["sent_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    due = np.asarray(run["due_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    unsent = np.array(bytearray(run["sent_ns"].null_mask()), dtype=bool)
    sent[unsent] = due[unsent]
    rtts = _millis(run, "rtt_ns")
    in_time = np.asarray(run["status"]) == "reply"
    rtts[~in_time] = np.nan
    return sent, rtts, in_time


def _millis(run: "Run | Table", name: str) -> "Floats":
    import numpy as np

    return np.asarray(run[name]).astype("timedelta64[ns]").astype(np.float64) / 1e6


TITLES = {
    "timeline": "Round trips over time",
    "hist": "Round trips",
    "ecdf": "Pings answered within a time",
    "loss-runs": "Losses in a row",
    "jitter": "Jitter over time",
    "ways": "Delays up and down",
    "offset": "Offset of the other clock",
}
NO_TIMES = "no times of the other end"
NOTHING = {
    "hist": "no reply in time",
    "ecdf": "no reply in time",
    "loss-runs": "nothing was lost",
    "jitter": "no two replies in time",
    "ways": NO_TIMES,
    "offset": NO_TIMES,
}
"""The text in a plot with nothing to draw."""
IN_TIME = {"hist", "ecdf"}
"""The plots of replies in time alone."""
KINDS: "dict[str, Callable[..., None]]" = {
    "timeline": timeline,
    "hist": hist,
    "ecdf": ecdf,
    "loss-runs": loss_runs,
    "jitter": jitter,
    "ways": ways,
    "offset": offset,
}
