"""`fwhelpers zones` and `firewalld-files`: the helpers of firewalld's zones, and our files for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fwhelpers.cli import providers
from fwhelpers.cli.common import Setup, print_json, print_lines, read, table
from fwhelpers.cli.errors import CliError
from fwhelpers.config import HelperConfig
from fwhelpers.config.assignments import Assignment
from fwhelpers.config.validators import suggest
from fwhelpers.firewalld.assignments import ZoneResult, derive_assignments
from fwhelpers.firewalld.model import Snapshot, Zone
from fwhelpers.networkmanager.references import Device, interfaces, is_reference, references
from fwhelpers.plugin import manager as plugins


def zones(arguments: argparse.Namespace) -> int:
    """Print the zones with their helpers."""
    setup = read(arguments.config)
    firewalld = providers.query_firewalld()
    if firewalld is None:
        raise CliError("firewalld is not running", "start it: systemctl start firewalld")
    named = references(setup.config)
    manager = providers.query_networkmanager() if named else None
    result = derive_assignments(firewalld.snapshot, setup.plugins.helpers)
    report = to_json(firewalld.snapshot, result, setup, manager.devices if manager else ())
    if arguments.json:
        print_json(report)
    else:
        print_lines(_lines(report))
        if named and manager is None:
            print("note: NetworkManager is not running")
    return 0


def to_json(
    snapshot: Snapshot, result: ZoneResult, setup: Setup, devices: tuple[Device, ...] = ()
) -> dict[str, Any]:
    """Return the report as plain data."""
    ignored = set(setup.config.firewalld.ignore)
    assignments = [a for a in result.scope.assignments if a.helper not in ignored]
    return {
        "follow": setup.config.firewalld.follow,
        "firewalld": {"version": snapshot.version, "state": snapshot.state, "panic": snapshot.panic},
        "zones": [
            _zone(zone, zone.name == snapshot.default_zone, assignments, setup)
            for zone in snapshot.zones.values()
        ],
        "config": [
            {"helper": name, "backend": helper.backend, "reason": _limits(helper, devices)}
            for name, helper in setup.config.helpers.items()
        ],
        "unsupported": [
            {"zone": item.zone, "setting": item.setting, "hint": item.hint} for item in result.unsupported
        ],
        "denied": snapshot.denied,
    }  # fmt: skip


def _zone(zone: Zone, default: bool, assignments: list[Assignment], setup: Setup) -> dict[str, Any]:
    own = [
        {
            "helper": a.helper,
            "backend": _backend(a.helper, setup),
            "path": a.path,
            "from": a.source or "this host",
            "to": a.target or "this host",
            "ports": [f"{port}/{l4}" for port, l4 in a.ports],
            "sources": list(map(str, a.sources)),
            "destinations": list(map(str, a.destinations)),
            "reason": a.reason,
        }
        for a in assignments
        if zone.name in (a.source, a.target)
    ]
    return {
        "zone": zone.name, "default": default, "interfaces": list(zone.interfaces),
        "sources": list(zone.sources), "helpers": own,
    }  # fmt: skip


def _backend(name: str, setup: Setup) -> str:
    """Return who acts for a helper that zones enable."""
    if name in setup.config.helpers:
        return setup.config.helpers[name].backend
    return "user" if setup.plugins.helpers[name].parser else "kernel"


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for zone in report["zones"]:
        default = ", default" if zone["default"] else ""
        members = ", ".join(zone["interfaces"] + zone["sources"]) or "no interface or source"
        yield f"{zone['zone']} ({members}{default})"
        rows = [
            (
                h["helper"],
                h["backend"],
                f"{h['from']} → {h['to']}",
                ",".join(h["ports"]),
                h["reason"],
            )
            for h in zone["helpers"]
        ]
        yield table(rows, "  ") if rows else "  no helper"
    if report["config"]:
        yield "enabled by the configuration"
        yield table(
            [(row["helper"], row["backend"], row["reason"]) for row in report["config"]], "  "
        )
    yield from _notes(report)


def _notes(report: dict[str, Any]) -> Iterator[str]:
    if not report["follow"]:
        yield "note: follow = false; zones enable no helpers"
    if report["firewalld"]["panic"]:
        yield "note: firewalld is in panic mode and drops everything"
    state = report["firewalld"]["state"]
    if state not in ("RUNNING", ""):
        yield f"note: firewalld's state is {state}: see journalctl -u firewalld"
    if report["denied"]:
        yield f"note: firewalld denied part of the query ({report['denied']}); try as root"
    for item in report["unsupported"]:
        yield f"note: {item['zone']}: {item['setting']} is not supported ({item['hint']})"


def _limits(helper: HelperConfig, devices: tuple[Device, ...]) -> str:
    limits = {
        "interfaces": [describe_interface(name, devices) for name in helper.interfaces],
        "sources": helper.sources,
        "destinations": helper.destinations,
    }
    texts = [f"{key} {', '.join(map(str, values))}" for key, values in limits.items() if values]
    return f"config: [helpers.{helper.name}] " + ("; ".join(texts) or "without limits")


def describe_interface(name: str, devices: tuple[Device, ...]) -> str:
    """Describe an interface of the configuration; a reference with the interfaces that it matches now."""
    if not is_reference(name):
        return name
    return f"{name} ({', '.join(interfaces(name, devices)) or 'none now'})"


def files(arguments: argparse.Namespace) -> int:
    """Write firewalld's files for helpers."""
    from fwhelpers.firewalld import xml

    installed = plugins.load().helpers
    for name in arguments.helper or ():
        if name not in installed:
            hint = suggest(name, sorted(installed), "helpers")
            raise CliError(f"no such helper: {name}", hint)
    helpers = [installed[name] for name in arguments.helper or installed]
    bundles = {} if arguments.helper else xml.BUNDLES
    for name, text in xml.files(helpers, bundles).items():
        _write(arguments.directory / name, text)
    return 0


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    print(file)
