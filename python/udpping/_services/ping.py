"""`ping`, `Pinger` and `ping_many`: measure round trips and loss."""

from udpping._args.checks import refuse
from udpping._args.keywords import SuggestsKeywords, suggests_keywords
from udpping._args.limits import DEFAULT_PORT
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, SCHEDULE, TIMEOUT
from udpping._args.targets import one_or_many, one_target, targets_of
from udpping._services.session import Session
from udpping.errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from udpping._args.durations import Duration
    from udpping._args.targets import AnyTarget
    from udpping._results.rows import Row
    from udpping._results.run import Run, Summary


@suggests_keywords
def ping(
    host: "AnyTarget" = "localhost",
    port: int = DEFAULT_PORT,
    *,
    count: int = COUNT,
    timeout: "Duration" = TIMEOUT,
    interval: "Duration | None" = None,
    linger: "Duration | None" = None,
    misses: int | None = None,
    size: int | None = None,
    bind: str | None = None,
    ttl: int | None = None,
    dscp: int | None = None,
    df: bool = False,
    broadcast: bool = False,
    family: str | None = None,
    message: str = MESSAGE,
    first_seq: int = FIRST_SEQ,
    schedule: str = SCHEDULE,
    seed: int | None = None,
    busy: bool = False,
    spin: "Duration | None" = None,
) -> "Run":
    """Ping a UDP server and wait for the end.

    A ping is the line `Ping <seq> <time>`. A reply counts for the ping that it answers: by its number, else
    by its payload, else because that ping is the only one out. Late, duplicate and foreign datagrams are
    counted apart. A round trip is that of RFC 2681, on a clock that never steps.

    * `host`, `port`: who is asked: a name or an address, by default this machine, and a port from 1 to
      65,535, by default 12000, that of the course. `host` may have the port in it, which then counts:
      `"host:12000"`, `"[::1]:12000"`, `(host, port)`, a `Server`, or a `Target`.
    * `count`: how many pings, from 1, by default 10. `Pinger` can go on for ever.
    * `timeout`: how long to wait for each reply, from 1 µs to a day, by default 1 s. What comes after it is
      `late`.
    * `interval`: `None` sends the next ping when the last one is answered or given up; a time from 1 µs to a
      day sends one that often, whatever comes back. A late sender skips none: it sends what is overdue at
      once, and `summary.behind` counts pings that left a whole interval late.
    * `linger`: how long to listen after the last timeout for late and duplicate replies, up to a day; `None`
      is `timeout` when something is missing and 0 otherwise.
    * `misses`: give up after so many pings in a row without a reply in time, from 1; `None` goes on.
    * `size`: bytes of payload, padded behind the text: from 26 with ten pings (a larger count has longer
      numbers: 44 without an end) to 65,507. `None` is as long as the text.
    * `bind`: the local IP address to send from, with the interface of a link-local one (`"fe80::1%eth0"`), or
      an interface (`"eth0"`, Linux only), which pings and replies then have to pass; `None` leaves it to the
      system.
    * `ttl`, `dscp`: hops allowed (1 to 255) and class of service (0 to 63); `None` is the system's default.
    * `df`: forbid routers to fragment (Linux only). A ping longer than the path takes is then an `error`, and
      `run.problems` has the MTU.
    * `broadcast`: allow a broadcast or multicast address. Whoever answers counts: the first is the reply, and
      `source` says who it was; the others are its `copies`. Multicast goes one hop unless `ttl` says more, by
      the interface of `bind` or of the address (`"ff02::1%eth0"`).
    * `family`: `"ipv4"` or `"ipv6"` to insist on one; otherwise IPv4 is preferred.
    * `message`: what a ping says, for servers that expect another text: one with the field `{seq}`, and
      perhaps `{time}` (seconds since 1970, as Python prints them), `{ctime}` (`Tue Nov 14 22:13:20 2023`,
      local time) or `{ms}` (milliseconds since 1970). Without `{time}` replies are harder to tell apart.
    * `first_seq`: the number of the first ping, from 0, by default 1.
    * `schedule`: how pings are spread over time with `interval`: `"isochronous"` (evenly; the default),
      `"poisson"` (gaps are exponential, with the interval as their mean), `"uniform"` (gaps from 0 to twice
      the interval; `"uniform:10%"`: 10 % around it), `"train:10"` (ten back to back every interval) or
      `"pair"`.
    * `seed`: any whole number makes a random schedule repeat; `None` draws one, and `run.seed` tells it.
    * `busy`: ask for replies again and again instead of waiting: a whole processor, one that nothing else
      needs, for the shortest round trips. With one target `foreign` is then `None`.
    * `spin`: how long, up to 1 s, to spin before a ping is due, as a waiting program wakes up late; `None` is
      as long as waits lately were late (20 to 200 µs), or 0 with several targets.

    Times are seconds, text with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`) such as `"200ms"`, or a
    `timedelta`; so they are everywhere in udpping.

    Where the kernel stamps what this socket sends and receives (Linux; tried when the socket is made),
    `rtt_ns` is free of the time until this program was woken; `user_rtt_ns` has it. `stamp` says for each row
    who took the times.

    The run has a row for every ping. Only those in flight when it is stopped have none; `summary.pending`
    counts them.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, NetworkError when the system
    refuses, and on Ctrl-C Interrupted, which carries what was measured. No answer is not an error.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.ping(server, count=3)
    >>> [row.status for row in run]
    ['reply', 'reply', 'reply']
    >>> run[0].reply[:7]
    b'PING 1 '

    On a schedule, here a thousand a second, the answer to one ping may overtake that to another:

    >>> with udpping.Server(port=0, delay="uniform:0ms,20ms", seed=1) as server:
    ...     run = udpping.ping(*server.address, count=20, interval="1ms", timeout=2)
    >>> run.summary.received, run.summary.reordered > 0
    (20, True)

    Two by two, or at random times that a seed repeats:

    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.ping(*server.address, count=4, interval=0.01, schedule="pair")
    >>> [row.due_ns for row in run]
    [0, 0, 10000000, 10000000]
    """
    finite(count)
    session = Session(
        [one_target(host, port, "host")],
        {
            "count": count,
            "timeout": timeout,
            "interval": interval,
            "linger": linger,
            "misses": misses,
            "size": size,
            "bind": bind,
            "ttl": ttl,
            "dscp": dscp,
            "df": df,
            "broadcast": broadcast,
            "family": family,
            "message": message,
            "first_seq": first_seq,
            "schedule": schedule,
            "seed": seed,
            "busy": busy,
            "spin": spin,
        },
    )
    return session.finish()


@suggests_keywords
def ping_many(
    targets: "Iterable[AnyTarget]",
    *,
    port: int = DEFAULT_PORT,
    count: int = COUNT,
    timeout: "Duration" = TIMEOUT,
    interval: "Duration | None" = None,
    linger: "Duration | None" = None,
    misses: int | None = None,
    size: int | None = None,
    bind: str | None = None,
    ttl: int | None = None,
    dscp: int | None = None,
    df: bool = False,
    broadcast: bool = False,
    family: str | None = None,
    message: str = MESSAGE,
    first_seq: int = FIRST_SEQ,
    schedule: str = SCHEDULE,
    seed: int | None = None,
    busy: bool = False,
    spin: "Duration | None" = None,
) -> "Run":
    """Ping several servers at once: one table, with the target in each row, and `run.summaries`.

    A target is `"host"`, `"host:port"`, `"[v6]:port"`, `(host, port)`, a `Target` or a `Server`; `port`
    stands in for a missing one.
    `count` pings go to each. Everything else is as in `ping`, with these differences:

    * With `interval`, the first pings are spread over it, so that they do not leave all at once.
    * A datagram from a stranger belongs to no target, and sockets are shared: `foreign` and `kernel_drops`
      are counted in `run.summary` and are `None` in `run.summaries`.

    Raises ConfigError as `ping` does, also for an empty list, and for two targets with the same address and
    port, under whatever names, that differ in no option; nothing has been sent then. A target that cannot be
    found or reached ends no other: its pings have the status `error`, and `run.problems` says why. Only if
    that is so of all, AddressError or NetworkError is raised.

    >>> import udpping
    >>> with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
    ...     run = udpping.ping_many([near.address, deaf.address], count=2, timeout=0.5)
    >>> [summary.received for summary in run.summaries]
    [2, 0]
    >>> run.summary.sent, [row.seq for row in run]
    (4, [1, 2, 1, 2])
    """
    finite(count)
    session = Session(
        targets_of(targets, port),
        {
            "count": count,
            "timeout": timeout,
            "interval": interval,
            "linger": linger,
            "misses": misses,
            "size": size,
            "bind": bind,
            "ttl": ttl,
            "dscp": dscp,
            "df": df,
            "broadcast": broadcast,
            "family": family,
            "message": message,
            "first_seq": first_seq,
            "schedule": schedule,
            "seed": seed,
            "busy": busy,
            "spin": spin,
        },
    )
    return session.finish()


class PingerBase(SuggestsKeywords):
    """What the pingers of `udpping` and of `udpping.aio` share."""

    _opened: "Session | None" = None
    _NAME = "udpping.Pinger"

    @property
    def _session(self) -> Session:
        if self._opened is None:
            raise NetworkError("the pinger is not open: use `async with`, or ask for its first row")
        return self._opened

    @property
    def address(self) -> str:
        """The address and port that the first name stands for: `127.0.0.1:12000` or `[::1]:12000`."""
        name, address, _ = self._session.targets[0]
        return address or name

    @property
    def problems(self) -> "dict[str, str]":
        """Why pings have the status `error`, by target: the latest reason of each.

        >>> import udpping
        >>> with udpping.Server(port=0) as server:
        ...     pinger = udpping.Pinger([server, "no-such-host.invalid"], count=1)
        ...     statuses = [row.status for row in pinger]
        >>> sorted(statuses), list(pinger.problems)
        (['error', 'reply'], ['no-such-host.invalid:12000'])
        """
        return {name: problem for name, _, problem in self._session.targets if problem}

    @property
    def summary(self) -> "Summary":
        """What the pings come to so far; ask at any time."""
        return self._session.summary()

    @property
    def missed_rows(self) -> int:
        """Rows that came while 65,536 others waited to be taken. The run and the summary have them."""
        return self._session.missed_rows

    def so_far(self) -> "Run":
        """Give the run until now: pings that wait for an answer have no row yet. Ask at any time."""
        return self._session.run()

    def stop(self) -> None:
        """Send no more and wait for nothing. May be called twice, and from another thread."""
        self._session.stop()

    def __repr__(self) -> str:
        session = self._opened
        if session is None:
            return f"<{self._NAME}: not open>"
        names = [name for name, *_ in session.targets]
        target = names[0] if len(names) == 1 else f"{len(names):,} targets"
        state = "over" if session.over else "running" if session.started else "not started"
        return f"<{self._NAME} of {target}, {session.summary().sent:,} pings settled: {state}>"


class Pinger(PingerBase):
    """Pings that can be watched, to one target or many: iterate over it for the rows as they come.

    A row comes when its ping is answered or given up, and again when a late reply or a duplicate changes
    it. The arguments, their defaults and the errors are those of `ping`; names are looked up and sockets
    opened when it is made, and the first ping leaves when the block is entered or the first row is asked
    for. Leaving the block stops it. A ping in flight then has no row. Ctrl-C raises Interrupted, which
    carries the run.

    `announce=True` gives each row also when its ping leaves, with the status `open`.

    `count=None` goes on for ever in bounded memory; to another host than this one it needs an `interval`, or
    ConfigError is raised, also by `add` and in what `resolve` returns. The run keeps the latest 65,536 to
    81,920 pings, the summary counts them all, and its quantiles are within 1 % (`quantile_error`). Of the
    rows that nobody takes, 65,536 wait; what comes while so many wait is only counted, in `missed_rows`.
    `keep=n` keeps the latest n pings of each target instead, and up to a quarter more: from 16 to 1,000,000,
    each with some 100 bytes and its reply. By default many targets share 1,048,576, with 1,024 each at least.
    A name is looked up again each minute, and two seconds after three pings in a row without a reply, then
    after 4, 8, up to 60 seconds more. When the address in use is none of the name's any more, pings go to the
    new one: `address` and the `source` of replies say so. A run with a count keeps its addresses.

    >>> import udpping
    >>> with udpping.Server(port=0) as server, udpping.Pinger(*server.address, count=None) as pinger:
    ...     for row in pinger:
    ...         if row.seq == 3:
    ...             break
    >>> pinger.summary.received >= 3
    True

    >>> with udpping.Server(port=0) as server:
    ...     for row in udpping.Pinger(*server.address, count=1, announce=True):
    ...         print(row.seq, row.status)
    1 open
    1 reply
    >>> pinger.run().row(0).seq
    1

    `host` may also be what `ping_many` takes as a target, or a list of such, with the differences told there.
    `add` and `remove` change the list while the pings go on, and `resolve` looks up the names again:

    >>> with udpping.Server(port=0) as near, udpping.Server(port=0) as far:
    ...     with udpping.Pinger([near], count=None, interval=0.01) as pinger:
    ...         pinger.add(far)
    ...         pinger.add(udpping.Target(*far.address, dscp=46))
    ...         while min(each.received for each in pinger.so_far().summaries) < 3:
    ...             _ = next(pinger)
    ...         pinger.remove(near)
    >>> [summary.lost for summary in pinger.run().summaries]
    [0, 0, 0]
    """

    def __init__(
        self,
        host: "AnyTarget | Iterable[AnyTarget]" = "localhost",
        port: int = DEFAULT_PORT,
        *,
        count: int | None = COUNT,
        timeout: "Duration" = TIMEOUT,
        interval: "Duration | None" = None,
        linger: "Duration | None" = None,
        misses: int | None = None,
        size: int | None = None,
        bind: str | None = None,
        ttl: int | None = None,
        dscp: int | None = None,
        df: bool = False,
        broadcast: bool = False,
        family: str | None = None,
        message: str = MESSAGE,
        first_seq: int = FIRST_SEQ,
        schedule: str = SCHEDULE,
        seed: int | None = None,
        busy: bool = False,
        spin: "Duration | None" = None,
        announce: bool = False,
        keep: int | None = None,
    ) -> None:
        self._port = port
        self._opened = Session(
            one_or_many(host, port),
            {
                "count": count,
                "timeout": timeout,
                "interval": interval,
                "linger": linger,
                "misses": misses,
                "size": size,
                "bind": bind,
                "ttl": ttl,
                "dscp": dscp,
                "df": df,
                "broadcast": broadcast,
                "family": family,
                "message": message,
                "first_seq": first_seq,
                "schedule": schedule,
                "seed": seed,
                "busy": busy,
                "spin": spin,
            },
            events=True,
            announce=announce,
            keep=keep,
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

    def run(self) -> "Run":
        """Wait for the end (with `count=None`: for `stop` or Ctrl-C) and give the whole run.

        Raises NetworkError when the system ends it, and Interrupted on Ctrl-C.
        """
        return self._session.finish()

    def add(self, target: "AnyTarget") -> None:
        """Ping one more target, with its first ping at the latest an interval from now.

        It has rows and a summary of its own. If it shares an address with another target, from which it then
        differs in `dscp` or `size`, it has a socket of its own too, by which its replies are told apart. One
        that was removed goes on with its next number. Its name is looked up now.

        Raises ConfigError for one that is pinged already, for more than 65,536 (with those that were
        removed), and when the run is over; and AddressError and NetworkError if it cannot be found or reached
        now: it is not added then. Others go on.
        """
        self._session.add(one_target(target, self._port))

    def remove(self, target: "AnyTarget") -> None:
        """Send nothing more to a target, given as it was added.

        Its pings in flight are waited for, for `timeout`; its rows and its summary stay in the run. Without
        an end (`count=None`), a run whose last target was removed waits for others, or for `stop`.

        Raises ConfigError for one that is not pinged.
        """
        self._session.remove(one_target(target, self._port))

    def resolve(self) -> "dict[str, Exception]":
        """Look up the names of all targets again, and ping their new addresses from now on.

        Takes as long as the names need; the pings go on meanwhile. An address that is still one of its name's
        stays in use; two names may change places. A reply from an old address then counts as foreign. Gives
        the errors by the names of their targets, which keep their addresses: AddressError for a name that is
        unknown now, ConfigError where another target has the address, and NetworkError.
        """
        return self._session.resolve()


class PrintedPinger(Pinger):
    """Pings whose rows are printed, by the command line and the lab."""

    def __init__(
        self,
        targets: "Sequence[tuple[str, int]]",
        options: "Mapping[str, object]",
        *,
        rows: bool = True,
        announce: bool = False,
        flood: bool | None = None,
    ) -> None:
        self._opened = Session(targets, options, events=rows, announce=announce, flood=flood)

    def miss_no_row(self, memory: int | None = None) -> None:
        """Let rows, or without an interval pings, wait for a slow reader; so many bytes wait in memory."""
        self._session.miss_no_row(memory)

    def rows(self, pause: float) -> "Iterator[Row | None]":
        """Give the rows until the last one, and `None` after each so many seconds without one."""
        while True:
            row = self._session.next_row(pause)
            if row is None and self._session.done:
                return
            yield row

    @property
    def addresses(self) -> dict[str, str]:
        """The address and port of each target by its name, or the name where none was found yet."""
        return {name: address or name for name, address, _ in self._session.targets}

    @property
    def summaries(self) -> "tuple[Summary, ...]":
        """What the pings to each target come to so far."""
        return self._session.run(0).summaries

    @property
    def backlog_failure(self) -> str | None:
        """Why rows could not wait in a temporary file, if that failed."""
        return self._session.backlog_failure


def finite(count: int | None) -> None:
    """Refuse an endless run in a call that waits for its end."""
    if count is None:
        raise refuse("count", count, "a number from 1; Pinger goes on for ever")
