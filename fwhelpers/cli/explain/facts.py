"""The facts behind an answer, as topic and text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fwhelpers.cli.explain.matching import Truth
from fwhelpers.cli.explain.packets import control_packets
from fwhelpers.cli.explain.question import (
    Address,
    Question,
    Values,
    expectation_match,
    is_between,
    is_near,
    is_refusal,
)
from fwhelpers.cli.explain.rule_walk import ACCEPT, DROP, Decision, assigned_helpers
from fwhelpers.cli.explain.sources import State
from fwhelpers.cli.status import describe_connection, describe_expected, describe_refusal
from fwhelpers.firewalld.model import Snapshot
from fwhelpers.firewalld.sources import member

MAX_NEAR = 5  #: expectations, refusals and connections that are shown beside the answer

Fact = tuple[str, str]


def collect(
    question: Question, state: State, expectation: Values | None, decisions: list[Decision]
) -> Iterator[Fact]:
    """Yield the facts in the order of reading."""
    yield "connection", str(question)
    yield from _service(state)
    yield from _helpers(question, state)
    yield from _zones(question, state)
    yield from _expectations(question, state, expectation)
    yield from _refusals(question, state)
    yield from _controls(question, state)
    yield from _kernel_helpers(state)
    for decision in decisions:
        yield "rules", describe_decision(decision)
    for source, reason in state.not_queried.items():
        yield "not queried", f"{source}: {reason}"


def _service(state: State) -> Iterator[Fact]:
    if state.service:
        version, steering = state.service["Version"], state.service["Steering"]
        yield "service", f"fwhelpers {version} is running, steering by {steering}"
        for name, problem in state.service["Problems"].items():
            yield "problem", f"{name}: {problem}"
    elif state.service is not None:
        yield "service", state.absence


def _helpers(question: Question, state: State) -> Iterator[Fact]:
    for helper in state.helpers:
        if helper["enabled"]:
            yield "helper", _listens(question, state, helper)


def _listens(question: Question, state: State, helper: Values) -> str:
    where = [(transport, port) for transport in helper["transports"] for port in helper["ports"]]
    shown = ", ".join(f"{transport} {port}" for transport, port in where)
    name = helper["name"]
    if state.ruleset is None:
        interfaces = ", ".join(helper["interfaces"])
        return f"{name} is enabled for {shown}" + (f" on {interfaces}" if interfaces else "")
    reached: dict[str, Truth] = {}
    for transport, port in where:
        for hook, packet, server in control_packets(question, state, transport, port):
            assigned = assigned_helpers(state.ruleset, hook, packet)
            own = (a.truth for a in assigned if a.helper == helper["kernel_name"])
            reached[server] = max(reached.get(server, Truth.NO), *own, Truth.NO)
    servers = [
        server if truth is Truth.YES else f"{server} (perhaps)"
        for server, truth in reached.items()
        if truth is not Truth.NO
    ]
    if not servers:
        return f"{name} is enabled for {shown}, but not between these hosts"
    return f"{name} listens between these hosts, at {shown} of {' and '.join(servers)}"


def _zones(question: Question, state: State) -> Iterator[Fact]:
    if state.zones is None:
        return
    for address in (question.source, question.destination):
        interface, is_ours = state.routes.get(str(address), ("", False))
        if not is_ours:
            zone = zone_of(address, interface, state.zones)
            yield "zone", f"{address} is in {zone}" + (f" ({interface})" if interface else "")


def zone_of(address: Address, interface: str, firewalld: Snapshot) -> str:
    """Return firewalld's zone of a host behind an interface: by source, by interface, or the default."""
    zones = sorted(firewalld.zones.values(), key=lambda zone: (zone.priority, zone.name))
    for zone in zones:
        members = (member(zone.name, source, firewalld.ipsets) for source in zone.sources)
        if any(address in network for m in members if m for network in m.networks):
            return zone.name
    for zone in zones:
        wildcards = (n.removesuffix("+") for n in zone.interfaces if n.endswith("+"))
        if interface in zone.interfaces or any(map(interface.startswith, wildcards)):
            return zone.name
    return firewalld.default_zone


def _expectations(question: Question, state: State, expectation: Values | None) -> Iterator[Fact]:
    if state.expectations is None:
        return
    if expectation is not None:
        yield "expectation", _describe(expectation)
    near = [
        values
        for values in state.expectations
        if not expectation_match(question, values) and is_near(question, values)
    ]
    for values in near[:MAX_NEAR]:
        yield "other expectation", _describe(values)
    if len(near) > MAX_NEAR:
        yield "other expectation", f"and {len(near) - MAX_NEAR} more"


def _describe(values: Values) -> str:
    zone = f", conntrack zone {values['zone']}" if values.get("zone") else ""
    nat = values.get("nat")
    target = f", NAT to {nat['address']} port {nat['port']}" if nat else ""
    used = ", ".join(map(describe_connection, values["connections"]))
    state = f"used by {used}" if used else f"{values['state']}, {values['remaining']} s left"
    inactive = ", inactive" if "inactive" in values.get("flags", ()) else ""
    return f"{values['helper']}: {describe_expected(values)}{target}{zone}{inactive}, {state}"


def _refusals(question: Question, state: State) -> Iterator[Fact]:
    refusals = [v for v in state.refusals or () if is_refusal(question, v)]
    for values in refusals[-MAX_NEAR:]:
        yield "refused", describe_refusal(values)


def controls(question: Question, state: State) -> Iterator[Values]:
    """Yield the connections with a helper between the two hosts."""
    for values in state.entries or ():
        if values["helper"] and is_between(question, values):
            yield values


def _controls(question: Question, state: State) -> Iterator[Fact]:
    ours = {helper["kernel_name"]: helper["name"] for helper in state.helpers}
    for values in list(controls(question, state))[:MAX_NEAR]:
        name = values["helper"]
        owner = f"helper {ours[name]}" if name in ours else f"helper {name}, which is not ours"
        yield "control", f"{values['transport']} {describe_connection(values)}: {owner}"
    data = [v for v in state.entries or () if "master" in v and is_between(question, v)]
    for values in data[:MAX_NEAR]:
        master = describe_connection(values["master"])
        yield "expected", f"{values['transport']} {describe_connection(values)} by {master}"


def _kernel_helpers(state: State) -> Iterator[Fact]:
    if state.modules:
        modules = ", ".join(state.modules)
        yield (
            "kernel helpers",
            f"{modules}: present; a connection that a rule assigns to one keeps it",
        )


def describe_decision(decision: Decision) -> str:
    """Return what a base chain does, and the rules that do or may do it."""
    chain = " ".join(decision.chain)
    first, *rest = decision.steps
    if decision.action in (ACCEPT, DROP) and not rest:
        verb = "accepts" if decision.action == ACCEPT else "drops"
        return f"{chain} {verb} it: {_rule(first.rule, first.chain, decision.chain)}"
    texts = list(
        dict.fromkeys(
            f"{s.action}: {_rule(s.rule, s.chain, decision.chain)}" for s in decision.steps
        )
    )
    verb = {ACCEPT: "accepts it", DROP: "drops it"}.get(decision.action, "may accept or drop it")
    more = f"; and {len(texts) - MAX_NEAR} more" if len(texts) > MAX_NEAR else ""
    return f"{chain} {verb} ({'; '.join(texts[:MAX_NEAR])}{more})"


def _rule(text: str, chain: tuple[str, str, str], base: tuple[str, str, str]) -> str:
    if not text:
        return "its policy"
    return text if chain == base else f"{text} (in {chain[2]})"


def describe_accept(decisions: list[Decision]) -> str:
    """Return the rules that accept a new connection; policies only if there is no rule."""
    by_rule = [d for d in decisions if any(step.rule for step in d.steps)]
    if not decisions:
        return "no rule filters it"
    return "; ".join(map(describe_decision, by_rule or decisions[:1]))
