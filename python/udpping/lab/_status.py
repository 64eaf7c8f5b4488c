"""The table of clients that a heartbeat server shows on Ctrl-C."""

from time import localtime, strftime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 16


def status(rows: "Sequence[tuple[str, int, int, int]]", states: "Sequence[str]" = ()) -> str:
    """Write a line for each client: its name, what was received and lost, when it was heard last; its state.

    >>> from udpping.lab._status import status
    >>> print(status([("127.0.0.1:5000", 17, 2, 1_700_000_000 * 10**9)], ["up"]))
    Client           Received   Lost  Last heartbeat       State
    127.0.0.1:5000         17      2  2023-11-1... ...:...:20  up
    """
    width = max(NARROWEST, *(len(name) for name, *_ in rows))
    lines = [f"{'Client':<{width}}{'Received':>9}{'Lost':>7}  Last heartbeat"]
    for name, received, lost, wall_ns in rows:
        last = strftime("%Y-%m-%d %H:%M:%S", localtime(wall_ns // 10**9))
        lines.append(f"{name:<{width}}{received:>9}{lost:>7}  {last}")
    behind = ["State", *states] if states else [""] * len(lines)
    return "\n".join(
        f"{line:<{width + 37}}  {state}".rstrip() for line, state in zip(lines, behind, strict=True)
    )
