"""Makes a run from rows and their metadata."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from functools import cache
from reprlib import repr as short
from typing import cast

from udpping import _core
from udpping._results.run import Run, SimRun, Summary
from udpping._results.settings import Settings, total_name
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from udpping._results.settings import Facts

    Believed: TypeAlias = Callable[[Facts, Facts], Facts]


def run_of(core: "_core.Table", header: "Facts | None", believed: "Believed | None" = None) -> "Run":
    """Make a run from rows and what is `believed` of their header: by default all that rows can have."""
    believed = believed or _known
    header = header or {}
    words, _ = core["target"].words() or ((), None)
    facts = header.get("summaries") or []
    names = list(dict.fromkeys([*(str(each["target"]) for each in facts), *words]))
    all_rows, each_rows = _core.run_summaries(core, names)
    if header.get("rows") == len(core):
        all_rows |= believed(header["summary"], all_rows)
        of_target = {str(each["target"]): each for each in facts}
        for name, rows in zip(names, each_rows, strict=True):
            rows.update(believed(of_target.get(name, {}), rows))
    settings = Settings(header.get("settings") or {})
    each_summary = tuple(Summary(name, rows) for name, rows in zip(names, each_rows, strict=True))
    total = each_summary[0] if len(names) == 1 else Summary(total_name(names), all_rows)
    seed = settings.get("seed")
    if settings.get("made_by") == "udpping.sim.ping" and isinstance(seed, int) and len(names) == 1:
        return SimRun(core, total, settings)
    return Run(core, total, each_summary, settings)


def _known(facts: "Facts", rows: "Facts") -> "Facts":
    return {name: value for name, value in facts.items() if name in rows and value is not None}


def run_of_file(core: "_core.Table", metadata: "Sequence[Facts]") -> "Run":
    """Make a run from the rows of a file, and of its metadata only what rows do not tell."""
    if len(metadata) != 1:
        # With several files in one, none of them speaks of all rows.
        return run_of(core, {"settings": merged_settings([each["settings"] for each in metadata])})

    @cache
    def most() -> int:
        """Return the most pings of which the rows may be the latest."""
        first = metadata[0]["settings"].get("first_seq")
        newest = max(cast("list[int]", core["seq"].to_list()), default=0)
        spread = newest - first + 1 if isinstance(first, int) else newest
        return int(spread) * max(1, len(metadata[0]["summaries"]))

    # Rows of irtt do not tell which ping was answered more than once.
    beside = {"pending", "duplicates"} if metadata[0]["settings"].get("made_by") == "irtt" else {"pending"}
    return run_of(core, metadata[0], lambda told, rows: _beside(_known(told, rows), rows, beside, most))


SKETCHED = ("rtt_median_ns", "rtt_p95_ns", "rtt_p99_ns")
"""The statistics of an endless run that come from a sketch."""


def _beside(told: "Facts", rows: "Facts", beside: set[str], most: "Callable[[], int]") -> "Facts":
    """Return what metadata tell beside the rows: all, of a run without an end whose old rows are gone."""
    if rows["sent"] < told.get("sent", 0) <= most() and _coherent(told, rows):
        return told
    names = beside | {name for name, value in rows.items() if value is None}
    if error := told.get("quantile_error", 0):
        low, high = (rows["rtt_min_ns"] or 0) * (1 - error), (rows["rtt_max_ns"] or 0) * (1 + error)
        if all(low <= told.get(name, low) <= high for name in SKETCHED):
            names |= {"quantile_error", *SKETCHED}
        # They grew with each reply, and are rounded otherwise than those of all at once.
        names |= {name for name in ("rtt_avg_ns", "rtt_stddev_ns") if _near(told.get(name), rows[name])}
    return {name: value for name, value in told.items() if name in names}


def _near(told: "float | None", rows: "float | None") -> bool:
    return told is not None and rows is not None and abs(told - rows) <= ROUNDED * rows


ROUNDED = 1e-9
COUNTS = (
    "sent",
    "received",
    "lost",
    "late",
    "timeouts",
    "unreachable",
    "errors",
    "duplicates",
    "unverified",
)


def _coherent(told: "Facts", rows: "Facts") -> bool:
    """Whether counts of more pings than the rows have agree with each other and with the rows."""
    numbers = [told.get(name) for name in COUNTS]
    if not all(isinstance(n, int) and n >= rows[name] for name, n in zip(COUNTS, numbers, strict=True)):
        return False
    sent, received, lost, *kinds = cast("list[int]", numbers)
    if sent != received + lost or lost != sum(kinds[:4]):
        return False
    interval = _core.wilson(lost, sent)
    said = told.get("loss_low"), told.get("loss_high"), told.get("loss")
    return interval is not None and said == (*interval, lost / sent)


def merged_settings(settings: "list[Facts]") -> "Facts":
    """Return the settings that are the same in all of several runs, with the targets of all."""
    first, *others = settings or [{}]
    merged = {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
    targets = [target for each in settings for target in each.get("targets") or []]
    if targets:
        merged["targets"] = list({repr(target): target for target in targets}.values())
    return merged


def checked(header: object) -> "Facts":
    """Check that metadata of a file has the form that udpping writes."""
    if header == {}:
        return {}
    match header:
        case {
            "settings": dict(),
            "rows": int(),
            "summary": dict() as summary,
            "summaries": list() as each,
        } if all(isinstance(facts, dict) and isinstance(facts.get("target"), str) for facts in each) and all(
            _plain(facts) for facts in [summary, *each]
        ):
            return cast("Facts", header)
        case _:
            raise ConfigError(
                f"metadata {short(header)} is not usable: expected settings, rows, summary and summaries"
            )


def _plain(facts: "Facts") -> bool:
    return all(
        value is None
        or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 2**63)
        for name, value in facts.items()
        if name != "target"
    )


def checked_sums(facts: "Facts", line: int) -> "Facts":
    """Check the sums of a line of JSON."""
    sums = {name: value for name, value in facts.items() if name != "target"}
    if not _plain(sums):
        raise ConfigError(f"line {line}: {short(sums)} is not usable: expected counts and times")
    return sums


def decode(text: "str | bytes", key: str | None = None) -> "Facts":
    """Read metadata; with a `key` they are a member of the object."""
    import json

    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"metadata {text[:60]!r} is not usable: expected one JSON object") from None
    return checked(header if key is None else header[key])
