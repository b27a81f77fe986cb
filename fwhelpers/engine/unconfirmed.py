"""Flows of UDP sockets whose connection the kernel has not confirmed yet.

A connection is confirmed when its first packet leaves the host. What the client sends on the same socket before that
has an entry of its own, with its own id; the kernel merges them all into the one that is confirmed first, and drops
the others (nf_conntrack_core.c: nf_ct_resolve_clash()). So all of them are packets of one flow.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.flow_table import FlowTable
from fwhelpers.engine.handover import Key
from fwhelpers.kernel.packet import Packet

#: seconds from the first packet to the last that may have been sent before the first was confirmed. A later one begins
#: another connection: the first entry was dropped with its packet
BURST = 1.0
MAX_UNCONFIRMED = 1024


class _Begun(NamedTuple):
    key: Key
    state: FlowState
    since: float


class UnconfirmedFlows:
    """The flows of `table` that began a short time ago, by zone and original tuple."""

    def __init__(self, table: FlowTable, limit: int = MAX_UNCONFIRMED) -> None:
        self._table = table
        self._limit = limit
        #: networks in different zones may use the same addresses and ports at the same time
        self._begun: OrderedDict[tuple[int, bytes], _Begun] = OrderedDict()

    def add(self, key: Key, state: FlowState, now: float) -> None:
        """Remember a flow that began with an unconfirmed packet."""
        state.unconfirmed = 1
        name = state.zone, key[0]
        self._begun[name] = _Begun(key, state, now)
        self._begun.move_to_end(name)
        if len(self._begun) > self._limit:
            self._begun.popitem(last=False)

    def find(self, packet: Packet, now: float) -> tuple[Key, FlowState] | None:
        """Return the flow of a packet whose own entry has none, and its key, which a confirmed packet determines."""
        name = packet.zone, packet.tuple_orig_raw
        begun = self._begun.get(name)
        if begun is None:
            return None
        key, state, since = begun
        if not self._table.is_current(key, state) or not state.unconfirmed or now - since > BURST:
            del self._begun[name]
            return None
        if packet.confirmed:
            del self._begun[name]
            state.confirm()
            new = (packet.tuple_orig_raw, packet.ct_id)
            if new != key:
                self._table.move(key, new, now)
            return new, state
        state.unconfirmed += 1
        return key, state
