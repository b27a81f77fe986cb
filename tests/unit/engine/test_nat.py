"""Plans of expectations: consecutive ports, of which all are opened or none."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EEXIST, EMFILE

import pytest
from connection import Connection, FakeMaker, show
from media import MEDIA, media, text_of

from fwhelpers.api import Cancel, DatagramParser, Endpoint, Event, Expect, Flow, Helper, Policy
from fwhelpers.engine.guard import Limits, judge
from fwhelpers.engine.nat import plan
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation

NAT = "192.0.2.1:50000"


def taken(*ports: int, errno: int = EEXIST) -> FakeMaker:
    def errors(expectation: Expectation) -> int:
        return errno if expectation.tuple.dport in ports else 0

    return FakeMaker(errors=errors)


def real_ports(maker: FakeMaker) -> list[tuple[int, int]]:
    return [(e.tuple.dport, e.nat.sport) for e in maker.created if e.nat]


def test_both_ports_are_opened_and_reported() -> None:
    flow = media()
    flow.c(b"pair 6000\n")
    assert [show(e.tuple) for e in flow.maker.created] == [
        "10.0.2.2 > 10.0.1.2:6000",
        "10.0.2.2 > 10.0.1.2:6001",
    ]
    ports = [n.expectation.tuple.dport for n in flow.notes if n.expectation]
    assert ports == [6000, 6001]


def test_nat_keeps_them_consecutive() -> None:
    flow = media(seen_client=NAT)
    assert text_of(flow.c(b"pair 6000\n")) == b""
    assert real_ports(flow.maker) == [(6000, 6000), (6001, 6001)]


@pytest.mark.parametrize("clash", [6000, 6001])
def test_a_clash_moves_both(clash: int) -> None:
    flow = media(seen_client=NAT, maker=taken(clash))
    first = clash + 1
    assert text_of(flow.c(b"pair 6000\n")) == b"pair %d\n" % first
    assert real_ports(flow.maker)[-2:] == [(first, 6000), (first + 1, 6001)]


def test_what_was_created_before_the_clash_is_deleted() -> None:
    flow = media(seen_client=NAT, maker=taken(6001))
    flow.c(b"pair 6000\n")
    assert [tuple_.dport for tuple_ in flow.maker.deleted] == [6000]


@pytest.mark.parametrize("first", [65532, 65534])
def test_no_port_after_the_last_is_tried(first: int) -> None:
    """Another client behind the same address may hold the last ports."""
    flow = media(seen_client=NAT, maker=taken(65532, 65533, 65534))
    flow.c(b"pair %d\n" % first)
    assert [(n.kind, n.rule) for n in flow.notes] == [("refused", "G15")]
    assert flow.maker.created == []


def test_the_last_pair_is_tried() -> None:
    flow = media(seen_client=NAT, maker=taken(65532))
    flow.c(b"pair 65532\n")
    assert real_ports(flow.maker) == [(65533, 65532), (65534, 65533)]


def test_an_error_of_the_kernel_leaves_nothing_open() -> None:
    flow = media(seen_client=NAT, maker=taken(6001, errno=EMFILE))
    flow.c(b"pair 6000\n")
    assert [tuple_.dport for tuple_ in flow.maker.deleted] == [6000]
    assert [n.kind for n in flow.notes] == ["refused"]


def test_a_quota_for_one_opens_none() -> None:
    flow = media(limits=Limits(max_per_source=1))
    flow.c(b"pair 6000\n")
    assert [tuple_.dport for tuple_ in flow.maker.deleted] == [6000]
    assert [(n.kind, n.rule) for n in flow.notes] == [("refused", "G9")]


def test_withdrawal_of_one_announcement_deletes_both() -> None:
    class Pairs(DatagramParser):
        def datagram(self, data: bytes, reply: bool) -> list[Event]:
            pair = Expect(self.flow.server, self.flow.client.at(6000), count=2)
            return [Cancel(want=pair)] if data == b"cancel" else [pair]

    helper = Helper("pairs", "udp", [7], Pairs, [Policy("data", max=4)])
    flow = Connection(helper, "udp", "10.0.1.2:40000", "10.0.2.2:7")
    flow.c(b"open")
    flow.c(b"cancel")
    assert [tuple_.dport for tuple_ in flow.maker.released] == [6000, 6001]


@pytest.mark.parametrize(
    ("port", "count", "rule"),
    [(6000, 2, ""), (65535, 2, "G6"), (3388, 2, "G6"), (1023, 2, "G6"), (6000, 9, "G9"), (6000, 0, "G9")],
)  # fmt: skip
def test_every_port_of_the_series_is_judged(port: int, count: int, rule: str) -> None:
    client, server = Endpoint.parse("10.0.1.2", 40000), Endpoint.parse("10.0.2.2", 7)
    event = Expect(server, client.at(port), count=count)
    refusal = judge(event, Flow("udp", client, server), False, MEDIA.policies[0], Limits())
    assert (refusal.rule if refusal else "") == rule


@pytest.mark.parametrize("nat", ["", NAT])
def test_a_renewal_that_is_refused_closes_nothing(nat: str) -> None:
    """Others may have used up the rate of all: a call that is open already must not suffer."""
    flow = media(seen_client=nat, limits=Limits(rate=1), maker=taken(6000))
    texts = [text_of(flow.c(b"pair 6000\n"))]
    flow.now += 100
    for port in range(7000, 7020, 2):
        flow.c(b"pair %d\n" % port)
    deleted, refused = list(flow.maker.deleted), len(flow.refused)
    texts.append(text_of(flow.c(b"pair 6000\n")))
    assert len(flow.refused) == refused + 1
    assert (flow.maker.deleted, flow.maker.released) == (deleted, [])
    assert set(texts) == ({b"pair 6001\n"} if nat else {b""})


class Tunnel(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield Expect(self.flow.server.at(0), self.flow.client.at(0), l4="esp")


@pytest.mark.parametrize(
    ("addresses", "expected", "rules"),
    [
        ({}, [(50, 0, 0)], []),
        ({"seen_client": NAT}, [], ["G15"]),
        ({"seen_server": NAT}, [], ["G15"]),
    ],
)
def test_a_protocol_without_ports_is_not_translated(
    addresses: dict[str, str], expected: list[tuple[int, int, int]], rules: list[str]
) -> None:
    helper = Helper("tunnel", "udp", [500], Tunnel, policies=[Policy("esp", l4="esp")])
    flow = Connection(helper, "udp", "10.0.1.2:500", "10.0.2.2:500", **addresses)  # type: ignore[arg-type]
    flow.c(b"")
    assert [e.tuple[2:] for e in flow.maker.created] == expected
    assert flow.refused == rules


def test_a_moved_port_carries_the_announced_one() -> None:
    """In the source port, of which no bit counts: conntrackd carries it, and not the translation."""
    flow = media(seen_client=NAT, maker=taken(6000))
    flow.c(b"pair 6000\n")
    assert [(e.tuple.sport, e.mask.sport) for e in flow.maker.created[-2:]] == [
        (6000, 0),
        (6001, 0),
    ]


def test_without_a_move_there_is_nothing_to_carry() -> None:
    flow = media(seen_client=NAT)
    flow.c(b"pair 6000\n")
    assert [e.tuple.sport for e in flow.maker.created] == [0, 0]


@pytest.mark.parametrize(
    ("client", "server", "third_party"),
    [
        ("10.0.2.2", "10.0.1.2", False),
        ("10.0.1.2", "10.0.2.2", False),
        ("10.0.2.2", "192.0.2.1", False),  # the client's address as the server sees it
        ("10.9.0.1", "10.0.1.2", True),
        ("10.0.1.2", "10.9.0.1", True),
    ],
)
def test_whose_address_is_not_the_control_connection_s(
    client: str, server: str, third_party: bool
) -> None:
    """The function "nat-follow-master" would send what goes to a third party to the other end."""
    inner, outer, nat = (Endpoint.parse(h).addr for h in ("10.0.1.2", "10.0.2.2", "192.0.2.1"))
    orig, reply = Tuple(inner, outer, 17, 5060, 5060), Tuple(outer, nat, 17, 5060, 5060)
    event = Expect(Endpoint.parse(client), Endpoint.parse(server, 6000))
    assert plan(event, "udp", orig, reply).third_party is third_party
