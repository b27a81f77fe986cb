"""Print figures about the source: lengths of files and functions, names, formatting.

python tools/measure.py [FOLDER...]        default: fwhelpers plugins
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: pronouns and participles that say nothing about the value
EMPTY_NAMES = {
    *("found", "given", "made", "told", "what", "wanted", "known", "said", "one", "left", "asked"),
    *("called", "got", "heard", "kept", "meant", "seen", "sent", "shown", "taken", "there"),
    *("this", "those", "who", "whose"),
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def assigned_names(tree: ast.AST) -> Iterator[str]:
    """Yield the name of each variable, parameter and attribute that is bound, and of each definition."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.ExceptHandler(name=str(name)):
                yield name


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Return a function's lines from `def` on, without its docstring."""
    total = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        total -= function.body[1].lineno - first.lineno
    return total


def private_used_once(sources: dict[Path, str], trees: dict[Path, ast.Module]) -> list[str]:
    """Return the names of the functions that are private and named at one other place."""
    definitions = [f.name for tree in trees.values() for f in functions(tree)]
    words = Counter(word for text in sources.values() for word in re.findall(r"\w+", text))
    defined = Counter(definitions)
    return [
        name
        for name in definitions
        if name.startswith("_") and not name.startswith("__") and words[name] == 2 * defined[name]
    ]


def called_names(tree: ast.AST) -> Iterator[str]:
    """Yield the name of each function or method that is called."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                yield name


def main() -> None:
    folders = [ROOT / name for name in sys.argv[1:] or ("fwhelpers", "plugins")]
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    sources = {path: path.read_text() for path in paths}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    lines = {path: text.count("\n") for path, text in sources.items()}
    longest = max(lines, key=lambda path: lines[path])
    lengths = [length(f) for tree in trees.values() for f in functions(tree)]
    once = private_used_once(sources, trees)
    called = {name for tree in trees.values() for name in called_names(tree)}
    values = sum(name not in called for name in once)
    names = [name.strip("_") for tree in trees.values() for name in assigned_names(tree)]
    empty = Counter(name for name in names if name in EMPTY_NAMES)
    print(f"files                                {len(paths)}, {sum(lines.values())} lines")
    print(f"median file                          {statistics.median(lines.values()):g} lines")
    print(
        f"longest file                         {lines[longest]} lines, {longest.relative_to(ROOT)}"
    )
    print(
        f"functions                            {len(lengths)}, median {statistics.median(lengths):g} lines,"
        f" 90 % at most {statistics.quantiles(lengths, n=10)[-1]:g}"
    )
    print(
        f"private functions with a single use  {len(once) / len(lengths):.1%}, of these"
        f" {values / len(lengths):.1%} in tables or as callbacks"
    )
    print(f"pronouns and participles as names    {1000 * empty.total() / len(names):.1f} of 1,000")
    if empty:
        print("  " + ", ".join(f"{name} {number}" for name, number in empty.most_common(8)))
    skipped = sum(text.count("# fmt: skip") + text.count("# fmt: off") for text in sources.values())
    print(f"fmt: skip                            {skipped}")


if __name__ == "__main__":
    main()
