"""Targets that feed conversations to the parsers of all helpers, alone and through the engine."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress

from connection import Connection

from fuzz import framing
from fwhelpers.api import (
    Cancel,
    Done,
    Drop,
    Endpoint,
    Expect,
    Flow,
    Helper,
    Keep,
    ParseError,
    Refuse,
    Resize,
    Rewrite,
    Used,
)
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.kernel.nfqueue import LOCAL_OUT
from fwhelpers.testing.invariants import check_bounds
from fwhelpers.testing.playbook import new_parser, settings_of

EVENTS = (Cancel, Done, Drop, Expect, Keep, Refuse, Resize, Rewrite, Used)
CLIENTS = {4: "10.0.1.2", 6: "fe80::2"}
SERVERS = {4: "10.0.2.2", 6: "fd02::2"}


class OneLink:
    """A lookup with one network, on every interface."""

    def __call__(self, index: int) -> Sequence[Prefix]:
        return [Prefix(Endpoint.parse("10.0.1.0").addr, 24)]

    def own(self, addr: bytes) -> bool:
        return False


def ends(helper: Helper, l4: str) -> tuple[Endpoint, Endpoint]:
    """Client and server of a control connection as the rules would assign it."""
    family = helper.families[0]
    port = helper.ports[0]
    client_port = 546 if helper.name == "dhcpv6" else 40000
    server = SERVERS[family]
    if helper.outgoing and l4 == "udp":
        server = str(ipaddress.ip_network(helper.groups[0])[0]) if helper.groups else "10.0.1.255"
        family = 6 if ":" in server else 4
    return Endpoint.parse(CLIENTS[family], client_port), Endpoint.parse(server, port)


def modes(helper: Helper) -> Sequence[str]:
    """The values of guard.address with which the helper's parser differs."""
    third_party = any(policy.third_party for policy in helper.policies)
    return ("peer", "announced", "any-src") if third_party else ("peer",)


def parser_target(helper: Helper, l4: str) -> Callable[[bytes], None]:
    """Feed a conversation to the parser; only ParseError may leave it, and only events."""
    client, server = ends(helper, l4)
    flow = Flow(l4, client, server)
    announcement = Flow(l4, server.at(40000), client, announcement=True)

    def run(data: bytes) -> None:
        flows = [flow, announcement] if helper.listen_for and l4 == "udp" else [flow]
        for each, mode in itertools.product(flows, modes(helper)):
            parser = new_parser(helper, each, address=mode)
            with suppress(ParseError):
                for message, reply in framing.split(data):
                    for event in parser.feed(message, reply):
                        assert isinstance(event, EVENTS), event
            check_bounds(parser)

    return run


def engine_target(helper: Helper, l4: str) -> Callable[[bytes], None]:
    """Send a conversation through the inspector; every packet passes, and only the two ends are named.

    What else a mode of guard.address allows is the helper's own matter.
    """
    client, server = ends(helper, l4)
    own = {client.addr, server.addr}
    settings = settings_of(helper, {})

    def converse(data: bytes, mode: str) -> None:
        connection = Connection(helper, l4, str(client), str(server))
        connection.inspector = Inspector(
            {helper.kernel_name: Active(helper, settings, Limits(address=mode))},
            connection.maker,
            connection.notes.append,
            links=OneLink(),
        )
        if helper.outgoing and l4 == "udp":
            connection.extra = {"hook": LOCAL_OUT}
        for message, reply in framing.split(data):
            verdict = connection.say(message, reply)
            assert verdict.accept or any(n.kind == "dropped" for n in connection.notes)
        failures = [note for note in connection.notes if note.kind == "failed"]
        assert not failures, failures
        for expectation in connection.maker.created:
            assert expectation.tuple.dst in own or mode != "peer"
            assert expectation.tuple.src in own or helper.outgoing or mode != "peer"

    def run(data: bytes) -> None:
        for mode in modes(helper):
            converse(data, mode)

    return run
