"""The rules of the house that no compiler knows: which wing may use what, no circles, how long a file may be.

Each rule carries a line that breaks it, and is tried on that line at every run: a rule that has gone blind
fails as loudly as a rule that is broken.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
TOO_LONG = 600
LAZY = {"dask", "distributed", "duckdb", "matplotlib", "numpy", "pandas", "polars", "pyarrow", "tqdm"}


@dataclass(frozen=True)
class Rule:
    """What Rust files whose path starts with one of `rooms` must not contain (outside comments)."""

    why: str
    rooms: str
    forbidden: str
    breaks: str


WINGS = [
    Rule(
        "only src/python knows Python and Arrow",
        r"src/(?!python/)",
        r"\bpyo3\b|\barrow_\w+",
        "use pyo3::prelude::*;",
    ),
    Rule(
        "unsafe lives in src/net/sys and src/python/stream/c_data.rs alone",
        r"src/(?!net/sys/|python/stream/c_data\.rs)",
        r"\bunsafe\b|allow\(unsafe_code",
        "let n = unsafe { recvmmsg() };",
    ),
    Rule(
        "system calls live in src/net/sys alone: no libc elsewhere, and of rustix the types of descriptors",
        r"src/(?!net/sys/)",
        r"\blibc\b|\brustix::(?!fd\b)",
        "let limit = rustix::process::getrlimit(resource);",
    ),
    Rule(
        "logic/ imports nothing of ours outside itself",
        r"src/logic/",
        r"\bcrate::(?:\{[^;]*?)?\b(?:net|sim|python)\b|\bsuper::(?:net|sim|python)\b",
        "use crate::{\n    logic::echo,\n    net::clock,\n};",
    ),
    Rule(
        "logic/ and sim/ have no sockets, clocks, threads or files: they are told",
        r"src/(?:logic|sim)/",
        r"\b(?:\w+Socket|Tcp\w+|Instant|SystemTime|socket2|rustix)\b|\bstd::(?:\{[^;]*?)?\b(?:fs|thread|process)\b",
        "use std::{collections::HashMap, thread};",
    ),
    Rule(
        "sim/ uses logic/ alone",
        r"src/sim/",
        r"\bcrate::(?:\{[^;]*?)?\b(?:net|python)\b|\bsuper::(?:net|python)\b",
        "crate::net::socket::open()",
    ),
    Rule(
        "net/ uses logic/ alone",
        r"src/net/",
        r"\bcrate::(?:\{[^;]*?)?\b(?:sim|python)\b|\bsuper::(?:sim|python)\b",
        "use crate::sim;",
    ),
]


def broken(rule: Rule, rust: str) -> Iterator[int]:
    """Yield the numbers of the lines that break a rule."""
    code = re.sub(r"//.*|/\*.*?\*/", lambda comment: re.sub(r".", " ", comment[0]), rust)
    for match in re.finditer(rule.forbidden, code):
        yield code.count("\n", 0, match.start()) + 1


ROOMS = (
    *("udpping", "errors", "_args", "testing", "_console", "_table", "loss", "delay", "detect", "stats"),
    *(
        "theory",
        "_figures",
        "_results",
        "_files",
        "_services",
        "sim",
        "_endpoint",
        "aio",
        "_live",
        "_mesh",
        "lab",
    ),
    *("cli", "__main__", "_pytest"),
)
"""The modules and packages of python/udpping. Each imports those before it, and no other."""
FACE = {"__version__", "last_run"}
"""What the package itself holds. Its other names lead into the rooms: there, they are imported by those."""


def imports(python: str, *, lazy: bool) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, module and names of each import; one within a function is lazy, one for types is none."""
    waiting: list[ast.AST] = [ast.parse(python)]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if not lazy:
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += node.orelse
                continue
            case ast.Import():
                yield from ((node.lineno, alias.name, []) for alias in node.names)
            case ast.ImportFrom(module=module, level=level):
                yield node.lineno, "." * level + (module or ""), [alias.name for alias in node.names]
            case ast.Call(ast.Name("import_module"), [ast.JoinedStr([ast.Constant(str(start)), *_])]):
                yield node.lineno, start, []
            case ast.Attribute(value=ast.Name(id="udpping"), attr=name) if name not in FACE:
                yield node.lineno, f"udpping.{name}", []
            case _:
                pass
        waiting += ast.iter_child_nodes(node)


def eager_imports(python: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each heavy library that is imported as soon as the module is."""
    for line, module, _ in imports(python, lazy=False):
        if module.partition(".")[0] in LAZY:
            yield line, module


def module(name: str) -> tuple[str, ...]:
    """Return the path of the Rust module that is in a file."""
    *rooms, last = name.removeprefix("src/").removesuffix(".rs").split("/")
    return tuple(rooms) if last in {"lib", "mod"} else (*rooms, last)


def spread(tree: str) -> Iterator[str]:
    """Yield each path of a tree such as `a::{b, c::{d, e}}`, which may have code behind it."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield head
        return
    depth = start = 0
    for end, sign in enumerate(rest):
        if depth == 0 and sign in ",}":
            yield from (head + path for path in spread(rest[start:end]))
            start = end + 1
            if sign == "}":
                return
        depth += (sign == "{") - (sign == "}")


def rust_paths(rust: str) -> Iterator[list[str]]:
    """Yield each path that begins with crate, self or super, those of unit tests apart."""
    code = re.sub(r"//.*|#\[cfg\(test\)\]\s*(?:pub\S* )?mod \w+ \{[\s\S]*|(?<=[{,])\s+|\s+(?=[},])", "", rust)
    for found in re.finditer(r"(?<![\w:])(?:crate|self|super)::[\w:]*\{?", code):
        tree = code[found.start() :] if found[0].endswith("{") else found[0]
        yield from (path.partition(" as ")[0].split("::") for path in spread(tree))


def rust_uses(files: dict[str, str]) -> dict[str, set[str]]:
    """Tell which files each file uses: its children, and what it names, if that is not in a parent of it."""
    modules = {module(name): name for name in files}
    uses: dict[str, set[str]] = {}
    for here, name in modules.items():
        children = re.findall(r"^ *(?:pub\S* )?mod (\w+);", files[name], re.MULTILINE)
        uses[name] = {modules[*here, child] for child in children if (*here, child) in modules}
        for first, *rest in rust_paths(files[name]):
            there = {"crate": (), "self": here, "super": here[:-1]}[first]
            for step in rest:
                if step == "super":
                    there = there[:-1]
                elif (*there, step) in modules:
                    there = (*there, step)
                else:
                    break
            if there in modules and there != here[: len(there)]:
                uses[name].add(modules[there])
    return uses


def circle(uses: dict[str, set[str]]) -> list[str]:
    """Return files that use each other in a circle, if there are some."""
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def circles() -> Iterator[str]:
    """Yield a circle of Rust files; one whose parent uses it may use its parent."""
    files = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(ROOT.glob("src/**/*.rs"))}
    files = {name: rust for name, rust in files.items() if not re.search(r"\btests\b", name)}
    if found := circle(rust_uses(files)):
        yield "files use each other in a circle: " + " <- ".join(found)


def prove_circles() -> Iterator[str]:
    """Yield what the rule on circles does not see, and what it should not."""
    tree = {"src/a.rs": "use crate::{\n    b::{C as D, e::f},\n};", "src/b.rs": "mod e;"}
    for back in ("use super::super::a::{self, g};", "use crate::a;", "fn f() {\n    crate::a::g();\n}"):
        if not circle(rust_uses({**tree, "src/b/e.rs": back})):
            yield f"tools/house.py: blind: circles by {back!r}"
    for up in ("use super::C;", "// crate::a", "#[cfg(test)]\nmod tests {\n    use crate::a;\n}"):
        if circle(rust_uses({**tree, "src/b/e.rs": up})):
            yield f"tools/house.py: no circle: {up!r}"


def room(module: str) -> str:
    """Tell the room of a module."""
    return module.split(".")[1] if "." in module else module


def misplaced(sources: Mapping[str, str]) -> Iterator[str]:
    """Yield each import of a later room, and a circle of files if there is one; `sources` has their texts."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        if (own := room(module)) not in ROOMS:
            yield f"python/{path}: tools/house.py does not know the room {own}: add it to ROOMS"
            continue
        if path.endswith("__init__.py") and not ast.get_docstring(ast.parse(sources[path])):
            yield f"python/{path}: its docstring says what lives there and what it imports"
        for line, home, names in imports(sources[path], lazy=True):
            used = {f"{home}.{name}" if f"{home}.{name}" in modules else home for name in names or [""]}
            graph.setdefault(path, set()).update(modules[each] for each in used & modules.keys())
            for each in used:
                if each.startswith("."):
                    yield f"python/{path}:{line}: {home} is not the whole name of what is imported"
                elif each.startswith("udpping") and room(each) in ROOMS[ROOMS.index(own) + 1 :]:
                    yield f"python/{path}:{line}: {own} must not import {each}, which comes later in ROOMS"
    if found := circle(graph):
        yield "files import each other in a circle: " + " <- ".join(found)


def prove_rooms() -> Iterator[str]:
    """Yield what the rule on rooms does not see, and what it should not."""
    later = {
        "udpping/_args/checks.py": "def f():\n    from udpping.cli import ping\n",
        "udpping/cli/ping.py": "def f():\n    import udpping.cli.server\n",
        "udpping/cli/server.py": "",
    }
    typed = {**later, "udpping/_args/checks.py": "if TYPE_CHECKING:\n    from udpping.cli import ping\n"}
    face = {**typed, "udpping/_args/checks.py": "import udpping\nudpping.sim.ping()\n"}
    named = {**typed, "udpping/_args/checks.py": "import_module(f'udpping.cli.{name}')\n"}
    near = {**typed, "udpping/_args/checks.py": "from . import keys\n"}
    around = {**typed, "udpping/cli/server.py": "from udpping.cli import ping\n"}
    silent = {**typed, "udpping/_args/__init__.py": ""}
    if list(misplaced(typed)) or not all(
        list(misplaced(each)) for each in (later, face, named, near, around, silent)
    ):
        yield "tools/house.py: blind: rooms of Python"


def prove() -> Iterator[str]:
    """Yield each rule that does not see the line that breaks it, or that sees one in a comment."""
    for rule in WINGS:
        if not list(broken(rule, rule.breaks)):
            yield f"tools/house.py: blind: {rule.why}"
        if list(broken(rule, "".join(f"// {line}\n" for line in rule.breaks.splitlines()))):
            yield f"tools/house.py: reads comments: {rule.why}"
    eager = "try:\n    import numpy.linalg\nexcept ImportError:\n    pass\n"
    lazy = "if TYPE_CHECKING:\n    import numpy\ndef f():\n    import numpy\n"
    if not list(eager_imports(eager)) or list(eager_imports(lazy)):
        yield "tools/house.py: blind: eager imports"


def wings() -> Iterator[str]:
    """Yield what breaks a rule of the wings."""
    for path in sorted(ROOT.glob("src/**/*.rs")):
        name = path.relative_to(ROOT).as_posix()
        for rule in WINGS:
            if re.match(rule.rooms, name):
                yield from (f"{name}:{line}: {rule.why}" for line in broken(rule, path.read_text()))
    for path in sorted(ROOT.glob("python/**/*.py")):
        for line, library in eager_imports(path.read_text()):
            yield f"{path.relative_to(ROOT)}:{line}: the function that needs {library} imports it"


def rooms() -> Iterator[str]:
    """Yield what breaks the order of the Python rooms."""
    folder = ROOT / "python"
    paths = sorted(folder.glob("**/*.py"))
    yield from misplaced({path.relative_to(folder).as_posix(): path.read_text() for path in paths})


def lengths() -> Iterator[str]:
    """Yield the files that are too long."""
    for folder in ("src", "python", "tests", "benches", "fuzz", "tools"):
        for path in sorted((ROOT / folder).rglob("*.*")):
            if path.suffix in {".rs", ".py"}:
                name, length = path.relative_to(ROOT), len(path.read_text().splitlines())
                if length > TOO_LONG:
                    yield f"{name}: {length} lines, more than {TOO_LONG}: split it by noun"


HOP = re.compile(r"`((?:src|python|tools)/[^`]*)`((?:,? `\w+`)*)")
"""A path in the design, and names that are in that file."""


def lost_hops(design: str) -> Iterator[str]:
    """Yield the files that the design names and that are not there, and names that are not in their files."""
    for path, names in HOP.findall(design):
        if not (ROOT / path).exists():
            yield f"DESIGN.md: there is no {path}"
            continue
        for name in re.findall(r"\w+", names):
            if not re.search(rf"\b{name}\b", (ROOT / path).read_text()):
                yield f"DESIGN.md: {path} has no {name}"


def hops() -> Iterator[str]:
    """Yield what DESIGN.md says of files and is not so, but for the page on files that are planned."""
    if len(list(lost_hops("`src/nowhere.rs` and `src/lib.rs` `nobody`"))) != 2:  # noqa: PLR2004 - both
        yield "tools/house.py: blind: what DESIGN.md names"
    design = (ROOT / "DESIGN.md").read_text()
    yield from lost_hops(
        re.sub(r"\n## What will the planned parts add\?.*?(?=\n## )", "", design, flags=re.DOTALL)
    )


def main() -> int:
    """Print everything that is wrong."""
    found = [*prove(), *prove_circles(), *prove_rooms(), *wings(), *circles(), *rooms(), *lengths(), *hops()]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
