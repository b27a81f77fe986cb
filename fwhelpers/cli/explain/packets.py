"""The first packet of a connection at each hook that it passes, and what the rules do with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

from fwhelpers.cli.explain.matching import Packet
from fwhelpers.cli.explain.question import Question, Values
from fwhelpers.cli.explain.rule_walk import ACCEPT, DROP, MAYBE, Decision, decide
from fwhelpers.cli.explain.sources import State


@dataclass(frozen=True, slots=True)
class Passage:
    """A packet, and the hooks on its way with what a filter sees there."""

    hooks: tuple[tuple[str, Packet], ...]


def first_packet(question: Question, state: State, expectation: Values | None) -> Passage:
    """Return the passage of a new connection, or of a related one that uses the expectation."""
    arrived = Packet(
        question.transport,
        question.source,
        question.destination,
        question.source_port,
        question.port,
    )
    if expectation is None:
        nat = bool(state.ruleset and _translates(state, question))
        return _passage(arrived, replace(arrived, translated=None if nat else False), state)
    end = expectation.get("nat") or {}
    related = replace(
        arrived,
        related=True,
        master_helper=expectation.get("kernel_name") or expectation["helper"],
        translated=bool(end),
        destination=ip_address(expectation["destination"]),
        port=expectation["destination_port"],
    )
    if not end:
        return _passage(related, related, state)
    final = replace(related, destination=ip_address(end["address"]), port=end["port"])
    return _passage(related, final, state)


def _translates(state: State, question: Question) -> bool:
    """Return whether a rule may change the destination of a new connection."""
    version = question.source.version
    return any(
        state.ruleset.rules.get(key)
        for hook in ("prerouting", "output")
        for key in (state.ruleset.base_chains(hook, version, "nat") if state.ruleset else ())
        if state.ruleset is not None
    )


def _passage(arrived: Packet, final: Packet, state: State) -> Passage:
    inwards, is_source_ours = state.routes.get(str(arrived.source), (None, False))
    outwards, is_ours = state.routes.get(str(final.destination), (None, False))
    if is_source_ours:
        output = replace(final, output_interface=outwards)
        return Passage((("output", output), ("postrouting", output)))
    before = ("prerouting", replace(arrived, input_interface=inwards))
    if is_ours:
        return Passage((before, ("input", replace(final, input_interface=inwards))))
    forward = replace(final, input_interface=inwards, output_interface=outwards)
    return Passage((before, ("forward", forward), ("postrouting", forward)))


def decide_all(state: State, passage: Passage) -> list[Decision]:
    """Return the decisions of all base chains on the way, up to the first certain drop."""
    if state.ruleset is None:
        return []
    decisions: list[Decision] = []
    for hook, packet in passage.hooks:
        decisions += decide(state.ruleset, hook, packet)
        if decisions and decisions[-1].action == DROP:
            break
    return decisions


def overall(decisions: list[Decision]) -> str:
    """Return what becomes of the packet: all chains must accept it."""
    actions = {decision.action for decision in decisions}
    return DROP if DROP in actions else MAYBE if MAYBE in actions else ACCEPT


def control_packets(
    question: Question, state: State, transport: str, port: int
) -> Iterator[tuple[str, Packet, str]]:
    """Yield hook, first packet and server of a control connection in each direction between the hosts."""
    hosts = (question.source, question.destination)
    for client, server in (hosts, hosts[::-1]):
        interface, is_ours = state.routes.get(str(client), (None, False))
        packet = Packet(transport, client, server, None, port)
        if is_ours:
            outwards = state.routes.get(str(server), (None, False))[0]
            yield "output", replace(packet, output_interface=outwards), str(server)
        else:
            yield "prerouting", replace(packet, input_interface=interface), str(server)
