"""Draw docs/picture.svg: what a run of pings looks like, and how little ten of them say.

    python examples/picture.py [FILE]

The run is simulated with a fixed seed, so the same udpping draws the same picture to the byte. Only colours
that are legible on white and on black are used, because a picture cannot know which page it stands on.
"""

import math
import sys
from pathlib import Path

import udpping

GREY, BLUE, AMBER, RED = "#768390", "#3b82f6", "#d97706", "#e5484d"
WIDTH, HEIGHT = 760, 330
LEFT, RIGHT = 64, 740
TOP, FLOOR = 40, 170  # of the round trips
FIRST, STEP = 236, 22  # of the intervals
TIMEOUT_MS = 80.0
MEAN_MS = 30.0
TRUTH = 4 / 11 + 7 / 11 * math.exp(-TIMEOUT_MS / MEAN_MS)  # dropped on purpose, or delayed past the timeout


def text(x: float, y: float, words: str, *, colour: str = GREY, anchor: str = "start") -> str:
    """Write words."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = GREY, more: str = "") -> str:
    """Draw a line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" {more}/>'


def round_trips(run: udpping.Run) -> list[str]:
    """Draw each ping: a dot as high as its round trip is long, or a red mark when nothing came back."""
    rows = list(run)
    top = max(row.rtt_ns or 0 for row in rows) / 1e6

    def height(ms: float) -> float:
        return FLOOR - (FLOOR - TOP) * ms / top

    marks = [
        text(LEFT, 20, f"{len(rows)} pings, one every 20 ms. Round trip in ms:"),
        text(400, 20, f"{run.summary.received} in time", colour=BLUE),
        text(490, 20, f"{run.summary.late} late", colour=AMBER),
        text(550, 20, f"{run.summary.timeouts} without a reply", colour=RED),
        line(LEFT, FLOOR, RIGHT, FLOOR),
        line(LEFT, height(TIMEOUT_MS), RIGHT, height(TIMEOUT_MS), more='stroke-dasharray="2 4"'),
        text(LEFT - 8, height(TIMEOUT_MS) + 4, f"{TIMEOUT_MS:.0f}", anchor="end"),
        text(LEFT - 8, FLOOR + 4, "0", anchor="end"),
    ]
    for row in rows:
        x = LEFT + 8 + (RIGHT - LEFT - 16) * (row.seq - 1) / (len(rows) - 1)
        if row.rtt_ns is None:
            marks.append(line(x, FLOOR, x, FLOOR - 14, colour=RED, more='stroke-width="3"'))
        else:
            colour = BLUE if row.status == "reply" else AMBER
            marks.append(f'<circle cx="{x:.1f}" cy="{height(row.rtt_ns / 1e6):.1f}" r="4" fill="{colour}"/>')
    return marks


def intervals(run: udpping.Run) -> list[str]:
    """Draw the 95 % interval of the loss after so many pings."""

    def place(share: float) -> float:
        return LEFT + 96 + (RIGHT - LEFT - 96) * share

    truth, dropped, late = (f"{100 * share:.1f} %" for share in (TRUTH, 4 / 11, TRUTH - 4 / 11))
    causes = f"{truth}: {dropped} are dropped, {late} are late"
    marks = [
        text(LEFT, FIRST - 28, f"Loss after so many pings, with its 95 % interval. Truth: {causes}."),
        line(place(TRUTH), FIRST - 14, place(TRUTH), FIRST + 3 * STEP, more='stroke-dasharray="2 4"'),
        text(place(TRUTH), FIRST + 3 * STEP + 14, truth, anchor="middle"),
        text(place(0), FIRST + 3 * STEP + 14, "0 %", anchor="middle"),
        text(place(1), FIRST + 3 * STEP + 14, "100 %", anchor="end"),
    ]
    for step, count in enumerate((10, 60, 1000)):
        summary = run.summary if count == len(run) else simulate(count).summary
        y = FIRST + STEP * step
        bar = 'stroke-width="6" stroke-linecap="round" stroke-opacity=".45"'
        low, loss, high = (place(share or 0) for share in (summary.loss_low, summary.loss, summary.loss_high))
        marks += [
            text(LEFT, y + 4, f"{count:,} pings"),
            line(low, y, high, y, colour=BLUE, more=bar),
            f'<circle cx="{loss:.1f}" cy="{y}" r="5" fill="{BLUE}"/>',
        ]
    return marks


def simulate(count: int) -> udpping.Run:
    """Ping in virtual time; with one seed, a longer run begins as a shorter one."""
    return udpping.sim.ping(
        count=count,
        interval=0.02,
        timeout=TIMEOUT_MS / 1000,
        loss="4/11",
        delay=f"exponential:{MEAN_MS}ms",
        seed=21,
    )


def main() -> None:
    """Write the file."""
    run = simulate(60)
    words = f"{len(run)} pings as a timeline, and the interval of the loss after 10, 60 and 1,000 pings"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" fill="none"',
        f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        f"<title>{words}</title>",
        *round_trips(run),
        *intervals(run),
        "</svg>",
    ]
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs/picture.svg"
    if path.name.startswith("-"):  # such as --help
        print(__doc__, end="")
        return
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
