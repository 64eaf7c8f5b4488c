"""How a run was made, and what its rows do not tell: what goes along with them as metadata."""

# What JSON holds has no type before it was looked at:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from types import MappingProxyType
from typing import cast

from udpping import _core
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from udpping._results.run import Run

    Facts: TypeAlias = dict[str, Any]
    Settings: TypeAlias = Mapping[str, Any]

KEY = "udpping"
"""The key of the metadata in Arrow and Parquet; its value is JSON."""
SCHEMA = 1
"""Version of the metadata: it changes when a name goes away or means something else."""
MANY = 4
"""With more targets than this, only their number is told."""
CLOCKS = {"intervals": "monotonic", "shown": "wall", "stamps": "see column stamp"}
"""What the times of a run that was measured here are taken from."""


def measured(made_by: str, targets: "Sequence[tuple[str, str]]", options: "Facts") -> "Settings":
    """Write down how a run is made: by which call, with which options; `targets` have name and address."""
    import platform

    import udpping

    facts = {
        "made_by": made_by,
        "udpping": udpping.__version__,
        "schema": SCHEMA,
        "system": f"{platform.system()} {platform.machine()}",
        "clocks": CLOCKS,
        "targets": [{"target": name, "address": address} for name, address in targets],
        **options,
    }
    return MappingProxyType(facts)


def total_name(names: "Sequence[str]") -> str:
    """Name several targets together."""
    return ", ".join(names) or "no target" if len(names) <= MANY else f"{len(names)} targets"


def metadata(run: "Run") -> "Facts":
    """Tell the settings of a run, and its summaries: of many rows, working them out takes long."""
    return {
        "settings": dict(run.settings),
        "rows": len(run),
        "summary": {name: value for name, value in run.summary.as_dict().items() if name != "target"},
        "summaries": [summary.as_dict() for summary in run.summaries],
    }


def run_of(core: "_core.Table", told: "Facts | None") -> "Run":
    """Make a run of rows and of what was told with them, if anything was."""
    from udpping._results.run import Run, SimRun, Summary

    told = checked(told or {})
    words, _ = core["target"].words() or ((), None)
    facts = told.get("summaries") or []
    names = list(dict.fromkeys([*(str(each["target"]) for each in facts), *words]))
    all_rows, each_rows = _core.run_summaries(core, names)
    if told.get("rows") == len(core):
        all_rows |= _known(told["summary"], all_rows)
        told_of = {str(each["target"]): each for each in facts}
        for name, rows in zip(names, each_rows, strict=True):
            rows.update(_known(told_of.get(name, {}), rows))
    settings = MappingProxyType(told.get("settings") or {})
    each_summary = tuple(Summary(name, rows) for name, rows in zip(names, each_rows, strict=True))
    total = each_summary[0] if len(names) == 1 else Summary(total_name(names), all_rows)
    seed = settings.get("seed")
    if settings.get("made_by") == "udpping.sim.ping" and isinstance(seed, int) and len(names) == 1:
        return SimRun(core, total, settings)
    return Run(core, total, each_summary, settings)


def _known(facts: "Facts", rows: "Facts") -> "Facts":
    return {name: value for name, value in facts.items() if name in rows and value is not None}


def checked(told: object) -> "Facts":
    """Take metadata from a file only if it is what we write."""
    if told == {}:
        return {}
    match told:
        case {
            "settings": dict(),
            "rows": int(),
            "summary": dict() as summary,
            "summaries": list() as each,
        } if all(isinstance(facts, dict) and isinstance(facts.get("target"), str) for facts in each) and all(
            _plain(facts) for facts in [summary, *each]
        ):
            return cast("Facts", told)
        case _:
            raise ConfigError(
                f"metadata {str(told)[:60]!r} is not usable: expected settings, rows, summary and summaries"
            )


def _plain(facts: "Facts") -> bool:
    return all(
        value is None
        or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63)
        for name, value in facts.items()
        if name != "target"
    )


def encode(told: "Facts") -> str:
    """Write metadata as one line of JSON."""
    import json

    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def decode(text: "str | bytes") -> "Facts":
    """Read it."""
    import json

    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"metadata {str(text)[:60]!r} is not usable: expected one JSON object") from None
    return checked(told)
