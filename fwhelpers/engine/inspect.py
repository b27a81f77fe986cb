"""From a queued packet to its verdict.

Find the flow, ask the stream which bytes are new, let the parser speak, act on what it says. Whatever goes wrong, the
packet passes: a helper may fail to open something, it may not stop traffic. And whatever is doubtful opens nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api import (
    Cancel,
    Done,
    Drop,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Refuse,
    Spent,
)
from fwhelpers.engine import handover
from fwhelpers.engine.announce import Announcer, Place
from fwhelpers.engine.guard import Ledger, Limits
from fwhelpers.engine.handover import Left, Remembered
from fwhelpers.engine.headers import FIN, RST, SYN, TCP, URG, Segment, locate
from fwhelpers.engine.lasting import REPLY, another, lasting, remembered
from fwhelpers.engine.links import Lookup, nowhere
from fwhelpers.engine.mangle import Edit, MangleError, rewrite
from fwhelpers.engine.memory import Memory
from fwhelpers.engine.state import FlowState
from fwhelpers.engine.stream import HalfStream, StreamError
from fwhelpers.engine.verdict import ACCEPT, Maker, Note, Verdict
from fwhelpers.kernel import labels, queue
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.queue import Packet

MAX_FLOWS = 16384
MAX_KEPT = 64 * 1024 * 1024  #: bytes of streams held in memory

_IAC = 0xFF

#: where packets are that go out
_LEAVING = frozenset({queue.FORWARD, queue.LOCAL_OUT, queue.POST_ROUTING})


@dataclass(frozen=True, slots=True)
class Active:
    """A helper as configured."""

    helper: Helper
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


class Inspector:
    """All flows of one worker. Holds no sockets: expectations go through `maker`, news through `tell`."""

    def __init__(
        self,
        helpers: Mapping[str, Active],
        maker: Maker,
        tell: Callable[[Note], None] = lambda note: None,
        max_flows: int = MAX_FLOWS,
        links: Lookup = nowhere,
    ) -> None:
        self._helpers = dict(helpers)  #: by the name registered with the kernel
        self._tell = tell
        self._max_flows = max_flows
        self._flows: OrderedDict[tuple[bytes, int], FlowState] = OrderedDict()
        self._pending: dict[tuple[bytes, int], list[Expectation]] = {}
        self._memories: dict[str, Memory] = {}
        self._kept = 0
        self._announcer = Announcer(maker, Ledger(), tell, links)

    def configure(self, helpers: Mapping[str, Active]) -> None:
        """Take a new configuration; flows under inspection keep their parsers, unless their helper has gone."""
        self._helpers = dict(helpers)
        for state in self._flows.values():
            if state.helper not in helpers:
                self._poison(state, "helper disabled", "done")

    def leave(self) -> bytes:
        """What a successor needs to go on where this one stopped."""
        return handover.encode(self._flows.items(), self._memories)

    def resume(self, left: bytes) -> None:
        """Go on where a predecessor stopped. Raises ValueError if that can't be read."""
        for one in handover.decode(left):
            active = self._helpers.get(one.helper)
            if isinstance(one, Remembered):
                self._memories.setdefault(one.helper, Memory()).update(one.items)
            elif active is not None:
                self._flows[one.key] = self._resumed(active, one)

    def _resumed(self, active: Active, left: Left) -> FlowState:
        state = self._new(active, left.helper, left.orig, left.reply, left.zone, left.heard)
        state.charged = left.charged
        self._announcer.resume(active.helper, state, left.made)
        state.keep_until, state.finished = left.keep_until, left.finished
        try:
            state.take_up(left.base, left.segments)
        except (ParseError, StreamError) as error:
            self._poison(state, f"left by another worker: {error}")
        for which, edits in enumerate(left.edits):
            for edit in edits:
                state.edits[which].add(edit)
        self._kept += sum(half.kept for half in state.halves if half)
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
            if state is not None and another(packet, segment, state):
                self._ended(key, state)
                state = None
            if state is None:
                state = self._open(key, packet)
            else:
                self._flows.move_to_end(key)
            if state is None or state.finished:
                return self._left(packet, state)
            return self._seen(key, packet, segment, state, now)
        except Exception as error:
            # a plugin's bug or ours: the packet passes, the flow is left alone
            self._announcer.take_waiting()  # which must not go with another's verdict
            if state is not None:
                self._poison(state, f"{type(error).__name__}: {error}", "failed")
            return ACCEPT

    # flows

    def _open(self, key: tuple[bytes, int], packet: Packet) -> FlowState | None:
        active = self._helpers.get(packet.helper)
        if active is None:
            return None
        expected = bool(packet.status & IPS_EXPECTED)
        heard = bool(active.helper.heard) and packet.hook == queue.LOCAL_IN and not expected
        state = self._new(active, packet.helper, packet.orig, packet.reply, packet.zone, heard)
        # whoever answers or announces must not use up what those have who asked: those share with whom they came to
        came = active.helper.outgoing and state.flow.l4 == "udp" and (heard or expected)
        account = state.flow.server if came else state.flow.client
        state.charged = packet.helper.encode() + account.addr
        if any(packet.info):
            try:
                state.restore(packet.info)
            except ParseError as error:
                self._poison(state, f"stored state: {error}")
        self._flows[key] = state
        if len(self._flows) > self._max_flows or self._kept > MAX_KEPT:
            self._forget_oldest()
        return state

    def _new(
        self, active: Active, helper: str, orig: Tuple, reply: Tuple, zone: int, heard: bool
    ) -> FlowState:
        l4 = "tcp" if orig.l4 == TCP else "udp"
        client, server = Endpoint(orig.src, orig.sport), Endpoint(reply.src, reply.sport)
        flow = Flow(l4, client, server, heard)
        parser = active.helper.parser_for(l4)(flow, active.settings)
        parser.memory = self._memories.setdefault(helper, Memory())
        return FlowState(flow, helper, orig, reply, zone, parser)

    def _forget_oldest(self) -> None:
        # what matters of it is in the conntrack entry, and comes back with its next packet
        key, old = self._flows.popitem(last=False)
        self._pending.pop(key, None)
        self._kept -= sum(half.kept for half in old.halves if half)

    def _ended(self, key: tuple[bytes, int], state: FlowState) -> None:
        del self._flows[key]
        self._kept -= sum(half.kept for half in state.halves if half)
        self._announcer.spent(state, None)  # with its connection the kernel has taken them away

    def _left(self, packet: Packet, state: FlowState | None) -> Verdict:
        """A flow that is not (or no longer) ours to parse goes out of the queue."""
        if (state is not None and state.marked) or labels.has(packet.labels, labels.DONE):
            return ACCEPT
        if state is not None:
            state.marked = True
        return Verdict(done=True)

    def _poison(self, state: FlowState, reason: str, kind: str = "poisoned") -> None:
        if not state.finished:
            state.finished = reason
            state.keep_until = 0.0
            self._announcer.cancel(state, None)
            self._tell(Note(kind, state.helper, state.flow, reason))

    # packets

    def _seen(
        self,
        key: tuple[bytes, int],
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
            self._poison(state, str(error))
        if state.finished:
            state.marked = True
            verdict = verdict.but(done=True)
        else:
            verdict = remembered(packet, state, verdict)
        verdict = lasting(packet, state, verdict, now)
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
        place = Place(packet, reply, data, 0, False)
        edits: list[Edit] = []
        verdict = self._act(state, place, state.parser.feed(data, reply), edits, now)
        if edits and verdict.accept:
            return verdict.but(payload=rewrite(bytes(packet.payload), segment, 0, edits))
        return verdict

    def _counts(self, packet: Packet, state: FlowState, reply: bool) -> bool:
        """G1: of an outgoing helper's flows only what leaves, what was announced to all, and what was asked for."""
        if not self._helpers[state.helper].helper.outgoing or packet.status & IPS_EXPECTED:
            return True
        leaves = packet.hook in _LEAVING
        return not reply and leaves != state.flow.heard

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
            place = Place(packet, reply, data, base, state.flow.client.family == 6)
            edits: list[Edit] = []
            verdict = self._act(state, place, state.parser.feed(fresh, reply), edits, now)
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
            self._kept += half.kept - before

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
            self._tell(Note("dropped", state.helper, state.flow, str(error)))
            return verdict.but(accept=False)

    # events

    def _act(
        self, state: FlowState, place: Place, events: Any, edits: list[Edit], now: float
    ) -> Verdict:
        verdict = ACCEPT
        try:
            for event in events:
                verdict = self._event(state, place, event, edits, now, verdict)
        except ParseError as error:
            # what came before the bad bytes is rewritten all the same, but opens nothing (G12)
            self._poison(state, str(error))
        return verdict

    def _event(
        self,
        state: FlowState,
        place: Place,
        event: Event,
        edits: list[Edit],
        now: float,
        verdict: Verdict,
    ) -> Verdict:
        if isinstance(event, Expect):
            active = self._helpers[state.helper]
            edit = self._announcer.expect(active.helper, active.limits, state, place, event, now)
            if edit:
                edits.append(edit)
        elif isinstance(event, Refuse):
            told = Note("refused", state.helper, state.flow, event.reason, event.rule)
            self._tell(told._replace(refused=event.endpoint, interface=place.interface))
        elif isinstance(event, Cancel) and event.want is not None:
            active = self._helpers[state.helper]
            self._announcer.withdraw(active.helper, active.limits, state, place, event.want)
        elif isinstance(event, (Cancel, Spent)):
            klass = _class_of(self._helpers[state.helper].helper, event.policy)
            settle = self._announcer.cancel if isinstance(event, Cancel) else self._announcer.spent
            settle(state, klass)
        elif isinstance(event, Done):
            state.finished = event.reason or "done"
            self._tell(Note("done", state.helper, state.flow, state.finished))
        elif isinstance(event, Drop):
            self._tell(Note("dropped", state.helper, state.flow, event.reason))
            return verdict.but(accept=False)
        return verdict

    # what goes back to the kernel

    def _attach_next(self, key: tuple[bytes, int], verdict: Verdict) -> Verdict:
        waiting = self._pending[key]
        first = waiting.pop(0)
        again = bool(waiting) and verdict.accept  # a packet that is dropped does not come again
        if not again:
            del self._pending[key]
        # nor would one whose flow has left the queue
        return verdict.but(expectation=first, repeat=again, done=verdict.done and not again)


def _class_of(helper: Helper, policy: str) -> int | None:
    names = [p.name for p in helper.policies]
    return names.index(policy) if policy else None


__all__ = ["Active", "Expectation", "Inspector", "Tuple"]
