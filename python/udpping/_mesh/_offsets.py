"""The clocks of all hosts, from the bounds of each pair: a system of difference constraints.

"The clock of b less that of a is at most h" is an edge from a to b of length h. The shortest path from one
host to another is the least that all pairs together say of their clocks, and a circle of negative length says
that some pair is wrong.
"""

from math import inf
from typing import NamedTuple

from udpping._mesh._frame import values
from udpping._table.text import short, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from udpping._mesh._rows import Host, PairRow

    Bounds: TypeAlias = dict[tuple[int, int], tuple[float, float]]


class HostOffset(NamedTuple):
    """How much the clock of a host is ahead of the first host's; `None` where that is unknown."""

    host: str
    """Its name."""
    offset_ns: int | None
    """The middle of the bounds."""
    offset_low_ns: int | None
    """At least so much."""
    offset_high_ns: int | None
    """At most so much."""


class Contradiction(NamedTuple):
    """Hosts of which the bounds do not fit together: at least one pair of them is wrong. `str()` says why."""

    hosts: tuple[str, ...]
    """Two, if one pair contradicts all others; otherwise those in a circle of pairs."""
    text: str
    """Why, as a sentence."""

    def __str__(self) -> str:
        return self.text


class Offsets(NamedTuple):
    """The clocks of the hosts of a mesh, in the last round that has their times."""

    round: int | None
    """The round; `None` if no pair had a reply with times."""
    hosts: tuple[HostOffset, ...]
    """A row for each host, in their order."""
    contradictions: tuple[Contradiction, ...]
    """What was left out, as it contradicts the rest: clocks that were set, or times that are wrong."""


def offsets(rows: "Iterable[PairRow]", hosts: "Sequence[Host]") -> Offsets:
    """Bound the clock of each host by the times of all pairs in the last round that has some.

    While the bounds of each pair hold, those of each host do, and they are the narrowest that follow. Pairs
    that contradict the others are left out and named.
    """
    names = [host.name for host in hosts]
    number, bounds = _bounds(rows, {name: place for place, name in enumerate(names)})
    wrong = [_circle(names, pair) for pair, (low, high) in bounds.items() if low > high]
    sure = {pair: ends for pair, ends in bounds.items() if ends[0] <= ends[1]}
    doubted = {pair: bounds[pair] for circle in _circles(sure, len(names)) for pair in _pairs(circle)}
    # In a circle that contradicts itself, the pairs that fit the rest are right.
    spans = _spans(sure, len(names))
    for (a, b), (low, high) in doubted.items():
        least, most = spans[b][0] - spans[a][1], spans[b][1] - spans[a][0]
        if low <= most and least <= high:
            sure[a, b] = low, high
        else:
            text = f"the clock of {short(names[b])} is ahead of that of {short(names[a])} by"
            own, others = _span(low, high), _span(least, most)
            text += f" {own} after their own times, and by {others} after those of others"
            wrong.append(Contradiction((names[a], names[b]), text))
    wrong += [_circle(names, circle) for circle in _circles(sure, len(names))]
    each = zip(names, _spans(sure, len(names)), strict=True)
    return Offsets(number, tuple(HostOffset(name, *_ends(*span)) for name, span in each), tuple(wrong))


def _circle(names: list[str], circle: "Sequence[int]") -> Contradiction:
    hosts = tuple(names[host] for host in circle)
    *most, last = map(short, hosts)
    return Contradiction(hosts, f"the times of {', '.join(most)} and {last} contradict each other")


def _span(low: float, high: float) -> str:
    return f"{time_text(round(low))} to {time_text(round(high))}"


def _pairs(circle: "Sequence[int]") -> "list[tuple[int, int]]":
    return [(min(pair), max(pair)) for pair in zip(circle, (*circle[1:], circle[0]), strict=True)]


def _bounds(rows: "Iterable[PairRow]", places: dict[str, int]) -> "tuple[int | None, Bounds]":
    """Return the last round with times, and the bounds of each pair in it, of both directions."""
    bounds: Bounds = {}
    last: int | None = None
    names = ("round", "source", "target", "offset_low_ns", "offset_high_ns")
    for number, source, target, low, high in values(rows, *names):
        if low is None or high is None or (last is not None and number < last):
            continue
        if number != last:
            last = number
            bounds.clear()
        a, b = places[source], places[target]
        ends = (low, high) if a < b else (-high, -low)
        before = bounds.setdefault((min(a, b), max(a, b)), ends)
        bounds[min(a, b), max(a, b)] = max(before[0], ends[0]), min(before[1], ends[1])
    return last, bounds


def _circles(bounds: "Bounds", hosts: int) -> "list[list[int]]":
    """Take pairs out of `bounds` until they do not contradict each other; return the circles that did."""
    found: list[list[int]] = []
    while circle := _shortest(_edges(bounds), [0.0] * hosts):
        found.append(circle)
        for pair in _pairs(circle):
            del bounds[pair]
    return found


def _edges(bounds: "Bounds") -> list[tuple[int, int, float]]:
    return [edge for (a, b), (low, high) in bounds.items() for edge in ((a, b, high), (b, a, -low))]


def _spans(bounds: "Bounds", hosts: int) -> list[tuple[float, float]]:
    """Return the least and the most of each clock less the first one, from bounds without a contradiction."""
    edges = _edges(bounds)
    most, least = ([0.0] + [inf] * (hosts - 1) for _ in range(2))
    _shortest(edges, most)
    _shortest([(b, a, length) for a, b, length in edges], least)
    return [(-low, high) for low, high in zip(least, most, strict=True)]


def _shortest(edges: list[tuple[int, int, float]], lengths: list[float]) -> list[int]:
    """Shorten paths to each host (Bellman and Ford); return a circle that has no shortest."""
    before: list[int | None] = [None] * len(lengths)
    changed = True
    while changed:
        changed = False
        for a, b, length in edges:
            if lengths[a] + length < lengths[b]:
                lengths[b], before[b], changed = lengths[a] + length, a, True
        if changed and (circle := _loop(before)):
            return circle
    return []


def _loop(before: "list[int | None]") -> list[int]:
    """Return hosts that lead to each other in a circle, if some do."""
    seen: dict[int, int] = {}
    for start in range(len(before)):
        here: int | None = start
        while here is not None and here not in seen:
            seen[here], here = start, before[here]
        if here is not None and seen[here] == start:
            circle = [here]
            while (here := before[circle[-1]]) is not None and here != circle[0]:
                circle.append(here)
            return circle
    return []


def _ends(low: float, high: float) -> "tuple[int, int, int] | tuple[None, None, None]":
    if inf in (-low, high):
        return None, None, None
    return round((low + high) / 2), round(low), round(high)
