"""The chains at priority -150, after conntrack and before DNAT, which assign helpers to connections.

    assign-prerouting   by the configuration, and by firewalld's zones for connections to this host
    assign-forward      by firewalld's policies, which need the zones of both interfaces
    assign-output       both, for connections of this host

The zones' chains try members in firewalld's order and with `goto`: the first member that matches decides, as in
firewalld's own rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fwhelpers.api import Helper
from fwhelpers.config import HelperConfig, limits_by_family
from fwhelpers.config.assignments import (
    FORWARD,
    INPUT,
    OUTPUT,
    Assignment,
    ZoneAssignments,
    ZoneMember,
)
from fwhelpers.kernel import labels
from fwhelpers.ruleset.backend import object_name
from fwhelpers.ruleset.syntax import (
    addresses,
    anonymous_set,
    base_chain,
    chain,
    chain_name,
    comment,
    identifier,
    mac,
    number,
    port_numbers,
    quoted,
    transport,
    wildcard,
)

Enabled = tuple[HelperConfig, Helper]
Section = list[str]

# only the first packet of a connection can assign a helper (nft_ct.c: nft_ct_helper_obj_eval)
_FIRST = "ct state != new return"
_EXPECTED = "ct state != related return"

#: conntrack begins a connection with any segment; our rules require a SYN
SYN = "tcp flags & (fin | syn | rst | ack) == syn"


def assignment(enabled: Sequence[Enabled], scope: ZoneAssignments, label: bool) -> list[Section]:
    """Return the chains. With `label` a connection label marks the connections that get a helper."""
    general = [(c, h) for c, h in enabled if c.general]
    plain = [(c, h) for c, h in general if not h.outgoing]
    outgoing = [(c, h) for c, h in general if h.outgoing]
    chains = {
        "assign": _assign_all(plain, label),
        # forwarded requests need interfaces in the configuration, and those to one host have no helper
        "assign-forwarded": _assign_all(
            [(c, replace(h, unicast=False)) for c, h in outgoing if c.interfaces], label
        ),
        "assign-outgoing": _assign_all(
            [(replace(c, interfaces=()), h) for c, h in outgoing], label
        ),
        "assign-announcements": [
            rule for c, h in outgoing if h.listen_for for rule in _assign_announcements(c, h, label)
        ],
        "assign-redirected": [
            rule
            for c, h in enabled
            if h.redirects
            for rule in _assign_redirected(c, h, scope, label)
        ],
    }
    sections = []
    for name, rules in chains.items():
        if rules:
            state = _EXPECTED if name == "assign-redirected" else _FIRST
            sections.append(chain(name, _PURPOSES[name], [state, *rules]))
    zones = _ZoneChains(enabled, scope, label)
    sections += zones.sections
    for hook, jumps in _BASE_CHAINS.items():
        rules = [f"jump {name}" for name in jumps if chains.get(name) or name in zones.entries]
        if rules:
            name = f"assign-{hook}"
            sections.append(base_chain(name, hook, -150, _PURPOSES[name], rules))
    return sections


_BASE_CHAINS = {
    "prerouting": (
        "assign",
        "assign-redirected",
        "assign-forwarded",
        "assign-announcements",
        "zones-input",
    ),
    "forward": ("zones-forward",),
    "output": ("assign", "assign-redirected", "assign-outgoing", "zones-output"),
}
_PURPOSES = {
    "assign": "helpers of new connections",
    "assign-forwarded": "helpers of forwarded requests to groups and broadcast addresses",
    "assign-outgoing": "helpers of requests of this host to groups and broadcast addresses",
    "assign-announcements": "helpers of announcements that this host receives as member of a group",
    "assign-redirected": "helpers of expected connections that are control connections as well",
    "zones-input": "firewalld: connections to this host, by the zone that they come from",
    "zones-forward": "firewalld: forwarded connections, by the zone that they come from",
    "zones-output": "firewalld: connections of this host, by the zone that they go to",
    "assign-prerouting": "incoming connections, after conntrack and before DNAT",
    "assign-forward": "forwarded connections, after routing has chosen the outgoing interface",
    "assign-output": "connections of this host, after conntrack and before DNAT",
    "in": "firewalld: connections from this zone to this host",
    "out": "firewalld: connections of this host to this zone",
    "from": "firewalld: connections from this zone, by the zone that they go to",
    "between": "firewalld: connections from the first to the second zone",
}


class _ZoneChains:
    """Builds the chains of firewalld's zones. The base chains jump to those in `entries`."""

    def __init__(self, enabled: Sequence[Enabled], scope: ZoneAssignments, label: bool) -> None:
        self._enabled = {helper.name: (config, helper) for config, helper in enabled}
        self._scope = scope
        self._label = label
        self.entries: set[str] = set()
        self.sections: list[Section] = []
        acts = [act for act in scope.assignments if act.helper in self._enabled]
        # the interface lo belongs to no zone
        to_us = [_FIRST, 'iifname "lo" return', "fib daddr type != local return"]
        self._side(INPUT, "in", "iifname", "saddr", to_us, acts)
        self._side(OUTPUT, "out", "oifname", "daddr", [_FIRST, 'oifname "lo" return'], acts)
        self._between([act for act in acts if act.path == FORWARD])

    def _side(
        self,
        path: str,
        prefix: str,
        interface: str,
        field: str,
        start: Section,
        acts: list[Assignment],
    ) -> None:
        by_zone = _grouped((act.source or act.target, act) for act in acts if act.path == path)
        for zone, some in by_zone.items():
            self._zone(f"{prefix}.{zone}", _PURPOSES[prefix], some)
        self._entry(f"zones-{path}", start, self._dispatch(interface, field, prefix, by_zone))

    def _between(self, acts: list[Assignment]) -> None:
        by_source = _grouped((act.source, act) for act in acts)
        for source, some in by_source.items():
            by_target = _grouped((act.target, act) for act in some)
            for target, acting in by_target.items():
                self._zone(f"fwd.{source}.{target}", _PURPOSES["between"], acting)
            onward = self._dispatch("oifname", "daddr", f"fwd.{source}", by_target)
            self.sections.append(chain(f"fwd.{source}", _PURPOSES["from"], list(onward)))
        onward = self._dispatch("iifname", "saddr", "fwd", by_source)
        self._entry("zones-forward", [_FIRST], onward)

    def _entry(self, name: str, start: Section, dispatch: Iterable[str]) -> None:
        rules = list(dispatch)
        if rules:
            self.entries.add(name)
            self.sections.append(chain(name, _PURPOSES[name], [*start, *rules]))

    def _zone(self, name: str, purpose: str, acts: Iterable[Assignment]) -> None:
        rules = dict.fromkeys(rule for act in acts for rule in self._rules(act))
        self.sections.append(chain(name, purpose, list(rules)))

    def _rules(self, act: Assignment) -> Iterator[str]:
        config, helper = self._enabled[act.helper]
        limits = replace(
            config,
            interfaces=(),
            sources=act.sources,
            destinations=act.destinations,
            families=tuple(f for f in act.families if f in config.families),
        )
        for l4 in helper.l4s:
            ports = tuple(port for port, over in act.ports if over == l4)
            if ports:
                yield from _assign(replace(limits, ports=ports), helper, l4, self._label)

    def _dispatch(
        self, interface: str, field: str, prefix: str, zones: Mapping[str, object]
    ) -> Iterator[str]:
        """Yield a rule for each member, also of zones without helpers: the first member that matches decides."""
        if not zones:
            return
        for member in self._scope.members:
            target = (
                f"goto {chain_name(f'{prefix}.{member.zone}')}"
                if member.zone in zones
                else "return"
            )
            for match in _member(member, interface, field):
                yield f"{match} {target}".lstrip()


def _member(member: ZoneMember, interface: str, field: str) -> Iterator[str]:
    if member.interface:
        yield f"{interface} {wildcard(member.interface)}"
    for family in (4, 6):
        yield from addresses(family, field, [n for n in member.networks if n.version == family])
    if member.macs and field == "saddr":  # the destination's hardware address is not resolved yet
        yield f"ether saddr {anonymous_set([mac(address) for address in member.macs])}"
    if not (member.interface or member.networks or member.macs):
        yield ""


def _grouped(pairs: Iterable[tuple[str, Assignment]]) -> dict[str, list[Assignment]]:
    groups: dict[str, list[Assignment]] = {}
    for zone, act in pairs:
        groups.setdefault(zone, []).append(act)
    return groups


def _assign_all(enabled: Sequence[Enabled], label: bool) -> list[str]:
    return [
        rule
        for config, helper in enabled
        for l4 in helper.l4s
        for rule in _assign(config, helper, l4, label)
    ]


def _assign(config: HelperConfig, helper: Helper, l4: str, label: bool) -> Iterator[str]:
    ports = f"{transport(l4)} dport {anonymous_set(port_numbers(config.ports))}"
    if l4 == "tcp" and not config.settings.get("pickup", False):
        ports = f"{ports} {SYN}"
    traffic = "request" if helper.outgoing else "control"
    if config.backend == "kernel":  # nothing is inspected, so no worker needs labels
        label, traffic = False, f"{traffic}, by the kernel"
    for where in _targets(config, helper) if helper.outgoing else _where(config):
        match = " ".join([*incoming(config.interfaces), *where, ports])
        yield f"{match} {_set_helper(helper, l4, label, traffic)}"


def _set_helper(helper: Helper, l4: str, label: bool, traffic: str) -> str:
    mark = f"ct label set {labels.ASSIGNED} " if label else ""
    text = comment(f"fwhelpers: {identifier(helper.name)} {traffic}")
    return f'counter {mark}ct helper set "{object_name(helper, l4)}" {text}'


def _assign_redirected(
    config: HelperConfig, helper: Helper, scope: ZoneAssignments, label: bool
) -> Iterator[str]:
    """Yield rules for expected connections to the helper's own ports, which masters redirect to."""
    ports = {*(config.ports if config.general else ()), *scope.ports(helper.name)}
    # the match `ct helper` compares the master's helper (nft_ct.c, nft_ct_get_eval)
    master = f'ct helper "{identifier(helper.kernel_name)}"'
    for l4 in helper.l4s if ports else ():
        match = f"{master} {transport(l4)} dport {anonymous_set(port_numbers(ports))}"
        if l4 == "tcp":
            match = f"{match} {SYN}"
        yield f"{match} {_set_helper(helper, l4, label, 'redirected control')}"


def _assign_announcements(config: HelperConfig, helper: Helper, label: bool) -> Iterator[str]:
    """Yield rules for announcements to a group that this host receives; `sources` does not limit them."""
    prefix = f"@ih,0,{8 * len(helper.listen_for)} {int.from_bytes(helper.listen_for, 'big'):#x}"
    ports = f"udp dport {anonymous_set(port_numbers(config.ports))}"
    to_group = replace(helper, broadcast=False, unicast=False)
    for where in _targets(replace(config, sources=()), to_group):
        match = " ".join([*incoming(config.interfaces), *where, ports, prefix])
        yield f"{match} {_set_helper(helper, 'udp', label, 'announcement')}"


def _targets(config: HelperConfig, helper: Helper) -> Iterator[list[str]]:
    """Yield matches on the destinations of requests: groups by family, broadcast addresses, single hosts."""
    groups = [ipaddress.ip_network(group) for group in helper.groups]
    for family, sources, destinations in limits_by_family(config):
        limits = [
            *addresses(family, "saddr", sources),
            *addresses(family, "daddr", destinations),
        ]
        target = [group for group in groups if group.version == family]
        if target:
            yield [*limits, *addresses(family, "daddr", target)]
        if helper.broadcast and family == 4:
            yield [*(limits or ["meta nfproto ipv4"]), "fib daddr type broadcast"]
        if helper.unicast:
            one_family = [f"meta nfproto ipv{number(family, 4, 6)}"]
            yield [*(limits or one_family), "fib daddr type unicast"]


def incoming(interfaces: Sequence[str]) -> Iterator[str]:
    """Yield a match on the incoming interface, nothing without interfaces."""
    if interfaces:
        yield f"iifname {anonymous_set([quoted(name) for name in sorted(interfaces)])}"


def _where(config: HelperConfig) -> Iterator[list[str]]:
    if not config.sources and not config.destinations and set(config.families) == {4, 6}:
        yield []
        return
    for family, sources, destinations in limits_by_family(config):
        source = addresses(family, "saddr", sources)
        destination = addresses(family, "daddr", destinations)
        yield [*source, *destination] or [f"meta nfproto ipv{number(family, 4, 6)}"]
