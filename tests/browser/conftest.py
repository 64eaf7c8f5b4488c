"""One browser for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import Page, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    """Start it."""
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(driver: Chrome, tmp_path: Path) -> Page:
    """Give a page to show things in."""
    return Page(driver, tmp_path)
