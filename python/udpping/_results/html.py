"""Shows runs in a notebook: plain HTML and SVG without scripts, legible on dark and light pages."""

from html import escape

from udpping._results.svg import STRIPS, pictures, scale_of
from udpping._table.html import ends_html, grid
from udpping._table.text import NO_BREAK, cell, loss_percents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run, Summary

TARGETS = 20
"""The most targets shown."""
RTTS = ("min", "avg", "median", "max", "p99")
HEAD = ["target", "sent", "received", "lost", "loss", *RTTS, "late", "duplicates", "reordered"]
NOTE = "<p>round trips in ms; the bracket is the 95 % interval of the loss</p>"


def run_html(run: "Run") -> str:
    """Show the summaries, a picture of the round trips over time, and the first and last rows."""
    rows = [_summary_cells(summary) for summary in run.summaries[:TARGETS]]
    if len(run.summaries) != 1:
        rows.append(_summary_cells(run.summary))
    note = NOTE
    if len(run.summaries) > TARGETS:
        note += f"<p>the first {TARGETS} of {len(run.summaries):,} targets, and all together</p>"
    if run.summary.kernel_drops:
        note += f"<p>{run.summary.kernel_drops:,} datagrams dropped by this machine's kernel</p>"
    for ways in run.ways[:TARGETS]:
        name = f"{ways.target}: " if len(run.summaries) > 1 else ""
        note += "".join(f"<p>{escape(cell(name))}{escape(line)}</p>" for line in ways.text.splitlines())
    settled = run.summary.sent
    if len(run) < settled:
        note += f"<p>below, the latest {len(run):,} of {settled:,} pings</p>"
    return f"<div>{grid(HEAD, rows)}{note}{pictures(run)}{ends_html(run)}</div>"


def compared_html(runs: "dict[str, Run]") -> str:
    """Show runs side by side: a summary and a picture each, all of one scale."""
    head = ["run", *HEAD]
    rows = [[name, *_summary_cells(run.summary)] for name, run in runs.items()]
    shown = [(name, run) for name, run in list(runs.items())[:STRIPS] if len(run)]
    top = max((scale_of(run) for _, run in shown), default=0)
    drawn = "".join(f"<p>{escape(cell(name))}</p>{pictures(run, top, together=True)}" for name, run in shown)
    if len(runs) > STRIPS:
        drawn += f"<p>{len(runs) - STRIPS:,} more without a picture</p>"
    return f"<div>{grid(head, rows)}{NOTE}{drawn}</div>"


def _summary_cells(summary: "Summary") -> list[object]:
    loss = "-"
    if shares := loss_percents(summary):
        loss, low, high = shares
        # On one line even if a site removes styles.
        loss = f"{loss} % [{low} to {high}]".replace(" ", NO_BREAK)
    rtts = (getattr(summary, f"rtt_{name}_ns") for name in RTTS)
    return [
        summary.target,
        f"{summary.sent:,}",
        f"{summary.received:,}",
        f"{summary.lost:,}",
        loss,
        *("-" if rtt is None else f"{rtt / 1e6:.3f}" for rtt in rtts),
        f"{summary.late:,}",
        f"{summary.duplicates:,}",
        "-" if summary.reordered is None else f"{summary.reordered:,}",
    ]
