"""`fwhelpers zones` and `firewalld-files`: what firewalld is told, and what comes of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.cli import providers
from fwhelpers.cli.common import Setup, print_json, table
from fwhelpers.cli.common import read as files_of
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.providers import Asked, Links
from fwhelpers.config import HelperConfig
from fwhelpers.config.assignments import Assignment
from fwhelpers.config.validators import guess
from fwhelpers.firewalld.assignments import ZoneResult, derive_assignments
from fwhelpers.firewalld.model import Snapshot
from fwhelpers.networkmanager.references import Device, interfaces, is_reference, references
from fwhelpers.plugin import manager as plugins


def zones(arguments: argparse.Namespace) -> int:
    """Print zones with their helpers."""
    found = files_of(arguments.config)
    snapshot = ask()
    if snapshot is None:
        raise CliError("firewalld does not run", "start it: systemctl start firewalld")
    named = references(found.config)
    links = ask_links() if named else None
    devices = links.devices if links else ()
    known = derive_assignments(snapshot, found.plugins.helpers)
    if arguments.json:
        print_json(as_json(snapshot, known, found, devices))
    else:
        print("\n".join(_text(snapshot, known, found, devices)))
        if named and links is None:
            print("note: NetworkManager does not run")
    return 0


def ask() -> Snapshot | None:
    """firewalld's settings; None if it does not run. Raises CliError."""
    asked = ask_all()
    return asked and asked.snapshot


def ask_all() -> Asked | None:
    """The same with what `check` wants to know besides. Raises CliError."""
    return providers.ask(providers.firewalld)


def ask_links() -> Links | None:
    """NetworkManager's devices and connections; None if it does not run. Raises CliError."""
    return providers.ask(providers.links)


def as_json(
    snapshot: Snapshot, known: ZoneResult, found: Setup, devices: tuple[Device, ...] = ()
) -> dict[str, Any]:
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
        "config": [
            {"helper": name, "why": _limits(made, devices)}
            for name, made in found.config.helpers.items()
        ],
        "not_followed": [{"zone": g.zone, "what": g.what, "hint": g.hint} for g in known.gaps],
        "denied": snapshot.denied,
    }  # fmt: skip


def _act(act: Assignment) -> dict[str, Any]:
    return {
        "helper": act.helper, "path": act.path, "from": act.source or "this host",
        "to": act.target or "this host", "ports": [f"{port}/{l4}" for port, l4 in act.ports],
        "sources": list(map(str, act.sources)), "destinations": list(map(str, act.destinations)),
        "why": act.why,
    }  # fmt: skip


def _text(
    snapshot: Snapshot, known: ZoneResult, found: Setup, devices: tuple[Device, ...]
) -> Iterator[str]:
    told = as_json(snapshot, known, found, devices)
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


def _limits(made: HelperConfig, devices: tuple[Device, ...]) -> str:
    limits = {
        "interfaces": [meaning(name, devices) for name in made.interfaces],
        "sources": made.sources,
        "destinations": made.destinations,
    }
    shown = [f"{key} {', '.join(map(str, values))}" for key, values in limits.items() if values]
    return f"config: [helpers.{made.name}] " + ("; ".join(shown) or "without limits")


def meaning(name: str, devices: tuple[Device, ...]) -> str:
    """An interface of the configuration, with what a reference means now."""
    if not is_reference(name):
        return name
    return f"{name} ({', '.join(interfaces(name, devices)) or 'none now'})"


def files(arguments: argparse.Namespace) -> int:
    """Write the files."""
    from fwhelpers.firewalld import xml as made

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
