"""`ping`, `Pinger` and `ping_many`: measure round trips and loss."""

from udpping._args import durations
from udpping._args.checks import refuse
from udpping._args.keywords import SuggestsKeywords, suggests_keywords
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, PROTOCOL, SCHEDULE, TIMEOUT, port_of
from udpping._args.targets import one_or_many, one_target, sole_target, targets_of
from udpping._services.session import Session
from udpping.errors import NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from udpping._args.checks import Path
    from udpping._args.durations import Duration
    from udpping._args.targets import AnyTarget
    from udpping._results.rows import Row, TargetEvent
    from udpping._results.run import Run, Summary
    from udpping._results.ways import Ways
    from udpping.detect import Detector


@suggests_keywords
def ping(
    host: "AnyTarget" = "localhost",
    port: int | None = None,
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
    protocol: str = PROTOCOL,
    key: "Path | None" = None,
) -> "Run":
    """Ping a UDP server and wait for the end of the run.

    Each ping is the line `Ping <seq> <time>`. A reply is matched to its ping by the sequence number, else by
    the payload, else because only one ping is in flight. Late, duplicate and foreign datagrams are counted
    separately. The round-trip time is that of RFC 2681, on a monotonic clock.

    * `host`, `port`: the target: a name or an IP address (default: this machine), and a port from 1 to 65,535
      (`None`: 12000, that of the course). `host` may include the port: `"host:12000"`, `"[::1]:12000"`,
      `(host, port)`, a `Server`, or a `Target`; another `port` beside it is an error.
    * `count`: number of pings, from 1 (default: 10). Use `Pinger` for a run without an end.
    * `timeout`: how long to wait for each reply, from 1 µs to 1 day (default: 1 s). A reply after it is
      `late` and counts as lost.
    * `interval`: time from one ping to the next, from 1 µs to 1 day, whether replies come or not; `None`
      sends the next ping when the last one is answered or timed out. No ping is skipped: overdue ones are
      sent at once, and `summary.behind` counts those that left an interval late or later.
    * `linger`: how long to wait for late and duplicate replies after the last timeout, up to 1 day; `None`
      is `timeout` if replies are missing, else 0.
    * `misses`: stop after this many pings in a row without a reply in time, from 1; `None` never does.
    * `size`: bytes of payload, to which the text is padded, up to 65,507. The least is what the text needs:
      26 for ten pings, 44 for a run without an end. `None` does not pad.
    * `bind`: local IP address to send from, with the interface if it is link-local (`"fe80::1%eth0"`), or an
      interface (`"eth0"`, Linux only), which then carries all pings and replies; `None` lets the system
      choose.
    * `ttl`, `dscp`: hop limit (1 to 255) and class of service (0 to 63); `None` is the system's default.
    * `df`: forbid routers to fragment (Linux only). A ping that is longer than the path allows then has the
      status `error`, and `run.problems` has the MTU.
    * `broadcast`: allow broadcast and multicast addresses. The first reply counts, `source` is its sender,
      and further replies are its `copies`. Multicast goes one hop unless `ttl` is set, through the interface
      of `bind` or of the address (`"ff02::1%eth0"`).
    * `family`: `"ipv4"` or `"ipv6"` uses that version only; `None` prefers IPv4.
    * `message`: text of a ping, for servers that expect another line. It contains `{seq}`, and optionally
      `{time}` (seconds since 1970, as Python prints them), `{ctime}` (`Tue Nov 14 22:13:20 2023`, local time)
      or `{ms}` (milliseconds since 1970). Without `{time}`, replies are harder to match.
    * `first_seq`: number of the first ping, from 0 (default: 1).
    * `schedule`: how pings are spaced with `interval`: `"isochronous"` (evenly; the default), `"poisson"`
      (exponential gaps with the interval as their mean), `"uniform"` (gaps from 0 to twice the interval;
      `"uniform:10%"`: within 10 % of it), `"train:10"` (ten back to back in each interval) or `"pair"`.
    * `seed`: any whole number; repeats a random schedule. `None` chooses one, which is then `run.seed`.
    * `busy`: poll for replies without waiting: the shortest round trips, but a full processor core. With one
      target `foreign` is then `None`.
    * `spin`: how long to busy-wait before a ping is due, up to 1 s, as a waiting program wakes up late;
      `None` adapts (20 to 200 µs), and is 0 with several targets.
    * `protocol`: `"text"` (the default), `"text:times"` or `"stamp"`. `"text:times"` asks a
      `Server(server_times=True)` for its times and for what it has received. `lost_on` then says on which way
      each lost ping was lost. Pings are 167 bytes longer. `"stamp"` sends test packets of STAMP (RFC 8762) to
      a `Reflector` or a router, by default at port 862. With both, replies tell when pings arrived and when
      replies left: `server_recv_ns` and `server_sent_ns` of a row. `"stamp:ssid=7"` names the session,
      `"stamp:timestamps=ptp"` sends times in the format of PTP; commas join them. A packet has 44 bytes, with
      a key 112. `"text:times,follow-up"` and `"stamp:follow-up"` also ask each reply when an earlier one left
      by the kernel there, if that has `send_stamps=True`. Pings are then 32 bytes longer, and packets have 64
      bytes or 152.
    * `key`: a file with the secret of the reflector, in the form of its `keys`: packets have an HMAC, and
      replies without a right one are not counted. `None` takes the environment variable UDPPING_STAMP_KEY,
      if it is set.

    All times are seconds, text with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`) such as `"200ms"`, or a
    `timedelta`, as everywhere in udpping.

    Where the kernel timestamps packets (Linux; tried for each socket), `rtt_ns` excludes the time until this
    program is scheduled; `user_rtt_ns` includes it. `stamp` says where the times of a row come from.

    The run has a row for each ping, except for those in flight when it is stopped: `summary.pending` counts
    them.

    Raises ConfigError for an invalid argument, AddressError for an unknown name, NetworkError if the system
    refuses, and Interrupted on Ctrl-C, which carries the run so far. A missing reply is no error.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.ping(server, count=3)
    >>> [row.status for row in run]
    ['reply', 'reply', 'reply']
    >>> run[0].reply[:7]
    b'PING 1 '

    With an interval, here 1 ms, the reply to one ping may overtake that to another:

    >>> with udpping.Server(port=0, delay="uniform:0ms,20ms", seed=1) as server:
    ...     run = udpping.ping(*server.address, count=20, interval="1ms", timeout=2)
    >>> run.summary.received, run.summary.reordered > 0
    (20, True)

    Two by two:

    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.ping(*server.address, count=4, interval=0.01, schedule="pair")
    >>> [row.due_ns for row in run]
    [0, 0, 10000000, 10000000]
    """
    finite(count)
    session = Session(
        [sole_target(host, port, default=port_of(protocol))],
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
            "protocol": protocol,
            "key": key,
        },
    )
    return session.finish()


@suggests_keywords
def ping_many(
    targets: "Iterable[AnyTarget]",
    *,
    port: int | None = None,
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
    protocol: str = PROTOCOL,
    key: "Path | None" = None,
) -> "Run":
    """Ping several servers at once: one table with the target in each row, and `run.summaries`.

    A target is `"host"`, `"host:port"`, `"[v6]:port"`, `(host, port)`, a `Target` or a `Server`; `port` is
    that of targets without one (`None`: 12000, or 862 with `protocol="stamp"`). `count` pings are sent to
    each. All else is as in `ping`, except:

    * With `interval`, the first pings are spread over it, so that they do not all leave at once.
    * A datagram from a stranger belongs to no target, and targets share sockets: `foreign` and
      `kernel_drops` are counted in `run.summary`, and are `None` in `run.summaries`.

    Raises ConfigError as `ping` does, and for an empty list or two targets with the same address and port,
    by whatever names, unless their `size` or `dscp` differs; no ping is sent then. A target that cannot be
    found or reached does not stop the others: its pings have the status `error`, and `run.problems` has the
    reason. If that is so of all targets, AddressError or NetworkError is raised.

    >>> import udpping
    >>> with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
    ...     run = udpping.ping_many([near.address, deaf.address], count=2, timeout=1.5)
    >>> [summary.received for summary in run.summaries]
    [2, 0]
    >>> run.summary.sent, [row.seq for row in run]
    (4, [1, 2, 1, 2])
    """
    finite(count)
    session = Session(
        targets_of(targets, port_of(protocol) if port is None else port),
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
            "protocol": protocol,
            "key": key,
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
        """The address and port of the first target: `127.0.0.1:12000` or `[::1]:12000`."""
        name, address, _ = self._session.targets[0]
        return address or name

    @property
    def problems(self) -> "dict[str, str]":
        """Why pings have the status `error`: the latest reason, by target.

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
        """The counts and round trips so far, at any time."""
        return self._session.summary()

    @property
    def missed_rows(self) -> int:
        """Rows that were not given because 65,536 others waited; the run and the summary include them."""
        return self._session.missed_rows

    @property
    def events(self) -> "tuple[TargetEvent, ...]":
        """When targets were up and down, the latest 65,536 of it: whoever else gets them. See `detector`."""
        return self._session.events

    def so_far(self) -> "Run":
        """Return the run so far, at any time; pings in flight have no row yet."""
        return self._session.run()

    def stop(self) -> None:
        """End the run without waiting for replies. No ping leaves once it returns.

        It can be called twice, and from any thread.
        """
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
    """Pings one target or several, and gives each row as it comes: iterate over it.

    A row comes when its ping is answered or timed out, and again when a late or duplicate reply changes it.
    Arguments, defaults and errors are those of `ping`. Names are looked up and sockets opened when the object
    is made; the first ping is sent when the block is entered or the first row is asked for. Leaving the block
    stops the run; pings then in flight have no row. Ctrl-C raises Interrupted, which carries the run.

    `announce=True` also gives each row when its ping is sent, with the status `open`.

    `count=None` never ends, in bounded memory. To another machine it needs an `interval`; without one,
    ConfigError is raised, also by `add` and in what `resolve` returns. The run keeps the latest 65,536 to
    81,920 pings; the summary counts all of them, with quantiles within 1 % (`quantile_error`). Up to 65,536
    rows wait to be taken; further ones are only counted, in `missed_rows`.
    `keep=n` keeps the latest n pings of each target instead, and up to a quarter more: from 16 to 1,000,000,
    each about 100 bytes and its reply. By default several targets share 1,048,576, with 1,024 each at least.
    A name is looked up again every minute, and 2 seconds after three pings in a row without a reply, then
    after 4, 8, up to 60 seconds. When the name no longer has the address in use, pings go to the new one:
    see `address`, and the `source` of replies. A run with a count keeps its addresses.

    `detector` tells when a target is `down`, and `up` again: one of `udpping.detect` or its text, such as
    `"calibrated:1 per day"` for one false alarm a day, on any path. It needs an even `interval` of 1 ms or
    more. Each reply is a heartbeat, also one that is late: so a target is silent from its last reply on,
    whatever the `timeout`. A ping that left late, or could not be sent, is not held against the target. It
    is up with its first reply, and up again with two in a row. `next_event` and `events` give a `TargetEvent`
    each time; without a detector there are none.

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

    A server that stops, and 10 pings without a reply:

    >>> with udpping.Server(port=0) as server:
    ...     with udpping.Pinger(server, count=None, interval="20ms", detector="fixed:10") as pinger:
    ...         events = [pinger.next_event()]
    ...         server.stop()
    ...         events.append(pinger.next_event())
    >>> [event.event for event in events]
    ['up', 'down']

    `host` may also be a list of targets, as `ping_many` takes. `add` and `remove` change the targets during
    the run, and `resolve` looks up their names again:

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
        port: int | None = None,
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
        protocol: str = PROTOCOL,
        key: "Path | None" = None,
        announce: bool = False,
        keep: int | None = None,
        detector: "str | Detector | None" = None,
    ) -> None:
        self._port = port_of(protocol) if port is None else port
        self._opened = Session(
            one_or_many(host, port, self._port),
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
                "protocol": protocol,
                "key": key,
            },
            events=True,
            announce=announce,
            keep=keep,
            detector=detector,
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

    def next_event(self, seconds: "Duration | None" = None) -> "TargetEvent | None":
        """Give the next event of a `detector`, or `None` when none comes within so long, or after the run.

        Each event is given once; `events` has them all. It starts the run, as asking for a row does, and
        takes no row. Raises ConfigError without a `detector`, NetworkError when the system ends the run, and
        Interrupted on Ctrl-C.
        """
        return self._session.next_event(None if seconds is None else durations.seconds("seconds", seconds))

    def run(self) -> "Run":
        """Wait for the end (with `count=None`: for `stop` or Ctrl-C) and return the whole run.

        Raises NetworkError when the system ends it, and Interrupted on Ctrl-C.
        """
        return self._session.finish()

    def add(self, target: "AnyTarget") -> None:
        """Ping one more target; its first ping is sent within an interval.

        It has its own rows and summary. It may have the address of another target if its `dscp` or `size`
        differs; it then has its own socket, so that replies can be told apart. A target that was removed
        continues with its next number. Its name is looked up now.

        Raises ConfigError if it is pinged already, if there are 65,536 targets (with those removed), and
        after the end of the run; AddressError or NetworkError if it cannot be found or reached now. It is not
        added then, and the others go on.
        """
        self._session.add(one_target(target, self._port))

    def remove(self, target: "AnyTarget") -> None:
        """Stop pinging a target, given as it was added.

        Replies to its pings in flight still count, for `timeout`; its rows and its summary stay in the run.
        With `count=None`, a run without targets waits for new ones, or for `stop`.

        Raises ConfigError if it is not pinged.
        """
        self._session.remove(one_target(target, self._port))

    def resolve(self) -> "dict[str, Exception]":
        """Look up the names of all targets again, and ping their new addresses from now on.

        The run goes on during the lookup. A target keeps its address if its name still has it; two targets
        may swap addresses. A reply from an old address counts as foreign. Returns the errors by target; these
        targets keep their addresses: AddressError for a name that is unknown now, ConfigError if another
        target has the address, and NetworkError.
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
        detector: "str | None" = None,
        flood: bool | None = None,
        patient: bool = False,
    ) -> None:
        self._opened = Session(
            targets,
            options,
            events=rows,
            announce=announce,
            detector=detector,
            flood=flood,
            patient=patient,
        )

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
    def ways(self) -> "tuple[Ways, ...]":
        """The ways up and down of the pings whose rows are kept: the latest of a run without an end."""
        return self._session.run().ways

    @property
    def backlog_failure(self) -> str | None:
        """Why rows could not wait in a temporary file, if that failed."""
        return self._session.backlog_failure


def finite(count: int | None) -> None:
    """Refuse an endless run in a call that waits for its end."""
    if count is None:
        raise refuse("count", count, "a number from 1; Pinger goes on for ever")
