"""Reads the targets of pings in all accepted forms."""

from collections.abc import Iterable
from typing import NamedTuple

from udpping._args.checks import items, optional, refuse, text, whole
from udpping._args.limits import DEFAULT_PORT, MAX_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    class Addressed(Protocol):
        """Has the address of a target, as a `Server`, a `Monitor` and a `FarEnd` have."""

        @property
        def address(self) -> tuple[str, int]: ...

    AnyTarget: TypeAlias = "str | tuple[str, int] | Target | Addressed"


class Target(NamedTuple):
    """Whom to ping, with what is special about these pings: for `ping_many` and `Pinger`.

    * `host`, `port`: a name or an address, and a port from 1 to 65,535, by default 12000; or both in one
      text, such as `"host:12000"` or `"[::1]:12000"`.
    * `dscp`: class of service, from 0 to 63; `None` is that of the call.
    * `size`: bytes of payload, with the range of `ping`; `None` is that of the call.

    Its name in rows and summaries has what is special in it. Two that differ in it may share an address:

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     low, high = (udpping.Target(*server.address, dscp=dscp) for dscp in (8, 46))
    ...     run = udpping.ping_many([low, high], count=2)
    >>> [summary.target.split(" ")[1] for summary in run.summaries]
    ['dscp=8', 'dscp=46']
    """

    host: str
    port: int = DEFAULT_PORT
    dscp: int | None = None
    size: int | None = None


EXPECTED = 'text such as "host:12000", (host, port), a Target or a Server'
NO_PAIR = (
    "a tuple to be (host, port), with a whole number as its port; several targets go into a list for"
    " ping_many or Pinger"
)


def one_target(target: object, port: int, called: str = "target") -> Target:
    """Read a target in any form; `port` replaces a missing one, and errors say what it is `called`."""
    port = whole("port", port)
    if isinstance(target, str):
        return Target(*parse_target(target, port, called))
    if isinstance(target, Target):
        maybe = optional(whole)
        place = parse_target(target.host, whole("port", target.port))
        return Target(*place, maybe("dscp", target.dscp), maybe("size", target.size))
    try:
        name, number = items(called, getattr(target, "address", target), EXPECTED)
    except ValueError:
        raise refuse(called, target, EXPECTED) from None
    if isinstance(number, tuple) or (isinstance(number, str) and not number.isdecimal()):
        raise refuse(called, target, NO_PAIR)
    return Target(text("host", name), whole("port", number))


def sole_target(
    target: object, port: int | None, called: str = "host", default: int = DEFAULT_PORT
) -> Target:
    """Read the target of a call for one; a port that is given beside it must not contradict its own."""
    one = one_target(target, default if port is None else port, called)
    if port is not None and one.port != port:
        raise refuse("port", port, f"{one.port}, which {called} has already, or no port beside that")
    return one


def one_place(target: object, port: int | None, called: str, default: int = DEFAULT_PORT) -> tuple[str, int]:
    """Read a target that is not pinged by `ping` or `Pinger`, and so has no options of its own."""
    host, number, dscp, size = sole_target(target, port, called, default)
    if dscp is not None or size is not None:
        raise refuse(called, target, "a target without dscp and size, which are for pings")
    return host, number


def targets_of(targets: object, port: int) -> list[Target]:
    """Read the targets of `ping_many`."""
    if isinstance(targets, str):
        raise refuse("targets", targets, "a list, or ping() for one target")
    whole("port", port)
    return [one_target(target, port) for target in items("targets", targets, "a list of them")]


def one_or_many(
    targets: "AnyTarget | Iterable[AnyTarget]", port: int | None, default: int = DEFAULT_PORT
) -> list[Target]:
    """Read the targets of `Pinger`: one, or a list."""
    if isinstance(targets, (str, tuple)) or not isinstance(targets, Iterable) or hasattr(targets, "address"):
        return [sole_target(targets, port, default=default)]
    read = targets_of(targets, default if port is None else port)
    if not read:
        raise refuse("host", targets, "a target, or a list with at least one")
    return read


def parse_target(target: str, port: int = DEFAULT_PORT, called: str = "target") -> tuple[str, int]:
    """Read `host`, `host:port`, `v6` or `[v6]:port`; `port` replaces a missing one."""
    host, tail = text("host", target), ""
    if "://" in host:
        scheme, _, rest = host.partition("://")
        raise refuse(called, target, f'"{rest.partition("/")[0] or "host:port"}", without {scheme}://')
    if host.startswith("["):
        host, bracket, tail = host[1:].partition("]")
        if not bracket or tail[:1] not in {"", ":"}:
            host = ""
    elif host.count(":") == 1:
        host, colon, tail = host.partition(":")
        tail = colon + tail
    elif host.count(":") > 1 and not is_ipv6(host):
        address, _, digits = host.rpartition(":")
        if is_ipv6(address) and digits.isdecimal():
            raise refuse(called, target, f'"[{address}]:{digits}", with the IPv6 address in brackets')
    if not host:
        raise refuse(called, target, "host, host:port or [IPv6]:port")
    if tail:
        digits = tail[1:]
        port = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST else 0
        if not 1 <= port <= MAX_PORT:
            raise refuse(called, target, f"a port from 1 to {MAX_PORT}")
    return host, port


LONGEST = 9
"""The most digits that are read of a port."""


def target_text(host: str, port: int) -> str:
    """Write it so that it can be read back: `host:port` or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address, with or without a zone."""
    import socket

    address, _, zone = host.partition("%")
    try:
        return ":" not in zone and bool(socket.inet_pton(socket.AF_INET6, address))
    except (OSError, ValueError):
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    return host == "::1" or host.startswith(("127.", "::ffff:127."))
