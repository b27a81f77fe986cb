"""`list`, `ruleset`, `counters`: look, don't touch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fwhelpers import config, plugins
from fwhelpers.api import Helper
from fwhelpers.cli.common import Setup, print_json, setup, table, warn
from fwhelpers.cli.errors import CliError
from fwhelpers.keys import MAX_WORKERS


def listing(arguments: argparse.Namespace) -> int:
    """`fwhelpers list`: helpers and plugins, whatever the state of the configuration.

    What is enabled is asked of the running service, unless a configuration is named.
    """
    draft = config.load(arguments.config or config.DIRECTORY)
    found = plugins.load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
    running = None if arguments.config else _running()
    enabled = _enabled(draft, found) if running is None else running
    if arguments.json:
        helpers = [_helper(h, h.name in enabled) for h in found.helpers.values()]
        problems = [str(p) for p in found.problems]
        print_json({"helpers": helpers, "plugins": found.describe(), "problems": problems})
    else:
        print("\n".join(_listing(found, enabled)))
    return 0


def _running() -> Collection[str] | None:
    """What the running service has enabled; None: there is none."""
    from fwhelpers.bus.address import BusGone, reachable, system_bus

    try:
        reachable(system_bus())
    except BusGone:
        return None
    from fwhelpers.cli.client import Service, ask

    async def scenario(service: Service) -> list[str]:
        return list((await service.summary())["EnabledHelpers"])

    try:
        return ask(scenario)
    except CliError:  # the files have it as well
        return None


def _enabled(draft: config.Draft, found: plugins.Plugins) -> Collection[str]:
    try:
        return config.resolve(draft, found.helpers, found.absent()).helpers
    except config.ConfigError as error:
        if draft.tables or not _missing(draft):
            warn(f"warning: the configuration has {len(error.problems)} errors (fwhelpers check)")
        tables = draft.tables.get("helpers", {})
        return tables if isinstance(tables, dict) else ()


def _missing(draft: config.Draft) -> bool:
    return all(problem.file == str(config.DIRECTORY) for problem in draft.problems)


def _helper(helper: Helper, enabled: bool) -> dict[str, Any]:
    return {
        "name": helper.name, "enabled": enabled, "l4": list(helper.l4s),
        "ports": list(helper.ports), "families": list(helper.families),
        "kernel_name": helper.kernel_name, "spec": helper.spec, "doc": helper.doc,
        "policies": [{"name": p.name, "max": p.max, "timeout": p.timeout} for p in helper.policies],
        "settings": [{"name": s.name, "default": s.default, "doc": s.doc} for s in helper.settings],
    }  # fmt: skip


def _listing(found: plugins.Plugins, enabled: Collection[str]) -> Iterator[str]:
    rows = [("HELPER", "ENABLED", "L4", "PORTS", "WHAT")]
    rows += [
        (
            h.name,
            "yes" if h.name in enabled else "no",
            ",".join(h.l4s),
            ",".join(_ranges(h.ports)),
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


def _ranges(ports: Sequence[int]) -> Iterator[str]:
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


def ruleset(arguments: argparse.Namespace) -> int:
    """`fwhelpers ruleset`: what `run` would load."""
    print(text(setup(arguments.config)), end="")
    return 0


def text(found: Setup, **options: Any) -> str:
    """The ruleset of a configuration on this machine."""
    from fwhelpers.ruleset import build

    return build(found.config, found.enabled, queues(found.config.daemon), **options)


def queues(daemon: config.Daemon) -> range:
    """The queue numbers that the workers take."""
    workers = daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return range(daemon.queues, daemon.queues + workers)


def counters(arguments: argparse.Namespace) -> int:
    """`fwhelpers counters`: what the service has published last."""
    from fwhelpers.daemon.counters import read

    try:
        status = read()
    except FileNotFoundError:
        raise CliError("the service does not run", "start it: systemctl start fwhelpers") from None
    if arguments.json:
        print_json(status)
    else:
        print("\n".join(_counters(status)))
    return 0


def _counters(status: dict[str, Any]) -> Iterator[str]:
    for title in ("helpers", "workers"):
        rows = status.get(title) or {}
        items = rows.items() if isinstance(rows, dict) else enumerate(rows)
        for name, counts in items:
            shown = ", ".join(f"{key} {value}" for key, value in counts.items()) or "nothing yet"
            yield f"{title.removesuffix('s')} {name}: {shown}"
    for name, why in status.get("problems", {}).items():
        yield f"problem: {name}: {why}"
