"""1,000 hosts: their results fit into the client, and who is at fault is found among them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.untimed,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status is Linux's"),
]

ROUNDS = 4
SCRIPT = f"""
import json, random, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from meshes import hosts, row
from udpping._mesh._design import coverage, pairs
from udpping._mesh._explain import explain
from udpping._mesh._frame import frame, matrix, measured
from udpping._mesh._offsets import offsets

def drawn(host, bad):
    return sum(rng.random() < 0.05 for _ in range(60)) if host == bad else int(rng.random() < 0.03)

rng, every = random.Random(1), hosts(1_000, 20)
clocks = [rng.randrange(10**9) for _ in every]
table = frame([])
for number, design in enumerate(pairs(1_000, "all", {ROUNDS}, 1)):
    table = frame([
        row(number, every[a], every[b], sent=60, up=drawn(b, 77), down=drawn(a, 77))._replace(
            rtt_min_ns=10**5, rtt_p50_ns=1e5 + a, rtt_p99_ns=2e5, rtt_max_ns=10**6,
            offset_low_ns=clocks[b] - clocks[a] - 10**5, offset_high_ns=clocks[b] - clocks[a] + 10**5)
        for a, b, _ in design
    ], table)
found = explain(table)
spans = [each.offset_low_ns <= clock - clocks[0] <= each.offset_high_ns
         for each, clock in zip(offsets(table, every).hosts, clocks)]
matrix(table, every, "loss")
with open("/proc/self/status") as lines:
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps([len(table), measured(table, every) / (1_000 * 999), coverage(1_000, "all", {ROUNDS}),
                  [[each.kind, *each.names, each.way] for each in found], all(spans), peak]))
"""


def test_the_results_of_a_thousand_hosts_fit_and_name_the_one_at_fault() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    rows, part, said, found, spans, peak = json.loads(done.stdout)
    assert rows == ROUNDS * 32_000
    assert part == said == ROUNDS * 32 / 999
    assert found == [["host", "h77", "receives"]]
    assert spans
    # All 32 rounds take 433 MB.
    assert peak < 150_000
