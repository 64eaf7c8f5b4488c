"""Who pings whom in which round.

The design is circulant: in a step, host i pings host i + d for one d. So every host sends as many pings as it
receives, and gets one at a time.
"""

from collections.abc import Sequence
from random import Random
from typing import overload

from udpping._args import checks
from udpping._mesh._rows import Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

ALL = 100
"""Up to so many hosts, each pings all others in every round."""
SAMPLED = 32
"""Of more hosts, each pings so many others in a round."""
SPREAD = 0.5
"""The part of a step over which the hosts' pings are spread. The rest keeps steps apart at each target."""


def pairs(hosts: int, peers: "Literal['all'] | int", rounds: int, seed: int) -> "Sequence[list[Pair]]":
    """Return who pings whom in each round, made when it is asked for.

    Each host pings `peers` others and is pinged by as many, in each round by others until all pairs were
    measured. With "all", each pings all others, or 32 of more than 100. Raises ConfigError.
    """
    return Design(hosts, per_round(hosts, peers), rounds, seed)


def per_round(hosts: int, peers: "Literal['all'] | int") -> int:
    """Return how many others each host pings in a round."""
    if hosts < 2:  # noqa: PLR2004
        raise checks.refuse("hosts", hosts, "at least 2: a mesh is made of pairs")
    if peers == "all":
        return hosts - 1 if hosts <= ALL else SAMPLED
    if isinstance(peers, str) or not 1 <= checks.whole("peers", peers) < hosts:  # type: ignore[redundant-expr] # a user may give any
        raise checks.refuse("peers", peers, f'1 to {hosts - 1}, as there are {hosts} hosts, or "all"')
    return peers


def coverage(hosts: int, peers: "Literal['all'] | int", rounds: int) -> float:
    """Return the share of ordered pairs that are measured after so many rounds."""
    return min(1.0, rounds * per_round(hosts, peers) / (hosts - 1))


class Design(Sequence[list[Pair]]):
    """The pairs of each round. 1,000 hosts have a million: only those of one round are kept."""

    def __init__(self, hosts: int, peers: int, rounds: int, seed: int) -> None:
        self._hosts, self._peers, self._rounds, self._seed = hosts, peers, rounds, seed

    def __len__(self) -> int:
        return self._rounds

    @overload
    def __getitem__(self, index: int) -> list[Pair]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[Pair]]: ...
    def __getitem__(self, index: int | slice) -> list[Pair] | list[list[Pair]]:
        found = range(self._rounds)[index]
        return self._round(found) if isinstance(found, int) else [self._round(each) for each in found]

    def _round(self, number: int) -> list[Pair]:
        hosts, steps = self._hosts, self._distances(number)
        return [
            Pair(host, (host + distance) % hosts, (step + SPREAD * host / hosts) / len(steps))
            for step, distance in enumerate(steps)
            for host in range(hosts)
        ]

    def _distances(self, number: int) -> list[int]:
        """Return how far the targets of a round are from their sources, in ascending order.

        All distances pass in a number of rounds; the last of these is filled up from the first.
        """
        cycle, place = divmod(number, -(-(self._hosts - 1) // self._peers))
        order = self._order(cycle)
        return sorted((order + order)[place * self._peers : (place + 1) * self._peers])

    def _order(self, cycle: int) -> list[int]:
        """Return all distances, shuffled, each beside the one of the way back."""
        hosts = self._hosts
        near = list(range(1, hosts // 2 + 1))
        Random(f"{self._seed} {cycle}").shuffle(near)  # noqa: S311 - no secret
        return list(dict.fromkeys(each for distance in near for each in (distance, hosts - distance)))
