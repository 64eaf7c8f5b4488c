"""Reads the output of `udpping ping --json`, also of several runs."""

# Values from JSON have no static type:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re

from udpping import _core
from udpping._files.own import objects
from udpping._files.runs import checked_sums, merged_settings, run_of, run_of_file
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run
    from udpping._results.settings import Facts

PING = re.compile(
    r'\{"schema":\s*\d+,\s*"type":\s*"ping",\s*"run":\s*(\d+|null),\s*'
    r'"target":\s*("(?:[^"\\]|\\.)*"),\s*"seq":\s*(\d+),'
)
"""A line of `udpping ping --json` about a ping: its run, its target and its number."""


class Reader:
    """Collects what the lines say beside pings, and the last line of each ping in the place of its first."""

    def __init__(self, lines: list[str]) -> None:
        self.settings: list[Facts] = []
        self.summaries: list[tuple[int, Facts]] = []
        self.current: dict[str, int] = {}
        self.total: Facts | None = None
        self.missed = 0
        self.places: dict[tuple[str, ...], int] = {}
        self.lines = lines
        for place, line in enumerate(lines):
            # The core ignores empty lines.
            lines[place] = ""
            if found := PING.match(line):
                self._ping(found.groups(), place, line)
                continue
            for number, record in objects(line, place + 1):
                self._record(record, number, line)

    def _ping(self, key: tuple[str, ...], place: int, line: str) -> None:
        self.lines[self.places.setdefault(key, place)] = line

    def _record(self, record: "Facts", number: int, line: str) -> None:
        record.pop("schema", None)
        kind = record.pop("type", None)
        if kind == "ping":  # with its names in another order
            names = json.dumps(record.get("run")), json.dumps(record.get("target"), ensure_ascii=False)
            self._ping((*names, str(record.get("seq"))), number - 1, line)
        elif kind == "start":
            target = {name: record.pop(name, None) for name in ("target", "address")}
            self.settings.append({"made_by": "udpping ping --json", "targets": [target], **record})
            self.current.pop(str(target["target"]), None)
        elif kind == "summary":
            # One that was asked for while the pings went on is followed by a newer one.
            at = self.current.setdefault(str(record.get("target")), len(self.summaries))
            self.summaries[at : at + 1] = [(number, checked_sums(record, number))]
        elif kind == "total":
            self.total = checked_sums(record, number)
        elif kind == "missed" and isinstance(record.get("rows"), int):
            self.missed += record["rows"]


def read(text: str) -> "Run":
    """Read the pings, and of the summary what they do not tell."""
    reader = Reader(text.split("\n"))
    if not reader.places:
        raise ConfigError("no ping is in it: expected what `udpping ping --json` prints")
    core, _ = _core.run_from_json("\n".join(reader.lines))
    run = run_of(core, {"settings": merged_settings(reader.settings)})
    if not reader.summaries or len(reader.summaries) < len(reader.settings):
        return run
    line = reader.summaries[-1][0]
    for name, seen in (("sent", run.summary.sent), ("received", run.summary.received)):
        told = sum(int(sums.get(name) or 0) for _, sums in reader.summaries)
        if any(name in sums for _, sums in reader.summaries) and not seen <= told <= seen + reader.missed:
            raise ConfigError(
                f"line {line}: {name} {told} is not usable: expected {seen}, as the lines of pings say"
            )
    names, total = [core["target"][0]], reader.summaries[0][1]
    if len(reader.summaries) > 1:
        names, total = list(reader.current), reader.total or {}
        # One run to several targets; several runs in a file have no summary of all.
        told = sum(int(sums.get("sent") or 0) for _, sums in reader.summaries)
        if len(names) != len(reader.summaries) or total.get("sent") != told:
            return run
    each = [{**sums, "target": name} for name, (_, sums) in zip(names, reader.summaries, strict=True)]
    header = {"settings": dict(run.settings), "rows": len(core), "summary": total, "summaries": each}
    return run_of_file(core, [header])
