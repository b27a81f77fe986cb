"""`fwhelpers check`: checks all prerequisites of `run` and suggests fixes."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.cli import build, check_firewalls, check_gateways, check_helpers, replication_state
from fwhelpers.cli.common import Setup, load_plugins, print_json, print_lines, resolve
from fwhelpers.cli.errors import CHECK, explain
from fwhelpers.cli.providers import effective
from fwhelpers.cli.ruleset import text
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.plugin.manager import Plugins


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    section: str
    name: str
    ok: bool
    detail: str = ""
    hint: str = ""


def check(arguments: argparse.Namespace) -> int:
    """Print the report. Return 1 if a check failed."""
    rows = list(report(arguments.config))
    ok = all(row.ok for row in rows)
    if arguments.json:
        print_json({"ok": ok, "build": build.kind(), "report": [asdict(row) for row in rows]})
    else:
        print(f"{build.version()} on {platform.system()} {platform.release()}")
        print_lines(_text(rows))
    return 0 if ok else 1


def report(path: Path) -> Iterator[Row]:
    """Run all checks. An exception in one section becomes a row of that section."""
    yield from _guarded("system", _system)
    yield from _guarded("kernel", _kernel)
    draft = config.load(path)
    available = load_plugins(draft)
    yield from _plugins(available)
    try:
        files = Setup(resolve(draft, available), available)
    except config.ConfigError as error:
        yield from (
            Row("config", p.file, False, f"{p.key}: {p.message}" if p.key else p.message, p.hint)
            for p in error.problems
        )
        yield Row("ruleset", "dry run", False, "skipped because the configuration is invalid")
        return
    yield Row("config", str(path), True, _enabled(files))
    yield from _guarded("ruleset", lambda: _ruleset(files))
    yield from _diagnosed("helpers", check_helpers.acting(files))
    yield from _diagnosed("firewalld", check_firewalls.firewalld(files))
    yield from _diagnosed("NetworkManager", check_firewalls.networkmanager(files))
    yield from _diagnosed("ufw", check_firewalls.ufw(files))
    yield from _diagnosed("other rules", check_firewalls.rulesets(files))
    yield from _diagnosed(
        "two gateways",
        check_gateways.synchronisation(
            keep_masters=files.config.daemon.keep_masters,
            replicated=files.config.replication is not None,
        ),
    )
    yield from _diagnosed("replication", replication_state.diagnose(files.config.replication))


def _system() -> Iterator[Row]:
    from fwhelpers.cli.check_system import findings

    for finding in findings(platform.release()):
        yield Row("system", *finding)


def _kernel() -> Iterator[Row]:
    from fwhelpers.kernel.probe import probe

    for finding in probe():
        yield Row("kernel", *finding)


def _plugins(available: Plugins) -> Iterator[Row]:
    for plugin in available.plugins:
        name = f"{plugin.name} ({plugin.distribution} {plugin.version})"
        problems = available.problems_of(plugin)
        hint = f'repair it, or set block_plugins = ["{plugin.name}"]'
        for fault in problems:
            yield Row("plugins", name, False, fault, hint)
        if not problems:
            yield Row("plugins", name, True, ", ".join(plugin.helpers) or plugin.state)
    for problem in available.problems:
        if problem.plugin is None:
            hint = "remove or correct the name"
            yield Row("plugins", "block list", False, problem.message, hint)


def _enabled(setup: Setup) -> str:
    helpers = [
        f"{name} ({'+'.join(setup.enabled[name].l4s)} {','.join(map(str, helper.ports))})"
        for name, helper in setup.config.helpers.items()
    ]
    return "enabled: " + (", ".join(helpers) or "no helper")


def _ruleset(files: Setup) -> Iterator[Row]:
    from fwhelpers.kernel.nft import Nft
    from fwhelpers.registration import kernel_helpers
    from fwhelpers.ruleset import CHECK_TABLE

    active, _ = effective(files)
    missing = sorted(set(active.enabled) - _registered(active)) if active.enabled else []
    note = f"; omitted because not registered yet: {', '.join(missing)}" if missing else ""
    with closing(Nft()) as nft:
        absent = kernel_helpers.missing(_by_kernel(active), nft)
        helpers = {n: c for n, c in active.config.helpers.items() if n not in absent}
        active = active._replace(config=replace(active.config, helpers=helpers))
        nft.check(text(active, table=CHECK_TABLE, unregistered=bool(missing)))
    yield Row("ruleset", "dry run", True, f"accepted by the kernel{note}")


def _diagnosed(section: str, diagnostics: Iterable[Diagnostic | str]) -> Iterator[Row]:
    def rows() -> Iterator[Row]:
        for item in diagnostics:
            if isinstance(item, str):
                yield Row(section, "state", True, item)
            else:
                yield Row(section, item.where, False, item.problem, item.hint)

    yield from _guarded(section, rows)


def _registered(active: Setup) -> set[str]:
    """Return the enabled helpers that are registered with the kernel; rules cannot refer to others."""
    from fwhelpers.kernel import cthelper
    from fwhelpers.kernel.socket import NetlinkSocket

    with closing(NetlinkSocket()) as netlink:
        answers = netlink.dump(cthelper.encode_dump(), "list helpers")
        registered = {cthelper.parse_helper(answer).name for answer in answers}
    ours = {name for name, helper in active.enabled.items() if helper.kernel_name in registered}
    return ours | {helper.name for helper in _by_kernel(active)}


def _by_kernel(active: Setup) -> list[Helper]:
    """Return the enabled helpers of whose protocols the kernel's own takes care."""
    helpers = active.config.helpers
    return [helper for name, helper in active.enabled.items() if helpers[name].backend == "kernel"]


def _guarded(section: str, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from rows()
    except Exception as error:  # one failing section must not hide the others
        hint = explain(error)[1]
        hint = "" if hint == CHECK else hint
        yield Row(section, "check", False, str(error) or type(error).__name__, hint)


def _text(rows: list[Row]) -> Iterator[str]:
    for section, members in groupby(rows, lambda row: row.section):
        yield f"\n{section}"
        for row in members:
            detail = f": {row.detail}" if row.detail else ""
            yield f"  {'ok  ' if row.ok else 'FAIL'}  {row.name}{detail}"
            if row.hint and not row.ok:
                yield f"        hint: {row.hint}"
    failed = sum(not row.ok for row in rows)
    total = len(rows)
    yield f"\n{failed} of {total} checks failed" if failed else f"\nall {total} checks passed"
