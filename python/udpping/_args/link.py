"""`Link`: what one direction of a path does to datagrams."""

from collections.abc import Mapping
from typing import cast

from udpping import _core
from udpping._args import checks
from udpping._args.durations import Delta, written
from udpping._args.grammar import delay_text, loss_text
from udpping._args.text_model import TextModel
from udpping.errors import NetemWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from typing import Any, TypeAlias, overload

    from udpping._args.durations import Duration
    from udpping._args.grammar import DelayLike, LossLike

    LinkLike: TypeAlias = "str | Link | Mapping[str, Any]"
    Number: TypeAlias = "str | float | Fraction"
    Fits: TypeAlias = "str | tuple[int, bytes] | tuple[int, bytes, bytes]"
    Listed: TypeAlias = "Number | Duration | tuple[Listed, ...] | list[Listed] | None"


class Key:
    """What a link says for one key."""

    __slots__ = ("name",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    if TYPE_CHECKING:

        @overload
        def __get__(self, link: None, owner: type) -> "Key": ...
        @overload
        def __get__(self, link: "Link", owner: type) -> "str | None": ...

    def __get__(self, link: "Link | None", owner: type) -> "Key | str | None":
        return self if link is None else link.as_dict().get(self.name)


class Link(TextModel):
    """What one direction of a path does to datagrams, for `up` and `down` of `udpping.Server`.

    It is a text, `"loss=burst:5%,3; delay=40ms"`, another link, a dict, such as a table of a TOML file, or
    keywords of the same names, or one of the first three with keywords added. Nothing that is not said
    happens. What is said can be read, as text: `link.loss`, `link.rate`, ...; `None` is what is not said.

    * `loss`: which datagrams are lost, as for `Server`. It is decided first: what is lost has no copies.
    * `delay`: how long a datagram takes, as for `Server`, up to 1 hour. It is drawn for each datagram, so a
      random one reorders.
    * `jitter`: a further wait that keeps the order: a time from 0 to which all are equally likely (`"5ms"`),
      or a model of `udpping.delay`. Nothing overtakes within it: where datagrams are closer than that, they
      wait longer and arrive in bunches.
    * `reorder`: a probability and how long to delay such a datagram, up to 1 hour:
      `("5%", "10ms")`. What is sent less than that after it arrives before it.
    * `duplicate`: a probability, and how many copies there are then beside the original, 1 to 7 (1):
      `"1%"`, `("1%", 2)`. Up and down together at most 8 replies come back to one request. Each copy has a
      delay of its own.
    * `corrupt`: a probability, and how many bits are flipped then, 1 to 32 (1).
    * `truncate`: how many bytes are left of each datagram, 0 to 65,507, or of some: `("1%", 64)`.
    * `mtu`: bytes of the longest IP packet that passes, 28 to 65,535; the headers are 28 of them, or 48 with
      IPv6. What is longer vanishes, as in a black hole.
    * `rate`: how fast packets are sent, headers included, `"1kbit/s"` to `"100Gbit/s"` (bit/s, kbit/s,
      Mbit/s, Gbit/s).
    * `queue`: what may wait for the rate, the packet that is being sent included: bytes (`"64KiB"`, B, kB,
      KiB, MB, MiB, up to 64 MiB) or a number of packets (1 to 1,000). What comes when it is full is dropped.
      By default 64 KiB; without a rate there is none.
    * `schedule`: when nothing passes, up to 366 days after the server was made or the simulation began:
      `"10s-12s"`, several with commas or in a list, again and again with `every`: `"10s-12s,every=60s"`. Or
      when a share is lost (`"10s-20s:loss=5%"`) or the rate is another one (`"10s-20s:rate=1Mbit/s"`), also
      on a straight line: `"10s-20s:loss=0..50%"`.
    * `first`: how many datagrams of each client are left alone at its beginning. The others are lost as they
      would be without it. With `scope="shared"` those of all clients are counted together.
    * `match`: which datagrams all that is for, by their bytes: `(0, b"Ping")` has an offset and the bytes
      there, and with three parts the second is a mask. As text `"0=0x50696e67"`, `"2&0xf0=0x40"`, `"0!=0x50"`
      (all others) and `"length=100-200"`. Several, with commas or in a list, must all be true. The others
      pass untouched and are not counted: `loss="list:3"` is then the third one that fits.

    Each effect draws random numbers of its own, so switching one on changes no decision of another. With the
    same seed they repeat. A reply has the number of its request. Raises ConfigError for what cannot be used.

    >>> import udpping
    >>> link = udpping.Link(loss="burst:5%,3", delay="40ms", rate="1Mbit/s")
    >>> link
    udpping.Link('loss=burst:0.05,3; delay=40ms; rate=1Mbit/s')
    >>> link == udpping.Link("delay=0.04; loss=burst:5%,3; rate=1Mbit/s")
    True
    >>> udpping.Link(link, mtu=1400).mtu, link.rate, link.queue
    ('1400', '1Mbit/s', None)
    >>> run = udpping.sim.ping(count=1000, interval=0.02, up=link, down="duplicate=2%", seed=1)
    >>> run.summary.duplicates
    15
    """

    __slots__ = ()

    _MODULE = "udpping"

    loss = Key()
    delay = Key()
    jitter = Key()
    reorder = Key()
    duplicate = Key()
    corrupt = Key()
    truncate = Key()
    mtu = Key()
    rate = Key()
    queue = Key()
    schedule = Key()
    first = Key()
    match = Key()

    def __init__(
        self,
        text: "LinkLike" = "",
        *,
        loss: "LossLike | None" = None,
        delay: "DelayLike | None" = None,
        jitter: "DelayLike | None" = None,
        reorder: "str | tuple[Number, Duration] | None" = None,
        duplicate: "Number | tuple[Number, int] | None" = None,
        corrupt: "Number | tuple[Number, int] | None" = None,
        truncate: "str | int | tuple[Number, int] | None" = None,
        mtu: "str | int | None" = None,
        rate: str | None = None,
        queue: "str | int | None" = None,
        schedule: "str | tuple[str, ...] | list[str] | None" = None,
        first: "str | int | None" = None,
        match: "Fits | list[Fits] | None" = None,
    ) -> None:
        said = {
            "loss": None if loss is None else loss_text(loss),
            "delay": None if delay is None else delay_text(delay),
            "jitter": None if jitter is None else delay_text(jitter),
            "reorder": _listed("reorder", reorder),
            "duplicate": _listed("duplicate", duplicate),
            "corrupt": _listed("corrupt", corrupt),
            "truncate": _listed("truncate", truncate),
            "mtu": _listed("mtu", mtu),
            "rate": _listed("rate", rate),
            "queue": _listed("queue", queue),
            "schedule": _listed(
                "schedule", list(schedule) if isinstance(schedule, (tuple, list)) else schedule
            ),
            "first": _listed("first", first),
            "match": None if match is None else _match(match),
        }
        for name, value in said.items():
            if value is not None and ";" in value:
                raise checks.refuse(name, value, "one value, without a semicolon")
        more = [f"{name}={value}" for name, value in said.items() if value is not None]
        parts = [checks.text("link", link_text("link", text)), *more]
        super().__init__(_core.check_link("; ".join(part for part in parts if part)))

    @classmethod
    def from_tc(cls, text: str) -> "Link":
        """Make the link that is nearest to options of netem, written as tc takes them.

        A whole command does as well: what stands before `netem` is left out. tc's ways are kept: `loss 5` is
        5 %, `del` is `delay`. Each thing that netem does otherwise than its option says, or the link
        otherwise than netem, is a NetemWarning: docs/link-presets.md has the list. Raises ConfigError for
        what tc or a link cannot do.

        >>> import udpping, warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     link = udpping.Link.from_tc("delay 20ms 5ms loss gemodel 1% 30%")
        >>> link
        udpping.Link('loss=gilbert-elliott:0.01,0.3; delay=uniform:15ms,25ms')
        >>> print(caught[0].message)
        netem begins in the good state, and loses less at first; the link begins as in the long run
        """
        import warnings

        from udpping._args.netem import read

        keywords, told = read(checks.text("tc", text))
        link = cls("; ".join(f"{key}={value}" for key, value in keywords.items()))
        for sentence in told:
            warnings.warn(sentence, NetemWarning, stacklevel=2)
        return link

    def as_dict(self) -> "dict[str, str]":
        """Give what was said by keyword, ready for TOML or JSON; `Link(**of_it)` is the same link.

        >>> import udpping
        >>> udpping.Link("queue=64KiB; rate=1Mbit/s").as_dict()
        {'rate': '1Mbit/s', 'queue': '64KiB'}
        """
        parts = (part.partition("=") for part in self._text.split("; ") if part)
        return {key: value for key, _, value in parts}

    def __repr__(self) -> str:
        return f"udpping.Link({self._text!r})"


def link_text(name: str, value: object) -> str:
    """Write a direction of a link as the core reads it."""
    if isinstance(value, Mapping):
        table = dict(cast("Mapping[str, Any]", value))
        keys = Link.__init__.__kwdefaults__ or {}
        if unknown := [key for key in table if key not in keys]:
            raise checks.refuse(f"{name} key", unknown[0], ", ".join(keys))
        value = Link(**table)
    if isinstance(value, Link):
        return str(value)
    if not isinstance(value, str):
        raise checks.refuse(
            name, value, "a udpping.Link, its text, such as 'loss=5%; delay=40ms', or a dict of its keys"
        )
    return value


def _match(value: object) -> str:
    """Write what datagrams must have."""
    told = value
    if isinstance(value, list):
        return ",".join(_match(each) for each in cast("list[object]", value))
    if isinstance(value, str):
        return value
    parts = list(cast("tuple[object, ...]", value) if isinstance(value, tuple) else ())
    found = [each for each in parts[1:] if isinstance(each, bytes)]
    if len(found) not in {1, 2} or len(parts) != len(found) + 1:
        expected = (
            "an offset and bytes, (0, b'Ping'), with a mask (2, mask, value), or a text such as '0=0x50'"
        )
        raise checks.refuse("match", told, expected)
    mask = "" if len(found) == 1 else f"&0x{found[0].hex()}"
    return f"{checks.whole('match offset', parts[0])}{mask}=0x{found[-1].hex()}"


def _listed(name: str, value: "Listed") -> "str | None":
    """Write a value, or several with commas."""
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return ",".join(_listed(name, each) or "" for each in value)
    if isinstance(value, Delta):
        return written(value)
    if isinstance(value, bool):
        raise checks.refuse(name, value, "a number or a text")
    return loss_text(value)
