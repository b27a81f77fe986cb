"""`fwhelpers list`: lists the installed helpers and plugins, or one helper in detail."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fwhelpers import config
from fwhelpers.api import Helper, Policy
from fwhelpers.cli.common import (
    find_helper,
    load_plugins,
    print_json,
    print_lines,
    resolve,
    table,
    warn,
)
from fwhelpers.cli.errors import CliError
from fwhelpers.config.schema import toml
from fwhelpers.plugin.manager import Plugins

Backends = Mapping[
    str, str
]  #: who acts for each enabled helper: "user", "kernel", "?" if it is not known


def list_helpers(arguments: argparse.Namespace) -> int:
    """Print helpers and plugins, even if the configuration is invalid.

    The running service reports which helpers are enabled, unless a configuration is named.
    """
    draft = config.load(arguments.config or config.DIRECTORY)
    available = load_plugins(draft)
    running = None if arguments.config else _enabled_in_service()
    enabled = _enabled_in_files(draft, available) if running is None else running
    if arguments.helper is not None:
        helper = find_helper(arguments.helper, available.helpers)
        details = as_dict(helper, enabled)
        if arguments.json:
            print_json(details)
        else:
            print_lines(_details(helper, enabled))
    elif arguments.json:
        helpers = [as_dict(h, enabled) for h in available.helpers.values()]
        problems = [str(p) for p in available.problems]
        print_json({"helpers": helpers, "plugins": available.describe(), "problems": problems})
    else:
        print_lines(_listing(available, enabled))
    return 0


def _enabled_in_service() -> Backends | None:
    """Return the helpers that the running service has enabled, or None without a service."""
    from fwhelpers.dbus.address import unavailable

    if unavailable():
        return None
    from fwhelpers.cli.bus_errors import NotRunning
    from fwhelpers.cli.client import Service, ask

    async def scenario(service: Service) -> dict[str, str]:
        helpers = await service.manager("ListHelpers")
        return {h["name"]: h.get("backend", "user") for h in helpers if h["enabled"]}

    try:
        return ask(scenario)
    except NotRunning:  # fall back to the files
        return None
    except CliError as error:
        warn(f"{error}; the listing follows the files, not the service\nhint: {error.hint}")
        return None


def _enabled_in_files(draft: config.UnresolvedConfig, available: Plugins) -> Backends:
    try:
        helpers = resolve(draft, available).helpers
        return {name: options.backend for name, options in helpers.items()}
    except config.ConfigError as error:
        count = len(error.problems)
        errors = "an error" if count == 1 else f"{count} errors"
        warn(f"warning: the configuration has {errors}; `fwhelpers check` lists them")
        tables = draft.tables.get("helpers", {})
        return dict.fromkeys(tables, "?") if isinstance(tables, dict) else {}


def backend(helper: Helper, enabled: Backends) -> str:
    """Return who acts for a helper's protocol, or would if it were enabled."""
    return enabled.get(helper.name, "user" if helper.parser else "kernel")


def as_dict(helper: Helper, enabled: Backends) -> dict[str, Any]:
    """Return a helper's declaration as plain data."""
    return {
        "name": helper.name, "enabled": helper.name in enabled,
        "backend": backend(helper, enabled), "kernel_helpers": [k.name for k in helper.kernel],
        "l4": list(helper.l4s),
        "ports": list(helper.ports), "families": list(helper.families),
        "kernel_name": helper.kernel_name, "spec": helper.spec, "doc": helper.doc,
        "outgoing": helper.outgoing, "groups": list(helper.groups), "broadcast": helper.broadcast,
        "unicast": helper.unicast,
        "policies": [_policy(policy) for policy in helper.policies],
        "settings": [{"name": s.name, "default": s.default, "doc": s.doc} for s in helper.settings],
    }  # fmt: skip


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name, "max": policy.max, "timeout": policy.timeout,
        "min_port": policy.min_port, "ports": sorted(policy.ports),
    }  # fmt: skip


def _listing(available: Plugins, enabled: Backends) -> Iterator[str]:
    rows = [("HELPER", "ENABLED", "BACKEND", "L4", "PORTS", "IP", "OPENS", "DESCRIPTION")]
    rows += [
        (
            h.name,
            "yes" if h.name in enabled else "no",
            backend(h, enabled),
            ",".join(h.l4s),
            ",".join(ranges(h.ports)),
            ",".join(map(str, h.families)),
            ",".join(f"{p.name}:{p.max}/{p.timeout}s" for p in h.policies),
            h.doc + (f" ({h.spec})" if h.spec else ""),
        )
        for h in available.helpers.values()
    ]
    yield table(rows)
    yield ""
    plugin_rows = [("PLUGIN", "FROM", "STATE", "HELPERS")]
    plugin_rows += [
        (p.name, f"{p.distribution} {p.version}", p.state, ", ".join(p.helpers) or "-")
        for p in available.plugins
    ]
    yield table(plugin_rows)
    if available.problems:
        yield ""
        yield from (f"problem: {problem}" for problem in available.problems)


def ranges(ports: Sequence[int]) -> Iterator[str]:
    """Yield ports in compact form: 80, 8000-8003. Two adjacent ports are listed separately."""
    remaining = sorted(ports)
    while remaining:
        size = 1
        while size < len(remaining) and remaining[size] == remaining[0] + size:
            size += 1
        if size < 3:
            size = 1
        yield str(remaining[0]) if size == 1 else f"{remaining[0]}-{remaining[size - 1]}"
        del remaining[:size]


def _details(helper: Helper, enabled: Backends) -> Iterator[str]:
    yield f"{helper.name}: {'enabled' if helper.name in enabled else 'not enabled'}"
    rows = [("description", helper.doc), ("specification", helper.spec)]
    rows += [("kernel name", helper.kernel_name), ("control", _control(helper))]
    names = ", ".join(dict.fromkeys(kernel.name for kernel in helper.kernel))
    rows += [
        ("backend", f"{backend(helper, enabled)}{f'; the kernel has {names}' if names else ''}")
    ]
    rows += [("opens", line) for line in map(_opens, helper.policies)]
    rows += [("setting", f"{s.name} = {_default(s.default)}: {s.doc}") for s in helper.settings]
    yield table([(title, text) for title, text in rows if text], indent="  ")


def _control(helper: Helper) -> str:
    families = " and ".join(f"IPv{family}" for family in helper.families)
    ports = f"{', '.join(helper.l4s)} port {', '.join(ranges(helper.ports))}, {families}"
    if not helper.outgoing:
        return ports
    targets = [*helper.groups, *(["broadcast"] if helper.broadcast else [])]
    targets += ["single hosts"] if helper.unicast else []
    return f"{ports}; requests from this host to {', '.join(targets)}"


def _opens(policy: Policy) -> str:
    ports = f"ports from {policy.min_port}"
    if policy.ports:
        ports += f" and {', '.join(ranges(sorted(policy.ports)))}"
    if policy.l4:
        ports = f"{policy.l4} between its ends"
    return (
        f"{policy.name}: at most {policy.max} for each control connection, {policy.timeout} s,"
        f" {ports}"
    )


def _default(value: object) -> str:
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return "{}" if value == {} else toml(value)
