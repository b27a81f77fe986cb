"""Conversations of H.323 that have begun, and the announcements they lead to."""

from __future__ import annotations

from h323_messages import H323, setup, tpkt

from fwhelpers.api import Endpoint, Expect, Flow
from fwhelpers.testing import Playbook, client
from fwhelpers.testing.playbook import CLIENT, SERVER, new_parser

C, S = CLIENT[4].at(0), SERVER[4].at(0)
OTHER = Endpoint.parse("10.9.9.9", 4000)


def calling(family: int = 4, address: str = "peer") -> Playbook:
    return Playbook(H323, "tcp", family, address) >> client(setup())


def media(source: Endpoint, end: Endpoint, count: int = 1, **fields: object) -> Expect:
    return Expect(
        source, end, "udp", "media", count=count, permanent=True, trigger="H.245", **fields
    )  # type: ignore[arg-type]


def h245(source: Endpoint, end: Endpoint) -> Expect:
    return Expect(source, end, policy="h245", child=True, trigger="h245")


def control_channel(**settings: object) -> Playbook:
    """An H.245 connection, which a call announced."""
    play = Playbook(H323, "tcp", **settings)
    play.flow = Flow("tcp", CLIENT[4], SERVER[4].at(5050))
    play._parser = new_parser(H323, play.flow, settings)
    return play


def as_packets(*messages: bytes) -> bytes:
    return b"".join(map(tpkt, messages))
