"""`fwhelpers check`: one report on everything that `run` needs, with a remedy for what is missing."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from fwhelpers import __version__, config
from fwhelpers.cli import check_firewalls
from fwhelpers.cli.common import Setup, print_json
from fwhelpers.cli.errors import CHECK, explain
from fwhelpers.cli.providers import effective
from fwhelpers.cli.ruleset import text
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.plugin import manager as plugins


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    section: str
    name: str
    ok: bool
    detail: str = ""
    hint: str = ""


def check(arguments: argparse.Namespace) -> int:
    """Print the report; 1 if anything in it is wrong."""
    rows = list(report(arguments.config))
    good = all(row.ok for row in rows)
    if arguments.json:
        print_json({"ok": good, "report": [asdict(row) for row in rows]})
    else:
        print(f"fwhelpers {__version__} on {platform.system()} {platform.release()}")
        print("\n".join(_text(rows)))
    return 0 if good else 1


def report(path: Path) -> Iterator[Row]:
    """All findings. A section that fails altogether becomes a finding itself."""
    yield from _guarded("system", _system)
    yield from _guarded("kernel", _kernel)
    draft = config.load(path)
    found = plugins.load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
    yield from _plugins(found)
    try:
        files = Setup(config.resolve(draft, found.helpers, found.absent()), found)
    except config.ConfigError as error:
        yield from (Row("config", p.file, False, _what(p), p.hint) for p in error.problems)
        yield Row("ruleset", "dry run", False, "not done: the configuration is wrong")
        return
    yield Row("config", str(path), True, _enabled(files))
    yield from _guarded("ruleset", lambda: _ruleset(files))
    yield from _beside("firewalld", check_firewalls.firewalld(files))
    yield from _beside("NetworkManager", check_firewalls.networkmanager(files))
    yield from _beside("other rules", check_firewalls.rulesets())


def _system() -> Iterator[Row]:
    from fwhelpers.cli.check_system import findings

    for finding in findings(platform.release()):
        yield Row("system", *finding)


def _kernel() -> Iterator[Row]:
    from fwhelpers.kernel.probe import probe

    for finding in probe():
        yield Row("kernel", *finding)


def _plugins(found: plugins.Plugins) -> Iterator[Row]:
    for plugin in found.plugins:
        wrong = [p.what for p in found.problems if p.plugin and p.plugin.same(plugin)]
        name = f"{plugin.name} ({plugin.distribution} {plugin.version})"
        if wrong:
            hint = f'mend it, or block_plugins = ["{plugin.name}"]'
            yield from (Row("plugins", name, False, what, hint) for what in wrong)
        else:
            yield Row("plugins", name, True, ", ".join(plugin.helpers) or plugin.state)
    for problem in found.problems:
        if problem.plugin is None:
            yield Row("plugins", "block list", False, problem.what, "remove the name")


def _what(problem: config.Problem) -> str:
    return f"{problem.key}: {problem.what}" if problem.key else problem.what


def _enabled(ready: Setup) -> str:
    shown = [
        f"{name} ({'+'.join(ready.plugins.helpers[name].l4s)} {','.join(map(str, made.ports))})"
        for name, made in ready.config.helpers.items()
    ]
    return "enabled: " + (", ".join(shown) or "no helper")


def _ruleset(files: Setup) -> Iterator[Row]:
    from fwhelpers.kernel.nft import Nft
    from fwhelpers.ruleset import CHECK_TABLE

    ready, _ = effective(files)
    missing = sorted(set(ready.enabled) - _registered(ready)) if ready.enabled else []
    note = f"; not registered yet, so left out: {', '.join(missing)}" if missing else ""
    with closing(Nft()) as nft:
        nft.check(text(ready, table=CHECK_TABLE, unregistered=bool(missing)))
    yield Row("ruleset", "dry run", True, f"the kernel would take it{note}")


def _beside(section: str, found: Iterable[Diagnostic | str]) -> Iterator[Row]:
    yield from _guarded(section, lambda: _mistakes(section, found))


def _mistakes(section: str, found: Iterable[Diagnostic | str]) -> Iterator[Row]:
    for one in found:
        if isinstance(one, str):
            yield Row(section, "found", True, one)
        else:
            yield Row(section, one.where, False, one.what, one.hint)


def _registered(ready: Setup) -> set[str]:
    """The enabled helpers whose objects the kernel has: a rule can't name another."""
    from fwhelpers.kernel import cthelper
    from fwhelpers.kernel.socket import NetlinkSocket

    with closing(NetlinkSocket()) as netlink:
        answers = netlink.dump(cthelper.encode_dump(), "list helpers")
        there = {cthelper.parse_helper(answer).name for answer in answers}
    return {name for name, helper in ready.enabled.items() if helper.kernel_name in there}


def _guarded(section: str, find: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from find()
    except Exception as error:  # the report must be complete, whatever one part of it meets
        yield Row(section, "check", False, str(error) or type(error).__name__, _hint(error))


def _hint(error: Exception) -> str:
    hint = explain(error)[1]
    return "" if hint == CHECK else hint


def _text(rows: list[Row]) -> Iterator[str]:
    for section, members in groupby(rows, lambda row: row.section):
        yield f"\n{section}"
        for row in members:
            detail = f": {row.detail}" if row.detail else ""
            yield f"  {'ok  ' if row.ok else 'FAIL'}  {row.name}{detail}"
            if row.hint and not row.ok:
                yield f"        hint: {row.hint}"
    bad = sum(not row.ok for row in rows)
    yield f"\n{bad} of {len(rows)} checks failed" if bad else f"\nall {len(rows)} checks passed"
