"""The flows of one worker: a bounded table that evicts the least recently used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from fwhelpers.api import Endpoint, Flow
from fwhelpers.engine.active import Active
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.handover import Key
from fwhelpers.engine.headers import TCP
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.registry import Account
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.nfqueue import Packet

MAX_FLOWS = 16384
MAX_SKIPPED = 64  #: flows that are passed over to evict another
MAX_BUFFERED = 64 * 1024 * 1024  #: bytes of all streams


class FlowTable:
    """LRU table of flows, keyed by original tuple and conntrack id. Calls `on_evict` with each evicted key."""

    def __init__(
        self, max_flows: int = MAX_FLOWS, on_evict: Callable[[Key], None] = lambda key: None
    ) -> None:
        self.memories: dict[str, Memory] = {}  #: by helper
        self.buffered_bytes = 0  #: of all streams
        self._max_flows = max_flows
        self._on_evict = on_evict
        self._flows: OrderedDict[Key, FlowState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, key: Key) -> FlowState | None:
        """Return a flow and mark it as recently used."""
        state = self._flows.get(key)
        if state is not None:
            self._flows.move_to_end(key)
        return state

    def all(self) -> Iterable[tuple[Key, FlowState]]:
        """All flows, the least recently used first."""
        return self._flows.items()

    def add(self, key: Key, state: FlowState, now: float = 0.0) -> None:
        """Add a flow; evict the least recently used above the bounds."""
        self._flows[key] = state
        self.account(state)
        if len(self._flows) > self._max_flows or self.buffered_bytes > MAX_BUFFERED:
            # its state is in the conntrack entry, and comes back with its next packet
            evicted = self._least_needed(now)
            self.remove(evicted)
            self._on_evict(evicted)

    def _least_needed(self, now: float) -> Key:
        """The least recently used flow, but not one whose retransmissions are still to be rewritten."""
        for _ in range(MAX_SKIPPED):
            key, state = next(iter(self._flows.items()))
            if not state.due(now):
                return key
            self._flows.move_to_end(key)
        return next(iter(self._flows))

    def remove(self, key: Key) -> None:
        """Remove a flow whose connection has ended."""
        state = self._flows.pop(key)
        self.buffered_bytes -= state.accounted
        state.accounted = -1

    def account(self, state: FlowState) -> None:
        """Count the bytes that a flow has buffered now, unless it was removed."""
        if state.accounted >= 0:
            client, server = state.halves
            buffered = client.buffered_bytes if client else 0
            buffered += server.buffered_bytes if server else 0
            self.buffered_bytes += buffered - state.accounted
            state.accounted = buffered

    def of_packet(self, active: Active, packet: Packet) -> FlowState:
        """Make the flow of a connection's first packet; it is not added."""
        expected = bool(packet.status & IPS_EXPECTED)
        incoming = packet.hook == nfqueue.LOCAL_IN and not expected
        announcement = incoming and bool(active.helper.listen_for)
        state = self.new(
            active, packet.helper, packet.orig, packet.reply, packet.zone, announcement
        )
        # a host that answers or announces must not use up the quota of the hosts that ask
        unsolicited = (
            active.helper.outgoing and state.flow.l4 == "udp" and (announcement or expected)
        )
        client, server = state.flow.client.addr, state.flow.server.addr
        state.account = (
            Account(packet.helper, server, client)
            if unsolicited
            else Account(packet.helper, client)
        )
        return state

    def new(
        self, active: Active, helper: str, orig: Tuple, reply: Tuple, zone: int, announcement: bool
    ) -> FlowState:
        """Make a flow with a new parser; it is not added."""
        l4 = "tcp" if orig.l4 == TCP else "udp"
        client, server = Endpoint(orig.src, orig.sport), Endpoint(reply.src, reply.sport)
        flow = Flow(l4, client, server, announcement)
        parser = active.helper.parser_for(l4)(flow, active.settings)
        # IPv6: one host may use any address of its /64
        memory_key = client.addr if client.family == 4 else client.addr[:8]
        memory = self.memories.get(helper)
        if memory is None:
            memory = self.memories[helper] = Memory()
        parser.memory = memory.view(memory_key)
        return FlowState(active, flow, helper, orig, reply, zone, parser)
