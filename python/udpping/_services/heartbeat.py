"""`Heartbeat`: sends heartbeats in the background."""

import atexit
import os
import sys
from typing import SupportsIndex

from udpping import _core
from udpping._args import checks, durations
from udpping._args.keys import read_keys
from udpping._args.limits import MONITOR_PORT
from udpping._args.targets import one_place
from udpping._services.service import Service, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from udpping._args.checks import Path
    from udpping._args.durations import Duration
    from udpping._args.targets import AnyTarget


LONGEST_ID = 64
INTERRUPTED = -2
"""The status of a goodbye after Ctrl-C: the negative number of SIGINT."""
DRAIN_SECONDS = 0.5
"""The longest that an ending program waits for goodbyes, which take some 20 milliseconds."""

atexit.register(_core.drain_heartbeats, DRAIN_SECONDS)


class Heartbeat(Service["_core.HeartbeatSender"]):
    """Sends heartbeats in the background, to a monitor that notices when they stop.

    It sends between `start()` and `stop()`, or within a `with` block, whose end says goodbye. No error of the
    network ends it: after an unknown name, an absent monitor or a lost interface it tries again, counts the
    error and has it in `.last_error`. It follows a name that moves to another address.

    * `host`, `port`: the monitor: a name or an address, by default this machine, and a port from 1 to
      65,535, by default 12001. `host` may have the port in it: `"host:12001"`, `"[::1]:12001"`,
      `(host, port)`, or a `Monitor`; another `port` beside it is an error.
    * `interval`: the time from one heartbeat to the next, from 1 ms to a day. The schedule is absolute: a
      sender that was stopped or asleep skips the heartbeats that it missed.
    * `id`: the name of this client: 1 to 64 letters, digits and `. _ : @ / + -`; `None` is the name of
      this machine, with a `-` for every other character.
    * `key`: the path of a file with keys, one `name secret` or `name secret senders` on each line, to
      sign heartbeats with (HMAC-SHA-256). `None` takes the keys from the environment's `UDPPING_KEY`;
      without it, none.
    * `key_name`: which of several keys.
    * `wire`: `"full"`, or `"lab3"` (`Heartbeat 1 1700000000.25`) or `"lab2"` (`1 1700000000.25`) for the
      course's servers, which crash on more words. These have room for no key, no `boot` and no goodbye.
    * `jitter`: a share of the interval, from 0 to 0.25. Each heartbeat is sent up to so much early, at
      random, so that many senders do not send at the same time. It still carries its time on the
      schedule.
    * `boot`: how often this sender has started in its life, for a device whose clock may be wrong: a
      whole number, or the path of a file that counts the starts and is created if missing. Processes that
      share one get different numbers.
    * `touch`: a time, from 1 ms to a day. Heartbeats are then sent only while the program calls `touch()`
      at least that often, so that a program that hangs falls silent. `None`: always.
    * `count`: after how many heartbeats to say goodbye, from 1; those that could not be sent count too.
      `None` goes on.

    A process may have thousands of them: they share a few threads and each has a socket, so that the limit is
    that of open files (`ulimit -n`).

    Raises ConfigError for what cannot be used, and OSError for a file that cannot be read or written.

    >>> import socket, udpping
    >>> with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as monitor:
    ...     monitor.settimeout(5)
    ...     monitor.bind(("127.0.0.1", 0))
    ...     with udpping.Heartbeat(*monitor.getsockname(), interval=60, id="web1") as heartbeat:
    ...         words = monitor.recv(2048).decode().split()
    ...     goodbye = monitor.recv(2048).decode().split()
    >>> words[:2], words[3], words[5:]
    (['Heartbeat', '1'], 'id=web1', ['interval=60', 'mono=0'])
    >>> goodbye[1], goodbye[-1], heartbeat.wait(), heartbeat.sent
    ('2', 'bye=0', True, 4)
    """

    def __init__(
        self,
        host: "AnyTarget" = "localhost",
        port: int | None = None,
        *,
        interval: "Duration" = 1.0,
        id: str | None = None,  # noqa: A002 - so it is called in the heartbeats
        key: "Path | None" = None,
        key_name: str | None = None,
        wire: str = "full",
        jitter: float = 0.0,
        boot: "Path | int | None" = None,
        touch: "Duration | None" = None,
        count: int | None = None,
    ) -> None:
        self._target = one_place(host, port, "host", MONITOR_PORT)
        self._interval = durations.seconds("interval", interval, durations.HEARTBEAT)
        self._key = key, key_name
        self._id = machine_name() if id is None else checks.text("id", id)
        self._core = _core.HeartbeatSender(
            *self._target,
            interval=self._interval,
            id=self._id,
            keys=read_keys("key", key),
            key_name=None if key_name is None else checks.text("key_name", key_name),
            wire=checks.text("wire", wire),
            jitter=checks.number("jitter", jitter),
            boot=boot_number(boot),
            touch=checks.optional(durations.within(durations.HEARTBEAT))("touch", touch),
            count=None if count is None else checks.whole("count", count),
        )

    def start(self) -> None:
        """Begin to send, in the background. May be called twice.

        The first heartbeat leaves at once. Raises NetworkError for one that was stopped (make a new one), and
        when the system gives no thread or no socket: it names the limit, and the others go on.
        """
        super().start()

    def stop(self, status: int = 0) -> None:
        """Say goodbye and end. May be called twice.

        `status` tells the monitor how it ended: an exit status, or the negative number of a signal. The
        goodbye is said three times: it has left once when this returns, and twice more within some 20
        milliseconds, which `wait()` waits for, and a program that ends as well.
        """
        self._core.stop(checks.whole("status", status))

    def reopen(self) -> None:
        """Read the file of `key` again, and seal the next heartbeats with what it has now.

        Raises OSError and ConfigError for a file that cannot be used; it goes on with the key that it has.
        """
        path, name = self._key
        keys = read_keys("key", path)
        if path is not None and keys is not None:
            self._core.set_key(keys, name)

    def touch(self) -> None:
        """Give the sign of life that `touch=` asks for. It costs next to nothing: call it in each round."""
        self._core.touch()

    def wait(self, seconds: "Duration | None" = None) -> bool:
        """Wait until it ends, at most so long; say whether it has.

        It ends with the last goodbye, after `count` heartbeats or `stop()`, or by a failure. Raises that
        failure, once, as NetworkError, and KeyboardInterrupt on Ctrl-C, with which it goes on. One that was
        never started is waited for as well.
        """
        return wait_for(self._core, None if seconds is None else durations.seconds("seconds", seconds))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._core.stop(exit_status(error))

    @property
    def id(self) -> str:
        """Who is alive."""
        return self._id

    @property
    def session(self) -> str:
        """The random number of this session, as the heartbeats carry it: a monitor tells restarts by it."""
        return self._core.session

    @property
    def address(self) -> tuple[str, int] | None:
        """Where heartbeats go: the host's address and the port; `None` before the first has left."""
        return self._core.state()[0]

    @property
    def last_error(self) -> str | None:
        """Why the last heartbeat did not leave, or that nobody listens; `None` while nothing is wrong."""
        return self._core.state()[1]

    @property
    def round_trip_ns(self) -> int | None:
        """Nanoseconds until the answer to the heartbeat that was answered last; not every monitor answers."""
        return self._core.state()[2]

    @property
    def sent(self) -> int:
        """Heartbeats that left, goodbyes included. They are numbered from 1 without a gap."""
        return self._core.counters()["sent"]

    @property
    def answered(self) -> int:
        """Heartbeats that were answered."""
        return self._core.counters()["answered"]

    @property
    def withheld(self) -> int:
        """Heartbeats not sent because `touch()` had not been called in time."""
        return self._core.counters()["withheld"]

    @property
    def skipped(self) -> int:
        """Heartbeats not sent because this process was stopped, asleep or overloaded when they were due."""
        return self._core.counters()["skipped"]

    @property
    def errors(self) -> int:
        """Heartbeats not sent because the system refused, or the host had no address."""
        return self._core.counters()["errors"]

    @property
    def refused(self) -> int:
        """How often the network said that nobody listens there (ICMP)."""
        return self._core.counters()["refused"]

    def as_dict(self) -> dict[str, object]:
        """Everything by name, ready for JSON."""
        address, last_error, round_trip_ns = self._core.state()
        return {
            "id": self.id,
            "session": self.session,
            "address": address,
            **self._core.counters(),
            "round_trip_ns": round_trip_ns,
            "last_error": last_error,
        }

    def _shown(self) -> str:
        host, port = self._target
        state = "running" if self.running else "not running"
        return (
            f"<udpping.Heartbeat {self.id} to {host} port {port}, every {self._interval:g} s, "
            f"{self.sent:,} sent: {state}>"
        )


def machine_name() -> str:
    """Return the name of this machine, with `-` for characters that an id cannot have."""
    if sys.platform == "win32":
        name = os.environ.get("COMPUTERNAME", "")
    else:
        name = os.uname().nodename
    kept = (c if c.isascii() and (c.isalnum() or c in "._:@/+-") else "-" for c in name)
    return "".join(kept)[:LONGEST_ID] or "-"


def boot_number(boot: "Path | int | None") -> int | None:
    """Check a number, or increment the one in a file."""
    if boot is None or isinstance(boot, SupportsIndex):
        return None if boot is None else checks.whole("boot", boot)
    return _core.count_up(checks.path("boot", boot))


def exit_status(error: BaseException | None) -> int:
    """Return the exit status of a program that ends with this exception."""
    match error:
        case None | SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)) if 0 <= code <= 255:  # noqa: PLR2004 - what a system keeps of it
            return code
        case KeyboardInterrupt():
            return INTERRUPTED
        case _:
            return 1
