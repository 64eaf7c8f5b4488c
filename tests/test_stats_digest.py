"""Digests: they merge into that of all, say what the rows say, and travel as JSON."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
import subprocess
import sys
from typing import Any

import pytest
import udpping
from udpping import stats

pytestmark = pytest.mark.untimed


def run(seed: int) -> udpping.Run:
    return udpping.sim.ping(count=400, loss="burst:20%,3", delay="exponential:50ms", interval=0.01, seed=seed)


RUNS = [run(seed) for seed in range(6)]


def merged(parts: list[stats.Digest]) -> stats.Digest:
    total = stats.Digest()
    for part in parts:
        total |= part
    return total


def test_parts_merge_into_the_digest_of_all_in_any_order() -> None:
    whole = stats.Digest(RUNS)
    parts = [stats.Digest(run) for run in RUNS]
    random.Random(1).shuffle(parts)
    for total in (merged(parts), merged([merged(parts[:2]), merged(parts[2:])])):
        assert total.loss() == whole.loss()
        assert total.loss_runs() == whole.loss_runs()
        assert total.reordering() == whole.reordering()
        assert total.duplication() == whole.duplication()
        one, other = total.round_trip([0.1, 0.9]), whole.round_trip([0.1, 0.9])
        assert one.quantiles_ns == other.quantiles_ns
        assert (one.count, one.min_ns, one.max_ns) == (other.count, other.min_ns, other.max_ns)
        assert one.stddev_ns == pytest.approx(other.stddev_ns, rel=1e-12)


def test_a_digest_says_what_the_rows_say() -> None:
    digest = stats.Digest(RUNS)
    assert digest.loss(0.9) == stats.loss(RUNS, 0.9)
    assert digest.loss_runs() == stats.loss_runs(RUNS)
    assert digest.reordering() == stats.reordering(RUNS)
    assert digest.duplication() == stats.duplication(RUNS)
    assert digest.jitter() == stats.jitter(RUNS)
    wanted = [q / 50 for q in range(51)]
    for found, exact in (
        (digest.round_trip(wanted), stats.round_trip(RUNS, wanted)),
        (digest.pdv(wanted), stats.pdv(RUNS, wanted)),
    ):
        assert (found.count, found.mean_ns, found.stddev_ns) == (exact.count, exact.mean_ns, exact.stddev_ns)
        assert (found.quantile_error, exact.quantile_error) == (0.01, 0)
        for q in wanted:
            assert found.quantiles_ns[q] == pytest.approx(exact.quantiles_ns[q], rel=0.01)
    assert digest.ipdv().mean_abs_ns == stats.ipdv(RUNS).mean_abs_ns


def test_lost_pings_may_be_infinite_in_a_digest_too() -> None:
    wanted = [q / 50 for q in range(51)]
    tables: list[object] = [RUNS, {"rtt_ns": [None, None]}, {"rtt_ns": []}, {"rtt_ns": [7]}]
    for table in tables:
        found = stats.Digest(table).round_trip(wanted, lost="infinite")
        exact = stats.round_trip(table, wanted, lost="infinite")
        assert (found.count, found.infinite, found.mean_ns) == (exact.count, exact.infinite, exact.mean_ns)
        assert [*found.quantiles_ns.values(), found.median_ns] == [
            value if value is None else pytest.approx(value, rel=0.01)
            for value in (*exact.quantiles_ns.values(), exact.median_ns)
        ]
    with pytest.raises(udpping.ConfigError, match="lost 'late' is not usable: expected 'left out' or 'infi"):
        stats.Digest(RUNS).round_trip(lost="late")


def test_a_digest_counts_with_its_own_n() -> None:
    two = merged([stats.Digest(run, n=2) for run in RUNS])
    assert two.reordering() == stats.reordering(RUNS, n=2) != stats.reordering(RUNS)
    assert stats.Digest.from_json(two.to_json()) == two
    assert stats.Digest.of(RUNS[0], n=2) == stats.Digest(RUNS[0], n=2)
    with pytest.raises(udpping.ConfigError, match="n 3 is not usable: expected 2, as in what it is merged"):
        two |= stats.Digest(RUNS[0])
    with pytest.raises(udpping.ConfigError, match="n 0 is not usable: expected a whole number from 1"):
        stats.Digest(RUNS[0], n=0)


def test_what_a_part_does_not_know_the_whole_does_not() -> None:
    total = stats.Digest(RUNS[0]) | stats.Digest({"rtt_ns": [5, None]})
    assert (total.jitter(), total.reordering(), total.duplication()) == (None, None, None)
    assert total.loss().sent == 402


def test_nothing_is_a_digest_too() -> None:
    none = stats.Digest()
    assert (none.loss().loss, none.round_trip().median_ns, none.ipdv().mean_abs_ns) == (None, None, None)
    assert stats.Digest.from_json(none.to_json()) == none
    assert none | stats.Digest(RUNS[0]) == stats.Digest(RUNS[0])
    assert repr(none) == "<udpping.stats.Digest: 0 of 0 lost>"


def test_json_brings_back_the_same_on_another_machine() -> None:
    for digest in (stats.Digest(RUNS), stats.Digest({"rtt_ns": [5, None]})):
        text = digest.to_json()
        assert (json.loads(text)["udpping"], json.loads(text)["version"]) == ("digest", 1)
        assert len(text) < 20_000
        assert stats.Digest.from_json(text) == digest


def test_a_pool_of_processes_gives_digests_back() -> None:
    digest = stats.Digest(RUNS)
    sent = pickle.dumps(digest)
    for again in (pickle.loads(sent), copy.deepcopy(digest)):  # noqa: S301 - it is our own
        assert again == digest
    total = stats.Digest({"rtt_ns": [2**53 - 1] * 5})
    assert stats.Digest.from_json(total.to_json()) == total


def test_ipdv_quantiles_are_within_the_error_of_their_neighbours() -> None:
    """Between a negative and a positive value a quantile may be anything, but never far for their size."""
    table = {"rtt_ns": [1_000, 2_000, 1_000]}
    found, exact = stats.Digest(table).ipdv([0.0, 0.5, 1.0]), stats.ipdv(table, [0.0, 0.5, 1.0])
    assert (found.min_ns, found.max_ns) == (exact.min_ns, exact.max_ns) == (-1_000, 1_000)
    assert abs((found.median_ns or 0) - (exact.median_ns or 0)) <= 0.01 * 1_000


MEMORY = """
from udpping import stats

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

rtt = [10_000_000 + 1_234_567 * (7 * i % 60) for i in range(60)]
table = {"rtt_ns": rtt, "sent_ns": [10**9 * i for i in range(60)]}
kept = [stats.Digest(table) for _ in range(100)]
before = resident()
kept += [stats.Digest(table) for _ in range(2_000)]
print((resident() - before) // 2_000)
"""


def test_the_digest_of_60_round_trips_takes_some_kilobytes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 10_000


def changed(path: str, value: object) -> str:
    parts: Any = json.loads(stats.Digest(RUNS[0]).to_json())
    *way, last = path.split(".")
    inner = parts
    for name in way:
        inner = inner[name]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(parts)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("udpping", "other"),
        ("version", 2),
        ("version", None),
        ("ended", [1, 2]),
        ("ended", [1, 2, 3, 4, -5]),
        ("ended", [1, 2, 3, 4, 2**80]),
        ("after", KeyError),
        ("run_lengths", {"1": 2}),
        ("jitter.sum_ns", math.nan),
        ("jitter.max_ns", -1),
        ("jitter", []),
        ("duplication", [1]),
        ("round_trip", None),
        ("round_trip.count", 1),
        ("round_trip.mean_ns", math.inf),
        ("round_trip.bins", [[1]]),
        ("round_trip.bins", [[99_999, 5]]),
        ("pdv.min_ns", 2**70),
        ("pdv.bins", [[5, -1]]),
        ("ipdv_sizes_ns", -1),
    ],
)
def test_json_that_no_digest_wrote_is_refused(path: str, value: object) -> None:
    with pytest.raises(udpping.ConfigError, match=r"^(digest|bin|count|mean|min|squares) .* is not usable"):
        stats.Digest.from_json(changed(path, value))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"udpping": 1}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(udpping.ConfigError, match="digest"):
        stats.Digest.from_json(text)


def test_counts_beyond_all_bounds_do_not_crash() -> None:
    most = [2**64 - 1] * 5
    digest = stats.Digest.from_json(changed("ended", most))
    total = digest | digest
    assert total.loss().sent == 2**64 - 1
    assert total.loss_runs().runs > 0
