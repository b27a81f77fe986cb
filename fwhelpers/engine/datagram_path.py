"""From a datagram to its events."""

from __future__ import annotations

from collections.abc import Sequence

from fwhelpers.engine.announcement import MessageContext
from fwhelpers.engine.conntrack_entry import REPLY
from fwhelpers.engine.event_handler import EventHandler
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import Segment
from fwhelpers.engine.mangle import Edit, MangleError, rewrite
from fwhelpers.engine.retransmissions import Handled, identify
from fwhelpers.engine.verdict import ACCEPT, Verdict
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.packet import Packet

#: the hooks of outgoing packets
_OUTGOING_HOOKS = frozenset({nfqueue.FORWARD, nfqueue.LOCAL_OUT, nfqueue.POST_ROUTING})


class DatagramPath:
    """Parses each datagram by itself."""

    def __init__(self, events: EventHandler) -> None:
        self._events = events

    def inspect(
        self, packet: Packet, segment: Segment, state: FlowState, now: float
    ) -> tuple[Verdict, Sequence[Expectation]]:
        """Return the verdict, and expectations that must go with it. Raises ParseError."""
        reply = packet.ctinfo >= REPLY
        if state.active.helper.outgoing and not _is_relevant(packet, state, reply):
            return ACCEPT, ()
        data = packet.payload[segment.data : segment.end]
        retransmissions = state.retransmissions
        if retransmissions is None or not packet.confirmed:
            return self._handle(packet, segment, data, state, now)
        name = identify(data, reply)
        handled = retransmissions.find(name, now)
        if handled is None:
            return self._handle(packet, segment, data, state, now, name)
        return _again(packet, segment, handled), ()

    def _handle(
        self,
        packet: Packet,
        segment: Segment,
        data: bytes,
        state: FlowState,
        now: float,
        name: bytes = b"",
    ) -> tuple[Verdict, Sequence[Expectation]]:
        """Parse a datagram; remember it by `name`, if it has one."""
        reply = packet.ctinfo >= REPLY
        events = state.parse(data, reply)
        if not events:
            return ACCEPT, ()
        outcome = self._events.handle(
            state, MessageContext(packet, reply, data, 0, False), events, now
        )
        verdict = ACCEPT if outcome is None else outcome.verdict()
        if outcome is not None and outcome.edits and verdict.accept:
            try:
                payload = rewrite(packet.payload, segment, outcome.edits)
            except MangleError as error:
                # unchanged, the announcement leads nowhere
                self._events.abandon(state, str(error))
                return ACCEPT, ()
            verdict = verdict.own()
            verdict.payload = payload
        # what was refused may be granted the next time
        if name and state.retransmissions is not None and not (outcome and outcome.refused):
            rewritten = verdict.payload and verdict.payload[segment.data :]
            opened = tuple(outcome.opened) if outcome is not None else ()
            state.retransmissions.add(name, Handled(now, rewritten, opened))
        return verdict, outcome.attach if outcome is not None else ()


def _again(packet: Packet, segment: Segment, handled: Handled) -> Verdict:
    if handled.rewritten is None:
        return ACCEPT
    edit = Edit(0, segment.end - segment.data, handled.rewritten)
    return Verdict(payload=rewrite(packet.payload, segment, [edit]))


def _is_relevant(packet: Packet, state: FlowState, reply: bool) -> bool:
    """G1: an outgoing helper sees requests that leave, announcements to a group, and expected connections."""
    if packet.status & IPS_EXPECTED:
        return True
    outgoing = packet.hook in _OUTGOING_HOOKS
    return not reply and outgoing != state.flow.announcement
