"""Reads the numbers that the functions of the theory take: exact ones as fractions, others as floats."""

import math
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from udpping._args import checks, durations
from udpping._args.loss_model import loss_model
from udpping.errors import ConfigError
from udpping.loss import Loss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Number: TypeAlias = "Fraction | float"

DIGITS = 4_000
"""A result with more digits becomes a float: Python prints no whole number of more than 4,300."""
LARGEST_MISSES = 1_000
PROBABILITY = "a probability from 0 to 1, such as '4/11', '30%' or 0.3"
RATES = ("loss", "other")
"""The arguments that are probabilities of a loss."""

P = ParamSpec("P")
R = TypeVar("R", covariant=True)  # noqa: PLC0105 - the usual name


class OverArrays(Protocol[P, R]):
    """A function of numbers that takes arrays of them as well."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: object, **kwargs: object) -> Any: ...  # noqa: ANN401 - it depends on the arguments


def over_arrays(function: "Callable[P, R]") -> OverArrays[P, R]:
    """Map a function of numbers over sequences and numpy arrays; single numbers stay the same for all."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @wraps(function)
    def mapped(*args: object, **kwargs: object) -> object:
        given = dict(zip(names, args, strict=False)) | kwargs
        many = [name for name, value in given.items() if _is_many(value)]
        if not many or len(args) > code.co_argcount:
            return cast("Any", function)(*args, **kwargs)
        if any(hasattr(given[name], "__array__") for name in many):
            return _over_numpy(cast("Any", function), given)
        lengths = {name: len(cast("Sequence[object]", given[name])) for name in many}
        for name, length in lengths.items():
            if length != lengths[many[0]]:
                expected = f"{lengths[many[0]]} values, as {many[0]} has"
                raise checks.refuse(name, given[name], expected)
        return [
            mapped(**given | {name: cast("Sequence[object]", given[name])[i] for name in many})
            for i in range(lengths[many[0]])
        ]

    return cast("OverArrays[P, R]", mapped)


def _is_many(value: object) -> bool:
    if hasattr(value, "__array__"):
        return getattr(value, "ndim", 1) != 0  # numpy's scalars have no dimension
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _over_numpy(function: "Callable[..., Fraction | float]", given: dict[str, object]) -> object:
    import numpy as np

    # Callers with numpy want floats, which are much faster.
    for name in RATES:
        if name in given and not _is_many(given[name]):
            with suppress(ConfigError):  # the function reads it, or refuses it
                given[name] = float(probability(name, given[name]))
    arrays = {name: np.asarray(value) for name, value in given.items() if _is_many(value)}
    try:
        grid = np.broadcast(*arrays.values())
    except ValueError:
        shapes = " and ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise checks.refuse("shapes of", shapes, "shapes that fit together (numpy's broadcasting)") from None
    answers = [function(**given | dict(zip(arrays, values, strict=True))) for values in grid]
    exact = [float(answer) if isinstance(answer, Fraction) else answer for answer in answers]
    return np.array(exact, dtype=None if exact else float).reshape(grid.shape)


def probability(name: str, value: object) -> "Number":
    """Read a probability: exact from text, fractions, whole numbers and models, a float from a float."""
    if isinstance(value, (str, Loss)):
        if (exact := loss_model(value).probability) is None:
            expected = f"{PROBABILITY}: with others, losses depend on each other"
            raise checks.refuse(name, str(value), expected)
        return exact
    found = number(name, value, PROBABILITY)
    if not 0 <= found <= 1:  # also NaN
        raise checks.refuse(name, value, PROBABILITY)
    return found


def number(name: str, value: object, expected: str) -> "Number":
    """Read a number; whole numbers and fractions stay exact."""
    numerator, denominator = getattr(value, "numerator", None), getattr(value, "denominator", None)
    if numerator is None or denominator is None or isinstance(value, bool):
        return checks.number(name, value, expected)
    return Fraction(int(numerator), int(denominator))


def positive(name: str, value: object, what: str) -> "Number":
    found = number(name, value, f"{what} above 0")
    if not 0 < found < math.inf:
        raise checks.refuse(name, value, f"{what} above 0")
    return found


def duration(name: str, value: object, *, above: bool = False) -> "Number":
    """Read seconds from 0, or above 0; text such as `200ms` and a `timedelta` are exact."""
    expected = f"seconds {'above' if above else 'from'} 0, or a number with ns, us, ms, s, m, h or d (500ms)"
    if isinstance(value, (str, durations.Delta)):
        found: Number = Fraction(durations.nanos(name, value, durations.ANY), 10**9)
    else:
        found = number(name, value, expected)
    if not 0 <= found < math.inf or (above and found == 0):
        raise checks.refuse(name, value, expected)
    return found


def whole(name: str, value: object, least: int, most: int) -> int:
    found = checks.any_whole(name, value)
    if not least <= found <= most:
        raise checks.refuse(name, value, f"{least:,} to {most:,}")
    return found


def read_misses(value: object) -> int:
    return whole("misses", value, 1, LARGEST_MISSES)


def fits(power: int, rate: "Number") -> bool:
    """Return whether the `power`-th power of a probability is exact, and short enough to print."""
    return isinstance(rate, Fraction) and power * math.log10(rate.denominator) <= DIGITS


def like(answer: Fraction, *given: "Number") -> "Number":
    """Return an exact answer, or a float if one of the given numbers is a float or the answer is too long."""
    length = max(abs(answer.numerator), answer.denominator).bit_length() * math.log10(2)
    if length <= DIGITS and all(isinstance(each, Fraction) for each in given):
        return answer
    return divided(*answer.as_integer_ratio())


def ratio(top: int, bottom: int, rate: "Number") -> "Number":
    """Divide as `like` does, but for floats without the common divisor, which takes most of the time."""
    return like(Fraction(top, bottom), rate) if isinstance(rate, Fraction) else divided(top, bottom)


def divided(top: int, bottom: int) -> float:
    """Return the float next to top / bottom, `inf` beyond the largest."""
    try:
        return top / bottom
    except OverflowError:
        return math.inf
