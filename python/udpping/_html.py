"""How results look in a notebook: plain HTML and SVG, no scripts, legible in dark and in light."""

from html import escape

from udpping._frames import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from udpping._run import Run, Summary
    from udpping._table import Table

SHOWN = 5
"""Rows shown at either end of a table."""
TARGETS = 20
"""Targets shown."""
TEXT = 60
"""Characters shown of a cell."""
LOST = "#e5484d"
HEAD = [
    *("target", "sent", "received", "lost", "loss", "late", "duplicates", "reordered"),
    *("min", "avg", "median", "max", "p99"),
]
WIDTH, HEIGHT, MARGIN = 720, 120, 6
BINS = 240
"""Columns of the picture; a longer run is drawn as the span of round trips in each."""


def table_html(table: "Table") -> str:
    """Show the first and last rows."""
    return f"<p>{len(table):,} rows</p>{_rows(table)}"


def run_html(run: "Run") -> str:
    """Show the summaries, a picture of the round trips over time, and the first and last rows."""
    rows = [_summary_cells(summary) for summary in run.summaries[:TARGETS]]
    if len(run.summaries) > 1:
        rows.append(_summary_cells(run.summary))
    picture = timeline(run) if len(run) else ""
    note = "<p>round trips in ms; the bracket is the 95 % interval of the loss</p>"
    if run.summary.kernel_drops:
        note += f"<p>{run.summary.kernel_drops:,} datagrams dropped by this machine's kernel</p>"
    return f"<div>{_grid(HEAD, rows)}{note}{picture}{_rows(run)}</div>"


def compared_html(runs: "dict[str, Run]") -> str:
    """Show runs side by side: a summary and a picture each."""
    head = ["", *HEAD]
    rows = [[name, *_summary_cells(run.summary)] for name, run in runs.items()]
    pictures = "".join(
        f"<p>{escape(name)}</p>{timeline(run)}" for name, run in list(runs.items())[:TARGETS] if len(run)
    )
    return f"<div>{_grid(head, rows)}<p>round trips in ms</p>{pictures}</div>"


def timeline(run: "Run") -> str:
    """Draw round trips over time; pings without a reply in time are red marks along the bottom."""
    points = [
        (sent, rtt if status == "reply" else None)
        for sent, rtt, status in zip(
            run["sent_ns"].to_list(), run["rtt_ns"].to_list(), run["status"].to_list(), strict=True
        )
        if isinstance(sent, int) and (rtt is None or isinstance(rtt, int))
    ]
    end = max((sent for sent, _ in points), default=0) or 1
    top = max((rtt for _, rtt in points if rtt is not None), default=0) or 1
    bins: dict[int, list[int | None]] = {}
    for sent, rtt in points:
        bins.setdefault(sent * (BINS - 1) // end, []).append(rtt)
    marks = "".join(mark for place, rtts in bins.items() for mark in _marks(place, rtts, top))
    label = f"{len(points):,} pings in {end / 1e9:.3g} s; longest round trip {top / 1e6:.3f} ms"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="max-width:100%"'
        f' role="img" aria-label="{label}"><title>{label}</title>'
        f'<g stroke="currentColor" fill="currentColor">'
        f'<path d="M0 {HEIGHT - MARGIN}H{WIDTH}" stroke-opacity=".4"/>{marks}</g>'
        f'<text x="{MARGIN}" y="12" font-size="11" fill="currentColor">{top / 1e6:.3f} ms</text>'
        f'<text x="{WIDTH - MARGIN}" y="12" font-size="11" fill="{LOST}" text-anchor="end">'
        "red: no reply in time</text>"
        "</svg>"
    )


def _marks(place: int, pings: "list[int | None]", top: int) -> "Iterator[str]":
    x = MARGIN + place * (WIDTH - 2 * MARGIN) / (BINS - 1)
    floor, room = HEIGHT - MARGIN, HEIGHT - 4 * MARGIN

    def height(rtt: int) -> float:
        return floor - rtt / top * room

    rtts = [rtt for rtt in pings if rtt is not None]
    if rtts:
        low, high = height(min(rtts)), height(max(rtts))
        yield f'<circle cx="{x:.1f}" cy="{high:.1f}" r="1.5" stroke="none"/>'
        if low - high > 1:
            yield f'<path d="M{x:.1f} {high:.1f}V{low:.1f}" stroke-opacity=".5"/>'
    if len(rtts) < len(pings):
        share = 1 - len(rtts) / len(pings)
        yield f'<path d="M{x:.1f} {floor}v-{6 + 12 * share:.1f}" stroke="{LOST}" stroke-width="2"/>'


def _summary_cells(summary: "Summary") -> list[object]:
    loss = "-"
    if summary.loss is not None and summary.loss_low is not None and summary.loss_high is not None:
        loss = f"{100 * summary.loss:.1f} % [{100 * summary.loss_low:.1f} to {100 * summary.loss_high:.1f}]"
    rtts = (
        summary.rtt_min_ns,
        summary.rtt_avg_ns,
        summary.rtt_median_ns,
        summary.rtt_max_ns,
        summary.rtt_p99_ns,
    )
    return [
        summary.target,
        summary.sent,
        summary.received,
        summary.lost,
        loss,
        summary.late,
        summary.duplicates,
        summary.reordered,
        *("-" if rtt is None else f"{rtt / 1e6:.3f}" for rtt in rtts),
    ]


def _rows(table: "Table") -> str:
    size = len(table)
    indices = range(size) if size <= 2 * SHOWN else [*range(SHOWN), *range(size - SHOWN, size)]
    rows: list[Iterable[object]] = [table.row(i) for i in indices]
    if size > 2 * SHOWN:
        rows.insert(SHOWN, ["..."] * len(table.column_names))
    return _grid(table.column_names, rows)


def _grid(head: "Iterable[str]", rows: "Iterable[Iterable[object]]") -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    text = "" if value is None else str(plain(value))
    return escape(text if len(text) <= TEXT else text[: TEXT - 3] + "...")
