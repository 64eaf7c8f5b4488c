"""`Digest`: statistics that can be merged, over runs, hours and machines."""

import json
from typing import Any, cast

from udpping import _core
from udpping._args import checks
from udpping._args.public import PublicNames
from udpping.errors import ConfigError
from udpping.stats._delay import QUANTILES, infinite, shares
from udpping.stats._order import N
from udpping.stats._results import Duplication, Ipdv, Jitter, Loss, LossRuns, Pdv, Reordering, RoundTrip, made
from udpping.stats._tables import ORDER, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping.stats._tables import Frame

VERSION = 1
"""Version of the JSON text."""


class Digest(PublicNames):
    """The statistics of pings in some kilobytes, without their rows; digests of parts merge into that of all.

    The digest of two tables together is that of the one merged with that of the other, as nothing is counted
    from one sample to the next. Counts, means, standard deviations and extremes are exact. Quantiles come
    from bins that grow by 2 % (as in DDSketch, Masson, Rim and Lee 2019). So each quantile is within 1 % of
    the exact one. The exception is one between two values of different signs, such as an IPDV near 0: these
    two are within 1 %. The order in which digests are merged makes no difference.

    What needs the rows is not in it. There is no MAD. There are no `loss_periods`, but `loss_runs` counts
    their lengths and distances. There is no `rolling`: make a digest of each window. n-reordering is
    counted for one `n`, a whole number from 1. Digests merge when they have the same `n`.

    They go to another process or machine as JSON, or by `pickle`. `table` is anything that `Pings` takes.
    Where a part has neither `arrival` nor `sent_ns`, or no `copies`, what needs them is `None`. Raises
    ConfigError.

    >>> from udpping import stats
    >>> monday = stats.Digest({"rtt_ns": [2_000_000, None, 4_000_000]})
    >>> tuesday = stats.Digest({"rtt_ns": [9_000_000]})
    >>> both = monday | tuesday
    >>> both
    <udpping.stats.Digest: 1 of 4 lost, mean round trip 5.000 ms>
    >>> both.loss().loss, both.round_trip([0.5]).mean_ns
    (0.25, 5000000.0)
    >>> stats.Digest.from_json(both.to_json()) == both
    True
    """

    __slots__ = ("core",)

    def __init__(self, table: "Frame" = (), *, n: int = N) -> None:
        self.core = _core.Digest(read(table, *ORDER, "due_ns", "copies"), checks.whole("n", n))

    @classmethod
    def of(cls, table: "Frame", *, n: int = N) -> "Digest":
        """Make the digest of a table: `Digest(table, n=n)`. `Digest()` is that of no pings.

        >>> from udpping import stats
        >>> stats.Digest.of({"rtt_ns": [5, None]}).loss().lost
        1
        """
        return cls(table, n=n)

    def merge(self, other: "Digest") -> "Digest":
        """Give the digest of both, as `|` does. `a |= b` keeps a sum that grows.

        >>> from udpping import stats
        >>> total = stats.Digest({"rtt_ns": [5]})
        >>> for part in ([6, 7], [None]):
        ...     total |= stats.Digest({"rtt_ns": part})
        >>> total.loss().sent
        4
        """
        return self._of(self.core.merged(other.core))

    def __or__(self, other: object) -> "Digest":
        return self.merge(other) if isinstance(other, Digest) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self.core == other.core if isinstance(other, Digest) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]

    @classmethod
    def _of(cls, core: "_core.Digest") -> "Digest":
        digest = cls.__new__(cls)
        digest.core = core
        return digest

    def round_trip(self, quantiles: "Iterable[float]" = QUANTILES, *, lost: str = "left out") -> RoundTrip:
        """Round trips (RFC 2681), as `stats.round_trip`, without the MAD; quantiles within 1 %.

        With `lost="infinite"` quantiles are those of all pings, as there.

        >>> from udpping import stats
        >>> digest = stats.Digest({"rtt_ns": [5, None]}) | stats.Digest({"rtt_ns": [5, 5]})
        >>> digest.round_trip([0.5, 0.9], lost="infinite").quantiles_ns
        {0.5: 5.0, 0.9: inf}
        """
        return made(RoundTrip, self.core.round_trip(shares(quantiles), infinite(lost)))

    def ipdv(self, quantiles: "Iterable[float]" = QUANTILES) -> Ipdv:
        """IPDV (RFC 3393), as `stats.ipdv`, without the MAD; quantiles between values within 1 %."""
        return made(Ipdv, self.core.ipdv(shares(quantiles)))

    def pdv(self, quantiles: "Iterable[float]" = QUANTILES) -> Pdv:
        """PDV (RFC 5481), as `stats.pdv`, without the MAD; quantiles within 1 %."""
        return made(Pdv, self.core.pdv(shares(quantiles)))

    def loss(self, confidence: float = 0.95) -> Loss:
        """Loss (RFC 6673), as `stats.loss`."""
        return made(Loss, self.core.loss(checks.number("confidence", confidence)))

    def loss_runs(self) -> LossRuns:
        """Count runs of losses (RFC 3357), as `stats.loss_runs`."""
        return made(LossRuns, self.core.loss_runs())

    def jitter(self) -> Jitter | None:
        """Jitter (RFC 3550), as `stats.jitter`; `None` where a part has no order."""
        facts = self.core.jitter()
        return None if facts is None else made(Jitter, facts)

    def duplication(self) -> Duplication | None:
        """Duplication (RFC 5560), as `stats.duplication`; `None` where a part had no `copies`."""
        facts = self.core.duplication()
        return None if facts is None else made(Duplication, facts)

    def reordering(self) -> Reordering | None:
        """Reordering (RFC 4737), as `stats.reordering` with its `n`; `None` where a part has no order."""
        facts = self.core.reordering()
        return None if facts is None else made(Reordering, facts)

    def to_json(self) -> str:
        """Write it as one line of JSON, for another machine to merge; `version` says which form it has."""
        parts = {"udpping": "digest", "version": VERSION, **self.core.parts()}
        return json.dumps(parts, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Digest":
        """Read what `to_json` wrote. Raises ConfigError for anything else, and for a later version.

        >>> import udpping
        >>> try:
        ...     udpping.stats.Digest.from_json("{}")
        ... except udpping.ConfigError as error:
        ...     print(error)
        digest '{}' is not usable: expected the text that Digest.to_json wrote
        """
        try:
            parts: Any = json.loads(checks.text("digest", text))
        except (ValueError, RecursionError):
            parts = None
        if not isinstance(parts, dict) or cast("dict[str, Any]", parts).get("udpping") != "digest":
            raise checks.refuse("digest", text, "the text that Digest.to_json wrote")
        fields = cast("dict[str, Any]", parts)
        if fields.get("version") != VERSION:
            raise ConfigError(
                f"digest of version {fields.get('version')!r:.20} is not usable: expected {VERSION},"
                " or the udpping that wrote it"
            )
        return cls._of(_core.Digest.from_parts(fields))

    def __reduce__(self) -> "tuple[object, ...]":
        return Digest.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        loss, mean = self.loss(), self.round_trip(()).mean_ns
        shown = "" if mean is None else f", mean round trip {mean / 1e6:,.3f} ms"
        return f"<udpping.stats.Digest: {loss.lost:,} of {loss.sent:,} lost{shown}>"
