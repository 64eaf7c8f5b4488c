"""Which way pings were lost, one-way delays, and the offset of the other end's clock, of a run."""

from udpping import _core, stats
from udpping._args.public import PublicNames
from udpping._table.text import counted, percents, visible
from udpping.stats._clock import MAX_RATE_PPM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from udpping._results.run import Run


LOSSES = (
    *("lost", "lost_up", "lost_down", "lost_unknown"),
    *("loss_up_low", "loss_up_high", "loss_down_low", "loss_down_high", "restarts"),
)


class Ways(PublicNames):
    """The pings to a target that has told when they arrived there, by the two ways, up and down.

    The numbers are those of `stats.direction`, `stats.one_way` and `stats.clock`, whose docstrings say what
    they rest on. What is not known is `None`, never 0. `text` has a line for each.

    >>> import udpping
    >>> with udpping.Reflector(port=0) as reflector, udpping.Relay(reflector, down="loss=list:3") as relay:
    ...     (ways,) = udpping.ping(relay, protocol="stamp", count=5, interval=0.01, timeout=3).ways
    >>> ways.lost_up, ways.lost_down, ways.lost_unknown
    (0, 1, 0)
    >>> ways.offset_low_ns <= 0 <= ways.offset_high_ns  # one machine has one clock
    True
    """

    target: str
    """The target."""
    sent: int
    """Settled pings that were sent, of which these numbers are."""
    partial: bool
    """Whether earlier pings are not among them: a run without an end has the latest rows."""
    lost: int | None
    """Those without any reply, also a late one. All of losses is `None` if replies have no numbers."""
    lost_up: int | None
    """Those that did not reach the target, or that it dropped, at least; at most `lost_unknown` more."""
    lost_down: int | None
    """Those whose replies were lost on the way back, at least; at most `lost_unknown` more."""
    lost_unknown: int | None
    """Those that were lost on the one way or the other: `lost` less the two."""
    loss_up_low: float | None
    """Lower end of the 95 % interval for the loss on the way up, of all that were sent (Wilson 1927)."""
    loss_up_high: float | None
    """Upper end of it, as if all of `lost_unknown` were lost there."""
    loss_down_low: float | None
    """Lower end of the 95 % interval for the loss on the way down, of those that were not lost up."""
    loss_down_high: float | None
    """Upper end of it, as if all of `lost_unknown` were lost there."""
    restarts: int | None
    """How often the target began to count anew."""
    up_min_ns: int | None
    """Shortest delay to the target, as all that follow for an offset in the middle of its interval."""
    up_median_ns: float | None
    """Median delay to the target."""
    up_p95_ns: float | None
    """95th percentile of the delays to the target."""
    up_p99_ns: float | None
    """99th percentile of the delays to the target."""
    down_min_ns: int | None
    """Shortest delay of the way back."""
    down_median_ns: float | None
    """Median delay of the way back."""
    down_p95_ns: float | None
    """95th percentile of the delays of the way back."""
    down_p99_ns: float | None
    """99th percentile of the delays of the way back."""
    owd_error_ns: int | None
    """Each of these delays is wrong by this at most, up by as much as down by the opposite."""
    offset_at_ns: int | None
    """When the interval of the offset is narrowest, in ns since 1970."""
    offset_low_ns: int | None
    """The target's clock less ours then, at least."""
    offset_high_ns: int | None
    """The target's clock less ours then, at most."""
    skew_low_ppm: float | None
    """The target's clock is faster by this, at least, in parts per million; `None` if the rates changed."""
    skew_high_ppm: float | None
    """The target's clock is faster by this, at most."""
    clock_sets: int
    """How often one of the two clocks was set, or ran faster or slower than by 200 parts per million."""

    def __init__(self, target: str, facts: "Mapping[str, int | float | None]") -> None:
        self.__dict__.update(facts, target=target)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, Ways) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def as_dict(self) -> "dict[str, str | int | float | None]":
        """Return all values by name, ready for JSON."""
        return {"target": self.target, **{k: v for k, v in self.__dict__.items() if k != "target"}}

    @property
    def text(self) -> str:
        """A line each for what was lost, the two ways and the clock, as far as that is known."""
        lines = [f"of the latest {self.sent:,} pings:" if self.partial else "", self._lost()]
        lines += [self._delays(way) for way in ("up", "down")]
        return "\n".join(line for line in [*lines, self._clock()] if line)

    def _lost(self) -> str:
        up, down, unknown = self.lost_up, self.lost_down, self.lost_unknown
        if up is None or down is None or unknown is None:
            return ""
        texts: list[str] = []
        for way, least, of in (("up", up, self.sent), ("down", down, self.sent - up)):
            low, high = getattr(self, f"loss_{way}_low"), getattr(self, f"loss_{way}_high")
            text = f"{way} {least:,}{f' to {least + unknown:,}' if unknown else ''} of {of:,}"
            if low is not None and high is not None:
                share, *ends = percents(least / of, low, high)
                share = "" if unknown else f"{share} %; "
                text += f" ({share}95 % interval {ends[0]} to {ends[1]} %)"
            texts.append(text)
        more = [f"{unknown:,} on an unknown way"] if unknown else []
        if self.restarts:
            more.append(counted(self.restarts, "restarts of its numbers"))
        return f"lost {', '.join([*texts, *more])}"

    def _delays(self, way: str) -> str:
        if self.owd_error_ns is None:
            return ""
        names = ("min", "median", "p95", "p99")
        numbers = "/".join(f"{getattr(self, f'{way}_{name}_ns') / 1e6:.3f}" for name in names)
        return f"{way} {'/'.join(names)} = {numbers} ms, wrong by {self.owd_error_ns / 1e6:.3f} ms at most"

    def _clock(self) -> str:
        if self.offset_low_ns is None or self.offset_high_ns is None:
            return ""
        text = f"clock there: ahead by {self.offset_low_ns / 1e6:,.3f} to {self.offset_high_ns / 1e6:,.3f} ms"
        skew = self.skew_low_ppm, self.skew_high_ppm
        if None not in skew and skew != (-MAX_RATE_PPM, MAX_RATE_PPM):
            text += f", faster by {skew[0]:,.1f} to {skew[1]:,.1f} ppm"
        if self.clock_sets:
            text += f"; it or ours was set {counted(self.clock_sets, 'times')} (stats.clock)"
        return text

    def __repr__(self) -> str:
        return f"--- {visible(self.target)} ---\n{self.text}"


def ways_of(run: "Run") -> tuple[Ways, ...]:
    """Sum up the ways of each target that has told its times."""
    settled = {summary.target: summary.sent - summary.errors for summary in run.summaries}
    each = stats.Pings(run).by_target().items()
    numbered = run["server_seq"].null_count < len(run)
    found = [Ways(str(name), _facts(pings, settled.get(str(name), 0), numbered)) for name, pings in each]
    return tuple(ways for ways in found if ways.offset_at_ns is not None)


def _facts(pings: stats.Pings, settled: int, numbered: bool) -> "dict[str, int | float | None]":  # noqa: FBT001
    clock, delays = stats.clock(pings), stats.one_way(pings)
    counts = stats.loss(pings)
    sent = counts.sent - counts.errors
    facts: dict[str, int | float | None] = {"sent": sent, "partial": sent < settled}
    facts |= _losses(stats.direction(pings)) if numbered else dict.fromkeys(LOSSES)
    for way, times in (("up", delays.up), ("down", delays.down)):
        quantiles = times.quantiles_ns
        facts |= {
            f"{way}_min_ns": times.min_ns,
            f"{way}_median_ns": times.median_ns,
            f"{way}_p95_ns": quantiles[0.95],
            f"{way}_p99_ns": quantiles[0.99],
        }
    return facts | {
        "owd_error_ns": delays.error_ns,
        "offset_at_ns": clock.at_ns,
        "offset_low_ns": clock.offset_low_ns,
        "offset_high_ns": clock.offset_high_ns,
        "skew_low_ppm": clock.skew_low_ppm,
        "skew_high_ppm": clock.skew_high_ppm,
        "clock_sets": len(clock.steps),
    }


def _losses(found: stats.Direction) -> "dict[str, int | float | None]":
    arrived, unknown = found.sent - found.lost_up, found.unknown
    facts: dict[str, int | float | None] = {
        "lost": found.lost,
        "lost_up": found.lost_up,
        "lost_down": found.lost_down,
        "lost_unknown": unknown,
    }
    for way, lost, of in (("up", found.lost_up, found.sent), ("down", found.lost_down, arrived)):
        low, high = _core.wilson(lost, of), _core.wilson(lost + unknown, of)
        facts[f"loss_{way}_low"] = low and low[0]
        facts[f"loss_{way}_high"] = high and high[1]
    return facts | {"restarts": found.restarts}
