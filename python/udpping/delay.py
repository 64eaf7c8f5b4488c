"""How long a server holds a reply back: models for `Server(delay=...)`.

A number is seconds and text carries its unit: `delay=0.05` and `delay="50ms"` mean `Fixed`. A reply that is
held back holds up nobody else.
"""

from udpping import _core
from udpping._text import seconds_text

__all__ = ["Delay", "Exponential", "Fixed", "Uniform"]


class Delay:
    """Base of the models: a checked text that says how long a reply waits. Equal texts are equal models."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = _core.check_delay(text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<udpping.delay.{type(self).__name__} {self._text}>"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Delay) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> "tuple[object, ...]":
        return _restore, (type(self), self._text)


class Fixed(Delay):
    """Every reply waits `seconds` (from 0).

    >>> import udpping
    >>> run = udpping.sim.ping(count=3, delay=udpping.delay.Fixed(0.05))
    >>> run.summary.rtt_min_ns >= 50_000_000
    True
    """

    __slots__ = ()

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds_text(seconds))


class Uniform(Delay):
    """Anything between `low` and `high` seconds is equally likely (0 <= low <= high)."""

    __slots__ = ()

    def __init__(self, low: float, high: float) -> None:
        super().__init__(f"uniform:{seconds_text(low)},{seconds_text(high)}")


class Exponential(Delay):
    """Exponentially distributed, `mean` seconds on average (above 0): mostly short, now and then long."""

    __slots__ = ()

    def __init__(self, mean: float) -> None:
        super().__init__(f"exponential:{seconds_text(mean)}")


def _restore(model: type[Delay], text: str) -> Delay:
    restored = model.__new__(model)
    Delay.__init__(restored, text)
    return restored
