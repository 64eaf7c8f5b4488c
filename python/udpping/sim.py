"""The same calls in virtual time: no sockets, no waiting, the same rules."""

from udpping import _checks, _core
from udpping._run import SimRun, Summary
from udpping._session import MESSAGE
from udpping._text import delay_text, loss_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._text import DelayLike, LossLike

__all__ = ["ping"]


def ping(
    *,
    count: int = 10,
    timeout: float = 1.0,
    interval: float | None = None,
    linger: float | None = None,
    misses: int | None = None,
    size: int | None = None,
    message: str = MESSAGE,
    first_seq: int = 1,
    loss: "LossLike" = 0,
    delay: "DelayLike" = 0,
    reply: str = "upper",
    seed: int | None = None,
    scope: str | None = None,
) -> SimRun:
    """Ping a simulated server. A million pings take seconds, whatever the timeout.

    `count`, `timeout`, `interval`, `linger`, `misses`, `size`, `message` (with UTC for local time) and
    `first_seq` are those of `udpping.ping`, the others those of `udpping.Server`. The network between the two
    takes no time: round trips are the delays, and the only target has an address that is reserved for
    documentation (RFC 5737). Raises ConfigError for what cannot be used, and KeyboardInterrupt on Ctrl-C; it
    keeps a row for every ping, so a million take some 200 MB.

    >>> import udpping
    >>> run = udpping.sim.ping(count=100_000, loss="4/11", delay="exponential:20ms", seed=3)
    >>> run.summary.sent
    100000
    >>> abs(run.summary.loss - 4 / 11) < 0.01
    True

    The seed in force is in the run; the same one gives the same run.

    >>> again = udpping.sim.ping(count=100_000, loss="4/11", delay="exponential:20ms", seed=run.seed)
    >>> again.summary.as_dict() == run.summary.as_dict()
    True
    """
    table, facts, seed_in_force = _core.sim_ping(
        count=_checks.whole("count", count),
        timeout=_checks.seconds("timeout", timeout),
        interval=None if interval is None else _checks.seconds("interval", interval),
        linger=None if linger is None else _checks.seconds("linger", linger),
        misses=None if misses is None else _checks.whole("misses", misses),
        size=None if size is None else _checks.whole("size", size),
        message=_checks.text("message", message),
        first_seq=_checks.whole("first_seq", first_seq),
        loss=loss_text(loss),
        delay=delay_text(delay),
        reply=_checks.text("reply", reply),
        seed=None if seed is None else _checks.any_whole("seed", seed),
        scope=None if scope is None else _checks.text("scope", scope),
    )
    return SimRun(table, Summary(str(table["target"][0]), facts), seed_in_force)
