"""Reads the docstrings that stand below the names of a class or a module."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise


def fields(kind: type) -> dict[str, tuple[str, str]]:
    """Read the annotated attributes of a class with the docstrings below them."""
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("udpping") or base.__module__.endswith("_core"):
            continue
        source = textwrap.dedent(inspect.getsource(base))
        docs = docs_below(source)
        for node in statements(source):
            match node:
                case ast.AnnAssign(target=ast.Name(name)) if name in docs and not name.startswith("_"):
                    found[name] = ast.unparse(node.annotation).strip("'\""), docs[name]
                case _:
                    pass
    return found


def statements(source: str) -> list[ast.stmt]:
    """Read the statements of a module, or of a class."""
    body = ast.parse(source).body
    match body:
        case [ast.ClassDef() as only]:
            return only.body
        case _:
            return body


def docs_below(source: str) -> dict[str, str]:
    """Read the texts that stand below the names that they are about."""
    found: dict[str, str] = {}
    for node, after in pairwise(statements(source)):
        match node, after:
            case (
                ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                ast.Expr(ast.Constant(str(text))),
            ):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found
