"""From a queued packet to its verdict.

Find the flow, ask the stream which bytes are new, let the parser speak, act on what it says. Whatever goes wrong, the
packet passes: a helper may fail to open something, it may not stop traffic. And whatever is doubtful opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fwhelpers.api import ParseError
from fwhelpers.engine import handover
from fwhelpers.engine.conntrack_entry import (
    REPLY,
    is_new_connection,
    with_private_data,
    with_timeout,
)
from fwhelpers.engine.event_handler import EventHandler
from fwhelpers.engine.expectations import ExpectationManager, MessageContext
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.flow_table import MAX_FLOWS, Active, FlowTable
from fwhelpers.engine.guard import Ledger
from fwhelpers.engine.handover import Key, Left, Remembered
from fwhelpers.engine.headers import FIN, RST, SYN, TCP, URG, Segment, locate
from fwhelpers.engine.mangle import Edit, MangleError, rewrite
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.onlink import NO_LINKS, Lookup
from fwhelpers.engine.stream import HalfStream, StreamError
from fwhelpers.engine.verdict import ACCEPT, ExpectationTable, Report, Verdict
from fwhelpers.kernel import labels, nfqueue
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfqueue import Packet

__all__ = ["Active", "Inspector"]

_IAC = 0xFF

#: where packets are that go out
_LEAVING = frozenset({nfqueue.FORWARD, nfqueue.LOCAL_OUT, nfqueue.POST_ROUTING})


class Inspector:
    """All flows of one worker. Holds no sockets: expectations go through `maker`, news through `tell`."""

    def __init__(
        self,
        helpers: Mapping[str, Active],
        maker: ExpectationTable,
        tell: Callable[[Report], None] = lambda note: None,
        max_flows: int = MAX_FLOWS,
        links: Lookup = NO_LINKS,
    ) -> None:
        self._helpers = dict(helpers)  #: by the name registered with the kernel
        self._tell = tell
        self._flows = FlowTable(max_flows, self._forgotten)
        self._pending: dict[Key, list[Expectation]] = {}
        self._announcer = ExpectationManager(maker, Ledger(), tell, links)
        self._acts = EventHandler(self._announcer, tell)

    def configure(self, helpers: Mapping[str, Active]) -> None:
        """Take a new configuration; flows under inspection keep their parsers, unless their helper has gone."""
        self._helpers = dict(helpers)
        for _, state in self._flows.all():
            if state.helper not in helpers:
                self._acts.give_up(state, "helper disabled", "done")

    def leave(self) -> bytes:
        """What a successor needs to go on where this one stopped."""
        return handover.encode(self._flows.all(), self._flows.memories)

    def resume(self, left: bytes) -> None:
        """Go on where a predecessor stopped. Raises ValueError if that can't be read."""
        for one in handover.decode(left):
            active = self._helpers.get(one.helper)
            if isinstance(one, Remembered):
                self._flows.memories.setdefault(one.helper, Memory()).update(one.items)
            elif active is not None:
                self._flows.add(one.key, self._resumed(active, one))

    def _resumed(self, active: Active, left: Left) -> FlowState:
        state = self._flows.new(active, left.helper, left.orig, left.reply, left.zone, left.heard)
        state.charged = left.charged
        self._announcer.resume(active.helper, state, left.made)
        state.keep_until, state.finished = left.keep_until, left.finished
        try:
            state.take_up(left.base, left.segments)
        except (ParseError, StreamError) as error:
            self._acts.give_up(state, f"left by another worker: {error}")
        for which, edits in enumerate(left.edits):
            for edit in edits:
                state.edits[which].add(edit)
        return state

    def __len__(self) -> int:
        return len(self._flows)

    def tick(self, now: float) -> None:
        """Withdraw what is over; to be called about twice a second. `now` as for `packet`."""
        self._announcer.tick(now)

    def packet(self, packet: Packet, now: float) -> Verdict:
        """Judge one packet. `now` is monotonic time in seconds. Never raises."""
        state: FlowState | None = None
        try:
            segment = locate(packet.payload)
            if segment is None:
                return ACCEPT
            key = (packet.tuple_orig_raw, packet.ct_id)
            state = self._flows.get(key)
            if key in self._pending:
                over = state is not None and bool(state.finished)
                return self._attach_next(key, Verdict(done=over))
            if state is not None and is_new_connection(packet, segment, state):
                self._ended(key, state)
                state = None
            if state is None:
                state = self._open(key, packet)
            if state is None or state.finished:
                return self._left(packet, state)
            return self._seen(key, packet, segment, state, now)
        except Exception as error:
            # a plugin's bug or ours: the packet passes, the flow is left alone
            self._announcer.take_waiting()  # which must not go with another's verdict
            if state is not None:
                self._acts.give_up(state, f"{type(error).__name__}: {error}", "failed")
            return ACCEPT

    # flows

    def _open(self, key: Key, packet: Packet) -> FlowState | None:
        active = self._helpers.get(packet.helper)
        if active is None:
            return None
        state = self._flows.of_packet(active, packet)
        if any(packet.info):
            try:
                state.restore(packet.info)
            except ParseError as error:
                self._acts.give_up(state, f"stored state: {error}")
        self._flows.add(key, state)
        return state

    def _forgotten(self, key: Key) -> None:
        self._pending.pop(key, None)

    def _ended(self, key: Key, state: FlowState) -> None:
        self._flows.remove(key)
        self._announcer.spent(state, None)  # with its connection the kernel has taken them away

    def _left(self, packet: Packet, state: FlowState | None) -> Verdict:
        """A flow that is not (or no longer) ours to parse goes out of the queue."""
        if (state is not None and state.marked) or labels.has(packet.labels, labels.DONE):
            return ACCEPT
        if state is not None:
            state.marked = True
        return Verdict(done=True)

    # packets

    def _seen(
        self,
        key: Key,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        now: float,
    ) -> Verdict:
        reply = packet.ctinfo >= REPLY
        data = bytes(packet.payload[segment.data : segment.end])
        verdict = ACCEPT
        try:
            if segment.l4 == TCP:
                verdict = self._tcp(packet, segment, state, reply, data, now)
            else:
                verdict = self._udp(packet, segment, state, reply, data, now)
        except (ParseError, StreamError) as error:
            self._acts.give_up(state, str(error))
        if state.finished:
            state.marked = True
            verdict = verdict.but(done=True)
        else:
            verdict = with_private_data(packet, state, verdict)
        verdict = with_timeout(packet, state, verdict, now)
        waiting = self._announcer.take_waiting()
        if waiting:
            self._pending[key] = waiting
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
    ) -> Verdict:
        if not self._counts(packet, state, reply):
            return ACCEPT
        place = MessageContext(packet, reply, data, 0, False)
        edits: list[Edit] = []
        verdict = self._act(state, place, data, edits, now)
        if edits and verdict.accept:
            return verdict.but(payload=rewrite(bytes(packet.payload), segment, 0, edits))
        return verdict

    def _act(
        self, state: FlowState, place: MessageContext, data: bytes, edits: list[Edit], now: float
    ) -> Verdict:
        events = state.parser.feed(data, place.reply)
        return self._acts.all(self._helpers[state.helper], state, place, events, edits, now)

    def _counts(self, packet: Packet, state: FlowState, reply: bool) -> bool:
        """G1: of an outgoing helper's flows only what leaves, what was announced to all, and what was asked for."""
        if not self._helpers[state.helper].helper.outgoing or packet.status & IPS_EXPECTED:
            return True
        leaves = packet.hook in _LEAVING
        return not reply and leaves != state.flow.announcement

    def _tcp(
        self,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        reply: bool,
        data: bytes,
        now: float,
    ) -> Verdict:
        if segment.flags & SYN:
            state.halves[reply] = HalfStream(segment.seq + 1)
            return ACCEPT
        if not data or segment.flags & (RST | FIN):
            return ACCEPT
        if segment.flags & URG and _IAC not in data:
            raise ParseError("urgent data")
        half = state.halves[reply]
        if half is None:
            half = state.halves[reply] = self._begin(packet, segment, reply)
        fresh = self._in_order(state, half, segment.seq, data, reply)
        base = half.offset_of(segment.seq)
        verdict = ACCEPT
        if fresh:
            place = MessageContext(packet, reply, data, base, state.flow.client.family == 6)
            edits: list[Edit] = []
            verdict = self._act(state, place, fresh, edits, now)
            for edit in edits:
                state.edits[reply].add(edit)
        return self._edited(packet, segment, state, reply, base, verdict)

    def _begin(self, packet: Packet, segment: Segment, reply: bool) -> HalfStream:
        """Start at this segment if the kernel says it is the direction's first (safety rule G2)."""
        if not labels.first_payload(packet.labels, reply):
            raise ParseError("picked up in mid-stream")
        return HalfStream(segment.seq)

    def _in_order(
        self, state: FlowState, half: HalfStream, seq: int, data: bytes, reply: bool
    ) -> bytes:
        before = half.kept
        try:
            return half.feed(seq, data)
        except StreamError as error:
            if not (error.lost and state.parser.resync(reply)):
                raise
            half.skip(seq)
            return half.feed(seq, data)
        finally:
            self._flows.kept += half.kept - before

    def _edited(
        self,
        packet: Packet,
        segment: Segment,
        state: FlowState,
        reply: bool,
        base: int,
        verdict: Verdict,
    ) -> Verdict:
        if not verdict.accept:
            return verdict
        try:
            edits = state.edits[reply].within(base, base + segment.end - segment.data)
            if not edits:
                return verdict
            return verdict.but(payload=rewrite(bytes(packet.payload), segment, base, edits))
        except MangleError as error:
            # half of an old text and half of a new one would be worse; the sender tries again
            self._tell(Report("dropped", state.helper, state.flow, str(error)))
            return verdict.but(accept=False)

    # what goes back to the kernel

    def _attach_next(self, key: Key, verdict: Verdict) -> Verdict:
        waiting = self._pending[key]
        first = waiting.pop(0)
        again = bool(waiting) and verdict.accept  # a packet that is dropped does not come again
        if not again:
            del self._pending[key]
        # nor would one whose flow has left the queue
        return verdict.but(expectation=first, repeat=again, done=verdict.done and not again)
