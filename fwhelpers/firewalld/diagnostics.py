"""Diagnoses common mistakes in firewall configurations, each with a hint. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.firewalld.assignments import ZoneResult
from fwhelpers.firewalld.model import Policy, Snapshot, Zone
from fwhelpers.firewalld.xml import name
from fwhelpers.ruleset.syntax import PIN_TABLE, TABLE

_RELATED = re.compile(r'"related"|"xt":')

ASSIGN = -150  #: the priority at which we assign


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


def of_rulesets(objects: Iterable[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """Yield the mistakes of a ruleset, given as the objects of `nft -j list ruleset`."""
    listed = list(objects)
    for foreign in of_helpers(listed):
        if foreign.priority < ASSIGN:
            yield Diagnostic(
                foreign.chain,
                f"assigns helper {foreign.kind} at priority {foreign.priority}, before ours",
                f"remove the rule, or move it behind {ASSIGN}: the first assignment wins",
            )
    chains, rules = _chains(listed), _foreign_rules(listed)
    # nft shows no details of iptables-nft's matches, so their tables are exempt
    related = {(r["family"], r["table"]) for r in rules if _RELATED.search(json.dumps(r["expr"]))}
    for (family, table, _), chain in chains.items():
        drops = chain.get("policy") == "drop" and chain.get("type") == "filter"
        if drops and chain.get("hook") in ("input", "forward") and (family, table) not in related:
            yield Diagnostic(
                _name(chain),
                "has policy drop and no rule that accepts related connections",
                f"nft insert rule {_name(chain)} ct state established,related accept",
            )


@dataclass(frozen=True, slots=True)
class ForeignAssignment:
    """A rule of another table that assigns a helper."""

    kind: str  #: the helper's name in the kernel
    chain: str  #: family, table and chain
    priority: int  #: of the chain's hook; 0 for a chain without one


def of_helpers(objects: Iterable[Mapping[str, Any]]) -> Iterator[ForeignAssignment]:
    """Yield the assignments of other tables in a ruleset, given as the objects of `nft -j list ruleset`."""
    listed = list(objects)
    chains = _chains(listed)
    types = {_place(o["ct helper"]): o["ct helper"]["type"] for o in listed if "ct helper" in o}
    for rule in _foreign_rules(listed):
        place = rule["family"], rule["table"], rule["chain"]
        for statement in rule.get("expr", ()):
            helper = statement.get("ct helper") if isinstance(statement, dict) else None
            if isinstance(helper, str):
                kind = types.get((rule["family"], rule["table"], helper), helper)
                priority = chains.get(place, {}).get("prio", 0)
                yield ForeignAssignment(kind, " ".join(place), priority)


def _chains(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    return {_place(o["chain"]): o["chain"] for o in objects if "chain" in o}


def _foreign_rules(objects: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    rules = (o["rule"] for o in objects if "rule" in o)
    return [rule for rule in rules if rule["table"] not in (TABLE, PIN_TABLE)]


def _place(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return item["family"], item["table"], item["name"]


def _name(chain: Mapping[str, Any]) -> str:
    return f"{chain['family']} {chain['table']} {chain['name']}"
