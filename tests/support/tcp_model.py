"""A model of TCP through a gateway: two ends, a network that loses and reorders, the real Inspector, and conntrack's
adjustment of sequence numbers (nf_conntrack_seqadj.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from connection import Connection

from fwhelpers.engine import handover
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import locate
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.mangle import Edit, apply
from fwhelpers.kernel.conntrack import NO_ADJUSTMENT, SeqAdjustment
from fwhelpers.testing.playbook import Message

_MASK = 0xFFFFFFFF
FIN, PSH, ACK = 1, 8, 16
MAX_STEPS = 4000
CALM = 1200  #: steps after which the network is perfect, so that every connection can end


def after(a: int, b: int) -> bool:
    return 0 < (a - b) & _MASK < 1 << 31


@dataclass
class Segment:
    reply: bool
    seq: int
    ack: int
    data: bytes
    flags: int = PSH | ACK


class Kernel:
    """Sequence numbers of both directions (nf_ct_seqadj_set(), nf_ct_seq_adjust())."""

    def __init__(self) -> None:
        self.ways = [NO_ADJUSTMENT, NO_ADJUSTMENT]

    def resized(self, reply: bool, seq: int, growth: int) -> None:
        way = self.ways[reply]
        if way.before == way.after or after(seq, way.position):
            self.ways[reply] = SeqAdjustment(seq, way.after, way.after + growth)

    def adjust(self, segment: Segment) -> Segment:
        this, other = self.ways[segment.reply], self.ways[not segment.reply]
        moved = this.after if after(segment.seq, this.position) else this.before
        beyond = after((segment.ack - other.before) & _MASK, other.position)
        ack = segment.ack - (other.after if beyond else other.before)
        return Segment(
            segment.reply, (segment.seq + moved) & _MASK, ack & _MASK, segment.data, segment.flags
        )


@dataclass
class End:
    """One end: what it sends, and what it has received."""

    reply: bool
    isn: int
    peer_isn: int
    output: bytes = b""
    acked: int = 0
    sent: int = 0
    received: bytes = b""
    early: dict[int, bytes] = field(default_factory=dict)
    acks: int = 0  #: that it owes

    def segment(self, start: int, end: int, fin: bool = False) -> Segment:
        self.acks = 0
        flags = PSH | ACK | (FIN if fin else 0)
        return Segment(
            self.reply, (self.isn + start) & _MASK, (self.peer_isn + len(self.received)) & _MASK,
            self.output[start:end], flags,
        )  # fmt: skip

    def take(self, segment: Segment) -> None:
        acked = (segment.ack - self.isn) & _MASK
        if acked <= self.sent:
            self.acked = max(self.acked, acked)
        if not segment.data:
            return
        self.acks += 1
        at = (segment.seq - self.peer_isn) & _MASK
        if at >= 1 << 31:
            at -= 1 << 32
        for number in range(len(segment.data)):
            if at + number >= len(self.received):
                self.early.setdefault(at + number, segment.data[number : number + 1])
        out = bytearray()
        while (byte_ := self.early.pop(len(self.received) + len(out), None)) is not None:
            out += byte_
        self.received += out


@dataclass
class Result:
    wrong: bool
    stalled: bool
    opened: int
    refused: int
    resized: bool


class Model:
    """One connection. `script`: messages by turns; each waits until all before it have arrived.

    Workers are replaced; with `killed` they hand over what the manager knows only, the expectations, and are killed
    while nothing is left to rewrite: no bytes wait for their acknowledgement, none were resized.
    """

    def __init__(
        self, talk: Connection, script: Sequence[Message], random: Random, *, killed: bool = False
    ) -> None:
        self.killed = killed
        self.talk, self.script, self.random = talk, script, random
        talk.inspector._flows._max_flows = 4
        self.kernel = Kernel()
        client = End(False, talk.seq[0], talk.seq[1])
        self.ends = [client, End(True, talk.seq[1], talk.seq[0])]
        self.edits: list[list[Edit]] = [[], []]
        self.written = 0  #: messages of the script
        self.mss = random.choice([7, 40, 100, 536, 1460])
        self.loss = random.choice([0.0, 0.05, 0.2, 0.4])
        self.shuffle = random.choice([0.0, 0.1, 0.5])
        self.fin = random.random() < 0.5
        self.wire: list[list[Segment]] = [[], [], [], []]  #: to the gateway, and from it, each way
        self.queued = True
        self.stale = list(self.kernel.ways)

    def _note_edits(self, reply: bool) -> None:
        """Note what the engine rewrites, in offsets of the stream."""
        state = self._flow()
        for unit in state.rewriters[reply].pending if state else ():
            start = (unit.seq - self.ends[reply].isn) & _MASK
            edit = Edit(start, start + unit.size, unit.text)
            if edit not in self.edits[reply]:
                self.edits[reply].append(edit)

    def right(self, reply: bool) -> bytes:
        return apply(self.ends[reply].output, 0, self.edits[reply])

    # the ends

    def write(self) -> None:
        while self.written < len(self.script):
            message = self.script[self.written]
            end = self.ends[message.reply]
            if end.received != self.right(not message.reply):
                return
            end.output += message.data
            self.written += 1

    def send(self, end: End) -> None:
        """Send what is new, or an acknowledgement."""
        window = self.random.choice([1, 2, 8]) * self.mss
        while end.sent < min(len(end.output), end.acked + window):
            size = self.random.randint(1, self.mss)
            stop = min(len(end.output), end.sent + size)
            self.wire[end.reply].append(end.segment(end.sent, stop, self._last(end, stop)))
            end.sent = stop
        while end.acks:
            end.acks = 0
            self.wire[end.reply].append(end.segment(end.sent, end.sent))

    def _last(self, end: End, stop: int) -> bool:
        return self.fin and self.written == len(self.script) and stop == len(end.output)

    def retransmit(self, end: End) -> None:
        if self.random.random() < 0.1 and end.sent:
            self.wire[end.reply].append(end.segment(end.sent - 1, end.sent))  # a keep-alive
        if end.acked < end.sent:
            stop = min(end.sent, end.acked + self.random.randint(1, self.mss))
            self.wire[end.reply].append(end.segment(end.acked, stop, self._last(end, stop)))

    # the gateway

    def forward(self, segment: Segment) -> Segment | None:
        if segment.data and self.queued:
            packet = self.talk.packet(segment.data, segment.reply, segment.seq, segment.flags)
            raw = bytearray(packet.payload)
            raw[28:32] = segment.ack.to_bytes(4, "big")
            packet.payload = bytes(raw)
            packet.adjustments = (self.stale[0], self.stale[1])
            if self.random.random() < 0.7:
                self.stale = list(self.kernel.ways)
            verdict = self.talk.send(packet)
            self._note_edits(segment.reply)
            if not verdict.accept:
                return None
            self.queued = not verdict.done
            if verdict.payload is not None:
                layout = locate(verdict.payload)
                assert layout
                data = verdict.payload[layout.data : layout.end]
                if len(data) != len(segment.data):
                    self.kernel.resized(segment.reply, layout.seq, len(data) - len(segment.data))
                segment = Segment(segment.reply, layout.seq, segment.ack, data, layout.flags)
        return self.kernel.adjust(segment)

    def disturb(self) -> None:
        """Other flows come and go, the worker is replaced."""
        dice = self.random.random()
        if dice < 0.02 and self.queued:
            for number in range(3):
                other = self.talk.packet(b"x", False)
                other.ct_id, other.orig = (
                    100 + self.random.randrange(10**6),
                    other.orig._replace(sport=number),
                )
                self.talk.payloads[0] -= 1
                self.talk.inspector.packet(other.decode(), self.talk.now)
        elif dice < 0.03 and not (self.killed and self._duty()):
            worker = self.talk.inspector
            expectations = handover.encode([], expectations=worker._registry)
            data = expectations if self.killed else worker.hand_over()
            active = {self.talk.helper.kernel_name: Active(self.talk.helper)}
            successor = Inspector(active, self.talk.maker, self.talk.notes.append, max_flows=4)
            successor.resume(data)
            self.talk.inspector = successor

    def _duty(self) -> bool:
        state = self._flow()
        return state is not None and any(r.pending or r.past for r in state.rewriters)

    def _flow(self) -> FlowState | None:
        flows = self.talk.inspector._flows.all()
        return next((state for (_, ct_id), state in flows if ct_id == 1), None)

    def step(self, calm: bool) -> None:
        busy = [n for n, queue in enumerate(self.wire) if queue]
        if not busy:
            for end in self.ends:
                self.retransmit(end)
            return
        queue = self.wire[self.random.choice(busy)]
        at = (
            self.random.randrange(len(queue))
            if self.random.random() < self.shuffle and not calm
            else 0
        )
        segment = queue.pop(at)
        if not calm and self.random.random() < self.loss:
            return
        if queue is self.wire[segment.reply]:
            passed = self.forward(segment)
            if passed is not None:
                self.wire[2 + segment.reply].append(passed)
            return
        end = self.ends[not segment.reply]
        end.take(segment)

    def run(self) -> Result:
        for number in range(MAX_STEPS):
            self.write()
            for end in self.ends:
                self.send(end)
            self.disturb()
            self.step(number > CALM)
            if self.written == len(self.script) and all(
                e.acked == len(e.output) for e in self.ends
            ):
                break
        streams = [(self.ends[not reply].received, self.right(reply)) for reply in (False, True)]
        wrong = any(not right.startswith(received) for received, right in streams)
        stalled = any(received != right for received, right in streams) and not wrong
        return Result(
            wrong, stalled, len(self.talk.maker.created), self.talk.refused.count("G15"),
            any(way.before != way.after for way in self.kernel.ways),
        )  # fmt: skip
