"""No regular expression takes more than linear time: steps of backtracking are counted (attacks C4, C5)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fwhelpers_plugins
import pytest

import fwhelpers
from fuzz.regex_steps import Counter, inputs

SIZES = (40, 240)  #: repetitions of a part of the input
SLACK = 1.6
#: read only what an administrator wrote, and never a peer's bytes
LOCAL = (
    "fwhelpers.migrate",
    "fwhelpers.cli",
    "fwhelpers.config",
    "fwhelpers.kernel",
    "fwhelpers.daemon",
)


def modules() -> Iterator[ModuleType]:
    for package in (fwhelpers, fwhelpers_plugins):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__") and not info.name.startswith(LOCAL):
                yield importlib.import_module(info.name)


def patterns() -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Name, pattern, and whether it is searched for instead of matched at the beginning."""
    for module in modules():
        source = Path(str(module.__file__)).read_text()
        searched = {
            ast.unparse(node.value)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute)
            and node.attr in ("search", "finditer", "findall", "sub", "split")
        }
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module.__name__}.{name}", value, name in searched


PATTERNS = {name: (pattern, searched) for name, pattern, searched in patterns()}


def deep(work: Callable[[], None]) -> None:
    """Run with a stack for the recursion of the counter."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(256 << 20)
    sys.setrecursionlimit(200_000)
    try:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if errors:
        raise errors[0]


def steps(pattern: re.Pattern[Any], searched: bool, data: bytes) -> int:
    counter = Counter(pattern, data, limit=400 * len(data) + 20_000)
    if searched:
        list(counter.finditer())
    else:
        counter.fullmatch()
    return counter.steps


def check_growth(pattern: re.Pattern[Any], searched: bool) -> None:
    for prefix, unit in inputs(pattern):
        for suffix in (b"", b"\0!"):
            counts = [steps(pattern, searched, prefix + unit * size + suffix) for size in SIZES]
            assert counts[1] <= SIZES[1] // SIZES[0] * SLACK * counts[0] + 200, (
                prefix,
                unit,
                suffix,
                counts,
            )


def test_there_are_patterns() -> None:
    assert {"fwhelpers.sansio.http1._NAME", "fwhelpers_plugins.gena._CALLBACKS"} <= PATTERNS.keys()


@pytest.mark.parametrize("name", PATTERNS)
def test_steps_grow_linearly(name: str) -> None:
    deep(lambda: check_growth(*PATTERNS[name]))


@pytest.mark.parametrize(
    ("pattern", "searched"),
    [
        (re.compile(rb"([a-z]+):[ \t]*(.*?)[ \t]*", re.DOTALL), False),
        (re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL), True),
        (re.compile(rb"(?:a|aa)+b"), False),
        (re.compile(rb"\s*x\s*y|\s+z"), True),
    ],
)
def test_quadratic_patterns_are_detected(pattern: re.Pattern[bytes], searched: bool) -> None:
    """The patterns of attacks C4 and C5, and relatives of theirs."""
    with pytest.raises((AssertionError, OverflowError)):
        deep(lambda: check_growth(pattern, searched))


@pytest.mark.parametrize(
    ("pattern", "data"),
    [
        (rb"a(b|c)*?d", b"abcbd"),
        (rb"(a|ab)(c|bcd)", b"abcd"),
        (rb"[^a-c]+x?", b"defx"),
        (rb"(?:ab){2,3}", b"ababab"),
        (rb"a.c", b"a\nc"),
        (rb"(?i)aBc", b"ABc"),
        (rb"(?P<d>[!-~])x(?P=d)", b"!x!"),
        (rb"a(?<![0-9])b(?!c)", b"ab"),
    ],
)
def test_the_counter_agrees_with_re(pattern: bytes, data: bytes) -> None:
    compiled = re.compile(pattern)
    for end in range(len(data) + 1):
        counted = Counter(compiled, data[:end], 10_000).fullmatch()
        assert counted is bool(compiled.fullmatch(data[:end]))
