"""`list`: the helpers and plugins that there are, and one of them in detail."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fwhelpers import config
from fwhelpers.api import Helper, Policy
from fwhelpers.cli.common import print_json, table, warn
from fwhelpers.cli.errors import CliError
from fwhelpers.config.schema import toml
from fwhelpers.plugin import manager as plugins


def listing(arguments: argparse.Namespace) -> int:
    """`fwhelpers list [NAME]`: helpers and plugins, whatever the state of the configuration.

    What is enabled is asked of the running service, unless a configuration is named.
    """
    draft = config.load(arguments.config or config.DIRECTORY)
    found = plugins.load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
    running = None if arguments.config else _running()
    enabled = _enabled(draft, found) if running is None else running
    if arguments.helper is not None:
        helper = _named(arguments.helper, found)
        one = as_dict(helper, helper.name in enabled)
        print_json(one) if arguments.json else print("\n".join(_detailed(helper, one["enabled"])))
    elif arguments.json:
        helpers = [as_dict(h, h.name in enabled) for h in found.helpers.values()]
        problems = [str(p) for p in found.problems]
        print_json({"helpers": helpers, "plugins": found.describe(), "problems": problems})
    else:
        print("\n".join(_listing(found, enabled)))
    return 0


def _running() -> Collection[str] | None:
    """What the running service has enabled; None: there is none."""
    from fwhelpers.dbus.address import unavailable

    if unavailable():
        return None
    from fwhelpers.cli.client import Service, ask

    async def scenario(service: Service) -> list[str]:
        return list((await service.summary())["EnabledHelpers"])

    try:
        return ask(scenario)
    except CliError:  # the files have it as well
        return None


def _enabled(draft: config.UnresolvedConfig, found: plugins.Plugins) -> Collection[str]:
    try:
        return config.resolve(draft, found.helpers, found.absent()).helpers
    except config.ConfigError as error:
        if draft.tables or not _missing(draft):
            warn(f"warning: the configuration has {len(error.problems)} errors (fwhelpers check)")
        tables = draft.tables.get("helpers", {})
        return tables if isinstance(tables, dict) else ()


def _missing(draft: config.UnresolvedConfig) -> bool:
    return all(problem.file == str(config.DIRECTORY) for problem in draft.problems)


def _named(name: str, found: plugins.Plugins) -> Helper:
    for helper in found.helpers.values():
        if name in (helper.name, helper.kernel_name):
            return helper
    raise CliError(f"there is no helper {name!r}", "fwhelpers list")


def as_dict(helper: Helper, enabled: bool) -> dict[str, Any]:
    """All that a helper declares."""
    return {
        "name": helper.name, "enabled": enabled, "l4": list(helper.l4s),
        "ports": list(helper.ports), "families": list(helper.families),
        "kernel_name": helper.kernel_name, "spec": helper.spec, "doc": helper.doc,
        "outgoing": helper.outgoing, "groups": list(helper.groups), "broadcast": helper.broadcast,
        "policies": [_policy(policy) for policy in helper.policies],
        "settings": [{"name": s.name, "default": s.default, "doc": s.doc} for s in helper.settings],
    }  # fmt: skip


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name, "max": policy.max, "timeout": policy.timeout,
        "min_port": policy.min_port, "ports": sorted(policy.ports),
    }  # fmt: skip


# all of them


def _listing(found: plugins.Plugins, enabled: Collection[str]) -> Iterator[str]:
    rows = [("HELPER", "ENABLED", "L4", "PORTS", "IP", "OPENS", "WHAT")]
    rows += [
        (
            h.name,
            "yes" if h.name in enabled else "no",
            ",".join(h.l4s),
            ",".join(ranges(h.ports)),
            ",".join(map(str, h.families)),
            ",".join(f"{p.name}:{p.max}/{p.timeout}s" for p in h.policies),
            h.doc + (f" ({h.spec})" if h.spec else ""),
        )
        for h in found.helpers.values()
    ]
    yield table(rows)
    yield ""
    names = [("PLUGIN", "FROM", "STATE", "HELPERS")]
    names += [
        (p.name, f"{p.distribution} {p.version}", p.state, ", ".join(p.helpers) or "-")
        for p in found.plugins
    ]
    yield table(names)
    if found.problems:
        yield ""
        yield from (f"problem: {problem}" for problem in found.problems)


def ranges(ports: Sequence[int]) -> Iterator[str]:
    """Ports as people write them: 80,8000-8003."""
    left = sorted(ports)
    while left:
        size = 1
        while size < len(left) and left[size] == left[0] + size:
            size += 1
        if size < 3:
            size = 1
        yield str(left[0]) if size == 1 else f"{left[0]}-{left[size - 1]}"
        del left[:size]


# one of them


def _detailed(helper: Helper, enabled: bool) -> Iterator[str]:
    yield f"{helper.name}: {'enabled' if enabled else 'not enabled'}"
    rows = [("what", helper.doc), ("specification", helper.spec)]
    rows += [("kernel's name", helper.kernel_name), ("control", _control(helper))]
    rows += [("opens", line) for line in map(_opens, helper.policies)]
    rows += [("setting", f"{s.name} = {_default(s.default)}: {s.doc}") for s in helper.settings]
    yield table([(title, text) for title, text in rows if text], indent="  ")


def _control(helper: Helper) -> str:
    families = " and ".join(f"IPv{family}" for family in helper.families)
    where = f"{', '.join(helper.l4s)} port {', '.join(ranges(helper.ports))}, {families}"
    if not helper.outgoing:
        return where
    groups = [*helper.groups, *(["broadcast"] if helper.broadcast else [])]
    return f"{where}; requests of this host to {', '.join(groups)}"


def _opens(policy: Policy) -> str:
    also = f", {', '.join(ranges(sorted(policy.ports)))} too" if policy.ports else ""
    return (
        f"{policy.name}: at most {policy.max} for a control connection, {policy.timeout} s,"
        f" ports from {policy.min_port}{also}"
    )


def _default(value: object) -> str:
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return "{}" if value == {} else toml(value)
