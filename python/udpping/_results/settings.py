"""The metadata of a run: its settings, and the parts of its summaries that are not in the rows."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any

from udpping import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TypeAlias

    from udpping._results.run import Run

    Facts: TypeAlias = dict[str, Any]


class Settings(dict[str, Any]):
    """A dict that cannot be changed, for json, pickle and copy; `dict(settings)` is one that can."""

    def __reduce__(self) -> "tuple[type[Settings], tuple[Facts]]":
        return Settings, (dict(self),)


def refuse(*_: object, **__: object) -> "NoReturn":
    raise TypeError("the settings of a run cannot be changed: change a copy, dict(run.settings)")


for name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Settings, name, refuse)
NO_SETTINGS = Settings()


KEY = "udpping"
"""The key of the metadata in Arrow and Parquet; its value is JSON."""
SCHEMA = 1
"""Version of the metadata: it changes when a name is removed or its meaning changes."""
MANY = 4
"""With more targets than this, only their number is shown."""
CLOCKS = {"intervals": "monotonic", "shown": "wall", "stamps": "see column stamp"}
"""The clocks of a run that was measured here."""


def measured(
    made_by: str, targets: "Sequence[tuple[str, str | None, str | None]]", options: "Facts"
) -> "Settings":
    """Record the call and the options that made a run; `targets` have name, address and problem."""
    import platform

    import udpping

    facts = {
        "made_by": made_by,
        "udpping": udpping.__version__,
        "schema": SCHEMA,
        "system": f"{platform.system()} {platform.machine()}",
        "host": platform.node(),
        "clocks": dict(CLOCKS),
        "targets": [
            {"target": name, "address": address} | ({"problem": problem} if problem else {})
            for name, address, problem in targets
        ],
        **options,
    }
    return Settings(facts)


def problems(settings: "Settings") -> "dict[str, str]":
    """Read why pings were not sent, by target; settings from a file may hold anything."""
    targets = settings.get("targets")
    facts = [each for each in targets if isinstance(each, dict)] if isinstance(targets, list) else []
    return {str(each.get("target")): str(each["problem"]) for each in facts if each.get("problem")}


def total_name(names: "Sequence[str]") -> str:
    return ", ".join(names) or "no target" if len(names) <= MANY else f"{len(names)} targets"


def metadata(run: "Run") -> "Facts":
    """Return the settings of a run and its summaries, which take long to compute from many rows."""
    return {
        "settings": dict(run.settings),
        "rows": len(run),
        "summary": {name: value for name, value in run.summary.as_dict().items() if name != "target"},
        "summaries": [summary.as_dict() for summary in run.summaries],
    }


def encode(facts: "Facts") -> str:
    import json

    return _core.visible_json(json.dumps(facts, ensure_ascii=False, separators=(",", ":")))
