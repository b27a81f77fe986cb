"""firewalld's zones as acts; and that the rules made of them decide as firewalld's documentation says."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers import config, ruleset
from fwhelpers.api import Helper, Parser
from fwhelpers.config import Config
from fwhelpers.config.assignments import INPUT, Assignment, ZoneAssignments, ZoneMember
from fwhelpers.firewalld.assignments import ZoneResult, derive_assignments
from fwhelpers.firewalld.merge import merge_zone_helpers
from fwhelpers.firewalld.model import FirewalldHelper, ForwardPort, Policy, Service, Snapshot, Zone

HELPERS = {
    "rpc": Helper("rpc", ("udp", "tcp"), [111], Parser),
    "ftp": Helper("ftp", "tcp", [21], Parser),
    "ssdp": Helper("ssdp", "udp", [1900], Parser, outgoing=True, groups=("239.255.255.250",)),
}
BOTH = (("111", "tcp"), ("111", "udp"))
ZONE_HELPERS = {
    "fw-rpc": FirewalldHelper("fw-rpc", "nf_conntrack_rpc", BOTH),
    "fw-ftp": FirewalldHelper("fw-ftp", "nf_conntrack_fw_ftp", (("21", "tcp"),)),
    "fw-ssdp": FirewalldHelper("fw-ssdp", "nf_conntrack_ssdp"),
    "ftp": FirewalldHelper("ftp", "nf_conntrack_ftp", (("21", "tcp"),)),
}
SERVICES = {
    "fw-rpc": Service("fw-rpc", BOTH, ("fw-rpc",)),
    "fw-nfs3": Service("fw-nfs3", (("2049", "tcp"),), includes=("fw-rpc", "fw-nfs3")),
    "fw-ftp": Service("fw-ftp", (("20-21", "tcp"),), ("fw-ftp",)),
    "fw-ftp-client": Service("fw-ftp-client", helpers=("fw-ftp",)),
    "fw-ssdp": Service("fw-ssdp", helpers=("fw-ssdp",)),
    "four": Service("four", BOTH, ("fw-rpc",), destinations={"ipv4": "192.0.2.0/24"}),
    "ftp": Service("ftp", (("21", "tcp"),), ("ftp",)),
    "ssh": Service("ssh", (("22", "tcp"),)),
}


def snapshot(*zones: Zone, policies: tuple[Policy, ...] = (), **more: object) -> Snapshot:
    filled = Snapshot(
        "public",
        {zone.name: zone for zone in (Zone("public"), *zones)},
        {policy.name: policy for policy in policies},
        SERVICES,
        ZONE_HELPERS,
    )
    return replace(filled, **more)  # type: ignore[arg-type]


def acts(*zones: Zone, policies: tuple[Policy, ...] = ()) -> tuple[Assignment, ...]:
    return derive_assignments(snapshot(*zones, policies=policies), HELPERS).scope.assignments


RPC = ((111, "tcp"), (111, "udp"))


def test_a_zones_service_acts_for_what_comes_from_there() -> None:
    (act,) = acts(Zone("internal", ("lan",), services=("fw-rpc", "ssh")))
    assert act == Assignment("rpc", "input", RPC, source="internal", reason="service fw-rpc")


def test_included_services_count_and_circles_end() -> None:
    (act,) = acts(Zone("internal", ("lan",), services=("fw-nfs3",)))
    assert (act.helper, act.reason) == ("rpc", "service fw-nfs3")


def test_a_service_without_the_port_is_a_clients() -> None:
    (act,) = acts(Zone("internal", services=("fw-ftp-client",)))
    assert (act.path, act.source, act.target) == ("output", "", "internal")


def test_requests_to_groups_are_what_this_host_asks() -> None:
    (act,) = acts(Zone("home", services=("fw-ssdp",)))
    assert (act.path, act.target, act.ports) == ("output", "home", ((1900, "udp"),))


def test_helpers_of_the_kernel_are_not_ours() -> None:
    assert acts(Zone("internal", services=("ftp", "ssh", "no-such"))) == ()


def test_policies_act_between_zones_from_and_to_this_host() -> None:
    result = acts(
        Zone("internal"),
        policies=(
            Policy("a", ("internal",), ("public",), ("fw-ftp",)),
            Policy("b", ("HOST",), ("ANY",), ("fw-ftp",)),
            Policy("c", ("internal",), ("HOST",), ("fw-ftp",)),
        ),
    )
    assert [(a.path, a.source, a.target) for a in result] == [
        ("forward", "internal", "public"),
        ("output", "", "public"),
        ("output", "", "internal"),
        ("input", "internal", ""),
    ]
    assert result[0].reason == "policy a, service fw-ftp"


def test_any_is_every_zone_but_not_this_host() -> None:
    result = acts(Zone("internal"), policies=(Policy("p", ("ANY",), ("ANY",), ("fw-ftp",)),))
    assert {(a.source, a.target) for a in result} == {
        ("public", "public"), ("public", "internal"), ("internal", "public"), ("internal", "internal"),
    }  # fmt: skip
    assert {a.path for a in result} == {"forward"}


@pytest.mark.parametrize(
    ("forward", "port"),
    [
        (ForwardPort("2121", "tcp", "21", "10.0.2.2"), 2121),
        (ForwardPort("2100-2199", "tcp", "0-99", "10.0.2.2"), 2121),
        (ForwardPort("2121", "udp", "21", "10.0.2.2"), None),
        (ForwardPort("2121", "tcp", "22", "10.0.2.2"), None),
        (ForwardPort("21", "tcp", "", "10.0.2.2"), None),  # has the helper already
    ],
)
def test_forward_ports_are_seen_before_dnat(forward: ForwardPort, port: int | None) -> None:
    result = acts(Zone("internal", services=("fw-ftp",), forward_ports=(forward,)))
    assert {p for act in result for p, _ in act.ports} == {21, *([port] if port else [])}
    assert {act.path for act in result} == {"input"}


def test_a_policy_acts_for_its_zones_forward_ports_as_well() -> None:
    zone = Zone("internal", forward_ports=(ForwardPort("21", "tcp", "", "10.0.2.2"),))
    result = acts(zone, policies=(Policy("p", ("internal",), ("public",), ("fw-ftp",)),))
    assert [(a.path, a.source, a.target) for a in result] == [
        ("forward", "internal", "public"), ("input", "internal", ""),
    ]  # fmt: skip


def test_a_services_destinations_and_families() -> None:
    (act,) = acts(Zone("internal", services=("four",)))
    assert (act.families, act.destinations) == ((4,), (ip_network("192.0.2.0/24"),))


def test_rich_rules_narrow() -> None:
    rule = 'rule family="ipv4" source address="10.9.0.0/16" service name="fw-rpc" log accept'
    (act,) = acts(Zone("internal", rich_rules=(rule,)))
    assert (act.families, act.sources) == ((4,), (ip_network("10.9.0.0/16"),))
    assert act.reason == "rich rule, service fw-rpc"


def test_a_rich_rules_source_is_the_other_side() -> None:
    rule = 'rule source address="10.9.0.0/16" service name="{}" accept'
    zone = Zone("i", rich_rules=(rule.format("fw-ftp-client"), rule.format("fw-ssdp")))
    result = derive_assignments(snapshot(zone), HELPERS)
    (act,) = result.scope.assignments
    assert (act.helper, act.path, act.sources) == ("ftp", "output", ())
    assert act.destinations == (ip_network("10.9.0.0/16"),)
    assert [gap.hint for gap in result.unsupported] == ["requests go to groups: leave it out"]


@pytest.mark.parametrize("rule", [
    'rule service name="fw-rpc" drop', 'rule port port="111" protocol="tcp" accept', "rule '", "",
])  # fmt: skip
def test_rich_rules_that_accept_no_service(rule: str) -> None:
    assert acts(Zone("internal", rich_rules=(rule,))) == ()


@pytest.mark.parametrize(
    "source", ['NOT address="10.0.0.1"', 'ipset="x"', 'mac="00:11:22:33:44:55"']
)
def test_rich_rules_that_can_not_be_followed_are_told(source: str) -> None:
    result = derive_assignments(
        snapshot(Zone("i", rich_rules=(f'rule source {source} service name="fw-rpc" accept',))),
        HELPERS,
    )
    assert result.scope.assignments == ()
    assert [gap.zone for gap in result.unsupported] == ["i"]


def test_what_can_not_be_followed_is_told() -> None:
    zone = Zone("i", ("eth0", "bad name"), ("ipset:a", "ipset:empty", "10.0.0.1"), ("fw-rpc",))
    result = derive_assignments(
        snapshot(zone, ipsets={"a": ("10.0.0.0/8,eth0",), "empty": ()}), HELPERS
    )
    assert [gap.setting for gap in result.unsupported] == ["source ipset:a", "interface 'bad name'"]


def effective(text: str, result: ZoneResult) -> Config:
    merged = config.resolve(config.parse([("f", text)]), HELPERS)
    return merge_zone_helpers(merged, HELPERS, result.scope)


def test_zones_enable_and_the_files_keep_what_they_say() -> None:
    result = derive_assignments(snapshot(Zone("internal", services=("fw-rpc", "fw-ftp"))), HELPERS)
    merged = effective('[helpers.rpc]\nsources = ["10.0.0.0/8"]\n', result)
    assert merged.helpers["rpc"].general
    assert merged.helpers["rpc"].sources == (ip_network("10.0.0.0/8"),)
    assert not merged.helpers["ftp"].general
    assert {act.helper for act in merged.scope.assignments} == {"rpc", "ftp"}


@pytest.mark.parametrize(
    "text", ['[firewalld]\nignore = ["ftp"]', "[helpers.ftp]\nenabled = false"]
)
def test_ignored_and_disabled_helpers_are_not_enabled(text: str) -> None:
    result = derive_assignments(snapshot(Zone("internal", services=("fw-rpc", "fw-ftp"))), HELPERS)
    merged = effective(text, result)
    assert list(merged.helpers) == ["rpc"]
    assert {act.helper for act in merged.scope.assignments} == {"rpc"}


def test_what_zones_enabled_is_inspected_on() -> None:
    """Flows have it still: from all zones it is gone, or from the one that gave it at another port."""
    there = derive_assignments(snapshot(Zone("internal", services=("fw-rpc", "fw-ftp"))), HELPERS)
    before = effective("", there)
    assert before.inspected == before.helpers
    odd = ZoneAssignments(
        (ZoneMember("x"),), (Assignment("ftp", INPUT, ((2121, "tcp"),), source="x"),)
    )
    merged = merge_zone_helpers(
        config.resolve(config.parse([]), HELPERS), HELPERS, odd, before.retained
    )
    assert list(merged.helpers) == ["ftp"]
    assert merged.scope.ports("ftp") == (2121,)
    assert {n: m.ports for n, m in merged.inspected.items()} == {"ftp": (21, 2121), "rpc": (111,)}
    gone = merge_zone_helpers(
        config.resolve(config.parse([]), HELPERS), HELPERS, ZoneAssignments(), merged.retained
    )
    assert gone.helpers == {}
    assert {n: m.ports for n, m in gone.inspected.items()} == {"rpc": (111,), "ftp": (21, 2121)}
    text = ruleset.build(gone, {n: HELPERS[n] for n in gone.inspected}, range(2))
    assert "ct helper set" not in text
    assert text.count("proto-dst { 21, 111, 2121 } tcp flags & syn == 0x0 @ih") == 1


@pytest.mark.parametrize(
    "text", ['[firewalld]\nignore = ["ftp"]', "[helpers.ftp]\nenabled = false"]
)
def test_what_is_switched_off_does_not_last(text: str) -> None:
    result = derive_assignments(snapshot(Zone("internal", services=("fw-rpc", "fw-ftp"))), HELPERS)
    before = effective("", result).retained
    merged = config.resolve(config.parse([("f", text)]), HELPERS)
    assert set(merge_zone_helpers(merged, HELPERS, result.scope, before).inspected) == {"rpc"}
    assert (
        set(
            merge_zone_helpers(merged, {"ftp": HELPERS["ftp"]}, ZoneAssignments(), before).inspected
        )
        == set()
    )


# the order of membership: an interpreter of our own rules against firewalld's documentation

NAMES = ("a", "b", "c")
ADDRESSES = [str(ip_address("10.0.0.0") + n) for n in range(0, 8)]
PREFIXES = ["10.0.0.0/30", "10.0.0.4/30", "10.0.0.0/29", "10.0.0.5/32", "10.0.0.1", "fd00::/64"]
zones_strategy = st.lists(
    st.builds(
        Zone,
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(["eth0", "eth1", "wl+"]), max_size=2, unique=True).map(tuple),
        st.lists(st.sampled_from(PREFIXES), max_size=3, unique=True).map(tuple),
        st.sampled_from([(), ("fw-rpc",)]),
    ),
    unique_by=lambda zone: zone.name,
)


def zone_of(snap: Snapshot, interface: str, address: str) -> str:
    """firewalld.zone(5): a source's zone, else the interface's, else the default one."""
    for name in sorted(snap.zones):
        for source in snap.zones[name].sources:
            if ip_address(address) in ip_network(source):
                return name
    for name in sorted(snap.zones):
        for name_ in snap.zones[name].interfaces:
            if interface == name_ or (name_ == "wl+" and interface.startswith("wl")):
                return name
    return snap.default_zone


def rule_of(text: str, interface: str, address: str) -> str:
    """The chain to which our rules send a packet; empty: to none."""
    chain = re.search(r"chain zones-input \{\n(.*?)\}", text, re.DOTALL)
    for line in chain[1].splitlines()[4:] if chain else ():
        match, verdict = re.fullmatch(r"\t*(.*?) ?(goto \S+|return)", line).groups()
        if fits(match, interface, address):
            return verdict.removeprefix("goto ").removeprefix("return")
    return ""


def fits(match: str, interface: str, address: str) -> bool:
    kind, _, value = match.rpartition(" ")
    value = value.strip('"')
    if kind == "iifname":
        return interface.startswith(value[:-1]) if value.endswith("*") else interface == value
    if kind in ("ip saddr", "ip6 saddr"):
        return ip_address(address) in ip_network(value)
    assert not match, match
    return True


@given(
    zones_strategy,
    st.sampled_from(["public", *NAMES]),
    st.sampled_from(["eth0", "eth1", "wlan0", "tun0"]),
    st.sampled_from(ADDRESSES),
)
def test_rules_decide_as_firewalld_does(
    zones: list[Zone], default: str, interface: str, address: str
) -> None:
    by_name = {name: Zone(name) for name in (*NAMES, "public")} | {
        zone.name: zone for zone in zones
    }
    snap = replace(snapshot(), zones=by_name, default_zone=default)
    merged = effective("", derive_assignments(snap, HELPERS))
    text = ruleset.build(
        merged, {name: HELPERS[name] for name in merged.helpers}, range(1000, 1002)
    )
    zone = zone_of(snap, interface, address)
    chain_name = f"in.{zone}" if by_name[zone].services else ""
    assert rule_of(text, interface, address) == chain_name


@pytest.mark.parametrize(
    "text", ["", "-", "1-", "-1", "abc", "0", "9" * 5000, "1-999999999999", "21-²"]
)
def test_malformed_ports_are_ignored(text: str) -> None:
    service = Service("odd", ports=((text, "tcp"),), helpers=("odd",))
    zone = Zone(
        "i", ("lan",), services=("odd",),
        forward_ports=(ForwardPort(text, "tcp", "21"), ForwardPort("21", "tcp", text)),
    )  # fmt: skip
    helper = FirewalldHelper("odd", "nf_conntrack_ftp", ((text, "tcp"),))
    settings = Snapshot("i", {"i": zone}, services={"odd": service}, helpers={"odd": helper})
    assignments = derive_assignments(settings, HELPERS).scope.assignments
    assert all(1 <= port <= 65535 for a in assignments for port, _ in a.ports)
