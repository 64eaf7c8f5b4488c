"""The types of the rows of tables."""

from typing import NamedTuple, TypeAlias

from udpping import _core

Payload: TypeAlias = bytes  # in the class below, `bytes` is a column


class Row(NamedTuple):
    """One ping. Times are whole nanoseconds; what did not happen is `None`, never 0."""

    run: int | None
    """When the run began, in nanoseconds since 1970 (UTC). It identifies the run when several are combined.

    This and every other time is `None` if the run is of another program that did not print it. Several such
    runs in one file are 1, 2, and so on.
    """
    target: str
    """The target, as given."""
    seq: int
    """The number of the ping, from 1."""
    due_ns: int | None
    """When it was due, since the run began."""
    sent_ns: int | None
    """When it was sent, since the run began, by the monotonic clock."""
    sent_wall_ns: int | None
    """When it was sent, since 1970 (UTC). For showing only, as this clock can be set."""
    rtt_ns: int | None
    """Time from sending to the first reply, also a late one, by the best two time stamps: see `stamp`."""
    user_rtt_ns: int | None
    """The same as this program saw it, with the time until it was scheduled. It decides what is late."""
    status: str
    """`reply`, `late`, `timeout`, `unreachable` or `error`; `open` in a row that only announces a ping."""
    copies: int
    """Number of replies to it."""
    source: str | None
    """Who replied, or who reported that the target is unreachable."""
    ttl: int | None
    """Remaining hops of the reply, where the system reports them."""
    bytes: int | None
    """Length of the reply."""
    stamp: str | None
    """Who took the two times of `rtt_ns`: `kernel`, or `user`: this program. With one from each it is
    `kernel-rx` (the kernel that of the arrival) or `kernel-tx` (that of the sending). `stepped` is `user`
    where the kernel's stamps cannot be used, as the wall clock was set while the ping was out."""
    reply: Payload | None
    """The first 1,024 bytes of the reply."""
    match: str | None
    """How the reply was matched: `seq`, `payload`, or `unverified` (only one ping was in flight)."""
    server_recv_ns: int | None
    """When the server received the ping, since 1970 by its clock: with `protocol="stamp"` or `"text:times"`,
    and from irtt."""
    server_sent_ns: int | None
    """When the server sent the reply: likewise.

    With `protocol="stamp:follow-up"` or `"text:times,follow-up"` a later reply may tell it better. Then this
    and `path_rtt_ns` change in the table of the run; a row that a stream has given keeps what it had.
    """
    arrival: int | None
    """Position of its first reply in the order of arrival, of this run and target, from 1.

    Late replies count too. Reordering and jitter are computed from it.
    """
    path_rtt_ns: int | None
    """`rtt_ns` less the time that the server had the ping, from `server_recv_ns` to `server_sent_ns`.

    The difference of the two clocks is not in it. `None` without these times, and where they cannot be right.
    """
    server_seq: int | None
    """The server's own number of the reply, modulo 2^32: with `protocol="stamp"` or `"text:times"`.

    A reflector that counts its replies leaves a gap where one was lost on the way back; a stateless one
    repeats the number of the ping. `stats.direction` tells what that says.
    """
    lost_on: str | None
    """On which way a ping without a reply was lost: `up`, `down`, or `unknown` where nobody can know.

    `None` for one that was answered, also late, and if the server tells nothing. This and the next three are
    found when the run is looked at as a whole: rows of a stream do not have them.
    """
    up_ns: int | None
    """How long the ping took to the server, wrong by `owd_error_ns` at most."""
    down_ns: int | None
    """How long the reply took back, likewise: one is as much too long as the other is too short."""
    owd_error_ns: int | None
    """The bound of that error, without synchronised clocks: as of `stats.one_way_rows` by default."""
    server_stamp: str | None
    """Who took the server's two times, if it says so: the words are those of `stamp`.

    With STAMP it is `kernel-tx` where the kernel of a reflector told when the reply left, else `None`. With
    `"text:times,follow-up"` it is `kernel` where the kernel of the server told that and the arrival.
    """


class TargetEvent(NamedTuple):
    """A pinged target is up, or down, as the detector of its `Pinger` has decided."""

    at_ns: int
    """When that was decided, in nanoseconds since the run began."""
    wall_ns: int
    """The same since 1970 (UTC)."""
    target: str
    """The target, as given."""
    event: str
    """`up` or `down`."""
    seq: int | None
    """The last ping that was answered; `None` if none was."""
    span_ns: int | None
    """How long it was silent, for one that is down: since the last reply, or else since the first ping.

    For one that is up again, since it was `down`; `None` with the first reply.
    """
    message: str
    """All that in a sentence."""


class LogRow(NamedTuple):
    """What a server did with one datagram."""

    recv_ns: int
    """When it came, since the server was made."""
    recv_wall_ns: int
    """When it came, since 1970 (UTC)."""
    client: str
    """Who sent it: address and port."""
    client_index: int
    """0 for the first client that was seen, 1 for the second, ..."""
    number: int
    """Its number among the datagrams that the loss model counts together, from 1."""
    seq: int | None
    """The sequence number that it carries, when it can be read."""
    verdict: str
    """`answer`, `drop` (lost on purpose) or `error` (it should have been answered, and could not be)."""
    reason: str | None
    """Why it was not answered: `loss`; `mtu` (too long for the link), `queue` (the link's was full) or
    `schedule` (nothing passed then); `full` (too many replies waiting); `send` (the system refused, or the
    datagram came with the server's own address)."""
    delay_ns: int | None
    """How long its first reply was delayed on purpose."""
    direction: str | None
    """The way on which it was dropped: `up`, itself, or `down`, its replies."""
    bytes: int
    """Its length."""
    reply_bytes: int | None
    """The length of its reply, before what happens to that on its way; `None` if it did not come up."""
    copies: int
    """How many copies were made of it, and of its replies, on purpose."""
    replies: int
    """How many replies it has. Of the rest, up to 1 + `copies`, each was dropped on its way."""
    damage: str | None
    """What was done to its bytes and to those of its reply: `up:cut`, `up:flipped`, `down:cut` and
    `down:flipped`, with spaces between them."""


class Achieved(NamedTuple):
    """What was asked of an effect of a link, and what it did."""

    direction: str
    """The way: `up` to the server, or `down` from it."""
    effect: str
    """Its key: `loss`, `reorder`, `duplicate`, `corrupt`, `truncate`, `mtu`, `queue` or `schedule`."""
    asked: float | None
    """The share of datagrams that it was to hit; `None` where that is not a share, or has no long run."""
    hits: int
    """How many it hit."""
    of: int
    """Of how many that came to it, without those that `first` spares, or that are too short to be cut."""
    share: float | None
    """The two, divided; `None` of none."""
    low: float | None
    """The lower end of the 95 % interval: as often as that, in the long run, at least."""
    high: float | None
    """Its upper end. Where losses come in runs, it is wider: they count as fewer independent ones."""


class Event(NamedTuple):
    """What a server did with one datagram, and what was in it; all but `message` as in `LogRow`."""

    recv_ns: int
    recv_wall_ns: int
    client: str
    client_index: int
    number: int
    seq: int | None
    verdict: str
    reason: str | None
    delay_ns: int | None
    direction: str | None
    bytes: int
    reply_bytes: int | None
    copies: int
    replies: int
    damage: str | None
    message: Payload
    """The datagram, its first 1,024 bytes."""


class RelayRow(NamedTuple):
    """What a relay did with one datagram."""

    recv_ns: int
    """When it came, since the relay was made."""
    recv_wall_ns: int
    """When it came, since 1970 (UTC)."""
    direction: str
    """`up`, towards the target, or `down`, towards a client."""
    client: str
    """Whose it is: address and port of the client."""
    client_index: int
    """0 for the first client that was seen, 1 for the second, ..."""
    number: int
    """Its number among those of its direction that the loss model counts together, from 1."""
    bytes: int
    """The length of its payload."""
    verdict: str
    """`send`, `drop` (on purpose) or `error` (it could not be sent)."""
    reason: str | None
    """Why it was not sent: `loss`; `mtu` (too long for the link), `queue` (the link's was full) or `schedule`
    (nothing passed then); `full` (too many datagrams waiting); `send` (the system refused, or it had gone in
    a circle)."""
    delay_ns: int | None
    """How long it was delayed on purpose."""
    copies: int
    """How many further copies were made of it."""
    reordered: bool
    """Whether it leaves before one of its client and direction that came earlier."""
    corrupted: bool
    """Whether it was changed or cut."""


class RelayEvent(NamedTuple):
    """What a relay did with one datagram, and what was in it; all but `message` as in `RelayRow`."""

    recv_ns: int
    recv_wall_ns: int
    direction: str
    client: str
    client_index: int
    number: int
    bytes: int
    verdict: str
    reason: str | None
    delay_ns: int | None
    copies: int
    reordered: bool
    corrupted: bool
    message: Payload
    """The datagram as it came, its first 1,024 bytes."""


class PeerRow(NamedTuple):
    """A client of a monitor. Times are whole nanoseconds; what cannot be known is `None`, never 0."""

    client: str
    """Its name, or its address and port where its heartbeats carry none."""
    state: str
    """`new`, `up`, `late`, `suspect`, `unknown`, `down` or `bye`."""
    since_wall_ns: int
    """Since when, since 1970 (UTC)."""
    last_seen_wall_ns: int
    """When the last fresh heartbeat came: one with a higher number than any before."""
    address: str
    """From where."""
    seq: int
    """Its number."""
    received: int
    """Different heartbeats that came, over all sessions."""
    lost: int
    """Those that never came, told by gaps in their numbers; one that comes late is taken back from here."""
    duplicates: int
    """Those that came again."""
    reordered: int
    """Those that came after a higher number (RFC 4737)."""
    old: int
    """Those too old to know whether they came before: neither received nor duplicates."""
    overdue: int
    """Those that should have come by now, since the last."""
    loss_runs: int
    """Unbroken runs of lost ones."""
    longest_loss_run: int
    """The longest of them."""
    interval_ns: int
    """The time between two heartbeats: stated by the client, or else found out."""
    interval_stated: bool
    """Which of the two."""
    detection_ns: int | None
    """How long after a heartbeat the verdict falls, if no other comes."""
    false_alarms_per_day: float | None
    """A forecast, and no count: how many a day a calibrated detector expects with the `detection_ns` of now.

    As promised, or more where 60 silent intervals were not enough. `None` for other detectors, and before
    the third heartbeat. How many there were is `false_alarms`, in the time `watched_ns`.
    """
    watched_ns: int
    """How long it had a detector: from each fresh heartbeat to the next, or until it was down."""
    false_alarms_foretold: float | None
    """How many a calibrated detector expected for that time: the sum of what it said all along."""
    false_alarms: int
    """How many there were in it: it was down, and what came then shows that its sender had gone on.

    A sender that had stopped, slept or been started again was rightly down. Heartbeats without numbers, or
    the first after a restart of the monitor, do not show it.
    """
    false_alarms_low: float
    """Lower end of the 95 % interval of their mean: the exact Poisson one (Garwood 1936)."""
    false_alarms_high: float
    """Upper end of it."""
    to_learn: int | None
    """How many more heartbeats the detector needs before it has learned this client's losses and delays.

    Until then `detection_ns` is for the time being. 0 when it has, or if it learns nothing; `None`
    for a client that is down or said goodbye.
    """
    difference_ns: int | None
    """Our wall clock at the arrival less the sender's at the sending: the way and the clock error in one."""
    delay_ns: int | None
    """How much longer than the fastest the last heartbeat was on its way: free of the clock error."""
    delay_variation_ns: int | None
    """How much that varies: the interarrival jitter of RFC 3550."""
    drift_ppm: float | None
    """How much faster than ours the sender's clock runs, in parts per million; from 307 heartbeats on."""
    sessions: int
    """How often it was started, as far as was seen."""
    session: str | None
    """The number of the current session, in hexadecimal."""
    sealed: bool
    """Whether its heartbeats carry a seal that is right."""
    exit_status: int | None
    """What it said at its goodbye: an exit status, or the signal that ended it as a negative number."""
    stopped_from_wall_ns: int | None
    """For one that is down: when it stopped at the earliest, ..."""
    stopped_to_wall_ns: int | None
    """... and at the latest, if nothing was lost at the end."""


class MonitorEvent(NamedTuple):
    """Something that a monitor noticed."""

    number: int
    """From 1."""
    at_ns: int
    """When, since the monitor was made."""
    wall_ns: int
    """When, since 1970 (UTC)."""
    event: str
    """What: a state (`new`, `up`, `late`, `suspect`, `unknown`, `down`, `bye`), or what else happened.

    Of a client:

    * `restarted`: a new session, `span_ns` after the last heartbeat of the old one.
    * `paused`: it sent nothing for `span_ns`, and nothing is lost. It was stopped or asleep.
    * `client_clock_stepped` by `span_ns`, and `address_changed` from `previous`.
    * `jumped`: its numbers jumped by `value`.
    * `duplicate_identity`: two senders go by its name.
    * `older_session`: sealed heartbeats of a session before the known one are refused.
    * `forgotten`: too few heartbeats of it arrived, or another client took its place.

    With `losses=True`, `lost` (`value` heartbeats from `seq` on). With `beats=True`, for each heartbeat
    `heard`, `heard_late` (after a later one; `value` is 1 if it had counted as lost) or `heard_again` (a
    copy): `seq` is its number, and `span_ns` its time difference if it has a time whose zone is known.

    Of the monitor:

    * `resumed`: it was away for `span_ns`. `state_lost`: its state was empty. `stalled`: it stood still.
    * `clock_stepped`, and `dropped`: `value` datagrams, by the kernel.
    * `outage`: `value` clients are silent, at least three and half of those that were up.
    * `outage_over`: `value` of them send again, which is most of them.
    * `isolated`: its own connection is gone. `connected`: it is back.
    * `idle`: no heartbeat arrived for `span_ns`.
    * `full`, and `unreported`: `value` events of new or unstable clients were not reported.
    """
    client: str | None
    """Who; `None` for what is about the monitor."""
    address: str | None
    """From where its last heartbeat came."""
    previous: str | None
    """From where its heartbeats came before."""
    before: str | None
    """Its state before, when that changed."""
    seq: int | None
    """The number of its last heartbeat, unless said otherwise."""
    span_ns: int | None
    """For changes of state: since the last heartbeat; since the verdict, for one that is up again."""
    value: int | None
    """How many; for a `bye` the exit status."""
    message: str
    """All that in a sentence."""

    @property
    def is_notable(self) -> bool:
        """Whether it is more than a heartbeat that comes, is late or lost, as happens, and the way back."""
        return _core.is_notable(self.event, self.before)
