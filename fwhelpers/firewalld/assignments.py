"""From firewalld's zones to where helpers act, and why; and what of them can't be followed.

A service names a firewalld helper, that one a kernel module; the module's name, as firewalld shortens it, is the name
under which we register. What is then meant follows firewalld:

    zone's service      connections from the zone to this host, and those that the zone's forward ports send elsewhere
    policy's service    connections from its ingress zones to its egress zones; HOST is this host
    rich rule           as the zone's or policy's service, for its addresses

and goes beyond it in one point: firewalld assigns nothing to what this host itself asks, unless a policy says so. So a
zone's service that does not open the helper's ports is taken for a client's: it acts for connections to the zone.
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

_MAX_PORTS = 64  #: more ports of one helper are a mistake, and a set of them a burden


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Something that firewalld says and we can't follow."""

    zone: str
    setting: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """The outcome."""

    scope: ZoneAssignments
    unsupported: tuple[Unsupported, ...] = ()


def derive_assignments(snapshot: Snapshot, helpers: Mapping[str, Helper]) -> ZoneResult:
    """Where helpers act, by firewalld's zones, policies and services."""
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
        """firewalld's dispatch: core/nftables.py sorts sources by zone, puts interfaces behind them."""
        zones = sorted(self.snapshot.zones.values(), key=lambda zone: (zone.priority, zone.name))
        for zone in zones:
            for source in zone.sources:
                found = member(zone.name, source, self.snapshot.ipsets)
                if found is not None:
                    yield found
                elif self.snapshot.ipsets.get(source.removeprefix("ipset:"), source):
                    what = f"source {source}"
                    self.unsupported.append(
                        Unsupported(zone.name, what, "use addresses, networks or MACs")
                    )
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
                    what = f"the address in a {act.reason}"
                    self.unsupported.append(
                        Unsupported(zone.name, what, "requests go to groups: leave it out")
                    )
                elif offer.helper.outgoing or not offer.opened:
                    # a rich rule's source is the other side, which here is asked
                    there = act.sources or act.destinations
                    yield replace(
                        act, path=OUTPUT, target=zone.name, sources=(), destinations=there
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
        """Zones of a policy; ANY is all of them (HOST excepted: firewalld.policies(5))."""
        for name in names:
            if name == ANY:
                yield from self.snapshot.zones
            elif name == HOST or name in self.snapshot.zones:
                yield name

    def offers(
        self, place: str, services: tuple[str, ...], rules: tuple[str, ...], prefix: str
    ) -> Iterator[tuple[_Offer, Assignment]]:
        """The helpers of services and rich rules, each with an act that lacks its path."""
        for service in services:
            for offer in self.service(service):
                yield offer, _act(offer, f"{prefix}service {service}")
        for rule in rules:
            try:
                found = rich_rules.parse(rule)
            except rich_rules.UnsupportedRule as error:
                self.unsupported.append(
                    Unsupported(place, f"rich rule with {error}", "use addresses")
                )
                continue
            if found is not None:
                for offer in self.service(found.service):
                    why = f"{prefix}rich rule, service {found.service}"
                    yield offer, _narrowed(_act(offer, why), found)

    def service(self, name: str) -> Iterator[_Offer]:
        """The helpers of a service and of all that it includes."""
        together = list(self.included(name, set()))
        opened = [port for one in together for port in self.snapshot.services[one].ports]
        for one in together:
            service = self.snapshot.services[one]
            limits = {
                family: networks(address)
                for family, address in service.destinations.items()
                if address
            }
            for helper in service.helpers:
                found = self.snapshot.helpers.get(helper)
                ours = self.by_kernel_name.get(found.kernel_name) if found else None
                if found is not None and ours is not None:
                    yield _offer(ours, found, tuple(opened), limits)

    def included(self, name: str, seen: set[str]) -> Iterator[str]:
        if name in self.snapshot.services and name not in seen:
            seen.add(name)
            yield name
            for include in self.snapshot.services[name].includes:
                yield from self.included(include, seen)


def _offer(
    ours: Helper, found: FirewalldHelper, opened: Ports, limits: Mapping[str, tuple[Network, ...]]
) -> _Offer:
    given = _numbers(found.ports)
    ports = tuple(p for p in given if p[1] in ours.l4s) or tuple(
        (port, l4) for l4 in ours.l4s for port in ours.ports
    )
    families = tuple(f for f in ours.families if not limits or f"ipv{f}" in limits)
    where = tuple(network for networks in limits.values() for network in networks)
    return _Offer(ours, ports, any(_opens(opened, port) for port in ports), where, families)


def _opens(opened: Ports, port: tuple[int, str]) -> bool:
    return any(l4 == port[1] and port[0] in _port_range(text) for text, l4 in opened)


def _numbers(ports: Ports) -> tuple[tuple[int, str], ...]:
    """Ranges as single ports."""
    numbers = [(port, l4) for text, l4 in ports for port in _port_range(text)]
    return tuple([(port, l4) for port, l4 in numbers if 1 <= port <= 65535][:_MAX_PORTS])


def _port_range(text: str) -> range:
    """A port or range as firewalld writes it; empty if it is neither."""
    first, _, last = text.partition("-")
    valid = all(number.isdecimal() and len(number) <= 5 for number in (first, last or first))
    return range(int(first), int(last or first) + 1) if valid else range(0)


def _act(offer: _Offer, why: str) -> Assignment:
    return Assignment(
        offer.helper.name, INPUT, offer.ports, destinations=offer.destinations,
        families=offer.families, reason=why,
    )  # fmt: skip


def _narrowed(act: Assignment, rule: rich_rules.RichRule) -> Assignment:
    return replace(
        act, sources=rule.sources, destinations=rule.destinations or act.destinations,
        families=tuple(f for f in act.families if f in rule.families),
    )  # fmt: skip


def _arriving(zone: Zone, act: Assignment) -> Iterator[Assignment]:
    """What comes to this host, and what its forward ports pass on from there."""
    yield replace(act, source=zone.name)
    for passed in _passed_on(zone, act):
        if not set(passed.ports) <= set(act.ports):
            yield passed


def _passed_on(zone: Zone, act: Assignment) -> Iterator[Assignment]:
    """Connections that a zone's forward ports lead to the act's ports: before DNAT they are made to this host."""
    for forward in zone.forward_ports:
        given = _numbers(((forward.port, forward.protocol),))
        ports = tuple(port for port in given if _leads(forward, act, port))
        if ports:
            why = f"{act.reason}, forward port {forward.port}"
            yield replace(act, path=INPUT, source=zone.name, target="", ports=ports, reason=why)


def _leads(forward: ForwardPort, act: Assignment, port: tuple[int, str]) -> bool:
    """Does a forward port lead to one of the ports of the act? With a range on both sides, position by position."""
    if not forward.to_port:
        return port in act.ports
    sources, targets = _port_range(forward.port), _port_range(forward.to_port)
    if not sources or not targets:
        return False
    offset = port[0] - sources.start if "-" in forward.to_port else 0
    return (targets.start + offset, port[1]) in act.ports
