"""The kind and parameters of a loss model, which the core reads from its text."""

from typing import NamedTuple

from udpping import _core
from udpping._args.checks import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction

    from udpping.loss import Loss


class LossModel(NamedTuple):
    kind: str
    """The beginning of its text, such as `burst`."""
    mean: "Fraction | None"
    """The share that is lost in the long run; `None` if there is none, or if it has more than 37 digits."""
    parameters: "dict[str, Fraction]"
    """The parameters of a channel; empty for other kinds."""

    @property
    def probability(self) -> "Fraction | None":
        """The probability of each loss, if losses are independent."""
        return self.mean if self.kind in {"bernoulli", "randint"} else None


def loss_model(loss: "str | Loss") -> LossModel:
    from fractions import Fraction

    kind, mean, parameters = _core.loss_model(text("loss", str(loss)))
    exact = {name: Fraction(*value) for name, value in parameters.items()}
    return LossModel(kind, None if mean is None else Fraction(*mean), exact)
