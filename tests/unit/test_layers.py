"""The layers: imports point downwards only, sockets stay where they belong, tests mirror the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "fwhelpers"
TESTS = ROOT / "tests"

#: what may import what; a module belongs to the longest prefix that fits
ALLOWED = {
    "": set(),
    "api": set(),
    "sansio": {"api"},
    "discovery": {"api"},
    "hookspecs": {"api"},
    "kernel": {""},
    "engine": {"api", "sansio", "kernel"},
    "values": set(),
    "keys": {"api", "values"},
    "declaration": {"api", "keys"},
    "config": {"api", "values", "keys", "engine", "discovery", "rows", "config_files", "scope"},
    "rows": {"api", "values", "keys", "declaration", "discovery"},
    "switches": {"config", "keys"},
    "plugins": {"api", "hookspecs", "declaration", "discovery"},
    "config_files": set(),
    "scope": {"values"},
    "words": {"values"},
    "assign_rules": {"api", "config", "scope", "words", "kernel"},
    "ruleset": {"api", "config", "values", "kernel", "scope", "words", "assign_rules"},
    "connections": {"config", "values"},
    "zones": {"api", "config", "scope", "values", "words"},
    "testing": {"api", "sansio", "hookspecs", "kernel", "engine", "values", "keys", "config", "plugins"},
    "migrate": {"api", "values", "keys", "engine"},
    "daemon": {"", "api", "discovery", "sansio", "hookspecs", "kernel", "engine", "values", "keys", "config", "plugins",
               "ruleset", "switches", "bus", "scope", "words", "zones", "connections"},
    "bus": {""},
    "cli": {"", "api", "sansio", "hookspecs", "kernel", "engine", "values", "keys", "config", "plugins",
            "ruleset", "daemon", "testing", "migrate", "switches", "bus", "scope", "words", "zones",
            "connections"},
    "__main__": {"cli"},
}  # fmt: skip

#: the pure parts of kernel/ that engine/ and ruleset may know
PURE_KERNEL = {"conntrack", "expect", "queue", "labels"}

#: where the module `socket` may be used; api and sansio use its address functions alone
SOCKETS = {"kernel.socket", "kernel.nft", "kernel.probe", "daemon", "cli", "testing", "bus"}
ADDRESS_FUNCTIONS = {"inet_pton", "inet_ntop", "inet_aton", "inet_ntoa", "AF_INET", "AF_INET6"}


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name below it."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = file
    return found


MODULES = modules()


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(), str(MODULES[name]))


def imports(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Every imported module, also inside functions, as a full dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a module stands"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                is_module = inner.removeprefix("fwhelpers.") in MODULES
                yield (inner if base.startswith("fwhelpers") and is_module else base), node


def layer(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_downwards(name: str) -> None:
    own = layer(name)
    assert own in ALLOWED, f"{name}: give the new module a place in ALLOWED"
    for imported, node in imports(tree_of(name)):
        if not imported.startswith("fwhelpers"):
            assert imported != "fwhelpers_plugins", "built-ins come in by their entry points"
            continue
        target = imported.removeprefix("fwhelpers").removeprefix(".")
        where = f"{name}, line {node.lineno}: imports {imported}"
        assert layer(target) == own or layer(target) in ALLOWED[own], where
        if layer(target) == "kernel" and own in ("engine", "ruleset", "assign_rules"):
            assert target.removeprefix("kernel.") in PURE_KERNEL, where


@pytest.mark.parametrize("name", MODULES)
def test_sockets_stay_where_they_belong(name: str) -> None:
    if name in SOCKETS or layer(name) in SOCKETS:
        return
    used = [imported for imported, _ in imports(tree_of(name))]
    assert not {"asyncio", "subprocess", "pyroute2", "nftables"} & {layer(i) for i in used}
    if "socket" in used:
        assert layer(name) in ("api", "sansio", "kernel"), f"{name} uses the module socket"
        assert socket_attributes(tree_of(name)) <= ADDRESS_FUNCTIONS


def socket_attributes(tree: ast.Module) -> set[str]:
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "socket"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "socket":
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in MODULES
        if layer(n) in ("api", "sansio", "engine", "ruleset", "migrate", "zones", "assign_rules")
    ],
)
def test_pure_modules_read_no_clock(name: str) -> None:
    used = {layer(imported) for imported, _ in imports(tree_of(name))}
    assert not used & {"time", "datetime", "random", "threading", "signal", "asyncio"}


@pytest.mark.parametrize("name", MODULES)
def test_sizes(name: str) -> None:
    file = MODULES[name]
    assert len(file.read_text().splitlines()) <= 400, f"{file.name} wants to be two files"


#: tested through others: glue without decisions of its own
NO_OWN_TEST = {"__main__", "hookspecs", "kernel.labels"}

#: parts of one mechanism, tested as a whole
TESTED_IN = {
    "config_files": "config", "words": "ruleset", "assign_rules": "ruleset", "scope": "ruleset",
    "zones.model": "acts",
    "zones.effective": "acts", "zones.rich": "sources",
    "engine.acts": "inspect", "engine.verdict": "inspect", "engine.state": "inspect",
    "engine.nat": "announce", "engine.checksum": "mangle",
}  # fmt: skip

#: daemon/ and the kernel's I/O are tested on a real kernel
TESTED_IN_VM = {"daemon", "kernel.socket", "kernel.nft", "kernel.probe"}

#: on a message bus of its own: tests/dbus
TESTED_ON_A_BUS = {"bus.wire", "cli.client", "cli.live", "cli.story"}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_test(name: str) -> None:
    if (
        MODULES[name].name == "__init__.py"
        or name in NO_OWN_TEST | TESTED_IN_VM | TESTED_ON_A_BUS
        or layer(name) in TESTED_IN_VM
    ):
        return
    *folders, last = name.split(".")
    test = TESTS.joinpath("unit", *folders, f"test_{TESTED_IN.get(name, last)}.py")
    assert test.exists(), f"there is no {test.relative_to(ROOT)}"


def test_every_unit_test_has_its_module() -> None:
    for test in (TESTS / "unit").rglob("test_*.py"):
        relative = test.relative_to(TESTS / "unit").with_name(test.name.removeprefix("test_"))
        if relative.name != "layers.py":
            assert (SOURCE / relative).exists(), f"{test.relative_to(ROOT)} tests no module"
