"""VXI-11: test instruments announce their abort channel, and controllers the port for interrupts.

    controller                                            instrument, core channel (program 395183)
      create_link                                      →
                                                       ←  error | link | abort port | size
      connects to the abort port                       →
      create_intr_chan  address | port | program …     →
                                                       ←  connects to that port, then answers

VXI-11 revision 1.0, B.5 (abort channel), B.6 (messages), annex C (RPCL). The port of the core channel is in an
answer of the portmapper, so that this connection is an expected one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from struct import pack

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Flow, ParseError, Refuse
from fwhelpers.sansio.records import Record
from fwhelpers.sansio.xdr import Xdr

from .programs import PROGRAMS, is_listed, program_name

CORE, ASYNC = PROGRAMS["vxi11_core"], PROGRAMS["vxi11_async"]
CREATE_LINK, CREATE_INTR_CHAN, DESTROY_INTR_CHAN = 10, 25, 26
FAMILIES = {0: "tcp", 1: "udp"}  #: Device_AddrFamily

MAX_LINKS = 4  #: calls of create_link without a reply
INTERRUPT_WAIT = 60  #: seconds in which an instrument connects; it does so before it answers
_MAX_AUTH = 400  # RFC 5531 §8.2
_SAVED = b"V"


class CoreChannel:
    """The core channel of an instrument. Measurements, which are most of it, are passed over."""

    def __init__(self, flow: Flow, programs: frozenset[int]) -> None:
        self._flow = flow
        self._programs = programs
        self._links: OrderedDict[int, None] = OrderedDict()  # transaction ids

    def call(self, record: Record) -> Iterator[Event]:
        """Yield what a call announces. Raises ParseError."""
        call = Xdr(record.data)
        xid = call.u32()
        if call.u32() != 0 or call.u32() != 2:
            raise ParseError("not an RPC call")
        program, _, procedure = call.u32(), call.u32(), call.u32()
        if program != CORE:
            raise ParseError("not VXI-11")
        for _ in ("credentials", "verifier"):
            call.u32()
            call.opaque(_MAX_AUTH)
        if procedure == CREATE_LINK and is_listed(ASYNC, self._programs):
            self._links[xid] = None
            if len(self._links) > MAX_LINKS:
                self._links.popitem(last=False)
        elif procedure == CREATE_INTR_CHAN:
            yield from self._interrupts(call, record)
        elif procedure == DESTROY_INTR_CHAN:
            yield Cancel("interrupt")

    def _interrupts(self, call: Xdr, record: Record) -> Iterator[Event]:
        start = call.pos
        host, port, program = call.take(4), call.u32(), call.u32()
        call.u32()
        l4 = FAMILIES.get(call.u32(), "")
        call.end()
        if not 0 < port < 65536 or not l4:
            return
        end = Endpoint(host, port)
        if not is_listed(program, self._programs):
            reason = f"program {program_name(program)} is not in `programs`"
            yield Refuse("G6", reason, end)
            return
        place = record.span(start, start + 8)
        yield Expect(
            self._flow.server, end, l4, "interrupt", place or (0, 0), _encode_host if place else None,
            permanent=l4 == "udp",  # without a connection, each pause between interrupts is a new entry
            trigger="create_intr_chan",
            timeout=INTERRUPT_WAIT if l4 == "tcp" else None,
        )  # fmt: skip

    def reply(self, record: Record) -> Iterable[Event]:
        """Return the abort channel in the reply to create_link. Raises ParseError."""
        if int.from_bytes(record.data[:4], "big") not in self._links:
            return ()
        return self._link(record)

    def _link(self, record: Record) -> Iterator[Event]:
        reply = Xdr(record.data)
        del self._links[reply.u32()]
        if reply.u32() != 1:
            raise ParseError("not an RPC reply")
        if reply.u32() != 0:
            return
        reply.u32()
        reply.opaque(_MAX_AUTH)
        if reply.u32() != 0 or reply.u32() != 0:
            return
        reply.u32()
        start = reply.pos
        port = reply.u32()
        if not 0 < port < 65536:
            return
        place = record.span(start, start + 4)
        yield Expect(
            self._flow.client, self._flow.server.at(port), "tcp", "abort", place or (0, 0),
            _encode_port if place else None,
            permanent=True,  # of all links of this connection, whenever one of them is aborted
            trigger="create_link",
        )  # fmt: skip

    def save(self) -> bytes:
        """See `Parser.save`. Other states of the helper have a multiple of ten bytes."""
        newest = list(self._links)[-2:]
        return _SAVED + b"".join(pack("!I", xid) for xid in newest)

    def restore(self, state: bytes) -> None:
        """See `Parser.restore`."""
        xids = state[1:]
        if len(xids) % 4 or len(xids) > 8:
            raise ParseError("invalid stored state")
        for at in range(0, len(xids), 4):
            self._links[int.from_bytes(xids[at : at + 4], "big")] = None


def begins(call: bytes) -> bool:
    """Return True if the first call of a connection is one to an instrument."""
    return call[4:8] == bytes(4) and call[12:16] == CORE.to_bytes(4, "big")


def is_saved(state: bytes) -> bool:
    """Return True for the stored state of a core channel."""
    return len(state) % 10 != 0 and state[:1] == _SAVED


def _encode_host(end: Endpoint) -> bytes:
    return end.addr + end.port.to_bytes(4, "big")


def _encode_port(end: Endpoint) -> bytes:
    return end.port.to_bytes(4, "big")
