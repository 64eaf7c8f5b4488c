"""Pictures of runs, by matplotlib, which is imported when one is asked for and not before.

Colours are those of Okabe and Ito, which everybody can tell apart; every axis has its unit.
"""

# matplotlib does not say all of its types:
# pyright: reportUnknownMemberType=false

import itertools

from udpping import _checks
from udpping._table import core_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Literal

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from udpping._run import Run
    from udpping.loss import Loss

    Floats = npt.NDArray[np.float64]

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY)
LOST, BLACK = VERMILION, "black"
MANY = 50_000
"""With more pings than this, dots would hide each other, and take long: ranges are drawn instead."""
SPANS = 1_500
"""How many of them."""
BARS = 200
"""Bars of a histogram, at most."""
LONG_TAIL = 50
"""From this many medians on, the longest round trip would press all others into a corner: log axis."""
MOST_RUNS = 30
"""Run lengths that get a bar of their own."""


def plot(run: "Run", kind: str, ax: "Axes | None" = None) -> "Axes":
    """Draw one run."""
    return draw([run], [None], kind, ax)


def draw(runs: "Sequence[Run]", names: "Sequence[str | None]", kind: str, ax: "Axes | None") -> "Axes":
    """Draw runs over each other, each in its colour."""
    drawing = KINDS.get(_checks.text("kind", kind).replace("_", "-"))
    if drawing is None:
        raise _checks.refuse("kind", kind, f"one of {', '.join(KINDS)}")
    if drawing in {timeline, jitter} and not all(map(timed, runs)):
        raise _checks.refuse(
            "kind", kind, "hist, ecdf or loss-runs: it is not known when the pings were sent"
        )
    axes = ax if ax is not None else new_axes()
    for run, name, colour in zip(runs, names, itertools.cycle(CYCLE), strict=False):
        drawing(axes, run, name, colour)
    if any(names) or axes.get_legend_handles_labels()[1]:
        most = max(len(run.targets) for run in runs)
        # matplotlib's search for the best corner takes long when there is much to avoid.
        where: Literal["best", "upper right"] = "best" if max(map(len, runs)) <= MANY else "upper right"
        axes.legend(
            framealpha=0.8,
            edgecolor="none",
            loc=where,
            title=f"{most:,} targets, drawn alike" if most > 1 else "",
        )
    axes.grid(visible=True, alpha=0.3, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def timed(run: "Run") -> bool:
    """Whether it is known when a ping was sent; files of other programs do not always tell."""
    return not len(run) or any(run[name].null_count < len(run) for name in ("sent_ns", "due_ns"))


def new_axes() -> "Axes":
    """Make a figure of its own."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'udpping[notebook]'") from error
    _, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    return axes


def timeline(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show round trips over the time of sending; pings without a reply in time are marks on that axis."""
    import numpy as np

    sent, rtts, in_time = columns(run)
    if len(run) > MANY:
        sent, in_time = _ranges(axes, run, name, colour)
    else:
        axes.plot(sent[in_time], rtts[in_time], ".", color=colour, markersize=3, label=name or "replies")
    copies = np.asarray(run["copies"]) if len(run) <= MANY else np.zeros(0)
    look: dict[str, Any]
    twice = np.flatnonzero(copies > 1)
    twice = twice[in_time[twice]]
    said = f"{name}: " if name else ""
    if len(twice):
        look = {"color": PURPLE, "fillstyle": "none", "label": f"{said}answered more than once"}
        axes.plot(sent[twice], rtts[twice], "o", **look)
    late = np.asarray(run["status"]) == "late" if len(run) <= MANY else np.zeros(len(in_time), bool)
    # On the axis itself, whatever the round trips are.
    where = axes.get_xaxis_transform()
    if (lost := sent[~in_time & ~late]).size:
        label = f"{said}no reply in time"
        axes.plot(lost, lost * 0, "|", color=LOST, markersize=12, transform=where, clip_on=False, label=label)
    if (lost := sent[late]).size:
        look = {"color": BLACK, "fillstyle": "none", "markersize": 7, "label": f"{said}late reply"}
        axes.plot(lost, lost * 0, "o", transform=where, clip_on=False, **look)
    axes.set_xlabel("sent, seconds since the run began")
    axes.set_ylabel("round trip (ms)")
    axes.set_ylim(bottom=0)


def _ranges(
    axes: "Axes", run: "Run", name: str | None, colour: str
) -> "tuple[Floats, npt.NDArray[np.bool_]]":
    """Draw the shortest to the longest round trip of each moment; gives these, and which have no loss."""
    import numpy as np

    from udpping._core import run_timeline

    first, last, (drawn,) = run_timeline(core_of(run), SPANS, [])
    spans = [(place, *span) for place, span in enumerate(drawn) if sum(span[2:6])]
    at = first + (np.array([span[0] for span in spans]) + 0.5) * (last - first) / SPANS
    low, high = (
        np.array([span[i] if span[i] is not None else np.nan for span in spans]) / 1e6 for i in (1, 2)
    )
    label = (
        f"{name}: shortest to longest"
        if name
        else f"shortest to longest of each {1e-9 * (last - first) / SPANS:.2g} s"
    )
    axes.vlines(at / 1e9, low, high, color=colour, linewidth=0.8, label=label, rasterized=True)
    return at / 1e9, np.array([span[3] == sum(span[3:7]) for span in spans])


def hist(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show how many round trips are how long."""
    import numpy as np

    _, rtts, in_time = columns(run)
    times = rtts[in_time]
    if len(times):
        low, high = float(times.min()), float(times.max())
        # After Freedman and Diaconis, but never more than fit: one long round trip is no reason.
        width = 2 * float(np.subtract(*np.quantile(times, (0.75, 0.25)))) / len(times) ** (1 / 3)
        bars = min(max(1, round((high - low) / width)) if width > 0 else 10, BARS)
        edges = np.geomspace(low, high, BARS // 4 + 1).tolist() if _long_tail(axes, times) else bars
        axes.hist(times, bins=edges, color=colour, alpha=0.6, label=name)
    axes.set_xlabel("round trip (ms)")
    axes.set_ylabel("pings")


def _long_tail(axes: "Axes", times: "Floats") -> bool:
    """Make the axis of round trips logarithmic where the longest is far beyond the others."""
    import numpy as np

    if times.min() > 0 and times.max() > LONG_TAIL * float(np.median(times)):
        axes.set_xscale("log")
        return True
    return False


def ecdf(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show the share of all pings that was answered within a time: what is lost is never answered."""
    import numpy as np

    _, rtts, in_time = columns(run)
    times = np.sort(rtts[in_time])
    if len(times):
        _long_tail(axes, times)
        share = 100 * np.arange(1, len(times) + 1) / len(rtts)
        axes.step(np.r_[times[0], times], np.r_[0, share], where="post", color=colour, label=name)
    axes.set_xlabel("round trip (ms)")
    axes.set_ylabel("pings answered within it (%)")
    axes.set_ylim(0, 100)


def loss_runs(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show how many losses followed each other, beside what losses would do that know nothing of it."""
    import numpy as np

    _, _, in_time = columns(run)
    lengths = np.array([sum(1 for _ in group) for kept, group in itertools.groupby(in_time) if not kept])
    together = len(lengths) > 0 and int(lengths.max()) > MOST_RUNS
    if len(lengths):
        most = min(int(lengths.max()), MOST_RUNS)
        ks = np.arange(1, most + 1)
        counts = np.bincount(np.minimum(lengths, most), minlength=most + 1)[1:]
        axes.bar(ks, counts, color=colour, alpha=0.6, label=f"{name}: observed" if name else "observed")
        for model, style, words in _chains(run):
            expected = len(lengths) * np.array(model.run_lengths(most))
            if together:
                expected[-1] = len(lengths) - expected[:-1].sum()  # this one and all longer ones
            label = f"{name}: {words}" if name else words
            axes.plot(
                ks, expected, f"o{style}", color=_second(name, colour), markersize=3, linewidth=1, label=label
            )
        # Another run may have had longer ones.
        ticks = np.arange(1, int(axes.dataLim.x1) + 1)
        axes.set_xticks(ticks if len(ticks) <= 12 else ticks[:: len(ticks) // 10])  # noqa: PLR2004 - as many as fit
    if together or not axes.get_xlabel():
        axes.set_xlabel(f"losses in a row (pings{f', {MOST_RUNS} and more together' if together else ''})")
    axes.set_ylabel("runs of losses")


def _second(name: str | None, colour: str) -> str:
    """Choose the colour of a line over what else a run has: beside other runs, its own."""
    return BLACK if name is None else colour


def _chains(run: "Run") -> "Iterator[tuple[Loss, str, str]]":
    """Give independent losses and the chain that fits best, if that is another one."""
    from udpping._fit import fit

    fitted = fit(run)
    if fitted.lost == fitted.sent:
        return  # one run without an end
    best, independent = fitted.best_loss, fitted.losses[0].model
    if independent is not None:
        yield independent, "--", "independent losses"
    if best.model is not None and best.model is not independent:
        yield best.model, "-", f"fitted {best.kind}"


def jitter(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show how round trips differ from those before (RFC 3393), and the running mean of it (RFC 3550).

    The first is of pings with neighbouring numbers; the second of replies in the order in which they came.
    """
    import numpy as np

    from udpping._core import run_jitter

    sent, rtts, in_time = columns(run)
    both = in_time[1:] & in_time[:-1] & (np.diff(np.asarray(run["seq"]).astype(np.int64)) == 1)
    said = f"{name}: " if name else ""
    means = run_jitter(core_of(run))
    at = np.asarray(means["recv_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    # Each target has its own, and begins anew.
    order = np.asarray(means["target"])
    values = np.asarray(means["jitter_ns"], dtype=np.float64) / 1e6
    values[1:][order[1:] != order[:-1]] = np.nan
    moments, changes = sent[1:][both], np.diff(rtts)[both]
    if len(changes) > MANY:
        starts = np.linspace(0, len(changes) - 1, SPANS, dtype=np.intp)
        low, high = np.minimum.reduceat(changes, starts), np.maximum.reduceat(changes, starts)
        label = f"{said}IPDV, lowest to highest of {len(changes) // SPANS:,} each"
        axes.vlines(moments[starts], low, high, color=colour, linewidth=0.8, alpha=0.6, label=label)
        every = np.linspace(0, len(values) - 1, SPANS, dtype=np.intp)
        at, values = at[every], values[every]
    else:
        axes.plot(moments, changes, ".", color=colour, markersize=3, alpha=0.6, label=f"{said}IPDV")
    axes.plot(at, values, color=_second(name, colour), linewidth=1, label=f"{said}RFC 3550 jitter")
    axes.set_xlabel("seconds since the run began")
    axes.set_ylabel("change of the round trip (ms)")


def columns(run: "Run") -> "tuple[Floats, Floats, npt.NDArray[np.bool_]]":
    """Give the times of sending (s), the round trips (ms), and which of these are of replies in time."""
    import numpy as np

    sent = np.asarray(run["sent_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    due = np.asarray(run["due_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e9
    unsent = np.array(bytearray(run["sent_ns"].null_mask()), dtype=bool)
    sent[unsent] = due[unsent]
    rtts = np.asarray(run["rtt_ns"]).astype("timedelta64[ns]").astype(np.float64) / 1e6
    in_time = np.asarray(run["status"]) == "reply"
    rtts[~in_time] = np.nan
    return sent, rtts, in_time


KINDS: "dict[str, Callable[[Axes, Run, str | None, str], None]]" = {
    "timeline": timeline,
    "hist": hist,
    "ecdf": ecdf,
    "loss-runs": loss_runs,
    "jitter": jitter,
}
