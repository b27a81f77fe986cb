"""Packets that a new UDP socket sends before conntrack has confirmed the first of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from connection import Connection, FakePacket

from fwhelpers.api import DatagramParser, Event, Expect, Flow, Helper, Policy
from fwhelpers.engine import unconfirmed as module
from fwhelpers.engine.flow_table import FlowTable
from fwhelpers.engine.inspector import AGAIN
from fwhelpers.engine.verdict import Verdict

CALLS = 32


class Calls(DatagramParser):
    """The client asks by a number; the server answers with it, and the port of that number opens."""

    def __init__(self, flow: Flow, settings: Any = None) -> None:
        super().__init__(flow, settings)
        self.asked: set[bytes] = set()

    def save(self) -> bytes:
        return bytes([len(self.asked)])

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        if not reply:
            self.asked.add(data)
        elif data in self.asked:
            self.asked.remove(data)
            yield Expect(self.flow.client.at(0), self.flow.server.at(int(data)))


CALLING = Helper("calls", "udp", [7], Calls, [Policy("data", max=64, timeout=60)])


def socket() -> Connection:
    return Connection(CALLING, "udp", "10.0.1.2:40000", "10.0.2.2:7")


def new(client: Connection, number: int, entry: int) -> FakePacket:
    """A call in a packet with an entry of its own that is not confirmed."""
    client.extra = {"status": 0x2000, "ct_id": entry}
    return client.packet(b"%d" % (3000 + number), False)


def answer(client: Connection, number: int, entry: int) -> None:
    client.extra = {"ct_id": entry}
    client.s(b"%d" % (3000 + number))


def opened(client: Connection) -> list[int]:
    return sorted(expectation.tuple.dport for expectation in client.maker.created)


@pytest.mark.parametrize("winner", [0, 1, CALLS - 1])
def test_a_burst_is_one_flow_whichever_entry_is_confirmed(winner: int) -> None:
    client = socket()
    for number in range(CALLS):
        client.send(new(client, number, 100 + number))
    for number in range(CALLS):
        answer(client, number, 100 + winner)
    assert opened(client) == [3000 + number for number in range(CALLS)]
    assert len(client.inspector) == 1


def test_the_entries_of_a_burst_that_were_dropped_may_share_an_id() -> None:
    client = socket()
    for number, entry in enumerate([100, 101, 101, 102, 101]):
        client.send(new(client, number, entry))
    for number in range(5):
        answer(client, number, 100)
    assert opened(client) == [3000, 3001, 3002, 3003, 3004]


def test_the_confirmed_entry_gets_the_state_of_all_packets() -> None:
    client = socket()
    for number in range(2):
        client.send(new(client, number, 100 + number))
    client.extra = {"ct_id": 100}
    assert client.c(b"3001").info is not None


def test_a_later_packet_begins_another_flow() -> None:
    client = socket()
    client.send(new(client, 0, 100))
    client.now += module.BURST
    client.send(new(client, 1, 101))
    answer(client, 0, 101)
    assert opened(client) == []
    answer(client, 1, 101)
    assert opened(client) == [3001]


def test_after_the_confirmation_another_entry_is_another_connection() -> None:
    client = socket()
    client.send(new(client, 0, 100))
    client.extra = {"ct_id": 100}
    client.c(b"3001")
    client.send(new(client, 2, 102))
    answer(client, 1, 102)
    assert opened(client) == []
    answer(client, 2, 102)
    assert opened(client) == [3002]


def test_bursts_of_the_same_addresses_in_two_zones_are_two_flows() -> None:
    client = socket()
    for number in range(8):  # each zone's packets between those of the other
        for zone in (1, 2):
            packet = new(client, number + 100 * zone, 1000 * zone + number)
            packet.zone = zone
            client.send(packet)
    assert len(client.inspector) == 2
    for zone in (1, 2):
        for number in range(8):
            for asked in (100 * zone + number, 300 - 100 * zone + number):
                client.extra = {"ct_id": 1000 * zone, "zone": zone}
                client.s(b"%d" % (3000 + asked))
    opened_in = {(e.zone, e.tuple.dport) for e in client.maker.created}
    assert opened_in == {(z, 3000 + 100 * z + n) for z in (1, 2) for n in range(8)}


class Pair(DatagramParser):
    """The client announces the ports that it names, as with TFTP in the first packet."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        for port in data.split():
            yield Expect(self.flow.server.at(0), self.flow.client.at(int(port)))


PAIR = Helper("pair", "udp", [7], Pair, [Policy("data", max=8, timeout=60)])


def announced(client: Connection, ports: bytes, entry: int) -> FakePacket:
    client.extra = {"status": 0x2000, "ct_id": entry}
    return client.packet(ports, False)


def carried(verdict: Verdict) -> int | None:
    return verdict.expectation and verdict.expectation.tuple.dport


def test_what_waits_for_a_packet_goes_with_that_packet_only() -> None:
    client = Connection(PAIR, "udp", "10.0.1.2:40000", "10.0.2.2:7")
    client.send(announced(client, b"", 100))
    packet = announced(client, b"3000 3001", 101)
    first = client.send(packet)
    assert (carried(first), first.repeat) == (3000, True)
    assert carried(client.send(announced(client, b"", 100))) is None
    assert carried(client.send(announced(client, b"", 102))) is None
    again = client.send(packet)
    assert (carried(again), again.repeat) == (3001, False)
    assert client.inspector._pending == {}


def test_nothing_waits_for_packets_of_an_evicted_flow() -> None:
    client = Connection(PAIR, "udp", "10.0.1.2:40000", "10.0.2.2:7")
    client.send(announced(client, b"", 100))
    client.send(announced(client, b"3000 3001", 101))
    ((key, _),) = client.inspector._flows.all()
    client.inspector._flows._evict(key)
    assert client.inspector._pending == {}


def test_what_waits_for_a_packet_that_never_comes_again_is_forgotten() -> None:
    """The queue may be full, and the packet passes without it. The tuple and the entry's id may be used again."""
    client = Connection(PAIR, "udp", "10.0.1.2:40000", "10.0.2.2:7")
    assert client.send(announced(client, b"3000 3001", 100)).repeat
    client.now += AGAIN / 2
    client.inspector.tick(client.now)
    assert client.inspector._pending
    client.now += AGAIN
    assert carried(client.send(announced(client, b"", 100))) is None
    assert client.send(announced(client, b"3000 3001", 100)).repeat
    client.now += AGAIN
    client.inspector.tick(client.now)
    assert not client.inspector._pending, "nor must it keep ended expectations on the quota"


def test_the_same_tuple_in_another_zone_is_another_flow() -> None:
    client = socket()
    client.send(new(client, 0, 100))
    client.extra = {"ct_id": 101, "zone": 5}
    client.s(b"3000")
    assert opened(client) == []


def test_an_evicted_flow_is_not_found() -> None:
    client = socket()
    client.send(new(client, 0, 100))
    ((key, _),) = client.inspector._flows.all()
    client.inspector._flows.remove(key)
    client.send(new(client, 1, 101))
    answer(client, 0, 101)
    assert opened(client) == []


def test_their_number_is_bounded() -> None:
    client = socket()
    client.send(new(client, 0, 100))
    ((_, state),) = client.inspector._flows.all()
    flows = module.UnconfirmedFlows(FlowTable(), limit=2)
    for number in range(5):
        flows.add((b"%d" % number, 100), state, 0.0)
    assert list(flows._begun) == [(0, b"3"), (0, b"4")]
