"""The layers: imports point downwards only, sockets stay where they belong, tests mirror the source."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from fwhelpers import config
from fwhelpers.daemon.worker_config import make_worker_config
from fwhelpers.plugin.manager import load

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "fwhelpers"
TESTS = ROOT / "tests"

#: what may import what; a module belongs to the longest prefix that fits
ALLOWED = {
    "": set(),
    "api": set(),
    "discovery": {"api"},
    "sansio": {"api"},
    "kernel": {""},
    "engine": {"api", "sansio", "kernel"},
    "config": {"api", "discovery", "engine", "plugin"},
    "plugin": {"api", "discovery", "kernel"},
    "ruleset": {"api", "config", "kernel"},
    "networkmanager": {"config", "dbus"},
    "firewalld": {"api", "config", "dbus", "ruleset"},
    "migrate": {"api", "config", "engine"},
    "testing": {"api", "sansio", "kernel", "engine", "config", "plugin"},
    "dbus": {"", "api", "config", "events", "kernel", "plugin"},
    "events": {"api", "engine", "kernel", "worker"},
    "registration": {"api", "kernel", "ruleset"},
    "worker": {"api", "discovery", "sansio", "engine", "kernel", "plugin", "registration"},
    "daemon": {
        "", "api", "config", "dbus", "discovery", "engine", "events", "firewalld", "kernel", "networkmanager",
        "plugin", "registration", "replication", "ruleset", "sansio", "worker",
    },
    "replication": {"", "config", "engine", "kernel"},
    "metrics": set(),
    "cli": {
        "", "api", "config", "daemon", "dbus", "discovery", "engine", "events", "firewalld", "kernel", "metrics",
        "migrate", "networkmanager", "plugin", "registration", "replication", "ruleset", "sansio", "testing",
    },
    "__main__": {"cli"},
}  # fmt: skip

#: the pure parts of kernel/ that engine/ and ruleset may know
PURE_KERNEL = {"conntrack", "expect", "nfqueue", "labels", "packet", "transports"}

#: where the module `socket` may be used; api and sansio use its address functions alone
SOCKETS = {
    "kernel.socket", "kernel.nft", "kernel.probe", "daemon", "cli", "testing", "dbus", "registration", "worker",
    "events.stream", "events.ring_buffer", "firewalld.client", "networkmanager.client", "metrics.listener",
    "replication",
}  # fmt: skip
ADDRESS_FUNCTIONS = {"inet_pton", "inet_ntop", "inet_aton", "inet_ntoa", "AF_INET", "AF_INET6"}


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name below it."""
    sources = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        sources[".".join(part for part in parts if part != "__init__")] = file
    return sources


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
        if layer(target) == "kernel" and own in ("engine", "ruleset"):
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
    [n for n in MODULES if layer(n) in ("api", "sansio", "engine", "ruleset", "migrate")],
)
def test_pure_modules_read_no_clock(name: str) -> None:
    used = {layer(imported) for imported, _ in imports(tree_of(name))}
    assert not used & {"time", "datetime", "random", "threading", "signal", "asyncio"}


#: what views need; the service must not load it
VIEWS = {"prometheus_client", "rich"}
VIEW_PACKAGES = (
    "fwhelpers.metrics",
    "fwhelpers.cli.top",
    "fwhelpers.cli.explain",
    "fwhelpers.cli.report",
)

_DAEMON = """
import sys
import fwhelpers.cli.run, fwhelpers.daemon.main, fwhelpers.dbus.service.server, fwhelpers.worker.main
print(*sys.modules)
"""


def test_the_service_loads_nothing_of_the_views() -> None:
    argv = [sys.executable, "-W", "ignore", "-c", _DAEMON]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert "fwhelpers.daemon.main" in loaded
    views = [name for name in loaded if name.split(".")[0] in VIEWS]
    assert views + [name for name in loaded if name.startswith(VIEW_PACKAGES)] == []


def test_the_service_loads_nothing_of_the_connection_between_gateways() -> None:
    """asyncio loads the module ssl, but nothing of the service uses it."""
    argv = [sys.executable, "-W", "ignore", "-c", _DAEMON]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("fwhelpers.replication.")}
    assert ours == {"fwhelpers.replication.records", "fwhelpers.replication.local_socket"}


@pytest.mark.parametrize("name", MODULES)
def test_sizes(name: str) -> None:
    file = MODULES[name]
    assert len(file.read_text().splitlines()) <= 400, f"{file.name} wants to be two files"


#: tested through others: glue without decisions of its own
NO_OWN_TEST = {"__main__", "plugin.hookspecs", "kernel.labels"}

#: parts of one mechanism, tested as a whole
TESTED_IN = {
    "testing.replay_links": "replay",
    "config.files": "loader", "config.tables": "loader", "config.assignments": "loader",
    "ruleset.syntax": "builder", "ruleset.assign": "builder",
    "firewalld.model": "assignments", "firewalld.merge": "assignments", "firewalld.rich_rules": "sources",
    "engine.event_handler": "inspector", "engine.verdict": "inspector", "engine.flow_state": "inspector",
    "engine.active": "inspector", "engine.datagram_path": "inspector", "engine.stream_path": "stream_start",
    "engine.checksum": "mangle", "cli.argument_parser": "parser", "cli.replicate": "run",
    "replication.connection": "service", "replication.feed": "service", "replication.state": "service",
    "replication.local_socket": "local_table",
}  # fmt: skip

#: glue and I/O that only a real kernel tries (tests/vm)
TESTED_IN_VM = {
    "kernel.socket", "kernel.nft", "kernel.probe",
    "registration.register", "registration.kernel_modules",
    "daemon.main", "daemon.providers",
    "daemon.errors", "daemon.state",
}  # fmt: skip

#: on a message bus of its own (tests/dbus)
TESTED_ON_A_BUS = {
    "dbus.connection", "dbus.client", "dbus.service.server", "dbus.service.session", "dbus.service.methods",
    "dbus.service.polkit", "dbus.service.standard", "dbus.service.subscriptions", "dbus.service.control",
    "daemon.control", "cli.client", "cli.status", "cli.event_printer", "cli.metrics", "cli.top.feed",
    "cli.top.screen", "cli.explain.sources",
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_test(name: str) -> None:
    if MODULES[name].name == "__init__.py" or name in NO_OWN_TEST | TESTED_IN_VM | TESTED_ON_A_BUS:
        return
    *folders, last = name.split(".")
    test = TESTS.joinpath("unit", *folders, f"test_{TESTED_IN.get(name, last)}.py")
    assert test.exists(), f"there is no {test.relative_to(ROOT)}"


def test_every_unit_test_has_its_module() -> None:
    for test in (TESTS / "unit").rglob("test_*.py"):
        relative = test.relative_to(TESTS / "unit").with_name(test.name.removeprefix("test_"))
        if str(relative) not in ("layers.py", "names.py"):  # they test all of the source
            assert (SOURCE / relative).exists(), f"{test.relative_to(ROOT)} tests no module"


#: what the sandboxed process may load of us; of `registration` the one module
IN_THE_SANDBOX = {"api", "discovery", "sansio", "engine", "kernel", "plugin", "worker"}

_WORKER = """
import pickle, sys
from fwhelpers.worker import main
from fwhelpers.plugin.manager import load
load()
pickle.load(sys.stdin.buffer)
print(*(name for name in sys.modules if name.startswith(("fwhelpers.", "ssl"))))
"""


def test_the_worker_loads_only_what_the_sandbox_needs() -> None:
    plugins = load()
    # each has a port of its own, as two of them may not share one
    enabled = "".join(
        f"[helpers.{name}]\nports = [{port}]\n" for port, name in enumerate(plugins.helpers, 1024)
    )
    configuration = config.resolve(config.parse([("f", enabled)]), plugins.helpers)
    # unpickling a configuration imports the modules of its classes
    command = pickle.dumps(make_worker_config(configuration, configuration.inspected, plugins, 1))
    argv = [sys.executable, "-W", "ignore", "-c", _WORKER]
    done = subprocess.run(argv, input=command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.removeprefix("fwhelpers.") for name in done.stdout.decode().split()}
    assert "worker.main" in loaded
    # the shared library of the compiled modules
    allowed = {"registration", "registration.cthelpers", "native__mypyc"}
    assert {name for name in loaded - allowed if layer(name) not in IN_THE_SANDBOX} == set()
