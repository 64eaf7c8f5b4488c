"""Makes a run from rows and their metadata."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from types import MappingProxyType
from typing import cast

from udpping import _core
from udpping._results.run import Run, SimRun, Summary
from udpping._results.settings import total_name
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.settings import Facts


def run_of(core: "_core.Table", header: "Facts | None") -> "Run":
    """Make a run from rows and their metadata, if any."""
    header = checked(header or {})
    words, _ = core["target"].words() or ((), None)
    facts = header.get("summaries") or []
    names = list(dict.fromkeys([*(str(each["target"]) for each in facts), *words]))
    all_rows, each_rows = _core.run_summaries(core, names)
    if header.get("rows") == len(core):
        all_rows |= _known(header["summary"], all_rows)
        of_target = {str(each["target"]): each for each in facts}
        for name, rows in zip(names, each_rows, strict=True):
            rows.update(_known(of_target.get(name, {}), rows))
    settings = MappingProxyType(header.get("settings") or {})
    each_summary = tuple(Summary(name, rows) for name, rows in zip(names, each_rows, strict=True))
    total = each_summary[0] if len(names) == 1 else Summary(total_name(names), all_rows)
    seed = settings.get("seed")
    if settings.get("made_by") == "udpping.sim.ping" and isinstance(seed, int) and len(names) == 1:
        return SimRun(core, total, settings)
    return Run(core, total, each_summary, settings)


def _known(facts: "Facts", rows: "Facts") -> "Facts":
    return {name: value for name, value in facts.items() if name in rows and value is not None}


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
                f"metadata {str(header)[:60]!r} is not usable: expected settings, rows, summary and summaries"
            )


def _plain(facts: "Facts") -> bool:
    return all(
        value is None
        or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63)
        for name, value in facts.items()
        if name != "target"
    )


def decode(text: "str | bytes") -> "Facts":
    import json

    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"metadata {str(text)[:60]!r} is not usable: expected one JSON object") from None
    return checked(header)
