"""Decodes firewalld's D-Bus replies (org.fedoraproject.FirewallD1, see firewalld.dbus(5)).

They come from another program: values that are missing or of another type count as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fwhelpers.firewalld.model import FirewalldHelper, ForwardPort, Policy, Ports, Service, Zone


def zone(name: str, reply: Any) -> Zone:
    """Decode a reply of zone.getZoneSettings2."""
    settings = mapping(reply)
    priority = settings.get("ingress_priority", 0)
    return Zone(
        name,
        interfaces=strings(settings.get("interfaces")),
        sources=strings(settings.get("sources")),
        services=strings(settings.get("services")),
        forward_ports=tuple(ForwardPort(*row) for row in _rows(settings.get("forward_ports"), 4)),
        rich_rules=strings(settings.get("rules_str")),
        priority=priority if isinstance(priority, int) else 0,
        target=str(settings.get("target", "")),
    )


def policy(name: str, reply: Any) -> Policy:
    """Decode a reply of policy.getPolicySettings."""
    settings = mapping(reply)
    return Policy(
        name,
        ingress=strings(settings.get("ingress_zones")),
        egress=strings(settings.get("egress_zones")),
        services=strings(settings.get("services")),
        rich_rules=strings(settings.get("rich_rules")),
    )


def service(name: str, reply: Any) -> Service:
    """Decode a reply of getServiceSettings2."""
    settings = mapping(reply)
    destinations = mapping(settings.get("destination"))
    return Service(
        name,
        ports=_ports(settings.get("ports")),
        helpers=strings(settings.get("helpers")),
        includes=strings(settings.get("includes")),
        destinations={family: str(address) for family, address in destinations.items()},
    )


def helper(name: str, reply: Any) -> FirewalldHelper:
    """Decode a reply of getHelperSettings: (version, short, description, family, module, ports)."""
    if not isinstance(reply, (list, tuple)) or len(reply) < 6:
        return FirewalldHelper(name, "")
    return FirewalldHelper(name, str(reply[4]), _ports(reply[5]), str(reply[3]))


def mapping(value: Any) -> dict[str, Any]:
    """Return the entries of a dictionary that have a string as key."""
    entries = value.items() if isinstance(value, Mapping) else ()
    return {key: inner for key, inner in entries if isinstance(key, str)}


def strings(value: Any) -> tuple[str, ...]:
    """The strings of an array."""
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, (list, tuple)) else ()


def _rows(value: Any, size: int) -> list[tuple[str, ...]]:
    rows = value if isinstance(value, (list, tuple)) else ()
    return [tuple(map(str, r)) for r in rows if isinstance(r, (list, tuple)) and len(r) == size]


def _ports(value: Any) -> Ports:
    return tuple((row[0], row[1]) for row in _rows(value, 2))
