"""Reads the documentation of a class from its source: docstrings, and the `#:` comments of fields."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A field or method."""

    name: str
    signature: str  #: "l4: str = ''", "feed(data, reply)"
    doc: str


def members(cls: type) -> list[Member]:
    """Return the public fields and methods that the class itself defines."""
    source = inspect.getsource(cls)
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    lines = source.splitlines()
    rows = (_field(n, lines) if isinstance(n, ast.AnnAssign) else _method(n) for n in node.body)
    return [member for member in rows if member and not member.name.startswith("_")]


def _field(node: ast.AnnAssign, lines: list[str]) -> Member | None:
    if not isinstance(node.target, ast.Name):
        return None
    name = node.target.id
    kind = ast.unparse(node.annotation)
    default = f" = {ast.unparse(node.value)}" if node.value else ""
    doc = " ".join(_beside(node, lines) or _above(node, lines))
    return Member(name, f"{name}: {kind}{default}", doc)


def _beside(node: ast.AnnAssign, lines: list[str]) -> list[str]:
    own = lines[node.lineno - 1 : node.end_lineno]
    return [line.split("#:", 1)[1].strip() for line in own if "#:" in line]


def _above(node: ast.AnnAssign, lines: list[str]) -> list[str]:
    rows: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        rows.insert(0, line.strip().removeprefix("#:").strip())
    return rows


def _method(node: ast.stmt) -> Member | None:
    if not isinstance(node, ast.FunctionDef):
        return None
    names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
    decorators = {ast.unparse(d) for d in node.decorator_list}
    signature = node.name if "property" in decorators else f"{node.name}({', '.join(names)})"
    return Member(node.name, signature, inspect.cleandoc(ast.get_docstring(node) or ""))
