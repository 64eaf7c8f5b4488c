"""Suggests the right keyword for a misspelt one, in the words of Python from 3.13, which suggests fewer."""

from udpping._args.public import PublicNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

TAKES_ALL = 0x08
"""The flag of a function with `**options`, which checks them itself."""


def unexpected(function: str, name: str, known: "Iterable[str]") -> TypeError:
    """Make the error for an unknown keyword."""
    near = nearest(name, known)
    meant = f". Did you mean {near!r}?" if near else ""
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}{meant}")


def nearest(name: str, known: "Iterable[str]") -> str | None:
    """Return the known name that is most like a misspelt one, if any is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, [*known], n=1)), None)


def suggests_keywords(function: "F") -> "F":
    """Let a function suggest the right keyword."""
    from functools import wraps

    @wraps(function)
    def call(*args: object, **keywords: object) -> object:
        refuse_unknown(function.__name__, function, keywords)
        return function(*args, **keywords)

    return call  # type: ignore[return-value] # pyright: ignore[reportReturnType]


class SuggestsKeywords(PublicNames):
    """Lets the constructor of a class suggest the right keyword."""

    __slots__ = ()

    def __new__(cls, *_args: "Any", **keywords: "Any") -> "Self":  # noqa: ANN401 - __init__ says what
        refuse_unknown(f"{cls.__name__}.__init__", cls.__init__, keywords)
        return super().__new__(cls)


def refuse_unknown(name: str, function: "Callable[..., object]", keywords: "dict[str, object]") -> None:
    code = getattr(function, "__code__", None)
    if keywords and code is not None and not code.co_flags & TAKES_ALL:
        known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        for keyword in keywords:
            if keyword not in known:
                raise unexpected(name, keyword, known)
