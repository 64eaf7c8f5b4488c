"""Replies too many, and replies out of order."""

from udpping import _core
from udpping._args import checks
from udpping.stats._results import Duplication, Reordering, made
from udpping.stats._tables import ORDER, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping.stats._tables import Frame


N = 3
"""TCP takes a segment for lost after three duplicate acknowledgements."""


def duplication(table: "Frame") -> Duplication:
    """Duplication (RFC 5560, on round trips): replies beyond the first, of the pings that got any.

    Counts of pings and replies, and their ratios. A copy may be of the ping or of its reply; which cannot be
    seen from here. Late replies count. Of no ping that was answered the ratios are `None`; nothing is special
    about one or two. Needs `copies`. `table` is anything that `Pings` takes. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.duplication({"rtt_ns": [5, 6, None, 7], "copies": [1, 3, 0, 1]})
    >>> found.answered, found.duplicates, found.replicated, round(found.fraction, 3)
    (3, 2, 1, 0.667)
    """
    return made(Duplication, _core.stats_duplication(read(table, "copies")))


def reordering(table: "Frame", n: int = N) -> Reordering:
    """Reordering (RFC 4737, on round trips) among the replies in time, in the order in which they came.

    A reply is reordered (section 3.3) when that to a later ping came before it. Its extent (4.2.1) is how
    many replies back the earliest of those is: what a receiver has to hold to restore the order. It is
    n-reordered (5.4.1) when the n replies right before it are all to later pings; at n = 3 TCP takes it for
    lost. What is later is later in sending; what was lost is in no order.

    Runs and most files say in which order replies came (`arrival`). For a sample in which a reply in time has
    no such number, the order is computed: `sent_ns` and `user_rtt_ns`, or else `rtt_ns`, say when each came,
    and replies that came at once count in the order of sending. Such times mix clocks, so replies that came
    within microseconds of each other may be found out of order that were not.

    Of no reply the ratios are `None`, of one they are 0, of two the second may be reordered. `n` is a whole
    number from 1. Needs `arrival` or `sent_ns`. `table` is anything that `Pings` takes. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.reordering({"rtt_ns": [50, 10, 10, 10], "arrival": [4, 1, 2, 3]})
    >>> found.reordered, found.ratio, found.max_extent, found.n_reordered
    (1, 0.25, 3, 1)
    """
    return made(Reordering, _core.stats_reordering(read(table, *ORDER), checks.whole("n", n)))
