"""Losses of many shapes that no statistic was tuned to, for tests of intervals and of tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

Lengths = Callable[[Any, int], Any]


class Process(NamedTuple):
    """Good and bad times in turns: how long each lasts, in pings, and the loss in them."""

    name: str
    good: Lengths
    bad: Lengths
    good_loss: float
    bad_loss: float
    loss: float


def geometric(mean: float) -> Lengths:
    return lambda draw, many: draw.geometric(1 / mean, many)


def uniform(least: int, most: int) -> Lengths:
    return lambda draw, many: draw.integers(least, most + 1, many)


def mostly_one(other: int, share: float) -> Lengths:
    return lambda draw, many: np.where(draw.random(many) < share, other, 1)


PROCESSES = [
    Process("independent, 5 %", geometric(50), geometric(50), 0.05, 0.05, 0.05),
    Process("Gilbert, 20 %, runs of 5", geometric(20), geometric(5), 0, 1, 0.2),
    Process("Gilbert, 36 %, runs of 10", geometric(17.78), geometric(10), 0, 1, 0.36),
    Process("Gilbert-Elliott, 50 % in bad times of 20", geometric(100), geometric(20), 0, 0.5, 1 / 12),
    Process("Gilbert-Elliott, 70 % in bad times of 40", geometric(400), geometric(40), 0, 0.7, 0.7 / 11),
    Process("runs of 4 exactly, random gaps", geometric(30), uniform(4, 4), 0, 1, 4 / 34),
    Process("runs of 1 or 15", geometric(25), mostly_one(15, 0.2), 0, 1, 3.8 / 28.8),
    Process("uniform runs and gaps", uniform(5, 40), uniform(1, 9), 0, 1, 5 / 27.5),
    Process("two regimes of 50, 1 % and 20 %", geometric(50), geometric(50), 0.01, 0.2, 0.105),
    Process("two regimes of 300, 1 % and 8 %", geometric(300), geometric(300), 0.01, 0.08, 0.045),
    Process("periodic: 3 of every 25", uniform(22, 22), uniform(3, 3), 0, 1, 3 / 25),
]
PERIODIC = PROCESSES[-1]
"""What is regular is known to a ping or so."""
SLOW = PROCESSES[-2]
"""A run of thousands sees its regimes only a few times."""


def losses(process: Process, pings: int, draw: Any) -> Any:  # noqa: ANN401 - an array of numpy
    """Draw which pings are lost. It begins at any moment of the process, after some thirty of its turns."""
    sizes = [process.good(draw, 1_000).mean(), process.bad(draw, 1_000).mean()]
    turns = math.ceil(1.3 * pings / sum(sizes)) + 120
    lengths = np.stack([process.good(draw, turns), process.bad(draw, turns)], axis=1).ravel()
    loss = np.repeat(np.tile([process.good_loss, process.bad_loss], turns), lengths)
    first = int(30 * sum(sizes)) + draw.integers(int(sum(sizes)) + 1)
    assert len(loss) >= first + pings
    return draw.random(pings) < loss[first : first + pings]


def table(lost: Any, every: float = 1.0) -> Any:  # noqa: ANN401 - of numpy and Arrow
    """Make a table of pings, so many seconds apart."""
    sent = (np.arange(len(lost)) * (every * 1e9)).astype(np.int64)
    return pa.table({"rtt_ns": pa.array(np.zeros(len(lost), np.int64), mask=lost), "sent_ns": sent})
