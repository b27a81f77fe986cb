"""MGCP and SCCP through the engine: what opens, and what NAT rewrites in either direction."""

from __future__ import annotations

from errno import EEXIST

import mgcp_messages as mgcp
import sccp_messages as sccp
from connection import Connection, FakeMaker, payload_of, show
from media import text_of

from fwhelpers.api import Endpoint, Helper
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.kernel.expect import Expectation

GATEWAY, AGENT = "10.0.1.2:2427", "10.0.2.2:2727"
PHONE, MANAGER = "10.0.1.2:40000", "10.0.2.2:2000"
OUTSIDE = "192.0.2.1"
OTHER = "10.0.3.3"


def connection(
    helper: Helper,
    client: str,
    server: str,
    *,
    taken: tuple[int, ...] = (),
    address: str = "announced",
    seen_client: str = "",
    seen_server: str = "",
) -> Connection:
    def errors(expectation: Expectation) -> int:
        return EEXIST if expectation.tuple.dport in taken else 0

    return Connection(
        helper,
        helper.l4s[0],
        client,
        server,
        seen_client=seen_client,
        seen_server=seen_server,
        active=Active(helper, {}, Limits(address=address)),
        maker=FakeMaker(errors=errors),
    )


def opened(flow: Connection) -> list[tuple[str, int]]:
    """The tuples, and the ports that they lead to."""
    return [(show(e.tuple), e.nat.sport if e.nat else 0) for e in flow.maker.created]


def withdrawn(flow: Connection) -> list[str]:
    return [show(each) for each in flow.maker.released]


# MGCP


def gateway(**options: str | tuple[int, ...]) -> Connection:
    flow = connection(mgcp.MGCP, GATEWAY, AGENT, **options)  # type: ignore[arg-type]
    flow.c(mgcp.command("RSIP", 9, "RM: restart"))
    flow.s(mgcp.response(9))
    return flow


def test_a_gateway_behind_nat() -> None:
    flow = gateway(seen_client=f"{OUTSIDE}:2427")
    flow.s(mgcp.crcx())
    assert text_of(flow.c(mgcp.created())) == mgcp.created(body=mgcp.sdp(OUTSIDE))
    assert opened(flow) == [
        (f"10.0.2.2 > {OUTSIDE}:16384", 16384),
        (f"10.0.2.2 > {OUTSIDE}:16385", 16385),
    ]
    flow.maker.created.clear()
    assert text_of(flow.s(mgcp.mdcx(body=mgcp.sdp(OTHER, 20000)))) == b""
    assert opened(flow) == [
        (f"{OTHER} > {OUTSIDE}:16384", 16384),
        (f"{OTHER} > {OUTSIDE}:16385", 16385),
        (f"10.0.1.2 > {OTHER}:20000", 20000),
        (f"10.0.1.2 > {OTHER}:20001", 20001),
    ]
    assert withdrawn(flow) == [f"10.0.2.2 > {OUTSIDE}:16384", f"10.0.2.2 > {OUTSIDE}:16385"]


def test_a_gateway_behind_nat_whose_ports_are_taken() -> None:
    flow = gateway(seen_client=f"{OUTSIDE}:2427", taken=(16385,))
    flow.s(mgcp.crcx())
    moved = mgcp.created(body=mgcp.sdp(OUTSIDE, 16386))
    assert text_of(flow.c(mgcp.created())) == moved
    # a repetition says the same
    assert text_of(flow.c(mgcp.created())) == moved
    flow.maker.created.clear()
    flow.s(mgcp.mdcx(body=mgcp.sdp(OTHER, 20000)))
    assert opened(flow)[:2] == [
        (f"{OTHER} > {OUTSIDE}:16386", 16384),
        (f"{OTHER} > {OUTSIDE}:16387", 16385),
    ]


def test_two_connections_of_a_gateway_behind_nat() -> None:
    """The agent connects two of its endpoints: it knows both by the translated address."""
    flow = gateway(seen_client=f"{OUTSIDE}:2427", taken=(16385,))
    flow.s(mgcp.crcx())
    flow.c(mgcp.created())
    outside = mgcp.mdcx(7, mgcp.sdp(OUTSIDE, 16386), "B1", "C2")
    assert text_of(flow.s(outside)) == mgcp.mdcx(7, mgcp.sdp(port=16384), "B1", "C2")


def test_a_gateway_behind_dnat() -> None:
    flow = connection(mgcp.MGCP, "10.0.2.2:2727", "10.0.1.2:2427", seen_server=f"{OUTSIDE}:2427")
    flow.c(mgcp.crcx(body=mgcp.sdp(OTHER, 20000)))
    assert text_of(flow.s(mgcp.created())) == mgcp.created(body=mgcp.sdp(OUTSIDE))
    assert opened(flow) == [
        (f"10.0.1.2 > {OTHER}:20000", 20000),
        (f"10.0.1.2 > {OTHER}:20001", 20001),
        (f"{OTHER} > {OUTSIDE}:16384", 16384),
        (f"{OTHER} > {OUTSIDE}:16385", 16385),
    ]


def test_media_of_third_parties_are_refused_with_the_reason() -> None:
    flow = gateway(address="peer")
    flow.s(mgcp.crcx())
    flow.c(mgcp.created())
    flow.maker.created.clear()
    flow.s(mgcp.mdcx(body=mgcp.sdp(OTHER, 20000)))
    assert opened(flow) == []
    assert [(note.rule, note.reason) for note in flow.notes if note.kind == "refused"] == [
        ("G8", "10.0.3.3 is no end of the control connection"),
        ("G5", "10.0.2.2 announced another host, 10.0.3.3"),
    ]


# SCCP


def phone(**options: str | tuple[int, ...]) -> Connection:
    flow = connection(sccp.SCCP, PHONE, MANAGER, **options)  # type: ignore[arg-type]
    flow.c(sccp.register(sccp.NEW))
    flow.s(sccp.opened(version=sccp.NEW))
    return flow


def test_a_phone_behind_nat() -> None:
    flow = phone(seen_client=f"{OUTSIDE}:40000", taken=(16384,))
    moved = Endpoint.parse(OUTSIDE, 16385)
    answer = payload_of(flow.c(sccp.ack(version=sccp.NEW)), 40)
    assert answer == sccp.ack(moved, version=sccp.NEW)
    assert opened(flow)[-2:] == [
        (f"10.0.2.2 > {OUTSIDE}:16385", 16384),
        (f"10.0.2.2 > {OUTSIDE}:16386", 16385),
    ]
    flow.maker.created.clear()
    assert flow.s(sccp.start(version=sccp.NEW)).payload is None
    assert opened(flow) == [
        (f"10.0.1.2 > {OTHER}:20000", 20000),
        (f"10.0.1.2 > {OTHER}:20001", 20001),
        (f"{OTHER} > {OUTSIDE}:16385", 16384),
        (f"{OTHER} > {OUTSIDE}:16386", 16385),
    ]
    # what the phone says about its own end follows
    assert payload_of(flow.c(sccp.started()), 40) == sccp.started(moved)
    flow.s(sccp.about(sccp.CLOSE))
    assert withdrawn(flow)[-2:] == [f"{OTHER} > {OUTSIDE}:16385", f"{OTHER} > {OUTSIDE}:16386"]


def test_a_phone_of_an_old_version_behind_nat() -> None:
    flow = phone(seen_client=f"{OUTSIDE}:40000")
    answer = payload_of(flow.c(sccp.ack()), 40)
    assert answer == sccp.ack(Endpoint.parse(OUTSIDE, 16384))


def test_media_of_other_phones_are_refused_with_the_reason() -> None:
    flow = phone(address="peer")
    flow.c(sccp.ack())
    flow.maker.created.clear()
    flow.s(sccp.start())
    assert opened(flow) == []
    assert withdrawn(flow) == ["10.0.2.2 > 10.0.1.2:16384", "10.0.2.2 > 10.0.1.2:16385"]
    assert [(note.rule, note.reason) for note in flow.notes if note.kind == "refused"] == [
        ("G5", "10.0.2.2 announced another host, 10.0.3.3"),
        ("G8", "10.0.3.3 is no end of the control connection"),
    ]
