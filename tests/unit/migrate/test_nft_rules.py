from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.iptables import Match, Unsupported
from fwhelpers.migrate.limits import ANY, OWN, Assignment
from fwhelpers.migrate.nft_rules import read
from fwhelpers.migrate.notes import Origin


def rules(rule: str, family: str = "inet", hook: str = "prerouting", l3: str = "") -> list[object]:
    text = (
        f'table {family} raw {{\nct helper h {{\ntype "ftp" protocol tcp\n{l3}\n}}\n'
        f"chain c {{ type filter hook {hook} priority raw;\n{rule}\n}}\n}}\n"
    )
    return list(read("f", text))


def assignment_of(
    rule: str, family: str = "inet", hook: str = "prerouting", l3: str = ""
) -> Assignment:
    (assignment,) = rules(f'{rule} ct helper set "h"', family, hook, l3)
    assert isinstance(assignment, Assignment)
    return assignment


def test_a_rule() -> None:
    assert assignment_of("tcp dport 21") == Assignment(
        "ftp", "tcp", Origin("f", 7), frozenset({4, 6}), frozenset({21}), frozenset({ANY})
    )


def test_everything_that_has_a_key() -> None:
    assignment = assignment_of(
        'iifname { "e0", "e1" } ip saddr != { 10.0.0.1 }'.replace("!= ", "")
        + " ip daddr == 10.2.0.0/16 meta l4proto { tcp, udp } tcp dport { 21, 30-31 } ct state new,established"
        ' counter packets 1 bytes 2 comment "a, b"'
    )
    assert assignment.interfaces == {"e0", "e1"}
    assert assignment.sources == {ip_network("10.0.0.1")}
    assert assignment.destinations == {ip_network("10.2.0.0/16")}
    assert assignment.ports == {21, 30, 31}
    assert assignment.families == {4}


@pytest.mark.parametrize(
    ("family", "l3", "rule", "expected"),
    [
        ("inet", "", "meta nfproto ipv6", {6}),
        ("ip6", "", "", {6}),
        ("ip", "", "ip protocol tcp", {4}),
        ("inet", "l3proto ip", "", {4}),
        ("inet", "", "ip6 daddr fd00::/64", {6}),
    ],
)
def test_families(family: str, l3: str, rule: str, expected: set[int]) -> None:
    assert assignment_of(f"{rule} th dport 21", family, l3=l3).families == expected


def test_the_output_hook_is_this_host() -> None:
    assert assignment_of("tcp dport 21", hook="output").interfaces == {OWN}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("tcp dport != 21", "there is no key for !="),
        ("tcp dport $P", "$P is a variable"),
        ("ip saddr @s tcp dport 21", "@s is a named set"),
        ("tcp sport 20", "there is no key for tcp sport"),
        ("udp dport 21", "protocol tcp has no helper"),
        ("meta mark 1 tcp dport 21", "there is no key for meta mark"),
        ("ct state established tcp dport 21", "its state excludes the first packet"),
        ('iifname "e*" tcp dport 21', "e* is a pattern"),
        ("", "it has no port"),
        ("tcp dport", "ct is not a port number"),
    ],
)
def test_what_has_no_key(rule: str, why: str) -> None:
    (finding,) = rules(f'{rule} ct helper set "h"')
    assert isinstance(finding, Unsupported)
    assert (finding.helper, finding.why.startswith(why)) == ("ftp", True), finding.why


def test_a_set_that_is_never_closed() -> None:
    head = 'add ct helper raw h { type "ftp" protocol tcp; }\n'
    (finding,) = read("f", head + 'add rule raw prerouting ct helper set "h" ip saddr { 10.0.0.1')
    assert isinstance(finding, Unsupported)
    assert finding.why == "a set without an end"


def test_a_helper_that_is_not_there() -> None:
    (finding,) = rules('tcp dport 21 ct helper set "other"')
    assert isinstance(finding, Unsupported)
    assert finding.helper == "a helper"


def test_rules_that_look_for_a_helper() -> None:
    assert rules('ct state related ct helper "ftp" accept') == [Match("ftp", Origin("f", 7))]


WORDS = st.lists(
    st.sampled_from(["ct helper set", '"h"', "tcp dport", "21", "{", "}", ",", "ip saddr", "10.0.0.1", "counter",
                     "iifname", "comment", "meta", "==", "ct state", "new", "set", "\n"])
).map(" ".join)  # fmt: skip


@given(WORDS)
def test_any_rule_is_taken_or_left(text: str) -> None:
    for finding in rules(text):
        assert isinstance(finding, (Assignment, Unsupported, Match))
