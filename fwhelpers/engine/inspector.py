"""From a queued packet to its verdict.

The inspector finds the packet's flow, extracts the new bytes of its stream, passes them to the parser and acts on the
parser's events. A packet passes whatever goes wrong: a helper may fail to open a port, but it must not stop traffic.
In doubt nothing is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from fwhelpers.api import ParseError
from fwhelpers.engine import handover
from fwhelpers.engine.announcement import MessageContext, Outcome
from fwhelpers.engine.conntrack_entry import (
    REPLY,
    is_new_connection,
    with_private_data,
    with_timeout,
)
from fwhelpers.engine.event_handler import EventHandler
from fwhelpers.engine.expectations import ExpectationManager
from fwhelpers.engine.flow_state import FlowState, handshake_info
from fwhelpers.engine.flow_table import MAX_FLOWS, Active, FlowTable
from fwhelpers.engine.handover import FlowRecord, Key, MemoryRecord
from fwhelpers.engine.headers import ACK, RST, SYN, TCP, URG, Segment, locate
from fwhelpers.engine.mangle import Edit, MangleError, rewrite
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.onlink import NO_LINKS, Lookup
from fwhelpers.engine.registry import MAX_ALIVE, LiveExpectation, Registry
from fwhelpers.engine.stream import HalfStream, StreamError
from fwhelpers.engine.stream_start import begin_at_payload, begin_reply, is_first_syn
from fwhelpers.engine.verdict import ACCEPT, ExpectationTable, Report, Verdict
from fwhelpers.kernel import labels, nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfqueue import Packet

__all__ = ["Active", "Inspector"]

_U32 = Struct("!I")

#: the hooks of outgoing packets
_OUTGOING_HOOKS = frozenset({nfqueue.FORWARD, nfqueue.LOCAL_OUT, nfqueue.POST_ROUTING})

NOTHING_TO_ATTACH: Sequence[Expectation] = ()


class Inspector:
    """The flows of one worker. Does no I/O: writes expectations to `table`, passes reports to `report`."""

    def __init__(
        self,
        helpers: Mapping[str, Active],
        table: ExpectationTable,
        report: Callable[[Report], None] = lambda report: None,
        max_flows: int = MAX_FLOWS,
        links: Lookup = NO_LINKS,
    ) -> None:
        self._helpers = dict(helpers)  #: by the name registered with the kernel
        self._report = report
        self._flows = FlowTable(max_flows, self._on_evict, links)
        self._pending: dict[Key, list[Expectation]] = {}
        self._registry = Registry()
        self._expectations = ExpectationManager(table, self._registry, links)
        self._events = EventHandler(self._expectations, report)

    def configure(self, helpers: Mapping[str, Active], max_expectations: int = MAX_ALIVE) -> None:
        """Apply a new configuration. Flows keep their parsers unless their helper was disabled."""
        self._helpers = dict(helpers)
        self._registry.max_alive = max_expectations
        for _, state in self._flows.all():
            if state.helper not in helpers:
                self._events.abandon(state, "helper disabled", "done")

    def hand_over(self) -> bytes:
        """Return the state that a successor needs, for its `resume`."""
        return handover.encode(self._flows.all(), self._flows.memories, self._registry)

    def resume(self, data: bytes) -> None:
        """Continue from a predecessor's `hand_over`. Raises ValueError for malformed data."""
        for record in handover.decode(data):
            match record:
                case LiveExpectation():
                    self._registry.resume(record)
                case MemoryRecord():
                    self._flows.memories.setdefault(record.helper, Memory()).update(record.items)
                case FlowRecord():
                    active = self._helpers.get(record.helper)
                    if active is not None:
                        self._flows.add(record.key, self._resume_flow(active, record))

    def _resume_flow(self, active: Active, record: FlowRecord) -> FlowState:
        state = self._flows.new(
            active,
            record.helper,
            record.orig,
            record.reply,
            record.zone,
            record.announcement,
            record.on_link,
        )
        state.account, state.rewriters = record.account, record.rewriters
        state.keep_until, state.finished = record.keep_until, record.finished
        try:
            state.resume(record.base, record.segments)
        except (ParseError, StreamError) as error:
            self._events.abandon(state, f"state of the previous worker: {error}")
        return state

    def __len__(self) -> int:
        return len(self._flows)

    def tick(self, now: float) -> None:
        """Withdraw expired expectations. Call it about twice a second; `now` as for `packet`."""
        self._expectations.tick(now)

    def packet(self, packet: Packet, now: float) -> Verdict:
        """Return the verdict of a packet. `now` is monotonic time in seconds. Never raises."""
        state: FlowState | None = None
        try:
            segment = locate(packet.payload)
            if segment is None:
                return ACCEPT
            key = (packet.tuple_orig_raw, packet.ct_id)
            state = self._flows.get(key)
            if key in self._pending:
                finished = state is not None and bool(state.finished)
                return self._attach_next(key, Verdict(done=finished))
            if state is not None and is_new_connection(packet, segment, state):
                self._end(key, state)
                state = None
            if segment.flags & SYN:
                return self._handshake(key, packet, segment, state, now)
            if state is None:
                state = self._open(key, packet, now)
            if state is None:
                return self._release(packet, state)
            other = state.rewriters[packet.ctinfo < REPLY]
            if other.pending and segment.flags & ACK:
                (ack,) = _U32.unpack_from(packet.payload, segment.transport + 8)
                other.acknowledge(ack)
            if state.finished:
                return self._finished(packet, segment, state, now)
            return self._inspect(key, packet, segment, state, now)
        except Exception as error:
            self._fail(state, error)
            return ACCEPT

    def _fail(self, state: FlowState | None, error: Exception) -> None:
        """Stop inspecting a flow after a bug."""
        if state is not None:
            self._events.abandon(state, f"{type(error).__name__}: {error}", "failed")

    # flows

    def _open(self, key: Key, packet: Packet, now: float) -> FlowState | None:
        active = self._helpers.get(packet.helper)
        if active is None:
            return None
        state = self._flows.of_packet(active, packet)
        if any(packet.info):
            try:
                state.restore(packet.info)
            except ParseError as error:
                self._events.abandon(state, f"stored state: {error}")
        self._flows.add(key, state, now)
        return state

    def _on_evict(self, key: Key) -> None:
        self._pending.pop(key, None)

    def _end(self, key: Key, state: FlowState) -> None:
        self._flows.remove(key)
        self._expectations.forget(state, None)  # the kernel deleted them with their master

    def _release(self, packet: Packet, state: FlowState | None) -> Verdict:
        """Take a flow that is not inspected out of the queue."""
        if (state is not None and state.released) or labels.has(packet.labels, labels.DONE):
            return ACCEPT
        if state is not None:
            state.released = True
        return Verdict(done=True)

    def _finished(self, packet: Packet, segment: Segment, state: FlowState, now: float) -> Verdict:
        """Rewrite retransmissions of a flow that is not parsed any more, until they are acknowledged."""
        verdict = self._rewrite_again(packet, segment, state, ACCEPT, now)
        if state.due(now):
            return verdict
        return self._release(packet, state) if verdict is ACCEPT else verdict

    # packets

    def _handshake(
        self, key: Key, packet: Packet, segment: Segment, state: FlowState | None, now: float
    ) -> Verdict:
        """Store where a stream begins. The payload of a SYN is never parsed."""
        if is_first_syn(packet, segment):
            ours = packet.helper in self._helpers
            return Verdict(info=handshake_info(segment.seq + 1)) if ours else ACCEPT
        if packet.ctinfo >= REPLY and segment.flags & ACK:
            state = state or self._open(key, packet, now)
            if state is not None and not state.finished:
                begin_reply(state, segment)
        return ACCEPT

    def _inspect(
        self,
        key: Key,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        now: float,
    ) -> Verdict:
        reply = packet.ctinfo >= REPLY
        data = bytes(packet.payload[segment.data : segment.end])
        verdict, attach = ACCEPT, NOTHING_TO_ATTACH
        try:
            if segment.l4 == TCP:
                verdict, attach = self._tcp(packet, segment, state, reply, data, now)
            else:
                verdict, attach = self._udp(packet, segment, state, reply, data, now)
        except (ParseError, StreamError) as error:
            self._events.abandon(state, str(error))
        except Exception as error:  # a bug of the plugin
            self._fail(state, error)
        if segment.l4 == TCP:
            self._flows.account(key, state, now)
        rewriter = state.rewriters[reply]
        if rewriter.pending or rewriter.past:
            verdict = self._rewrite_again(packet, segment, state, verdict, now)
        if not state.finished:
            verdict = with_private_data(packet, state, verdict)
        elif not state.due(now):
            state.released = True
            verdict = verdict.replace(done=True)
        verdict = with_timeout(packet, state, verdict, now)
        if attach:
            self._pending[key] = list(attach)
            return self._attach_next(key, verdict)
        return verdict

    def _udp(
        self,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        reply: bool,
        data: bytes,
        now: float,
    ) -> tuple[Verdict, Sequence[Expectation]]:
        if not self._is_relevant(packet, state, reply):
            return ACCEPT, NOTHING_TO_ATTACH
        context = MessageContext(packet, reply, data, 0, False)
        outcome = self._parse(state, context, data, now)
        verdict = _verdict(outcome)
        if outcome.edits and verdict.accept:
            payload = rewrite(bytes(packet.payload), segment, outcome.edits)
            verdict = verdict.replace(payload=payload)
        return verdict, outcome.attach

    def _parse(self, state: FlowState, context: MessageContext, data: bytes, now: float) -> Outcome:
        events = state.parser.feed(data, context.reply)
        return self._events.handle(self._helpers[state.helper], state, context, events, now)

    def _is_relevant(self, packet: Packet, state: FlowState, reply: bool) -> bool:
        """G1: an outgoing helper sees requests that leave, announcements to a group, and expected connections."""
        if not self._helpers[state.helper].helper.outgoing or packet.status & IPS_EXPECTED:
            return True
        outgoing = packet.hook in _OUTGOING_HOOKS
        return not reply and outgoing != state.flow.announcement

    def _tcp(
        self,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        reply: bool,
        data: bytes,
        now: float,
    ) -> tuple[Verdict, Sequence[Expectation]]:
        if not data or segment.flags & RST:
            return ACCEPT, NOTHING_TO_ATTACH
        if segment.flags & URG and not state.parser.reads_urgent:
            raise ParseError("urgent data")
        half = state.halves[reply]
        if half is None:
            active = self._helpers[state.helper]
            half = begin_at_payload(active, packet, segment, reply)
            state.halves[reply] = half
        next_, gap = half.next, half.first_gap
        fresh = self._in_order(state, half, segment.seq, data, reply)
        if not fresh:
            return ACCEPT, NOTHING_TO_ATTACH
        # only bytes that have not passed yet can be rewritten, and only the last ones resized:
        # the kernel has a single position up to which it adjusts sequence numbers
        base = half.offset_of(segment.seq)
        start = max(base, next_)
        end = base + len(data) if gap is None else min(base + len(data), gap)
        if state.ahead[reply]:  # any of these bytes may have passed
            end = start
        rewriter = state.rewriters[reply]
        fixed = state.flow.client.family == 6 or gap is not None or start != base
        context = MessageContext(
            packet, reply, data[start - base : end - base], start, fixed or rewriter.resizing,
            rewriter.full,
        )  # fmt: skip
        outcome = self._parse(state, context, fresh, now)
        verdict = _verdict(outcome)
        if outcome.edits:
            edits = [Edit(e.start - base, e.end - base, e.text) for e in outcome.edits]
            try:
                verdict = self._rewrite_first(packet, segment, state, edits, verdict, now)
            except MangleError as error:
                # unchanged, the announcement leads nowhere
                outcome.attach.clear()
                self._events.abandon(state, str(error))
        return verdict, outcome.attach

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

    def _rewrite_first(
        self,
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
        payload = bytes(packet.payload)
        data = payload[segment.data : segment.end]
        rewriter.add(segment.seq, data, edits, packet.seq_adjustment(reply))
        rewriter.used = now
        return verdict.replace(payload=rewriter.translate(payload, segment))

    def _rewrite_again(
        self, packet: Packet, segment: Segment, state: FlowState, verdict: Verdict, now: float
    ) -> Verdict:
        rewriter = state.rewriters[packet.ctinfo >= REPLY]
        if not rewriter.concerns(segment.seq) or segment.data == segment.end:
            return verdict
        if not verdict.accept or verdict.payload is not None:
            return verdict
        payload = rewriter.translate(bytes(packet.payload), segment)
        if payload is None:
            return verdict
        rewriter.used = now
        return verdict.replace(payload=payload)

    # what goes back to the kernel

    def _attach_next(self, key: Key, verdict: Verdict) -> Verdict:
        waiting = self._pending[key]
        first = waiting.pop(0)
        # a dropped packet is not queued again, nor is one whose flow has left the queue
        repeat = bool(waiting) and verdict.accept
        if not repeat:
            del self._pending[key]
        return verdict.replace(expectation=first, repeat=repeat, done=verdict.done and not repeat)


def _verdict(outcome: Outcome) -> Verdict:
    return Verdict(accept=False) if outcome.drop else ACCEPT
