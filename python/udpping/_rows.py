"""One row of a table, typed. Loaded when rows are first looked at: NamedTuple costs an import of typing."""

from typing import NamedTuple, TypeAlias

Payload: TypeAlias = bytes  # in the class below, `bytes` is a column


class Row(NamedTuple):
    """One ping. Times are whole nanoseconds; what did not happen is `None`, never 0."""

    run: int
    """Tells runs apart that are put together: when the run began, in nanoseconds since 1970 (UTC)."""
    target: str
    """Who was asked, as given."""
    seq: int
    """The number of the ping, from 1."""
    due_ns: int
    """When it was to leave, since the run began."""
    sent_ns: int | None
    """When it left, since the run began, on the clock that never steps."""
    sent_wall_ns: int | None
    """When it left, since 1970 (UTC): for showing, as that clock may step."""
    rtt_ns: int | None
    """From sending to the first reply, also of a late one."""
    status: str
    """`reply`, `late`, `timeout`, `unreachable` or `error`; `open` in a row that only announces a ping."""
    copies: int
    """How many replies came for it."""
    source: str | None
    """Who answered, or who said that nobody can."""
    ttl: int | None
    """Hops that the reply had left, where the system tells."""
    bytes: int | None
    """Length of the reply."""
    stamp: str | None
    """Where the times were taken: `user`."""
    reply: Payload | None
    """The reply itself, its first 1,024 bytes."""
    match: str | None
    """How the reply was credited to this ping: `seq`, `payload`, or `unverified`: it was the only one out."""


class LogRow(NamedTuple):
    """What a server did with one datagram."""

    recv_ns: int
    """When it came, since the server was made."""
    recv_wall_ns: int
    """When it came, since 1970 (UTC)."""
    client: str
    """Who sent it: address and port."""
    client_index: int
    """0 for the first client that was seen, 1 for the second, ..."""
    number: int
    """Its number among the datagrams that the loss model counts together, from 1."""
    seq: int | None
    """The sequence number that it carries, when it can be read."""
    verdict: str
    """`answer`, `drop` (lost on purpose) or `error` (it should have been answered, and could not be)."""
    reason: str | None
    """Why it was not answered: `loss`; `full` (too many replies waiting); `send` (the system refused)."""
    delay_ns: int | None
    """How long its reply was held back on purpose."""


class Event(NamedTuple):
    """What a server did with one datagram, and what was in it; all but `message` as in `LogRow`."""

    recv_ns: int
    recv_wall_ns: int
    client: str
    client_index: int
    number: int
    seq: int | None
    verdict: str
    reason: str | None
    delay_ns: int | None
    message: Payload
    """The datagram, its first 1,024 bytes."""
