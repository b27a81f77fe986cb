"""A control connection is kept while a phone is registered, and while a call lives."""

from __future__ import annotations

import pytest
from connection import Connection
from sip_messages import OFFER, SIP, A, X, invite, ok, request, response
from test_sip_signalling import accepted, register

from fwhelpers.api import Event, Keep
from fwhelpers.engine.inspector import Active
from fwhelpers.testing.playbook import flow_of, new_parser

OWN = f"<sip:a@{A}:40000>"


def kept(*messages: tuple[bytes, bool], l4: str = "udp", **settings: int) -> list[int]:
    parser = new_parser(SIP, flow_of(SIP, l4), settings)
    events: list[Event] = []
    for message in messages:
        events += parser.feed(*message)
    return [event.seconds for event in events if isinstance(event, Keep)]


def test_a_registered_phone_can_be_called_at_its_own_port() -> None:
    assert kept((register(OWN), False), (accepted(), True)) == [600]
    assert kept((register(OWN, extra=""), False), (accepted(OWN + ";expires=60"), True)) == [60]
    assert kept((register(OWN, extra="Expires: 99999"), False), (accepted(), True)) == [7200]


@pytest.mark.parametrize(
    "contact", [OWN + ";expires=0", "*", f"<sip:a@{A}:5066>", f"<sip:a@{X}:5066>"]
)
def test_other_registrations_keep_nothing(contact: str) -> None:
    assert kept((register(contact), False), (accepted(), True)) == []
    refused = response(403, "REGISTER")
    assert kept((register(OWN), False), (refused, True)) == []
    assert kept((accepted(), True)) == []


def test_a_call_is_kept_for_an_hour() -> None:
    call = (invite(OFFER), False), (ok(), True)
    assert kept(*call) == [3600]
    assert kept(*call, keep=60) == [60]
    assert kept((invite(OFFER), False), (response(180, "INVITE"), True)) == []
    assert kept((request("OPTIONS"), False), (ok(method="OPTIONS"), True)) == []


def test_a_forged_response_keeps_no_entry() -> None:
    """Responses on a connection of their own may describe media: nobody has asked for them there."""
    flow = Connection(SIP, "udp", f"{A}:40000", "10.0.2.2:5060")
    for ctinfo in (2, 1, 0):
        detour = ok(OFFER, via=f"SIP/2.0/UDP 10.0.2.2:5060;branch=z9hG4bK{ctinfo}")
        packet = flow.packet(detour, False)
        packet.ctinfo, packet.timeout = ctinfo, 30
        timeout = flow.send(packet).timeout
        assert timeout is not None
        assert (timeout > 3000) is (ctinfo == 0), "otherwise as long as the expectations"


@pytest.mark.parametrize("seconds", [0, 600, 3600])
def test_conntrack_keeps_the_entry(seconds: int) -> None:
    active = Active(SIP, {"keep": seconds})
    flow = Connection(SIP, "udp", f"{A}:40000", "10.0.2.2:5060", active=active)
    flow.c(invite())
    timeout = flow.s(ok()).timeout
    # the entry has 300 seconds already
    assert timeout is None if seconds < 300 else timeout is not None and timeout >= seconds
