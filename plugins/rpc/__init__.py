"""Sun RPC: portmap and rpcbind answer with the port of a program.

    call   | xid | 0 | 2 | 100000 | version | procedure | credentials | verifier | arguments |
    reply  | xid | 1 | 0 (accepted) | verifier | 0 (success) | result |

RFC 5531 (§9 messages, §11 record marking over TCP), RFC 1833 (§2 rpcbind 3 and 4, §3 portmap 2), RFC 5665 (§5 universal
addresses), RFC 4506 (XDR).

A reply contains only a port; the program is in the call. Calls are therefore remembered by xid until their reply. The
answers to a broadcast CALLIT come from hosts that are not known beforehand; nothing opens for them. Of the programs
themselves only the core channel of instruments announces anything, see vxi11.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
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
from fwhelpers.sansio import records
from fwhelpers.sansio.records import Record, Records
from fwhelpers.sansio.xdr import Xdr

from . import vxi11
from .programs import DEFAULT_PROGRAMS, check_programs, is_listed, program_name
from .results import (
    MAX_ARGUMENTS,
    MAX_STRING,
    PROCEDURES,
    PROTOCOLS,
    Call,
    Result,
    Service,
    encode_address,
    encode_port,
    fit_address,
    read_services,
)
from .usual import MAX_AUTH, PORT_SPAN, RPCBIND, read_call, read_reply

MAX_CALLS = 32  #: calls without a reply
MAX_SERVICES = 8  #: expectations of one control connection
MAX_RECORD = 8192  #: bytes of a call or reply that are buffered; only a DUMP is longer
_DUMPS = (Result.PORT_LIST, Result.ADDRESS_LIST)


class Portmap:
    """Matches calls and replies of either transport."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self._flow = flow
        self._programs = _programs(settings)
        self._dump = bool(settings.get("dump", False))
        self._calls: OrderedDict[int, Call] = OrderedDict()
        self._last: tuple[tuple[Call, int], Event] | None = None  # call, port and event of a reply

    # calls

    def call(self, data: bytes) -> None:
        """Remember a call if its reply may open something. Raises ParseError."""
        usual = read_call(data)
        if usual is not None:
            self._remember(*usual)
            return
        self._any_call(data)

    def _any_call(self, data: bytes) -> None:
        message = Xdr(data)
        xid = message.u32()
        if message.u32() != 0 or message.u32() != 2:
            raise ParseError("not an RPC call")
        program, version, procedure = message.u32(), message.u32(), message.u32()
        for _ in ("credentials", "verifier"):
            message.u32()
            message.opaque(MAX_AUTH)
        result = PROCEDURES.get((version, procedure))
        if program == RPCBIND and result is not None:
            self._remember(xid, self._parse_arguments(result, message))

    def _parse_arguments(self, result: Result, message: Xdr) -> Call | None:
        if result in _DUMPS:
            message.end()
            return Call(result) if self._dump else None
        program, version = message.u32(), message.u32()
        if result is Result.PORT:
            l4 = PROTOCOLS.get(message.u32(), "")
            message.u32()
        elif result in (Result.ADDRESS, Result.TRANSPORT_LIST):
            # rpcbind answers for the transport of the call, whatever net id the call contains
            l4 = self._flow.l4
            for _ in ("netid", "address", "owner"):
                message.opaque(MAX_STRING)
        else:
            l4 = "udp"  # RFC 1833 §2.2.1: CALLIT and similar procedures call the program over UDP
            message.u32()
            message.opaque(MAX_ARGUMENTS)
        message.end()
        return Call(result, program, l4, version) if l4 else None

    def _remember(self, xid: int, call: Call | None) -> None:
        self._calls.pop(xid, None)
        if call is not None:
            self._calls[xid] = call
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    # replies

    def reply(self, data: bytes) -> Iterable[Event]:
        """Return events for the services in a reply; spans count from its first byte. Raises ParseError."""
        usual = read_reply(data)
        if usual is not None:
            call = self._calls.get(usual[0])
            if call is None:
                return ()
            if call.result is Result.PORT:
                del self._calls[usual[0]]
                return self._port_event(call, usual[1])
        return self._any_reply(data)

    def _port_event(self, call: Call, port: int) -> Iterable[Event]:
        if not 0 < port < 65536:
            return ()
        if self._last is None or self._last[0] != (call, port):
            end = Endpoint(b"", port)
            service = Service(call.program, call.version, call.l4, end, *PORT_SPAN, False)
            self._last = (call, port), self._event(service)
        return (self._last[1],)

    def _any_reply(self, data: bytes) -> Iterator[Event]:
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
        services = list(read_services(call, message))
        if call.result is Result.ADDRESS:
            yield from self._at_the_asked_host(services)
        yield from (
            self._dump_events(services) if call.result in _DUMPS else map(self._event, services)
        )

    def _at_the_asked_host(self, services: list[Service]) -> Iterator[Event]:
        """Expect the port at the server itself if it names another of its addresses.

        rpcbind does so if the call has none of its addresses. libnfs and Linux read nothing but the port.
        """
        server = self._flow.server
        for service in services:
            end = service.end
            another = any(end.addr) and end.addr != server.addr and end.family == server.family
            event = self._event(service._replace(end=server.at(end.port))) if another else None
            if isinstance(event, Expect):
                yield replace(event, span=None, encode=None, fit=None)

    def _event(self, service: Service) -> Event:
        end = self._resolve(service.end)
        name = program_name(service.program)
        if not is_listed(service.program, self._programs):
            return Refuse("G6", f"program {name} is not in `programs`", end)
        encode, fit = (encode_address, fit_address) if service.text else (encode_port, None)
        return Expect(
            self._flow.client,
            end,
            service.l4,
            span=(service.start, service.stop),
            encode=encode,
            fit=fit,
            permanent=True,  # mount pings the service first, then connects again
            child=service.program == vxi11.CORE and service.l4 == "tcp",
            trigger=f"{name} v{service.version}" if service.version else name,
        )

    def _dump_events(self, services: list[Service]) -> Iterator[Event]:
        ends: dict[tuple[str, Endpoint], Service] = {}
        for service in services:
            end = self._resolve(service.end)
            if (
                is_listed(service.program, self._programs)
                and end.family == self._flow.server.family
            ):
                ends.setdefault((service.l4, end), service)
        yield from map(self._event, list(ends.values())[:MAX_SERVICES])
        if len(ends) > MAX_SERVICES:
            yield Refuse("G9", f"DUMP lists more than {MAX_SERVICES} services")

    def _resolve(self, end: Endpoint) -> Endpoint:
        # GETPORT has no address; a service that is bound to all addresses has the server's too
        return end if any(end.addr) else self._flow.server.at(end.port)

    # state for another worker: the two newest calls,  | xid | program | version (1) | udp (1 bit), result |

    def save(self) -> bytes:
        """See `Parser.save`."""
        saved = b""
        for xid, call in islice(reversed(self._calls.items()), 2):
            flags = call.result | (call.l4 == "udp") << 7
            saved = _SAVED.pack(xid, call.program, min(call.version, 255), flags) + saved
        return saved

    def restore(self, state: bytes) -> None:
        """See `Parser.restore`."""
        if len(state) % _SAVED.size:
            raise ParseError("invalid stored state")
        for xid, program, version, flags in _SAVED.iter_unpack(state):
            try:
                result = Result(flags & 0x7F)
            except ValueError:
                raise ParseError("invalid stored state") from None
            self._calls[xid] = Call(result, program, "udp" if flags & 0x80 else "tcp", version)


_SAVED = Struct("!IIBB")


def _programs(settings: Mapping[str, Any]) -> frozenset[int]:
    return settings.get("programs") or check_programs(DEFAULT_PROGRAMS)


class RpcDatagram(DatagramParser):
    """Parser of datagrams."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._portmap = Portmap(flow, settings)

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        # a datagram is easily forged: ignore it and continue with the flow
        try:
            if reply:
                events = self._portmap.reply(data)
                return events if isinstance(events, tuple) else list(events)
            self._portmap.call(data)
        except ParseError:
            pass
        return ()

    def save(self) -> bytes:
        return self._portmap.save()

    def restore(self, state: bytes) -> None:
        self._portmap.restore(state)


class RpcStream(Parser):
    """Parser of a TCP stream of records, to the portmapper or to an instrument."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._portmap = Portmap(flow, settings)
        self._core: vxi11.CoreChannel | None = None
        self._begun = False  # a call was read
        # the first bytes of other protocols, read as a record mark, are a huge length: an error from the client
        limit = records.MAX_RECORD if self.settings.get("dump", False) else MAX_RECORD
        self._records = (
            Records(skip_long=False, limit=MAX_RECORD),
            Records(skip_long=True, limit=limit),
        )

    @property
    def buffered(self) -> int:
        return sum(records.buffered for records in self._records)

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for record in self._records[reply].feed(data):
            if not reply and not self._begun:
                self._begin(vxi11.begins(record.data))
            if self._core is not None:
                yield from self._core.reply(record) if reply else self._core.call(record)
            elif reply:
                yield from _in_stream(list(self._portmap.reply(record.data)), record)
            else:
                self._portmap.call(record.data)

    def _begin(self, instrument: bool) -> None:
        self._begun = True
        if instrument:
            self._core = vxi11.CoreChannel(self.flow, _programs(self.settings))
            self._records[False].skip_long = True  # waveforms are written as well as read

    def boundary(self, reply: bool) -> bool:
        return self._records[reply].between

    def save(self) -> bytes:
        return (self._core or self._portmap).save()

    def restore(self, state: bytes) -> None:
        if not state:
            return
        self._begin(vxi11.is_saved(state))
        (self._core or self._portmap).restore(state)


def _in_stream(events: list[Event], record: Record) -> Iterator[Event]:
    addresses = [e for e in events if isinstance(e, Expect) and e.fit]
    for event in events:
        if isinstance(event, Expect) and event.span:
            resizable = len(addresses) == 1 and len(record.pieces) == 1
            yield _placed(event, event.span, record, resizable)
        else:
            yield event


def _placed(event: Expect, span: tuple[int, int], record: Record, resizable: bool) -> Expect:
    """Convert the span into offsets of the stream.

    An address of another length changes the record mark, so the span begins there. With several fragments or several
    addresses in a record an address can't be replaced.
    """
    place = record.span(*span)
    if event.fit is None or event.server.family == 6:
        # a port has a fixed length, and for IPv6 the length can't change
        return replace(event, span=place or (0, 0), encode=event.encode if place else None)
    if place is None or not resizable or event.encode is None:
        return replace(event, span=place or (0, 0), encode=None, fit=None)
    start = place[0] - span[0] - 4  # of the record mark
    before, after = record.data[: span[0]], record.data[span[1] :]
    encode_address, fit_address = event.encode, event.fit

    def encode(end: Endpoint) -> bytes:
        text = encode_address(end)
        size = len(before) + len(text) + len(after)
        return (records.LAST | size).to_bytes(4, "big") + before + text

    def fit(end: Endpoint, size: int) -> bytes | None:
        text = fit_address(end, size - 4 - len(before))
        return None if text is None else old_mark + before + text

    old_mark = (records.LAST | len(record.data)).to_bytes(4, "big")
    return replace(event, span=(start, place[1]), encode=encode, fit=fit)


# configuration


SETTINGS = (
    Setting(
        "programs",
        DEFAULT_PROGRAMS,
        'programs that may open, by name or number; ["any"]: all',
        check_programs,
    ),
    Setting("dump", False, "the answer to DUMP also opens the listed `programs`"),
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
                    # mount asks, pings and connects within moments, but TCP retries for a minute; later clients
                    # ask again
                    timeout=60,
                    # statd and others use ports of bindresvport(3): 600 to 1023
                    min_port=512,
                    ports=frozenset({2049}),
                ),
                # instruments keep both channels for as long as the core channel lives
                Policy("abort", max=4, timeout=86400, min_port=512, children_only=True),
                Policy("interrupt", timeout=86400, children_only=True),
            ],
            settings=SETTINGS,
            spec="RFC 1833, 5531, 5665, VXI-11",
            doc="Sun RPC services of portmap and rpcbind: NFS 3, NIS …",
            children=("tcp",),
        )
    ]
