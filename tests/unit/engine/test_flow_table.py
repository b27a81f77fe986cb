"""The table of flows: eviction, and the bound on buffered bytes."""

from __future__ import annotations

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


def flow(flows: FlowTable, buffered: int = 0) -> FlowState:
    state = flows.new(TALK, "talk", ORIG, REPLY, 0, False)
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


def test_buffered_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUFFERED", 250)
    flows = FlowTable()
    for number in range(3):
        flows.add((b"", number), flow(flows, buffered=100))
    assert flows.buffered_bytes == 200
    assert len(flows) == 2
    flows.remove((b"", 2))
    assert flows.buffered_bytes == 100


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
    flows.account(state)
    assert flows.buffered_bytes == 0
    flows.remove((b"", 1))
    state.halves[0].feed(2001, bytes(50))
    flows.account(state)  # it has been removed
    assert flows.buffered_bytes == 0
