"""The facts beside the answer."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from cli_explain import EXPECTATION, HELPER, MASTER

from fwhelpers.cli.explain import facts
from fwhelpers.cli.explain.facts import describe_accept, describe_decision, zone_of
from fwhelpers.cli.explain.matching import Truth
from fwhelpers.cli.explain.question import Question
from fwhelpers.cli.explain.rule_walk import ACCEPT, MAYBE, Decision, Step
from fwhelpers.cli.explain.sources import State
from fwhelpers.firewalld.model import Snapshot, Zone

QUESTION = Question(ip_address("10.0.1.2"), ip_address("10.0.2.2"), 5)
ZONES = Snapshot(
    "public",
    {
        "public": Zone("public", ("wan",)),
        "home": Zone("home", ("lan",)),
        "vpn": Zone("vpn", ("tun+",)),
        "office": Zone("office", (), ("10.9.0.0/16", "00:11:22:33:44:55", "ipset:x")),
        "guests": Zone("guests", (), ("ipset:guests", "ipset:gone"), priority=-5),
        "late": Zone("late", ("lan",), ("10.9.2.0/24",), priority=5),
    },
    ipsets={"guests": ("10.9.3.0/24", "10.8.0.1-10.8.0.9"), "x": ()},
)


def collect(state: State) -> dict[str, list[str]]:
    topics: dict[str, list[str]] = {}
    for topic, text in facts.collect(QUESTION, state, None, []):
        topics.setdefault(topic, []).append(text)
    return topics


@pytest.mark.parametrize(
    ("address", "interface", "zone"),
    [
        ("10.0.1.2", "lan", "home"),
        ("10.0.1.2", "tun7", "vpn"),
        ("10.0.1.2", "eth9", "public"),
        ("10.9.1.2", "lan", "office"),
        ("10.9.2.2", "lan", "office"),
        ("10.8.0.2", "lan", "guests"),
        ("10.9.3.2", "lan", "guests"),
    ],
)
def test_zones(address: str, interface: str, zone: str) -> None:
    assert zone_of(ip_address(address), interface, ZONES) == zone


def test_zones_of_both_hosts(state: State) -> None:
    state.zones = ZONES
    assert collect(state)["zone"] == ["10.0.1.2 is in home (lan)", "10.0.2.2 is in public (wan)"]


def test_expectations_that_nearly_match_are_limited(state: State) -> None:
    state.expectations = [{**EXPECTATION, "destination_port": 2000 + n} for n in range(7)]
    texts = collect(state)["other expectation"]
    assert len(texts) == 6
    assert texts[0] == "ftp: tcp 10.0.1.2:any → 10.0.2.2:2000, pending, 57 s left"
    assert texts[-1] == "and 2 more"


def test_a_helper_that_is_not_ours(state: State) -> None:
    state.entries = [{**MASTER, "helper": "ftp"}, {**MASTER, "helper": "", "master": MASTER}]
    state.modules = ["nf_conntrack_ftp", "nf_conntrack_sip"]
    topics = collect(state)
    assert topics["control"] == ["tcp 10.0.1.2:41234 → 10.0.2.2:21: helper ftp, which is not ours"]
    assert topics["kernel helpers"][0].startswith("nf_conntrack_ftp, nf_conntrack_sip: present")
    assert topics["expected"] == [
        "tcp 10.0.1.2:41234 → 10.0.2.2:21 by 10.0.1.2:41234 → 10.0.2.2:21"
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "ftp listens between these hosts, at tcp 21 of 10.0.2.2"),
        ({"routes": {}}, "at tcp 21 of 10.0.2.2 (perhaps) and 10.0.1.2 (perhaps)"),
        ({"helpers": [{**HELPER, "ports": [2121]}]}, "enabled for tcp 2121, but not between these hosts"),
        (
            {"ruleset": None, "helpers": [{**HELPER, "interfaces": ["lan", "dmz"]}]},
            "ftp is enabled for tcp 21 on lan, dmz",
        ),
    ],
)  # fmt: skip
def test_helpers(state: State, changes: dict[str, Any], text: str) -> None:
    for name, value in changes.items():
        setattr(state, name, value)
    assert text in collect(state)["helper"][0]


def test_the_state_of_the_service(state: State) -> None:
    state.service = {"Version": "9", "Steering": "rules", "Problems": {"rpc": "no"}}
    assert collect(state)["problem"] == ["rpc: no"]
    state.service, state.absence = {}, "the service is not running"
    assert collect(state)["service"] == ["the service is not running"]


CHAIN = ("inet", "t", "base")


def test_decisions_name_the_rules_that_may_decide() -> None:
    steps = [Step(ACCEPT, Truth.MAYBE, CHAIN, f"rule {n}") for n in range(7)]
    text = describe_decision(Decision(CHAIN, MAYBE, tuple(steps)))
    assert text.startswith("inet t base may accept or drop it (accept: rule 0; accept: rule 1;")
    assert text.endswith("; and 2 more)")


def test_an_accepted_connection_names_rules_before_policies() -> None:
    policy = Decision(CHAIN, ACCEPT, (Step(ACCEPT, Truth.YES, CHAIN, ""),))
    inner = ("inet", "t", "sub")
    rule = Decision(CHAIN, ACCEPT, (Step(ACCEPT, Truth.YES, inner, "tcp dport 1 accept"),))
    assert describe_accept([policy, rule]) == (
        "inet t base accepts it: tcp dport 1 accept (in sub)"
    )
    assert describe_accept([policy]) == "inet t base accepts it: its policy"
    assert describe_accept([]) == "no rule filters it"
