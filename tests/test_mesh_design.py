"""Who pings whom in a mesh: everybody as often as everybody else, all pairs in the end, and no bursts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from udpping._mesh import _design
from udpping.errors import ConfigError

pytestmark = pytest.mark.untimed

SIZES = [(2, 1), (3, 1), (3, 2), (7, 3), (8, 4), (8, 7), (100, 99), (101, 32), (300, 32)]


@pytest.mark.parametrize(("hosts", "peers"), SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_every_host_sends_to_and_hears_from_as_many_others(hosts: int, peers: int, seed: int) -> None:
    for pairs in _design.pairs(hosts, peers, 3, seed):
        assert len({(pair.source, pair.target) for pair in pairs}) == len(pairs) == hosts * peers
        assert all(pair.source != pair.target for pair in pairs)
        assert set(Counter(pair.source for pair in pairs).values()) == {peers}
        assert set(Counter(pair.target for pair in pairs).values()) == {peers}


@pytest.mark.parametrize(("hosts", "peers"), SIZES)
def test_the_share_that_is_said_to_be_covered_is(hosts: int, peers: int) -> None:
    rounds = -(-(hosts - 1) // peers)
    seen: set[tuple[int, int]] = set()
    for number, pairs in enumerate(_design.pairs(hosts, peers, rounds, 5), start=1):
        seen |= {(pair.source, pair.target) for pair in pairs}
        assert _design.coverage(hosts, peers, number) == len(seen) / (hosts * (hosts - 1))
    assert len(seen) == hosts * (hosts - 1)
    # And once more, in another order.
    first, again = (_design.pairs(hosts, peers, 2 * rounds, 5)[at : at + rounds] for at in (0, rounds))
    assert {pair[:2] for each in again for pair in each} == {pair[:2] for each in first for pair in each}
    assert hosts < 20 or peers == hosts - 1 or first != again


@pytest.mark.parametrize(("hosts", "peers"), SIZES)
def test_no_host_sends_or_receives_in_bursts(hosts: int, peers: int) -> None:
    for pairs in _design.pairs(hosts, peers, 3, 1):
        assert all(0 <= pair.phase < 1 for pair in pairs)
        for ends in ([pair.source for pair in pairs], [pair.target for pair in pairs]):
            times: dict[int, list[float]] = {}
            for host, pair in zip(ends, pairs, strict=True):
                times.setdefault(host, []).append(pair.phase)
            for own in times.values():
                own.sort()
                # The interval begins anew: the first ping follows the last one.
                gaps = [later - earlier for earlier, later in pairwise([*own, own[0] + 1])]
                assert min(gaps) >= _design.SPREAD / peers - 1e-9


@pytest.mark.parametrize("hosts", [8, 9, 200])
def test_an_even_number_of_peers_measures_both_ways_of_a_pair_in_one_round(hosts: int) -> None:
    both = total = 0
    for pairs in _design.pairs(hosts, 4, (hosts - 1) // 4, 3):
        found = {(pair.source, pair.target) for pair in pairs}
        both += sum((target, source) in found for source, target in found)
        total += len(found)
    # With an even number of hosts, one distance is its own way back, and the next round begins half way.
    assert both >= total * (1 if hosts % 2 else 0.5)


def test_a_seed_gives_the_same_design_and_another_seed_another() -> None:
    design = [list(_design.pairs(300, 32, 3, seed)) for seed in (1, 1, 2)]
    assert design[0] == design[1] != design[2]
    assert len(_design.pairs(1_000, "all", 10**9, 1)) == 10**9


def test_how_many_are_pinged_is_what_is_asked_for_or_refused() -> None:
    assert _design.per_round(100, "all") == 99
    assert _design.per_round(101, "all") == 32
    assert _design.coverage(1_000, "all", 1) == 32 / 999
    assert _design.coverage(1_000, "all", 32) == 1
    for peers in (0, 3, -1, "some", True):
        with pytest.raises(ConfigError, match=r'peers .* is not usable: expected .*"all"|peers True'):
            _design.pairs(3, peers, 1, 0)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="hosts 1 is not usable: expected at least 2"):
        _design.pairs(1, "all", 1, 0)
