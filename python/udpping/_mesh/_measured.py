"""What can be asked of the rows of a mesh: a table, matrices, a picture, what is at fault, and clocks."""

from udpping._args.public import PublicNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from udpping._mesh._finding import Finding
    from udpping._mesh._frame import Matrix, Pairs
    from udpping._mesh._offsets import Offsets
    from udpping._mesh._rows import Host, PairRow


class Measured(PublicNames):
    """The rows of a mesh and what follows from them."""

    rows: "Iterable[PairRow]"
    hosts: "Sequence[Host]"

    @property
    def frame(self) -> "Pairs":
        """All rows as a table, one for each pair, round and source port.

        `pl.DataFrame(mesh.frame)`, `pa.table(mesh.frame)` and `mesh.frame.to_pandas()` read it; for
        `dask.dataframe` there is `from_pandas`.

        >>> import udpping
        >>> with udpping.LocalHosts(3) as hosts:
        ...     mesh = udpping.mesh(hosts, count=2, interval=0.01)
        >>> len(mesh.frame), mesh.frame["sent"].to_list()
        (6, [2, 2, 2, 2, 2, 2])
        """
        from udpping._mesh._frame import frame

        return frame(self.rows)

    def matrix(self, what: str = "loss") -> "Matrix":
        """Give one value for each ordered pair of hosts, over all rounds and source ports.

        * Counts, added up: `sent`, `received`, `lost`, `lost_up`, `lost_down`
        * Shares of the pings, from 0 to 1: `loss`, `loss_up`, `loss_down`
        * Times in nanoseconds: `min`, `p50`, `p90`, `p99` and `max` of the round trip, and the median one-way
          delays `up` and `down`. Of several rows for a pair it is the median, but for `min` and `max`.

        What was not measured is `None`. Raises ConfigError for another name.

        >>> import udpping
        >>> with udpping.LocalHosts(3) as hosts:
        ...     mesh = udpping.mesh(hosts, count=2, interval=0.01)
        >>> mesh.matrix("loss")["0", "2"], mesh.matrix("sent").values
        (0.0, ((None, 2, 2), (2, None, 2), (2, 2, None)))
        """
        from udpping._mesh._frame import matrix

        return matrix(self.rows, self.hosts, what)

    def plot(self, what: str = "loss", ax: "Axes | None" = None) -> "Axes":
        """Draw a heat map of `matrix(what)`, ordered by group, into a new figure or into `ax`.

        A cell has two halves, one for each direction. What was not measured is hatched. Of more than 50
        hosts, cells are whole. The colours of shares are the same in every picture. Needs matplotlib:
        `pip install "udpping[notebook]"`. Raises ConfigError for another name, ImportError without
        matplotlib.
        """
        from udpping._mesh._plot import plot

        return plot(self.rows, self.hosts, what, ax)

    def explain(self) -> "list[Finding]":
        """Say which host, pair or group explains what was lost, the strongest first.

        Each finding has its evidence, and prints as a sentence. A host is named that loses more of what it
        sends or receives than the others do, and so is a pair, a group, or the paths between two groups.
        Where several explain it as well, the finding says that it cannot be told. Where nothing stands out
        there is one finding of kind `none`.

        In a mesh in which nobody is at fault, hardly anybody is named: docs/mesh.md has the figures.

        >>> import udpping
        >>> with udpping.LocalHosts(3) as hosts:
        ...     mesh = udpping.mesh(hosts, count=2, interval=0.01)
        >>> print(*mesh.explain())
        no host, pair or group stands out: 12 pings, none lost
        """
        from udpping._mesh._explain import explain

        return explain(self.rows)

    def offsets(self) -> "Offsets":
        """Bound how much the clock of each host is ahead of the first host's, in the last round.

        The bounds of all pairs are put together, so they are at least as narrow as those of any pair. They
        hold while those of the pairs do, on asymmetric paths too. A pair that contradicts all others is left
        out and named in `contradictions`. Offsets that no pair tells are `None`.

        >>> import udpping
        >>> with udpping.LocalHosts(2) as hosts:
        ...     mesh = udpping.mesh(hosts, count=2, interval=0.01)
        >>> _, other = mesh.offsets().hosts
        >>> other.offset_low_ns <= 0 <= other.offset_high_ns  # they have one clock
        True
        """
        from udpping._mesh._offsets import offsets

        return offsets(self.rows, self.hosts)
