"""Whether the loss of a path stayed the same while it was measured: a part of every fit."""

from dataclasses import dataclass
from typing import Any

from udpping.loss import Loss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 5
"""Segments, outages, trends and hours that the words name."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Pings in a row with one loss, or an outage."""

    target: str | None
    """Whom they were sent to."""
    rows: tuple[int, int]
    """The first row among those to this target, and the row after the last."""
    seq: tuple[int, int]
    """The numbers of the first and the last ping."""
    times: tuple[float, float] | None
    """When these two were sent, in seconds after the first ping; `None` if that is not known."""
    lost: int
    """Pings without a reply in time."""
    model: Loss | None
    """The model of loss with the least BIC, fitted to these pings alone; `None` for an outage."""

    @property
    def sent(self) -> int:
        """Pings.

        >>> import udpping
        >>> udpping.Segment(None, (20, 70), (21, 70), None, 5, None).sent
        50
        """
        return self.rows[1] - self.rows[0]

    @property
    def loss(self) -> float:
        """The share of pings that were lost.

        >>> import udpping
        >>> udpping.Segment(None, (20, 70), (21, 70), None, 5, None).loss
        0.1
        """
        return self.lost / self.sent


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Whether the loss stayed the same, and what changed when.

    Each target of each run is tested for itself, if it has at least 1,000 pings and 30 runs of losses. Every
    test allows for losses that depend on each other, so long as that dependence is short beside the run:
    fewer than 5 in 100 tables of a path that does not change are said to have changed. See
    docs/loss-models.md.
    """

    steady: bool | None
    """Whether nothing changed; `None` if there are too few pings or losses to say."""
    segments: tuple[Segment, ...]
    """The pings between steps of the loss, each with its own model: a tenth of the run at least."""
    trends: tuple[tuple[str | None, float, float], ...]
    """Targets without steps whose loss rises or falls; the loss of their first and last quarter."""
    outages: tuple[Segment, ...]
    """Runs of losses at least ten times as long as all others."""
    hours: tuple[tuple[str | None, int, tuple[float, float]], ...]
    """Targets whose loss depends on the hour of the day: the hour that loses most, counted from the time of
    the first ping, and the loss in it and in all other hours. It takes three days."""

    @property
    def words(self) -> str:
        """What changed, in words.

        >>> import udpping
        >>> udpping.fit(udpping.sim.ping(count=1000)).steadiness.words
        'too few losses to say whether the path changed: it takes 1,000 pings and 30 runs of losses'
        """
        if self.steady is None:
            return (
                "too few losses to say whether the path changed: it takes 1,000 pings and 30 runs of losses"
            )
        if self.steady:
            return "no change of the loss was found"
        found = list(self._findings())
        more = "" if len(found) <= SHOWN else f"; and {len(found) - SHOWN} more"
        return "the path changed: " + "; ".join(found[:SHOWN]) + more

    def _findings(self) -> "Iterator[str]":
        for part in self.segments:
            yield f"{_to(part.target)}{percent(part.loss)} lost at {_where(part)}"
        for target, first, last in self.trends:
            verb = "rises" if last > first else "falls"
            yield f"{_to(target)}the loss {verb}, from {percent(first)} to {percent(last)}"
        for part in self.outages:
            yield f"{_to(part.target)}an outage of {part.sent:,} pings at {_where(part)}"
        for target, hour, (inside, outside) in self.hours:
            yield (
                f"{_to(target)}the loss depends on the hour of the day: {percent(inside)} in hour {hour} "
                f"after the time of the first ping, {percent(outside)} in others"
            )


def steadiness(facts: "dict[str, Any]") -> Steadiness:
    """Take what changed out of the facts of a fit."""
    several = facts.pop("samples") > 1
    judged = facts.pop("judged")

    def name(target: str | None) -> str | None:
        return target if several else None

    def parts(key: str) -> tuple[Segment, ...]:
        return tuple(
            Segment(
                target=name(part["target"]),
                model=None if part["model"] is None else Loss(part["model"]),
                **{key: part[key] for key in ("rows", "seq", "times", "lost")},
            )
            for part in facts.pop(key)
        )

    segments, outages = parts("segments"), parts("outages")
    trends = tuple((name(target), first, last) for target, first, last in facts.pop("trends"))
    hours = tuple((name(target), hour, losses) for target, hour, losses in facts.pop("hours"))
    changed = bool(segments or outages or trends or hours)
    return Steadiness(not changed if judged else None, segments, trends, outages, hours)


def _to(target: str | None) -> str:
    return "" if target is None else f"{target}: "


def _where(part: Segment) -> str:
    first, last = part.seq
    when = "" if part.times is None else f" ({_time(part.times[0])} to {_time(part.times[1])})"
    return f"seq {first:,} to {last:,}{when}"


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _time(seconds: float) -> str:
    return f"{seconds:,.1f} s"
