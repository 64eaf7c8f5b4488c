"""What the text of a loss means, as the core reads it."""

from typing import NamedTuple

from udpping import _core
from udpping._args.checks import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction

    from udpping.loss import Loss


class LossModel(NamedTuple):
    kind: str
    """As its text begins: `burst`."""
    mean: "Fraction | None"
    """The share that is lost in the long run; `None` where there is none, or in more than 37 digits."""
    parameters: "dict[str, Fraction]"
    """Those of a channel; none of other kinds."""

    @property
    def probability(self) -> "Fraction | None":
        """With which each datagram is lost, where that does not depend on the others."""
        return self.mean if self.kind in {"bernoulli", "randint"} else None


def loss_model(loss: "str | Loss") -> LossModel:
    from fractions import Fraction

    kind, mean, parameters = _core.loss_model(text("loss", str(loss)))
    exact = {name: Fraction(*value) for name, value in parameters.items()}
    return LossModel(kind, None if mean is None else Fraction(*mean), exact)
