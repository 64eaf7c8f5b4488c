"""Prints the JSON schema of what commands print with `--json`: the type and the meaning of each key.

Rows, summaries and counters are read from the classes that users get; only what no class has is written here.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import udpping
from docstrings import fields
from udpping import _core
from udpping._results.peers import Alarms
from udpping.cli import COMMANDS
from udpping.cli._output import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    Keys = Mapping[str, dict[str, Any]]
    """The definition of each key."""

TYPES = {
    "None": "null",
    "Payload": "string",
    "bool": "boolean",
    "bytes": "string",
    "dict": "object",
    "float": "number",
    "int": "integer",
    "list[str]": "array",
    "tuple[str, ...]": "array",
    "str": "string",
    "tuple[str, int]": "array",
}
VALUES: dict[str, tuple[str, ...]] = {
    "Row.status": ("reply", "late", "timeout", "unreachable", "error"),
    "PeerRow.state": ("new", "up", "late", "suspect", "unknown", "down", "bye"),
    "Finding.kind": ("host", "pair", "group", "groups", "unheard", "none"),
    "LogRow.verdict": ("answer", "drop", "error"),
    "RelayRow.direction": ("up", "down"),
    "RelayRow.verdict": ("send", "drop", "error"),
    "MonitorEvent.event": tuple(_core.event_names()),
    "TargetEvent.event": ("up", "down"),
}
"""What a text of a row may be."""


def key(annotation: str, meaning: str, values: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write the definition of one key; a class of the package is an object of its own keys."""
    if annotation not in TYPES and hasattr(udpping, annotation):
        keys = of(getattr(udpping, annotation))
        return key("dict", meaning) | {"properties": keys, "required": list(keys)}
    types = [TYPES[part] for part in annotation.split(" | ")]
    made: dict[str, Any] = {
        "description": " ".join(inspect.cleandoc(meaning).split()).replace("`None`", "null")
    }
    made["type"] = types[0] if len(types) == 1 else types
    if values:
        made["enum"] = list(values)
    return made


TARGET = {"target": key("str", "The target, as given, with its port.")}
ADDRESS = {"address": key("str", "IP address and port of the target.")}
MESSAGE = {"message": key("str", "What is wrong, in a sentence.")}
WAYS = {
    "client": key("str", "The command to type on this machine."),
    "clients_elsewhere": key("list[str]", "Commands to type on other machines."),
}
BOUND = {"bound": key("str", "IP address of the socket."), "port": key("int", "Port of the socket.")}
MODELS = {"loss": key("str", "Loss on purpose."), "delay": key("str", "Delay on purpose.")}


def of(kind: type) -> Keys:
    """Read the keys of a row or a summary from its class."""
    own = {
        name: key(annotation, text, VALUES.get(f"{kind.__name__}.{name}", ()))
        for name, (annotation, text) in fields(kind).items()
    }
    if kind is udpping.Event:
        return {**of(udpping.LogRow), **own}
    return {**of(udpping.RelayRow), **own} if kind is udpping.RelayEvent else own


def sender() -> Keys:
    """Write what a heartbeat sender has counted."""
    counts = {name: key("int", text) for name, _, _, text in _core.counter_metrics()["heartbeat"]}
    return {
        "id": key("str", "Name of the sender."),
        "session": key("str", "Number of the session, in hexadecimal."),
        "address": key(
            "tuple[str, int] | None", "IP address and port of the monitor; null while it is not found."
        ),
        **counts,
        "round_trip_ns": key(
            "int | None", "Shortest time from a heartbeat to its answer, in ns; null without one."
        ),
        "last_error": key(
            "str | None", "Why the last heartbeat was not sent or not received; null if it was."
        ),
    }


RECORDS: dict[tuple[str, str], Keys] = {
    ("demo", "start"): {
        **TARGET,
        **MODELS,
        "seed": key("int", "Seed that repeats losses and delays."),
        "count": key("int", "Pings to send."),
    },
    ("demo ping", "ping"): of(udpping.Row),
    ("demo ping", "summary"): of(udpping.Summary),
    ("demo server", "counters"): of(udpping.Counters),
    ("demo", "chance"): {
        "loss": key("str", "Probability of a loss, as a fraction."),
        "sent": key("int", "Pings that were sent."),
        "lost": key("int", "Pings that were lost."),
        "expected": key("float", "Losses to expect on average."),
        "at_least": key("float", "Probability of as many losses or more."),
        "at_most": key("float", "Probability of as many losses or fewer."),
    },
    ("ping", "start"): {
        **TARGET,
        **ADDRESS,
        "count": key("int | None", "Pings to send; null: no end."),
        "timeout": key("float", "Time to wait for each reply, in s."),
        "interval": key(
            "float | None", "Time from ping to ping, in s; null: the next when the last is settled."
        ),
    },
    ("ping", "moved"): {**TARGET, **ADDRESS},
    ("ping", "event"): {"time": key("str", "`wall_ns` as text, in UTC."), **of(udpping.TargetEvent)},
    ("ping", "problem"): {**TARGET, **MESSAGE},
    ("ping", "interim"): {
        **TARGET,
        "wall_ns": key("int", "When this was printed, in ns since 1970 (UTC)."),
        "sent": key("int", "Pings settled since the last one."),
        "received": key("int", "Pings answered in time since the last one."),
        "rtt_min_ns": key("int | None", "Shortest round trip since the last one, in ns."),
        "rtt_avg_ns": key("float | None", "Mean round trip since the last one, in ns."),
        "rtt_max_ns": key("int | None", "Longest round trip since the last one, in ns."),
    },
    ("ping", "total"): of(udpping.Summary),
    ("ping", "ways"): of(udpping.Ways),
    ("ping", "missed"): {"rows": key("int", "Rows not printed: the terminal was too slow.")},
    ("mesh", "host"): of(udpping.Host),
    ("mesh", "pair"): of(udpping.PairRow),
    ("mesh", "finding"): of(udpping.Finding),
    ("mesh", "clock"): of(udpping.HostOffset),
    ("mesh", "contradiction"): of(udpping.Contradiction),
    ("mesh", "summary"): {
        "hosts": key("int", "Hosts that take part."),
        "pairs": key("int", "Ordered pairs of them that were measured."),
        "sent": key("int", "Pings that were answered or lost."),
        "lost": key("int", "Pings that were lost."),
    },
    ("server", "start"): {
        **BOUND,
        **MODELS,
        "up": key("str", "What the link does to requests."),
        "down": key("str", "What the link does to replies."),
        "reply": key("str", "What a reply says."),
        "seed": key("int", "Seed that repeats losses and delays."),
        "scope": key("str", "Who shares the decisions of the seed."),
        **WAYS,
    },
    ("server", "datagram"): of(udpping.Event),
    ("server relay", "achieved"): of(udpping.Achieved),
    ("server relay", "reopened"): {"log": key("str", "Path of the log.")},
    ("server relay", "missing"): {
        "log": key("str", "Path of the log."),
        "datagrams": key("int", "Datagrams that are not in it."),
    },
    ("relay", "start"): {
        **BOUND,
        "target": key("str", "IP address and port to which datagrams of clients go."),
        "up": key("str", "What the link does to datagrams towards the target."),
        "down": key("str", "What the link does to datagrams towards clients."),
        "seed": key("int", "Seed that repeats losses and delays."),
        "client": key("str", "IP address and port for clients on this machine."),
    },
    ("relay", "counters"): of(udpping.RelayCounters),
    ("relay", "datagram"): of(udpping.RelayEvent),
    ("server relay monitor heartbeat", "problem"): MESSAGE,
    ("reflector", "start"): {**BOUND, **WAYS},
    ("reflector", "counters"): of(udpping.ReflectorCounters),
    ("monitor", "start"): {
        **BOUND,
        "detector": key("str", "The failure detector."),
        "lessons": key("int", "Heartbeats of a client that it learns from first."),
        **WAYS,
    },
    ("monitor", "event"): {"time": key("str", "`wall_ns` as text, in UTC."), **of(udpping.MonitorEvent)},
    ("monitor", "unreadable"): {
        "source": key("str", "IP address and port of the sender."),
        "reason": key("str", "Why it is not a heartbeat."),
        "datagram": key("str", "Its beginning."),
    },
    ("monitor heartbeat", "reopened"): {},
    ("monitor", "peer"): of(udpping.PeerRow),
    ("monitor", "false_alarms"): of(Alarms),
    ("monitor", "counters"): of(udpping.MonitorCounters),
    ("heartbeat", "start"): {
        **TARGET,
        "id": key("str", "Name of the sender."),
        "session": key("str", "Number of the session, in hexadecimal."),
        "interval": key("float", "Time from heartbeat to heartbeat, in s."),
        "command": key("list[str]", "The command that is watched; absent without one."),
    },
    ("heartbeat", "well"): {"address": key("tuple[str, int] | None", "Where heartbeats are sent again.")},
    ("heartbeat", "status"): sender(),
    ("heartbeat", "end"): sender(),
    ("doctor", "addresses"): {
        "addresses": key("list[str]", "IP addresses of this machine, without loopback.")
    },
    ("doctor", "port"): {
        "port": key("int", "The port that was looked at."),
        "free": key("bool", "Whether no program uses it."),
        "bound": key(
            "list[str] | None", "Addresses at which a program listens; null where that is not shown."
        ),
        "loopback_only": key("bool | None", "Whether other machines cannot reach that program."),
    },
    ("doctor", "stamps"): {
        "kernel": key("str", "Which time stamps the kernel takes: `both`, `rx`, `tx` or `none`.")
    },
    ("doctor", "commands"): {
        "here": key("str", "The command to type on this machine."),
        "elsewhere": key("list[str]", "Commands to type on other machines."),
    },
    ("doctor", "diagnosis"): {
        **TARGET,
        "address": key("str | None", "IP address and port of the target; null if it has none."),
        "verdict": key("str", "What is wrong, in a word or three."),
        "advice": key("str", "What to do."),
        "detail": key("str", "More about it, or an empty text."),
        "summary": key("dict | None", "As in the records of that type; null if no ping was sent.")
        | {"properties": of(udpping.Summary), "required": list(of(udpping.Summary))},
    },
    ("lab", "written"): {
        "path": key("str", "The file."),
        "profile": key("str", "The profile of the program in it."),
    },
    ("lab", "profile"): {
        "name": key("str", "The profile."),
        "source": key("str", "Where it comes from."),
        "loss": key("str", "Mean loss of pings, as a fraction."),
        "heartbeat_loss": key("str", "Mean loss of heartbeats, as a fraction."),
        "prints": key("str", "What its programs print."),
    },
    (" ".join(COMMANDS), "error"): {
        "error": key("str", "Name of the exception in Python."),
        "message": key("str", "What was wrong, in a sentence."),
    },
}
"""By commands and type: what a record has beside `schema` and `type`."""
ABSENT = {"command"}
"""Keys that may be left out."""


def schema() -> dict[str, Any]:
    """Write the JSON schema: one definition for each command and type."""
    made = {
        f"{command} {kind}": definition(command, kind, keys)
        for (commands, kind), keys in RECORDS.items()
        for command in commands.split()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Records of udpping --json, schema {SCHEMA}",
        "anyOf": [{"$ref": f"#/$defs/{name.replace(' ', '%20')}"} for name in made],
        "$defs": made,
    }


def definition(command: str, kind: str, keys: Keys) -> dict[str, Any]:
    """Write the definition of one record."""
    properties = {"schema": {"const": SCHEMA}, "type": {"const": kind}, **keys}
    return {
        "title": f"udpping {command}: {kind}",
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in ABSENT],
        "additionalProperties": False,
    }


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2)
