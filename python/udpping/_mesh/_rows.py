"""What the parts of a mesh hand to each other."""

from typing import NamedTuple


class Host(NamedTuple):
    """A host of a mesh."""

    name: str
    """What the engine calls it."""
    address: str
    """The IP address at which the others ping it."""
    group: str
    """Its rack or site; without one, its address."""


class Pair(NamedTuple):
    """Who pings whom in a round."""

    source: int
    """The place of the host that sends, in the list of hosts."""
    target: int
    """The place of the host that answers."""
    phase: float
    """When the first ping leaves, as a share of the interval from 0 to 1, so that pings do not meet."""


class PairRow(NamedTuple):
    """What one host measured to another in one round. What is not known is `None`, never 0.

    Times are nanoseconds. Round trips are those of replies in time.
    """

    round: int
    """Number of the round, from 0."""
    source: str
    """The host that sent the pings."""
    target: str
    """The host that answered them."""
    group_source: str
    """The group of the source."""
    group_target: str
    """The group of the target."""
    source_port: int | None
    """The UDP port that the pings left from, where each port has its own row."""
    sent: int
    """Pings that were answered or lost."""
    received: int
    """Pings answered in time."""
    duplicates: int
    """Further replies, after the first to a ping."""
    loss_runs: int
    """Unbroken runs of lost pings: fewer than lost pings if these come in bursts."""
    lost_up: int | None
    """Pings that did not reach the target, at least; `None` if the target does not number its replies."""
    lost_down: int | None
    """Pings whose replies did not come back, at least."""
    lost_unknown: int | None
    """Lost pings of which the way is unknown."""
    rtt_min_ns: int | None
    """Shortest round trip."""
    rtt_p50_ns: float | None
    """Median round trip."""
    rtt_p90_ns: float | None
    """90th percentile of the round trips."""
    rtt_p99_ns: float | None
    """99th percentile of the round trips."""
    rtt_max_ns: int | None
    """Longest round trip."""
    up_p50_ns: float | None
    """Median delay to the target, wrong by `owd_error_ns` at most."""
    down_p50_ns: float | None
    """Median delay back."""
    owd_error_ns: int | None
    """The bound of the errors of the two."""
    offset_low_ns: int | None
    """The clock of the target less that of the source, at least."""
    offset_high_ns: int | None
    """The clock of the target less that of the source, at most."""
    error: str | None
    """Why there are no numbers, or fewer: a host that ended, or was not heard in time."""
