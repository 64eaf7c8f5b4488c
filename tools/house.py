"""The rules of the house that no compiler knows: which wing may use what, and how long a file may be.

Each rule carries a line that breaks it, and is tried on that line at every run: a rule that has gone blind
fails as loudly as a rule that is broken.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LONG, TOO_LONG = 500, 600
LAZY = {"duckdb", "matplotlib", "numpy", "pandas", "polars", "pyarrow", "tqdm"}


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
        "unsafe lives in src/net/sys and src/python/stream.rs alone",
        r"src/(?!net/sys/|python/stream\.rs)",
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


def eager_imports(python: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each heavy library that is imported as soon as the module is."""
    waiting: list[ast.AST] = [ast.parse(python)]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += node.orelse
                continue
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module)):
                names = [module]
            case _:
                names = []
        yield from ((node.lineno, name) for name in names if name.partition(".")[0] in LAZY)  # type: ignore[attr-defined]
        waiting += ast.iter_child_nodes(node)


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


def lengths() -> Iterator[str]:
    """Yield the files that are too long; those that soon will be are only named."""
    for folder in ("src", "python", "tests", "benches", "tools"):
        for path in sorted((ROOT / folder).rglob("*.*")):
            if path.suffix in {".rs", ".py"}:
                name, length = path.relative_to(ROOT), len(path.read_text().splitlines())
                if length > TOO_LONG:
                    yield f"{name}: {length} lines, more than {TOO_LONG}: split it by noun"
                elif length > LONG:
                    print(f"NB: {name} has {length} lines, more than {LONG}")


def main() -> int:
    """Print everything that is wrong."""
    found = [*prove(), *wings(), *lengths()]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
