"""Rows of a mesh from a random number generator, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udpping._mesh import _design
from udpping._mesh._rows import Host, PairRow

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from typing import Literal

    Loss = Callable[[int, int], float]
    """The chance that a datagram from one host to another is lost."""


def hosts(count: int, rack: int = 0) -> list[Host]:
    """Return hosts h0, h1, ..., in racks r0, r1, ... of so many, or each by itself."""
    return [
        Host(
            f"h{place}", f"10.0.{place // 250}.{place % 250}", f"r{place // rack}" if rack else f"10.{place}"
        )
        for place in range(count)
    ]


def row(
    number: int,
    source: Host,
    target: Host,
    *,
    sent: int,
    up: int,
    down: int,
    runs: int | None = None,
    numbered: bool = True,
) -> PairRow:
    """Return a row, without `runs` of losses that come alone.

    Where nothing comes back, nobody knows on which way it was lost.
    """
    lost = up + down
    ways = (up, down, 0) if lost < sent else (0, 0, lost)
    known = ways if numbered else (None, None, None)
    names = (source.name, target.name, source.group, target.group)
    return PairRow(
        number, *names, None, sent, sent - lost, 0, lost if runs is None else runs, *known, *[None] * 11
    )


def rows(
    rng: random.Random,
    count: int,
    loss: Loss,
    *,
    peers: Literal["all"] | int = "all",
    rounds: int = 1,
    pings: int = 60,
    rack: int = 0,
    numbered: bool = True,
    burst: float = 0,
) -> Iterator[PairRow]:
    """Yield the rows of a mesh; with `burst`, losses come in runs of so many on average."""
    every = hosts(count, rack)
    for number, pairs in enumerate(_design.pairs(count, peers, rounds, rng.randrange(100))):
        for pair in pairs:
            a, b = pair.source, pair.target
            up = drawn(rng, pings, loss(a, b), burst)
            down = drawn(rng, up.count(False), loss(b, a), burst)
            yield row(
                number,
                every[a],
                every[b],
                sent=pings,
                up=sum(up),
                down=sum(down),
                runs=runs_of(up, down),
                numbered=numbered,
            )


def drawn(rng: random.Random, pings: int, loss: float, burst: float) -> list[bool]:
    """Return which of so many pings are lost."""
    if not burst or not 0 < loss < 1:
        return [rng.random() < loss for _ in range(pings)]
    lost, is_bad = list[bool](), rng.random() < loss
    for _ in range(pings):
        lost.append(is_bad)
        is_bad = rng.random() >= 1 / burst if is_bad else rng.random() < loss / burst / (1 - loss)
    return lost


def runs_of(up: list[bool], down: list[bool]) -> int:
    """Return how many runs of losses there are, if `down` has those that came up."""
    back = iter(down)
    lost = [is_lost or next(back) for is_lost in up]
    return sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
