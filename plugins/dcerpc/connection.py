"""The connection to the endpoint mapper and the object resolver."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from struct import Struct
from struct import error as StructError
from typing import Any
from uuid import UUID

from fwhelpers.api import Endpoint, Event, Expect, Flow, ParseError, Refuse, StreamParser

from .bindings import Binding, Bindings
from .calls import (
    BINDINGS,
    MAX_STUB,
    PROCEDURES,
    TRIGGERS,
    Call,
    Procedure,
    check_end,
    ping_succeeded,
)
from .contexts import Context, Contexts
from .epm import Service, read_lookup, read_map, rewritten
from .interfaces import (
    ACTIVATION,
    ANY,
    EPM,
    OBJECT_EXPORTER,
    SCM_ACTIVATOR,
    interface_name,
    is_listed,
)
from .pdu import HEADER, Header, Kind, parse_body, parse_header

MAX_CALLS = 32  #: calls without an answer
MAX_SERVICES = 16  #: expectations of one control connection
LIFETIME = 300  #: seconds
LONGEST = 3600  #: seconds
_RENEWED = 8  #: ports of a server that pings renew

_BINDS = (Kind.BIND, Kind.ALTER_CONTEXT)
_BIND_ANSWERS = (Kind.BIND_ACK, Kind.ALTER_CONTEXT_RESPONSE)
_INQUIRY = 4  #: bytes of the first argument of ept_lookup
_ALL = 0  #: its value for all interfaces, rpc_c_ep_all_elts


class Dcerpc(StreamParser):
    """Parser of a connection to tcp/135."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._interfaces: frozenset[UUID] = settings.get("rpc_interfaces") or ANY
        self._lifetime = int(settings.get("lifetime") or LIFETIME)
        self._lookup = bool(settings.get("lookup", False))
        self._begun = False
        self._contexts = Contexts()
        self._calls: OrderedDict[int, Call] = OrderedDict()

    @property
    def buffered(self) -> int:
        return super().buffered + self._collected

    @property
    def _collected(self) -> int:
        return sum(len(call.data) for call in self._calls.values())

    # framing: what opens nothing is passed over

    def message_size(self, data: bytearray, reply: bool) -> int:
        if data[0] != 5:  # not even the rest of the header is waited for
            raise ParseError(f"not DCE/RPC: {bytes(data[:HEADER])!r}")
        if len(data) < HEADER:
            return 0
        header = parse_header(data, reply)
        if not self._begun and (reply or header.kind is not Kind.BIND):
            raise ParseError("it does not begin with a bind")
        return min(header.size, self._relevant_size(header))

    def _relevant_size(self, header: Header) -> int:
        if header.kind in _BINDS:
            return header.body_end
        if header.kind is Kind.REQUEST:
            return header.stub + _INQUIRY
        if header.kind in _BIND_ANSWERS and self._contexts.awaits(header.call):
            return header.body_end
        if header.kind is Kind.RESPONSE and header.call in self._calls:
            return header.size
        return HEADER

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        header = parse_header(data, reply)
        self.skip(header.size - len(data), reply)
        if header.kind in _BINDS:
            self._begun = True
            self._contexts.propose(header, data)
        elif header.kind in _BIND_ANSWERS:
            if self._contexts.awaits(header.call):
                self._contexts.answer(header, data)
        elif header.kind is Kind.REQUEST:
            self._request(header, data)
        elif header.kind is Kind.RESPONSE:
            yield from self._response(header, data)
        elif header.kind is Kind.BIND_NAK:
            self._contexts.reject(header.call)
        elif header.kind in (Kind.FAULT, Kind.ORPHANED):
            self._calls.pop(header.call, None)

    # calls

    def _request(self, header: Header, data: bytes) -> None:
        if not header.first:
            return
        body = parse_body(header, data)
        self._calls.pop(header.call, None)
        context = self._contexts[body.context]
        procedure = context and PROCEDURES.get((context.interface, body.opnum))
        if context is None or procedure is None:
            return
        if procedure is Procedure.LOOKUP and not self._lookup:
            inquiry = int.from_bytes(data[header.stub :], "little" if header.little else "big")
            if inquiry == _ALL or len(data) < header.stub + _INQUIRY:
                return
        self._calls[header.call] = Call(procedure, context.wide)
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    def _response(self, header: Header, data: bytes) -> Iterable[Event]:
        call = self._calls.get(header.call)
        if call is None:
            return ()
        name = TRIGGERS[call.procedure]
        try:
            call.add(header, data, self.position(True))
            if self._collected > MAX_STUB:
                raise ParseError(f"answers of more than {MAX_STUB} bytes")
            if not header.last:
                return ()
            del self._calls[header.call]
            if call.sealed:
                return (Refuse("G11", f"{name}: the answer is encrypted"),)
            # nothing is announced by an answer that is wrong behind its first port
            return list(self._read(call))
        except ParseError as error:
            self._calls.pop(header.call, None)
            return (Refuse("G11", f"{name}: {error}"),)

    def _read(self, call: Call) -> Iterator[Event]:
        stub = call.stub()
        if call.procedure in BINDINGS:
            bindings = BINDINGS[call.procedure](stub)
            check_end(stub)
            if bindings is not None:
                yield from self._bindings(call, bindings)
        elif call.procedure.interface == EPM:
            reader = read_map if call.procedure is Procedure.MAP else read_lookup
            services = list(reader(stub))
            check_end(stub)
            yield from self._services(call, services)
        elif ping_succeeded(call.procedure, stub) and is_listed(OBJECT_EXPORTER, self._interfaces):
            yield from map(self._renewal, self._exporters())

    # the endpoint mapper

    def _services(self, call: Call, services: Iterable[Service]) -> Iterator[Event]:
        ends: set[Endpoint] = set()
        refused: set[UUID] = set()
        for service in services:
            if not service.end.port:
                continue
            end = self._resolve(service.end)
            name = interface_name(service.interface)
            if not is_listed(service.interface, self._interfaces):
                if call.procedure is Procedure.MAP and service.interface not in refused:
                    refused.add(service.interface)
                    yield Refuse("G6", f"interface {name} is not in `rpc_interfaces`", end)
                continue
            ends.add(end)
            if len(ends) > MAX_SERVICES:
                yield Refuse("G9", f"an answer with more than {MAX_SERVICES} services")
                return
            # clients close this connection before they open the other one
            event = replace(self._expect(end, name), keep_after_master=True)
            yield self._tower(call, service, event)

    def _tower(self, call: Call, service: Service, event: Expect) -> Expect:
        place = service.place
        if call.signed or (self.flow.client.family == 6 and place.addressed):
            return event  # clients read nothing but the port
        encode = partial(rewritten, bytes(call.data[place.start : place.end]), place)
        return self._placed(event, call.place(place.start, place.end), encode)

    def _placed(self, event: Expect, place: tuple[int, int] | None, encode: Any) -> Expect:
        if place is None:
            return replace(event, span=(0, 0))  # split over two fragments: it can't be replaced
        position = self.position(True)
        return replace(event, span=(place[0] - position, place[1] - position), encode=encode)

    def _resolve(self, end: Endpoint) -> Endpoint:
        # a mapper that listens on all addresses leaves its own out; over IPv6 it has none to put in
        if not end.addr or end.family != self.flow.server.family:
            return self.flow.server.at(end.port)
        return end

    # object exporters

    def _bindings(self, call: Call, bindings: Bindings) -> Iterator[Event]:
        name, interface = TRIGGERS[call.procedure], call.procedure.interface
        own, others = self._sort(bindings.items)
        # pings go to the resolver's own port, which is open
        ports = dict.fromkeys(i.end.port for i in own if i.end.port != self.flow.server.port)
        ends = [self.flow.server.at(port) for port in ports]
        if not own or self.address != "peer":
            ends += dict.fromkeys(item.end for item in others)
        if ends and not is_listed(interface, self._interfaces):
            reason = f"interface {interface_name(interface)} is not in `rpc_interfaces`"
            yield Refuse("G6", reason, ends[0])
            return
        if ports:
            self._remember(list(ports))
        for end in ends[:MAX_SERVICES]:
            yield self._exporter(call, bindings, self._expect(end, name), first=end is ends[0])

    def _sort(self, items: Iterable[Binding]) -> tuple[list[Binding], list[Binding]]:
        """Return the bindings that lead to the server, and those of other addresses of its family."""
        tcp = [item for item in items if item.host]
        server = self.flow.server
        own = [item for item in tcp if item.named or item.end.addr == server.addr]
        family = [item for item in tcp if not item.named and item.end.family == server.family]
        return own, [item for item in family if item.end.addr != server.addr]

    def _exporter(self, call: Call, bindings: Bindings, event: Expect, *, first: bool) -> Expect:
        by_name = any(i.named and i.end.port == event.server.port for i in bindings.items)
        if not first or (call.signed and by_name):
            return event
        if call.signed:
            return replace(event, span=(0, 0))  # a signature covers it
        encode = partial(bindings.rewritten, event.server)
        return self._placed(event, call.place(bindings.start, bindings.end), encode)

    def _expect(self, end: Endpoint, trigger: str) -> Expect:
        return Expect(
            self.flow.client,
            end,
            permanent=True,  # clients come back to a port that they know
            timeout=self._lifetime,
            trigger=trigger,
        )

    # pings of DCOM show that the client still holds objects of the server

    def _remember(self, ports: list[int]) -> None:
        others = [port for port in self._exporters() if port not in ports]
        newest = [*others, *ports][-_RENEWED:]
        self.memory[self.flow.server.addr] = b"".join(port.to_bytes(2, "big") for port in newest)

    def _exporters(self) -> list[int]:
        ports = self.memory.get(self.flow.server.addr, b"")
        return [int.from_bytes(ports[at : at + 2], "big") for at in range(0, len(ports), 2)]

    def _renewal(self, port: int) -> Expect:
        return self._expect(self.flow.server.at(port), "ping")

    # state for another worker:
    # | contexts | number (2), interface and syntax (1) … | call (4), procedure and syntax (1) of the newest call |

    def boundary(self, reply: bool) -> bool:
        complete = not any(call.pieces for call in self._calls.values())
        return super().boundary(reply) and complete and not self._contexts.pending

    def save(self) -> bytes:
        """Save the newest contexts and the newest call."""
        if not self._begun:
            return b""
        newest = list(self._contexts.accepted.items())[-_SAVED_CONTEXTS:]
        saved = bytes([len(newest)])
        for number, context in newest:
            kind = _SAVED_INTERFACES.index(context.interface) << 1 | context.wide
            saved += _CONTEXT.pack(number, kind)
        for number, call in islice(reversed(self._calls.items()), 1):
            saved += _CALL.pack(number, call.procedure << 1 | call.wide)
        return saved

    def restore(self, state: bytes) -> None:
        if not state:
            return
        self._begun = True
        calls = 1 + _CONTEXT.size * state[0]
        if len(state) < calls:
            raise ParseError("invalid stored state")
        try:
            for number, kind in _CONTEXT.iter_unpack(state[1:calls]):
                interface = _SAVED_INTERFACES[kind >> 1]
                self._contexts.accepted[number] = Context(interface, bool(kind & 1))
            for number, kind in _CALL.iter_unpack(state[calls:]):
                self._calls[number] = Call(Procedure(kind >> 1), bool(kind & 1))
        except (StructError, IndexError, ValueError):
            raise ParseError("invalid stored state") from None


_CONTEXT = Struct("!HB")
_CALL = Struct("!IB")
_SAVED_CONTEXTS = 4
_SAVED_INTERFACES = (EPM, OBJECT_EXPORTER, ACTIVATION, SCM_ACTIVATOR)
