"""The table of flows: eviction, and the bound on buffered bytes."""

from __future__ import annotations

import weakref

import pytest

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.engine import flow_table as module
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.flow_table import Active, FlowTable
from fwhelpers.engine.handover import Key
from fwhelpers.engine.stream import HalfStream
from fwhelpers.kernel.conntrack import Tuple

TALK = Active(Helper("talk", "tcp", [7], DatagramParser))
ORIG = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 6, 40000, 7)
REPLY = Tuple(ORIG.dst, ORIG.src, 6, 7, 40000)


class Hoarder(DatagramParser):
    buffered = 5000


def flow(flows: FlowTable, buffered: int = 0, client: int = 2) -> FlowState:
    orig = ORIG._replace(src=bytes([10, 0, 1, client]))
    state = flows.new(TALK, "talk", orig, REPLY, 0, False)
    if buffered:
        state.halves[0] = HalfStream(1000)
        state.halves[0].feed(1001, bytes(buffered))  # behind a gap of one byte
    return state


def test_the_least_recently_used_flow_is_evicted() -> None:
    evicted: list[Key] = []
    flows = FlowTable(3, evicted.append)
    for number in range(3):
        flows.add((b"", number), flow(flows))
    assert flows.get((b"", 0)) is not None
    flows.add((b"", 3), flow(flows))
    assert evicted == [(b"", 1)]
    assert [key for key, _ in flows.all()] == [(b"", 2), (b"", 0), (b"", 3)]
    assert flows.get((b"", 1)) is None
    assert len(flows) == 3


def test_one_party_cannot_displace_the_flows_of_all_others() -> None:
    evicted: list[Key] = []
    flows = FlowTable(100, evicted.append)
    for number in range(60):  # idle ones, of as many hosts
        flows.add((b"idle", number), flow(flows, client=10 + number))
    for number in range(1000):
        flows.add((b"flood", number), flow(flows))
    assert len(flows) == 100
    assert {name for name, _ in evicted} == {b"flood"}
    assert flows.get((b"flood", 960)) is not None
    for number in range(15):  # newcomers take from the largest as well, until it has its share
        flows.add((b"new", number), flow(flows, client=100 + number))
    assert {name for name, _ in evicted} == {b"flood"}
    count = len(evicted)
    assert flows.get((b"idle", 0)) is not None
    flows.add((b"new", 15), flow(flows, client=115))
    assert evicted[count:] == [(b"idle", 1)], "the least recently used of all"


def test_one_party_may_use_what_no_other_needs() -> None:
    flows = FlowTable(100)
    for number in range(100):
        flows.add((b"", number), flow(flows))
    assert len(flows) == 100
    for number in range(100):
        flows.remove((b"", number))
    assert not flows._parties
    assert not flows._large


def test_buffered_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUFFERED", 250)
    flows = FlowTable()
    for number in range(3):
        flows.add((b"", number), flow(flows, buffered=60, client=number))
    assert flows.buffered_bytes == 180
    flows.add((b"", 3), flow(flows, buffered=60, client=3))
    flows.add((b"", 4), flow(flows, buffered=60, client=4))
    assert [key for key, _ in flows.all()] == [(b"", number) for number in (1, 2, 3, 4)]
    flows.remove((b"", 2))
    assert flows.buffered_bytes == 180


def test_one_party_can_take_a_share_of_the_bytes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUFFERED", 1000)
    evicted: list[Key] = []
    flows = FlowTable(on_evict=evicted.append)
    flows.add((b"", 0), flow(flows, buffered=100, client=7))
    flows.add((b"", 1), flow(flows))
    for number in range(10, 30):
        flows.add((b"", number), flow(flows, buffered=100))
    assert flows.buffered_bytes == 300
    assert evicted == [(b"", number) for number in range(10, 28)], "its own that hold bytes"


def test_the_bytes_of_parsers_count() -> None:
    flows = FlowTable()
    state = flow(flows)
    flows.add((b"", 1), state)
    state.parser = Hoarder(state.flow, {})
    flows.account((b"", 1), state, 0.0)
    assert flows.buffered_bytes == Hoarder.buffered
    state.finished = "done"
    flows.account((b"", 1), state, 0.0)
    assert flows.buffered_bytes == 0, "a finished flow needs none"


def test_a_flow_that_is_added_again_counts_once() -> None:
    flows = FlowTable()
    flows.add((b"", 1), flow(flows, buffered=100))
    flows.add((b"", 1), flow(flows, buffered=30))
    assert flows.buffered_bytes == 30


def test_the_flows_of_a_helper_share_its_memory() -> None:
    flows = FlowTable()
    first, second = flow(flows), flow(flows)
    first.parser.memory[b"key"] = b"value"
    assert second.parser.memory == {b"key": b"value"}
    assert flows.new(TALK, "other", ORIG, REPLY, 0, False).parser.memory == {}


def test_the_count_of_buffered_bytes_goes_down_again() -> None:
    flows = FlowTable()
    state = flow(flows, buffered=100)
    flows.add((b"", 1), state)
    state.halves[0] = HalfStream(2000)
    flows.account((b"", 1), state, 0.0)
    assert flows.buffered_bytes == 0
    flows.remove((b"", 1))
    state.halves[0].feed(2001, bytes(50))
    flows.account((b"", 1), state, 0.0)  # it has been removed
    assert flows.buffered_bytes == 0


def test_a_finished_flow_frees_its_parser() -> None:
    flows = FlowTable()
    state = flow(flows)
    flows.add((b"", 1), state)
    parser = weakref.ref(state.parser)
    state.finished = "done"
    flows.account((b"", 1), state, 0.0)
    assert parser() is None
