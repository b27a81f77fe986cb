"""From a TCP segment to the events of its new bytes, and to the rewriting of retransmissions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from fwhelpers.api import ParseError
from fwhelpers.engine.announcement import MessageContext, Outcome
from fwhelpers.engine.conntrack_entry import REPLY
from fwhelpers.engine.event_handler import EventHandler
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import RST, URG, Segment
from fwhelpers.engine.mangle import Edit, MangleError
from fwhelpers.engine.stream import HalfStream, StreamError
from fwhelpers.engine.stream_start import begin_at_payload, pick_up
from fwhelpers.engine.verdict import ACCEPT, Verdict
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.packet import Packet


class StreamPath:
    """Parses the bytes of a stream that are new and in order."""

    def __init__(self, events: EventHandler) -> None:
        self._events = events

    def inspect(
        self, packet: Packet, segment: Segment, state: FlowState, now: float
    ) -> tuple[Verdict, Sequence[Expectation]]:
        """Return the verdict, and expectations that must go with it. Raises ParseError and StreamError."""
        data = packet.payload[segment.data : segment.end]
        if not data or segment.flags & RST:
            return ACCEPT, ()
        if segment.flags & URG and not state.parser.reads_urgent:
            raise ParseError("urgent data")
        reply = packet.ctinfo >= REPLY
        half = state.halves[reply]
        if half is None:
            half = pick_up(state, packet, segment, reply)
            half = half or begin_at_payload(state.active, packet, segment, reply)
            state.halves[reply] = half
        next_, gap = half.next, half.first_gap if half.early else None
        fresh = self._in_order(state, half, segment.seq, data, reply)
        if not fresh:
            return ACCEPT, ()
        events = iter(state.parse(fresh, reply))
        first = next(events, None)
        if first is None:  # the usual case
            return ACCEPT, ()
        base = half.offset_of(segment.seq)
        context = _context(packet, state, data, base, max(base, next_), gap)
        outcome = self._events.handle(state, context, chain((first,), events), now)
        if outcome is None:
            return ACCEPT, ()
        return self._rewritten(packet, segment, state, outcome, base, now), outcome.attach

    def _in_order(
        self, state: FlowState, half: HalfStream, seq: int, data: bytes, reply: bool
    ) -> bytes:
        try:
            return half.feed(seq, data)
        except StreamError as error:
            if not (error.lost and state.parser.resync(reply)):
                raise
            half.skip(seq)
            return half.feed(seq, data)

    def _rewritten(
        self,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        outcome: Outcome,
        base: int,
        now: float,
    ) -> Verdict:
        verdict = outcome.verdict()
        if outcome.edits:
            edits = [Edit(e.start - base, e.end - base, e.text) for e in outcome.edits]
            try:
                return _rewrite_first(packet, segment, state, edits, verdict, now)
            except MangleError as error:
                # unchanged, the announcement leads nowhere
                outcome.attach.clear()
                self._events.abandon(state, str(error))
        return verdict


def _context(
    packet: Packet, state: FlowState, data: bytes, base: int, start: int, gap: int | None
) -> MessageContext:
    """`base` is the offset of the segment's first byte, `start` that of the first new one."""
    # only bytes that have not passed yet can be rewritten, and only the last ones resized:
    # the kernel has a single position up to which it adjusts sequence numbers
    reply = packet.ctinfo >= REPLY
    end = base + len(data) if gap is None else min(base + len(data), gap)
    if state.ahead[reply]:  # any of these bytes may have passed
        end = start
    rewriter = state.rewriters[reply]
    fixed = state.flow.client.family == 6 or gap is not None or start != base or rewriter.resizing
    bytes_ = data if start == base and end == base + len(data) else data[start - base : end - base]
    return MessageContext(packet, reply, bytes_, start, fixed, rewriter.full)


def _rewrite_first(
    packet: Packet,
    segment: Segment,
    state: FlowState,
    edits: list[Edit],
    verdict: Verdict,
    now: float,
) -> Verdict:
    if not verdict.accept:
        raise MangleError("the packet is dropped")
    reply = packet.ctinfo >= REPLY
    rewriter = state.rewriters[reply]
    data = packet.payload[segment.data : segment.end]
    rewriter.add(segment.seq, data, edits, packet.seq_adjustment(reply))
    rewriter.used = now
    verdict = verdict.own()
    verdict.payload = rewriter.translate(packet.payload, segment)
    return verdict


def rewrite_again(
    packet: Packet, segment: Segment, state: FlowState, verdict: Verdict, now: float
) -> Verdict:
    """Rewrite a retransmission as the segment before it."""
    rewriter = state.rewriters[packet.ctinfo >= REPLY]
    if not rewriter.concerns(segment.seq) or segment.data == segment.end:
        return verdict
    if not verdict.accept or verdict.payload is not None:
        return verdict
    payload = rewriter.translate(packet.payload, segment)
    if payload is None:
        return verdict
    rewriter.used = now
    verdict = verdict.own()
    verdict.payload = payload
    return verdict
