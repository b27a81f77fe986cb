"""The flows of one worker: a bounded table that evicts the least recently used.

Their bytes are bounded in all, and for each party (an IPv4 address or IPv6 /64), so that one can't displace all others.
Their number is bounded in all; a full table evicts from the party with most flows, if it has more than its share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fwhelpers.api import Endpoint, Flow
from fwhelpers.engine.active import Active
from fwhelpers.engine.conntrack_entry import REPLY
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.handover import Key
from fwhelpers.engine.headers import TCP
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.onlink import NO_LINKS, Lookup, same_link
from fwhelpers.engine.registry import Account, party_of
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.nfqueue import Packet

MAX_FLOWS = 16384
#: the part of it above which the connections of one party make room for those of others
FLOWS_SHARE = 4
MAX_SKIPPED = 64  #: flows that are passed over to evict another
MAX_BUFFERED = 64 * 1024 * 1024  #: bytes that all streams and parsers hold
BUFFERED_SHARE = 4  #: the part of it that the connections of one party can take


@dataclass(slots=True)
class Party:
    """The flows of one party."""

    #: about the least recently used first
    flows: OrderedDict[Key, FlowState] = field(default_factory=OrderedDict)
    #: those that hold bytes, the one whose bytes changed least recently first
    holders: OrderedDict[Key, FlowState] = field(default_factory=OrderedDict)
    held: int = 0  #: bytes


class FlowTable:
    """LRU table of flows, keyed by original tuple and conntrack id. Calls `on_evict` with each evicted key."""

    def __init__(
        self,
        max_flows: int = MAX_FLOWS,
        on_evict: Callable[[Key], None] = lambda key: None,
        links: Lookup = NO_LINKS,
    ) -> None:
        self.memories: dict[str, Memory] = {}  #: by helper
        self.buffered_bytes = 0  #: of all streams and parsers
        self._max_flows = max_flows
        self._on_evict = on_evict
        self._links = links
        self._flows: OrderedDict[Key, FlowState] = OrderedDict()
        self._parties: dict[bytes, Party] = {}  #: those that have flows
        #: those with more than their share, which can't be many
        self._large: dict[bytes, Party] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, key: Key) -> FlowState | None:
        """Return a flow and mark it as recently used."""
        state = self._flows.get(key)
        if state is not None:
            self._flows.move_to_end(key)
            if self._large:  # else no party's order matters soon
                self._parties[state.party].flows.move_to_end(key)
        return state

    def all(self) -> Iterable[tuple[Key, FlowState]]:
        """All flows, the least recently used first."""
        return self._flows.items()

    def add(self, key: Key, state: FlowState, now: float = 0.0) -> None:
        """Add a flow; evict the least recently used above the bounds."""
        if key in self._flows:
            self.remove(key)
        self._flows[key] = state
        name = state.party
        party = self._parties.get(name)
        if party is None:
            party = self._parties[name] = Party()
        party.flows[key] = state
        if len(party.flows) > self._max_flows // FLOWS_SHARE:
            self._large[name] = party
        self.account(key, state, now)
        if len(self._flows) > self._max_flows:
            largest = max(self._large.values(), key=lambda party: len(party.flows), default=None)
            flows = self._flows if largest is None else largest.flows
            self._evict(self._least_needed(flows, now))

    def is_current(self, key: Key, state: FlowState) -> bool:
        """Return whether the table has this flow under the key."""
        return self._flows.get(key) is state

    def move(self, key: Key, new: Key, now: float) -> None:
        """Keep a flow under another key."""
        state = self._flows[key]
        self.remove(key)
        state.accounted = 0
        self.add(new, state, now)

    def account(self, key: Key, state: FlowState, now: float) -> None:
        """Count the bytes that a flow holds now, unless it was removed; evict others above the bounds."""
        if state.accounted < 0:
            return
        if state.finished:
            state.release()
        held = state.held()
        if held == state.accounted:
            return
        party = self._count(key, state, held)
        while party.held > MAX_BUFFERED // BUFFERED_SHARE:
            self._evict(self._least_needed(party.holders, now))
        while self.buffered_bytes > MAX_BUFFERED:
            self._evict(self._least_needed(self._flows, now))

    def _count(self, key: Key, state: FlowState, held: int) -> Party:
        party = self._parties[state.party]
        party.held += held - state.accounted
        self.buffered_bytes += held - state.accounted
        state.accounted = held
        if held:
            party.holders[key] = state
            party.holders.move_to_end(key)
        else:
            party.holders.pop(key, None)
        return party

    def _least_needed(self, flows: OrderedDict[Key, FlowState], now: float) -> Key:
        """The least recently used flow, but not one whose retransmissions are still to be rewritten."""
        for _ in range(MAX_SKIPPED):
            key, state = next(iter(flows.items()))
            if not state.due(now):
                return key
            flows.move_to_end(key)
        return next(iter(flows))

    def _evict(self, key: Key) -> None:
        # its state is in the conntrack entry, and comes back with its next packet
        self.remove(key)
        self._on_evict(key)

    def remove(self, key: Key) -> None:
        """Remove a flow whose connection has ended."""
        state = self._flows.pop(key)
        if state.accounted:
            self._count(key, state, 0)
        state.accounted = -1
        name = state.party
        party = self._parties[name]
        del party.flows[key]
        if len(party.flows) <= self._max_flows // FLOWS_SHARE:
            self._large.pop(name, None)
        if not party.flows:
            del self._parties[name]

    def of_packet(self, active: Active, packet: Packet) -> FlowState:
        """Make the flow of a connection's first packet; it is not added."""
        expected = bool(packet.status & IPS_EXPECTED)
        incoming = packet.hook == nfqueue.LOCAL_IN and not expected
        announcement = incoming and bool(active.helper.listen_for)
        prefixes = self._links(packet.indev if packet.ctinfo >= REPLY else packet.outdev)
        orig, reply, zone = packet.orig, packet.reply, packet.zone
        on_link = same_link(orig.src, reply.src, prefixes)
        state = self.new(active, packet.helper, orig, reply, zone, announcement, on_link)
        # a host that answers or announces must not use up the quota of the hosts that ask
        unsolicited = (
            active.helper.outgoing and state.flow.l4 == "udp" and (announcement or expected)
        )
        client, server = state.flow.client.addr, state.flow.server.addr
        state.account = (
            Account(packet.helper, server, client, zone)
            if unsolicited
            else Account(packet.helper, client, b"", zone)
        )
        return state

    def new(
        self,
        active: Active,
        helper: str,
        orig: Tuple,
        reply: Tuple,
        zone: int,
        announcement: bool,
        on_link: bool = False,
    ) -> FlowState:
        """Make a flow with a new parser; it is not added."""
        flow = flow_between(orig, reply, announcement, on_link)
        parser = active.helper.parser_for(flow.l4)(flow, active.settings)
        memory = self.memories.get(helper)
        if memory is None:
            memory = self.memories[helper] = Memory()
        parser.memory = memory.view(party_of(flow.client.addr, zone))
        parser.address = active.limits.scope
        return FlowState(active, flow, helper, orig, reply, zone, parser)


def flow_between(
    orig: Tuple, reply: Tuple, announcement: bool = False, on_link: bool = False
) -> Flow:
    """Return the flow of a connection's two directions, as parsers and reports see it."""
    l4 = "tcp" if orig.l4 == TCP else "udp"
    client, server = Endpoint(orig.src, orig.sport), Endpoint(reply.src, reply.sport)
    return Flow(l4, client, server, announcement, on_link)
