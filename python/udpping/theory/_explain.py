"""`explain`: tests whether observed losses are consistent with a loss or a model of bursts."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple, cast

from udpping import _core
from udpping._args import checks
from udpping._args.loss_model import loss_model
from udpping.errors import ConfigError
from udpping.loss import Loss
from udpping.theory import _numbers
from udpping.theory._counts import MOST_SENT
from udpping.theory._runs import within
from udpping.theory._samples import level, p_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from udpping._args.grammar import LossLike
    from udpping._results.run import Run
    from udpping._table.table import Table
    from udpping.theory._numbers import Number

    Observed: TypeAlias = "Run | Table | tuple[int, int] | Iterable[bool] | str | object"

EXPECTED = (
    "a run, a table with a column status, (sent, lost), a bool for each ping (True: lost) or marks (.x.)"
)
ALL_BUT_SURE = 1 - 2.0**-53
"""The largest float below 1."""
LOST = {"reply": False, **dict.fromkeys(("late", "timeout", "unreachable", "error"), True)}


class Explanation(NamedTuple):
    """What was lost, beside what a loss model would lose. Printed, it is some sentences in plain words."""

    sent: int
    """Pings."""
    lost: int
    """Those not answered in time."""
    loss: "Fraction | float"
    """The loss of the model in the long run."""
    model: Loss | None
    """The model of bursts; `None` when each ping is lost independently of the others."""
    expected: "Fraction | float"
    """How many the model loses on average: sent x loss."""
    p_value: "Fraction | float"
    """How probable a number of losses is, in the model, that is as far off as this one or further."""
    consistent: bool
    """Whether `p_value` is above `alpha`."""
    low: float
    """Lower end of the interval of the true loss at the level 1 - alpha, from 0 to 1.

    Wilson's (1927) of `sent` pings; with a model of bursts, of as many independent pings as vary like those
    of the model.
    """
    high: float
    """Upper end of it."""
    longest_run: int | None
    """The most losses in a row; `None` when only numbers are known."""
    longest_run_probability: "Fraction | float | None"
    """How probable so long a run or a longer one is in the model; `None` when only numbers are known."""
    burst_probability: float | None
    """The same with the loss that was observed, whatever the model: small when losses come in bursts."""
    burst_low: float | None
    """Lower end of the interval when losses come in bursts (that of `udpping.stats.loss`), from 0 to 1."""
    burst_high: float | None
    """Upper end of it; both are `None` when only numbers are known, and where `stats.loss` has none."""
    alpha: float
    """The level of the test."""

    @property
    def text(self) -> str:
        """The same in plain words."""
        share, level = 100 * self.lost / self.sent, f"{100 * (1 - self.alpha):.6g} %"
        verdict = "consistent with" if self.consistent else "not consistent with"
        cause, kind = (
            (f"a loss of {_loss_text(self.loss)}", "loss") if self.model is None else (self.model, "model")
        )
        words = (
            f"{self.lost:,} of {self.sent:,} lost ({share:.1f} %; {level} interval "
            f"{100 * self.low:.1f} to {100 * self.high:.1f} %). "
            f"With {cause}, {float(self.expected):,.1f} are lost on average, and "
            f"{_percent(self.p_value)} of such runs are as far off as this one or further: "
            f"{verdict} that {kind}."
        )
        if not self.longest_run or self.longest_run_probability is None or self.burst_probability is None:
            return words
        words += (
            f" At most {self.longest_run:,} in a row were lost; {_percent(self.longest_run_probability)}"
            " of such runs have as many or more."
        )
        if self.model is None and self.burst_probability <= self.alpha:
            words += (
                f" With a loss of {share:.1f} %, each by itself, {_percent(self.burst_probability)} would:"
                f" these losses come in bursts, and the test takes them to be independent. {self._bursts()}"
            )
        return words

    def _bursts(self) -> str:
        if self.burst_low is None or self.burst_high is None:
            return "They are too few, or too uneven, for an interval that holds for bursts."
        return (
            f"The interval that holds for bursts is {100 * self.burst_low:.1f} to"
            f" {100 * self.burst_high:.1f} %."
        )

    def __repr__(self) -> str:
        return self.text


def explain(observed: "Observed", loss: "LossLike", *, alpha: float = 0.05) -> Explanation:
    """Say whether what was lost is consistent with a loss, or with a model of bursts.

    `observed` is a run with one target, or any table with a column `status` (pandas, polars, pyarrow) and its
    rows in the order of sending. It may also be `(sent, lost)`, a bool for each ping (`True`: lost) or marks
    (`".x."`). As in a summary, late replies count as lost. `loss` is 0 to 1, the same for each ping whatever
    others do; or `udpping.loss.Burst`, `GilbertElliott`, or what `udpping.fit` found, and their texts.

    For a loss the test is the exact two-sided binomial test by minimum likelihood, as R's `binom.test` and
    scipy's `binomtest`. It adds up the probabilities of all numbers of losses that are not more probable
    than the one observed. What it says is inconsistent at the level `alpha` (between 0 and 1) would be so by
    chance in at most that share of all runs. The interval is Wilson's (1927), of independent losses; the
    longest run is judged by `run_within`. Where the loss is exact and the number of pings moderate, so are
    the probabilities.

    For a model of bursts there are two probabilities: of as many losses or more, and of as few or fewer.
    `p_value` is twice the smaller of the two. They come from the characteristic function of the chain. They
    and that of the longest run are right to 1e-9. Over more than a million likely numbers of losses, the
    normal distribution stands in. The interval is wider than that of independent losses, by the variance
    that the model gives the number of losses.

    Many pings show small differences: a run can exclude a loss that it is practically equal to. In bursts,
    losses differ more from run to run than a loss alone tells, so the test refuses the true one too often.
    Then ask about a model, or look at `burst_low` and `burst_high`. And what stopped because of its losses
    (`misses=3`) has lost more than its share. ConfigError for what cannot be used, also without a ping.

    >>> from udpping import theory
    >>> print(theory.explain((100, 46), "30%"))
    46 of 100 lost (46.0 %; 95 % interval 36.6 to 55.7 %). With a loss of 3/10, 30.0 are
    lost on average, and 0.094 % of such runs are as far off as this one or further: not consistent with
    that loss.
    >>> theory.explain("..x.xx....", "4/11").consistent
    True
    >>> print(theory.explain("." * 60 + "x" * 20 + "." * 120, "burst:5%,4"))
    20 of 200 lost (10.0 %; 95 % interval 3.5 to 25.4 %). With burst:0.05,4, 10.0 are lost on average,
    and 24 % of such runs are as far off as this one or further: consistent with that model. At most 20 in a
    row were lost; 0.97 % of such runs have as many or more.
    >>> import udpping
    >>> theory.explain(udpping.sim.ping(count=1000, loss="30%", seed=1), "4/11").consistent
    False
    """
    model, test_level = _model(loss), level("alpha", alpha)
    q = _numbers.probability("loss", loss) if model is None else _core.mean_loss(str(model)) or 0.0
    sent, lost, marks = _counted(observed)
    if sent == 0:
        raise checks.refuse("observed", observed, "one ping at least")
    longest = None if marks is None else _most_in_a_row(marks)
    found, so_long = (
        _chances(sent, lost, longest, q)
        if model is None
        else _core.loss_chances(str(model), sent, lost, longest)
    )
    confidence = min(1 - test_level, ALL_BUT_SURE)
    low, high = (
        _core.wilson(lost, sent, confidence) or (0.0, 1.0)
        if model is None
        else _core.loss_interval(str(model), sent, lost, confidence)
    )
    burst_low, burst_high = (None, None) if marks is None else _allowing_for_bursts(marks, confidence)
    return Explanation(
        sent=sent,
        lost=lost,
        loss=q,
        model=model,
        expected=sent * q,
        p_value=found,
        consistent=found > test_level,
        low=low,
        high=high,
        longest_run=longest,
        longest_run_probability=so_long,
        burst_probability=None if longest is None else float(_longest(longest, sent, lost / sent)),
        burst_low=burst_low,
        burst_high=burst_high,
        alpha=test_level,
    )


def _allowing_for_bursts(marks: list[bool], confidence: float) -> "tuple[float | None, float | None]":
    from udpping import stats

    times = {"rtt_ns": [None if lost else 0 for lost in marks]}
    found = stats.loss(times, confidence=confidence)
    return found.burst_low, found.burst_high


def _most_in_a_row(marks: list[bool]) -> int:
    return max((sum(1 for _ in run) for lost, run in groupby(marks) if lost), default=0)


def _model(loss: object) -> Loss | None:
    """Return a model whose losses depend on each other; `probability` reads or refuses all others."""
    if not isinstance(loss, (str, Loss)):
        return None
    model = loss if isinstance(loss, Loss) else Loss(loss)
    return model if loss_model(model).parameters else None


def _chances(sent: int, lost: int, longest: int | None, q: "Number") -> "tuple[Number, Number | None]":
    return p_value(lost, sent, q), None if longest is None else _longest(longest, sent, q)


def _longest(longest: int, sent: int, q: "Number") -> "Number":
    return _numbers.like(Fraction(1), q) if longest == 0 else within(sent, longest, q)


def _percent(share: "Number") -> str:
    if (percent := 100 * float(share)) == 0:
        return "none"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"  # noqa: PLR2004 - two digits either way


def _loss_text(loss: "Number") -> str:
    return str(loss) if isinstance(loss, Fraction) else f"{100 * loss:.6g} %"


# --- What was observed ---


def _counted(observed: object) -> tuple[int, int, list[bool] | None]:
    """Count pings and losses; the third value marks which pings were lost, if that is known."""
    if pair := _pair(observed):
        sent = _numbers.whole("sent", pair[0], 0, MOST_SENT)
        return sent, _numbers.whole("lost", pair[1], 0, sent), None

    if (targets := checks.run_targets(observed)) is not None:
        _one_target(targets)
        run = cast("Run", observed)
        if len(run) < run.summary.sent:  # an endless run keeps its latest rows only
            return run.summary.sent, run.summary.lost, None
    marks = _marks(observed)
    return len(marks), sum(marks), marks


def _pair(observed: object) -> tuple[object, object] | None:
    if not isinstance(observed, tuple) or len(values := cast("tuple[object, ...]", observed)) != 2:  # noqa: PLR2004
        return None
    # A bool has a numerator too, but means a ping here.
    counts = all(hasattr(value, "numerator") and not isinstance(value, bool) for value in values)
    return (values[0], values[1]) if counts else None


def _marks(observed: object) -> list[bool]:
    if isinstance(observed, str):
        if not observed or set(observed) - set(".xX"):
            raise checks.refuse("observed", observed, EXPECTED)
        return [mark != "." for mark in observed]
    names = _column_names(observed)
    if "status" in names:
        if "target" in names:
            _one_target(tuple(dict.fromkeys(_column(observed, "target"))))
        return [_lost("status", status, LOST, " or ".join(LOST)) for status in _column(observed, "status")]
    if names or isinstance(observed, bytes):
        raise checks.refuse("observed", observed, EXPECTED)
    bools = {True: True, False: False}
    return [_lost("observed", each, bools, EXPECTED) for each in checks.items("observed", observed, EXPECTED)]


def _lost(name: str, value: object, meanings: "Mapping[Any, bool]", expected: str) -> bool:
    try:
        return meanings[value]
    except (KeyError, TypeError):
        raise checks.refuse(name, value, expected) from None


def _one_target(targets: tuple[object, ...]) -> None:
    if len(targets) > 1:
        raise ConfigError(
            f"observed run of {len(targets)} targets is not usable: expected one with one target"
        )


def _column_names(table: object) -> list[object]:
    for name in ("column_names", "columns"):
        if (names := getattr(table, name, None)) is not None:
            return list(names)
    return list(cast("Mapping[object, object]", table)) if isinstance(table, Mapping) else []


def _column(table: object, name: str) -> list[object]:
    column = cast("Any", table)[name]
    for method in ("to_pylist", "to_list"):
        if (give := getattr(column, method, None)) is not None:
            return list(give())
    return list(column)
