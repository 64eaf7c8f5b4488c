"""The keywords of a ping, each with its type, its check and its default."""

from udpping import _core
from udpping._args.checks import any_whole, flag, optional, path, text, whole
from udpping._args.durations import LINGER, SPIN, WAIT, within
from udpping._args.keywords import unexpected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypedDict

    from udpping._args.checks import Path
    from udpping._args.durations import Duration
    from udpping.detect import Detector

    class Schedule(TypedDict, total=False):
        """The keywords that every kind of ping has."""

        timeout: Duration
        interval: Duration | None
        linger: Duration | None
        misses: int | None
        size: int | None
        message: str
        first_seq: int
        schedule: str
        seed: int | None
        protocol: str

    class Sockets(TypedDict, total=False):
        """The keywords that a simulated ping does not have."""

        bind: str | None
        ttl: int | None
        dscp: int | None
        df: bool
        broadcast: bool
        family: str | None
        busy: bool
        spin: Duration | None
        key: Path | None

    class RunOptions(Schedule, total=False):
        """The keywords of `udpping.ping` that `udpping.sim.ping` has too."""

        count: int

    class PingOptions(RunOptions, Sockets, total=False):
        """The keywords of `udpping.ping`."""

    class PingerOptions(Schedule, Sockets, total=False):
        """The keywords of `udpping.Pinger`."""

        count: int | None
        announce: bool
        keep: int | None
        detector: str | Detector | None


PROTOCOL = "text"
"""The protocol of pings, by default that of the course."""
TIMES = "text:times"
"""The same, asking for the times of a server that tells them."""
STAMP = "stamp"
"""The protocol of reflectors, by itself or with settings behind a colon."""
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
    "protocol": (text, PROTOCOL),
    "key": (optional(path), None),
}
"""The check and the default of each keyword, in the order of a run's settings."""


def checked(options: "Mapping[str, object]") -> "dict[str, Any]":
    """Check the types of keywords; the core checks their ranges."""
    known("ping", options)
    return {name: PING[name][0](name, value) for name, value in options.items()}


def known(function: str, options: "Mapping[str, object]", more: "Sequence[str]" = ()) -> None:
    """Refuse keywords that neither `ping` has, nor the function in addition to these."""
    for name in options:
        if name not in PING and name not in more:
            raise unexpected(function, name, (*PING, *more))


def complete(options: "Mapping[str, object]") -> "dict[str, Any]":
    """Check them, and add the defaults of missing ones."""
    return checked({name: default for name, (_, default) in PING.items()} | dict(options))


def port_of(protocol: object) -> int:
    """Return the port of servers of a protocol."""
    return _core.check_protocol(text("protocol", protocol))[1]
