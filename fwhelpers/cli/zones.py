"""`fwhelpers zones` and `firewalld-files`: what firewalld is told, and what comes of it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fwhelpers import plugins
from fwhelpers.api import Helper
from fwhelpers.cli.common import Setup, print_json, setup, table
from fwhelpers.cli.errors import CliError
from fwhelpers.scope import Act
from fwhelpers.values import guess
from fwhelpers.zones.acts import Found, read
from fwhelpers.zones.model import Snapshot


def zones(arguments: argparse.Namespace) -> int:
    """Print zones with their helpers."""
    found = setup(arguments.config)
    snapshot = ask()
    if snapshot is None:
        raise CliError("firewalld does not run", "start it: systemctl start firewalld")
    known = read(snapshot, found.plugins.helpers)
    if arguments.json:
        print_json(as_json(snapshot, known, found))
    else:
        print("\n".join(_text(snapshot, known, found)))
    return 0


class Asked(NamedTuple):
    """What firewalld said; `services` are the names of all that it knows."""

    snapshot: Snapshot
    backend: str
    services: frozenset[str]


def ask() -> Snapshot | None:
    """firewalld's settings; None if it does not run. Raises CliError."""
    asked = ask_all()
    return asked and asked.snapshot


def ask_all() -> Asked | None:
    """The same with what `check` wants to know besides. Raises CliError."""
    from fwhelpers.daemon import firewalld
    from fwhelpers.daemon.dbus_client import BusError, Client, available

    async def asking() -> Asked | None:
        client = Client(lambda _: None)
        await client.connect()
        try:
            if not await client.owner(firewalld.NAME):
                return None
            found = await firewalld.snapshot(client)
            return Asked(found, await firewalld.backend(client), await firewalld.services(client))
        finally:
            client.close()

    why = available()
    if why:
        raise CliError(why, "")
    try:
        return asyncio.run(asking())
    except BusError as error:
        raise CliError(str(error), "journalctl -u firewalld tells more") from None


def as_json(snapshot: Snapshot, known: Found, found: Setup) -> dict[str, Any]:
    """All of it as plain data."""
    ignored = set(found.config.firewalld.ignore)
    return {
        "follow": found.config.firewalld.follow,
        "firewalld": {"version": snapshot.version, "state": snapshot.state, "panic": snapshot.panic},
        "zones": [
            {
                "zone": zone.name, "default": zone.name == snapshot.default_zone,
                "interfaces": list(zone.interfaces), "sources": list(zone.sources),
                "helpers": [
                    _act(act) for act in known.scope.acts
                    if zone.name in (act.source, act.target) and act.helper not in ignored
                ],
            }
            for zone in snapshot.zones.values()
        ],
        "config": [{"helper": name, "why": _limits(found, name)} for name in found.config.helpers],
        "not_followed": [{"zone": g.zone, "what": g.what, "hint": g.hint} for g in known.gaps],
        "denied": snapshot.denied,
    }  # fmt: skip


def _act(act: Act) -> dict[str, Any]:
    return {
        "helper": act.helper, "path": act.path, "from": act.source or "this host",
        "to": act.target or "this host", "ports": [f"{port}/{l4}" for port, l4 in act.ports],
        "sources": list(map(str, act.sources)), "destinations": list(map(str, act.destinations)),
        "why": act.why,
    }  # fmt: skip


def _text(snapshot: Snapshot, known: Found, found: Setup) -> Iterator[str]:
    told = as_json(snapshot, known, found)
    for zone in told["zones"]:
        mark = ", default" if zone["default"] else ""
        members = ", ".join(zone["interfaces"] + zone["sources"]) or "nothing bound"
        yield f"{zone['zone']} ({members}{mark})"
        rows = [[h["helper"], _way(h), ",".join(h["ports"]), h["why"]] for h in zone["helpers"]]
        yield table(rows, "  ") if rows else "  no helper"
    if told["config"]:
        yield "everywhere that the configuration says"
        yield table([[row["helper"], row["why"]] for row in told["config"]], "  ")
    if not told["follow"]:
        yield "note: follow = false, so the zones' helpers do not act"
    if snapshot.panic:
        yield "note: firewalld is in panic mode and drops everything"
    if snapshot.state not in ("RUNNING", ""):
        yield f"note: firewalld's state is {snapshot.state}: see journalctl -u firewalld"
    if snapshot.denied:
        yield f"note: not everything may be read ({snapshot.denied}); try as root"
    for gap in known.gaps:
        yield f"note: {gap.zone}: {gap.what} is not followed ({gap.hint})"


def _way(act: Mapping[str, Any]) -> str:
    return f"{act['from']} → {act['to']}"


def _limits(found: Setup, name: str) -> str:
    made = found.config.helpers[name]
    limits = {
        "interfaces": made.interfaces,
        "sources": made.sources,
        "destinations": made.destinations,
    }
    shown = [f"{key} {', '.join(map(str, values))}" for key, values in limits.items() if values]
    return f"config: [helpers.{name}] " + ("; ".join(shown) or "without limits")


def files(arguments: argparse.Namespace) -> int:
    """Write the files."""
    from fwhelpers.zones import files as made

    helpers = plugins.load().helpers
    wanted = {name: _one(name, helpers) for name in arguments.helper or helpers}
    bundles = {} if arguments.helper else made.BUNDLES
    for name, text in made.files(wanted.values(), bundles).items():
        _write(arguments.directory / name, text)
    return 0


def _one(name: str, helpers: Mapping[str, Helper]) -> Helper:
    if name not in helpers:
        raise CliError(f"there is no helper {name}", guess(name, sorted(helpers), "helpers"))
    return helpers[name]


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    print(file)
