"""`ping`, `Pinger` and `ping_many`: who is there, how far away, and how much is lost."""

from udpping._session import Session
from udpping._targets import DEFAULT_PORT, parse_target
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self, TypeAlias

    from udpping._rows import Row
    from udpping._run import Run, Summary

    Target: TypeAlias = "str | tuple[str, int]"


def ping(
    host: str = "localhost",
    port: int = DEFAULT_PORT,
    *,
    count: int = 10,
    timeout: float = 1.0,
    interval: float | None = None,
    linger: float | None = None,
    size: int | None = None,
    bind: str | None = None,
    ttl: int | None = None,
    dscp: int | None = None,
    df: bool = False,
    family: str | None = None,
) -> "Run":
    """Ping a UDP server and wait for the end.

    A reply counts for the ping that it answers: by its number, else by its payload, else because that ping
    is the only one out. Late, duplicate and foreign datagrams are counted apart.

    * `count`: how many pings, from 1. `Pinger` can go on for ever.
    * `timeout`: seconds to wait for each reply, above 0. What comes after it is `late`.
    * `interval`: `None` sends the next ping when the last one is answered or given up; a number sends one
      every so many seconds, whatever comes back.
    * `linger`: seconds to listen after the last timeout for late and duplicate replies; `None` is `timeout`
      when something is missing and 0 otherwise.
    * `size`: bytes of payload, padded behind the text, up to 65,507.
    * `bind`: the local IP address to send from.
    * `ttl`, `dscp`, `df`: hops allowed (1 to 255), class of service (0 to 63), do not fragment.
    * `family`: `"ipv4"` or `"ipv6"` to insist on one; otherwise IPv4 is preferred.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, NetworkError when the system
    refuses, and on Ctrl-C Interrupted, which carries what was measured. No answer is not an error.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.ping(*server.address, count=3)
    >>> [row.status for row in run]
    ['reply', 'reply', 'reply']
    >>> run.row(0).reply[:7]
    b'PING 1 '
    """
    _finite(count)
    session = Session(
        [(host, port)],
        count=count,
        timeout=timeout,
        interval=interval,
        linger=linger,
        size=size,
        bind=bind,
        ttl=ttl,
        dscp=dscp,
        df=df,
        family=family,
    )
    return session.finish()


def ping_many(
    targets: "Iterable[Target]",
    *,
    port: int = DEFAULT_PORT,
    count: int = 10,
    timeout: float = 1.0,
    interval: float | None = None,
    linger: float | None = None,
    size: int | None = None,
    bind: str | None = None,
    ttl: int | None = None,
    dscp: int | None = None,
    df: bool = False,
    family: str | None = None,
) -> "Run":
    """Ping several servers at once: one table, with the target in each row, and `run.summaries`.

    A target is `"host"`, `"host:port"`, `"[v6]:port"` or `(host, port)`; `port` stands in for a missing one.
    `count` pings go to each. Everything else is as in `ping`.

    >>> import udpping
    >>> with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
    ...     run = udpping.ping_many([near.address, deaf.address], count=2, timeout=0.05)
    >>> [summary.received for summary in run.summaries]
    [2, 0]
    """
    _finite(count)
    session = Session(
        targets_of(targets, port),
        count=count,
        timeout=timeout,
        interval=interval,
        linger=linger,
        size=size,
        bind=bind,
        ttl=ttl,
        dscp=dscp,
        df=df,
        family=family,
    )
    return session.finish()


class Pinger:
    """Pings that can be watched: iterate over it for the rows as they come.

    A row comes when its ping is answered or given up, and again when a late reply or a duplicate changes it.
    The arguments are those of `ping`, and `count=None` goes on for ever in constant memory. As a context
    manager it starts on entry and stops on exit. Ctrl-C raises Interrupted, which carries the run.

    >>> import udpping
    >>> with udpping.Server(port=0) as server, udpping.Pinger(*server.address, count=None) as pinger:
    ...     for row in pinger:
    ...         if row.seq == 3:
    ...             break
    >>> pinger.summary.received >= 3
    True
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = DEFAULT_PORT,
        *,
        count: int | None = 10,
        timeout: float = 1.0,
        interval: float | None = None,
        linger: float | None = None,
        size: int | None = None,
        bind: str | None = None,
        ttl: int | None = None,
        dscp: int | None = None,
        df: bool = False,
        family: str | None = None,
    ) -> None:
        self._session = Session(
            [(host, port)],
            count=count,
            timeout=timeout,
            interval=interval,
            linger=linger,
            size=size,
            bind=bind,
            ttl=ttl,
            dscp=dscp,
            df=df,
            family=family,
            events=True,
        )

    def __enter__(self) -> "Self":
        self._session.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    def __iter__(self) -> "Iterator[Row]":
        return self

    def __next__(self) -> "Row":
        row = self._session.next_row()
        if row is None:
            raise StopIteration
        return row

    @property
    def address(self) -> str:
        """The address and port that the name stands for."""
        return self._session.addresses[0]

    @property
    def summary(self) -> "Summary":
        """What the pings come to so far; ask at any time."""
        return self._session.summary()

    @property
    def missed_rows(self) -> int:
        """Rows that came too fast for the one who iterates. The run and the summary have them."""
        return self._session.missed_rows

    def run(self) -> "Run":
        """Wait for the end (with `count=None`: for `stop` or Ctrl-C) and give the whole run."""
        return self._session.finish()

    def stop(self) -> None:
        """Send no more and wait for nothing. May be called twice, and from another thread."""
        self._session.stop()


def targets_of(targets: "Iterable[Target]", port: int) -> list[tuple[str, int]]:
    """Read the targets of `ping_many`."""
    if isinstance(targets, str):
        raise ConfigError(f"targets {targets!r} is not usable: expected a list, or ping() for one target")
    return [parse_target(target, port) if isinstance(target, str) else target for target in targets]


def _finite(count: int | None) -> None:
    if count is None:
        raise ConfigError("count None is not usable here: expected a number from 1; Pinger goes on for ever")
