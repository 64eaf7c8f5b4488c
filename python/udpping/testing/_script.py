"""What a far end receives, and what its script may say to that."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, cast

from udpping._args import checks
from udpping._args.durations import LINGER, seconds
from udpping._args.limits import MAX_PAYLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.durations import Duration


@dataclass(frozen=True)
class Received:
    """A datagram that came.

    >>> import socket
    >>> from udpping.testing import FarEnd
    >>> with FarEnd() as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    ...     size = client.sendto(b"ping 1", far.address)
    ...     (datagram,) = far.wait(1)
    >>> datagram.number, datagram.payload, datagram.client[0]
    (1, b'ping 1', '127.0.0.1')
    """

    number: int
    """Its place among all that came, from 1."""
    payload: bytes
    """What is in it."""
    client: tuple[str, int]
    """Address and port of the sender."""
    recv_ns: int
    """When it came, in nanoseconds since the block began, by the clock that never steps."""
    ttl: int | None
    """Its TTL or hop limit on arrival; `None` where the system does not tell."""
    tos: int | None
    """Its TOS or traffic class, the DSCP times four plus the ECN; `None` where the system does not tell."""


@dataclass(frozen=True)
class Reply:
    """An answer.

    * `payload`: what it says, up to 65,507 bytes; `None` is what the datagram said.
    * `after`: the time from the datagram to the answer, 0 to a day: seconds, or text such as `"200ms"`.
    * `other_port`: whether it leaves from another port than the one that was asked.

    Raises ConfigError for what cannot be used.

    >>> from udpping.testing import Reply
    >>> Reply(b"pong", after=0.5)
    Reply(payload=b'pong', after=0.5, other_port=False)
    """

    payload: bytes | None = None
    after: "Duration" = 0.0
    other_port: bool = False

    def __post_init__(self) -> None:
        content("payload", self.payload)
        object.__setattr__(self, "after", seconds("after", self.after, LINGER))
        checks.flag("other_port", self.other_port)


@dataclass(frozen=True)
class Refuse:
    """Refusal by ICMP: for so many `seconds` (or `"200ms"`), 0 to a day, nobody listens.

    What comes meanwhile is not received: the system itself says "port unreachable", which a connected socket
    sees as ConnectionRefusedError. Replies that are due leave all the same, on Linux. `FarEnd.refusing` does
    the same for a block. Raises ConfigError for what cannot be used.

    >>> from udpping.testing import Refuse
    >>> Refuse(0.5)
    Refuse(seconds=0.5)
    """

    seconds: "Duration"

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", seconds("seconds", self.seconds, LINGER))


Action: TypeAlias = Reply | Refuse
Step: TypeAlias = Action | bytes | Iterable[Action | bytes] | None
"""What a script says to one datagram."""
Script: TypeAlias = Reply | Iterable[Step] | Callable[[Received], Step]
"""What it says to all of them."""


def reader(script: object) -> Callable[[Received], list[Action]]:
    """Make the function that says what is done upon a datagram."""
    if callable(script):
        return lambda datagram: actions(script(datagram))
    if isinstance(script, Reply):
        return lambda _: [script]
    if isinstance(script, (bytes, str)) or not isinstance(script, Iterable):
        raise checks.refuse("script", script, "a Reply, a list with a step for each datagram, or a function")
    steps = iter(cast("Iterable[object]", script))
    return lambda _: actions(next(steps, None))


def actions(step: object) -> list[Action]:
    """Take a step of a script apart."""
    if step is None:
        return []
    if isinstance(step, (Reply, Refuse)):
        return [step]
    if isinstance(step, bytes):
        return [Reply(step)]
    if isinstance(step, Iterable) and not isinstance(step, str):
        return [action for each in cast("Iterable[object]", step) for action in actions(each)]
    raise checks.refuse("step", step, "None, bytes, Reply, Refuse, or a list of these")


def content(name: str, value: object) -> None:
    """Refuse what does not fit into a datagram."""
    if value is not None and not (isinstance(value, bytes) and len(value) <= MAX_PAYLOAD):
        raise checks.refuse(name, value, f"at most {MAX_PAYLOAD:,} bytes, or None")
