"""Wraps a ping session of the core, and waits for it in slices, so that Ctrl-C is handled."""

from types import MappingProxyType

import udpping
from udpping import _core
from udpping._args import checks
from udpping._args.grammar import detector_text, utc_offset
from udpping._args.keys import STAMP_VARIABLE, read_keys
from udpping._args.options import PROTOCOL, STAMP, complete
from udpping._args.targets import Target
from udpping._results.rows import Row, TargetEvent
from udpping._results.run import Run, Summary
from udpping._results.settings import measured, total_name
from udpping._services.service import next_from, next_of, wait_for
from udpping.errors import ConfigError, Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from udpping._results.settings import Settings
    from udpping.detect import Detector


class Session:
    """A run of pings to one or many targets, for `ping`, `Pinger`, `ping_many` and `aio`."""

    def __init__(
        self,
        targets: "Sequence[tuple[str, int] | Target]",
        options: "Mapping[str, object]" = MappingProxyType({}),
        *,
        events: bool = False,
        announce: bool = False,
        keep: int | None = None,
        detector: "str | Detector | None" = None,
        flood: bool | None = None,
        patient: bool = False,
    ) -> None:
        """Look up the targets and open sockets.

        `flood` is whether the command line was told to flood; `patient`, whether the ping after one that was
        refused leaves only after the timeout.
        """
        self.started = False
        several = [
            Target(checks.text("host", host), checks.whole("port", port), *more)
            for host, port, *more in targets
        ]
        self._options: dict[str, Any] = {}
        for name, value in complete(options).items():
            self._options[name] = value
            # The zone of its `{ctime}` follows the message in the settings of a run.
            if name == "message":
                self._options["utc_offset"] = utc_offset()
        announce = checks.flag("announce", announce)
        keep = checks.optional(checks.whole)("keep", keep)
        wanted: dict[str, object] = {**self._options, "keep": keep, "patient": patient}
        self.watches = detector is not None
        if self.watches:
            wanted["detector"] = detector_text(detector)
        if self._options["protocol"].startswith(STAMP):
            wanted["key"] = read_keys("key", self._options["key"], STAMP_VARIABLE)
        elif self._options["key"] is not None:
            raise ConfigError('key is for protocol="stamp" (--stamp) only: add that, or leave it out')
        for name, default in (("protocol", PROTOCOL), ("key", None)):
            if self._options[name] == default:
                del self._options[name]
        self._core = _core.PingSession(several, wanted, events=events, announce=announce, flood=flood)
        self._options["seed"] = self._core.seed
        if keep is not None:
            self._options["keep"] = keep
        if self.watches:
            self._options["detector"] = wanted["detector"]

    @property
    def targets(self) -> "list[tuple[str, str | None, str | None]]":
        """The name of each, its address and port once found, and why pings to it were not sent."""
        return self._core.targets()

    def add(self, target: Target) -> None:
        """Ping one more."""
        self._core.add(target)

    def remove(self, target: Target) -> None:
        """Send nothing more to one."""
        self._core.remove(target)

    def resolve(self) -> "dict[str, Exception]":
        """Look up all names again; return the errors by target."""
        return dict(self._core.resolve())

    @property
    def ports(self) -> list[int]:
        """The local UDP ports that pings leave from."""
        return self._core.ports

    @property
    def stamping(self) -> str:
        """What the kernel timestamps: `both`, `receive` or `none`."""
        return self._core.stamping

    @property
    def done(self) -> bool:
        """Whether the run is over and all rows were taken."""
        return self._core.done

    @property
    def over(self) -> bool:
        """Whether the run is over; rows may wait to be taken."""
        return self._core.wait(0)

    @property
    def missed_rows(self) -> int:
        """Rows that were not taken in time, so that `next_row` cannot return them. The run has them."""
        return self._core.missed_events

    @property
    def backlog_failure(self) -> str | None:
        """Why rows could not wait in a temporary file, if that failed."""
        return self._core.backlog_failure

    def miss_no_row(self, memory: int | None = None) -> None:
        """Let rows, or without an interval pings, wait for a slow reader; so many bytes wait in memory."""
        self._core.miss_no_event(memory)

    def start(self) -> None:
        """Start the run, unless it was started."""
        if not self.started:
            self.started = True
            self._core.start()

    def stop(self) -> None:
        """Send no more, and wait for nothing."""
        self._core.stop()

    def next_row(self, seconds: float | None = None) -> "Row | None":
        """Wait for the next row, at most so many seconds; `None` after that time, or after the last one."""
        try:
            self.start()
            values = next_of(self._core, seconds)
            return None if values is None else Row._make(values)
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def next_event(self, seconds: float | None = None) -> "TargetEvent | None":
        """Wait likewise for the next time that a target is up or down."""
        if not self.watches:
            raise checks.refuse("detector", None, "one such as 'calibrated': without it there are no events")
        try:
            self.start()
            values = next_from(lambda: self.over, self._core.next_verdict, seconds)
            return None if values is None else TargetEvent._make(values)
        except KeyboardInterrupt:
            raise self._interrupted() from None

    @property
    def events(self) -> "tuple[TargetEvent, ...]":
        """All of these so far, the latest 65,536."""
        return tuple(map(TargetEvent._make, self._core.verdicts()))

    def finish(self) -> Run:
        """Wait for the end."""
        try:
            self.start()
            wait_for(self._core)
            return self.run()
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def wait(self, seconds: float) -> bool:
        """Wait at most that long for the end; return whether it is over. Ctrl-C waits as long."""
        return self._core.wait(seconds)

    def run(self, latest: int | None = None) -> Run:
        """Return the run so far, with all rows or the `latest` of each target."""
        targets, table, total, each = self._core.run(latest)
        names = [name for name, *_ in targets]
        # A run that is kept must not keep the session, which has the sockets.
        options = self._options

        def settings() -> "Settings":
            return measured("udpping.ping", targets, options)

        everything = Summary(total_name(names), total)
        if len(targets) == 1:
            return Run(table, everything, (everything,), settings)
        return Run(table, everything, tuple(map(Summary, names, each)), settings)

    def summary(self) -> Summary:
        """Return the summary so far."""
        return Summary(total_name([name for name, *_ in self.targets]), self._core.summary())

    def _interrupted(self) -> Interrupted:
        self.stop()
        wait_for(self._core)
        run = self.run()
        udpping.last_run = run
        return Interrupted(run)
