"""One simulated connection through a gateway, with NAT, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from errno import EEXIST
from typing import Any

from packets import tcp4, tcp6, udp4, udp6

from fwhelpers.api import Endpoint, Flow, Helper
from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.engine.flow_state import FlowState, handshake_info
from fwhelpers.engine.headers import ACK, FIN
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import NO_ADJUSTMENT, Conntrack, SeqAdjustment, Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfqueue import Packet
from fwhelpers.testing.queued_packet import QueuedPacket


@dataclass
class FakePacket:
    payload: bytes
    orig: Tuple
    reply: Tuple
    ctinfo: int
    helper: str
    status: int = 8 | 0x2000
    info: bytes = bytes(32)
    labels: bytes = b""
    ct_id: int = 1
    zone: int = 0
    timeout: int = 300
    hook: int = 4
    outdev: int = 2
    indev: int = 2
    adjustments: tuple[SeqAdjustment, SeqAdjustment] = (NO_ADJUSTMENT, NO_ADJUSTMENT)

    def decode(self) -> Packet:
        """The packet as a worker reads it."""
        entry = Conntrack(
            self.orig, self.reply, self.status, self.timeout, id=self.ct_id, zone=self.zone,
            helper=self.helper, info=self.info, labels=self.labels,
        )  # fmt: skip
        return QueuedPacket(
            self.payload, entry, self.ctinfo, self.hook, self.indev, self.outdev, self.adjustments
        ).decode()


@dataclass
class FakeMaker:
    """The kernel's expectation table, as far as clashes go."""

    created: list[Expectation] = field(default_factory=list)
    deleted: list[Tuple] = field(default_factory=list)
    released: list[Tuple] = field(default_factory=list)
    used: list[Expectation] = field(default_factory=list)
    renewed: list[Expectation] = field(default_factory=list)
    errors: Callable[[Expectation], int] = lambda expectation: 0

    def create(self, expectation: Expectation) -> int:
        errno = self.errors(expectation)
        if not errno:
            self.created.append(expectation)
        return errno

    def replace(self, expectation: Expectation) -> int:
        own = any((e.tuple, e.nat) == (expectation.tuple, expectation.nat) for e in self.created)
        if own:
            self.created.append(expectation)
            return 0
        if expectation.nat is not None:  # as if the equal one were another client's
            return EEXIST
        self.errors = lambda _: 0
        return self.create(expectation)

    def renew(self, expectation: Expectation, seconds: int) -> bool:
        gone = expectation.tuple in self.deleted + self.released or expectation in self.used
        own = any(
            (e.tuple, e.master) == (expectation.tuple, expectation.master) for e in self.created
        )
        if own and not gone:
            self.renewed.append(expectation)
        return own and not gone

    def delete(self, expectation: Expectation) -> None:
        self.deleted.append(expectation.tuple)

    def release(self, expectation: Expectation) -> None:
        self.released.append(expectation.tuple)

    def has(self, expectation: Expectation) -> bool:
        return expectation not in self.used

    def ended(self) -> Sequence[ExpectationId]:
        return ()


def end(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return Endpoint.parse(host.strip("[]"), int(port))


class Connection:
    """Sends packets of one connection to an inspector, the way the kernel would."""

    def __init__(
        self,
        helper: Helper,
        l4: str,
        client: str,
        server: str,
        *,
        seen_client: str = "",
        seen_server: str = "",
        active: Active | None = None,
        inspector: Inspector | None = None,
        maker: FakeMaker | None = None,
    ) -> None:
        self.client, self.server = end(client), end(server)
        number = 6 if l4 == "tcp" else 17
        vip, masked = end(seen_server or server), end(seen_client or client)
        self.orig = Tuple(self.client.addr, vip.addr, number, self.client.port, vip.port)
        self.reply = Tuple(self.server.addr, masked.addr, number, self.server.port, masked.port)
        self.maker = maker or FakeMaker()
        self.notes: list[Report] = []
        self.helper = helper
        # an inspector without flows is empty, so false
        self.inspector = (
            inspector
            if inspector is not None
            else Inspector(
                {helper.kernel_name: active or Active(helper)}, self.maker, self.notes.append
            )
        )
        self.l4 = l4
        self.seq = [1000, 2**32 - 20]
        announces = l4 == "tcp" and helper.client_announces
        self.info = handshake_info(self.seq[0]) if announces else bytes(32)
        self.payloads = [0, 0]
        self.outlived = False
        self.now = 100.0
        self.extra: dict[str, Any] = {}

    def packet(
        self, data: bytes, reply: bool, seq: int | None = None, flags: int = 0x18
    ) -> FakePacket:
        # as bits after NAT, on the way out of the gateway
        tup = self.orig if reply else self.reply
        src, dst = Endpoint(tup.dst, tup.dport), Endpoint(tup.src, tup.sport)
        make: Any = {("tcp", 4): tcp4, ("tcp", 16): tcp6, ("udp", 4): udp4, ("udp", 16): udp6}[
            self.l4, len(src.addr)
        ]
        fields: dict[str, Any] = {"src": src.host, "dst": dst.host, "ports": (src.port, dst.port)}
        if self.l4 == "tcp":
            fields |= {"seq": self.seq[reply] if seq is None else seq, "flags": flags}
        return FakePacket(
            make(data, **fields), self.orig, self.reply, 3 if reply else 0,
            self.helper.kernel_name, info=self.info, labels=self._labels(reply, bool(data)),
            **self.extra,
        )  # fmt: skip

    def _labels(self, reply: bool, payload: bool) -> bytes:
        self.payloads[reply] += payload
        bits = [labels.BEGAN, labels.OUTLIVED] if self.outlived else [labels.BEGAN]
        for which, names in enumerate(
            [(labels.ORIG_SEEN, labels.ORIG_MORE), (labels.REPLY_SEEN, labels.REPLY_MORE)]
        ):
            bits += names[: self.payloads[which]]
        return labels.bits(*bits)

    def send(self, packet: FakePacket) -> Verdict:
        self.now += 0.001
        verdict = self.inspector.packet(packet.decode(), self.now)
        if verdict.info is not None:
            self.info = verdict.info
        self.outlived |= verdict.outlived
        return verdict

    def say(self, data: bytes, reply: bool) -> Verdict:
        verdict = self.send(self.packet(data, reply))
        self.seq[reply] = (self.seq[reply] + len(data)) % 2**32
        return verdict

    def c(self, data: bytes) -> Verdict:
        """The client says."""
        return self.say(data, False)

    def s(self, data: bytes) -> Verdict:
        """The server says."""
        return self.say(data, True)

    def end(self, reply: bool = False) -> Verdict:
        """Send a FIN, of the client or of the server."""
        return self.send(self.packet(b"", reply, flags=FIN | ACK))

    @property
    def expected(self) -> list[str]:
        return [show(e.tuple) for e in self.maker.created]

    @property
    def refused(self) -> list[str]:
        return [n.rule for n in self.notes if n.kind == "refused"]


def show(tup: Tuple) -> str:
    src = Endpoint(tup.src, tup.sport).host
    return f"{src} > {Endpoint(tup.dst, tup.dport)}"


def payload_of(verdict: Verdict, header: int = 40) -> bytes:
    assert verdict.payload is not None
    return verdict.payload[header:]


def tcp_flow(helper: Helper, client: Endpoint, server: Endpoint) -> FlowState:
    """A flow without packets."""
    orig = Tuple(client.addr, server.addr, 6, client.port, server.port)
    reply = Tuple(server.addr, client.addr, 6, server.port, client.port)
    flow = Flow("tcp", client, server)
    return FlowState(
        Active(helper), flow, helper.kernel_name, orig, reply, 0, helper.parser_for("tcp")(flow, {})
    )
