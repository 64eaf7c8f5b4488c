"""Draws a mesh as a heat map, with both directions of two hosts in a cell.

Darker is worse, in colours whose lightness alone tells them apart.
"""

# matplotlib is not fully typed:
# pyright: reportUnknownMemberType=false

from typing import Any

from udpping._figures.plot import checked_axes, new_axes
from udpping._mesh._frame import kind_of, matrix
from udpping._table.text import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from udpping._mesh._frame import Number
    from udpping._mesh._rows import Host, PairRow

SPLIT = 50
"""Up to so many hosts, cells are split; of more, they would be too small."""
NAMED = 40
"""Up to so many hosts have their names beside the picture."""
WRITTEN = 8
"""Up to so many hosts, the values are written into the cells."""
SHARES = (0, 0.01, 0.1, 1, 3, 10, 30, 100)
"""Where the colour of a share changes, in percent. The first colour is for less than one in 10,000."""
DARK = 1.5
"""On a colour whose red, green and blue are less than this, text is white."""
NAMES = {
    "sent": "Pings",
    "received": "Replies in time",
    "lost": "Pings lost",
    "loss": "Loss",
    "lost_up": "Pings lost on the way up",
    "lost_down": "Replies lost on the way down",
    "loss_up": "Loss on the way up",
    "loss_down": "Loss on the way down",
    "min": "Shortest round trip",
    "p50": "Median round trip",
    "p90": "90th percentile of the round trip",
    "p99": "99th percentile of the round trip",
    "max": "Longest round trip",
    "up": "Median one-way delay up",
    "down": "Median one-way delay down",
}
UNITS = {"count": "pings", "share": "%", "ns": "ms"}
SCALES = {"count": 1.0, "share": 100.0, "ns": 1e-6}


def plot(
    rows: "Iterable[PairRow]", hosts: "Sequence[Host]", what: str = "loss", ax: "Axes | None" = None
) -> "Axes":
    """Draw a matrix; see `Mesh.plot`."""
    kind = kind_of(what)
    order = sorted(
        range(len(hosts)), key=lambda place: hosts[place].group
    )  # hosts of a group keep their order
    hosts = [hosts[place] for place in order]
    values = [
        [None if value is None else SCALES[kind.unit] * value for value in row]
        for row in matrix(rows, hosts, what).values
    ]
    size = min(10.0, 4 + 0.35 * len(hosts))
    axes = new_axes((size + 1.2, size)) if ax is None else checked_axes(ax)
    _ground(axes, len(hosts))
    known = [value for row in values for value in row if value is not None]
    picture = _picture(axes, values, _colours(known, kind.unit))
    bar = axes.figure.colorbar(
        picture, ax=axes, shrink=0.8, label=f"{NAMES[what].lower()} ({UNITS[kind.unit]})"
    )
    if kind.unit == "share":
        bar.set_ticks(SHARES, labels=[f"{share:g}" for share in SHARES])
    _labels(axes, hosts)
    halves = "upper left: pings from row to column, lower right: from column to row"
    ways = halves if len(hosts) <= SPLIT else "pings from the host of the row to that of the column"
    if not axes.get_title(loc="left"):
        axes.set_title(f"{NAMES[what]}, {len(hosts):,} hosts\n{ways}", loc="left", fontsize="medium")
    return axes


def _ground(axes: "Axes", count: int) -> None:
    """Hatch what was not measured, and leave the diagonal white."""
    from matplotlib.collections import PolyCollection

    axes.set_facecolor("0.9")
    axes.patch.set_hatch("////" if count <= SPLIT else "")
    axes.patch.set_edgecolor("0.75")
    corners = [_corners(place, place) for place in range(count)]
    axes.add_collection(
        PolyCollection([[a, b, c, d] for a, b, d, c in corners], facecolors="white", zorder=0.5)
    )
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_aspect("equal")


def _corners(row: int, column: int) -> "tuple[tuple[float, float], ...]":
    """Return the corners of a cell: upper left, upper right, lower left, lower right."""
    left, top = column - 0.5, row - 0.5
    return (left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)


def _colours(known: "list[float]", unit: str) -> "dict[str, Any]":
    """Choose the colours: fixed for shares, so that pictures can be compared; logarithmic for times."""
    import matplotlib as mpl
    from matplotlib import colors

    palette = mpl.colormaps["magma_r"]
    if unit == "share":
        steps = len(SHARES) - 1
        listed: Any = ["#f7f7f7", *(palette(0.08 + 0.84 * step / (steps - 1)) for step in range(1, steps))]
        return {"cmap": colors.ListedColormap(listed), "norm": colors.BoundaryNorm(SHARES, steps)}
    low, high = min(known, default=0), max(known, default=1)
    if unit == "ns" and low > 0:
        # Never so narrow that the noise of equal paths looks like a difference.
        return {"cmap": palette, "norm": colors.LogNorm(low, max(high, 2 * low))}
    return {"cmap": palette, "norm": colors.Normalize(low, max(high, low + 1))}


def _picture(axes: "Axes", values: "list[list[Number]]", colours: "dict[str, Any]") -> "ScalarMappable":
    count = len(values)
    if count > SPLIT:
        import numpy as np

        extent = (-0.5, count - 0.5, count - 0.5, -0.5)
        shown = np.ma.masked_invalid(np.array(values, dtype=float))
        return axes.imshow(shown, interpolation="nearest", extent=extent, zorder=1, **colours)
    from matplotlib.collections import PolyCollection

    halves: list[Any] = []
    found: list[float] = []
    for row in range(count):
        for column in range(count):
            first, right, below, last = _corners(row, column)
            for corner, value in ((first, values[row][column]), (last, values[column][row])):
                if value is not None:
                    halves.append((corner, right, below))
                    found.append(value)
                    if count <= WRITTEN:
                        _write(axes, (row, column), (corner, value), colours)
    lines: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.6 if count <= NAMED else 0.2}
    picture = PolyCollection(halves, array=found, zorder=1, **lines, **colours)
    axes.add_collection(picture)
    return picture


def _write(
    axes: "Axes", cell: tuple[int, int], half: "tuple[tuple[float, float], float]", colours: "dict[str, Any]"
) -> None:
    """Write a value into its half of a cell."""
    (row, column), ((x, y), value) = cell, half
    red, green, blue, _ = colours["cmap"](colours["norm"](value))
    ink = "white" if red + green + blue < DARK else "black"
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": "x-small", "zorder": 2}
    at = column + 0.45 * (x - column), row + 0.45 * (y - row)
    axes.text(*at, f"{value:.3g}", color=ink, **look)


def _labels(axes: "Axes", hosts: "Sequence[Host]") -> None:
    """Name the hosts, or only their groups, and draw lines between groups."""
    groups = [host.group for host in hosts]
    starts = [place for place, group in enumerate(groups) if place == 0 or group != groups[place - 1]]
    several = 1 < len(starts) < len(hosts)
    if several and len(hosts) <= SPLIT * 4:
        for start in starts[1:]:
            axes.axhline(start - 0.5, color="black", linewidth=1, zorder=3)
            axes.axvline(start - 0.5, color="black", linewidth=1, zorder=3)
    if len(hosts) <= NAMED:
        places, names = [float(place) for place in range(len(hosts))], [host.name for host in hosts]
    elif several and len(starts) <= NAMED:
        ends = [*starts[1:], len(hosts)]
        places = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
        names = [groups[start] for start in starts]
    else:
        places, names = [], []
    # matplotlib reads text between dollars as a formula.
    shown = [short(name).replace("$", r"\$") for name in names]
    axes.set_xticks(places, shown, rotation=90, fontsize="small")
    axes.set_yticks(places, shown, fontsize="small")
    axes.set_xlabel("target")
    axes.set_ylabel("source")
