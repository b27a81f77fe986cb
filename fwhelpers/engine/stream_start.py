"""Where a TCP stream begins (safety rule G2, decision 0001)."""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.engine.active import Active
from fwhelpers.engine.conntrack_entry import REPLY
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import ACK, Segment
from fwhelpers.engine.stream import HalfStream
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.nfqueue import Packet


def is_first_syn(packet: Packet, segment: Segment) -> bool:
    """Return whether a SYN is its connection's first packet, and its sequence number can be stored."""
    # the kernel stores no private data for expected connections
    first = not packet.confirmed and not packet.status & IPS_EXPECTED
    return first and packet.ctinfo < REPLY and not segment.flags & ACK


def begin_reply(state: FlowState, segment: Segment) -> None:
    """Start the reply direction at a SYN/ACK. These are queued with steering = "helper" only."""
    client, server = state.halves
    if server is None and client is not None and client.untouched:
        state.halves[1] = HalfStream(segment.seq + 1, begins=True)


def pick_up(state: FlowState, packet: Packet, segment: Segment, reply: bool) -> HalfStream | None:
    """Continue a direction where the parser of another gateway stood between two commands; None elsewhere."""
    if not state.active.resume:
        return None
    if state.halves == [None, None]:
        state.resume_at = labels.positions(packet.labels)
    if state.resume_at is None or state.resume_at[reply] != segment.seq & 0xFFFF:
        return None
    state.parser.pick_up()
    return HalfStream(segment.seq)


def position_labels(state: FlowState) -> bytes:
    """Return the labels by which another gateway can continue the flow; none are set if it can't."""
    client, server = state.halves
    parser = state.parser
    if state.finished or client is None or server is None:
        return labels.bits()
    whole = client.complete and server.complete
    if not (whole and parser.boundary(False) and parser.boundary(True) and parser.resumable()):
        return labels.bits()
    return labels.position_field(client.next_seq, server.next_seq)


def begin_at_payload(active: Active, packet: Packet, segment: Segment, reply: bool) -> HalfStream:
    """Start a direction at a segment with payload. Raises ParseError unless it is the first one."""
    if not active.pickup:
        if not labels.has(packet.labels, labels.BEGAN):
            raise ParseError("the connection's SYN was not seen")
        # the first payload to arrive may not be the first one sent, and what a client announces may
        # be chosen by others: its stream must begin where its SYN says. The kernel stores nothing for
        # an expected connection, and only the host for which it was opened can open it
        expected = packet.status & IPS_EXPECTED
        if active.helper.client_announces and not reply and not expected:
            raise ParseError("the sequence number of the client's SYN is not known")
    if not labels.first_payload(packet.labels, reply):
        raise ParseError("the beginning of the stream was not seen")
    return HalfStream(segment.seq, begins=True)
