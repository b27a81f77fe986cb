"""Which connections get which helper: the chains at -150, after conntrack and before DNAT.

    assign-prerouting   what the configuration says; what firewalld's zones say of connections to this host
    assign-forward      what firewalld's policies say, for which both zones must be known
    assign-output       the same for what this host asks

A zone's members are asked in firewalld's order and with `goto`, so the first that fits decides, as in its own rules.
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
from fwhelpers.ruleset.syntax import (
    addresses,
    anonymous_set,
    base_chain,
    block,
    chain,
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

# only a connection's first packet can give it one (nft_ct.c: nft_ct_helper_obj_eval)
_FIRST = "ct state != new return"
_EXPECTED = "ct state != related return"

#: conntrack takes any segment for the beginning of a connection that it does not know, the rules do not
SYN = "tcp flags & (fin | syn | rst | ack) == syn"


def assignment(enabled: Sequence[Enabled], scope: ZoneAssignments, label: bool) -> list[Section]:
    """The chains; `label` marks what gets a helper as ours to inspect."""
    general = [one for one in enabled if one[0].general]
    plain = [one for one in general if not one[1].outgoing]
    asking = [one for one in general if one[1].outgoing]
    chains = {
        "assign": _assign_all(plain, label),
        # requests to groups and broadcast addresses: of others only where the configuration says so
        "assign-forwarded": _assign_all([_to_many(*o) for o in asking if o[0].interfaces], label),
        "assign-outgoing": _assign_all([(replace(c, interfaces=()), h) for c, h in asking], label),
        "assign-heard": [r for c, h in asking if h.listen_for for r in _assign_heard(c, h, label)],
    }
    sections = [block(f"chain {n}", [_FIRST, *rules]) for n, rules in chains.items() if rules]
    chains["assign-redirected"] = [
        rule for c, h in enabled if h.redirects for rule in _assign_redirected(c, h, scope, label)
    ]
    if chains["assign-redirected"]:
        rules = [_EXPECTED, *chains["assign-redirected"]]
        sections.append(block("chain assign-redirected", rules))
    zones = _ZoneChains(enabled, scope, label)
    sections += zones.sections
    for hook, jumps in _ASSIGNING.items():
        rules = [f"jump {name}" for name in jumps if chains.get(name) or name in zones.entries]
        if rules:
            sections.append(base_chain(f"assign-{hook}", hook, -150, rules))
    return sections


_ASSIGNING = {
    "prerouting": (
        "assign",
        "assign-redirected",
        "assign-forwarded",
        "assign-heard",
        "zones-input",
    ),
    "forward": ("zones-forward",),
    "output": ("assign", "assign-redirected", "assign-outgoing", "zones-output"),
}


class _ZoneChains:
    """The chains that a scope makes; those in `entries` are jumped to."""

    def __init__(self, enabled: Sequence[Enabled], scope: ZoneAssignments, label: bool) -> None:
        self._enabled = {helper.name: (config, helper) for config, helper in enabled}
        self._scope = scope
        self._label = label
        self.entries: set[str] = set()
        self.sections: list[Section] = []
        known = [act for act in scope.assignments if act.helper in self._enabled]
        # a packet on lo belongs to no zone; its way through this host's own addresses neither
        to_us = [_FIRST, 'iifname "lo" return', "fib daddr type != local return"]
        self._side(INPUT, "in", "iifname", "saddr", to_us, known)
        self._side(OUTPUT, "out", "oifname", "daddr", [_FIRST, 'oifname "lo" return'], known)
        self._between([act for act in known if act.path == FORWARD])

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
            self._zone(f"{prefix}.{zone}", some)
        self._entry(f"zones-{path}", start, self._dispatch(interface, field, prefix, by_zone))

    def _between(self, acts: list[Assignment]) -> None:
        by_source = _grouped((act.source, act) for act in acts)
        for source, some in by_source.items():
            by_target = _grouped((act.target, act) for act in some)
            for target, acting in by_target.items():
                self._zone(f"fwd.{source}.{target}", acting)
            onward = self._dispatch("oifname", "daddr", f"fwd.{source}", by_target)
            self.sections.append(block(f"chain {chain(f'fwd.{source}')}", list(onward)))
        onward = self._dispatch("iifname", "saddr", "fwd", by_source)
        self._entry("zones-forward", [_FIRST], onward)

    def _entry(self, name: str, start: Section, dispatch: Iterable[str]) -> None:
        rules = list(dispatch)
        if rules:
            self.entries.add(name)
            self.sections.append(block(f"chain {name}", [*start, *rules]))

    def _zone(self, name: str, acts: Iterable[Assignment]) -> None:
        rules = dict.fromkeys(rule for act in acts for rule in self._rules(act))
        self.sections.append(block(f"chain {chain(name)}", list(rules)))

    def _rules(self, act: Assignment) -> Iterator[str]:
        config, helper = self._enabled[act.helper]
        limits = replace(
            config, interfaces=(), sources=act.sources, destinations=act.destinations,
            families=tuple(f for f in act.families if f in config.families),
        )  # fmt: skip
        for l4 in helper.l4s:
            ports = tuple(port for port, over in act.ports if over == l4)
            if ports:
                yield from _assign(replace(limits, ports=ports), helper, l4, self._label)

    def _dispatch(
        self, interface: str, field: str, prefix: str, zones: Mapping[str, object]
    ) -> Iterator[str]:
        """Where members go; those before the last that matters are needed too, since the first that fits decides."""
        if not zones:
            return
        for member in self._scope.members:
            target = (
                f"goto {chain(f'{prefix}.{member.zone}')}" if member.zone in zones else "return"
            )
            for match in _member(member, interface, field):
                yield f"{match} {target}".lstrip()


def _member(member: ZoneMember, interface: str, field: str) -> Iterator[str]:
    if member.interface:
        yield f"{interface} {wildcard(member.interface)}"
    for family in (4, 6):
        yield from addresses(family, field, [n for n in member.networks if n.version == family])
    if member.macs and field == "saddr":  # where it goes, no packet has a hardware address yet
        yield f"ether saddr {anonymous_set([mac(address) for address in member.macs])}"
    if not (member.interface or member.networks or member.macs):
        yield ""


def _grouped(pairs: Iterable[tuple[str, Assignment]]) -> dict[str, list[Assignment]]:
    found: dict[str, list[Assignment]] = {}
    for zone, act in pairs:
        found.setdefault(zone, []).append(act)
    return found


def object_name(helper: Helper, l4: str) -> str:
    """The name of a helper's nftables object."""
    return identifier(f"{helper.name}-{transport(l4)}")


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
    mark = f" ct label set {labels.ASSIGNED}" if label else ""
    for where in _targets(config, helper) if helper.outgoing else _where(config):
        match = [*incoming(config.interfaces), *where, ports]
        yield f'{" ".join(match)} counter{mark} ct helper set "{object_name(helper, l4)}"'


def _assign_redirected(
    config: HelperConfig, helper: Helper, scope: ZoneAssignments, label: bool
) -> Iterator[str]:
    """Expected connections to the helper's own ports, wherever the master was redirected to."""
    ports = {*(config.ports if config.general else ()), *scope.ports(helper.name)}
    mark = f" ct label set {labels.ASSIGNED}" if label else ""
    # as a match `ct helper` is the master's (nft_ct.c, nft_ct_get_eval)
    master = f'ct helper "{identifier(helper.kernel_name)}"'
    for l4 in helper.l4s if ports else ():
        match = f"{master} {transport(l4)} dport {anonymous_set(port_numbers(ports))}"
        if l4 == "tcp":
            match = f"{match} {SYN}"
        yield f'{match} counter{mark} ct helper set "{object_name(helper, l4)}"'


def _assign_heard(config: HelperConfig, helper: Helper, label: bool) -> Iterator[str]:
    """What others announce to a group, and this host hears; who asks does not matter here."""
    mark = f" ct label set {labels.ASSIGNED}" if label else ""
    begins = f"@ih,0,{8 * len(helper.listen_for)} {int.from_bytes(helper.listen_for, 'big'):#x}"
    ports = f"udp dport {anonymous_set(port_numbers(config.ports))}"
    for where in _targets(
        replace(config, sources=()), replace(helper, broadcast=False, unicast=False)
    ):
        match = [*incoming(config.interfaces), *where, ports]
        assign = f'ct helper set "{object_name(helper, "udp")}"'
        yield f"{' '.join(match)} {begins} counter{mark} {assign}"


def _targets(config: HelperConfig, helper: Helper) -> Iterator[list[str]]:
    """Where requests go to: groups by family, broadcast addresses, single hosts."""
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


def _to_many(config: HelperConfig, helper: Helper) -> Enabled:
    """Without the requests to one host: those of this host alone count."""
    return config, replace(helper, unicast=False)


def incoming(interfaces: Sequence[str]) -> Iterator[str]:
    """A match on where a packet came in, unless there are no interfaces."""
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
