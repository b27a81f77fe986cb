"""Diagnoses common mistakes in firewalld's configuration, each with a hint. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from fwhelpers.api import Helper
from fwhelpers.firewalld.assignments import ZoneResult
from fwhelpers.firewalld.model import Policy, Snapshot, Zone
from fwhelpers.firewalld.xml import name


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A mistake, its place, and a hint."""

    where: str
    problem: str
    hint: str


def of_firewalld(
    snapshot: Snapshot,
    result: ZoneResult,
    backend: str,
    services: Collection[str],
    helpers: Mapping[str, Helper],
) -> Iterator[Diagnostic]:
    """Yield the mistakes of firewalld's state, zones and policies."""
    if snapshot.state == "FAILED":
        yield Diagnostic(
            "state",
            "FAILED: its rules could not be loaded, and permanent changes are refused",
            "see journalctl -u firewalld; if a helper was missing: fwhelpers register, then firewall-cmd --reload;"
            " otherwise firewall-offline-cmd --check-config, then systemctl restart firewalld",
        )
    if backend not in ("nftables", ""):
        hint = "FirewallBackend=nftables in /etc/firewalld/firewalld.conf, then restart firewalld"
        yield Diagnostic("backend", f"{backend}: untested together with our rules", hint)
    if snapshot.panic:
        yield Diagnostic("panic mode", "firewalld drops all packets", "firewall-cmd --panic-off")
    if snapshot.denied:
        hint = "run as root; for the service install packaging/polkit/fwhelpers-firewalld.rules"
        yield Diagnostic("rights", f"firewalld denied a query: {snapshot.denied}", hint)
    missing = sorted({name(helper) for helper in helpers.values()} - set(services))
    if missing:
        shown = ", ".join(missing[:4]) + (" …" if len(missing) > 4 else "")
        hint = "install the package with our XML (or fwhelpers firewalld-files), then firewall-cmd --reload"
        yield Diagnostic("services", f"firewalld has no service {shown}", hint)
    for gap in result.unsupported:
        yield Diagnostic(gap.zone, f"{gap.setting} is not supported", gap.hint)
    places: list[Zone | Policy] = [*snapshot.zones.values(), *snapshot.policies.values()]
    for place in places:
        yield from _nfs_without_helper(place, snapshot)


def _nfs_without_helper(place: Zone | Policy, snapshot: Snapshot) -> Iterator[Diagnostic]:
    names = set(place.services)
    helped = any("fw-rpc" in _helpers(service, snapshot, set()) for service in names)
    if "nfs3" in names and not helped and "mountd" not in names:
        option = "zone" if isinstance(place, Zone) else "policy"
        hint = f"firewall-cmd --{option}={place.name} --add-service=fw-nfs3"
        yield Diagnostic(
            place.name, "service nfs3 without helper: mountd and lockd are unreachable", hint
        )


def _helpers(name: str, snapshot: Snapshot, visited: set[str]) -> set[str]:
    service = snapshot.services.get(name)
    if service is None or name in visited:
        return set()
    visited.add(name)
    inner = (_helpers(include, snapshot, visited) for include in service.includes)
    return set(service.helpers).union(*inner)
