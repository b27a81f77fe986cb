"""Derives helper assignments from firewalld's zones and policies, and lists the settings that are not supported.

A service names a firewalld helper, and the helper names a kernel module. We register our helpers under the module's
name as firewalld shortens it. Assignments then have the meaning that firewalld gives them:

    zone's service      connections from the zone to this host, and those that the zone's forward ports redirect
    policy's service    connections from its ingress zones to its egress zones; HOST is this host
    rich rule           as the zone's or policy's service, limited to the rule's addresses

There is one extension. firewalld assigns no helper to this host's own connections unless a policy does. We take a
zone's service that does not open the helper's ports as a client's service: it applies to connections to the zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fwhelpers.api import Helper
from fwhelpers.config.assignments import (
    FORWARD,
    INPUT,
    OUTPUT,
    Assignment,
    ZoneAssignments,
    ZoneMember,
)
from fwhelpers.config.validators import Network, is_interface
from fwhelpers.firewalld import rich_rules
from fwhelpers.firewalld.model import ANY, HOST, FirewalldHelper, ForwardPort, Ports, Snapshot, Zone
from fwhelpers.firewalld.sources import member, networks

_MAX_PORTS = 64  #: of one helper; further ports are ignored


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A setting of firewalld that we do not support."""

    zone: str
    setting: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """The assignments of all zones and policies."""

    scope: ZoneAssignments
    unsupported: tuple[Unsupported, ...] = ()


def derive_assignments(snapshot: Snapshot, helpers: Mapping[str, Helper]) -> ZoneResult:
    """Derive the assignments from firewalld's zones, policies and services."""
    reader = _Reader(snapshot, helpers)
    members = tuple(reader.members())
    acts = dict.fromkeys([*reader.zones(), *reader.policies()])
    return ZoneResult(
        ZoneAssignments(members if acts else (), tuple(acts)),
        tuple(dict.fromkeys(reader.unsupported)),
    )


@dataclass(frozen=True, slots=True)
class _Offer:
    """A helper of a service: its ports, and whether the service opens them."""

    helper: Helper
    ports: tuple[tuple[int, str], ...]
    opened: bool
    destinations: tuple[Network, ...]
    families: tuple[int, ...]


class _Reader:
    def __init__(self, snapshot: Snapshot, helpers: Mapping[str, Helper]) -> None:
        self.snapshot = snapshot
        self.by_kernel_name = {helper.kernel_name: helper for helper in helpers.values()}
        self.unsupported: list[Unsupported] = []

    def members(self) -> Iterator[ZoneMember]:
        """Yield members in firewalld's order: sources sorted by zone, then interfaces (core/nftables.py)."""
        zones = sorted(self.snapshot.zones.values(), key=lambda zone: (zone.priority, zone.name))
        for zone in zones:
            for source in zone.sources:
                zone_member = member(zone.name, source, self.snapshot.ipsets)
                if zone_member is not None:
                    yield zone_member
                elif self.snapshot.ipsets.get(source.removeprefix("ipset:"), source):
                    setting = f"source {source}"
                    hint = "use addresses, networks or MACs, and an ipset without a timeout"
                    self.unsupported.append(Unsupported(zone.name, setting, hint))
        for zone in zones:
            for name in zone.interfaces:
                if is_interface(name.removesuffix("+") or "x"):
                    yield ZoneMember(zone.name, interface=name)
                else:
                    self.unsupported.append(
                        Unsupported(zone.name, f"interface {name!a}", "rename it")
                    )
        if self.snapshot.default_zone:
            yield ZoneMember(self.snapshot.default_zone)

    def zones(self) -> Iterator[Assignment]:
        for zone in self.snapshot.zones.values():
            for offer, act in self.offers(zone.name, zone.services, zone.rich_rules, ""):
                if offer.helper.outgoing and act.sources:
                    setting = f"the address in a {act.reason}"
                    self.unsupported.append(
                        Unsupported(zone.name, setting, "requests go to groups: leave it out")
                    )
                elif offer.helper.outgoing or not offer.opened:
                    # a rich rule's source is the remote side, here the destination
                    servers = act.sources or act.destinations
                    yield replace(
                        act, path=OUTPUT, target=zone.name, sources=(), destinations=servers
                    )
                else:
                    yield from _arriving(zone, act)

    def policies(self) -> Iterator[Assignment]:
        for policy in self.snapshot.policies.values():
            prefix = f"policy {policy.name}, "
            for _, act in self.offers(policy.name, policy.services, policy.rich_rules, prefix):
                for source in self.named(policy.ingress):
                    for target in self.named(policy.egress):
                        if HOST not in (source, target):
                            yield replace(act, path=FORWARD, source=source, target=target)
                            yield from _passed_on(self.snapshot.zones[source], act)
                        elif source == HOST:
                            yield replace(act, path=OUTPUT, target=target)
                        else:
                            yield replace(act, path=INPUT, source=source)

    def named(self, names: tuple[str, ...]) -> Iterator[str]:
        """Yield the zones of a policy; ANY stands for all of them except HOST (firewalld.policies(5))."""
        for name in names:
            if name == ANY:
                yield from self.snapshot.zones
            elif name == HOST or name in self.snapshot.zones:
                yield name

    def offers(
        self, place: str, services: tuple[str, ...], rules: tuple[str, ...], prefix: str
    ) -> Iterator[tuple[_Offer, Assignment]]:
        """Yield the helpers of services and rich rules, each with an assignment that lacks its path."""
        for service in services:
            for offer in self.service(service):
                yield offer, _act(offer, f"{prefix}service {service}")
        for text in rules:
            try:
                rule = rich_rules.parse(text)
            except rich_rules.UnsupportedRule as error:
                self.unsupported.append(
                    Unsupported(place, f"rich rule with {error}", "use addresses")
                )
                continue
            if rule is not None:
                for offer in self.service(rule.service):
                    why = f"{prefix}rich rule, service {rule.service}"
                    yield offer, _narrowed(_act(offer, why), rule)

    def service(self, name: str) -> Iterator[_Offer]:
        """Yield the helpers of a service and of the services that it includes."""
        together = list(self.included(name, set()))
        opened = [port for include in together for port in self.snapshot.services[include].ports]
        for include in together:
            service = self.snapshot.services[include]
            limits = {
                family: networks(address)
                for family, address in service.destinations.items()
                if address
            }
            for helper in service.helpers:
                definition = self.snapshot.helpers.get(helper)
                ours = self.by_kernel_name.get(definition.kernel_name) if definition else None
                if definition is not None and ours is not None:
                    yield _offer(ours, definition, tuple(opened), limits)

    def included(self, name: str, visited: set[str]) -> Iterator[str]:
        if name in self.snapshot.services and name not in visited:
            visited.add(name)
            yield name
            for include in self.snapshot.services[name].includes:
                yield from self.included(include, visited)


def _offer(
    ours: Helper,
    definition: FirewalldHelper,
    opened: Ports,
    limits: Mapping[str, tuple[Network, ...]],
) -> _Offer:
    ports_ = _numbers(definition.ports)
    ports = tuple(p for p in ports_ if p[1] in ours.l4s) or tuple(
        (port, l4) for l4 in ours.l4s for port in ours.ports
    )
    families = tuple(f for f in ours.families if not limits or f"ipv{f}" in limits)
    where = tuple(network for networks in limits.values() for network in networks)
    is_opened = any(
        l4 == transport and port in _port_range(text)
        for port, transport in ports
        for text, l4 in opened
    )
    return _Offer(ours, ports, is_opened, where, families)


def _numbers(ports: Ports) -> tuple[tuple[int, str], ...]:
    """Return the single ports of ranges."""
    numbers = [(port, l4) for text, l4 in ports for port in _port_range(text)]
    return tuple([(port, l4) for port, l4 in numbers if 1 <= port <= 65535][:_MAX_PORTS])


def _port_range(text: str) -> range:
    """Parse a port or range in firewalld's form; return an empty range if it is invalid."""
    first, _, last = text.partition("-")
    valid = all(number.isdecimal() and len(number) <= 5 for number in (first, last or first))
    return range(int(first), int(last or first) + 1) if valid else range(0)


def _act(offer: _Offer, why: str) -> Assignment:
    return Assignment(
        offer.helper.name,
        INPUT,
        offer.ports,
        destinations=offer.destinations,
        families=offer.families,
        reason=why,
    )


def _narrowed(act: Assignment, rule: rich_rules.RichRule) -> Assignment:
    return replace(
        act,
        sources=rule.sources,
        destinations=rule.destinations or act.destinations,
        families=tuple(f for f in act.families if f in rule.families),
    )


def _arriving(zone: Zone, act: Assignment) -> Iterator[Assignment]:
    """Yield the assignments of connections to this host and of those that its forward ports redirect."""
    yield replace(act, source=zone.name)
    for passed in _passed_on(zone, act):
        if not set(passed.ports) <= set(act.ports):
            yield passed


def _passed_on(zone: Zone, act: Assignment) -> Iterator[Assignment]:
    """Yield assignments of connections that a zone's forward ports redirect to the helper's ports.

    Before DNAT their destination is this host.
    """
    for forward in zone.forward_ports:
        forwarded = _numbers(((forward.port, forward.protocol),))
        ports = tuple(port for port in forwarded if _leads(forward, act, port))
        if ports:
            why = f"{act.reason}, forward port {forward.port}"
            yield replace(act, path=INPUT, source=zone.name, target="", ports=ports, reason=why)


def _leads(forward: ForwardPort, act: Assignment, port: tuple[int, str]) -> bool:
    """Return whether a forward port redirects `port` to a port of the assignment.

    Two ranges map port by port.
    """
    if not forward.to_port:
        return port in act.ports
    sources, targets = _port_range(forward.port), _port_range(forward.to_port)
    if not sources or not targets:
        return False
    offset = port[0] - sources.start if "-" in forward.to_port else 0
    return (targets.start + offset, port[1]) in act.ports
