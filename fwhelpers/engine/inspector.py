"""From a queued packet to its verdict.

The inspector finds the packet's flow, extracts the new bytes of its stream, passes them to the parser and acts on the
parser's events. A packet passes whatever goes wrong: a helper may fail to open a port, but it must not stop traffic.
In doubt nothing is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from fwhelpers.api import ParseError
from fwhelpers.api.failure import describe_failure
from fwhelpers.engine import handover
from fwhelpers.engine.active import Active
from fwhelpers.engine.conntrack_entry import REPLY, is_new_connection, with_timeout
from fwhelpers.engine.datagram_path import DatagramPath
from fwhelpers.engine.event_handler import EventHandler
from fwhelpers.engine.expectations import ExpectationManager
from fwhelpers.engine.flow_state import FlowState, handshake_info
from fwhelpers.engine.flow_table import MAX_FLOWS, FlowTable, flow_between
from fwhelpers.engine.handover import FlowRecord, Key, MemoryRecord
from fwhelpers.engine.headers import ACK, SYN, TCP, Segment, locate
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.onlink import NO_LINKS, Lookup
from fwhelpers.engine.registry import MAX_ALIVE, LiveExpectation, Registry
from fwhelpers.engine.stream import StreamError
from fwhelpers.engine.stream_path import StreamPath, rewrite_again
from fwhelpers.engine.stream_start import begin_reply, is_first_syn, position_labels
from fwhelpers.engine.unconfirmed import UnconfirmedFlows
from fwhelpers.engine.verdict import ACCEPT, ExpectationTable, Report, Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.packet import Packet

__all__ = ["Active", "Inspector"]

_U32 = Struct("!I")

#: seconds within which a packet comes again that was queued again. It may never come: a full queue lets it pass, and
#: another program may drop it
AGAIN = 2.0


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
        self._unconfirmed = UnconfirmedFlows(self._flows)
        #: expectations for the next verdicts on a packet that is queued again, and the time until then, oldest first
        self._pending: dict[Key, tuple[float, list[Expectation]]] = {}
        self._registry = Registry()
        self._expectations = ExpectationManager(table, self._registry, links, self._pending)
        self._events = EventHandler(self._expectations, report)
        self._datagrams = DatagramPath(self._events)
        self._streams = StreamPath(self._events)

    def configure(self, helpers: Mapping[str, Active], max_expectations: int = MAX_ALIVE) -> None:
        """Apply a new configuration. Flows keep their parsers unless their helper was disabled."""
        self._helpers = dict(helpers)
        self._registry.max_alive = max_expectations
        for _, state in self._flows.all():
            state.repeatable = None
            if state.retransmissions is not None:
                state.retransmissions.clear()
            if state.helper in helpers:
                state.active = helpers[state.helper]
            else:
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
                    state = self._resume_flow(active, record) if active is not None else None
                    if state is not None:
                        self._flows.add(record.key, state)

    def _resume_flow(self, active: Active, record: FlowRecord) -> FlowState | None:
        try:
            state = self._flows.new(
                active,
                record.helper,
                record.orig,
                record.reply,
                record.zone,
                record.announcement,
                record.on_link,
            )
        except Exception as error:  # a bug of the plugin
            self._report_start(record.helper, record.orig, record.reply, error)
            return None
        state.account, state.rewriters = record.account, record.rewriters
        state.keep_until, state.finished = record.keep_until, record.finished
        try:
            state.resume(record.base, record.segments)
        except (ParseError, StreamError) as error:
            self._events.abandon(state, f"state of the previous worker: {error}")
        except Exception as error:  # a bug of the plugin must not cost the other flows
            self._fail(state, error)
        return state

    def __len__(self) -> int:
        return len(self._flows)

    def tick(self, now: float) -> None:
        """Withdraw expired expectations. Call it about twice a second; `now` as for `packet`."""
        self._forget_pending(now)
        self._expectations.tick(now)

    def _forget_pending(self, now: float) -> None:
        """Forget what no packet has come for. Another connection may have the same key some day."""
        while self._pending:
            key, (until, _) = next(iter(self._pending.items()))
            if until > now:
                break
            del self._pending[key]

    def packet(self, packet: Packet, now: float) -> Verdict:
        """Return the verdict of a packet. `now` is monotonic time in seconds. Never raises."""
        return self.packets([packet], now)[0]

    def packets(self, packets: Sequence[Packet], now: float) -> list[Verdict]:
        """Return the verdicts of packets that are answered together, in their order. Never raises.

        The state of a flow, and its entry's lifetime, go into the conntrack entry with the last of them.
        """
        verdicts = []
        last: dict[FlowState, int] = {}
        for at, packet in enumerate(packets):
            state, verdict = self._judge(packet, now)
            verdicts.append(verdict)
            if state is not None:
                last[state] = at
        for state, at in last.items():
            packet, verdict = packets[at], verdicts[at]
            # the kernel refuses private data for expected connections
            if not packet.status & IPS_EXPECTED:
                verdict = self._with_state(state, verdict)
                if state.active.resume:
                    verdict = self._with_position(state, verdict)
            if state.keep_until:
                verdict = with_timeout(packet, state, verdict, now, packets)
            verdicts[at] = verdict
        return verdicts

    def _judge(self, packet: Packet, now: float) -> tuple[FlowState | None, Verdict]:
        """Return the verdict, and the flow if its entry may have to change."""
        state: FlowState | None = None
        try:
            segment = locate(packet.payload)
            if segment is None:
                return None, ACCEPT
            key = (packet.tuple_orig_raw, packet.ct_id)
            state = self._flows.get(key)
            if self._pending:
                self._forget_pending(now)
            if key in self._pending:
                done = state is not None and state.finished != ""
                return None, self._attach_next(key, Verdict(done=done))
            if segment.l4 == TCP:
                if state is not None and is_new_connection(packet, segment, state):
                    self._end(key, state)
                    state = None
            elif state is None or not packet.confirmed:
                key, state = self._begun(key, packet, state, now)
            elif state.unconfirmed:
                state.confirm()
            if segment.flags & SYN:
                return None, self._handshake(key, packet, segment, state, now)
            if state is None:
                state = self._open(key, packet, now)
            if state is None:
                return None, self._release(packet, state)
            if segment.flags & ACK:
                other = state.rewriters[packet.ctinfo < REPLY]
                if other.pending:
                    (ack,) = _U32.unpack_from(packet.payload, segment.transport + 8)
                    other.acknowledge(ack)
            if state.finished:
                return state, self._finished(packet, segment, state, now)
            return state, self._inspect(key, packet, segment, state, now)
        except Exception as error:
            self._fail(state, error)
            return None, ACCEPT

    def _with_state(self, state: FlowState, verdict: Verdict) -> Verdict:
        """Return the verdict with private data (CTA_HELP_INFO), if those in the entry are outdated."""
        if state.finished:
            return verdict
        try:
            # a stream's was updated at each segment, as a later one may end within a message
            if state.flow.l4 == "udp":
                state.update_info()
        except Exception as error:  # a bug of the plugin
            self._fail(state, error)
            return verdict
        if state.info != state.stored:
            state.stored = state.info
            verdict = verdict.own()
            verdict.info = state.info
        return verdict

    def _with_position(self, state: FlowState, verdict: Verdict) -> Verdict:
        """Return the verdict with the labels from which another gateway can continue, if they changed."""
        try:
            field = position_labels(state)
        except Exception as error:  # a bug of the plugin
            self._fail(state, error)
            return verdict
        # those of the packet may be older than the verdict on the one before it
        if field != state.position:
            state.position = field
            verdict = verdict.own()
            verdict.labels = field
        return verdict

    def _fail(self, state: FlowState | None, error: Exception) -> None:
        """Stop inspecting a flow after a bug."""
        if state is not None:
            self._events.abandon(state, describe_failure(error), "failed")

    def _report_start(self, helper: str, orig: Tuple, reply: Tuple, error: Exception) -> None:
        """Report a bug of a parser's constructor. There is no flow that could be given up."""
        reason = f"{type(error).__name__}: {error}"
        self._report(Report("failed", helper, flow_between(orig, reply), reason))

    # flows

    def _begun(
        self, key: Key, packet: Packet, state: FlowState | None, now: float
    ) -> tuple[Key, FlowState | None]:
        """Return the key and the flow of a packet that is not confirmed, or whose entry has no flow yet."""
        if state is not None:  # that entry is gone, as this one has its place in memory
            self._end(key, state)
            return key, None
        return self._unconfirmed.find(packet, now) or (key, None)

    def _open(self, key: Key, packet: Packet, now: float) -> FlowState | None:
        active = self._helpers.get(packet.helper)
        if active is None:
            return None
        try:
            return self._make(active, key, packet, now)
        except Exception as error:  # a bug of the plugin
            self._report_start(packet.helper, packet.orig, packet.reply, error)
            if self._flows.get(key) is not None:
                self._flows.remove(key)
            return None

    def _make(self, active: Active, key: Key, packet: Packet, now: float) -> FlowState:
        state = self._flows.of_packet(active, packet)
        info = packet.info
        if labels.has(packet.labels, labels.DONE):  # only the end of its connection is queued
            state.finished = "done"
        elif any(info):
            try:
                state.restore(info)
            except ParseError as error:
                self._events.abandon(state, f"stored state: {error}")
        if labels.has(packet.labels, labels.OUTLIVED):  # the flow was evicted
            ends = (live.claim.until for live in self._expectations.of(state))
            state.keep_until = max(ends, default=0.0)
        self._flows.add(key, state, now)
        if not packet.confirmed and state.flow.l4 == "udp":
            self._unconfirmed.add(key, state, now)
        return state

    def _on_evict(self, key: Key) -> None:
        # packets of the flow may have entries of their own
        for other in [other for other in self._pending if other[0] == key[0]]:
            del self._pending[other]

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
        verdict = rewrite_again(packet, segment, state, ACCEPT, now)
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
        self, key: Key, packet: Packet, segment: Segment, state: FlowState, now: float
    ) -> Verdict:
        is_stream = segment.l4 == TCP
        verdict = ACCEPT
        attach: Sequence[Expectation] = ()
        try:
            if is_stream:
                verdict, attach = self._streams.inspect(packet, segment, state, now)
            else:
                verdict, attach = self._datagrams.inspect(packet, segment, state, now)
        except (ParseError, StreamError) as error:
            self._events.abandon(state, str(error))
        except Exception as error:  # a bug of the plugin
            self._fail(state, error)
        if is_stream or state.holds:
            try:
                self._flows.account(key, state, now)
            except Exception as error:  # a bug of the plugin
                self._fail(state, error)
                self._flows.account(key, state, now)
        if is_stream:
            verdict = self._after_segment(packet, segment, state, verdict, now)
        if state.finished and not state.due(now):
            state.released = True
            verdict = verdict.own()
            verdict.done = True
        if attach:
            # the packet comes again with its own entry, which the flow's key need not name before it is confirmed
            own = (packet.tuple_orig_raw, packet.ct_id)
            self._pending[own] = now + AGAIN, list(attach)
            verdict = self._attach_next(own, verdict)
        return verdict

    def _after_segment(
        self, packet: Packet, segment: Segment, state: FlowState, verdict: Verdict, now: float
    ) -> Verdict:
        rewriter = state.rewriters[packet.ctinfo >= REPLY]
        if rewriter.pending or rewriter.past:
            verdict = rewrite_again(packet, segment, state, verdict, now)
        if not state.finished and not packet.status & IPS_EXPECTED:
            try:
                state.update_info()
            except Exception as error:  # a bug of the plugin; what was rewritten stays so
                self._fail(state, error)
        return verdict

    # what goes back to the kernel

    def _attach_next(self, key: Key, verdict: Verdict) -> Verdict:
        _, waiting = self._pending[key]
        verdict = verdict.own()
        verdict.expectation = waiting.pop(0)
        # a dropped packet is not queued again, nor is one whose flow has left the queue
        verdict.repeat = bool(waiting) and verdict.accept
        if verdict.repeat:
            verdict.done = False
        else:
            del self._pending[key]
        return verdict
