"""`fit`: models of loss and delay for a measured path, and how well they fit."""

from dataclasses import dataclass
from html import escape
from typing import Any, cast

from udpping import _core
from udpping._args.link import Link
from udpping._args.public import PublicNames
from udpping._figures.steady import Steadiness, percent, steadiness
from udpping._table.html import grid_of_html
from udpping.delay import Delay, Exponential, Fixed, Gamma, LogNormal, Uniform
from udpping.loss import Bernoulli, GilbertElliott, Loss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping.stats._tables import Frame

POOR = 0.05
"""A p-value below it speaks against a model."""
LOSSES = {
    "independent": "losses that do not depend on each other",
    "gilbert-2": "a bad state that loses everything",
    "gilbert-3": "a bad state that loses a share",
    "gilbert-elliott": "two states that both lose a share",
}
DELAYS: "dict[str, type[Delay]]" = {
    "fixed": Fixed,
    "uniform": Uniform,
    "exponential": Exponential,
    "lognormal": LogNormal,
    "gamma": Gamma,
}


@dataclass(frozen=True, slots=True)
class LossFit:
    """One kind of loss, fitted by maximum likelihood. What cannot be known is `None`, and `reason` says why.

    `kind` is `independent` (one parameter: `loss`), `gilbert-2` (`p`, `r`), `gilbert-3` (with `loss_bad`) or
    `gilbert-elliott` (with `loss_good`): see `udpping.loss.GilbertElliott`.
    """

    kind: str
    parameter_count: int
    model: Loss | None = None
    """What a server takes."""
    parameters: dict[str, float] | None = None
    """Probabilities by name, to six digits."""
    standard_errors: dict[str, float | None] | None = None
    """How far each parameter is from the truth as a rule, if the losses are of this kind and there are many.

    The root of the inverse observed information, which is how sharply the log-likelihood bends at its top,
    taken for ln(x / (1 - x)) of each parameter x and turned into an error of x. `None` for a parameter at 0
    or 1, with which the others' are those of the model without it; `None` for all where the likelihood is
    flat, so that other parameters would do as well.
    """
    log_likelihood: float | None = None
    """The natural logarithm of the probability of all fates."""
    bic: float | None = None
    """`parameter_count * log(sent) - 2 * log_likelihood` (Schwarz 1978): the least is the best."""
    distance: float | None = None
    """Pearson's X^2 of the numbers of runs of each length, against the mean of 99 simulations."""
    p_value: float | None = None
    """The share of these simulations, this run among them, that is as far from their mean."""
    compared: int | None = None
    """Pings that were compared: up to 100,000, or ten pieces of 10,000."""
    converged: bool | None = None
    """Whether the search for the maximum came to its end."""
    reason: str | None = None
    """Why it cannot be fitted."""


@dataclass(frozen=True, slots=True)
class DelayFit:
    """One kind of delay, fitted by maximum likelihood. What cannot be known is `None`, and `reason` says why.

    `kind` is `fixed`, `uniform`, `exponential`, `lognormal` or `gamma`: see `udpping.delay`.
    """

    kind: str
    parameter_count: int
    model: Delay | None = None
    """What a server takes."""
    parameters: dict[str, float] | None = None
    """The arguments of the model by name; times are seconds."""
    log_likelihood: float | None = None
    """Of round trips in whole nanoseconds; `None` where they cannot be of this kind."""
    bic: float | None = None
    """`parameter_count * log(received) - 2 * log_likelihood`: the least is the best."""
    distance: float | None = None
    """The largest difference between the shares of round trips and of the model up to a time (Kolmogorov)."""
    p_value: float | None = None
    """Of that distance for a model known beforehand: for a fitted one the truth is lower."""
    reason: str | None = None
    """Why it cannot be fitted."""


@dataclass(frozen=True, slots=True, repr=False)
class Fit(PublicNames):
    """What `fit` found. `loss` and `delay` are the best models, for `udpping.Server` and `udpping.sim`."""

    loss: Loss
    """The model of loss with the least BIC."""
    delay: Delay | None
    """The model of delay with the least BIC; `None` when no ping was answered in time and within an hour."""
    losses: tuple[LossFit, ...]
    """All kinds of loss that were tried."""
    delays: tuple[DelayFit, ...]
    """All kinds of delay that were tried."""
    best_loss: LossFit
    """The fit behind `loss`."""
    best_delay: DelayFit | None
    """The fit behind `delay`."""
    sent: int
    """Pings."""
    lost: int
    """Those without a reply in time."""
    loss_low: float
    """Lower end of Wilson's 95 % interval of the loss, as if losses were independent."""
    loss_high: float
    """Upper end of it."""
    chains: int
    """Pieces of pings with adjacent numbers: nothing is counted from one to the next."""
    steadiness: Steadiness
    """Whether the loss stayed the same while it was measured, and what changed when."""

    def __repr__(self) -> str:
        lines = [
            f"Fit: {self.lost:,} of {self.sent:,} lost",
            f"  loss   {self.loss}",
            f"         {self.loss_words}",
            f"         {self.steadiness.words}",
            f"  delay  {'-' if self.delay is None else self.delay}",
            f"         {self.delay_words}",
            *("  " + "  ".join(cells) for cells in _aligned([LOSS_HEAD, *map(_loss_cells, self.losses)])),
            *("  " + "  ".join(cells) for cells in _aligned([DELAY_HEAD, *map(_delay_cells, self.delays)])),
        ]
        return "\n".join(line.rstrip() for line in lines)

    @property
    def link(self) -> Link:
        """The models as a link, for `up` or `down`; without a delay where `delay` is `None`.

        It has the whole loss and the whole round trip, so it is for one direction; the other does nothing.

        >>> import udpping
        >>> udpping.fit(udpping.sim.ping(count=1000, loss="every:10", delay="5ms")).link.as_dict()["delay"]
        '5ms'
        """
        return Link(loss=self.loss, delay=self.delay)

    @property
    def loss_words(self) -> str:
        """How good the model of loss is, in words.

        >>> import udpping
        >>> udpping.fit(udpping.sim.ping(count=1000)).loss_words
        'no ping was lost: nothing is known of runs, and the loss is below 0.38 % (95 %)'
        """
        if self.lost == 0:
            high = percent(self.loss_high)
            return f"no ping was lost: nothing is known of runs, and the loss is below {high} (95 %)"
        if self.lost == self.sent:
            return "every ping was lost: nothing is known of what would pass"
        best = self.best_loss
        others = [fit for fit in self.losses if fit is not best and fit.bic is not None]
        lead = "nothing else could be fitted"
        if others and best.bic is not None:
            following = min(others, key=lambda fit: fit.bic or 0)
            lead = f"BIC {(following.bic or 0) - best.bic:.1f} less than {following.kind}, the next"
        share = "-" if best.p_value is None else f"{100 * best.p_value:.0f} %"
        poor = best.p_value is not None and best.p_value <= POOR
        if self.steadiness.steady is False:
            return (
                f"{LOSSES[best.kind]}; {lead}; but the path changed, so it is no model of it: see steadiness"
            )
        verdict = (
            f"a poor fit all the same: only {share} of its simulations"
            if poor
            else f"its runs are those seen: {share} of its simulations"
        )
        return f"{LOSSES[best.kind]}; {lead}; {verdict} are as far from their mean (run lengths, X^2)"

    @property
    def delay_words(self) -> str:
        """How good the model of delay is, in words.

        >>> import udpping
        >>> udpping.fit(udpping.sim.ping(count=1000, delay="5ms")).delay_words
        'fixed; shares of round trips differ by 0.00 % at most'
        """
        best = self.best_delay
        if best is None or best.distance is None or best.p_value is None:
            return self.delays[0].reason or "no delay could be fitted"
        words = f"{best.kind}; shares of round trips differ by {percent(best.distance)} at most"
        if best.p_value <= POOR:
            words += f", more than chance would make of this many (p at most {best.p_value:.2g})"
        return words

    def _repr_html_(self) -> str:
        losses = _grid(LOSS_HEAD, map(_loss_cells, self.losses), self.losses.index(self.best_loss))
        place = -1 if self.best_delay is None else self.delays.index(self.best_delay)
        delays = _grid(DELAY_HEAD, map(_delay_cells, self.delays), place)
        delay = "-" if self.delay is None else str(self.delay)
        return (
            f"<div><p>{self.lost:,} of {self.sent:,} lost</p>"
            f"<p>loss <code>{escape(str(self.loss))}</code>: {escape(self.loss_words)}</p>"
            f"<p>{escape(self.steadiness.words)}</p>{losses}"
            f"<p>delay <code>{escape(delay)}</code>: {escape(self.delay_words)}</p>{delays}</div>"
        )


LOSS_HEAD = ("loss", "parameters (standard errors)", "log-likelihood", "BIC", "X^2", "p")
DELAY_HEAD = ("delay", "parameters", "log-likelihood", "BIC", "KS", "p at most")


def fit(table: "Frame") -> Fit:
    """Find the models of loss and delay that are most like a measured run, and say how good they are.

    `table` is a run or any other table of pings (see `udpping.stats.Pings`). Several runs or targets are
    pooled, and a gap in `seq` ends a chain. Pings should have left on a schedule (`interval`), so that one
    packet after the other means equal steps of time. A ping is lost when it had no reply within the timeout,
    also if a late one came: with another timeout the fit is another one. Round trips are those in time.

    Losses are fitted by maximum likelihood: independent, Gilbert with 2 and 3 parameters, Gilbert-Elliott
    with 4 (expectation and maximisation, from several starting points). Delays are fixed, uniform,
    exponential, log-normal or gamma, the last three on top of a base. The least BIC is the best; what it is
    worth by itself say `loss_words` and `delay_words`. docs/loss-models.md has the method and its limits.

    A path that changed has no such model: `steadiness` tests for steps, a trend, outages that stand apart and
    hours of the day, says what changed when, and has a model for each segment.

    `Server(loss=fit.loss, delay=fit.delay)` replays it: requests are lost on the way up, whichever way they
    were lost when measured, and the whole round trip is waited at the server; `fit.link` has both for one
    direction. Raises ConfigError for a table
    without pings or one that cannot be used. Ten million pings take some ten seconds.

    >>> import udpping
    >>> path = udpping.sim.ping(
    ...     count=50_000, interval=0.02, loss="burst:5%,3", delay="gamma:mean=5ms,shape=2,base=20ms", seed=1
    ... )
    >>> fit = udpping.fit(path)
    >>> fit.best_loss.kind, fit.best_delay.kind
    ('gilbert-2', 'gamma')
    >>> {name: round(value, 2) for name, value in fit.best_loss.parameters.items()}
    {'p': 0.02, 'r': 0.34}
    >>> again = udpping.sim.ping(count=50_000, interval=0.02, loss=fit.loss, delay=fit.delay, seed=2)
    >>> abs(again.summary.loss - path.summary.loss) < 0.005
    True
    """
    from udpping.stats._tables import read

    facts = cast("dict[str, Any]", _core.fit_models(read(table, "sent_ns", "due_ns")))
    losses: tuple[LossFit, ...] = tuple(map(_loss_fit, facts["losses"]))
    delays: tuple[DelayFit, ...] = tuple(map(_delay_fit, facts["delays"]))
    loss_place: int = facts["best_loss"]
    delay_place: int | None = facts["best_delay"]
    best_loss = losses[loss_place]
    best_delay = None if delay_place is None else delays[delay_place]
    assert best_loss.model is not None  # noqa: S101 - the best one has a model
    return Fit(
        loss=best_loss.model,
        delay=None if best_delay is None else best_delay.model,
        steadiness=steadiness(facts),
        losses=losses,
        delays=delays,
        best_loss=best_loss,
        best_delay=best_delay,
        **{name: facts[name] for name in ("sent", "lost", "loss_low", "loss_high", "chains")},
    )


def _loss_fit(facts: "dict[str, Any]") -> LossFit:
    text = facts.pop("text", None)
    if text is None:
        return LossFit(**facts)
    independent = facts["kind"] == "independent"
    return LossFit(model=Bernoulli(text) if independent else GilbertElliott(**facts["parameters"]), **facts)


def _delay_fit(facts: "dict[str, Any]") -> DelayFit:
    if facts.pop("text", None) is None:
        return DelayFit(**facts)
    return DelayFit(model=DELAYS[facts["kind"]](**facts["parameters"]), **facts)


def _loss_cells(fit: LossFit) -> "list[str]":
    errors = fit.standard_errors or {}
    shown = {
        name: f"{value:.4g}" if (error := errors.get(name)) is None else f"{value:.4g} ({error:.1g})"
        for name, value in (fit.parameters or {}).items()
    }
    return [fit.kind, *_cells(fit, shown)]


def _delay_cells(fit: DelayFit) -> "list[str]":
    plain = ("sigma", "shape")
    shown = {
        "time" if name == "seconds" else name: f"{value:.4g}" if name in plain else f"{1e3 * value:.4g} ms"
        for name, value in (fit.parameters or {}).items()
    }
    return [fit.kind, *_cells(fit, shown)]


def _cells(fit: LossFit | DelayFit, parameters: "dict[str, str]") -> "Iterable[str]":
    if fit.reason is not None:
        return [f"({fit.reason})", *("-" for _ in range(4))]
    numbers = (fit.log_likelihood, fit.bic)
    return [
        ", ".join(f"{name} {value}" for name, value in parameters.items()),
        *("-" if value is None else f"{value:,.1f}" for value in numbers),
        "-" if fit.distance is None else f"{fit.distance:.4g}",
        "-" if fit.p_value is None else f"{fit.p_value:.2g}",
    ]


def _aligned(rows: "list[tuple[str, ...] | list[str]]") -> "Iterable[list[str]]":
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield [
            cell.ljust(width) if place < 2 else cell.rjust(width)  # noqa: PLR2004 - words, then numbers
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]


def _grid(head: "Iterable[str]", rows: "Iterable[Iterable[str]]", best: int) -> str:
    cells = [[escape(cell) for cell in row] for row in rows]
    if best >= 0:
        cells[best] = [f"<b>{cell}</b>" for cell in cells[best]]
    return grid_of_html(head, cells)
