"""Checks the types of arguments and names the refused ones; the core checks their ranges."""

import operator
import os
from collections.abc import Iterable
from typing import SupportsFloat, SupportsIndex, cast

from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    T = TypeVar("T")

    Path: TypeAlias = "str | os.PathLike[str]"

LONGEST = 60
"""Characters shown of a value."""
WORD = 2**63
"""The core cannot read whole numbers from this one on."""


def refuse(name: str, value: object, expected: str) -> ConfigError:
    """Make the error for a value, on one line whatever its repr is."""
    try:
        shown = " ".join(repr(value).split())
    except ValueError:  # CPython does not print whole numbers of thousands of digits
        shown = "of this size"
    if len(shown) > LONGEST:
        shown = f"{shown[: LONGEST - 3]}..."
    return ConfigError(f"{name} {shown} is not usable: expected {expected}")


def whole(name: str, value: object) -> int:
    """Check a whole number, also of numpy."""
    number = any_whole(name, value)
    if not -WORD <= number < WORD:
        raise refuse(name, number, "a whole number of at most 18 digits")
    return number


def optional(check: "Callable[[str, object], T]") -> "Callable[[str, object], T | None]":
    """Make the check that accepts `None` too."""

    def read(name: str, value: object) -> "T | None":
        if value is None:
            return None
        try:
            return check(name, value)
        except ConfigError as error:
            raise ConfigError(f"{error}, or None") from None

    return read


def any_whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise refuse(name, value, "a whole number")
    return operator.index(value)


def number(name: str, value: object, expected: str = "a number") -> float:
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        raise refuse(name, value, expected)
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        raise refuse(name, value, expected) from None


def text(name: str, value: object) -> str:
    """Check text that can be encoded in UTF-8."""
    if not isinstance(value, str):
        raise refuse(name, value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refuse(name, value, "text without half characters (surrogates)") from None
    return value


def path(name: str, value: object) -> str:
    try:
        return os.fsdecode(cast("Path", value))
    except TypeError:
        raise refuse(name, value, "the path of a file") from None


def items(name: str, values: object, expected: str) -> list[object]:
    """Check an iterable; return its items."""
    if not isinstance(values, Iterable):
        raise refuse(name, values, expected)
    return list(cast("Iterable[object]", values))


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse(name, value, "True or False")
    return value


def run_targets(value: object) -> "tuple[str, ...] | None":
    """Return the targets of a run; `None` for anything else."""
    targets = getattr(value, "targets", None)
    return cast("tuple[str, ...]", targets) if isinstance(targets, tuple) else None
