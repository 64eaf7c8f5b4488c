"""`compare`: shows runs side by side."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from udpping._args import checks
from udpping._args.public import PublicNames
from udpping._results.run import Run
from udpping._table.text import loss_percents, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from udpping._results.run import Summary


class Compared(PublicNames):
    """Runs by name, as `compare` puts them together."""

    def __init__(self, runs: dict[str, Run]) -> None:
        self.runs = runs
        """The runs, in the order given."""

    def plot(self, kind: str = "ecdf", ax: "Axes | None" = None) -> "Axes":
        """Draw them over each other, each in its colour; the kinds are those of `Run.plot`.

        `"hist"` shows shares of the pings in percent, as the runs may be of different lengths.
        """
        from udpping._figures.plot import draw

        return draw(list(self.runs.values()), list(self.runs), kind, ax)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> "Iterator[Run]":
        return iter(self.runs.values())

    def __getitem__(self, name: str) -> Run:
        """One of the runs. KeyError for another name."""
        return self.runs[name]

    def __repr__(self) -> str:
        wide = max(len(short(name)) for name in self.runs)
        head = f"{'':{wide}}  {'sent':>9}  {'lost':>7}  {'loss %':>7}  {'median ms':>9}  {'p99 ms':>9}"
        lines = [
            f"{short(name):{wide}}  {s.sent:>9,}  {s.lost:>7,}  {_percent(s):>7}  "
            f"{_ms(s.rtt_median_ns):>9}  {_ms(s.rtt_p99_ns):>9}"
            for name, s in ((name, run.summary) for name, run in self.runs.items())
        ]
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        from udpping._results.html import compared_html

        return compared_html(self.runs)


def compare(runs: "Mapping[str, Run] | Iterable[Run]") -> Compared:
    """Put runs side by side: `compare({"before": one, "after": another})`, or a list of runs.

    Runs without a name of their own are called by their targets, with a number where that is not enough.
    Shown, it is a table; `.plot(kind)` draws them over each other. ConfigError without any run.

    >>> import udpping
    >>> before, after = (udpping.sim.ping(count=50, delay=delay) for delay in ("20ms", "5ms"))
    >>> udpping.compare({"before": before, "after": after})
                 sent     lost   loss %  median ms     p99 ms
    before         50        0      0.0     20.000     20.000
    after          50        0      0.0      5.000      5.000
    """
    expected = "runs in a list, or by name in a dict"
    if isinstance(runs, Mapping):
        named = dict(cast("Mapping[object, object]", runs))
    else:
        named = _named(checks.items("runs", runs, expected))
    if not named or not all(isinstance(name, str) and isinstance(run, Run) for name, run in named.items()):
        raise checks.refuse("runs", cast("object", runs), expected)
    return Compared(cast("dict[str, Run]", named))


def _named(runs: list[object]) -> dict[object, object]:
    named: dict[object, object] = {}
    for run in runs:
        name = run.summary.target if isinstance(run, Run) else ""
        number = 1
        while name in named:
            number += 1
            name = f"{run.summary.target if isinstance(run, Run) else ''} ({number})"
        named[name] = run
    return named


def _percent(summary: "Summary") -> str:
    shares = loss_percents(summary)
    return shares[0] if shares else "-"


def _ms(nanos: float | None) -> str:
    return "-" if nanos is None else f"{nanos / 1e6:.3f}"
