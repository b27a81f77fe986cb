"""One expectation that several connections announce, or that another client has had before."""

from __future__ import annotations

import pytest
from claims import SEARCH, Gateway, answers, program

from fwhelpers.engine.expectation_key import make_key
from fwhelpers.kernel import expect
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import mask_for


def test_a_used_port_of_one_client_may_be_anothers_by_now() -> None:
    """A5: two clients behind one address; the first one's next command must not close the second one's port."""
    gateway = Gateway()
    first = gateway.connect("10.0.1.2:40000", seen_client="192.0.2.1:50000")
    second = gateway.connect("10.0.1.3:40000", seen_client="192.0.2.1:50001")
    gateway.send(first, "ONCE 5000")
    gateway.kernel.use(5000)
    gateway.send(second, "ONCE 5000")
    assert gateway.kernel.ports == [5000]
    gateway.send(first, "CANCEL")
    assert gateway.kernel.ports == [5000]


@pytest.mark.parametrize("renewals", [1, 5])
def test_a_renewed_expectation_outlives_the_first_claim(renewals: int) -> None:
    """B1."""
    gateway = Gateway()
    gateway.send(gateway.connect("10.0.1.2:40000"), "KEEP 5000 1000")
    for port in range(renewals):
        gateway.advance(900)
        gateway.send(gateway.connect(f"10.0.1.2:{40001 + port}"), "KEEP 5000 1000")
        gateway.advance(101)
        assert gateway.kernel.ports == [5000]
    gateway.advance(901)
    assert gateway.kernel.ports == []


def test_many_connections_renew_one_expectation() -> None:
    """B2: 40 connections, one expectation, no refusal."""
    gateway = Gateway()
    for port in range(40000, 40040):
        gateway.send(gateway.connect(f"10.0.1.2:{port}"), "KEEP 5000 1000")
        gateway.advance(1)
    assert gateway.refusals == []
    assert gateway.kernel.ports == [5000]


def test_the_end_of_a_short_claim_leaves_the_longer_one() -> None:
    gateway = Gateway()
    gateway.send(gateway.connect("10.0.1.2:40000"), "KEEP 5000 1800")
    second = gateway.connect("10.0.1.2:40001")
    gateway.send(second, "KEEP 5000 30")
    gateway.advance(31)
    assert gateway.kernel.ports == [5000]
    gateway.advance(1770)
    assert gateway.kernel.ports == []


def test_a_cancel_leaves_the_claim_of_another_connection() -> None:
    gateway = Gateway()
    first, second = gateway.connect("10.0.1.2:40000"), gateway.connect("10.0.1.2:40001")
    gateway.send(first, "KEEP 5000 1800")
    gateway.send(second, "KEEP 5000 30", "CANCEL")
    assert gateway.kernel.ports == [5000]
    gateway.send(second, "CANCEL")
    assert gateway.kernel.ports == [5000]


def test_a_former_owners_cancel_leaves_the_owners_expectation() -> None:
    gateway = Gateway()
    first, second = gateway.connect("10.0.1.2:40000"), gateway.connect("10.0.1.2:40001")
    gateway.send(first, "KEEP 5000 1800")
    gateway.send(second, "KEEP 5000 300")
    gateway.send(first, "CANCEL")
    assert gateway.kernel.ports == [5000]
    gateway.advance(301)
    assert gateway.kernel.ports == []


@pytest.mark.parametrize("searches", [2, 3, 8])
def test_searches_of_a_new_socket_without_pause(searches: int) -> None:
    """B3: each is a connection of its own until the first is confirmed; only that one stays in the kernel."""
    gateway = Gateway(SEARCH)
    socket = gateway.connect("10.0.1.2:40000")
    packets = []
    for number in range(searches):
        socket.extra = {"status": 0x2000, "ct_id": 100 + number}
        packets.append(socket.packet(b"M-SEARCH", False))
    for number, packet in enumerate(packets):
        expectation = socket.send(packet).expectation
        if number == 0:
            gateway.kernel.attach(expectation)
        else:
            assert expectation is None, "it would end with an entry that loses the clash"
    assert gateway.kernel.ports == [40000]


def test_a_later_search_of_the_same_socket_is_expected_again() -> None:
    gateway = Gateway(SEARCH)
    socket = gateway.connect("10.0.1.2:40000")
    socket.extra = {"status": 0x2000}
    gateway.kernel.attach(socket.send(socket.packet(b"M-SEARCH", False)).expectation)
    socket.extra = {}
    socket.now += 40
    assert socket.send(socket.packet(b"M-SEARCH", False)).expectation


def test_answers_to_several_sockets_of_a_client_open_one_port_once() -> None:
    gateway, first, second = program()
    for _ in range(10):
        answers(gateway, first, second)
        gateway.now += 0.02
    assert gateway.kernel.requests == [expect.NEW]
    gateway.now += 0.1
    answers(gateway, second)  # a renewal
    assert gateway.kernel.requests == [expect.NEW, expect.GET, expect.DELETE, expect.NEW]
    (expectation,) = gateway.kernel.expectations.values()
    assert expectation.master == second.orig


def test_another_client_takes_over_at_once() -> None:
    gateway, first, _ = program()
    second = gateway.connect("10.0.1.3:40000", seen_client="192.0.2.1:40000")
    answers(gateway, first, second)
    assert len(gateway.kernel.requests) > 1


def test_the_second_sockets_claim_outlives_the_firsts() -> None:
    """B1, without a takeover."""
    gateway, first, second = program()
    answers(gateway, first, second)
    (live,) = gateway.inspector._registry
    assert live.former is not None
    ((_, state),) = [item for item in gateway.inspector._flows.all() if item[1].orig == first.orig]
    gateway.inspector._events.abandon(state, "test")
    assert gateway.kernel.ports == [5000]
    ((_, state),) = [item for item in gateway.inspector._flows.all() if item[1].orig == second.orig]
    gateway.inspector._events.abandon(state, "test")
    assert gateway.kernel.ports == []


def test_a_carried_port_is_no_part_of_the_key() -> None:
    """Behind NAT the source port, of which no bit counts, carries the announced port (decision 0127)."""
    server, gateway = bytes((10, 0, 2, 2)), bytes((10, 0, 2, 1))
    plain = Tuple(server, gateway, 6, 0, 5001)
    carried = plain._replace(sport=5000)
    assert make_key(0, carried, mask_for(carried)) == make_key(0, plain, mask_for(plain))
    exact = mask_for(carried, 0xFFFF)
    assert make_key(0, carried, exact) != make_key(0, plain, exact)
