"""The same calls in virtual time: no sockets, no waiting, the same rules."""

from collections.abc import Iterable

from udpping import _core
from udpping._args import checks
from udpping._args.durations import HEARTBEAT, SIMULATION, seconds
from udpping._args.grammar import delay_text, detector_text, loss_text
from udpping._args.keywords import suggests_keywords
from udpping._args.link import link_text
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, PROTOCOL, SCHEDULE, TIMEOUT, checked
from udpping._files.server_log import heard
from udpping._results.run import SimRun, Summary
from udpping._results.settings import measured
from udpping._services.monitor import Events, Peers
from udpping._services.server import Log
from udpping._table.text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._args.durations import Duration
    from udpping._args.grammar import DelayLike, LossLike
    from udpping._args.link import LinkLike
    from udpping._files.server_log import LogLike
    from udpping.detect import Detector

__all__ = ["Watched", "heartbeat", "ping", "replay"]


def __dir__() -> list[str]:
    return __all__


@suggests_keywords
def ping(
    *,
    count: int = COUNT,
    timeout: "Duration" = TIMEOUT,
    interval: "Duration | None" = None,
    linger: "Duration | None" = None,
    misses: int | None = None,
    size: int | None = None,
    message: str = MESSAGE,
    first_seq: int = FIRST_SEQ,
    schedule: str = SCHEDULE,
    loss: "LossLike" = 0,
    delay: "DelayLike" = 0,
    up: "LinkLike" = "",
    down: "LinkLike" = "",
    reply: str = "upper",
    seed: int | None = None,
    scope: str | None = None,
    protocol: str = PROTOCOL,
) -> SimRun:
    """Ping a simulated server. A million pings take seconds, whatever the timeout.

    `count`, `timeout`, `interval`, `linger`, `misses`, `size`, `message` (with UTC for local time),
    `first_seq` and `schedule` are those of `udpping.ping`, the others those of `udpping.Server`; `seed` is
    for the schedule, too. `protocol` is `"text"`, `"text:times"` for a server that tells its times, or
    `"stamp"` for a `Reflector` in its place, which `up` and `down` lead to; with that, `message` and `reply`
    stay as they are. The network between the two takes no time: round trips are the delays, and the only
    target has an address that is reserved for documentation (RFC 5737). Raises ConfigError for what cannot be
    used, and KeyboardInterrupt on Ctrl-C; it keeps a row for every ping, so a million take some 200 MB, and
    MemoryError when there is no more.

    >>> import udpping
    >>> run = udpping.sim.ping(count=100_000, loss="4/11", delay="exponential:20ms", seed=3)
    >>> run.summary.sent
    100000
    >>> abs(run.summary.loss - 4 / 11) < 0.01
    True

    The seed in force is in the run; the same one gives the same run.

    >>> again = udpping.sim.ping(count=100_000, loss="4/11", delay="exponential:20ms", seed=run.seed)
    >>> again.summary.as_dict() == run.summary.as_dict()
    True
    """
    options = checked(
        {
            "count": checks.whole("count", count),
            "timeout": timeout,
            "interval": interval,
            "linger": linger,
            "misses": misses,
            "size": size,
            "message": message,
            "first_seq": first_seq,
            "schedule": schedule,
        }
        | ({} if protocol == PROTOCOL else {"protocol": protocol})
    )
    path: dict[str, Any] = {
        "loss": loss_text(loss),
        "delay": delay_text(delay),
        "up": link_text("up", up),
        "down": link_text("down", down),
        "reply": checks.text("reply", reply),
        "seed": None if seed is None else checks.any_whole("seed", seed),
        "scope": None if scope is None else checks.text("scope", scope),
    }
    table, facts, path["seed"] = _core.sim_ping(options, **path)
    name = str(table["target"][0])
    settings = options | path
    return SimRun(
        table, Summary(name, facts), lambda: measured("udpping.sim.ping", [(name, name, None)], settings)
    )


@suggests_keywords
def replay(
    log: "LogLike",
    *,
    loss: "LossLike" = 0,
    delay: "DelayLike" = 0,
    up: "LinkLike" = "",
    down: "LinkLike" = "",
    seed: int | None = None,
    scope: str | None = None,
) -> Log:
    """Let a link decide again on the datagrams of a server's log, in virtual time.

    With the link and the seed of that server each decision is the same, to the nanosecond, also where it
    depends on times and lengths (rate, queue, jitter, schedule): the log has both. With another link it is
    what that would have done to the same traffic. `log` is `Server.log`, its rows, events of
    `Server.follow`, or the path of a file that `udpping server --log` wrote, of one server and from its first
    datagram on; the others are those of `udpping.Server`. Where the system refused a reply (`send`), the row
    says what the link had decided. Raises ConfigError for what cannot be used, and OSError for a file that
    cannot be read.

    >>> import udpping
    >>> path = {"up": "loss=burst:20%,3", "down": "delay=uniform:1ms,5ms; rate=1Mbit/s; queue=2"}
    >>> with udpping.Server(port=0, **path, seed=5, record=True) as server:
    ...     run = udpping.ping(server, count=20, interval=0.001, timeout=1)
    >>> again = udpping.sim.replay(server.log, **path, seed=server.seed)
    >>> list(again) == list(server.log)
    True
    >>> other = udpping.sim.replay(server.log, up="loss=every:4")
    >>> [row.number for row in other if row.direction == "up"]
    [4, 8, 12, 16, 20]
    """
    columns = heard(log)
    try:
        table, _ = _core.sim_replay(
            **columns,
            loss=loss_text(loss),
            delay=delay_text(delay),
            up=link_text("up", up),
            down=link_text("down", down),
            seed=None if seed is None else checks.any_whole("seed", seed),
            scope=None if scope is None else checks.text("scope", scope),
        )
    except OverflowError as error:
        raise checks.refuse("log", str(error), "numbers as a server writes them") from None
    return Log(table)


class Watched:
    """What a monitor saw of simulated senders."""

    def __init__(self, peers: Peers, events: Events, missed_events: int, seed: int) -> None:
        self.peers = peers
        """The clients at the end, a row for each."""
        self.events = events
        """What happened, the first 1,048,576 of it."""
        self.missed_events = missed_events
        """How much more."""
        self.seed = seed
        """The seed in force: the same one gives the same run."""

    def __repr__(self) -> str:
        told = (
            f"{counted(len(self.peers), 'clients')}, {counted(len(self.events), 'events')}, seed {self.seed}"
        )
        return f"<udpping.sim.Watched: {told}>"


@suggests_keywords
def heartbeat(
    faults: "int | Iterable[str]" = 1,
    *,
    duration: "Duration" = 3600.0,
    interval: "Duration" = 1.0,
    jitter: float = 0.0,
    drift_ppm: float = 0.0,
    detector: "str | Detector" = "calibrated",
    losses: bool = False,
    beats: bool = False,
    loss: "LossLike" = 0,
    delay: "DelayLike" = 0,
    up: "LinkLike" = "",
    seed: int | None = None,
) -> Watched:
    """Let real senders and the real monitor run for a `duration` of virtual time, from 1 ms to a century.

    `faults` is the number of senders (1 to 1,000,000), or a text for each that says what happens to it, and
    when: `"crash@100"`, `"restart@2h"`, `"bye:3@10m"` (goodbye with that status), `"pause:30s@100"` (it
    stands still), `"step:-3s@100"` (its wall clock is set), `"rebind@100"` (its address changes); several may
    follow each other. Senders are called `sender0`, `sender1`, ...; their clocks run `drift_ppm` parts per
    million fast. `interval` and `jitter` are those of `udpping.Heartbeat`, `detector`, `losses` and `beats`
    those of `udpping.Monitor`, `loss`, `delay`, `up` and `seed` those of `udpping.Server`, for the one way:
    `up` is all that happens to heartbeats, a `udpping.Link` or its text. The monitor sees copies, orders and
    damage as it would on a path. 46 days of one sender a second take about ten seconds. Raises ConfigError,
    and KeyboardInterrupt on Ctrl-C.

    >>> import udpping
    >>> seen = udpping.sim.heartbeat(["", "crash@30m"], loss="5%", delay="exponential:5ms", seed=1)
    >>> [(event.client, event.message) for event in seen.events if event.event == "down"]
    [('sender1', 'sender1 is down: silent for ... s after heartbeat ...')]
    >>> [(peer.client, peer.state) for peer in seen.peers]
    [('sender0', 'up'), ('sender1', 'down')]
    """
    if isinstance(faults, str):
        raise checks.refuse("faults", faults, "a number of senders, or a list with a text for each")
    texts = (
        [checks.text("faults", each) for each in faults]
        if isinstance(faults, Iterable)
        else [""] * min(max(checks.whole("faults", faults), 0), _core.MOST_SENDERS + 1)
    )
    peers, events, missed, seed_in_force = _core.sim_heartbeat(
        texts,
        duration=seconds("duration", duration, SIMULATION),
        interval=seconds("interval", interval, HEARTBEAT),
        jitter=checks.number("jitter", jitter),
        drift_ppm=checks.number("drift_ppm", drift_ppm),
        detector=detector_text(detector),
        losses=checks.flag("losses", losses),
        beats=checks.flag("beats", beats),
        loss=loss_text(loss),
        delay=delay_text(delay),
        up=link_text("up", up),
        seed=None if seed is None else checks.any_whole("seed", seed),
    )
    return Watched(Peers(peers), Events(events), missed, seed_in_force)
