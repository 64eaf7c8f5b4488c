"""Writes Python values in the text grammar of the core, which checks them."""

from typing import SupportsFloat

from udpping import _core
from udpping._args.checks import refuse, text
from udpping._args.durations import DELAY, nanos, written
from udpping._args.text_model import TextModel
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from typing import TypeAlias

    from udpping._args.durations import Duration
    from udpping.delay import Delay
    from udpping.loss import Loss

    LossLike: TypeAlias = "str | float | Fraction | Loss"
    DelayLike: TypeAlias = "Duration | Delay"


def loss_text(value: "LossLike") -> str:
    """Write a loss as the core reads it: `0.3`, `4/11`, `pattern:.xx.`."""
    _own(value, "loss")
    if isinstance(value, (bool, float)):
        return _text(value)
    # Whole numbers and fractions, exactly.
    numerator, denominator = getattr(value, "numerator", None), getattr(value, "denominator", None)
    if numerator is None:
        return _text(value)
    try:
        return f"{numerator}" if denominator == 1 else f"{numerator}/{denominator}"
    except ValueError:  # CPython does not print whole numbers of thousands of digits
        raise refuse("loss", value, "a probability from 0 to 1") from None


def delay_text(value: "DelayLike") -> str:
    """Write a delay as the core reads it: `0.05` (seconds), `50ms`, `uniform:0ms,200ms`."""
    _own(value, "delay")
    return written(value) or str(value)


def detector_text(value: object) -> str:
    """Write a detector as the core reads it: `fixed:3`."""
    _own(value, "detect", "detector")
    if not isinstance(value, (str, TextModel)):
        raise refuse(
            "detector", value, "one of udpping.detect, such as Fixed(3), or its text, such as 'fixed:3'"
        )
    return _core.check_detector(text("detector", str(value)))


def duration_text(name: str, value: "Duration", *, unit: bool = False) -> str:
    """Write a duration of a model, an hour at most; with `unit`, a number from ten on must have one."""
    return _core.check_delay(f"{nanos(name, value, DELAY, unit=unit)}ns")


def delay_time(name: str, value: "Duration") -> str:
    """Write a time of a delay."""
    return duration_text(name, value, unit=True)


def decimals(name: str, value: object, as_float: float, form: str, expected: str) -> str:
    """Write a number as the core reads it, if the core accepts it as the delay `form`."""
    digits = f"{as_float:.9f}".rstrip("0").rstrip(".")
    try:
        _core.check_delay(form.format(digits))
    except ConfigError:
        raise refuse(name, value, expected) from None
    return digits


def utc_offset() -> int:
    """Seconds that local time is ahead of UTC, now."""
    from time import localtime

    return localtime().tm_gmtoff


def _own(value: object, module: str, name: str | None = None) -> None:
    """Refuse a model of another kind, whose text may mean something here as well."""
    if isinstance(value, TextModel) and not value.is_of(f"udpping.{module}"):
        raise refuse(name or module, value, f"one of udpping.{module}, or its text")


def _text(value: object) -> str:
    # Not str(): numpy's floats would print their type.
    return (
        repr(float(value)) if isinstance(value, SupportsFloat) and not isinstance(value, bool) else str(value)
    )
