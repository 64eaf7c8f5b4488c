"""Lets no Ctrl-C be lost: Python prints and drops what a finalizer raises, and imports have finalizers."""

import sys
from _thread import interrupt_main, start_new_thread
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_others: "list[Callable[[sys.UnraisableHookArgs], object]]" = []


def keep() -> None:
    """From now on, interrupt once more when a finalizer dropped it. May be called twice."""
    if sys.unraisablehook is not _interrupt_again:
        _others.append(sys.unraisablehook)
        sys.unraisablehook = _interrupt_again


def _interrupt_again(ignored: "sys.UnraisableHookArgs") -> None:
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        start_new_thread(_interrupt_soon, ())
    else:
        _others[-1](ignored)


def _interrupt_soon() -> None:
    sleep(0.01)  # The finalizer is over by then.
    interrupt_main()
