"""Which way packets were lost."""

from typing import Any, cast

from udpping import _core
from udpping._args import checks
from udpping.stats._results import Direction, made
from udpping.stats._tables import DIRECTION, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping.stats._tables import Frame


def direction(table: "Frame", *, stateful: bool = False) -> Direction:
    """Tell on which way unanswered pings were lost: up to the server, or down from it.

    A STAMP reflector numbers its replies (`server_seq`). A number that is missing among those that came is a
    reply that was lost on the way down. An unanswered ping without such a reply was lost on the way up, or
    the server dropped it. Neither the order of the replies nor late ones or copies of them make it wrong.

    The way of some losses is `unknown`: those after the reply with the highest number, those before the
    first reply unless its number is 0, and those around a restart of the server. If one ping has overtaken
    another on the way up, 64 more pings at these places may be among them. If a ping was answered twice,
    the network may have copied pings, and each copy has a number: then `lost_down` is 0, and what is not
    surely lost on the way up is unknown. The ways are exact if no ping was copied or overtaken unseen.

    A stateless reflector copies the numbers of the pings, and so says nothing. If all numbers are those of
    the pings, all losses are unknown, except with `stateful=True`: use it for a reflector that is known to
    count, as `udpping.Reflector` does, where your pings begin at 0. By default they begin at 1.

    Where the column `lost_on` says more, as with `protocol="text:times"`, it is counted instead: it is right
    also where pings were copied.

    Needs `server_seq`, `server_sent_ns` and `copies`; `seq` shows that pings are missing in the table. A ping
    with a late reply is not lost here. `table` is anything that `Pings` takes. Raises ConfigError.

    >>> from udpping import stats
    >>> found = stats.direction(
    ...     {
    ...         "rtt_ns": [50, None, 50, None, 50, None],
    ...         "copies": [1, 0, 1, 0, 1, 0],
    ...         "server_seq": [0, None, 1, None, 3, None],
    ...         "server_sent_ns": [100, None, 300, None, 500, None],
    ...     }
    ... )
    >>> found.lost_up, found.lost_down, found.unknown
    (1, 1, 1)
    """
    counts = checks.flag("stateful", stateful)
    facts = cast("dict[str, Any]", _core.stats_direction(read(table, *DIRECTION), counts))
    return made(Direction, facts)
