"""The hooks that a first packet passes, and what a filter sees there."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from cli_explain import EXPECTATION

from fwhelpers.cli.explain.packets import control_packets, decide_all, first_packet, overall
from fwhelpers.cli.explain.question import Question
from fwhelpers.cli.explain.rule_walk import ACCEPT, DROP, MAYBE, Decision, Ruleset
from fwhelpers.cli.explain.sources import State

CLIENT, SERVER, GATEWAY = map(ip_address, ("10.0.1.2", "10.0.2.2", "10.0.1.1"))


def chain(name: str, hook: str, kind: str = "filter", policy: str = "accept") -> dict[str, object]:
    place = {"family": "inet", "table": "t", "name": name}
    return {"chain": {**place, "hook": hook, "type": kind, "prio": 0, "policy": policy}}


@pytest.mark.parametrize(
    ("source", "destination", "hooks"),
    [
        (CLIENT, SERVER, ["prerouting", "forward", "postrouting"]),
        (CLIENT, GATEWAY, ["prerouting", "input"]),
        (GATEWAY, CLIENT, ["output", "postrouting"]),
    ],
)
def test_hooks(state: State, source: object, destination: object, hooks: list[str]) -> None:
    question = Question(source, destination, 5)  # type: ignore[arg-type]
    assert [hook for hook, _ in first_packet(question, state, None).hooks] == hooks


def test_interfaces_are_those_of_the_hook(state: State) -> None:
    passage = dict(first_packet(Question(CLIENT, SERVER, 5), state, None).hooks)
    before, forward = passage["prerouting"], passage["forward"]
    assert (before.input_interface, before.output_interface) == ("lan", None)
    assert (forward.input_interface, forward.output_interface) == ("lan", "wan")


def test_filters_see_the_destination_after_nat(state: State) -> None:
    nat = {"destination": "10.0.1.1", "nat": {"address": "10.0.2.2", "port": 2121}}
    question = Question(CLIENT, GATEWAY, 40021)
    passage = dict(first_packet(question, state, {**EXPECTATION, **nat}).hooks)
    assert (passage["prerouting"].destination, passage["prerouting"].port) == (GATEWAY, 40021)
    forward = passage["forward"]
    assert (forward.destination, forward.port, forward.translated) == (SERVER, 2121, True)
    assert (forward.related, forward.master_helper) == (True, "fw-ftp")


def test_nat_rules_may_change_new_connections(state: State) -> None:
    question = Question(CLIENT, SERVER, 5)
    assert first_packet(question, state, None).hooks[1][1].translated is False
    rule = {"family": "inet", "table": "t", "chain": "nat", "handle": 1, "expr": []}
    state.ruleset = Ruleset.parse([chain("nat", "prerouting", "nat"), {"rule": rule}], "")
    assert first_packet(question, state, None).hooks[1][1].translated is None


def test_all_hooks_must_accept(state: State) -> None:
    state.ruleset = Ruleset.parse(
        [
            chain("raw", "prerouting"),
            chain("f", "forward", policy="drop"),
            chain("m", "postrouting"),
        ],
        "",
    )
    decisions = decide_all(state, first_packet(Question(CLIENT, SERVER, 5), state, None))
    assert [(d.chain[2], d.action) for d in decisions] == [("raw", ACCEPT), ("f", DROP)]
    assert overall(decisions) == DROP


def test_the_worst_decision_counts() -> None:
    decisions = [Decision(("inet", "t", "c"), action, ()) for action in (ACCEPT, MAYBE)]
    assert overall(decisions) == MAYBE
    assert overall([]) == ACCEPT


def test_control_connections_in_both_directions(state: State) -> None:
    packets = list(control_packets(Question(CLIENT, GATEWAY, 5), state, "tcp", 21))
    assert [(hook, server) for hook, _, server in packets] == [
        ("prerouting", "10.0.1.1"), ("output", "10.0.1.2"),
    ]  # fmt: skip
