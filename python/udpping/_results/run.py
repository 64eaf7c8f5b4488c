"""The result of a run of pings: a table with a row per ping, and its summary."""

from operator import index

from udpping import _core
from udpping._args.public import PublicNames
from udpping._results.frames import FIRST
from udpping._results.rows import Row
from udpping._results.settings import MANY, NO_SETTINGS, Settings, encode, metadata, problems, total_name
from udpping._table.table import Table
from udpping._table.text import counted, loss_percents, visible
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsIndex

    import pandas as pd
    import polars as pl
    from matplotlib.axes import Axes

    from udpping._results.ways import Ways

OUT_OF_BAND = 5
"""The version of the pickle protocol from which on buffers are passed out of band."""


class Summary(PublicNames):
    """The counts and round-trip times of a run. What is not known is `None`, never 0.

    Pings in flight are `pending`, and in no other count. Round trips (RFC 2681) are those of replies in time,
    in nanoseconds. Quantiles are interpolated linearly (definition 7 of Hyndman and Fan, 1996, as in numpy
    and R); those of a run without an end come from a sketch (DDSketch).

    >>> import udpping
    >>> summary = udpping.sim.ping(count=10, loss="pattern:..x", delay="2ms").summary
    >>> summary.sent, summary.received, summary.lost, summary.loss, summary.rtt_median_ns
    (10, 7, 3, 0.3, 2000000.0)
    >>> print(summary)
    --- 192.0.2.1:12000 ---
    10 sent, 7 received in time, 3 of 10 lost (30.0 %; 95 % interval 10.8 to 60.3 %)
    rtt min/avg/median/max/stddev = 2.000/2.000/2.000/2.000/0.000 ms
    """

    target: str
    """The targets, or their number if there are many."""
    sent: int
    """Pings that are answered, timed out or refused: `received` and `lost` together."""
    received: int
    """Pings answered before the timeout."""
    lost: int
    """Pings not answered in time (RFC 7680): `late`, `timeouts`, `unreachable` and `errors` together."""
    late: int
    """Pings answered after the timeout."""
    timeouts: int
    """Pings never answered."""
    unreachable: int
    """Pings for which an ICMP error reported that the target cannot be reached."""
    errors: int
    """Pings that the system refused to send."""
    duplicates: int
    """Further replies to a ping, after the first."""
    reordered: int | None
    """Replies in time that came after the reply to a later ping (RFC 4737); `None` without times."""
    foreign: int | None
    """Datagrams from other addresses than the targets'; `None` if the system does not report them.

    With several targets they are counted for all together, and `None` for each.
    """
    kernel_drops: int | None
    """Datagrams that this machine's kernel dropped because the receive buffer was full.

    A reply among them counts as lost. `None` if the system does not report them. With several targets they
    are counted for all together, and `None` for each.
    """
    unmatched: int | None
    """Datagrams from the target that match no ping.

    Like `damaged`, `behind` and `duration_ns`, it is `None` for a run from a file that does not include it.
    """
    damaged: int | None
    """Those of `unmatched` that were cut or changed on the way.

    Once a target has sent a ping back whole, a reply that is no whole ping is damaged; once it has sent back
    a ping's time, one without it. Their pings are lost.
    """
    unverified: int
    """Replies without number or payload, matched to the only ping in flight."""
    behind: int | None
    """Pings that were sent an `interval` or more after they were due. None is ever skipped."""
    kernel_stamps: int
    """Replies in time with both timestamps from the kernel (`stamp` is `kernel`)."""
    clock_steps: int
    """Replies whose kernel timestamps are not used, as the wall clock was set in between (`stepped`)."""
    pending: int
    """Pings in flight: sent, and neither answered nor timed out."""
    loss: float | None
    """`lost` over `sent`, from 0 to 1."""
    loss_low: float | None
    """Lower end of the 95 % interval for the loss, if losses are independent (Wilson 1927)."""
    loss_high: float | None
    """Upper end of the 95 % interval for the loss."""
    rtt_min_ns: int | None
    """Shortest round trip, of replies in time, as in all that follow."""
    rtt_avg_ns: float | None
    """Arithmetic mean of the round trips."""
    rtt_median_ns: float | None
    """Median round trip."""
    rtt_max_ns: int | None
    """Longest round trip."""
    rtt_stddev_ns: float | None
    """Standard deviation of the round trips, of the sample (n - 1); `None` for a single one."""
    rtt_p95_ns: float | None
    """95th percentile of the round trips."""
    rtt_p99_ns: float | None
    """99th percentile of the round trips."""
    quantile_error: float
    """Relative error of median, p95 and p99: 0 when exact, 0.01 when a sketch stood in for the rows."""
    duration_ns: int | None
    """Time from the start of the run to its end, or until now."""

    def __init__(self, target: str, facts: "dict[str, int | float | None]") -> None:
        self.__dict__.update(facts, target=target)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, Summary) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def as_dict(self) -> "dict[str, str | int | float | None]":
        """Return all values by name, ready for JSON.

        >>> import udpping
        >>> facts = udpping.sim.ping(count=1).summary.as_dict()
        >>> facts["target"], facts["sent"], facts["lost"]
        ('192.0.2.1:12000', 1, 0)
        """
        return {"target": self.target, **{k: v for k, v in self.__dict__.items() if k != "target"}}

    @property
    def loss_text(self) -> str:
        """The loss in words, with its interval.

        >>> import udpping
        >>> udpping.sim.ping(count=10, loss="pattern:..x").summary.loss_text
        '3 of 10 lost (30.0 %; 95 % interval 10.8 to 60.3 %)'
        """
        shares = loss_percents(self)
        if shares is None:
            return f"{self.pending:,} sent, still waiting for a reply" if self.pending else "nothing sent"
        loss, low, high = shares
        return f"{self.lost:,} of {self.sent:,} lost ({loss} %; 95 % interval {low} to {high} %)"

    @property
    def rtt_text(self) -> str:
        """The round trips on one line and in one unit; empty without replies in time.

        >>> import udpping
        >>> udpping.sim.ping(count=10, delay="2ms").summary.rtt_text
        'rtt min/avg/median/max/stddev = 2.000/2.000/2.000/2.000/0.000 ms'
        """
        values = (self.rtt_min_ns, self.rtt_avg_ns, self.rtt_median_ns, self.rtt_max_ns, self.rtt_stddev_ns)
        if self.received == 0:
            return ""
        numbers = "/".join("-" if value is None else f"{value / 1e6:.3f}" for value in values)
        about = f" (the median to about {100 * self.quantile_error:g} %)" if self.quantile_error else ""
        return f"rtt min/avg/median/max/stddev = {numbers} ms{about}"

    def __repr__(self) -> str:
        oddities = {
            "late": self.late,
            "unreachable": self.unreachable,
            "not sent (error)": self.errors,
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "foreign": self.foreign,
            "dropped by this machine's kernel": self.kernel_drops,
            "unmatched": self.unmatched,
            "damaged": self.damaged,
            "unverified": self.unverified,
            "behind schedule": self.behind,
            "while the clock was set": self.clock_steps,
            "pending": self.pending if self.sent else 0,
        }
        lines = [
            f"--- {visible(self.target)} ---",
            f"{self.sent:,} sent, {self.received:,} received in time, {self.loss_text}"
            if self.sent
            else self.loss_text,
            ", ".join(counted(count, name) for name, count in oddities.items() if count),
            self.rtt_text,
        ]
        return "\n".join(line for line in lines if line)


class Run(Table[Row]):
    """A table with a row for each ping, sorted by target and sequence number, and the summary of all.

    `Row` describes the columns. Pings in flight have no row, and a run without an end has the latest rows.

    >>> import udpping
    >>> run = udpping.sim.ping(count=3, loss="pattern:.x.")
    >>> [(row.seq, row.status) for row in run]
    [(1, 'reply'), (2, 'timeout'), (3, 'reply')]
    >>> run["rtt_ns"].to_list()[1] is None
    True
    """

    __slots__ = ("_settings", "_shown", "_summaries", "_summary", "_ways")
    _row = Row._make
    _first = FIRST

    def __init__(
        self,
        core: "_core.Table",
        summary: Summary,
        summaries: tuple[Summary, ...],
        settings: "Settings | Callable[[], Settings]" = NO_SETTINGS,
    ) -> None:
        super().__init__(core)
        self._summary = summary
        self._summaries = summaries
        self._settings = settings
        self._shown: _core.Table | None = None
        self._ways: tuple[Ways, ...] | None = None

    @property
    def settings(self) -> "Settings":
        """How the run was made, ready for JSON: version, host, targets, clocks, and all options by name.

        The dict is read-only; `dict(run.settings)` is a copy that can be changed. Parquet files and Arrow
        tables contain it as metadata, under the key `udpping`.

        >>> import udpping
        >>> settings = udpping.sim.ping(count=3, loss="10%", seed=7).settings
        >>> settings["made_by"], settings["count"], settings["loss"], settings["seed"], settings["interval"]
        ('udpping.sim.ping', 3, '10%', 7, None)
        """
        if callable(self._settings):
            # Made on first use: reading system and version takes longer than a short run.
            self._settings = self._settings()
        return self._settings

    def _metadata(self) -> str:
        return encode(metadata(self))

    def _with_metadata(self) -> "_core.Table":
        if self._shown is None:
            self._shown = self._core.with_metadata({"udpping": self._metadata()})
        return self._shown

    @property
    def summary(self) -> Summary:
        """The summary of the pings to all targets."""
        return self._summary

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """The summary of each target, in the order given; with one target the `summary`."""
        return self._summaries

    @property
    def ways(self) -> "tuple[Ways, ...]":
        """Which way pings were lost, one-way delays and the clock of each target that tells its times.

        Empty if none does: it takes `protocol="stamp"` and a far end that speaks it, or a file of irtt.

        >>> import udpping
        >>> with udpping.Reflector(port=0) as reflector:
        ...     run = udpping.ping(reflector, protocol="stamp")
        >>> [ways.lost_up for ways in run.ways], udpping.sim.ping(count=1).ways
        ([0], ())
        """
        if self._ways is None:
            self._ways = ()
            if any(self[name].null_count < len(self) for name in ("server_recv_ns", "server_sent_ns")):
                from udpping._results.ways import ways_of

                self._ways = ways_of(self)
        return self._ways

    @property
    def seed(self) -> int | None:
        """The seed of a random `schedule`, which repeats its times; `None` if it is not known."""
        seed = self.settings.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets, in the order given."""
        return tuple(summary.target for summary in self._summaries)

    def __reduce_ex__(self, protocol: "SupportsIndex") -> "tuple[object, ...]":
        # For `pickle`: to and from the processes of a pool, say.
        from pickle import PickleBuffer
        from zlib import crc32

        header, rows = self._metadata(), self._core.buffers()
        checksum = crc32(rows, crc32(header.encode()))
        sent = PickleBuffer(rows) if index(protocol) >= OUT_OF_BAND else rows
        return _restore, (type(self), header, sent, checksum)

    @property
    def problems(self) -> "dict[str, str]":
        """Why pings have the status `error`: the latest reason, by target.

        >>> import udpping
        >>> with udpping.Server(port=0) as server:
        ...     run = udpping.ping_many([server, "no-such-host.invalid"], count=2, interval=0.01)
        >>> [row.status for row in run], list(run.problems)
        (['reply', 'reply', 'error', 'error'], ['no-such-host.invalid:12000'])
        """
        return problems(self.settings)

    def to_pandas(self) -> "pd.DataFrame":
        """Make a pandas frame. Needs pandas and not pyarrow.

        First what is read first: `seq`, `status`, `rtt` (a duration), `sent` (a time in UTC), `reply` and
        `target`; then the other columns. `sent` and `rtt` are `sent_wall_ns` and `rtt_ns` once more, and
        `udpping.load` ignores them in what is written of the frame. Whole numbers stay whole, also beside
        missing ones, which are `<NA>`. ImportError without pandas.
        """
        from udpping._results.frames import to_pandas

        return to_pandas(super().to_pandas())

    def to_polars(self) -> "pl.DataFrame":
        """Make a polars frame, with the columns and the order of `to_pandas`. ImportError without polars."""
        from udpping._results.frames import to_polars

        return to_polars(super().to_polars())

    def plot(self, kind: str = "timeline", ax: "Axes | None" = None) -> "Axes":
        """Draw it with matplotlib (`pip install "udpping[notebook]"`), and give back the axes.

        `kind` is one of:

        * `"timeline"`: round trips over time, with the timeout as a line, and losses on the axis.
        * `"hist"`: a histogram of the round trips.
        * `"ecdf"`: the share of all pings that was answered within a time.
        * `"loss-runs"`: how many losses followed each other, beside what independent losses and the chain
          that fits best would do.
        * `"jitter"`: IPDV (RFC 3393) and the jitter of RFC 3550.
        * `"ways"`: where the other end tells its times (`protocol="stamp"`), delays up and down with the band
          in which each is, and the losses on each way.
        * `"offset"`: by how much the other end's clock is ahead of ours, as a band over time.

        `ax` is where to draw; without it, a new figure. The title is set unless there is one. ConfigError for
        another kind or for what is no axes, ImportError without matplotlib. The pings of several targets are
        drawn alike.

        >>> import udpping
        >>> axes = udpping.sim.ping(count=100, loss="10%", delay="exponential:5ms").plot("ecdf")
        >>> axes.get_xlabel(), axes.get_ylabel()
        ('round trip (ms)', 'pings answered within it (%)')
        """
        from udpping._figures.plot import plot

        return plot(self, kind, ax)

    def __repr__(self) -> str:
        shown = self._summaries if 0 < len(self._summaries) <= MANY else (self._summary,)
        ways = {each.target: each.text for each in self.ways} if len(self._summaries) <= MANY else {}
        lines = [text for each in shown for text in (repr(each), ways.get(each.target)) if text]
        if self._summary.kernel_drops and self._summary not in shown:
            lines.append(
                f"{self._summary.kernel_drops:,} dropped by this machine's kernel, from whichever target"
            )
        reasons = list(self.problems.items())[:MANY]
        lines += [f"not sent to {visible(name)}: {visible(reason)}" for name, reason in reasons]
        if len(self):
            lines += ["", super().__repr__()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from udpping._results.html import run_html

        return run_html(self)


class SimRun(Run):
    """A run in virtual time, with the seed that repeats it.

    >>> import udpping
    >>> udpping.sim.ping(count=3, seed=42).seed
    42
    """

    __slots__ = ()

    def __init__(
        self, core: "_core.Table", summary: Summary, settings: "Settings | Callable[[], Settings]"
    ) -> None:
        super().__init__(core, summary, (summary,), settings)

    @property
    def seed(self) -> int:
        """The seed in force: the same one gives the same run."""
        return super().seed or 0


def _restore(kind: type[Run], header: str, rows: "bytes | bytearray | memoryview", checksum: int) -> Run:
    import json
    from zlib import crc32

    if crc32(rows, crc32(header.encode())) != checksum:
        raise ConfigError("pickled run is not usable: its bytes are not those that were written")
    facts = json.loads(header)
    summaries = tuple(Summary(each.pop("target"), each) for each in facts["summaries"])
    names = [summary.target for summary in summaries]
    total = summaries[0] if len(summaries) == 1 else Summary(total_name(names), facts["summary"])
    run = kind.__new__(kind)
    core = _core.run_from_buffers(bytes(rows))
    Run.__init__(run, core, total, summaries, Settings(facts["settings"]))
    return run
