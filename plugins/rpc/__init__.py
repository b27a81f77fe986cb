"""Sun RPC: portmap and rpcbind tell at which port a program listens.

    call   | xid | 0 | 2 | 100000 | version | procedure | credentials | verifier | arguments |
    reply  | xid | 1 | 0 (accepted) | verifier | 0 (success) | result |

RFC 5531 (§9 messages, §11 record marking over TCP), RFC 1833 (§2 rpcbind 3 and 4, §3 portmap 2), RFC 5665 (§5 universal
addresses), RFC 4506 (XDR).

A reply tells nothing but a port: what was asked stands in the call, so calls are remembered by xid until their reply.
A broadcast CALLIT is answered by hosts that nobody knows beforehand; nothing opens for those.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from struct import Struct
from typing import Any

from fwhelpers.api import (
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    Setting,
    hookimpl,
)
from fwhelpers.sansio import records, uaddr, xdr
from fwhelpers.sansio.records import Record, Records
from fwhelpers.sansio.xdr import Xdr

from .programs import DEFAULT_PROGRAMS, listed, name, programs
from .results import (
    MAX_ARGUMENTS,
    MAX_STRING,
    PROCEDURES,
    PROTOCOLS,
    Ask,
    Call,
    Found,
    read,
)

RPCBIND = 100000

MAX_CALLS = 32  #: that wait for their replies
MAX_AUTH = 400  #: RFC 5531 §8.2
MAX_SERVICES = 8  #: alive for one control connection
_DUMPS = (Ask.DUMP_PORTS, Ask.DUMP_ADDRESSES)


class Portmap:
    """Calls and replies, whatever carries them."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self._flow = flow
        self._programs: frozenset[int] = settings.get("programs") or programs(DEFAULT_PROGRAMS)
        self._dump = bool(settings.get("dump", False))
        self._calls: OrderedDict[int, Call] = OrderedDict()

    # calls

    def call(self, data: bytes) -> None:
        """Remember a call, if its reply may open something."""
        message = Xdr(data)
        xid = message.u32()
        if message.u32() != 0 or message.u32() != 2:
            raise ParseError("not an RPC call")
        program, version, procedure = message.u32(), message.u32(), message.u32()
        for _ in ("credentials", "verifier"):
            message.u32()
            message.opaque(MAX_AUTH)
        ask = PROCEDURES.get((version, procedure))
        if program == RPCBIND and ask is not None:
            self._remember(xid, self._asked(ask, message))

    def _asked(self, ask: Ask, message: Xdr) -> Call | None:
        if ask in _DUMPS:
            message.end()
            return Call(ask) if self._dump else None
        program, version = message.u32(), message.u32()
        if ask is Ask.PORT:
            l4 = PROTOCOLS.get(message.u32(), "")
            message.u32()
        elif ask in (Ask.ADDRESS, Ask.LIST):
            # rpcbind answers for the transport that the question came by, whatever net id it names
            l4 = self._flow.l4
            for _ in ("netid", "address", "owner"):
                message.opaque(MAX_STRING)
        else:
            l4 = "udp"  # RFC 1833 §2.2.1: CALLIT and its like reach the program by UDP
            message.u32()
            message.opaque(MAX_ARGUMENTS)
        message.end()
        return Call(ask, program, l4, version) if l4 else None

    def _remember(self, xid: int, call: Call | None) -> None:
        self._calls.pop(xid, None)
        if call is not None:
            self._calls[xid] = call
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    # replies

    def reply(self, data: bytes) -> Iterator[Event]:
        """What a reply opens; spans count from its first byte."""
        message = Xdr(data)
        call = self._calls.pop(message.u32(), None)
        if message.u32() != 1:
            raise ParseError("not an RPC reply")
        if call is None or message.u32() != 0:
            return
        message.u32()
        message.opaque(MAX_AUTH)
        if message.u32() != 0:
            return
        found = list(read(call, message))
        yield from self._dumped(found) if call.ask in _DUMPS else map(self._answered, found)

    def _answered(self, found: Found) -> Event:
        end = self._resolved(found.end)
        if not listed(found.program, self._programs):
            return Refuse("G6", f"program {name(found.program)} is not in `programs`", end)
        encode, fit = (_address, _fit_address) if found.text else (_port, None)
        version = f" v{found.version}" if found.version else ""
        return Expect(
            self._flow.client,
            end,
            found.l4,
            span=(found.start, found.stop),
            encode=encode,
            fit=fit,
            permanent=True,  # mount asks first whether the service lives, then connects again
            what=name(found.program) + version,
        )

    def _dumped(self, found: list[Found]) -> Iterator[Event]:
        ends: dict[tuple[str, Endpoint], Found] = {}
        for one in found:
            end = self._resolved(one.end)
            if listed(one.program, self._programs) and end.family == self._flow.server.family:
                ends.setdefault((one.l4, end), one)
        yield from map(self._answered, list(ends.values())[:MAX_SERVICES])
        if len(ends) > MAX_SERVICES:
            yield Refuse("G9", f"DUMP names more than {MAX_SERVICES} services")

    def _resolved(self, end: Endpoint) -> Endpoint:
        # GETPORT names no address; a service that is bound to all addresses is at the server's too
        return end if any(end.addr) else self._flow.server.at(end.port)

    # what outlives the worker: the two newest calls,  | xid | program | version (1) | udp (1 bit), ask |

    def save(self) -> bytes:
        """The state to keep."""
        newest = list(self._calls.items())[-2:]
        return b"".join(
            _SAVED.pack(xid, c.program, min(c.version, 255), c.ask | (c.l4 == "udp") << 7)
            for xid, c in newest
        )

    def restore(self, state: bytes) -> None:
        """Take it back."""
        if len(state) % _SAVED.size:
            raise ParseError("stored state makes no sense")
        for xid, program, version, flags in _SAVED.iter_unpack(state):
            try:
                ask = Ask(flags & 0x7F)
            except ValueError:
                raise ParseError("stored state makes no sense") from None
            self._calls[xid] = Call(ask, program, "udp" if flags & 0x80 else "tcp", version)


_SAVED = Struct("!IIBB")


# other endpoints in the place of those found


def _port(end: Endpoint) -> bytes:
    return end.port.to_bytes(4, "big")


def _address(end: Endpoint) -> bytes:
    return xdr.string(uaddr.format_(end))


def _fit_address(end: Endpoint, size: int) -> bytes | None:
    # length, text and padding together: four lengths of the text are as good
    for length in range(size - 7, size - 3):
        text = uaddr.of_length(end, length)
        if text is not None:
            return xdr.string(text)
    return None


class RpcDatagram(DatagramParser):
    """One message a datagram."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._portmap = Portmap(flow, settings)

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        # anybody can send a forged datagram: it is passed over, the flow goes on
        try:
            if reply:
                return list(self._portmap.reply(data))
            self._portmap.call(data)
        except ParseError:
            pass
        return ()

    def save(self) -> bytes:
        return self._portmap.save()

    def restore(self, state: bytes) -> None:
        self._portmap.restore(state)


class RpcStream(Parser):
    """Records in a TCP stream."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._portmap = Portmap(flow, settings)
        # no question is long; other protocols, read as a record mark, begin with a huge length
        self._records = (Records(skip_long=False), Records(skip_long=True))

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for record in self._records[reply].feed(data):
            if reply:
                yield from _in_stream(list(self._portmap.reply(record.data)), record)
            else:
                self._portmap.call(record.data)

    def boundary(self, reply: bool) -> bool:
        return self._records[reply].between

    def save(self) -> bytes:
        return self._portmap.save()

    def restore(self, state: bytes) -> None:
        self._portmap.restore(state)


def _in_stream(events: list[Event], record: Record) -> Iterator[Event]:
    addresses = [e for e in events if isinstance(e, Expect) and e.fit]
    for event in events:
        if isinstance(event, Expect) and event.span:
            resizable = len(addresses) == 1 and len(record.pieces) == 1
            yield _placed(event, event.span, record, resizable)
        else:
            yield event


def _placed(event: Expect, span: tuple[int, int], record: Record, resizable: bool) -> Expect:
    """The announcement with its span in the stream.

    An address of another length changes the record mark too, so the span begins there; where that can't be (several
    fragments, several addresses in one record) the bytes can't be rewritten.
    """
    place = record.span(*span)
    if event.fit is None or event.server.family == 6:
        # a port keeps its length, and so must whatever stands in IPv6
        return replace(event, span=place or (0, 0), encode=event.encode if place else None)
    if place is None or not resizable or event.encode is None:
        return replace(event, span=place or (0, 0), encode=None, fit=None)
    mark = place[0] - span[0] - 4
    before, after = record.data[: span[0]], record.data[span[1] :]
    encode_address = event.encode

    def encode(end: Endpoint) -> bytes:
        text = encode_address(end)
        size = len(before) + len(text) + len(after)
        return (records.LAST | size).to_bytes(4, "big") + before + text

    return replace(event, span=(mark, place[1]), encode=encode, fit=None)


# configuration


SETTINGS = (
    Setting(
        "programs",
        DEFAULT_PROGRAMS,
        'programs that may be opened, by name or number; ["any"]: all',
        programs,
    ),
    Setting("dump", False, "a list of all programs opens those in `programs` too"),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Portmap and rpcbind on port 111."""
    return [
        Helper(
            "rpc",
            ("udp", "tcp"),
            ports=[111],
            parser={"udp": RpcDatagram, "tcp": RpcStream},
            policies=[
                Policy(
                    "service",
                    max=MAX_SERVICES,
                    # a mount asks, pings and connects within moments, but TCP tries for a minute; who comes
                    # later asks again
                    timeout=60,
                    # statd and its like take ports that bindresvport() finds: 600 to 1023
                    min_port=512,
                    ports=frozenset({2049}),
                )
            ],
            settings=SETTINGS,
            spec="RFC 1833, 5531, 5665",
            doc="Sun RPC services that portmap and rpcbind name: NFS 3, NIS …",
        )
    ]
