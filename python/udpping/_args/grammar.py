"""Writes Python values in the text grammar of the core, which checks them."""

from typing import SupportsFloat

from udpping import _core
from udpping._args.checks import refuse, seconds, text
from udpping._args.text_model import TextModel
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from typing import TypeAlias

    from udpping.delay import Delay
    from udpping.loss import Loss

    LossLike: TypeAlias = "str | float | Fraction | Loss"
    DelayLike: TypeAlias = "str | float | Delay"


def loss_text(value: "LossLike") -> str:
    """Write a loss as the core reads it: `0.3`, `4/11`, `pattern:.xx.`."""
    if isinstance(value, (bool, float)):
        return _text(value)
    # Whole numbers and fractions, exactly.
    numerator, denominator = getattr(value, "numerator", None), getattr(value, "denominator", None)
    return _text(value) if numerator is None else f"{numerator}/{denominator}"


def delay_text(value: "DelayLike") -> str:
    """Write a delay as the core reads it: `0.05` (seconds), `50ms`, `uniform:0ms,200ms`."""
    return _text(value)


def detector_text(value: object) -> str:
    """Write a detector as the core reads it: `fixed:3`."""
    return _core.check_detector(str(value) if isinstance(value, TextModel) else text("detector", value))


def seconds_text(name: str, value: float) -> str:
    """Write seconds, an hour at most, with their unit and to the nanosecond."""
    return decimals(name, value, seconds(name, value), "{}s", "0 to 3600 seconds") + "s"


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


def _text(value: object) -> str:
    # Not str(): numpy's floats would print their type.
    return (
        repr(float(value)) if isinstance(value, SupportsFloat) and not isinstance(value, bool) else str(value)
    )
