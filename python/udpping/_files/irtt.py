"""Reads the JSON of `irtt client -o`, json_format 1."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re
from datetime import datetime

from udpping import _core
from udpping._files.runs import run_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.run import Run

LOST = {"false": "reply", "true": "timeout", "true_up": "timeout", "true_down": "timeout"}


def read(text: str) -> "Run":
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{str(error)[:80]}: expected the JSON of irtt") from None
    match content:
        case {"config": dict(config), "stats": dict(stats), "round_trips": list(trips)}:
            pass
        case {"config": _, "stats": _}:
            raise ConfigError("no ping is in it: expected round_trips")
        case _:
            raise ConfigError("it has other parts: expected config, stats and round_trips")
    target = config.get("remote_address")
    if not isinstance(target, str):
        raise ConfigError(f"remote_address {target!r} is not usable: expected text")
    began = _moment(stats.get("start_time"))
    core = _core.run_from_rows(_rows(trips, target, began))
    if not len(core):
        raise ConfigError("no ping is in it: expected round_trips")
    facts = {
        "duplicates": _count(stats.get("duplicates")),
        "duration_ns": _count(stats.get("duration")),
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    return run_of(
        core,
        {
            "settings": _settings(content, config, target, began),
            "rows": len(core),
            "summary": facts,
            "summaries": [{"target": target, **facts}],
        },
    )


def _rows(trips: "list[Any]", target: str, began: int | None) -> "list[dict[str, Any]]":
    rows: list[dict[str, Any]] = []
    origin: int | None = None
    for place, trip in enumerate(trips):
        match trip:
            case {"seqno": int(seq), "lost": (str() | bool()) as lost} if str(
                lost
            ).lower() in LOST and not isinstance(seq, bool):
                status = LOST[str(lost).lower()]
            case _:
                shown = str(trip)[:60]
                raise ConfigError(
                    f"round trip {place} {shown!r} is not usable: expected seqno, lost and times"
                )
        wall, steady = (_at(trip, "timestamps", "client", "send", clock) for clock in ("wall", "monotonic"))
        if origin is None and steady is not None:
            # Its monotonic clock has an unknown epoch, computed here from the first ping.
            origin = steady - (wall - began if wall is not None and began is not None else 0)
        if steady is not None and origin is not None:
            sent: int | None = steady - origin
        else:
            sent = None if wall is None or began is None else wall - began
        reply = status == "reply"
        row = {
            "run": began,
            "target": target,
            "seq": seq,
            "sent_ns": sent,
            "sent_wall_ns": wall,
            "rtt_ns": _at(trip, "delay", "rtt") if reply else None,
            "status": status,
            "copies": int(reply),
            "match": "seq" if reply else None,
            "server_recv_ns": _at(trip, "timestamps", "server", "receive", "wall"),
            "server_sent_ns": _at(trip, "timestamps", "server", "send", "wall"),
        }
        rows.append(row)
    return rows


def _settings(
    content: "dict[str, Any]", config: "dict[str, Any]", target: str, began: int | None
) -> "dict[str, Any]":
    params, version = (
        part if isinstance(part, dict) else {} for part in (config.get("params"), content.get("version"))
    )
    interval = _count(params.get("interval"))
    return {
        "made_by": "irtt",
        "version": version.get("irtt"),
        "targets": [{"target": target, "address": target}],
        "started_wall_ns": began,
        "interval": None if interval is None else interval / 1e9,
        "size": params.get("length"),
        "dscp": params.get("dscp"),
        "ttl": config.get("ttl") or None,
        "clocks": {"intervals": "monotonic" if params.get("clock") != "wall" else "wall", "shown": "wall"},
    }


def _at(value: object, *names: str) -> int | None:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62 else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else None


def _moment(value: object) -> int | None:
    """Read a time such as 2026-11-25T18:57:56.477534695Z, or the pair of clocks of later versions."""
    if isinstance(value, dict):
        value = value.get("wall")
    if isinstance(value, int):
        return _count(value)
    found = (
        re.fullmatch(r"([\d-]{10}T[\d:]{8})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", value)
        if isinstance(value, str)
        else None
    )
    if found is None:
        return None
    try:
        seconds = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None
    return int(seconds) * 1_000_000_000 + int((found[2] or "0").ljust(9, "0"))
