"""Durations in every form: seconds, text with a unit such as `200ms`, `timedelta`, `timedelta64`."""

from typing import Protocol, SupportsFloat, runtime_checkable

from udpping import _core
from udpping._args import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import TypeAlias

    Duration: TypeAlias = "str | float | timedelta"
    Range: TypeAlias = tuple[int, int]


@runtime_checkable
class Delta(Protocol):
    """A `timedelta`, without the module that has it."""

    def total_seconds(self) -> float: ...


WAIT, LINGER, HEARTBEAT, SPIN, DELAY, SIMULATION, IDLE = _core.duration_ranges()
"""The least and the most nanoseconds of each."""
ANY = 0, 100_000 * 86_400 * 10**9


def seconds(name: str, value: object, within: "Range | None" = None) -> float:
    """Return it in seconds; a number stays as it is, and is checked only if there is a range."""
    number = as_number(value)
    if number is not None and within is None:
        return number
    found = nanos(name, value, within or ANY)
    return found / 1e9 if number is None else number


def within(times: "Range") -> "Callable[[str, object], float]":
    """Make the check of a keyword."""
    return lambda name, value: seconds(name, value, times)


def nanos(name: str, value: object, within: "Range", *, unit: bool = False) -> int:
    """Return it in nanoseconds, as the core reads it; with `unit`, a number from ten on must have one."""
    found = _core.read_duration(written(value), *within, unit=unit)
    if isinstance(found, str):
        raise checks.refuse(name, value, found)
    return found


def written(value: object) -> str:
    """Write it as text for the core: a number without a unit; what is no duration is empty."""
    if isinstance(value, str):
        return value
    number = as_number(value)
    if number is not None:
        return repr(number).removesuffix(".0")
    if isinstance(value, Delta):
        return f"{value.total_seconds()!r}s"
    as_type = getattr(value, "astype", None)
    return "" if as_type is None else f"{as_type('m8[ns]').astype(int)}ns"


def as_number(value: object) -> float | None:
    """Return a number; `None` for anything else, also for a `timedelta64`, whose float has any unit."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, bool) or kind == "m" or not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return None
