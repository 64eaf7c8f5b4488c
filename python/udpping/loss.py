"""What a server can lose: models for `Server(loss=...)`.

Numbers and text do as well: `loss=0.3`, `loss="30%"` and `loss="4/11"` mean `Bernoulli`. The text of a
model, `str(model)`, is what the command line takes: `udpping server --loss pattern:.xx.`. Whatever cannot be
used raises ConfigError. The losses of a seed are the same in every later version.
"""

from typing import cast

from udpping import _core
from udpping._args import checks
from udpping._args.durations import DELAY, nanos
from udpping._args.grammar import loss_text
from udpping._args.streams import LossStream
from udpping._args.text_model import TextModel
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from udpping._args.durations import Duration
    from udpping._results.run import Run

__all__ = [
    "Bernoulli",
    "Burst",
    "Correlated",
    "Every",
    "GilbertElliott",
    "GilbertElliottTime",
    "List",
    "Loss",
    "Pattern",
    "RandInt",
    "Trace",
]


def __dir__() -> list[str]:
    return __all__


LONGEST = 100_000
"""Runs whose probability is worked out."""
LASTING = 1, 366 * 86_400 * 10**9
"""How long a state can last on average, in nanoseconds."""


class Loss(TextModel):
    """Base of the models: a checked text that says which datagrams are lost. Equal texts are equal models.

    >>> import udpping
    >>> udpping.loss.Loss("30%")
    <udpping.loss.Loss 0.3>
    >>> udpping.loss.Loss("every:10") == udpping.loss.Every(10)
    True
    """

    __slots__ = ()

    _MODULE = __name__

    def __init__(self, text: str) -> None:
        super().__init__(_core.check_loss(checks.text("loss", text)))

    def stream(self, seed: int | None = None, *, interval: "Duration | None" = None) -> "LossStream":
        """Decide in a program of one's own: an iterator without end, with `True` for each datagram to drop.

        `seed` is any whole number; `None` draws one, and `.seed` of the stream tells it. The decisions are
        those that the first client of a `Server` with that seed meets. Each stream begins anew.

        `interval`, up to 1 hour, is how far apart the datagrams are. `GilbertElliottTime` needs one, and for
        the others it means nothing.

        >>> import udpping
        >>> drop = udpping.loss.Burst("30%", 3).stream(seed=7)
        >>> drops = [next(drop) for _ in range(1_000)]
        >>> sum(drops)
        283
        >>> run = udpping.sim.ping(count=1_000, loss="burst:30%,3", seed=7)
        >>> drops == [row.status == "timeout" for row in run]
        True
        """
        if interval is None and self._text.startswith("gilbert-elliott-time:"):
            raise checks.refuse(
                "interval", interval, "how far apart the datagrams are: the channel changes in time"
            )
        apart = 0 if interval is None else nanos("interval", interval, DELAY)
        return LossStream(self, self._text, "0", seed, apart)

    def run_lengths(self, longest: int) -> "list[float]":
        """Give the probabilities that a run of losses is 1, 2, ... `longest` packets long (up to 100,000).

        Exactly, in the long run, by the steps of the chain: of independent losses, `Burst` and
        `GilbertElliott`. ConfigError for other models, and for those that never lose: they have no runs.

        >>> import udpping
        >>> [round(share, 4) for share in udpping.loss.Burst("5%", 2).run_lengths(4)]
        [0.5, 0.25, 0.125, 0.0625]
        """
        number = checks.whole("longest", longest)
        if not 1 <= number <= LONGEST:
            raise checks.refuse("longest", longest, f"a whole number from 1 to {LONGEST:,}")
        lengths = _core.loss_run_lengths(self._text, number)
        if lengths is None:
            raise checks.refuse("loss", self._text, "a model that loses something: nothing has no runs")
        return lengths


class Bernoulli(Loss):
    """Each datagram is lost with probability `p`, whatever happened to the others.

    `p` lies between 0 and 1. `"4/11"` and `Fraction(4, 11)` are exact; `"30%"` works too.

    >>> import udpping
    >>> udpping.sim.ping(count=1000, loss=udpping.loss.Bernoulli("4/11"), seed=1).summary.sent
    1000
    """

    __slots__ = ()

    def __init__(self, p: "float | str | Fraction") -> None:
        super().__init__(_core.check_bernoulli(checks.text("loss", loss_text(p))))


class Burst(Loss):
    """`loss` of the datagrams are lost, in runs of `mean_run` on average.

    The lengths of the runs are geometric: whatever its length is already, a run ends with probability
    `1 / mean_run`. `loss` is a probability below 1, written as for `Bernoulli`; `mean_run` is a number from 1
    on (`4.66`, `"14/3"`), and of independent losses it would be `1 / (1 - loss)`. Between two runs something
    has to pass, so `mean_run` is at least `loss / (1 - loss)`: with `"80%"` it is 4 or more. Anything else
    raises ConfigError with the range.

    It is `GilbertElliott(p, r)` with `r = 1 / mean_run` and `p = loss / (mean_run * (1 - loss))`.

    >>> import udpping
    >>> udpping.loss.Burst("5%", 3)
    <udpping.loss.Burst burst:0.05,3>
    >>> run = udpping.sim.ping(count=100_000, loss=udpping.loss.Burst("5%", 3), seed=1)
    >>> 0.045 < run.summary.loss < 0.055
    True
    """

    __slots__ = ()

    def __init__(self, loss: "float | str | Fraction", mean_run: "float | str | Fraction") -> None:
        super().__init__(f"burst:{loss_text(loss)},{loss_text(mean_run)}")


class GilbertElliott(Loss):
    """A channel that is good or bad, and stays so for a while (Gilbert 1960, Elliott 1963).

    Before each datagram but the first, a good channel turns bad with probability `p` and a bad one good with
    probability `r`; so a bad time lasts `1 / r` datagrams on average. Then the datagram is lost with
    probability `loss_good` or `loss_bad`. The state that the first datagram of a client meets is drawn from
    the long run, so a short run has the same loss as a long one: `p / (p + r)` of the datagrams meet the bad
    state.

    All four are probabilities, written as for `Bernoulli`; `p` and `r` are not both 0, and `loss_good` is not
    above `loss_bad`. In netem's words `loss gemodel p r 1-h 1-k`, `loss_bad` is `1-h` and `loss_good` is
    `1-k`. With `scope="shared"` all clients are on one channel.

    >>> import udpping
    >>> udpping.loss.GilbertElliott(0.01, 0.25)
    <udpping.loss.GilbertElliott gilbert-elliott:0.01,0.25>
    >>> channel = udpping.loss.GilbertElliott("1%", "4%", loss_good="0.1%", loss_bad="60%")
    >>> run = udpping.sim.ping(count=100_000, loss=channel, seed=1)
    >>> abs(run.summary.loss - (0.2 * 0.6 + 0.8 * 0.001)) < 0.01
    True
    """

    __slots__ = ()

    def __init__(
        self,
        p: "float | str | Fraction",
        r: "float | str | Fraction",
        *,
        loss_good: "float | str | Fraction" = 0,
        loss_bad: "float | str | Fraction" = 1,
    ) -> None:
        losses = f"loss_good={loss_text(loss_good)},loss_bad={loss_text(loss_bad)}"
        super().__init__(f"gilbert-elliott:{loss_text(p)},{loss_text(r)},{losses}")


class GilbertElliottTime(Loss):
    """A channel that is good or bad for a while, in time and not in datagrams: for sparse traffic.

    It is good for `good` on average and then bad for `bad` (1 ns to 366 days both); how long is exponential.
    A datagram is lost with probability `loss_good` or `loss_bad`, that of the state at its time. The share of
    bad time is `bad / (good + bad)`, and the state that the first datagram meets is drawn by it. After a time
    `t` there is `exp(-t * (1 / good + 1 / bad))` left of the state before: of a long gap, nothing.

    The losses are probabilities, written as for `Bernoulli`, and `loss_good` is not above `loss_bad`. Else
    ConfigError.

    >>> import udpping
    >>> channel = udpping.loss.GilbertElliottTime("9s", "1s")
    >>> channel
    <udpping.loss.GilbertElliottTime gilbert-elliott-time:9s,1s>
    >>> runs = [udpping.sim.ping(count=20_000, interval=each, loss=channel, seed=1) for each in (0.1, 10)]
    >>> [round(run.summary.loss, 2) for run in runs]
    [0.1, 0.1]
    >>> [round(udpping.stats.loss_runs(run).mean_run, 1) for run in runs]
    [10.8, 1.1]
    """

    __slots__ = ()

    def __init__(
        self,
        good: "Duration",
        bad: "Duration",
        *,
        loss_good: "float | str | Fraction" = 0,
        loss_bad: "float | str | Fraction" = 1,
    ) -> None:
        times = ",".join(f"{nanos(name, value, LASTING)}ns" for name, value in (("good", good), ("bad", bad)))
        losses = f"loss_good={loss_text(loss_good)},loss_bad={loss_text(loss_bad)}"
        super().__init__(f"gilbert-elliott-time:{times},{losses}")


class Correlated(Loss):
    """`loss` of the datagrams are lost, and the more likely the nearer the last one was to it.

    A normal number follows each datagram: `rho` times the last one, and a new part. A datagram is lost when
    it is in the highest `loss` of the normal distribution (a Gaussian copula). So the share is `loss`
    whatever `rho` is, from 0 (independent) to below 1, also for the first datagram; netem, which averages
    uniform numbers, loses 1.75 % where 10 % with a correlation of 25 % are asked for. Of a loss of 5 % the
    mean run is 1.05 with a `rho` of 0, 1.32 with 0.5, 1.79 with 0.75 and 2.76 with 0.9.

    >>> import udpping
    >>> model = udpping.loss.Correlated("5%", rho=0.9)
    >>> model
    <udpping.loss.Correlated correlated:0.05,0.9>
    >>> run = udpping.sim.ping(count=100_000, loss=model, seed=1)
    >>> 0.045 < run.summary.loss < 0.055, 2.6 < udpping.stats.loss_runs(run).mean_run < 2.9
    (True, True)
    """

    __slots__ = ()

    def __init__(self, loss: "float | str | Fraction", rho: float) -> None:
        # A loss of 0 goes with any correlation, so it is the correlation alone that is refused here.
        digits = f"{checks.number('rho', rho):.9f}"
        try:
            _core.check_loss(f"correlated:0,{digits}")
        except ConfigError:
            raise checks.refuse("rho", rho, "0 to below 1") from None
        super().__init__(f"correlated:{loss_text(loss)},{digits}")


class Pattern(Loss):
    """A pattern repeated for ever: `x` is lost, `.` passes.

    >>> import udpping
    >>> run = udpping.sim.ping(count=5, loss=udpping.loss.Pattern(".x"))
    >>> [row.status for row in run]
    ['reply', 'timeout', 'reply', 'timeout', 'reply']
    """

    __slots__ = ()

    def __init__(self, pattern: str) -> None:
        super().__init__(f"pattern:{pattern}")


class Every(Loss):
    """Every `n`-th datagram is lost: with 10 the 10th, 20th, ... (`n` from 1, which loses all).

    >>> import udpping
    >>> run = udpping.sim.ping(count=30, loss=udpping.loss.Every(10))
    >>> [row.seq for row in run if row.status == "timeout"]
    [10, 20, 30]
    """

    __slots__ = ()

    def __init__(self, n: int) -> None:
        super().__init__(f"every:{n}")


class List(Loss):
    """The datagrams with these numbers are lost; the first one has number 1. `List([])` loses nothing.

    >>> import udpping
    >>> run = udpping.sim.ping(count=4, loss=udpping.loss.List([2, 3]))
    >>> [row.status for row in run]
    ['reply', 'timeout', 'timeout', 'reply']
    """

    __slots__ = ()

    def __init__(self, numbers: "Iterable[int]") -> None:
        if isinstance(numbers, (str, bytes)):
            raise checks.refuse("loss list", numbers, "whole numbers from 1, such as [3, 7]")
        listed = checks.items("loss list", numbers, "whole numbers from 1, such as [3, 7]")
        super().__init__("list:" + ",".join(str(checks.any_whole("loss list", each)) for each in listed))


class Trace(Loss):
    """What was seen before, once more: a run with one target, or one bool for each datagram (`True`: lost).

    Of a run, a ping counts as lost when it never had an answer: a late one did arrive. When the trace has
    been played, nothing more is lost, or with `repeat=True` it starts again. An empty one is refused. Marks
    are a text: `Loss("trace:.x..x")`.

    >>> import udpping
    >>> seen = udpping.sim.ping(count=100, loss="30%", seed=7)
    >>> again = udpping.sim.ping(count=100, loss=udpping.loss.Trace(seen))
    >>> [row.status for row in again] == [row.status for row in seen]
    True
    >>> udpping.loss.Trace([False, True], repeat=True)
    <udpping.loss.Trace trace-repeat:.x>
    """

    __slots__ = ()

    def __init__(self, trace: "Run | Iterable[bool]", *, repeat: bool = False) -> None:
        if (targets := checks.run_targets(trace)) is not None:
            if len(targets) > 1:
                raise ConfigError(
                    f"loss trace of {len(targets)} targets is not usable: expected a run with one"
                )
            statuses = cast("Run", trace)["status"].to_list()
            lost: list[object] = [status not in {"reply", "late"} for status in statuses]
        else:
            lost = checks.items("loss trace", trace, "a run, or a bool for each datagram")
            for each in lost:
                # Words would all be true, and so all lost.
                if each not in (True, False):
                    raise checks.refuse("loss trace", each, "a run, or a bool for each datagram")
        marks = "".join("x" if each else "." for each in lost)
        super().__init__(f"trace-repeat:{marks}" if checks.flag("repeat", repeat) else f"trace:{marks}")


class RandInt(Loss):
    """Lost when `random.randint(low, high) < below`: CPython's own draws, one for each datagram.

    With `seed=n` a server loses exactly what a Python program loses that called `random.seed(n)` and then
    `random.randint(low, high)` before each receive. `RandInt(0, 10, below=4)` is the course's server, which
    loses 4 of 11. `low` and `high` have 64 bits, `below` 128, and `low` is not above `high`.

    Such a program draws for every datagram, whoever sent it. So does a server: with this model its `scope`
    is `"shared"` unless told otherwise.

    >>> import random
    >>> import udpping
    >>> random.seed(42)
    >>> expected = ["timeout" if random.randint(0, 10) < 4 else "reply" for _ in range(50)]
    >>> run = udpping.sim.ping(count=50, loss=udpping.loss.RandInt(0, 10, below=4), seed=42)
    >>> [row.status for row in run] == expected
    True
    """

    __slots__ = ()

    def __init__(self, low: int, high: int, below: int) -> None:
        super().__init__(f"randint:{low},{high},{below}")
