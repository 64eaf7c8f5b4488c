"""The keywords of a ping, each with its type, its check and its default."""

from udpping import _core
from udpping._args.checks import any_whole, flag, optional, text, whole
from udpping._args.durations import LINGER, SPIN, WAIT, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypedDict

    from udpping._args.durations import Duration

    class RunOptions(TypedDict, total=False):
        """The keywords of `udpping.ping` that `udpping.sim.ping` has too."""

        count: int
        timeout: Duration
        interval: Duration | None
        linger: Duration | None
        misses: int | None
        size: int | None
        message: str
        first_seq: int
        schedule: str
        seed: int | None

    class PingOptions(RunOptions, total=False):
        """The keywords of `udpping.ping`."""

        bind: str | None
        ttl: int | None
        dscp: int | None
        df: bool
        broadcast: bool
        family: str | None
        busy: bool
        spin: Duration | None


COUNT, TIMEOUT, MESSAGE, FIRST_SEQ, SCHEDULE = _core.ping_defaults()

PING: "dict[str, tuple[Callable[[str, object], object], object]]" = {
    "count": (optional(whole), COUNT),
    "timeout": (within(WAIT), TIMEOUT),
    "interval": (optional(within(WAIT)), None),
    "linger": (optional(within(LINGER)), None),
    "misses": (optional(whole), None),
    "size": (optional(whole), None),
    "bind": (optional(text), None),
    "ttl": (optional(whole), None),
    "dscp": (optional(whole), None),
    "df": (flag, False),
    "broadcast": (flag, False),
    "family": (optional(text), None),
    "message": (text, MESSAGE),
    "first_seq": (whole, FIRST_SEQ),
    "schedule": (text, SCHEDULE),
    "seed": (optional(any_whole), None),
    "busy": (flag, False),
    "spin": (optional(within(SPIN)), None),
}
"""The check and the default of each keyword, in the order of a run's settings."""


def checked(options: "Mapping[str, object]") -> "dict[str, Any]":
    """Check the types of keywords; the core checks their ranges."""
    for name in options:
        if name not in PING:
            raise TypeError(f"ping() got an unexpected keyword argument {name!r}")
    return {name: PING[name][0](name, value) for name, value in options.items()}


def complete(options: "Mapping[str, object]") -> "dict[str, Any]":
    """Check them, and add the defaults of missing ones."""
    return checked({name: default for name, (_, default) in PING.items()} | dict(options))
