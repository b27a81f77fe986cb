"""A packet's way through rules: through a listed ruleset, and against a reference for small ones."""

from __future__ import annotations

import itertools
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.cli.explain import rule_walk
from fwhelpers.cli.explain.matching import Packet, Truth
from fwhelpers.cli.explain.rule_walk import ACCEPT, DROP, MAYBE, Ruleset, assigned_helpers, decide

PACKET = Packet(
    "tcp", ip_address("10.0.1.2"), ip_address("10.0.2.2"), None, 22,
    input_interface="lan", output_interface="wan", translated=False,
)  # fmt: skip
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
RELATED = replace(PACKET, related=True, master_helper="fw-ftp", port=40021)


@pytest.mark.parametrize(
    ("hook", "packet", "action", "rule"),
    [
        ("forward", PACKET, ACCEPT, "tcp dport vmap { 22 : accept, 23 : drop, 6000-6010 : accept }"),
        ("forward", replace(PACKET, port=23), DROP, "tcp dport vmap"),
        ("forward", replace(PACKET, port=6005), ACCEPT, "tcp dport vmap"),
        ("forward", replace(PACKET, port=80), ACCEPT, "ip daddr @good tcp dport 80 accept"),
        ("forward", replace(PACKET, transport="udp", port=53), ACCEPT, "th dport 53"),
        ("forward", replace(PACKET, port=8443), ACCEPT, 'iifname . tcp dport { "lan" . 8443'),
        ("forward", replace(PACKET, port=81), MAYBE, "meta mark 0x00000007 accept"),
        ("forward", RELATED, ACCEPT, 'ct helper "fw-ftp" tcp dport 1024-65535 accept'),
        ("forward", replace(RELATED, port=1000), MAYBE, "meta mark"),
        ("forward", replace(RELATED, master_helper="rpc"), ACCEPT, 'ct helper "rpc"'),
        ("input", replace(PACKET, port=23), DROP, "tcp dport vmap"),
        ("input", replace(PACKET, port=81), ACCEPT, ""),  # goto: back to the policy
        ("input", replace(PACKET, input_interface="wan"), DROP, 'iifname "wan" reject'),
        ("input", RELATED, ACCEPT, "ct state { established, related } accept"),
    ],
)  # fmt: skip
def test_the_listed_ruleset(
    ruleset: Ruleset, hook: str, packet: Packet, action: str, rule: str
) -> None:
    (decision,) = decide(ruleset, hook, packet)
    assert decision.chain == ("inet", "firewall", hook)
    assert decision.action == action
    assert rule in decision.steps[0].rule
    assert decision.steps[-1].truth is (Truth.MAYBE if action == MAYBE else Truth.YES)


def test_counters_are_no_part_of_the_text(ruleset: Ruleset) -> None:
    assert ruleset.texts["inet", "firewall", 22] == 'log prefix "drop: "'


def test_helpers_are_assigned_under_their_names_in_the_kernel(ruleset: Ruleset) -> None:
    control = replace(PACKET, port=21)
    (assigned,) = assigned_helpers(ruleset, "prerouting", control)
    assert (assigned.helper, assigned.truth) == ("fw-ftp", Truth.YES)
    elsewhere = replace(control, input_interface="wan")
    assert assigned_helpers(ruleset, "prerouting", elsewhere) == []
    (unknown,) = assigned_helpers(ruleset, "prerouting", replace(control, input_interface=None))
    assert unknown.truth is Truth.MAYBE


@pytest.mark.parametrize(
    ("statement", "prio", "helpers"),
    [
        ("f", -150, ["ftp"]),
        ("f", -199, ["ftp"]),
        ("f", -300, []),  # before conntrack, without effect
        ({"map": {"key": DPORT, "data": {"set": [[21, "f"], [22, "s"]]}}}, -150, ["sip"]),
        ({"map": {"key": DPORT, "data": {"set": [[21, "f"]]}}}, -150, []),
    ],
)
def test_assignments_that_take_effect(statement: Any, prio: int, helpers: list[str]) -> None:
    place = {"family": "inet", "table": "t"}
    chain = {"name": "c", "type": "filter", "hook": "prerouting", "prio": prio}
    objects: list[dict[str, Any]] = [
        {"ct helper": {**place, "name": "f", "type": "ftp"}},
        {"ct helper": {**place, "name": "s", "type": "sip"}},
        {"chain": {**place, **chain}},
        {"rule": {**place, "chain": "c", "handle": 1, "expr": [{"ct helper": statement}]}},
    ]
    assigned = assigned_helpers(Ruleset.parse(objects, ""), "prerouting", PACKET)
    assert [(a.helper, a.truth) for a in assigned] == [(helper, Truth.YES) for helper in helpers]


def test_our_own_table_decides_nothing(ruleset: Ruleset) -> None:
    assert decide(ruleset, "prerouting", PACKET) == []


def test_an_empty_set_has_no_members() -> None:
    sets = Ruleset.parse([{"set": {"family": "inet", "table": "t", "name": "s"}}], "").sets
    assert sets == {("inet", "t"): {"s": []}}


def test_chains_of_the_other_family_are_left_out() -> None:
    key = {"family": "ip6", "table": "t", "name": "f", "hook": "forward", "type": "filter"}
    drop = Ruleset.parse([{"chain": {**key, "policy": "drop"}}], "")
    assert decide(drop, "forward", PACKET) == []
    assert Ruleset.parse([{"chain": key}], "").base_chains("forward", 6) == [("ip6", "t", "f")]


@pytest.mark.parametrize(
    ("elements", "action"),
    [
        ([[22, {"drop": None}], [{"range": [80, 90]}, {"accept": None}]], DROP),
        ([[{"elem": {"val": 22, "comment": "ssh"}}, {"jump": {"target": "a"}}]], ACCEPT),
        ([[23, {"drop": None}]], ACCEPT),
        ([], ACCEPT),
        (None, MAYBE),
    ],
)
def test_a_named_verdict_map(elements: list[Any] | None, action: str) -> None:
    key = {"payload": {"protocol": "tcp", "field": "dport"}}
    rules = make(
        {"base": [[{"vmap": {"key": key, "data": "@m"}}]], "a": [[{"accept": None}]]}, "accept"
    )
    if elements is not None:
        rules.sets["inet", "t"] = {"m": elements}
    (decision,) = decide(rules, "forward", PACKET)
    assert decision.action == action


def test_a_loop_of_rules_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_walk, "MAX_RULES", 100)
    rules = make({"base": [[{"jump": {"target": "a"}}]] * 3, "a": [[{"jump": {"target": "a"}}]]})
    (decision,) = decide(rules, "forward", PACKET)
    assert decision.action == MAYBE


def make(chains: dict[str, list[list[dict[str, Any]]]], policy: str = "drop") -> Ruleset:
    """Return a ruleset of one table with the base chain `base`."""
    handles = itertools.count(1)
    base = {"hook": "forward", "type": "filter", "prio": 0, "policy": policy}
    objects: list[dict[str, Any]] = []
    for name, rules in chains.items():
        place = {"family": "inet", "table": "t"}
        objects.append({"chain": {**place, "name": name, **(base if name == "base" else {})}})
        for statements in rules:
            rule = {**place, "chain": name, "handle": next(handles), "expr": statements}
            objects.append({"rule": rule})
    return Ruleset.parse(objects, "")


TRUE = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lan"}}
FALSE = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "wan"}}


def mark(number: int) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": number}}


verdicts = st.sampled_from(["accept", "drop", "return", "jump a", "goto a", "jump b", "goto b", ""])
conditions = st.sampled_from([TRUE, FALSE, mark(0), mark(1), mark(2)])
bodies = st.lists(st.tuples(st.lists(conditions, max_size=2), verdicts), max_size=4)


def statement(verdict: str) -> list[dict[str, Any]]:
    name, _, target = verdict.partition(" ")
    return [{name: {"target": target} if target else None}] if name else [{"counter": None}]


def reference(chains: dict[str, Any], name: str, marks: frozenset[int]) -> str:
    """Return the verdict of the kernel's interpreter for a packet with these marks matching; "" for none."""
    for matching, verdict in chains[name]:
        known_true = [
            m is TRUE or (m is not FALSE and m["match"]["right"] in marks) for m in matching
        ]
        if not all(known_true):
            continue
        word, _, target = verdict.partition(" ")
        if word in ("accept", "drop"):
            return word
        if word == "return":
            return ""
        if target:
            result = reference(chains, target, marks)
            if result or word == "goto":
                return result
    return ""


@given(bodies, bodies, bodies)
def test_the_answer_covers_what_the_kernel_may_do(base: Any, a: Any, b: Any) -> None:
    # `b` jumps nowhere and `a` only to `b`, as the kernel forbids loops
    b = [(m, v if not v.endswith((" a", " b")) else "") for m, v in b]
    a = [(m, v if not v.endswith(" a") else "jump b") for m, v in a]
    chains = {"base": base, "a": a, "b": b}
    rules = make({n: [[*m, *statement(v)] for m, v in body] for n, body in chains.items()})
    (decision,) = decide(rules, "forward", PACKET)
    possible = {
        reference(chains, "base", frozenset(marks)) or "drop"
        for size in range(4)
        for marks in itertools.combinations(range(3), size)
    }
    if decision.action in (ACCEPT, DROP):
        assert possible == {decision.action}
    if not any(
        m is not TRUE and m is not FALSE for body in chains.values() for r in body for m in r[0]
    ):
        assert decision.action in possible  # nothing unknown: a certain answer
