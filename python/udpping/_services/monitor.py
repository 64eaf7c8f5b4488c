"""`Monitor`: watches the senders of heartbeats."""

from udpping import _core
from udpping._args import checks, durations
from udpping._args.durations import HEARTBEAT, LINGER
from udpping._args.grammar import detector_text, loss_text, utc_offset
from udpping._args.keys import read_keys
from udpping._args.limits import MONITOR_PORT
from udpping._args.targets import one_place
from udpping._results.rows import MonitorEvent, PeerRow
from udpping._services.service import Listener, next_of
from udpping._table.table import Table
from udpping._table.text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from udpping._args.checks import Path
    from udpping._args.durations import Duration
    from udpping._args.grammar import LossLike
    from udpping._args.targets import AnyTarget
    from udpping.detect import Detector


class Peers(Table[PeerRow]):
    """The clients of a monitor, by name: a snapshot. What the columns mean is said with `PeerRow`."""

    __slots__ = ()
    _row = PeerRow._make
    _first = ("client", "state", "since_wall_ns", "last_seen_wall_ns", "seq", "received", "lost")


class Events(Table[MonitorEvent]):
    """What a monitor noticed: a snapshot. What the columns mean is said with `MonitorEvent`."""

    __slots__ = ()
    _row = MonitorEvent._make
    _first = ("wall_ns", "event", "message", "client")


class MonitorCounters:
    """What a monitor received, refused and missed: a snapshot."""

    received: int
    """Datagrams that arrived."""
    dropped: int
    """Datagrams lost on purpose, as `loss` asks for."""
    unreadable: int
    """Datagrams that are not a heartbeat of any known format, or whose signature does not protect them.
    `Monitor.unreadable` shows the latest."""
    unsealed: int
    """Datagrams without a signature, where there are keys."""
    forged: int
    """Datagrams with a wrong signature."""
    stale: int
    """Datagrams of a session that is over, or older than the last: late, replayed, or of a second sender."""
    refused: int
    """Datagrams of new clients for which there was no room."""
    evicted: int
    """Clients that were forgotten to make room for others."""
    stalls: int
    """How often the monitor itself did not run for a while."""
    kernel_drops: int
    """Datagrams that the kernel dropped because the monitor did not keep up, where the system says so."""
    unreported: int
    """Events of new or unstable clients that were counted and not reported, as there were too many."""
    unwritten: int
    """Events that are missing in the files of `state` and `log`."""
    clients: int
    """Clients that are known now."""
    outage: int
    """Clients that fell silent together with others, and have not sent again."""
    isolated: bool
    """Whether this machine's own connection is gone, so that silent clients are unknown."""
    unkept: str | None
    """Why something could not be written to `state` or `log`, the last time that happened."""

    def __init__(self, counts: "dict[str, int | bool | str | None]") -> None:
        self.__dict__.update(counts)

    def as_dict(self) -> "dict[str, int | bool | str | None]":
        """Everything by name, ready for JSON."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        always = f"{self.received:,} received, {counted(self.clients, 'clients')}"
        others = ("unreadable", "unsealed", "forged", "stale", "refused", "evicted", "stalls", "kernel_drops")
        counts = {"dropped on purpose": self.dropped}
        counts |= {name.replace("_", " "): getattr(self, name) for name in others}
        counts |= {"events only counted": self.unreported, "events not in the files": self.unwritten}
        return ", ".join([always, *(counted(count, name) for name, count in counts.items() if count)])


class Monitor(Listener["_core.HeartbeatMonitor"]):
    """Watches the senders of heartbeats: who is alive, who has stopped, and what was lost on the way.

    It runs in the background between `start()` and `stop()`, or within a `with` block. A loop over it gives
    events as they happen, until it is stopped. It understands `udpping.Heartbeat` and every dialect of the
    course's heartbeat exercise; clients are told apart by the name in their heartbeats, and by address and
    port where there is none.

    A client is `new` with its first heartbeat and `up` with the second. It is `late` when the next one would
    have arrived in 99 of 100 cases, and `suspect` when a healthy sender is silent for that long in 1 of 100
    cases. It is `down` when it is silent for longer than the detector allows, and `bye` when it said goodbye.
    A client that was down is up again after two fresh heartbeats. When at least three clients, and half of
    those that were up, are silent at the same time, there is one `outage`. Each of them is then `down` after
    three of its detection times and 5 seconds at the latest. While the monitor can show that its own
    connection is gone, silent clients are `unknown` and not down.

    * `host`: the address to listen at; `""` is every IPv4 interface, `"::"` every interface of both
      versions.
    * `port`: 0 to 65,535, by default 12001; 0 takes any free one, and `.address` has its number.
    * `detector`: how long a client may be silent: one of `udpping.detect` or its text. Until the third
      heartbeat of a client, every detector allows three intervals and a second.
    * `interval`: the interval that is assumed of clients that do not state theirs, at least; from 1 ms to a
      day.
    * `keys`: a file with a line `name secret` for each key, or `name secret senders` for one that is valid
      for some clients only, such as `web*,db1`; `None` takes the environment's `UDPPING_KEY`. If there are
      keys, heartbeats that are not signed with one, or that could be a replay, are refused.
    * `answer`: whether fresh heartbeats are answered with `number difference`, as the course's servers do.
    * `losses`: whether each loss is an event.
    * `beats`: whether each heartbeat is an event.
    * `max_clients`: the maximum number of clients, 1 to 10,000,000. When it is reached, clients that sent one
      heartbeat only make room first, then those that stopped. A client takes 0.5 KB, and 2 KB with all that
      was learned of it (4 KB with the detectors `phi`, `chen` and `2w-fd`).
    * `per_prefix`: the maximum number of clients of one network (/24 of IPv4, /64 of IPv6), without keys.
    * `idle`: an event reports when no heartbeat arrives for this long, up to a day; 0 disables it.
    * `loss`: which heartbeats to drop on purpose as they arrive, and `seed`: as those of `udpping.Server`.
    * `port_tries`: how many ports to try, upwards from `port`.
    * `state`: a directory, created if missing, from which a monitor continues after a restart; after a crash
      the last second may be missing. What happened while no monitor ran is unknown, and does not count
      against a client; but silence while one ran adds up, so a client that died is detected.
    * `log`: a CSV file to which events are appended, and at the end a line for each client; each run has a
      name of its own there. A link, or a file that no monitor wrote, is an error and stays as it is, also in
      `state`. New files can be read by their owner only.
    * `witness`: a host that sends no heartbeats, such as `"host:12000"`. It is pinged every 5 seconds, and
      twice a second while a client is silent. Any answer counts, also that the port is closed. If it does not
      answer and no heartbeat arrives, the monitor's own connection is gone.
    * `on_event`: called with each event, in a thread; a slow call delays later events and nothing else.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, PortBusyError when the port
    is taken, OSError for files, NetworkError when the system refuses.

    >>> import udpping
    >>> with udpping.Monitor("127.0.0.1", 0) as monitor:
    ...     with udpping.Heartbeat(monitor, id="web1", interval=0.05):
    ...         up = next(event for event in monitor if event.event == "up")
    ...     gone = next(event for event in monitor if event.event == "bye")
    >>> up.message, gone.message
    ('web1 is up', 'web1 said goodbye')
    >>> [(peer.client, peer.state, peer.lost) for peer in monitor.peers]
    [('web1', 'bye', 0)]
    """

    def __init__(
        self,
        host: str = "",
        port: int = MONITOR_PORT,
        *,
        detector: "str | Detector" = "calibrated",
        interval: "Duration" = 1.0,
        keys: "Path | None" = None,
        answer: bool = False,
        losses: bool = False,
        beats: bool = False,
        max_clients: int = 10_000,
        per_prefix: int = 1024,
        idle: "Duration" = 60.0,
        loss: "LossLike" = 0,
        seed: int | None = None,
        port_tries: int = 1,
        state: "Path | None" = None,
        log: "Path | None" = None,
        witness: "AnyTarget | None" = None,
        on_event: "Callable[[MonitorEvent], object] | None" = None,
    ) -> None:
        self._core = _core.HeartbeatMonitor(
            checks.text("host", host),
            checks.whole("port", port),
            detector=detector_text(detector),
            interval=durations.seconds("interval", interval, HEARTBEAT),
            keys=read_keys("keys", keys),
            answer=checks.flag("answer", answer),
            utc_offset=utc_offset(),
            losses=checks.flag("losses", losses),
            beats=checks.flag("beats", beats),
            max_clients=checks.whole("max_clients", max_clients),
            per_prefix=checks.whole("per_prefix", per_prefix),
            idle=durations.seconds("idle", idle, LINGER),
            loss=loss_text(loss),
            seed=None if seed is None else checks.any_whole("seed", seed),
            port_tries=checks.whole("port_tries", port_tries),
            state=None if state is None else checks.path("state", state),
            log=None if log is None else checks.path("log", log),
            witness=None if witness is None else one_place(witness, None, "witness"),
        )
        if on_event is not None and not callable(on_event):
            raise checks.refuse("on_event", on_event, "something to call with each event, or None")
        self._keys = keys
        self._on_event = on_event
        self._caller: Thread | None = None
        self._started = False

    def start(self) -> None:
        """Begin to watch, in the background. May be called twice.

        Raises NetworkError for a monitor that was stopped (make a new one), and when the system gives no
        thread.
        """
        super().start()
        if self._started:
            return
        self._started = True
        from weakref import finalize

        # Completes the files of a monitor that is never stopped.
        finalize(self, self._core.stop)
        if self._on_event is not None:
            from threading import Thread

            self._caller = Thread(target=self._call, args=(self._on_event,), daemon=True)
            self._caller.start()

    def stop(self) -> None:
        """Stop watching, free the port, and write down what there is to write. May be called twice."""
        super().stop()
        caller = self._caller
        if caller is not None:
            from threading import current_thread

            if caller is not current_thread():
                caller.join()

    def reopen(self) -> None:
        """Read the file of `keys` again, and open `log` and the events of `state` anew, if they were moved.

        New keys are in force at once; files are opened within a second, and `counters.unkept` says why one
        could not be. Raises OSError and ConfigError for a file of keys that cannot be used; it goes on with
        the keys that it has.
        """
        self._core.reopen()
        keys = read_keys("keys", self._keys)
        if self._keys is not None and keys is not None:
            self._core.set_keys(keys)

    def __iter__(self) -> "Iterator[MonitorEvent]":
        """Give the events, each once, until it stops. ConfigError if `on_event` gets them.

        The latest 65,536 wait, and `missed_events` counts those before. Ctrl-C is a KeyboardInterrupt; the
        monitor goes on.
        """
        self._own_events()
        return self._events()

    def next_event(self, seconds: "Duration | None" = None) -> "MonitorEvent | None":
        """Give the next event, or `None` when none comes within so long, or it has stopped.

        Raises what the loop does.
        """
        self._own_events()
        return self._next(None if seconds is None else durations.seconds("seconds", seconds))

    def _own_events(self) -> None:
        if self._on_event is not None:
            raise checks.refuse("on_event", self._on_event, "None: either it gets the events, or a loop does")

    def _events(self) -> "Iterator[MonitorEvent]":
        while (event := self._next(None)) is not None:
            yield event

    def _next(self, seconds: float | None) -> "MonitorEvent | None":
        values = next_of(self._core, seconds)
        return None if values is None else MonitorEvent._make(values)

    def _call(self, on_event: "Callable[[MonitorEvent], object]") -> None:
        import sys
        import traceback

        for event in self._events():
            try:
                on_event(event)
            except BaseException:  # noqa: BLE001 - nothing that it raises ends the events, nor goes unseen
                traceback.print_exc(file=sys.stderr)

    @property
    def detector(self) -> str:
        """The detector in force, as text."""
        return self._core.detector

    @property
    def lessons(self) -> int:
        """Heartbeats of each client from which the detector learns, and until which it notices a stop later.

        0 for a detector that learns nothing. `peers` has what is left for each client, `to_learn`.

        >>> import udpping
        >>> udpping.Monitor("127.0.0.1", 0, detector="calibrated").lessons
        1000
        """
        return self._core.lessons

    @property
    def loss(self) -> str:
        """The loss in force, as text."""
        return self._core.loss

    @property
    def seed(self) -> int:
        """The seed in force: the same one repeats the losses."""
        return self._core.seed

    @property
    def counters(self) -> MonitorCounters:
        """What came in so far; ask at any time, also when it has stopped."""
        return MonitorCounters(self._core.counters())

    @property
    def peers(self) -> Peers:
        """The clients now: a snapshot."""
        return Peers(self._core.peers())

    @property
    def events(self) -> Events:
        """What happened, the latest 65,536 of it: a snapshot, whoever else gets the events."""
        return Events(self._core.events())

    @property
    def unreadable(self) -> "list[tuple[str, str, bytes]]":
        """The latest 16 datagrams that could not be read: who sent them, why not, and their beginning."""
        return self._core.unreadable()

    def status(self) -> str:
        """Write the clients as a table to read, at most 100 columns wide, with what is known below each.

        >>> import udpping
        >>> print(udpping.Monitor("127.0.0.1", 0).status())
        no clients
        """
        from udpping._results.peers import status_text

        return status_text(self.peers)

    def _shown(self) -> str:
        host, port = self.bound
        clients = counted(self.counters.clients, "clients")
        state = "running" if self.running else "not running"
        return f"<udpping.Monitor {host} port {port}, {self.detector}: {clients}, {state}>"
