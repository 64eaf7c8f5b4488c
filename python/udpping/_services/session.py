"""A ping session of the core, and how to wait for it: in slices, so that Ctrl-C gets through."""

import udpping
from udpping import _core
from udpping._args import checks
from udpping._args.grammar import utc_offset
from udpping._args.targets import target_text
from udpping._results.rows import Row
from udpping._results.run import Run, Summary
from udpping._results.settings import measured, total_name
from udpping._services.service import next_of, wait_for
from udpping.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.settings import Settings

MESSAGE = "Ping {seq} {time}"
"""What a ping says in the course."""


class Session:
    """One or many targets being pinged. What `ping`, `Pinger`, `ping_many` and `aio` have in common."""

    def __init__(
        self,
        targets: list[tuple[str, int]],
        *,
        count: int | None = 10,
        timeout: float = 1.0,
        interval: float | None = None,
        linger: float | None = None,
        misses: int | None = None,
        size: int | None = None,
        bind: str | None = None,
        ttl: int | None = None,
        dscp: int | None = None,
        df: bool = False,
        family: str | None = None,
        message: str = MESSAGE,
        first_seq: int = 1,
        schedule: str = "isochronous",
        seed: int | None = None,
        busy: bool = False,
        spin: float | None = None,
        events: bool = False,
        announce: bool = False,
    ) -> None:
        self._started = False
        targets = [(checks.text("host", host), checks.whole("port", port)) for host, port in targets]
        self.names = [target_text(host, port) for host, port in targets]
        options: dict[str, Any] = {
            "count": None if count is None else checks.whole("count", count),
            "timeout": checks.seconds("timeout", timeout),
            "interval": None if interval is None else checks.seconds("interval", interval),
            "linger": None if linger is None else checks.seconds("linger", linger),
            "misses": None if misses is None else checks.whole("misses", misses),
            "size": None if size is None else checks.whole("size", size),
            "bind": None if bind is None else checks.text("bind", bind),
            "ttl": None if ttl is None else checks.whole("ttl", ttl),
            "dscp": None if dscp is None else checks.whole("dscp", dscp),
            "df": checks.flag("df", df),
            "family": None if family is None else checks.text("family", family),
            "message": checks.text("message", message),
            "utc_offset": utc_offset(),
            "first_seq": checks.whole("first_seq", first_seq),
            "schedule": checks.text("schedule", schedule),
            "seed": None if seed is None else checks.any_whole("seed", seed),
            "busy": checks.flag("busy", busy),
            "spin": None if spin is None else checks.seconds("spin", spin),
        }
        self._core = _core.PingSession(
            targets, events=events, announce=checks.flag("announce", announce), **options
        )
        self._options = options | {"seed": self._core.seed}

    @property
    def addresses(self) -> list[str]:
        """The address and port behind each name."""
        return self._core.addresses()

    @property
    def stamping(self) -> str:
        """What the kernel stamps: `both`, `receive` (what arrives) or `none`."""
        return self._core.stamping

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._core.done

    @property
    def missed_rows(self) -> int:
        """Rows that `next_row` can no longer give, because nobody took them in time. The run has them."""
        return self._core.missed_events

    def start(self) -> None:
        """Send the first ping, unless that has happened."""
        if not self._started:
            self._started = True
            self._core.start()

    def stop(self) -> None:
        """Send no more, and wait for nothing."""
        self._core.stop()

    def next_row(self) -> "Row | None":
        """Wait for the next row; `None` after the last one."""
        try:
            self.start()
            values = next_of(self._core)
            return None if values is None else Row._make(values)
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def finish(self) -> Run:
        """Wait for the end."""
        try:
            self.start()
            wait_for(self._core)
            return self.run()
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def wait(self, seconds: float) -> bool:
        """Wait that long at most for the end; says whether it is over. Ctrl-C waits as long."""
        return self._core.wait(seconds)

    def run(self, latest: int | None = None) -> Run:
        """Put together what there is so far; of the rows, perhaps only the latest of each target."""
        total = self.summary()

        def settings() -> "Settings":
            targets = list(zip(self.names, self.addresses, strict=True))
            return measured("udpping.ping", targets, self._options)

        if len(self.names) == 1:
            return Run(self._core.table(latest), total, (total,), settings)
        summaries = tuple(Summary(name, self._core.summary(i)) for i, name in enumerate(self.names))
        return Run(self._core.table(latest), total, summaries, settings)

    def summary(self) -> Summary:
        """Sum up what there is so far."""
        return Summary(total_name(self.names), self._core.summary(None))

    def _interrupted(self) -> Interrupted:
        self.stop()
        wait_for(self._core)
        run = self.run()
        udpping.last_run = run
        return Interrupted(run)
