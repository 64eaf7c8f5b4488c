"""Pictures of runs, by matplotlib, which is imported when one is asked for and not before.

Colours are those of Okabe and Ito, which everybody can tell apart; every axis has its unit.
"""

# matplotlib does not say all of its types:
# pyright: reportUnknownMemberType=false

import itertools

from udpping import _checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from udpping._run import Run
    from udpping.loss import Loss

    Floats = npt.NDArray[np.float64]

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY)
LOST = VERMILION
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
    axes = ax if ax is not None else new_axes()
    for run, name, colour in zip(runs, names, itertools.cycle(CYCLE), strict=False):
        drawing(axes, run, name, colour)
    if any(names) or axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)
    axes.grid(visible=True, alpha=0.3, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


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
    sent, rtts, in_time = columns(run)
    axes.plot(sent[in_time], rtts[in_time], ".", color=colour, markersize=3, label=name)
    lost = sent[~in_time]
    if len(lost):
        # On the axis itself, whatever the round trips are.
        where = axes.get_xaxis_transform()
        label = f"{name}: no reply in time" if name else "no reply in time"
        axes.plot(lost, lost * 0, "|", color=LOST, markersize=12, transform=where, clip_on=False, label=label)
    axes.set_xlabel("sent, seconds since the run began")
    axes.set_ylabel("round trip (ms)")
    axes.set_ylim(bottom=0)


def hist(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show how many round trips are how long."""
    _, rtts, in_time = columns(run)
    axes.hist(rtts[in_time], bins="auto", color=colour, alpha=0.6, label=name)
    axes.set_xlabel("round trip (ms)")
    axes.set_ylabel("pings")


def ecdf(axes: "Axes", run: "Run", name: str | None, colour: str) -> None:
    """Show the share of all pings that was answered within a time: what is lost is never answered."""
    import numpy as np

    _, rtts, in_time = columns(run)
    times = np.sort(rtts[in_time])
    if len(times):
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
            axes.plot(ks, expected, f"o{style}", color="black", markersize=3, linewidth=1, label=label)
        axes.set_xticks(ks if most <= 12 else ks[:: most // 10])  # noqa: PLR2004 - as many labels as fit
    axes.set_xlabel(f"losses in a row (pings{f', {MOST_RUNS} and more together' if together else ''})")
    axes.set_ylabel("runs of losses")


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
    """Show how round trips differ from those before (RFC 3393), and the running mean of it (RFC 3550)."""
    import numpy as np

    sent, rtts, in_time = columns(run)
    both = in_time[1:] & in_time[:-1]
    change = np.diff(rtts)[both]
    at = sent[1:][both]
    axes.plot(
        at, change, ".", color=colour, markersize=3, alpha=0.6, label=f"{name}: IPDV" if name else "IPDV"
    )
    mean = 0.0
    means: list[float] = []
    for each in np.abs(change):
        mean += (float(each) - mean) / 16
        means.append(mean)
    label = f"{name}: RFC 3550 jitter" if name else "RFC 3550 jitter"
    axes.plot(at, means, color="black", linewidth=1, label=label)
    axes.set_xlabel("sent, seconds since the run began")
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
