"""firewalld's D-Bus answers as our model (org.fedoraproject.FirewallD1, see firewalld.dbus(5)).

They are another program's word: what is missing or of another kind counts as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fwhelpers.firewalld.model import FirewalldHelper, ForwardPort, Policy, Ports, Service, Zone


def zone(name: str, given: Mapping[str, Any]) -> Zone:
    """The answer to zone.getZoneSettings2."""
    priority = given.get("ingress_priority", 0)
    return Zone(
        name,
        interfaces=_words(given.get("interfaces")),
        sources=_words(given.get("sources")),
        services=_words(given.get("services")),
        forward_ports=_forwards(given.get("forward_ports")),
        rich_rules=_words(given.get("rules_str")),
        priority=priority if isinstance(priority, int) else 0,
        target=str(given.get("target", "")),
    )


def policy(name: str, given: Mapping[str, Any]) -> Policy:
    """The answer to policy.getPolicySettings."""
    return Policy(
        name,
        ingress=_words(given.get("ingress_zones")),
        egress=_words(given.get("egress_zones")),
        services=_words(given.get("services")),
        rich_rules=_words(given.get("rich_rules")),
    )


def service(name: str, given: Mapping[str, Any]) -> Service:
    """The answer to getServiceSettings2."""
    limits = given.get("destination")
    return Service(
        name,
        ports=_ports(given.get("ports")),
        helpers=_words(given.get("helpers")),
        includes=_words(given.get("includes")),
        destinations={str(k): str(v) for k, v in limits.items()} if isinstance(limits, Mapping) else {},
    )  # fmt: skip


def helper(name: str, given: Any) -> FirewalldHelper:
    """The answer to getHelperSettings: (version, short, description, family, module, ports)."""
    if not isinstance(given, (list, tuple)) or len(given) < 6:
        return FirewalldHelper(name, "")
    return FirewalldHelper(name, str(given[4]), _ports(given[5]), str(given[3]))


def _words(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, (list, tuple)) else ()


def _rows(value: Any, size: int) -> list[tuple[str, ...]]:
    rows = value if isinstance(value, (list, tuple)) else ()
    return [tuple(map(str, r)) for r in rows if isinstance(r, (list, tuple)) and len(r) == size]


def _ports(value: Any) -> Ports:
    return tuple((row[0], row[1]) for row in _rows(value, 2))


def _forwards(value: Any) -> tuple[ForwardPort, ...]:
    return tuple(ForwardPort(*row) for row in _rows(value, 4))
