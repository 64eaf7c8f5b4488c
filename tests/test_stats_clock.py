"""The offset of a server's clock and one-way delays, from tables and from irtt's files."""

import random
from pathlib import Path
from typing import Any

import pytest
import udpping
from udpping import stats

pytestmark = pytest.mark.untimed

IRTT = Path(__file__).parent / "data/irtt.json"


def table(theta: int = 0, ppm: float = 0, count: int = 600, seed: int = 1) -> dict[str, list[Any]]:
    """Pings at 10 a second over 5 ms up and 1 ms down with queues; the server is `theta` ahead."""
    chance = random.Random(seed)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("rtt_ns", "sent_wall_ns", "server_recv_ns", "server_sent_ns", "up", "down")
    }
    for seq in range(count):
        up, down = 5_000_000 + chance.randrange(2_000_000), 1_000_000 + chance.randrange(2_000_000)
        sent, hold = seq * 100_000_000, chance.randrange(50_000)
        at = {"sent_wall_ns": sent, "server_recv_ns": sent + up, "server_sent_ns": sent + up + hold}
        for name, value in at.items():
            ahead = 0 if name == "sent_wall_ns" else theta + int(value * ppm / 1e6)
            columns[name].append(value + ahead)
        columns["rtt_ns"].append(up + hold + down)
        columns["up"].append(up)
        columns["down"].append(down)
    return columns


def ways_of(pings: object, max_rate_ppm: float = 200) -> list[tuple[int, ...]]:
    """Up, down and error of each ping."""
    rows = stats.one_way_rows(pings, max_rate_ppm)
    names = ("up_ns", "down_ns", "owd_error_ns")
    return [tuple(map(int, each)) for each in zip(*(rows[name].to_list() for name in names), strict=True)]


def test_the_truth_is_inside_on_an_asymmetric_path() -> None:
    pings = table(theta=3_000_000_000)
    found = stats.clock(pings, max_rate_ppm=1)
    assert found.offset_low_ns is not None
    assert found.offset_high_ns is not None
    assert found.offset_low_ns <= 3_000_000_000 <= found.offset_high_ns
    assert found.offset_high_ns - found.offset_low_ns < 6_500_000
    assert (found.count, found.impossible, found.steps) == (600, 0, ())
    for (*ways, error), up, down in zip(ways_of(pings, 1), pings["up"], pings["down"], strict=True):
        assert abs(ways[0] - up) <= error + 1
        assert abs(ways[1] - down) <= error + 1
        assert abs(sum(ways) - up - down) <= 1


def test_the_skew_is_between_its_ends() -> None:
    found = stats.clock(table(ppm=40))
    assert found.skew_low_ppm is not None
    assert found.skew_high_ppm is not None
    assert -80 < found.skew_low_ppm <= 40 <= found.skew_high_ppm < 160
    assert found.line_low_ns is not None
    assert found.line_high_ns is not None
    assert found.line_low_ns <= found.line_high_ns


def test_a_clock_that_was_set_is_told_and_the_ways_stay_right() -> None:
    pings = table()
    for name in ("server_recv_ns", "server_sent_ns"):
        pings[name][300:] = [value + 5_000_000_000 for value in pings[name][300:]]
    found = stats.clock(pings)
    (step,) = found.steps
    assert step.after_ns < 300 * 100_000_000 < step.before_ns
    assert step.before_ns - step.after_ns < 200_000_000
    assert found.skew_low_ppm is None
    for (up, _, error), truth in zip(ways_of(pings), pings["up"], strict=True):
        assert abs(up - truth) <= error + 1


def test_each_target_has_a_clock_of_its_own() -> None:
    one, other = table(theta=7_000_000), table(theta=-9_000_000_000, seed=2)
    both = [one | {"target": ["a"] * 600}, other | {"target": ["b"] * 600}]
    found = stats.one_way(both, [0.5])
    assert (found.up.count, found.down.count) == (1_200, 1_200)
    apart = [stats.one_way(each, [0.5]) for each in (one, other)]
    assert found.error_ns == max(each.error_ns or 0 for each in apart)
    with pytest.raises(udpping.ConfigError, match="each server has a clock of its own"):
        stats.clock(both)
    for name, pings in stats.Pings(both).by_target().items():
        offset = stats.clock(pings).offset_low_ns
        assert offset is not None
        assert (offset > 0) == (name == "a")


def test_pings_that_were_read_once_say_the_same_as_their_table() -> None:
    pings = table(theta=20_000)
    pings["arrival"] = list(range(1, 601))
    # The kernel received a reply 50 us before this program.
    pings["user_rtt_ns"] = [rtt + 50_000 for rtt in pings["rtt_ns"]]
    low, high = stats.clock(pings).offset_low_ns, stats.clock(pings).offset_high_ns
    for read in (stats.Pings(pings), stats.Pings({**pings, "target": ["a"] * 600}).by_target()["a"]):
        found = stats.clock(read)
        assert (found.offset_low_ns, found.offset_high_ns) == (low, high)
        assert ways_of(read) == ways_of(pings)


def test_what_irtt_measured_is_read_with_its_own_clocks() -> None:
    run = udpping.load(IRTT)
    found = stats.one_way(run)
    trips = [row.rtt_ns for row in run if row.rtt_ns is not None]
    assert found.up.count == len(trips) > 0
    for (up, down, error), rtt in zip(ways_of(run), trips, strict=True):
        assert abs(up + down - rtt) < 1_000  # irtt's leaves out what the server held
        assert min(up, down) >= -error


def test_without_server_times_nothing_is_made_up() -> None:
    found = stats.one_way(table() | {"server_recv_ns": [None] * 600, "server_sent_ns": [5] + [None] * 599})
    assert found.up.count <= 1
    with pytest.raises(udpping.ConfigError, match="without sent_wall_ns"):
        stats.clock({"rtt_ns": [1]})
    with pytest.raises(udpping.ConfigError, match="without server_recv_ns or server_sent_ns"):
        stats.one_way({"rtt_ns": [1], "sent_wall_ns": [1]})
    for wrong in (-1, 100_001, float("nan")):
        with pytest.raises(udpping.ConfigError, match="max_rate_ppm"):
            stats.clock(table(), max_rate_ppm=wrong)


def test_results_print() -> None:
    assert "offset_low_ns" in repr(stats.clock(table()))
    assert "steps           -" in repr(stats.clock(table()))
    assert "median_ns" in repr(stats.one_way(table()))
