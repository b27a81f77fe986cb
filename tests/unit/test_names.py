"""Names say what a value is: a short list of pronouns and participles is banned as names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BANNED = {
    *("found", "given", "left", "made", "told", "what", "wanted", "known", "one", "said", "seen"),
}
#: folders that still have such names; remove each line with the last name
PENDING: set[str] = set()
FOLDERS = ("fwhelpers", "plugins", "examples", "packaging", "tests", "tools")
SOURCES = [
    path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))
]


def bound_names(source: str) -> list[tuple[int, str]]:
    """Return line and name of each variable, parameter, attribute and definition."""
    names = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.append((node.lineno, name))
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                names.append((node.lineno, name))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.append((node.lineno, name))
            case (
                ast.ClassDef(name=name)
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                names.append((node.lineno, name))
    return names


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if str(path.parent) not in PENDING], ids=str
)
def test_no_pronoun_or_participle_is_a_name(path: Path) -> None:
    names = bound_names((ROOT / path).read_text())
    assert [f"{path}:{line}: {n}" for line, n in names if n.strip("_").lower() in BANNED] == []


def test_every_form_of_binding_is_checked() -> None:
    source = """
def made(given, *, told=1):
    with open("f") as found: self._known = 1
    for what in (): pass
    try: pass
    except OSError as said: pass
    match 1:
        case [*wanted]: pass
        case (one, seen, left): pass
"""
    assert {name.strip("_") for _, name in bound_names(source)} >= BANNED
