"""From Python values to the text grammar of the core, which alone decides what is acceptable."""

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
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, int):
        return repr(int(value))
    if hasattr(value, "numerator") and hasattr(value, "denominator"):
        return f"{value.numerator}/{value.denominator}"
    return _number_or_model(value)


def delay_text(value: "DelayLike") -> str:
    """Write a delay as the core reads it: `0.05` (seconds), `50ms`, `uniform:0ms,200ms`."""
    return str(value) if isinstance(value, (bool, str)) else _number_or_model(value)


def seconds_text(value: float) -> str:
    """Write seconds with their unit, to the nanosecond."""
    digits = f"{float(value):.9f}"
    return f"{digits.rstrip('0').rstrip('.')}s"


def _number_or_model(value: "float | Loss | Delay") -> str:
    # Not str(): numpy's floats would print their type.
    return repr(float(value)) if hasattr(value, "__float__") else str(value)
