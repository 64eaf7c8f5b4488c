"""Draws small pictures of runs in SVG: round trips over time, and lost pings below them.

A picture has no text: labels are in the HTML beside it, legible at every width, and even if a site removes
pictures. Statuses differ by shape and by colour. The colours are legible on white and on black; everything
else has the colour of the text around it.
"""

from html import escape

from udpping._table.table import core_of
from udpping._table.text import short, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

    Span = tuple[int | None, int | None, int, int, int, int, bool, int | None]
    """Shortest and longest round trip, replies, late ones, timeouts, refused; whether it was behind;
    the longest late one."""

STRIPS = 8
"""The most targets with a picture each."""
FAR = 10
"""Late replies above so many times the longest in time stand at the upper edge, as they would flatten it."""
SPANS, SPANS_OF_MANY = 240, 120
"""Columns of a picture; a longer run is drawn as the range of round trips in each."""
WIDTH, HEIGHT = 720, 96
MARGIN = 5
"""Beside the first and the last mark, which would be cut otherwise."""
FLOOR = 70
"""The height of a round trip of 0; losses are below."""
LOST, LATE, REFUSED = "#d55e00", "#0b7fc0", "#b5679a"
KINDS = {
    "lost": (LOST, "| orange: no reply"),
    "late": (LATE, "\u25cf blue: late reply"),
    "timeout": ("", "dashes across"),
    "refused": (REFUSED, "\u25a0 purple: unreachable or not sent"),
    "behind": ("", "dashes below: sender behind its schedule"),
}


def pictures(run: "Run", top: int = 0, *, together: bool = False) -> str:
    """Draw a run: one target, each of a few, or all of many together and those that lost most.

    `top` is the round trip at the upper edge, by default the longest; `together` draws no target alone.
    """
    from udpping._core import run_timeline

    if not len(run):
        return ""
    core, targets = core_of(run), list(dict.fromkeys(run.targets))
    alone = len(targets) == 1 or together
    spans = SPANS if alone and not together else SPANS_OF_MANY
    names: list[str] = []
    if len(targets) > STRIPS:
        by_loss = sorted(run.summaries, key=lambda summary: -(summary.loss or 0))
        targets = list(dict.fromkeys(summary.target for summary in by_loss))[: STRIPS - 1]
        names.append(f"all {len(run.targets):,} targets; below, those that lost most")
    first, last, drawn = run_timeline(core, spans, [] if alone or names else targets)
    if not drawn:
        return "<p>no picture: it is not known when the pings were sent</p>"
    if alone:
        names = [""]
    elif names:
        drawn += run_timeline(core, spans, targets)[2]
        names += targets
    else:
        names = targets
    drawn = [_without_blinks(each) for each in drawn]
    top = top or scale(drawn)
    timeout = _timeout(run)
    strips = [
        (f"<p>{escape(short(name))}</p>" if name else "") + _picture(each, top, last - first, timeout)
        for name, each in zip(names, drawn, strict=True)
    ]
    return "".join(strips) + _words(drawn, top, last - first, timeout)


def scale_of(run: "Run") -> int:
    """Return the round trip at the upper edge of its pictures."""
    from udpping._core import run_timeline

    return scale(run_timeline(core_of(run), 1, [])[2])


def scale(drawn: "list[list[Span]]") -> int:
    """Return the longest round trip, or that in time where late ones would flatten it."""
    in_time, late = _longest(drawn, 1), _longest(drawn, 7)
    return max(in_time, late) if late <= FAR * in_time or not in_time else in_time


def _longest(drawn: "list[list[Span]]", part: int) -> int:
    return max((span[part] or 0 for spans in drawn for span in spans), default=0)


def _timeout(run: "Run") -> int:
    """Return the timeout in nanoseconds, or 0."""
    seconds = run.settings.get("timeout")
    return round(1e9 * seconds) if isinstance(seconds, (int, float)) else 0


def _without_blinks(spans: "list[Span]") -> "list[Span]":
    """Ignore that the sender was behind in a single span: a few microseconds across its edge suffice."""
    behind = [False, *(span[6] for span in spans), False]
    return [
        (*span[:6], span[6] and (behind[at] or behind[at + 2]), span[7])  # its neighbours
        for at, span in enumerate(spans)
    ]


def _picture(spans: "list[Span]", top: int, length: int, timeout: int) -> str:
    count, lost = sum(sum(span[2:6]) for span in spans), sum(sum(span[3:6]) for span in spans)
    title = f"{count:,} pings in {time_text(length)}, {lost:,} without a reply in time"
    if most := max(_longest([spans], 1), _longest([spans], 7)):
        title += f"; round trips up to {_millis(most)}"
    marks: dict[str, list[str]] = {name: [] for name in ("behind", "on time", "range", "reply", *KINDS)}
    if 0 < timeout <= top:
        marks["timeout"].append(f"M0 {_height(timeout, top):.1f}H{WIDTH}")
    step = WIDTH / len(spans)
    for place, span in enumerate(spans):
        _mark(marks, place * step, step, span, top or 1)
    drawn = "".join(_path(name, "".join(path)) for name, path in marks.items() if path)
    return (
        f'<svg viewBox="{-MARGIN} 0 {WIDTH + 2 * MARGIN} {HEIGHT}" width="100%" height="{HEIGHT}"'
        f' preserveAspectRatio="none" style="display:block;max-width:{WIDTH}px" role="img"'
        f' aria-label="{title}"><title>{title}</title>'
        f'<g fill="none" stroke="currentColor" stroke-width="1.5">{drawn}</g></svg>'
    )


def _mark(marks: "dict[str, list[str]]", left: float, step: float, span: "Span", top: int) -> None:
    low, high, replies, late, timeouts, refused, behind, latest = span
    x = f"{left + step / 2:.1f}"
    floor = marks["behind" if behind else "on time"]
    if floor and floor[-1].endswith(start := f"H{left:.1f}"):
        floor[-1] = floor[-1].removesuffix(start) + f"H{left + step:.1f}"
    else:
        floor.append(f"M{left:.1f} {FLOOR}H{left + step:.1f}")
    if low is not None and high is not None:
        y, end = _height(high, top), _height(low, top)
        marks["reply"].append(f"M{x} {y:.1f}h0")
        if end - y > 1:
            marks["range"].append(f"M{x} {y:.1f}V{end:.1f}")
    every = replies + late + timeouts + refused
    if timeouts:
        marks["lost"].append(f"M{x} {FLOOR + 3}v{6 + 16 * timeouts / every:.1f}")
    if latest is not None:
        marks["late"].append(f"M{x} {_height(latest, top):.1f}h0")
    if refused:
        marks["refused"].append(f"M{x} {FLOOR + 14}h0")


def _height(rtt: int, top: int) -> float:
    return FLOOR - 4 - min(rtt, top) / top * (FLOOR - 10)


def _path(name: str, path: str) -> str:
    colour = KINDS[name][0] if name in KINDS else ""
    looks = {
        "on time": ' stroke-opacity=".6"',
        "behind": ' stroke-dasharray="1.5 3"',
        "timeout": ' stroke-dasharray="6 4" stroke-opacity=".6" stroke-width="1"',
        "range": ' stroke-opacity=".6"',
        "reply": ' stroke-width="3.5" stroke-linecap="round"',
        "late": ' stroke-width="7" stroke-linecap="round"',
        "refused": ' stroke-width="7" stroke-linecap="square"',
        "lost": ' stroke-width="2"',
    }[name]
    paint = f' stroke="{colour}"' if colour else ""
    # Scaling a picture to its page keeps the size of lines and dots.
    return f'<path data-marks="{name}"{paint}{looks} vector-effect="non-scaling-stroke" d="{path}"/>'


def _words(drawn: "list[list[Span]]", top: int, length: int, timeout: int) -> str:
    """Write the labels of the axes and of the marks in use."""
    answered, late, lost, refused, behind = (
        any(span[part] for spans in drawn for span in spans) for part in range(2, 7)
    )
    there = {"lost": lost, "late": late, "refused": refused, "behind": behind}
    latest = _longest(drawn, 7)
    place = KINDS["timeout"][1] if timeout <= top else "above the picture"
    words = [
        f"across: {time_text(length)}" if length else "all at one moment",
        f"height: round trip, 0 to {_millis(top)}" if answered or late else "no reply in time",
        *(KINDS[name][1] for name, any_ in there.items() if any_),
        *([f"late ones up to {_millis(latest)}, at the upper edge"] if latest > top else []),
        *([f"timeout {time_text(timeout)}: {place}"] if timeout and (answered or late) else []),
    ]
    return f"<p>{'; '.join(words)}</p>"


def _millis(nanos: int) -> str:
    return f"{nanos / 1e6:,.3f} ms" if nanos >= 1_000 else f"{nanos} ns"  # noqa: PLR2004 - the last digit
