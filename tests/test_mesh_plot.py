"""Pictures of a mesh: what is drawn is what was measured, both directions in a cell."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from meshes import hosts, rows
from udpping._mesh._frame import KINDS, matrix
from udpping._mesh._plot import NAMES, plot
from udpping.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from udpping._mesh._rows import PairRow

matplotlib = pytest.importorskip("matplotlib", reason="has no wheel for this Python")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")
np = pytest.importorskip("numpy")

pytestmark = pytest.mark.untimed


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def measured(count: int, *, peers: int | None = None, rack: int = 0) -> list[PairRow]:
    """Return rows in which host 1 loses half of what it receives, and all times differ."""
    every = rows(random.Random(1), count, lambda _a, b: 0.5 * (b == 1), peers=peers or "all", rack=rack)
    return [
        row._replace(rtt_min_ns=10**6 + at, rtt_p50_ns=2e6 + at, rtt_p99_ns=3e6 + at, up_p50_ns=1e6 + at)
        for at, row in enumerate(every)
    ]


def halves(axes: Axes) -> dict[tuple[int, int, bool], float]:
    """Return the value of each half of a cell by row, column, and whether it is the upper left one."""
    picture: Any = axes.collections[-1]
    found = {}
    for path, value in zip(picture.get_paths(), picture.get_array(), strict=True):
        corner, right, below = path.vertices[:3]
        row, column = round((right[1] + below[1]) / 2), round((right[0] + below[0]) / 2)
        found[row, column, bool(corner[0] < column)] = float(value)
    return found


@pytest.mark.parametrize(("what", "scale"), [("loss", 100), ("p50", 1e-6), ("lost", 1), ("up", 1e-6)])
def test_each_half_of_a_cell_is_one_direction(what: str, scale: float) -> None:
    every = measured(6)
    expected = matrix(every, hosts(6), what).values
    found = halves(plot(every, hosts(6), what))
    assert len(found) == 6 * 5 * 2
    for (row, column, is_upper), value in found.items():
        there = expected[row][column] if is_upper else expected[column][row]
        assert there is not None
        assert value == pytest.approx(scale * there)


def test_what_was_not_measured_is_not_drawn() -> None:
    every = [row for row in measured(5) if row.source != "h2"]
    found = halves(plot(every, hosts(5)))
    assert len(found) == (5 * 4 - 4) * 2
    assert (2, 0, True) not in found
    assert (2, 0, False) in found
    assert plot([], hosts(3)).get_title(loc="left").startswith("Loss, 3 hosts")


def test_many_hosts_are_drawn_as_an_image_by_group() -> None:
    every = measured(120, peers=8, rack=40)
    axes: Any = plot(every, hosts(120, 40))
    (image,) = axes.images
    assert image.get_array().shape == (120, 120)
    assert image.get_array().count() == 120 * 8
    assert [label.get_text() for label in axes.get_yticklabels()] == ["r0", "r1", "r2"]


def test_hosts_of_a_group_are_beside_each_other() -> None:
    every, named = measured(4), hosts(4)
    mixed = [host._replace(group=group) for host, group in zip(named, "abab", strict=True)]
    axes: Any = plot(every, mixed)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["h0", "h2", "h1", "h3"]
    # Host h1, the third now, is the one that loses.
    assert halves(axes)[2, 0, True] > 30
    assert halves(axes)[1, 0, True] == 0


def test_colours_of_shares_are_the_same_in_every_picture() -> None:
    norms = [halves_norm(plot(measured(count), hosts(count))) for count in (3, 6)]
    assert norms[0] == norms[1] == [0, 0.01, 0.1, 1, 3, 10, 30, 100]


def halves_norm(axes: Axes) -> list[float]:
    picture: Any = axes.collections[-1]
    return list(picture.norm.boundaries)


def test_it_draws_into_given_axes_and_keeps_their_title() -> None:
    _, axes = pyplot.subplots()
    axes.set_title("mine", loc="left")
    assert plot(measured(3), hosts(3), "p99", axes) is axes
    assert axes.get_title(loc="left") == "mine"
    with pytest.raises(ConfigError, match="ax"):
        plot(measured(3), hosts(3), "loss", "here")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_every_value_has_a_name() -> None:
    assert NAMES.keys() == KINDS.keys()
    with pytest.raises(ConfigError, match="did you mean 'p99'"):
        plot([], hosts(2), "p999")
