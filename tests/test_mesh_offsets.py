"""The clocks of a mesh: the truth is within the bounds, and a pair that contradicts the others is named."""

from __future__ import annotations

import random

import pytest
from udpping._mesh._frame import frame
from udpping._mesh._offsets import offsets
from udpping._mesh._rows import Host, PairRow

pytestmark = pytest.mark.untimed


def measured(source: int, target: int, low: int | None, high: int | None, *, number: int = 0) -> PairRow:
    unknown = dict.fromkeys(PairRow._fields)
    known = {
        "round": number,
        "source": f"h{source}",
        "target": f"h{target}",
        "group_source": "",
        "group_target": "",
    }
    counts = {
        "sent": 10,
        "received": 10,
        "duplicates": 0,
        "loss_runs": 0,
        "offset_low_ns": low,
        "offset_high_ns": high,
    }
    return PairRow(**(unknown | known | counts))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def hosts(count: int) -> list[Host]:
    return [Host(f"h{place}", f"10.0.0.{place}", "") for place in range(count)]


def world(rng: random.Random, count: int, share: float = 1) -> tuple[list[int], list[PairRow]]:
    """Return clocks, and bounds as pings give them: as wide as both delays together."""
    clocks = [rng.randrange(-(10**12), 10**12) for _ in range(count)]
    rows = []
    for source in range(count):
        for target in range(count):
            if source != target and rng.random() < share:
                offset = clocks[target] - clocks[source]
                low, high = (offset - rng.randrange(10**6), offset + rng.randrange(10**6))
                rows.append(measured(source, target, low, high))
    return clocks, rows


@pytest.mark.parametrize("seed", range(40))
def test_the_truth_is_always_within_the_bounds(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randrange(2, 13)
    clocks, rows = world(rng, count, rng.choice((0.3, 1)))
    found = offsets(rows, hosts(count))
    assert found.contradictions == ()
    own = {(row.source, row.target): row for row in rows}
    for place, each in enumerate(found.hosts):
        if each.offset_low_ns is None or each.offset_high_ns is None or each.offset_ns is None:
            continue
        assert each.offset_low_ns <= clocks[place] - clocks[0] <= each.offset_high_ns
        assert each.offset_low_ns <= each.offset_ns <= each.offset_high_ns
        if direct := own.get(("h0", each.host)):
            # Never wider than what the two hosts know of each other.
            assert direct.offset_low_ns is not None
            assert direct.offset_high_ns is not None
            assert direct.offset_low_ns <= each.offset_low_ns <= each.offset_high_ns <= direct.offset_high_ns
    assert found.hosts[0][1:] == (0, 0, 0)


def test_a_detour_bounds_a_clock_better_than_a_wide_pair() -> None:
    rows = [measured(0, 1, 90, 110), measured(1, 2, -60, -40), measured(0, 2, -10_000, 10_000)]
    _, one, two = offsets(rows, hosts(3)).hosts
    assert one == ("h1", 100, 90, 110)
    assert two == ("h2", 50, 30, 70)


def test_both_directions_and_the_last_round_count() -> None:
    rows = [
        measured(0, 1, 5_000, 6_000),
        measured(0, 1, 0, 100, number=1),
        measured(1, 0, -60, -20, number=1),
    ]
    found = offsets(rows, hosts(3))
    assert found.round == 1
    assert found.hosts[1] == ("h1", 40, 20, 60)
    # Nobody measured it.
    assert found.hosts[2] == ("h2", None, None, None)
    assert offsets(frame(rows), hosts(3)) == found


def test_without_times_there_are_no_offsets() -> None:
    found = offsets([measured(0, 1, None, None)], hosts(2))
    assert found.round is None
    assert found.hosts[1].offset_ns is None


@pytest.mark.parametrize("seed", range(20))
def test_the_pair_that_contradicts_all_others_is_named(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randrange(4, 10)
    clocks, rows = world(rng, count)
    a, b = rng.sample(range(count), 2)
    wrong = [
        row._replace(offset_low_ns=row.offset_low_ns + 10**8, offset_high_ns=row.offset_high_ns + 10**8)
        if (row.source, row.target) == (f"h{a}", f"h{b}")
        and row.offset_low_ns is not None
        and row.offset_high_ns is not None
        else row
        for row in rows
        if (row.source, row.target) != (f"h{b}", f"h{a}")
    ]
    found = offsets(wrong, hosts(count))
    (only,) = found.contradictions
    assert set(only.hosts) == {f"h{a}", f"h{b}"}
    assert "after those of others" in str(only)
    for place, each in enumerate(found.hosts):
        assert each.offset_low_ns is not None
        assert each.offset_high_ns is not None
        assert each.offset_low_ns <= clocks[place] - clocks[0] <= each.offset_high_ns


def test_where_it_cannot_be_told_which_pair_is_wrong_all_are_named() -> None:
    rows = [measured(0, 1, 0, 10), measured(1, 2, 0, 10), measured(0, 2, 1_000, 1_010)]
    found = offsets(rows, hosts(3))
    (circle,) = found.contradictions
    assert set(circle.hosts) == {"h0", "h1", "h2"}
    assert "contradict each other" in circle.text
    own = offsets([measured(0, 1, 0, 10), measured(1, 0, 50, 60)], hosts(2))
    assert own.contradictions[0].hosts == ("h0", "h1")
    assert own.hosts[1].offset_ns is None
