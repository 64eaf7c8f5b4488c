"""The site of the documentation in a browser without a network: it loads nothing, fits, and is searched."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browsing import Page

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
PAGES = [
    "index",
    "docs/comparison",
    "docs/reference/columns",
    "docs/reference/commands",
    "docs/reference/python-udpping",
    "docs/reference/records",
    "examples/3_bursts_measure_fit_replay",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    subprocess.run([sys.executable, ROOT / "tools/docs.py", folder], check=True)
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_is_readable_and_loads_nothing_of_others(
    site: Path, page: Page, name: str, *, width: int, dark: bool
) -> None:
    page.visit((site / f"{name}.html").as_uri(), width=width, dark=dark)
    page.until(lambda: page.run("return document.readyState === 'complete'"))
    assert page.requests() == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run("return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)") == []
    faint = "return [...document.querySelectorAll('article p')].map(e =>"
    faint += " contrast(getComputedStyle(e).color, ground(e), 1)).filter(c => c < 4.5)"
    assert page.run(faint) == []
    page.shot(f"site-{name.replace('/', '-')}-{width}-{'dark' if dark else 'light'}")


def test_a_search_finds_pages_and_names(site: Path, page: Page) -> None:
    for words, wanted in {"packet loss": "Loss intervals", "Heartbeat": "Python: udpping"}.items():
        page.visit(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        page.until(partial(titles_have, page, wanted))
        assert page.requests() == []


def titles_have(page: Page, wanted: str) -> bool:
    found = "return [...document.querySelectorAll('#search-results li a')].map(a => a.textContent)"
    return any(wanted in title for title in page.run(found))
