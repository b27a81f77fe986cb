"""SCCP and MGCP through the engine: what the other end reads behind NAT, byte by byte, and what opens."""

from __future__ import annotations

import mgcp_messages as mgcp
import pytest
from connection import Connection, FakeMaker, show
from fwhelpers_plugins.sccp.messages import HEADER
from media import text_of
from sccp_messages import NEW, OLD, OTHER, PHONE, SCCP, ack, opened, register, start, started

from fwhelpers.api import Endpoint, Helper
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active

OUTSIDE = Endpoint.parse("192.0.2.1", PHONE.port)


def behind_nat(helper: Helper, l4: str, server: str, taken: tuple[int, ...] = ()) -> Connection:
    port = helper.ports[0]
    maker = FakeMaker(errors=lambda e: 17 if e.tuple.dport in taken else 0)  # EEXIST
    active = Active(helper, {}, Limits(address="announced"))
    return Connection(
        helper, l4, f"10.0.1.2:{port}", server, seen_client=f"192.0.2.1:{port}", maker=maker, active=active
    )  # fmt: skip


def outcome(flow: Connection) -> set[str]:
    return {show(expectation.tuple) for expectation in flow.maker.created}


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_phone_s_answer_names_its_translated_address(version: int) -> None:
    flow = behind_nat(SCCP, "tcp", "10.0.2.2:2000")
    flow.c(register(version))
    flow.s(opened(version=version))
    assert text_of(flow.c(ack(version=version)), "tcp") == ack(OUTSIDE, version=version)
    # addresses of hosts that the gateway does not translate stay
    assert text_of(flow.s(start(version=version)), "tcp") == b""
    assert outcome(flow) >= {
        "10.0.3.3 > 192.0.2.1:16384", "10.0.3.3 > 192.0.2.1:16385",
        "10.0.1.2 > 10.0.3.3:20000", "10.0.1.2 > 10.0.3.3:20001",
    }  # fmt: skip


def test_a_port_that_is_taken_is_replaced_with_the_next_one() -> None:
    flow = behind_nat(SCCP, "tcp", "10.0.2.2:2000", taken=(16385,))
    flow.c(register())
    flow.s(opened())
    assert text_of(flow.c(ack()), "tcp") == ack(OUTSIDE.at(16386))
    assert outcome(flow) >= {"10.0.2.2 > 192.0.2.1:16386", "10.0.2.2 > 192.0.2.1:16387"}


def test_the_acknowledgement_of_a_start_names_the_translated_address_too() -> None:
    flow = behind_nat(SCCP, "tcp", "10.0.2.2:2000")
    flow.c(register(NEW))
    flow.s(opened(version=NEW))
    flow.c(ack(version=NEW))
    flow.s(start(version=NEW))
    text = text_of(flow.c(started()), "tcp")
    assert text == started(OUTSIDE)
    assert text[:HEADER] == started()[:HEADER]


def test_a_gateway_s_description_names_its_translated_address() -> None:
    flow = behind_nat(mgcp.MGCP, "udp", "10.0.2.2:2727", taken=(16385,))
    flow.c(mgcp.command("RSIP", 9, "RM: restart"))
    flow.s(mgcp.crcx())
    outside = mgcp.created(body=mgcp.sdp("192.0.2.1", 16386))
    assert text_of(flow.c(mgcp.created())) == outside
    text = mgcp.mdcx(body=mgcp.sdp(OTHER.host, OTHER.port))
    assert text_of(flow.s(text)) == b""
    assert outcome(flow) >= {
        "10.0.3.3 > 192.0.2.1:16386", "10.0.3.3 > 192.0.2.1:16387",
        "10.0.1.2 > 10.0.3.3:20000", "10.0.1.2 > 10.0.3.3:20001",
    }  # fmt: skip
