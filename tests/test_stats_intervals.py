"""The interval of the loss holds as often as it says, on losses of many shapes that nothing was tuned to."""

from __future__ import annotations

import pytest
from losses import PERIODIC, PROCESSES, SLOW, Process, losses, table
from udpping import stats

np = pytest.importorskip("numpy")
scipy_stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.untimed


@pytest.mark.parametrize("process", PROCESSES, ids=[process.name for process in PROCESSES])
def test_an_interval_of_95_percent_holds_in_95_percent(process: Process) -> None:
    some = right = 0
    draw = np.random.default_rng(20_261)
    for _ in range(250):
        found = stats.loss(table(losses(process, 10_000, draw)))
        if found.burst_low is not None and found.burst_high is not None:
            some += 1
            right += found.burst_low <= process.loss <= found.burst_high
    assert some > 200
    assert right >= scipy_stats.binom.ppf(1e-6, some, 0.93 if process is not SLOW else 0.9)
    assert right <= scipy_stats.binom.isf(1e-6, some, 0.97) or process is PERIODIC
