"""What a loss or a delay decides on one datagram after the other, for programs of one's own."""

from typing import Generic, TypeVar

from udpping import _core
from udpping._args import checks
from udpping._args.public import PublicNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from udpping._args.text_model import TextModel

T = TypeVar("T")


class Stream(PublicNames, Generic[T]):
    """The decisions of a model, without end. It is made by `stream` of a loss or a delay.

    >>> import udpping
    >>> stream = udpping.loss.Pattern(".x").stream(seed=7)
    >>> stream.seed, next(stream), next(stream)
    (7, False, True)
    """

    def __init__(
        self, model: "TextModel", loss: str, delay: str, seed: int | None, interval_ns: int = 0
    ) -> None:
        self._model = model
        number = None if seed is None else checks.any_whole("seed", seed)
        self._core = _core.LinkStream(loss, delay, number, interval_ns)

    @property
    def seed(self) -> int:
        """The seed in force: the same one gives the same decisions."""
        return self._core.seed

    def __iter__(self) -> "Self":
        return self

    def __next__(self) -> T:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<stream of {self._model}, seed {self.seed}>"


class LossStream(Stream[bool]):
    """Whether each datagram is lost."""

    def __next__(self) -> bool:
        return self._core.is_lost()


class DelayStream(Stream[float]):
    """The seconds by which each datagram is delayed."""

    def __next__(self) -> float:
        return self._core.delay_ns() / 1e9
