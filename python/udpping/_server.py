"""The lossy server."""

from udpping import _core
from udpping._table import Table
from udpping._text import delay_text, loss_text
from udpping.errors import AmplificationWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from udpping._rows import LogRow
    from udpping._text import DelayLike, LossLike

SLICE = 0.05
"""Seconds that may pass before a Ctrl-C is noticed."""

LOG_ROWS = 1_000_000
"""Rows that `record=True` keeps."""


class Counters:
    """What a server has done so far. `None` stands for what the system does not tell."""

    received: int
    """Datagrams that arrived."""
    answered: int
    """Replies that were sent."""
    dropped: int
    """Datagrams lost on purpose."""
    delayed: int
    """Replies that were held back on purpose."""
    waiting: int
    """Replies that are held back now."""
    errors: int
    """Replies that the system refused to send, or that too many others were waiting for."""
    kernel_drops: int | None
    """Datagrams that the kernel threw away because the server did not keep up."""
    clients: int
    """Different addresses that were seen."""
    unlogged: int
    """Rows that the log had no room for."""

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
            "waiting": self.waiting,
            "errors": self.errors,
            "dropped by the kernel": self.kernel_drops,
        }
        return ", ".join([always, *(f"{count:,} {name}" for name, count in others.items() if count)])


class Log(Table):
    """What a server did with each datagram: the ground truth beside what a client measured."""

    __slots__ = ()

    def __iter__(self) -> "Iterator[LogRow]":
        from udpping._rows import LogRow

        return map(LogRow._make, super().__iter__())

    def row(self, index: int) -> "LogRow":
        """Give the row at `index`, counted from 0, or from the end when negative. IndexError beyond."""
        from udpping._rows import LogRow

        return LogRow._make(super().row(index))


class Server:
    """Answers datagrams, and loses or delays some on purpose.

    It runs in the background between `start()` and `stop()`, or within a `with` block; `serve_forever()` runs
    it until Ctrl-C. The port is taken when the server is made.

    * `host`: the address to listen at; `""` is every IPv4 interface, `"::"` every interface of both versions.
    * `port`: 0 takes any free one; `.address` says which.
    * `loss`: which datagrams get no reply: a probability (0 to 1), `"30%"`, `"4/11"`, or a model of
      `udpping.loss`.
    * `delay`: how long a reply is held back: seconds, `"50ms"`, or a model of `udpping.delay`.
    * `reply`: `"upper"` (the request in ASCII capitals), `"same"`, or a text with the fields `{message}`,
      `{upper}`, `{seq}`, `{time}`, `{now}` and `{diff}`, the latter also as `{diff:.6f}`.
    * `seed`: any whole number makes losses and delays repeat; `None` draws one, and `.seed` tells it.
    * `scope`: `"client"` counts each client's datagrams apart, `"shared"` all together; `None` is `"shared"`
      for `loss.RandInt` and `"client"` otherwise.
    * `record`: whether to keep `.log`, of a million rows at most.
    * `port_tries`: how many ports to try, upwards from `port`.

    Raises ConfigError for what cannot be used, PortBusyError when the port is taken, NetworkError when the
    system refuses. Warns with AmplificationWarning when strangers could make it send more than they did.

    >>> import udpping
    >>> with udpping.Server(port=0, loss="4/11", seed=42, record=True) as server:
    ...     run = udpping.ping(*server.address, count=5, timeout=0.05)
    >>> server.counters.received
    5
    >>> [row.verdict for row in server.log] == ["drop" if row.reply is None else "answer" for row in run]
    True
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 12000,
        *,
        loss: "LossLike" = 0,
        delay: "DelayLike" = 0,
        reply: str = "upper",
        seed: int | None = None,
        scope: str | None = None,
        record: bool = False,
        port_tries: int = 1,
    ) -> None:
        self._core = _core.EchoServer(
            host,
            port,
            loss=loss_text(loss),
            delay=delay_text(delay),
            reply=reply,
            seed=seed,
            scope=scope,
            record=LOG_ROWS if record else 0,
            port_tries=port_tries,
        )
        if self._core.can_amplify and not is_loopback(self.bound[0]):
            import warnings

            warnings.warn(
                f"reply {self.reply!r} can be longer than its request, and {self.bound[0]} is open to others:"
                " strangers can make this server send more than they do",
                AmplificationWarning,
                stacklevel=2,
            )

    def start(self) -> None:
        """Begin to answer, in the background. A server that was stopped does not start again."""
        self._core.start()

    def stop(self) -> None:
        """Stop answering. Replies still held back are not sent. May be called twice."""
        self._core.stop()

    def serve_forever(self) -> None:
        """Answer until Ctrl-C, which prints the counters and raises KeyboardInterrupt, or until `stop()`."""
        self.start()
        try:
            self.wait()
        except KeyboardInterrupt:
            self.stop()
            print(f"\n{self.counters}", flush=True)  # noqa: T201 - what Ctrl-C is promised to do
            raise

    def wait(self) -> None:
        """Wait until it stops, through `stop()` in another thread or through a failure, which is raised."""
        while not self._core.wait(SLICE):
            pass

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it answers now."""
        return self._core.running

    @property
    def address(self) -> tuple[str, int]:
        """The host and port for a client on this machine, also when bound to all interfaces."""
        return self._core.address

    @property
    def bound(self) -> tuple[str, int]:
        """The host and port that it listens at."""
        return self._core.bound

    @property
    def loss(self) -> str:
        """The loss in force, as text."""
        return self._core.loss

    @property
    def delay(self) -> str:
        """The delay in force, as text."""
        return self._core.delay

    @property
    def reply(self) -> str:
        """The form of the replies, as text."""
        return self._core.reply

    @property
    def seed(self) -> int:
        """The seed in force: the same one repeats the losses and delays."""
        return self._core.seed

    @property
    def scope(self) -> str:
        """`client` or `shared`."""
        return self._core.scope

    @property
    def counters(self) -> Counters:
        """What it has done so far."""
        return Counters(self._core.counters())

    @property
    def log(self) -> Log:
        """What it did with each datagram so far; empty without `record`."""
        return Log(self._core.log())

    def __repr__(self) -> str:
        host, port = self.bound
        state = "running" if self.running else "not running"
        setup = f"loss {self.loss}, delay {self.delay}, seed {self.seed}"
        return f"<udpping.Server {host} port {port}, {setup}: {state}>"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    return host == "::1" or host.startswith(("127.", "::ffff:127."))
