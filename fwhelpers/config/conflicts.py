"""Finds enabled helpers that would claim the same connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from itertools import combinations

from fwhelpers.api import Helper
from fwhelpers.config.model import HelperConfig, limits_by_family
from fwhelpers.config.validators import Network


def conflicts(
    enabled: Mapping[str, HelperConfig], helpers: Mapping[str, Helper]
) -> Iterator[tuple[str, str]]:
    """Yield (helper, message) for each helper whose connections another one claims first.

    A connection has one helper only, and the kernel silently keeps the first.
    """
    for first, second in combinations(enabled.values(), 2):
        ports = set(first.ports) & set(second.ports)
        a, b = helpers[first.name], helpers[second.name]
        l4s = set(a.l4s) & set(b.l4s)
        if ports and l4s and not _disjoint_limits(first, second) and not _disjoint_groups(a, b):
            l4 = "/".join(sorted(l4s))
            yield second.name, f"{l4} port {min(ports)} is already used by {first.name}"


def _disjoint_groups(a: Helper, b: Helper) -> bool:
    if not (a.outgoing and b.outgoing):
        return False
    if (a.broadcast and b.broadcast) or (a.unicast and b.unicast):
        return False
    groups_a, groups_b = (tuple(map(ip_network, helper.groups)) for helper in (a, b))
    return not any(x.version == y.version and x.overlaps(y) for x in groups_a for y in groups_b)


def _disjoint_limits(a: HelperConfig, b: HelperConfig) -> bool:
    # a reference to a NetworkManager profile may resolve to any interface
    unresolved = any(":" in name for name in (*a.interfaces, *b.interfaces))
    both_limited = a.interfaces and b.interfaces and not unresolved
    if both_limited and not set(a.interfaces) & set(b.interfaces):
        return True
    return not any(
        family_a == family_b and _overlap(sources_a, sources_b) and _overlap(dests_a, dests_b)
        for family_a, sources_a, dests_a in limits_by_family(a)
        for family_b, sources_b, dests_b in limits_by_family(b)
    )


def _overlap(a: tuple[Network, ...], b: tuple[Network, ...]) -> bool:
    return not a or not b or any(x.overlaps(y) for x in a for y in b)
