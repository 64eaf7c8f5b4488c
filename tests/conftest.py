"""The tests speak about what users install: the wheel, never the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
import udpping

CHECKOUT = Path(__file__).parents[1] / "python"


def pytest_configure() -> None:
    if Path(udpping.__file__).is_relative_to(CHECKOUT):
        message = f"udpping comes from {CHECKOUT}, not from an installed wheel: run `make test ONLY=pytest`"
        raise pytest.UsageError(message)
