"""What notebooks show of a run, seen by a browser: readable, harmless, and true to the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import bleach  # type: ignore[import-untyped]
import pytest
import udpping
from udpping import delay, stats
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from browsing import Page

# A million pings take their time where the core was built without optimising.
pytestmark = pytest.mark.timeout(300)

HOSTILE = '<img src="http://192.0.2.7/x.png" onerror="window.hurt=1"><script>window.hurt=1</script>&quot;'
THEMES = {
    "light": ("#ffffff", "rgba(0, 0, 0, 0.87)"),  # JupyterLab
    "dark": ("#111111", "rgba(255, 255, 255, 0.87)"),  # JupyterLab
    "vscode": ("#1f1f1f", "#cccccc"),
    "host": ("#0d1117", "#f0f6fc"),  # a code host at night
}


def in_page(html: str, theme: str = "light") -> str:
    """Put a result where a notebook would."""
    ground, ink = THEMES[theme]
    style = f"body{{margin:0;background:{ground};color:{ink};font:13px sans-serif}}td,th{{padding:4px}}"
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>run</title><style>{style}</style>{html}"


def shown(result: Any) -> str:  # noqa: ANN401 - of any type that shows itself
    html: str = result._repr_html_()
    return html


def many() -> udpping.Run:
    with udpping.Server(port=0, loss="30%", seed=1) as one, udpping.Server(port=0, loss=1) as deaf:
        targets: list[str | tuple[str, int]] = [one.address, deaf.address, ("127.0.0.1", 9)]
        return udpping.ping_many(targets, count=30, interval=0.005, timeout=0.05)


def crowd() -> udpping.Run:
    with udpping.Server(port=0, loss="30%", seed=1) as one:
        targets: list[str | tuple[str, int]] = [f"127.0.0.{i}:{one.address[1]}" for i in range(1, 41)]
        return udpping.ping_many(targets, count=10, interval=0.01, timeout=0.05)


def late() -> udpping.SimRun:
    waits = delay.Trace(["1ms", "1ms", "150ms"], repeat=True)
    return udpping.sim.ping(count=12, interval=0.02, timeout=0.1, delay=waits)


def hostile() -> udpping.Run:
    with FarEnd(lambda ping: ping.payload + HOSTILE.encode() + b"\xff\x00\x1b[2J") as far:
        return udpping.ping(*far.address, count=3, timeout=60)


def compared() -> udpping.Compared:
    return udpping.compare(
        {HOSTILE: udpping.sim.ping(count=9), "two": udpping.sim.ping(count=99, loss="40%")}
    )


RESULTS: dict[str, Callable[[], Any]] = {
    "nothing-lost": lambda: udpping.sim.ping(count=50, interval=0.1, delay="exponential:5ms"),
    "all-lost": lambda: udpping.sim.ping(count=50, loss=1),
    "one": lambda: udpping.sim.ping(count=1),
    "some-lost": lambda: udpping.sim.ping(
        count=200, interval=0.1, loss="burst:20%,3", delay="exponential:5ms"
    ),
    "million": lambda: udpping.sim.ping(count=10**6, interval=0.001, loss="1%", delay="exponential:5ms"),
    "many": many,
    "crowd": crowd,
    "late": late,
    "hostile": hostile,
    "compared": compared,
    "fit": lambda: udpping.fit(
        udpping.sim.ping(count=2000, loss="burst:20%,3", delay="exponential:5ms", seed=1)
    ),
    "loss": lambda: stats.loss(udpping.sim.ping(count=99, loss="20%")),
    "round-trip": lambda: stats.round_trip(udpping.sim.ping(count=99, delay="exponential:5ms")),
    "peers": lambda: udpping.sim.heartbeat(["", "crash@30min"], seed=1).peers,
    "detectors": lambda: udpping.compare_detectors("5%", detectors=["fixed:3"], days=0.1, crashes=3, seed=1),
}


@pytest.fixture(scope="module", params=RESULTS, ids=str)
def result(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Give a name and what a notebook gets."""
    return request.param, shown(RESULTS[request.param]())


def test_it_is_small_and_does_nothing(page: Page, result: tuple[str, str]) -> None:
    name, html = result
    assert len(html) < 60_000
    page.open(in_page(html))
    assert page.complaints() == []
    assert page.requests() == []
    assert page.run("return window.hurt") is None
    assert page.run("return document.querySelectorAll('body :is(script, img, a, iframe, style)').length") == 0
    assert page.run("return document.body.innerText.trim().length") > 50
    page.shot(name)


@pytest.mark.parametrize("theme", THEMES)
def test_everything_can_be_read(page: Page, result: tuple[str, str], theme: str) -> None:
    name, html = result
    page.open(in_page(html, theme), dark=theme != "light")
    words = page.run("""
        const all = [...document.querySelectorAll('p, td, th')].filter(e => e.innerText.trim());
        return all.map(e => contrast(getComputedStyle(e).color, ground(e), 1));""")
    marks = page.run("""
        return [...document.querySelectorAll('svg path')].map(e => { const s = getComputedStyle(e);
          return [e.dataset.marks, contrast(s.stroke, ground(e), Number(s.strokeOpacity))]; });""")
    assert min(words) >= 4.5
    assert [mark for mark in marks if mark[1] < 3] == []
    page.shot(f"{name}-{theme}")


@pytest.mark.parametrize("width", [320, 768, 1200])
def test_it_fits_the_page(page: Page, result: tuple[str, str], width: int) -> None:
    name, html = result
    page.open(in_page(html), width=width)
    assert page.run("return document.documentElement.scrollWidth") <= width
    pictures = page.run("""
        return [...document.querySelectorAll('svg')].map(e => { const b = e.getBoundingClientRect();
          return [b.width, b.height]; });""")
    assert all(min(width, 720) - 1 <= each[0] <= min(width, 720) and each[1] >= 90 for each in pictures)
    page.shot(f"{name}-{width}")


def test_what_a_site_takes_out_is_not_missed(page: Page, result: tuple[str, str]) -> None:
    """Code hosts take out styles and pictures of results; numbers and words must stay."""
    name, html = result
    bare = re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)
    page.open(in_page(bare))
    whole = page.run("return document.body.innerText")
    # One that keeps the words of what it takes out.
    kept = {"div", "p", "table", "tbody", "td", "th", "thead", "tr"}
    page.open(in_page(bleach.clean(html, tags=kept, attributes={}, strip=True)))
    cleaned = page.run("return document.body.innerText")
    assert "<" not in re.sub(re.escape(HOSTILE[:4]) + ".*", "", cleaned)
    if "<svg" in html:
        assert "%" in whole
        assert "[" in whole
        assert "pings in" in cleaned
    assert page.run("return document.querySelectorAll('svg, [style]').length") == 0
    assert page.run("return document.querySelectorAll('table').length") == html.count("<table")
    page.shot(f"{name}-sanitised")


def marks(page: Page, kind: str) -> list[float]:
    """Give where the marks of a kind begin, as shares of the width of the picture."""
    path: str | None = page.run(
        f"return document.querySelector('[data-marks=\"{kind}\"]')?.getAttribute('d')"
    )
    return [float(x) / 720 for x in re.findall(r"M([\d.]+) ", path or "")]


def test_marks_are_where_the_data_says(page: Page) -> None:
    run = udpping.sim.ping(count=100, interval=0.1, loss="20%", delay="exponential:5ms", seed=4)
    page.open(in_page(shown(run)))
    end = max(row.sent_ns or 0 for row in run)
    lost, kept = (
        [(row.sent_ns or 0) / end for row in run if (row.status != "reply") == is_lost]
        for is_lost in (True, False)
    )
    for expected, drawn in ((lost, marks(page, "lost")), (kept, marks(page, "reply"))):
        assert drawn == pytest.approx(expected, abs=0.6 / 240)
    label = page.run("return document.querySelector('svg').getAttribute('aria-label')")
    assert f"{run.summary.lost} without a reply in time" in label
    assert page.run("return document.querySelector('svg title').textContent") == label


def test_a_mark_is_seen_where_it_stands(page: Page) -> None:
    """What is painted at the mark of the loss is the mark."""
    page.open(in_page(shown(udpping.sim.ping(count=3, interval=1.0, loss="pattern:.x.", delay="5ms"))))
    kind = page.run("""
        const b = document.querySelector('svg').getBoundingClientRect();
        return document.elementFromPoint(b.left + 358.5, b.top + 80).dataset.marks;""")
    assert kind == "lost"


def test_late_and_unreachable_have_shapes_of_their_own(page: Page) -> None:
    page.open(in_page(shown(late())))
    assert len(marks(page, "late")) == 4
    assert "late reply" in page.run("return document.body.innerText")
    page.open(in_page(shown(many())))
    assert page.run("return document.querySelectorAll('svg').length") == 3
    assert page.run("return document.querySelectorAll('[data-marks=refused]').length") == 1
