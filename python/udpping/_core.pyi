"""
The Rust core of udpping. Private: use `udpping`.
"""

from _typeshed import SupportsGetItem
from os import PathLike
from typing import Any, Final, SupportsFloat, SupportsIndex, final

__all__ = ["ECHO_PORT", "MAX_PAYLOAD", "MOST_SENDERS", "Column", "Digest", "EchoServer", "HeartbeatMonitor", "HeartbeatSender", "PingSession", "Samples", "Table", "check_bernoulli", "check_delay", "check_detector", "check_keys", "check_loss", "check_reply", "counter_metrics", "escape_bytes", "fit_models", "is_notable", "loss_chances", "loss_model", "loss_run_lengths", "mean_loss", "ping_defaults", "read_time", "run_columns", "run_from_arrow", "run_from_buffers", "run_from_csv", "run_from_json", "run_from_rows", "run_jitter", "run_summaries", "run_timeline", "see_off_heartbeats", "sim_detectors", "sim_heartbeat", "sim_ping", "stats_duplication", "stats_ipdv", "stats_jitter", "stats_loss", "stats_loss_periods", "stats_loss_runs", "stats_pdv", "stats_reordering", "stats_rolling", "stats_round_trip", "wilson"]

ECHO_PORT: Final[int]
"""
The port of the course's server.
"""

MAX_PAYLOAD: Final[int]
"""
The longest payload of a datagram.
"""

MOST_SENDERS: Final[int]
"""
The most senders of a simulation.
"""

@final
class Column:
    """
    One column of a table. A sequence: numpy makes an array of objects from words.
    """
    @property
    def __array_interface__(self, /) -> Any:
        """
        The numbers in memory as numpy's array interface describes them, read-only and without a copy.

        Durations in nanoseconds come as `timedelta64[ns]`, moments as `datetime64[ns]`; a missing one is `NaT`.
        """
    def __arrow_c_array__(self, /, requested_schema: "object | None" = None) -> "tuple[object, object]":
        """
        The column as capsules of the Arrow C data interface. No data is copied.
        """
    def __arrow_c_schema__(self, /) -> "object":
        """
        The type, as a capsule of the Arrow C data interface.
        """
    def __getitem__(self, index: SupportsIndex, /) -> Any:
        """
        The value at `index`; `None` where there is none.
        """
    def __len__(self, /) -> int: ...
    def __repr__(self, /) -> str: ...
    def filled(self, /) -> Column:
        """
        The same numbers without saying which are missing: something lies there in any case.
        """
    @property
    def may_miss_numbers(self, /) -> bool:
        """
        Whether it holds whole numbers from 0 and may miss some. `seq` counts as such in every table, so that frames fit
        together.
        """
    @property
    def name(self, /) -> str:
        """
        The name.
        """
    @property
    def null_count(self, /) -> int:
        """
        How many values are missing.
        """
    def null_mask(self, /) -> bytes:
        """
        One byte for each row: 1 where the value is missing.
        """
    def to_list(self, /) -> "list[object]":
        """
        All values as a Python list.
        """
    def words(self, /) -> tuple[list[str], Column] | None:
        """
        The different words, and which of them each row has; one more stands for a missing one. `None` without words.
        """

@final
class Digest:
    """
    All statistics of samples in some kilobytes.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __new__(cls, /, samples: Samples) -> Digest: ...
    def duplication(self, /) -> "dict[str, object] | None":
        """
        Replies too many; `None` if unknown.
        """
    @staticmethod
    def from_parts(parts: "dict[str, object]") -> Digest:
        """
        The digest with these parts.
        """
    def ipdv(self, /, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex]) -> "dict[str, object]":
        """
        Differences between neighbours, each quantile within 1 %.
        """
    def jitter(self, /) -> "dict[str, object] | None":
        """
        The jitter of RFC 3550; `None` if unknown.
        """
    def loss(self, /, confidence: SupportsFloat | SupportsIndex) -> "dict[str, object]":
        """
        Counts, and intervals of the loss.
        """
    def loss_runs(self, /) -> "dict[str, object]":
        """
        Runs of losses, counted.
        """
    def merged(self, /, other: Digest) -> Digest:
        """
        The digest of both.
        """
    def parts(self, /) -> "dict[str, object]":
        """
        What it is made of, as numbers, lists and dicts.
        """
    def pdv(self, /, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex]) -> "dict[str, object]":
        """
        Round trips less the shortest, each quantile within 1 %.
        """
    def reordering(self, /) -> "dict[str, object] | None":
        """
        Replies out of order; `None` if unknown.
        """
    def round_trip(self, /, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex]) -> "dict[str, object]":
        """
        Round trips, each quantile within 1 %.
        """

@final
class EchoServer:
    """
    A lossy echo server, bound when made.
    """
    def __new__(cls, /, host: str, port: SupportsIndex, *, loss: str, delay: str, reply: str, utc_offset: SupportsIndex, seed: int | None, scope: str | None, record: SupportsIndex, port_tries: SupportsIndex, workers: SupportsIndex) -> EchoServer: ...
    @property
    def address(self, /) -> tuple[str, int]:
        """
        The host and port that a client on this machine can use.
        """
    @property
    def bound(self, /) -> tuple[str, int]:
        """
        The host and port it is bound to.
        """
    @property
    def can_amplify(self, /) -> bool:
        """
        Whether a reply can be longer than its request.
        """
    def counters(self, /) -> "dict[str, int | None]":
        """
        The counts so far.
        """
    @property
    def delay(self, /) -> str:
        """
        The delay.
        """
    @property
    def done(self, /) -> bool:
        """
        Whether it has stopped and every event has been taken.
        """
    def follow(self, /) -> None:
        """
        From now on keep what `next` gives.
        """
    def log(self, /) -> Table:
        """
        What was done with each datagram, if recording.
        """
    @property
    def loss(self, /) -> str:
        """
        The loss model.
        """
    @property
    def missed_events(self, /) -> int:
        """
        Datagrams that were handled while nobody took the events.
        """
    def next(self, /, seconds: "float") -> "tuple[object, ...] | None":
        """
        The next datagram as a row of the log with the message behind it, waiting at most `seconds`.
        """
    @property
    def reply(self, /) -> str:
        """
        The form of the replies.
        """
    @property
    def running(self, /) -> bool:
        """
        Whether it serves now.
        """
    @property
    def scope(self, /) -> str:
        """
        `client` or `shared`.
        """
    @property
    def seed(self, /) -> int:
        """
        The seed in force.
        """
    def start(self, /) -> None:
        """
        Starts serving in the background.
        """
    def stop(self, /) -> None:
        """
        Stops serving and waits for the thread to end.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits at most `seconds` for the server to stop; says whether it has.
        """

@final
class HeartbeatMonitor:
    """
    A monitor of heartbeats, bound when made.
    """
    def __new__(cls, /, host: str, port: SupportsIndex, *, detector: str, interval: SupportsFloat | SupportsIndex, keys: str | None, answer: bool, utc_offset: SupportsIndex, losses: bool, beats: bool, max_clients: SupportsIndex, per_prefix: SupportsIndex, idle: SupportsFloat | SupportsIndex, loss: str, seed: int | None, port_tries: SupportsIndex, state: str | PathLike[str] | None, log: str | PathLike[str] | None) -> HeartbeatMonitor:
        """
        `keys` is the text of a file of keys.
        """
    @property
    def address(self, /) -> tuple[str, int]:
        """
        The host and port that a sender on this machine can use.
        """
    @property
    def bound(self, /) -> tuple[str, int]:
        """
        The host and port it is bound to.
        """
    def counters(self, /) -> "dict[str, int | bool | str | None]":
        """
        The counts so far.
        """
    @property
    def detector(self, /) -> str:
        """
        The detector.
        """
    @property
    def done(self, /) -> bool:
        """
        Whether it has stopped and every event has been taken.
        """
    def events(self, /) -> Table:
        """
        What happened, the latest 65,536 of it.
        """
    @property
    def loss(self, /) -> str:
        """
        The loss model.
        """
    @property
    def missed_events(self, /) -> int:
        """
        Events that happened while nobody took the others.
        """
    def next(self, /, seconds: "float") -> "tuple[object, ...] | None":
        """
        The next event as a row of the table of events, waiting at most `seconds`.
        """
    def peers(self, /) -> Table:
        """
        The clients, by name.
        """
    @property
    def running(self, /) -> bool:
        """
        Whether it watches now.
        """
    @property
    def seed(self, /) -> int:
        """
        The seed in force.
        """
    def start(self, /) -> None:
        """
        Starts watching in the background.
        """
    def stop(self, /) -> None:
        """
        Stops watching and waits for the threads to end.
        """
    def unreadable(self, /) -> "list[tuple[str, str, bytes]]":
        """
        The latest datagrams that could not be read: who sent them, why not, and how they begin.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits at most `seconds` for it to stop; says whether it has.
        """

@final
class HeartbeatSender:
    """
    A sender of heartbeats.
    """
    def __new__(cls, /, host: str, port: SupportsIndex, *, interval: SupportsFloat | SupportsIndex, id: str, keys: str | None, key_name: str | None, wire: str, jitter: SupportsFloat | SupportsIndex, boot: SupportsIndex | None, touch: SupportsFloat | SupportsIndex | None, count: SupportsIndex | None) -> HeartbeatSender: ...
    def counters(self, /) -> "dict[str, int]":
        """
        The counts so far.
        """
    @property
    def running(self, /) -> bool:
        """
        Whether it sends now.
        """
    @property
    def session(self, /) -> str:
        """
        The session number, as the heartbeats carry it.
        """
    def start(self, /) -> None:
        """
        Starts sending in the background.
        """
    def state(self, /) -> "tuple[tuple[str, int] | None, str | None, int | None]":
        """
        Where heartbeats go, what is wrong now, and the last round trip in nanoseconds.
        """
    def stop(self, /, status: SupportsIndex) -> None:
        """
        Says goodbye with an exit status; the first word of it has left when this returns.
        """
    def touch(self, /) -> None:
        """
        A sign of life of the program.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits at most `seconds` for the end; says whether it is over.
        """

@final
class PingSession:
    """
    A run of pings to one or several targets.
    """
    def __new__(cls, /, targets: SupportsGetItem[int, tuple[str, SupportsIndex]], options: "dict[str, object]", *, events: bool, announce: bool) -> PingSession: ...
    def addresses(self, /) -> list[str]:
        """
        The address of each target, as `host:port`.
        """
    @property
    def done(self, /) -> bool:
        """
        Whether the run is over and every row has been taken.
        """
    @property
    def missed_events(self, /) -> int:
        """
        Rows that changed while nobody took them.
        """
    def next(self, /, seconds: "float") -> "tuple[object, ...] | None":
        """
        The next row that changed, waiting at most `seconds`.
        """
    @property
    def seed(self, /) -> int:
        """
        The seed of a random schedule.
        """
    @property
    def stamping(self, /) -> str:
        """
        What the kernel stamps: `both`, `receive` or `none`.
        """
    def start(self, /) -> None:
        """
        Starts sending.
        """
    def stop(self, /) -> None:
        """
        Ends the run soon.
        """
    def summary(self, /, target: "int | None") -> "dict[str, int | float | None]":
        """
        The counts of one target, or of all.
        """
    def table(self, /, latest: SupportsIndex | None = None) -> Table:
        """
        The rows so far, or the `latest` of each target. Nothing is sent while they are taken, which is quick: what is taken
        is shared.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits at most `seconds` for the end of the run; says whether it is over.
        """

@final
class Samples:
    """
    The pings of one table or of several, sorted out by run and target.

    `table` has `__arrow_c_stream__`, or is a dict of columns, or a list of such tables. `wanted` names the columns that
    are read beside `rtt_ns`, `status`, `seq`, `run` and `target`.
    """
    def __len__(self, /) -> int:
        """
        How many pings there are.
        """
    def __new__(cls, /, table: "object", wanted: SupportsGetItem[int, str]) -> Samples: ...
    def by_target(self, /) -> list[tuple[str | None, Samples]]:
        """
        The samples of each target, in the order of their first appearance; the target is `None` where there is none.
        """

@final
class Table:
    """
    Columns of equal length, by name.
    """
    def __arrow_c_schema__(self, /) -> "object":
        """
        The schema, as a capsule of the Arrow C data interface.
        """
    def __arrow_c_stream__(self, /, requested_schema: "object | None" = None) -> "object":
        """
        The table as a stream of its pieces, as a capsule of the Arrow C stream interface. No data is copied.
        """
    def __getitem__(self, name: str, /) -> Column:
        """
        The column of that name, in one piece.
        """
    def __len__(self, /) -> int: ...
    def buffers(self, /) -> bytes:
        """
        The table as bytes.
        """
    @property
    def column_names(self, /) -> list[str]:
        """
        The names of the columns, in order.
        """
    def csv_lines(self, /, first: SupportsIndex, rows: SupportsIndex) -> str:
        """
        So many rows from the `first` on as lines of CSV.
        """
    def equals(self, /, other: Table) -> bool:
        """
        Whether the other has the same columns, of the same types, with the same values.
        """
    def json_lines(self, /, first: SupportsIndex, rows: SupportsIndex) -> str:
        """
        The same as lines of JSON, an object each.
        """
    def row(self, /, index: "int") -> "tuple[object, ...]":
        """
        Row `index` as a tuple in the order of the columns.
        """
    def with_metadata(self, /, metadata: dict[str, str]) -> Table:
        """
        The same table, with these words about it in its schema.
        """

def check_bernoulli(text: str) -> str:
    """
    The canonical text of a probability of loss, with or without the name of its kind.
    """

def check_delay(text: str) -> str:
    """
    The canonical text of a delay.
    """

def check_detector(text: str) -> str:
    """
    The canonical text of a detector.
    """

def check_keys(text: str) -> None:
    """
    Refuses a text that is no file of keys.
    """

def check_loss(text: str) -> str:
    """
    The canonical text of a loss model.
    """

def check_reply(text: str) -> str:
    """
    The canonical text of a reply form.
    """

def counter_metrics() -> "dict[str, list[tuple[str, str, str, str]]]":
    """
    What is known of the counters of a server, of a monitor and of a sender of heartbeats, in their order: name, `counter`
    or `gauge`, unit, and one sentence.
    """

def escape_bytes(bytes: bytes) -> str:
    """
    Bytes as text from which they can be had again.
    """

def fit_models(samples: Samples) -> "dict[str, object]":
    """
    Fits chains to losses and distributions to delays; gives back the counts, a dict for each model, and the places of the
    best ones.
    """

def is_notable(event: str, before: str | None) -> bool:
    """
    Whether an event of that name, with that state before, is more than a heartbeat that came, is late or lost.
    """

def loss_chances(text: str, sent: SupportsIndex, lost: SupportsIndex, longest: SupportsIndex | None) -> "tuple[float, float | None]":
    """
    How probable it is that so many of so many are lost, as few or as many, and that so many in a row are.
    """

def loss_model(text: str) -> "tuple[str, tuple[int, int] | None, dict[str, tuple[int, int]]]":
    """
    The kind of a loss model, the exact share of datagrams that it loses in the long run, and the parameters of a channel.
    Fractions are numerator and denominator.
    """

def loss_run_lengths(text: str, longest: SupportsIndex) -> "list[float] | None":
    """
    The probabilities that a run of losses is 1, 2, ... up to `longest` long; `None` where there are no runs.
    """

def mean_loss(text: str) -> float | None:
    """
    The share of datagrams that a loss model loses in the long run, if it has one.
    """

def ping_defaults() -> tuple[int, float, str, int, str]:
    """
    The defaults of the face: count, timeout, message, number of the first ping, and schedule.
    """

def read_time(datagram: bytes, utc_offset: SupportsIndex) -> float | None:
    """
    When a heartbeat says that it was sent, in seconds since 1970: a number in any unit or a date, without a zone one of a
    zone that is `utc_offset` seconds ahead of UTC.
    """

def run_columns() -> list[tuple[str, str, bool, str]]:
    """
    The columns of a run: name, type, whether a value may be missing, and unit.
    """

def run_from_arrow(table: "object") -> "Table":
    """
    Reads a run from an Arrow table, whatever integers and texts are in it.
    """

def run_from_buffers(buffers: "bytes") -> "Table":
    """
    Reads a run from such bytes.
    """

def run_from_csv(text: str, line: SupportsIndex) -> Table:
    """
    Reads a run from CSV, the first line of which has that number in its file.
    """

def run_from_json(text: str, line: SupportsIndex) -> Table:
    """
    Reads a run from JSON lines, the first of which has that number in its file and names the columns.
    """

def run_from_rows(rows: "object") -> "Table":
    """
    Reads a run from rows, each a dict with what is known of a ping, by column.
    """

def run_jitter(table: Table) -> Table:
    """
    The jitter of RFC 3550 after each reply, target after target, in the order in which the replies came.
    """

def run_summaries(table: Table, targets: SupportsGetItem[int, str]) -> "tuple[dict[str, int | float | None], list[dict[str, int | float | None]]]":
    """
    What the rows of a run come to: all of them, and those of each of `targets`. What rows do not tell is `None`.
    """

def run_timeline(table: Table, spans: SupportsIndex, targets: SupportsGetItem[int, str]) -> "tuple[int, int, list[list[tuple[int | None, int | None, int, int, int, int, bool]]]]":
    """
    The times of the first and last ping, and for each of `targets` what became of its pings in `spans` equal parts of that
    time; without targets that of all pings together. Nothing where no times are known.
    """

def see_off_heartbeats(seconds: SupportsFloat | SupportsIndex) -> None:
    """
    Waits at most `seconds` until all heartbeats that were stopped have said their last words.
    """

def sim_detectors(detectors: SupportsGetItem[int, str], *, loss: str, delay: str, interval: SupportsFloat | SupportsIndex, days: SupportsFloat | SupportsIndex | None, crashes: SupportsIndex, seed: int | None) -> "tuple[Table, int]":
    """
    Runs detectors side by side over one sender's heartbeats; gives back a row for each and the seed in force.

    Without `days`, one heartbeat is sent for each mark of a trace.
    """

def sim_heartbeat(faults: SupportsGetItem[int, str], *, duration: SupportsFloat | SupportsIndex, interval: SupportsFloat | SupportsIndex, jitter: SupportsFloat | SupportsIndex, drift_ppm: SupportsFloat | SupportsIndex, detector: str, losses: bool, beats: bool, loss: str, delay: str, seed: int | None) -> "tuple[Table, Table, int, int]":
    """
    Watches simulated senders, one for each text of faults; gives back the clients, the events, how many more of these
    there were, and the seed in force.
    """

def sim_ping(options: "dict[str, object]", *, loss: str, delay: str, reply: str, seed: int | None, scope: str | None) -> "tuple[Table, dict[str, int | float | None], int]":
    """
    Pings a simulated server; gives back the rows, the summary and the seed in force.
    """

def stats_duplication(samples: Samples) -> "dict[str, object]":
    """
    Replies too many.
    """

def stats_ipdv(samples: Samples, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex]) -> "dict[str, object]":
    """
    Differences between neighbours.
    """

def stats_jitter(samples: Samples) -> "dict[str, object]":
    """
    The jitter of RFC 3550.
    """

def stats_loss(samples: Samples, confidence: SupportsFloat | SupportsIndex) -> "dict[str, object]":
    """
    Counts, and intervals of the loss.
    """

def stats_loss_periods(samples: Samples) -> Table:
    """
    A row for each run of losses.
    """

def stats_loss_runs(samples: Samples) -> "dict[str, object]":
    """
    Runs of losses, counted.
    """

def stats_pdv(samples: Samples, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex]) -> "dict[str, object]":
    """
    Round trips less the shortest.
    """

def stats_reordering(samples: Samples, n: SupportsIndex) -> "dict[str, object]":
    """
    Replies out of order.
    """

def stats_rolling(samples: Samples, length: SupportsIndex, step: SupportsIndex | None, in_time: bool, confidence: SupportsFloat | SupportsIndex) -> Table:
    """
    A row for each window, of so many pings or nanoseconds.
    """

def stats_round_trip(samples: Samples, quantiles: SupportsGetItem[int, SupportsFloat | SupportsIndex], infinite: bool) -> "dict[str, object]":
    """
    Round trips and their quantiles; lost pings are left out, or infinite.
    """

def wilson(hits: SupportsIndex, n: SupportsIndex, confidence: SupportsFloat | SupportsIndex = 0.95) -> tuple[float, float] | None:
    """
    The interval of a share, `hits` of `n`; `None` without a trial.
    """
