"""Reads the JSON of `irtt client -o`, json_format 1."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re
from datetime import datetime
from reprlib import repr as short

from udpping import _core
from udpping._files.forms import IRTT
from udpping._files.runs import merged_settings, run_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from udpping._results.run import Run

LOST = {"false": "reply", "true": "timeout", "true_up": "timeout", "true_down": "timeout"}
START = re.compile(rf"(?:^|(?<=\}}))\s{{0,9}}(?={IRTT})", re.MULTILINE)


def read(text: str) -> "Run":
    """Read the JSON of each run; what `irtt` prints beside it is passed over."""
    runs: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    decoder, end, line = json.JSONDecoder(), 0, 1
    while found := START.search(text, end):
        line += text.count("\n", end, found.end())
        start = found.end()
        try:
            content, end = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError) as error:
            what = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:80]
            raise ConfigError(f"{what}: expected the whole JSON of irtt") from None
        header, of_run = _read_one(content, line if runs else None)
        line += text.count("\n", start, end)
        runs.append(header)
        rows += of_run
    if not runs:
        raise ConfigError("the JSON of irtt is not in it: expected what `irtt client -o FILE` writes")
    core = _core.run_from_rows(rows)
    if not len(core):
        raise ConfigError("no ping is in it: expected round_trips")
    return run_of(core, {**_merged(runs), "rows": len(core)})


def _read_one(content: object, line: int | None) -> "tuple[dict[str, Any], list[dict[str, Any]]]":
    """Read the settings and the rows of one run, which begins in that line if it is not the first one."""
    where = "" if line is None else f"run from line {line} on: "
    match content:
        case {"config": dict(config), "stats": dict(stats), "round_trips": list(trips), **rest}:
            pass
        case {"config": _, "stats": _}:
            raise ConfigError(f"{where}no ping is in it: expected round_trips")
        case _:
            raise ConfigError(f"{where}it has other parts: expected config, stats and round_trips")
    target = config.get("remote_address")
    if not isinstance(target, str):
        raise ConfigError(f"{where}remote_address {short(target)} is not usable: expected text")
    began = _moment(stats.get("start_time"))
    rows = _rows(trips, target, began, where)
    duplicates = _count(stats.get("duplicates")) or 0
    facts = {"target": target, "duplicates": duplicates, "duration_ns": _count(stats.get("duration"))}
    replies = sum(row["copies"] for row in rows) + duplicates
    for name, seen in (("packets_sent", len(rows)), ("packets_received", replies)):
        told = stats.get(name)
        if told is not None and told != seen:
            raise ConfigError(
                f"{where}{name} {short(told)} is not usable: expected {seen}, as round trips and duplicates"
            )
    return {"settings": _settings(rest.get("version"), config, target, began), "facts": facts}, rows


def _merged(runs: "list[dict[str, Any]]") -> "dict[str, Any]":
    """Put several runs together: the settings that all of them have, and sums of what rows do not tell."""
    each: dict[str, dict[str, Any]] = {}
    for run in runs:
        facts = run["facts"]
        known = each.setdefault(facts["target"], facts)
        if known is not facts:
            known.pop("duration_ns", None)
            known["duplicates"] += facts["duplicates"]
    summary = {"duplicates": sum(facts["duplicates"] for facts in each.values())}
    if len(runs) == 1:
        summary |= {name: value for name, value in runs[0]["facts"].items() if name != "target"}
    return {
        "settings": merged_settings([run["settings"] for run in runs]),
        "summary": summary,
        "summaries": list(each.values()),
    }


def _rows(trips: "list[Any]", target: str, began: int | None, where: str) -> "list[dict[str, Any]]":
    rows: list[dict[str, Any]] = []
    origin: int | None = None
    for place, trip in enumerate(trips):
        match trip:
            case {"seqno": int(seq), "lost": (str() | bool()) as lost} if str(
                lost
            ).lower() in LOST and not isinstance(seq, bool):
                status = LOST[str(lost).lower()]
            case _:
                raise ConfigError(
                    f"{where}round trip {place} {short(trip)} is not usable: expected seqno, lost and times"
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
        rtt = _at(trip, "delay", "rtt") if reply else None
        if reply and (rtt is None or rtt < 0):
            told = trip.get("delay")
            told = told.get("rtt") if isinstance(told, dict) else told
            raise ConfigError(
                f"{where}round trip {place} (seqno {seq}): delay.rtt {short(told)} is not usable: expected "
                "nanoseconds from 0"
            )
        row = {
            "run": began,
            "target": target,
            "seq": seq,
            "sent_ns": sent,
            "sent_wall_ns": wall,
            "rtt_ns": rtt,
            "status": status,
            "copies": int(reply),
            "match": "seq" if reply else None,
            "user_rtt_ns": _whole_trip(trip) if reply else None,
            "server_recv_ns": _at(trip, "timestamps", "server", "receive", "wall"),
            "server_sent_ns": _at(trip, "timestamps", "server", "send", "wall"),
        }
        rows.append(row)
    _number_replies(trips, rows)
    return rows


def _whole_trip(trip: object) -> int | None:
    """Return the time from sending to receiving; irtt's round trip leaves out what the server held."""
    sent, received = (_at(trip, "timestamps", "client", way, "monotonic") for way in ("send", "receive"))
    return None if sent is None or received is None or received < sent else received - sent


def _number_replies(trips: "list[Any]", rows: "list[dict[str, Any]]") -> None:
    """Set `arrival`, if one clock of the client has the times at which it received all replies."""
    replied = [place for place, row in enumerate(rows) if row["copies"]]
    for clock in ("monotonic", "wall"):
        came = {place: _at(trips[place], "timestamps", "client", "receive", clock) for place in replied}
        if None not in came.values():
            for arrival, place in enumerate(sorted(replied, key=lambda place: came[place] or 0), 1):
                rows[place]["arrival"] = arrival
            return


def _settings(version: object, config: "dict[str, Any]", target: str, began: int | None) -> "dict[str, Any]":
    params, version = (part if isinstance(part, dict) else {} for part in (config.get("params"), version))
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
