"""What explains losses of a mesh, in a sentence."""

from math import floor, log10
from typing import NamedTuple

from udpping._table.text import percents, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Finding(NamedTuple):
    """What explains losses of a mesh. `str()` gives its sentence. Shares are from 0 to 1."""

    kind: str
    """`host`; `pair`: the path between two hosts; `group`; `groups`: the paths between two groups; `unheard`:
    a host without results of its own; `none`: nothing stands out."""
    names: tuple[str, ...]
    """The hosts or groups."""
    text: str
    """The finding as a sentence."""
    way: str | None = None
    """Which datagrams are lost, as the first name sees it: `sends`, `receives` or `both`; `None` if that is
    not known."""
    pings: str | None = None
    """Whose pings are lost: its `own`, or those of `others`, which it was to answer; `None` if both are."""
    sent: int = 0
    """Pings with one end there."""
    lost: int = 0
    """Those that were lost."""
    loss: float | None = None
    """The share that was lost of these datagrams, or pings."""
    loss_low: float | None = None
    """The lower end of its 95 % interval."""
    loss_high: float | None = None
    """Its upper end."""
    rest_loss: float | None = None
    """The share of pings that were lost by those that no finding names; `None` if there are none."""
    p_value: float | None = None
    """The most that chance could have to do with it: 0.001 is 1 in 1,000."""
    instead: tuple[str, ...] = ()
    """What explains it as well. Which of all these it is cannot be told."""

    def __str__(self) -> str:
        return self.text


class Facts(NamedTuple):
    """What a sentence is made of."""

    way: str | None
    pings: str | None
    out: float
    """The loss of what leaves."""
    back: float
    """The loss of what comes."""
    own: float
    others: float
    is_numbered: bool
    """Whether replies tell on which way pings were lost."""


def share(loss: float) -> str:
    """Write a share in percent with two digits."""
    digits = max(0, 1 - floor(log10(100 * loss))) if loss else 0
    return f"{100 * loss:.{digits}f} %"


def interval(loss: float, low: float, high: float) -> "tuple[str, str]":
    middle, least, most = percents(loss, low, high)
    return f"{middle} %", f"(95 %: {least} to {most} %)"


def name(kind: str, names: "Sequence[str]") -> str:
    """Return what a cause is called."""
    shown = [short(each) for each in names]
    if kind == "pair":
        return f"the path between {shown[0]} and {shown[1]}"
    if kind == "groups":
        return f"the paths between groups {shown[0]} and {shown[1]}"
    return f"{kind} {shown[0]}"


def sentence(kind: str, names: "Sequence[str]", facts: Facts, loss: "tuple[float, float, float]") -> str:
    """Tell what a cause loses."""
    middle, bounds = interval(*loss)
    if kind in {"pair", "groups"}:
        return _between(
            [f"group {short(each)}" if kind == "groups" else short(each) for each in names], facts, loss
        )
    who = name(kind, names)
    if loss[0] == 1:
        return f"{who} answers nothing and gets no answer"
    own, others = f"{share(facts.own)} of its own", f"{share(facts.others)} of those sent to it"
    out, back = f"{share(facts.out)} of what it sends", f"{share(facts.back)} of what it receives"
    texts = {
        "own": f"{middle} of its own pings {bounds}, and {others}",
        "others": f"{middle} of the pings sent to it {bounds}, and {own}",
        "sends": f"{middle} of what it sends {bounds}, and {back}",
        "receives": f"{middle} of what it receives {bounds}, and {out}",
    }
    text = texts.get(facts.pings or facts.way or "")
    if text is None:
        text = f"{middle} of the pings that it sends or answers {bounds}"
        unknown = "cannot be told" if facts.is_numbered else "is not known, as replies are not numbered"
        text += f": {out} and {back}" if facts.way == "both" else f"; on which way {unknown}"
    return f"{who} loses {text}"


def _between(names: "Sequence[str]", facts: Facts, loss: "tuple[float, float, float]") -> str:
    """Tell what is lost between two hosts or groups."""
    (middle, bounds), (first, last) = interval(*loss), names
    if facts.way not in {"sends", "receives"}:
        return f"{middle} of pings are lost between {first} and {last} {bounds}"
    start, end, back = (first, last, facts.back) if facts.way == "sends" else (last, first, facts.out)
    return f"{middle} are lost from {start} to {end} {bounds}, and {share(back)} the other way"


def within(group: str, loss: "tuple[float, float, float]") -> str:
    """Tell what a group loses on the paths between its own hosts."""
    middle, bounds = interval(*loss)
    return f"{middle} of pings are lost within group {short(group)} {bounds}"


def cannot_tell(kind: str, names: "Sequence[str]", rivals: "Sequence[str]", what: str) -> str:
    """Tell what else explains it."""
    *most, last = [name(kind, names), *rivals]
    return f"{what}: whether that is {', '.join(most)} or {last} cannot be told"
