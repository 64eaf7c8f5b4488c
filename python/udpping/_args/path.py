"""`path`: both directions of a known kind of path, or of a profile in a TOML file."""

from typing import TypedDict

from udpping._args import checks
from udpping._args.link import Link, link_text
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._args.checks import Path


class UpDown(TypedDict):
    """What happens to requests and to replies."""

    up: Link
    down: Link


def _round_trip(time: str, up: str, down: str) -> "tuple[str, str]":
    """Give each direction half of the delay, and its rate."""
    return f"delay={time}; rate={up}bit/s", f"delay={time}; rate={down}bit/s"


# docs/link-presets.md has the sources, in the same order: none of the figures is ours.
PRESETS = {
    "gprs": _round_trip("250ms", "50k", "50k"),
    "edge": _round_trip("420ms", "200k", "240k"),
    "2g": _round_trip("400ms", "256k", "280k"),
    "3g-slow": _round_trip("200ms", "400k", "400k"),
    "3g": _round_trip("150ms", "768k", "1.6M"),
    "3g-fast": _round_trip("75ms", "768k", "1.6M"),
    "4g": _round_trip("85ms", "9M", "9M"),
    "lte": _round_trip("35ms", "12M", "12M"),
    "dialup": _round_trip("60ms", "30k", "49k"),
    "dsl": _round_trip("25ms", "384k", "1.5M"),
    "cable": _round_trip("14ms", "1M", "5M"),
    "fiber": _round_trip("2ms", "5M", "20M"),
    "wifi": ("loss=0.1%; delay=3ms; jitter=4ms",) * 2,
    "wifi-bad": ("loss=2%; delay=25ms; jitter=30ms; rate=20Mbit/s",) * 2,
    "satellite-leo": _round_trip("22ms", "13.54M", "87.25M"),
    "satellite-geo": _round_trip("372ms", "2.54M", "19.3M"),
}
WAYS = ("up", "down")
KEYS = tuple(Link.__init__.__kwdefaults__ or ())


def path(profile: "Path") -> UpDown:
    """Give the links up and down of a known kind of path, or of a profile in a TOML file.

    Known are gprs, edge, 2g, 3g-slow, 3g, 3g-fast, 4g, lte, dialup, dsl, cable, fiber, wifi, wifi-bad,
    satellite-leo and satellite-geo. Their figures are those that others published: docs/link-presets.md names
    the source of each, and what it does not say, such as losses, is not there.

    A file, whose name ends in `.toml`, has the tables `[up]` and `[down]`, or one of them, with the keys of
    `Link`. Raises ConfigError for another name and for what the file has wrong, with the line; OSError for a
    file that cannot be read.

    >>> import udpping
    >>> udpping.path("3g")["up"]
    udpping.Link('delay=150ms; rate=768kbit/s')
    >>> run = udpping.sim.ping(count=10, interval=1, **udpping.path("3g"))
    >>> 300_000_000 < run.summary.rtt_min_ns < 302_000_000
    True
    """
    name = checks.path("path", profile)
    if name in PRESETS:
        up, down = PRESETS[name]
        return {"up": Link(up), "down": Link(down)}
    if not name.endswith(".toml"):
        raise checks.refuse("path", name, f"one of {', '.join(PRESETS)}, or a file that ends in .toml")
    return _of_toml(name)


def _of_toml(name: str) -> UpDown:
    import tomllib

    with open(name, "rb") as file:  # noqa: PTH123 - a path may be bytes that are no text
        content = file.read()
    try:
        text = content.decode()
        profile = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} is not usable: {error}; expected TOML with [up] and [down]") from None
    for key in profile:
        if key not in WAYS:
            raise ConfigError(f"{name} line {_line(text, key)}: {key} is neither [up] nor [down]")
    return {"up": _link(name, text, "up", profile), "down": _link(name, text, "down", profile)}


def _link(name: str, text: str, way: str, profile: "dict[str, dict[str, Any] | str]") -> Link:
    keys = profile.get(way, {})
    for key in keys if isinstance(keys, dict) else ():
        if key not in KEYS:
            expected = f"expected {', '.join(KEYS)}"
            raise ConfigError(f"{name} line {_line(text, way, key)}: {key} is no key of a link: {expected}")
    try:
        return Link(**keys) if isinstance(keys, dict) else Link(link_text(way, keys))
    except ConfigError as error:
        at_fault = str(error).partition(" ")[0]
        raise ConfigError(f"{name} line {_line(text, way, at_fault)}: {error}") from None


def _line(text: str, way: str, key: str = "") -> int:
    """Find the line of a key, or of its table."""
    found, table = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = line.split("#")[0].partition("=")[0].strip()
        if start.startswith("["):
            table = start.strip("[] ")
        if way in {start, table} and (start in {way, key} or start.startswith("[")):
            found = number
            if start == key:
                break
    return found
