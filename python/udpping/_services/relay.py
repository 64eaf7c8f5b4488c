"""`Relay`: a bad network between any two programs."""

from udpping import _core
from udpping._args import checks, durations
from udpping._args.link import Link, link_text
from udpping._args.public import PublicNames
from udpping._args.targets import is_loopback, one_place
from udpping._results.rows import Achieved, RelayEvent, RelayRow
from udpping._services.service import Listener, next_of
from udpping._table.table import Table
from udpping._table.text import counted
from udpping.errors import AmplificationWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from udpping._args.durations import Duration
    from udpping._args.link import LinkLike
    from udpping._args.targets import AnyTarget


LOG_ROWS = 1_000_000
"""Rows that `record=True` keeps."""
NO_PORT = 0
NO_LOG = "a relay keeps a log if it is made with record=True"


class WayCounters(PublicNames):
    """What one direction of a relay has done so far. `None` stands for what the system does not tell.

    `received` and `duplicated` together are the sum of `sent`, `dropped`, `queue_drops`, `errors` and
    `waiting`.
    """

    received: int
    """Datagrams that arrived."""
    sent: int
    """Datagrams that were sent on, further copies included."""
    dropped: int
    """Datagrams dropped on purpose: lost, longer than the mtu, or at a time at which nothing passes."""
    delayed: int
    """Datagrams that were delayed on purpose."""
    duplicated: int
    """Further copies made on purpose."""
    reordered: int
    """Datagrams that leave before one that arrived earlier, on purpose."""
    corrupted: int
    """Datagrams that were changed or cut on purpose."""
    queue_drops: int
    """Datagrams that found the queue of the rate full."""
    kernel_drops: int | None
    """Datagrams that the kernel dropped because the relay did not keep up."""
    errors: int
    """Datagrams that could not be sent on: the system refused them, there was no room for them to wait or for
    a new client, or they had gone in a circle.

    At most 65,536 datagrams of 64 MiB together wait for their time.
    """
    waiting: int
    """Datagrams that are delayed now and not yet sent on."""

    def __init__(self, counts: "dict[str, int | None]") -> None:
        self.__dict__.update(counts)

    def as_dict(self) -> "dict[str, int | None]":
        """Everything by name, ready for JSON."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        always = f"{self.received:,} received, {self.sent:,} sent, {self.dropped:,} dropped on purpose"
        others = {
            "delayed": self.delayed,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "corrupted": self.corrupted,
            "dropped by the queue": self.queue_drops,
            "dropped by the kernel": self.kernel_drops,
            "errors": self.errors,
            "waiting": self.waiting,
        }
        return ", ".join([always, *(counted(count, name) for name, count in others.items() if count)])


class RelayCounters(PublicNames):
    """What a relay has done so far: a snapshot.

    >>> import udpping
    >>> with udpping.Server(port=0) as server, udpping.Relay(server, up="loss=pattern:.x") as relay:
    ...     run = udpping.ping(relay, count=4, timeout=1.5, linger=0)
    >>> relay.counters
    up: 4 received, 2 sent, 2 dropped on purpose
    down: 2 received, 2 sent, 0 dropped on purpose
    >>> relay.counters.up.dropped, relay.counters.clients
    (2, 1)
    """

    up: WayCounters
    """From clients to the target."""
    down: WayCounters
    """From the target to clients."""
    clients: int
    """Clients known now, by address and port, and by the address of the relay that they send to."""
    refused: int
    """Datagrams of clients for whom there was no room; they are among the errors of `up`."""
    unreachable: int
    """ICMP errors that came back from the target: mostly that nothing listens there."""
    foreign: int
    """Datagrams to the relay that claim to be from the target or from the relay itself, and with
    `follow_port` those to a client's port from another address than the target's; they go nowhere. Without
    it, the system refuses what does not come from the target's own port, and that is not counted."""
    unlogged: int
    """Datagrams that a log of a million rows had no room for; 0 unless recording."""

    def __init__(self, counts: "tuple[dict[str, int | None], dict[str, int | None], dict[str, int]]") -> None:
        up, down, whole = counts
        self.__dict__.update(up=WayCounters(up), down=WayCounters(down), **whole)

    def as_dict(self) -> "dict[str, object]":
        """Everything by name, ready for JSON."""
        return {**self.__dict__, "up": self.up.as_dict(), "down": self.down.as_dict()}

    def __repr__(self) -> str:
        others = {
            "of clients without room": self.refused,
            "refused by the target": self.unreachable,
            "foreign": self.foreign,
        }
        more = ", ".join(counted(count, name) for name, count in others.items() if count)
        return f"up: {self.up}\ndown: {self.down}" + (f"\n{more}" if more else "")


class RelayLog(Table[RelayRow]):
    """What a relay did with each datagram, in both directions.

    It is a snapshot: what comes later is in the next one. What the columns mean is said with `RelayRow`.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     with udpping.Relay(server, up="loss=pattern:.x", record=True) as relay:
    ...         run = udpping.ping(relay, count=2, timeout=2, linger=0)
    >>> for row in relay.log:
    ...     print(row.direction, row.number, row.verdict, row.reason)
    up 1 send None
    down 1 send None
    up 2 drop loss
    """

    __slots__ = ("_recorded",)
    _row = RelayRow._make
    _first = ("recv_wall_ns", "direction", "client", "number", "verdict", "reason", "delay_ns")

    def __init__(self, core: "_core.Table", *, recorded: bool = True) -> None:
        super().__init__(core)
        self._recorded = recorded

    def __repr__(self) -> str:
        return super().__repr__() if self._recorded else f"RelayLog: 0 rows; {NO_LOG}"

    def _repr_html_(self) -> str:
        return super()._repr_html_() if self._recorded else f"<p>0 rows; {NO_LOG}</p>"


class Relay(Listener["_core.UdpRelay"]):
    """Passes datagrams between clients and a target, and loses, delays or changes some on purpose.

    A client sends to the relay instead of the target, and its replies come back the same way: no program has
    to be changed, and nothing needs root. It runs in the background between `start()` and `stop()`, or within
    a `with` or an `async with` block. The port is taken when the relay is made and free again when it is
    stopped. A stopped relay stays stopped, and tells its counters and settings.

    * `to`: where datagrams of clients go: `"host:port"`, `(host, port)`, or a `Server` or another relay.
    * `host`: the address to listen at, by default this machine's own only; `""` is every IPv4 interface,
      `"::"` every interface of both versions.
    * `port`: 0 to 65,535; 0, the default, takes any free one, and `.address` says which.
    * `up`, `down`: all that happens to datagrams on their way to the target, and to those on their way back:
      a `udpping.Link`, or its text (`"loss=5%; delay=40ms"`).
    * `link`: what happens to datagrams in both directions, beside that.
    * `seed`: with the same one, the first client of a relay has the losses and delays of the first client of
      any other, and so on. Any whole number; `None` draws one, and `.seed` tells it.
    * `idle`: how long a client may be silent before it is forgotten, 10 ms to 1 day, by default 5 minutes.
    * `record`: whether to keep `.log`, of a million rows at most.
    * `follow_port`: whether replies may also come from another port of the target, to which the client's next
      datagrams then go, as TFTP needs it.
    * `spin`: how long before a datagram is due the relay no longer waits for that, but looks again and again,
      0 (the default) to 1 second: it then leaves within microseconds of its time, and takes a processor.
    * `port_tries`: how many ports to try, upwards from `port`: 1 to 65,535.

    Each client has a port of its own toward the target, so the target sees as many clients as there are. One
    that sends to several addresses of the relay is a client for each, and each reply comes from its own.
    Replies come from the target alone: what others send to such a port goes nowhere.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, PortBusyError when the
    port is taken, NetworkError when the system refuses. Warns with AmplificationWarning when strangers
    could make it send more than they did.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     with udpping.Relay(server, up="loss=pattern:..x", down="delay=20ms", seed=1) as relay:
    ...         run = udpping.ping(relay, count=3, timeout=2, linger=0)
    >>> run.summary.lost, relay.counters.up.dropped, relay.counters.down.delayed
    (1, 1, 2)
    >>> run.summary.rtt_min_ns > 20_000_000
    True
    """

    def __init__(
        self,
        to: "AnyTarget",
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        up: "LinkLike" = "",
        down: "LinkLike" = "",
        link: "LinkLike" = "",
        seed: int | None = None,
        record: bool = False,
        idle: "Duration" = 300,
        follow_port: bool = False,
        spin: "Duration" = 0,
        port_tries: int = 1,
    ) -> None:
        self._recorded = checks.flag("record", record)
        both = link_text("link", link)
        ways = {name: both_and(both, link_text(name, way)) for name, way in (("up", up), ("down", down))}
        target = one_place(to, None, "to", NO_PORT)
        if target[1] == NO_PORT:
            raise checks.refuse("to", to, '"host:port", with the port of the target')
        self._core = _core.UdpRelay(
            target,
            checks.text("host", host),
            checks.whole("port", port),
            **ways,
            seed=None if seed is None else checks.any_whole("seed", seed),
            idle=durations.nanos("idle", idle, durations.IDLE),
            follow_port=checks.flag("follow_port", follow_port),
            record=LOG_ROWS if self._recorded else 0,
            spin=durations.nanos("spin", spin, durations.SPIN),
            port_tries=checks.whole("port_tries", port_tries),
        )
        copying = [name for name in ways if "duplicate=" in getattr(self._core, name)]
        if copying and not is_loopback(self.bound[0]):
            import warnings

            warnings.warn(
                f"this relay may send more than it was sent ({', '.join(copying)} has duplicate), so"
                f" strangers who reach {self.bound[0]} can make it send more than they do",
                AmplificationWarning,
                stacklevel=2,
            )

    def stop(self) -> None:
        """Stop relaying and free the port. Datagrams that still wait are not sent. May be called twice."""
        self._core.stop()

    def rebind(self) -> None:
        """Give each client another port toward the target, as a NAT does that forgot them.

        What arrives from now on goes from there. Replies to the old ports are gone.

        >>> import socket, udpping
        >>> with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        ...     client.settimeout(5)
        ...     with udpping.Server(port=0) as server, udpping.Relay(server) as relay:
        ...         for _ in range(2):
        ...             size = client.sendto(b"hello", relay.address)
        ...             reply = client.recv(2048)
        ...             relay.rebind()
        >>> server.counters.clients, relay.counters.clients
        (2, 1)
        """
        self._core.rebind()

    def block(self, seconds: "Duration") -> None:
        """Let nothing pass for so long, from now on, up to 1 day; 0 ends it. What is on its way arrives.

        >>> import udpping
        >>> with udpping.Server(port=0) as server, udpping.Relay(server) as relay:
        ...     relay.block("1h")
        ...     lost = udpping.ping(relay, count=1, timeout=0.1, linger=0)
        ...     relay.block(0)
        ...     back = udpping.ping(relay, count=1, timeout=5)
        >>> lost.summary.received, back.summary.received
        (0, 1)
        """
        self._core.block(durations.nanos("seconds", seconds, durations.LINGER))

    def follow(self) -> "Iterator[RelayEvent]":
        """Give each datagram as it arrives from now on, until the relay stops.

        A slow follower delays nobody: `missed_events` counts what is beyond 65,536 waiting events.
        Ctrl-C is a KeyboardInterrupt; the relay goes on.

        >>> import udpping
        >>> with udpping.Server(port=0) as server, udpping.Relay(server, down="loss=1") as relay:
        ...     events = relay.follow()
        ...     run = udpping.ping(relay, count=1, timeout=2, linger=0, message="hello {seq}")
        >>> [(event.direction, event.message, event.verdict) for event in events]
        [('up', b'hello 1', 'send'), ('down', b'HELLO 1', 'drop')]
        """
        self._core.follow()
        return self._events()

    def next_event(self, seconds: "Duration | None" = None) -> "RelayEvent | None":
        """Give the next datagram since `follow()`, or `None`: none came within so long, or it has stopped."""
        values = next_of(self._core, None if seconds is None else durations.seconds("seconds", seconds))
        return None if values is None else RelayEvent._make(values)

    def _events(self) -> "Iterator[RelayEvent]":
        while (event := self.next_event()) is not None:
            yield event

    @property
    def log(self) -> RelayLog:
        """What it did with each datagram so far: a snapshot, empty without `record`."""
        return RelayLog(self._core.log(), recorded=self._recorded)

    @property
    def up(self) -> Link:
        """What happens to datagrams on their way to the target; another one can be set while it runs.

        >>> import udpping
        >>> relay = udpping.Relay("127.0.0.1:9", up="loss=5%")
        >>> relay.up = udpping.Link(str(relay.up), delay="10ms")
        >>> relay.up, relay.down
        (udpping.Link('loss=0.05; delay=10ms'), udpping.Link(''))
        >>> relay.stop()
        """
        return Link(self._core.up)

    @up.setter
    def up(self, link: "LinkLike") -> None:
        self._core.set(True, link_text("up", link))

    @property
    def down(self) -> Link:
        """What happens to datagrams on their way back; another one can be set while it runs."""
        return Link(self._core.down)

    @down.setter
    def down(self, link: "LinkLike") -> None:
        self._core.set(False, link_text("down", link))

    def report(self) -> list[Achieved]:
        """Give what was asked of each effect of the two ways, and what it did, with a 95 % interval.

        Setting `up` or `down` begins that way anew. What `block` drops counts as passed: no link did it.

        >>> import udpping
        >>> with udpping.Server(port=0) as server:
        ...     with udpping.Relay(server, up="loss=pattern:..x; delay=1ms", down="mtu=1280") as relay:
        ...         run = udpping.ping(relay, count=3, timeout=2, linger=0)
        >>> for done in relay.report():
        ...     print(done.direction, done.effect, done.hits, "of", done.of)
        up loss 1 of 3
        down mtu 0 of 2
        """
        return [Achieved._make(values) for values in self._core.shares()]

    @property
    def target(self) -> tuple[str, int]:
        """The host and port to which datagrams of clients go."""
        return self._core.target

    @property
    def seed(self) -> int:
        """The seed in force: the same one repeats the losses and delays of each client."""
        return self._core.seed

    @property
    def counters(self) -> RelayCounters:
        """What it has done so far; ask at any time, also when it has stopped."""
        return RelayCounters(self._core.counters())

    def _shown(self) -> str:
        host, port = self.bound
        state = "running" if self.running else "not running"
        setup = f"up {str(self.up) or 'nothing'}, down {str(self.down) or 'nothing'}, seed {self.seed}"
        return (
            f"<udpping.Relay {host} port {port} to {self.target[0]} port {self.target[1]}, {setup}: {state}>"
        )


def both_and(both: str, way: str) -> str:
    """Join what is said of both directions and what is said of one."""
    return "; ".join(part for part in (both, way) if part)
