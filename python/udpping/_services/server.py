"""`Server`: the lossy echo server."""

from udpping import _core
from udpping._args import checks, durations
from udpping._args.grammar import delay_text, loss_text, utc_offset
from udpping._args.limits import DEFAULT_PORT
from udpping._args.link import link_text
from udpping._args.public import PublicNames
from udpping._args.targets import is_loopback
from udpping._results.rows import Achieved, Event, LogRow
from udpping._services.service import Listener, next_of
from udpping._table.table import Table
from udpping._table.text import counted
from udpping.errors import AmplificationWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from udpping._args.durations import Duration
    from udpping._args.grammar import DelayLike, LossLike
    from udpping._args.link import LinkLike

LOG_ROWS = 1_000_000
"""Rows that `record=True` keeps."""
NO_LOG = "a server keeps a log if it is made with record=True"


class Counters(PublicNames):
    """What a server has done so far: a snapshot. `None` stands for what the system does not tell.

    Every datagram that was received, and every copy made on purpose, is answered, dropped, waiting, or an
    error.

    >>> import udpping
    >>> with udpping.Server(port=0, loss="pattern:.x") as server:
    ...     run = udpping.ping(*server.address, count=4, timeout=1.5, linger=0)
    >>> server.counters
    4 received, 2 answered, 2 dropped on purpose
    >>> server.counters.dropped, server.counters.clients
    (2, 1)
    """

    received: int
    """Datagrams that arrived."""
    answered: int
    """Replies that were sent."""
    dropped: int
    """Datagrams dropped on purpose, by what the link does, and nothing else."""
    dropped_up: int
    """Dropped datagrams that were on their way to the server."""
    dropped_down: int
    """Dropped datagrams whose replies were dropped."""
    dropped_copies: int
    """Copies made on purpose that were dropped on purpose, too."""
    delayed: int
    """Replies that were delayed on purpose."""
    copies: int
    """Further replies to the same datagram, by duplication on purpose."""
    damaged: int
    """Datagrams that were cut or changed on purpose, on their way or on that of the reply."""
    waiting: int
    """Replies that are delayed now and not yet sent."""
    errors: int
    """Replies that could not be given: the system refused to send them, they found no room to wait, or they
    would have gone to the server itself or to and fro between two servers.

    At most 65,536 replies of 64 MiB together wait for their time, each worker having its share; in the
    log the reason is then `full`.
    """
    kernel_drops: int | None
    """Datagrams that the kernel dropped because the server did not keep up."""
    clients: int
    """Clients that were seen, by address and port.

    65,536 are remembered. One that was forgotten and returns counts, and is treated, as a new one.
    """
    unlogged: int
    """Datagrams that a log of a million rows had no room for; 0 unless recording."""

    def __init__(self, counts: "dict[str, int | None]") -> None:
        self.__dict__.update(counts)

    def as_dict(self) -> "dict[str, int | None]":
        """Everything by name, ready for JSON."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        always = (
            f"{self.received:,} received, {self.answered:,} answered, {self.dropped:,} dropped on purpose"
        )
        others = {
            "delayed": self.delayed,
            "copies": self.copies,
            "damaged": self.damaged,
            "waiting": self.waiting,
            "errors": self.errors,
            "dropped by the kernel": self.kernel_drops,
        }
        return ", ".join([always, *(counted(count, name) for name, count in others.items() if count)])


class Log(Table[LogRow]):
    """What a server did with each datagram: the ground truth beside what a client measured.

    It is a snapshot: what comes later is in the next one. What the columns mean is said with `LogRow`.

    >>> import udpping
    >>> with udpping.Server(port=0, loss="pattern:.x", record=True) as server:
    ...     run = udpping.ping(*server.address, count=3, timeout=2, linger=0)
    >>> for row in server.log:
    ...     print(row.number, row.seq, row.verdict, row.reason)
    1 1 answer None
    2 2 drop loss
    3 3 answer None
    """

    __slots__ = ("_recorded",)
    _row = LogRow._make
    _first = ("recv_wall_ns", "client", "seq", "verdict", "reason", "delay_ns")

    def __init__(self, core: "_core.Table", *, recorded: bool = True) -> None:
        super().__init__(core)
        self._recorded = recorded

    def __repr__(self) -> str:
        return super().__repr__() if self._recorded else f"Log: 0 rows; {NO_LOG}"

    def _repr_html_(self) -> str:
        return super()._repr_html_() if self._recorded else f"<p>0 rows; {NO_LOG}</p>"


class Server(Listener["_core.EchoServer"]):
    """Answers datagrams, and loses or delays some on purpose.

    It runs in the background between `start()` and `stop()`, or within a `with` block; `serve_forever()` runs
    it until Ctrl-C. The port is taken when the server is made and free again when it is stopped. A stopped
    server stays stopped, and tells its counters, log and settings.

    * `host`: the address to listen at, by default this machine's own only; `""` is every IPv4 interface,
      `"::"` every interface of both versions.
    * `port`: 0 to 65,535, by default 12000; 0 takes any free one, and `.address` says which.
    * `loss`: which datagrams get no reply: a probability (0 to 1), `"30%"`, `"4/11"`, or a model of
      `udpping.loss`.
    * `delay`: how long to delay a reply, at most 1 hour: seconds, `"50ms"`, or a model of
      `udpping.delay`.
    * `up`, `down`: all that happens to requests on their way, and to replies on theirs: a `udpping.Link`, or
      its text (`"loss=5%; rate=1Mbit/s"`). `loss` is that of `up` and `delay` that of `down`, so each is
      given once.
    * `reply`: `"upper"` (the request in ASCII capitals), `"same"`, or a text with fields. These are
      `{message}`, `{upper}`, `{seq}`, `{time}`, `{now}` and `{diff}`, the last also as `{diff:.6f}`. `{lost}`
      is how many of this client's requests were dropped on purpose since its last reply. `{pad:1024}` is NULs
      up to that length. What such a text makes is cut at 1,024 bytes, or at the length of a longer request.
    * `seed`: it repeats losses and delays. With the same one, the first client of a server has those of the
      first client of any other, the second those of the second, and so on (see `scope`). Any whole number, of
      4,300 digits at most; `None` draws one, and `.seed` tells it.
    * `scope`: with `"client"` each client has losses and delays of its own. With `"same"` every client has
      the same ones from its first datagram on, so a class, or a client that is started again, meets the
      same losses. With `"shared"` the datagrams of all clients are one sequence. `None` is `"shared"` for
      `loss.RandInt` and `"client"` otherwise. `RandInt` without `"shared"` takes 2.5 KB for each client.
    * `record`: whether to keep `.log`, of a million rows at most.
    * `port_tries`: how many ports to try, upwards from `port`: 1 to 65,535.
    * `workers`: how many threads serve, 1 to 64, each with a socket of its own at the port (more than one:
      Linux only, and not with `scope="shared"`). The system gives each client to one of them; what a client
      loses does not depend on which, nor on how many there are.
    * `gso`: whether replies to one client that are ready together are sent as one packet (UDP_SEGMENT, Linux
      only), which takes a fraction of the CPU time. A firewall, queue or drop on this machine then takes
      all of them or none, so losses no longer show what they do to single datagrams.
    * `server_times`: whether pings that ask (`protocol="text:times"`) are told when they arrived, when the
      reply left, and which pings of their run have arrived. What `up` and `down` do is then part of the way,
      and no such reply is longer than its ping. Other pings are answered as ever.
    * `send_stamps`: whether the kernel takes the time at which each reply leaves, and a later reply of the
      run tells it to pings that ask (`protocol="text:times,follow-up"`), less what `delay` and `down` held
      the reply back. Linux only, with `server_times` and neither `gso` nor several `workers`.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, PortBusyError when the
    port is taken, NetworkError when the system refuses. Warns with AmplificationWarning when strangers
    could make it send more than they did.

    >>> import udpping
    >>> with udpping.Server(port=0, loss="4/11", seed=42, record=True) as server:
    ...     run = udpping.ping(*server.address, count=5, interval=0.01, timeout=2, linger=0)
    >>> server.counters.received
    5
    >>> [row.verdict for row in server.log] == ["drop" if row.reply is None else "answer" for row in run]
    True
    """

    _test_clock = (0, 0)
    """For tests: by how many nanoseconds its clock is wrong, and by how many parts per billion too fast."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        loss: "LossLike" = 0,
        delay: "DelayLike" = 0,
        up: "LinkLike" = "",
        down: "LinkLike" = "",
        reply: str = "upper",
        seed: int | None = None,
        scope: str | None = None,
        record: bool = False,
        port_tries: int = 1,
        workers: int = 1,
        gso: bool = False,
        server_times: bool = False,
        send_stamps: bool = False,
    ) -> None:
        self._recorded = checks.flag("record", record)
        self._core = _core.EchoServer(
            checks.text("host", host),
            checks.whole("port", port),
            loss=loss_text(loss),
            delay=delay_text(delay),
            up=link_text("up", up),
            down=link_text("down", down),
            reply=checks.text("reply", reply),
            utc_offset=utc_offset(),
            seed=None if seed is None else checks.any_whole("seed", seed),
            scope=None if scope is None else checks.text("scope", scope),
            record=LOG_ROWS if self._recorded else 0,
            port_tries=checks.whole("port_tries", port_tries),
            workers=checks.whole("workers", workers),
            gso=checks.flag("gso", gso),
            server_times=checks.flag("server_times", server_times),
            send_stamps=checks.flag("send_stamps", send_stamps),
            test_clock=self._test_clock,
        )
        if self._core.can_amplify and not is_loopback(self.bound[0]):
            import warnings

            links = {"up": self.up, "down": self.down}
            copies = "".join(f", {name} {link!r}" for name, link in links.items() if link)
            warnings.warn(
                f"this server may answer with more than it was sent (reply {self.reply!r}{copies}), so"
                f" strangers who reach {self.bound[0]} can make it send more than they do",
                AmplificationWarning,
                stacklevel=2,
            )

    @property
    def stamps_sends(self) -> bool:
        """Whether the kernel tells when replies leave: with `send_stamps`, where the system can."""
        return self._core.stamps_sends

    def stop(self) -> None:
        """Stop answering and free the port. Replies that still wait are not sent. May be called twice."""
        self._core.stop()

    def serve_forever(self) -> None:
        """Answer until Ctrl-C, which prints the counters and raises KeyboardInterrupt, or until `stop()`.

        Raises what `start` and `wait` raise.
        """
        try:
            self.start()
            self.wait()
        except KeyboardInterrupt:
            self.stop()
            print(f"\n{self.counters}", flush=True)  # noqa: T201 - what Ctrl-C is promised to do
            raise

    def follow(self) -> "Iterator[Event]":
        """Give each datagram as it is handled from now on, until the server stops.

        A slow follower delays nobody: `missed_events` counts what is beyond 65,536 waiting events.
        Ctrl-C is a KeyboardInterrupt; the server goes on.

        >>> import udpping
        >>> with udpping.Server(port=0, loss="pattern:.x") as server:
        ...     events = server.follow()
        ...     run = udpping.ping(*server.address, count=2, timeout=1, message="hello {seq}")
        >>> [(event.message, event.verdict) for event in events]
        [(b'hello 1', 'answer'), (b'hello 2', 'drop')]
        """
        self._core.follow()
        return self._events()

    def next_event(self, seconds: "Duration | None" = None) -> "Event | None":
        """Give the next datagram since `follow()`, or `None`: none came within so long, or it has stopped.

        >>> import udpping
        >>> with udpping.Server(port=0) as server:
        ...     events = server.follow()
        ...     run = udpping.ping(server, count=1)
        ...     server.next_event(1).verdict, server.next_event("10ms")
        ('answer', None)
        """
        values = next_of(self._core, None if seconds is None else durations.seconds("seconds", seconds))
        return None if values is None else Event._make(values)

    def _events(self) -> "Iterator[Event]":
        while (event := self.next_event()) is not None:
            yield event

    @property
    def loss(self) -> str:
        """The loss in force, as text."""
        return self._core.loss

    @property
    def delay(self) -> str:
        """The delay in force, as text."""
        return self._core.delay

    @property
    def up(self) -> str:
        """What happens to requests on their way, as text; empty for nothing."""
        return self._core.up

    @property
    def down(self) -> str:
        """What happens to replies on their way, as text; empty for nothing."""
        return self._core.down

    @property
    def reply(self) -> str:
        """The form of the replies, as text."""
        return self._core.reply

    @property
    def seed(self) -> int:
        """The seed in force: the same one repeats the losses and delays, as `scope` says for whom."""
        return self._core.seed

    @property
    def scope(self) -> str:
        """`client`, `same` or `shared`."""
        return self._core.scope

    @property
    def counters(self) -> Counters:
        """What it has done so far; ask at any time, also when it has stopped."""
        return Counters(self._core.counters())

    def report(self) -> list[Achieved]:
        """Give what was asked of each effect of the two ways, and what it did so far, with a 95 % interval.

        >>> import udpping
        >>> with udpping.Server(port=0, up="loss=burst:20%,3", down="corrupt=1%", seed=1) as server:
        ...     run = udpping.ping(server, count=1000, interval=0.0005, timeout=1)
        >>> for done in server.report():
        ...     print(done.direction, done.effect, done.asked, done.low < done.asked < done.high)
        up loss 0.2 True
        down corrupt 0.01 True
        """
        return [Achieved._make(values) for values in self._core.shares()]

    @property
    def log(self) -> Log:
        """What it did with each datagram so far: a snapshot, empty without `record`."""
        return Log(self._core.log(), recorded=self._recorded)

    def _shown(self) -> str:
        host, port = self.bound
        state = "running" if self.running else "not running"
        setup = f"loss {self.loss}, delay {self.delay}, seed {self.seed}"
        return f"<udpping.Server {host} port {port}, {setup}: {state}>"
