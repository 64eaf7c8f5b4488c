"""The notebooks of examples/ as JupyterLab shows them, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nbconvert import HTMLExporter

if TYPE_CHECKING:
    from browsing import Page

BOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
# Jupyter's own warnings are not ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_results_can_be_read_in_its_theme(page: Page, book: Path, theme: str) -> None:
    make: Any = HTMLExporter
    exporter: Any = make(template_name="lab", theme=theme)
    # They would be fetched from elsewhere, and nothing here needs them.
    exporter.mathjax_url = exporter.require_js_url = exporter.mermaid_js_url = ""
    html, _ = exporter.from_filename(str(book))
    page.open(html, dark=theme == "dark")
    words = page.run("""
        const all = [...document.querySelectorAll('.jp-OutputArea p, .jp-OutputArea td, .jp-OutputArea th')];
        const told = all.filter(e => e.innerText.trim());
        return told.map(e => contrast(getComputedStyle(e).color, ground(e), 1));""")
    assert min(words, default=21) >= 4.5
    marks = page.run("""
        return [...document.querySelectorAll('.jp-OutputArea svg path')].map(e => {
          const s = getComputedStyle(e);
          return contrast(s.stroke, ground(e), Number(s.strokeOpacity)); });""")
    assert min(marks, default=21) >= 3
    pictures = page.run(
        "return [...document.querySelectorAll('.jp-OutputArea img')].map(e => e.naturalWidth)"
    )
    assert pictures
    assert min(pictures) > 300
    page.shot(f"book-{book.stem}-{theme}")
