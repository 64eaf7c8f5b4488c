"""Writes the reference of the site: what the parsers, the docstrings and the tables of the core say."""

from __future__ import annotations

import argparse
import inspect
import os
import re
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

os.environ["COLUMNS"] = "1000"  # the site wraps the texts, and not argparse

import records
import udpping
from docstrings import docs_below, fields
from udpping import _core
from udpping.cli import COMMANDS

from manuals import FORMS, PURPOSE, actions_of, command_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from udpping._console.options import Parser

    Named = tuple[str, object]


def pages() -> dict[str, str]:
    """Write each page; the name of its file, without the suffix, is the key."""
    return {
        "commands": commands(),
        **{f"python-{name}": python_page(name) for name in ("udpping", *modules())},
        "columns": columns(),
        "events": events(),
        "counters": counters(),
        "records": record_page(),
    }


RESULTS = ("udpping._results", "udpping._figures", "udpping._table", "udpping._core")
"""Rooms whose classes users are given, and never make."""

# --- The command line ---


def commands() -> str:
    """Write what each command takes."""
    overview = "\n".join(f"* [`udpping {name}`](#udpping-{name}): {COMMANDS[name]}" for name in COMMANDS)
    parts = [f"# Command line\n\n{PURPOSE} `udpping help` lists these commands.\n\n{overview}\n"]
    return "\n".join([*parts, *(command(name, command_parser(name)) for name in COMMANDS)])


def command(name: str, parser: Parser) -> str:
    """Write the synopsis, the description and the options of a command."""
    places = [action for action in actions_of(parser) if not action.option_strings]
    arguments = " ".join(FORMS[each.nargs].format(each.metavar or each.dest) for each in places)
    lines = [f"## udpping {name}", fenced(f"udpping {name} [OPTION ...] {arguments}".strip(), "text")]
    lines += [
        prose(f"{parser.description or ''}\n\n{parser.epilog or ''}"),
        f":::{{program}} udpping {name}\n:::",
    ]
    groups: list[object] = vars(parser)["_action_groups"]
    for group in groups:
        inside: list[argparse.Action] = vars(group)["_group_actions"]
        shown = [each for each in inside if each.help != argparse.SUPPRESS]
        title: str = vars(group)["title"]
        if shown and title not in {"positional arguments", "options"}:
            lines.append(f"**{title[:1].upper()}{title[1:]}**")
        lines += [option(parser, action) for action in shown]
    return "\n\n".join(lines) + "\n"


def option(parser: Parser, action: argparse.Action) -> str:
    """Write an option or an argument."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    names = ", ".join(f"{name} {value}".strip() for name in action.option_strings) or value
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return f":::{{option}} {names}\n\n{escaped(text)}\n:::"


def prose(text: str) -> str:
    """Write paragraphs; a table of a description stays as it is."""
    parts = [part.strip("\n") for part in text.split("\n\n") if part.strip()]
    kept = re.compile(r"^ |^[A-Z]+: ", re.MULTILINE)
    return "\n\n".join(fenced(part, "text") if kept.search(part) else escaped(part) for part in parts)


def escaped(text: str) -> str:
    """Let a text of a terminal be read as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def fenced(code: str, language: str) -> str:
    """Write a block of code."""
    return f"```{language}\n{code}\n```"


# --- Python ---


def modules() -> list[str]:
    """List the public modules."""
    return [name for name in udpping.__all__ if isinstance(getattr(udpping, name), ModuleType)]


def public(module: ModuleType) -> list[Named]:
    """List what a module has for its users, less what has a page of its own."""
    names: list[str] = module.__all__
    found = [(name, getattr(module, name)) for name in names if not name.startswith("__")]
    if module is udpping:
        elsewhere = {id(value) for name in modules() for _, value in public(getattr(udpping, name))}
        found = [(name, value) for name, value in found if id(value) not in elsewhere]
    return [(name, value) for name, value in found if not isinstance(value, ModuleType)]


def python_page(name: str) -> str:
    """Write what a module has."""
    module = udpping if name == "udpping" else import_module(f"udpping.{name}")
    full = module.__name__
    lines = [f"# Python: `{full}`", f":::{{py:module}} {full}\n:::", markdown(module.__doc__ or "")]
    for each, value in public(module):
        if inspect.isclass(value):
            lines.append(class_text(each, value))
        elif callable(value):
            lines.append(described("function", f"{each}{signature(value)}", value.__doc__))
        else:
            lines.append(described("data", each, data_doc(module, each)))
    return "\n\n".join(lines) + "\n"


def data_doc(module: ModuleType, name: str) -> str:
    """Read the docstring below a value of a module."""
    return docs_below(inspect.getsource(module)).get(name, "")


def class_text(name: str, kind: type[Any]) -> str:
    """Write a class with its fields, properties and methods."""
    is_error = issubclass(kind, BaseException)
    made = "" if is_error else constructor(kind)
    inside = [
        described("attribute", f"{name}.{field}\n:type: {annotation}", text)
        for field, (annotation, text) in fields(kind).items()
    ]
    for member, value in members(kind):
        if isinstance(value, property):
            inside.append(described("property", f"{name}.{member}", value.__doc__))
        else:
            function: Any = value
            given = inspect.unwrap(getattr(function, "__func__", function))
            flag = "\n:classmethod:" if isinstance(value, classmethod) else ""
            flag += "\n:async:" if inspect.iscoroutinefunction(given) else ""
            call = signature(given, bound=not isinstance(value, staticmethod))
            inside.append(described("method", f"{name}.{member}{call}{flag}", value.__doc__))
    own = "" if kind.__doc__ is None or kind.__doc__.startswith(f"{name}(") else kind.__doc__
    label = "exception" if is_error else "class"
    return described(label, f"{name}{made}", own, inside)


def constructor(kind: type[Any]) -> str:
    """Write what a class is called with; nothing if only udpping calls it."""
    start: Any = vars(kind).get("__init__")
    if (
        start is None
        or kind.__module__.startswith(RESULTS)
        or {"core", "facts"} & inspect.signature(start).parameters.keys()
    ):
        return ""
    return signature(start, bound=True)


def members(kind: type) -> Iterator[Named]:
    """Yield the public properties and methods of a class, of its bases here too."""
    seen: set[str] = set()
    for base in kind.__mro__:
        if not base.__module__.startswith("udpping") or base.__module__.endswith("_core"):
            continue
        for name, value in vars(base).items():
            documented = getattr(value, "__doc__", None)
            usable = isinstance(value, (property, classmethod, staticmethod)) or inspect.isfunction(value)
            if usable and documented and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, value


def signature(function: Callable[..., object], *, bound: bool = False) -> str:
    """Write what a function takes and returns."""
    found = inspect.signature(function)
    shown = list(found.parameters.values())[bound:]

    def plain(annotation: object) -> object:
        return Bare(annotation.strip("'\"")) if isinstance(annotation, str) else annotation

    clean = [each.replace(annotation=plain(each.annotation)) for each in shown]
    return str(found.replace(parameters=clean, return_annotation=plain(found.return_annotation)))


class Bare(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show it so."""
        return str(self)


def described(label: str, head: str, text: str | None, inside: Sequence[str] = ()) -> str:
    """Write the description of one name, with those inside it."""
    name, _, options = head.partition("\n")
    extra = f"{options}\n" if options else ""
    fence = "::::" if not inside else ":::::"
    body = "\n\n".join([markdown(text or ""), *inside])
    return f"{fence}{{py:{label}}} {name}\n{extra}\n{body}\n{fence}"


def markdown(docstring: str) -> str:
    """Write a docstring: its examples become code, and names of ours become links."""
    lines: list[str] = []
    within = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if line.lstrip().startswith(">>>") and not within:
            within = line[: len(line) - len(line.lstrip())] + "```"
            lines.append(f"{within}pycon")
        elif not line.strip() and within:
            lines.append(within)
            within = ""
        lines.append(line if within else re.sub(r"(?<!`)`([\w.]+)`(?!`)", linked, line))
    return "\n".join([*lines, within] if within else lines)


def linked(code: re.Match[str]) -> str:
    """Link a name in code type to where it is described."""
    name = code[1].removeprefix("udpping.")
    return f"{{py:obj}}`{code[1]} <udpping.{name}>`" if name in NAMES else code[0]


NAMES = {name for name, _ in public(udpping)} | {
    f"{module}.{name}" for module in modules() for name, _ in public(getattr(udpping, module))
}


# --- Tables ---


def columns() -> str:
    """Write what each column and each number of a summary means."""
    units = {name: unit for name, _, _, unit in _core.run_columns()}
    tables: dict[str, tuple[type, dict[str, str]]] = {
        "A run: one row for each ping": (udpping.Row, units),
        "The summary of a run": (udpping.Summary, {}),
        "The two ways of a run": (udpping.Ways, {}),
        "A mesh: one row for each pair, round and source port": (udpping.PairRow, {}),
        "What explains the losses of a mesh": (udpping.Finding, {}),
        "The log of a server": (udpping.LogRow, {}),
        "The log of a relay": (udpping.RelayRow, {}),
        "The clients of a monitor": (udpping.PeerRow, {}),
        "The events of a monitor": (udpping.MonitorEvent, {}),
        "The events of a pinger": (udpping.TargetEvent, {}),
    }
    parts = ["# Columns and summaries", STATUSES]
    for title, (kind, known) in tables.items():
        rows = [
            f"| `{name}` | {cell(annotation)} | {known.get(name) or unit_of(name)} | {cell(text)} |"
            for name, (annotation, text) in fields(kind).items()
        ]
        head = f"## {title}\n\n{{py:class}}`udpping.{kind.__name__}`"
        parts += [head, "\n".join(["| name | type | unit | meaning |", "|---|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


STATUSES = """\
Times are whole nanoseconds. What did not happen is null (`None`, `NaT`, `<NA>`), never 0.
[Files](../formats.md) and [Statistics](../statistics.md) say what to do with these tables."""


def unit_of(name: str) -> str:
    """Read the unit from the end of a name."""
    return {"ns": "ns", "ppm": "ppm", "day": "per day"}.get(name.rpartition("_")[2], "")


def cell(text: str) -> str:
    """Let a text be one cell of a table."""
    return re.sub(r"\s+", " ", markdown(text)).replace("|", "\\|").strip()


def events() -> str:
    """Write what a monitor reports, as the documentation of `MonitorEvent` has it."""
    text = fields(udpping.MonitorEvent)["event"][1]
    names = ", ".join(f"`{name}`" for name in _core.event_names())
    return f"""# Events of a monitor

`udpping monitor --on NAME,NAME` takes these names: {names}.

{markdown(text)}

The columns of an event are in [Columns and summaries](columns.md); more about monitors is in
[Heartbeats](../heartbeats.md).
"""


def counters() -> str:
    """Write the counters, their kinds and units."""
    parts = ["# Counters", "A counter only grows, a gauge goes up and down. What is not known is null."]
    for kind, metrics in _core.counter_metrics().items():
        rows = [f"| `{name}` | {sort} | {unit} | {cell(text)} |" for name, sort, unit, text in metrics]
        parts.append(
            "\n".join(
                [
                    f"## {kind.capitalize()}",
                    "",
                    "| name | kind | unit | meaning |",
                    "|---|---|---|---|",
                    *rows,
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def record_page() -> str:
    """Write the keys of each record."""
    parts = ["# JSON records", RECORDS]
    for name, record in records.schema()["$defs"].items():
        rows = [
            f"| `{key}` | {' or '.join(types_of(about))} | {cell(about.get('description', ''))} |"
            for key, about in record["properties"].items()
            if key not in {"schema", "type"}
        ]
        head = f"## `{name.split()[1]}` of {name.split()[0]}"
        table = "\n".join(["| key | type | meaning |", "|---|---|---|", *rows])
        parts += [head, table if rows else "Nothing but `schema` and `type`."]
    return "\n\n".join(parts) + "\n"


def types_of(about: dict[str, Any]) -> list[str]:
    """List the types of a key."""
    types: str | list[str] = about["type"]
    return [types] if isinstance(types, str) else types


RECORDS = """\
With `--json` each line is one object. `schema` is the version of these records; it changes when a key goes
away or means something else. `type` is the name of the record. Times that end in `_ns` are nanoseconds.

<a href="../../records.schema.json">records.schema.json</a> is the JSON schema of all of them. A program
should ignore keys that it does not know: later versions may add some."""
