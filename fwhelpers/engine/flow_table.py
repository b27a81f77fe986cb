"""The flows of one worker, and what they keep in memory: bounded, the ones unused for longest are forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api import Endpoint, Flow, Helper
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.handover import Key
from fwhelpers.engine.headers import TCP
from fwhelpers.engine.memory import Memory
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.nfqueue import Packet

MAX_FLOWS = 16384
MAX_KEPT = 64 * 1024 * 1024  #: bytes of streams held in memory


@dataclass(frozen=True, slots=True)
class Active:
    """A helper as configured."""

    helper: Helper
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


class FlowTable:
    """By original tuple and conntrack id. `forgotten` is told the key of each that had to make room."""

    def __init__(
        self, most: int = MAX_FLOWS, forgotten: Callable[[Key], None] = lambda key: None
    ) -> None:
        self.memories: dict[str, Memory] = {}  #: by helper
        self.kept = 0  #: bytes of streams
        self._most = most
        self._forgotten = forgotten
        self._flows: OrderedDict[Key, FlowState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, key: Key) -> FlowState | None:
        """A flow, which is used then."""
        state = self._flows.get(key)
        if state is not None:
            self._flows.move_to_end(key)
        return state

    def all(self) -> Iterable[tuple[Key, FlowState]]:
        """Those unused for longest first."""
        return self._flows.items()

    def add(self, key: Key, state: FlowState) -> None:
        """Enter one; the oldest goes if there are too many."""
        self._flows[key] = state
        self.kept += _kept(state)
        if len(self._flows) > self._most or self.kept > MAX_KEPT:
            # what matters of it is in the conntrack entry, and comes back with its next packet
            oldest = next(iter(self._flows))
            self.remove(oldest)
            self._forgotten(oldest)

    def remove(self, key: Key) -> None:
        """Its connection has ended."""
        self.kept -= _kept(self._flows.pop(key))

    def of_packet(self, active: Active, packet: Packet) -> FlowState:
        """A new flow, of a packet that nobody knows."""
        expected = bool(packet.status & IPS_EXPECTED)
        heard = bool(active.helper.listen_for) and packet.hook == nfqueue.LOCAL_IN and not expected
        state = self.new(active, packet.helper, packet.orig, packet.reply, packet.zone, heard)
        # whoever answers or announces must not use up what those have who asked: those share with whom they came to
        came = active.helper.outgoing and state.flow.l4 == "udp" and (heard or expected)
        account = state.flow.server if came else state.flow.client
        state.charged = packet.helper.encode() + account.addr
        return state

    def new(
        self, active: Active, helper: str, orig: Tuple, reply: Tuple, zone: int, heard: bool
    ) -> FlowState:
        """A flow with a parser that has read nothing; it is not entered."""
        l4 = "tcp" if orig.l4 == TCP else "udp"
        client, server = Endpoint(orig.src, orig.sport), Endpoint(reply.src, reply.sport)
        flow = Flow(l4, client, server, heard)
        parser = active.helper.parser_for(l4)(flow, active.settings)
        parser.memory = self.memories.setdefault(helper, Memory())
        return FlowState(flow, helper, orig, reply, zone, parser)


def _kept(state: FlowState) -> int:
    return sum(half.kept for half in state.halves if half)
