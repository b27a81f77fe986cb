"""PDUs of DCE/RPC as clients and servers send them, in both orders of bytes, as NDR and NDR64."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from uuid import UUID

from fwhelpers_plugins.dcerpc import fwhelpers_helpers
from fwhelpers_plugins.dcerpc.interfaces import (
    ACTIVATION,
    EPM,
    NAMES,
    OBJECT_EXPORTER,
    SCM_ACTIVATOR,
)

from fwhelpers.testing import Playbook, client, server

(DCERPC,) = fwhelpers_helpers()

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_RESPONSE = (
    0,
    2,
    3,
    11,
    12,
    13,
    14,
    15,
)
AUTH3, SHUTDOWN, CO_CANCEL, ORPHANED = 16, 17, 18, 19
FIRST, LAST = 1, 2
NDR32 = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
NDR64 = UUID("71710533-beba-4937-8319-b5dbef9ccc36")
FEATURES = UUID("6cb71c2c-9812-4540-0300-000000000000")
NETLOGON, SAMR = NAMES["netlogon"], NAMES["samr"]
VERSIONS = {EPM: 3, OBJECT_EXPORTER: 0, ACTIVATION: 0, SCM_ACTIVATOR: 0}
PRIVACY, INTEGRITY = 6, 5


class Writer:
    """Writes NDR: numbers are aligned to their size."""

    def __init__(self, little: bool = True, wide: bool = False) -> None:
        self.data = bytearray()
        self.little, self.wide = little, wide

    def align(self, size: int) -> Writer:
        self.data += bytes(-len(self.data) % size)
        return self

    def number(self, size: int, value: int) -> Writer:
        self.align(size).data += value.to_bytes(size, "little" if self.little else "big")
        return self

    def u16(self, *values: int) -> Writer:
        for value in values:
            self.number(2, value)
        return self

    def u32(self, *values: int) -> Writer:
        for value in values:
            self.number(4, value)
        return self

    def count(self, *values: int) -> Writer:
        for value in values:
            self.number(8 if self.wide else 4, value)
        return self

    def uuid(self, value: UUID) -> Writer:
        self.align(4).data += value.bytes_le if self.little else value.bytes
        return self

    def raw(self, data: bytes) -> Writer:
        self.data += data
        return self

    def __bytes__(self) -> bytes:
        return bytes(self.data)


def pdu(
    kind: int,
    body: bytes = b"",
    call: int = 1,
    *,
    little: bool = True,
    flags: int = FIRST | LAST,
    level: int = 0,
) -> bytes:
    """A PDU; with a level of protection it ends in padding and a token."""
    trailer = token = b""
    if level:
        padding = -len(body) % 16
        token = bytes(16)
        trailer = bytes(padding) + bytes([10, level, padding, 0]) + bytes(4)
    size = 16 + len(body) + len(trailer) + len(token)
    order = "<" if little else ">"
    head = bytes([5, 0, kind, flags, 0x10 if little else 0, 0, 0, 0])
    return head + pack(f"{order}HHI", size, len(token), call) + body + trailer + token


def bind(
    contexts: Sequence[tuple[int, UUID, UUID]] = ((0, EPM, NDR32),),
    call: int = 1,
    *,
    little: bool = True,
    kind: int = BIND,
    level: int = 0,
) -> bytes:
    body = Writer(little).u16(5840, 5840).u32(0).raw(bytes([len(contexts), 0, 0, 0]))
    for number, interface, syntax in contexts:
        body.u16(number).raw(b"\1\0").uuid(interface).u32(VERSIONS.get(interface, 1))
        body.uuid(syntax).u32(1 if syntax == NDR64 else 2)
    return pdu(kind, bytes(body), call, little=little, level=level)


def bind_ack(
    results: Sequence[tuple[int, UUID]] = ((0, NDR32),),
    call: int = 1,
    *,
    little: bool = True,
    kind: int = BIND_ACK,
    port: bytes = b"135\0",
    level: int = 0,
) -> bytes:
    body = Writer(little).u16(5840, 5840).u32(7).u16(len(port)).raw(port).align(4)
    body.raw(bytes([len(results), 0, 0, 0]))
    for result, syntax in results:
        body.u16(result, 0).uuid(syntax).u32(2)
    return pdu(kind, bytes(body), call, little=little, level=level)


def request(
    opnum: int,
    stub: bytes = bytes(8),
    call: int = 1,
    context: int = 0,
    *,
    little: bool = True,
    of: UUID | None = None,
    flags: int = FIRST | LAST,
) -> bytes:
    body = Writer(little).u32(len(stub)).u16(context, opnum)
    if of is not None:
        body.uuid(of)
        flags |= 0x80
    return pdu(REQUEST, bytes(body) + stub, call, little=little, flags=flags)


def response(
    stub: bytes,
    call: int = 1,
    *,
    little: bool = True,
    parts: int = 1,
    level: int = 0,
    context: int = 0,
) -> bytes:
    """An answer in `parts` fragments."""
    head = bytes(Writer(little).u32(len(stub)).u16(context, 0))
    step = -(-len(stub) // parts) or 1
    starts = range(0, max(len(stub), 1), step)
    return b"".join(
        pdu(
            RESPONSE,
            head + stub[at : at + step],
            call,
            little=little,
            flags=(at == 0) * FIRST | (at == starts[-1]) * LAST,
            level=level,
        )
        for at in starts
    )


# the endpoint mapper


def floor(lhs: bytes, rhs: bytes) -> bytes:
    return pack("<H", len(lhs)) + lhs + pack("<H", len(rhs)) + rhs


def tower(
    port: int = 49668,
    address: bytes | None = bytes([10, 0, 2, 2]),
    interface: UUID = NETLOGON,
    *,
    rpc: int = 0x0B,
    transport: int = 7,
) -> bytes:
    floors = [
        floor(b"\x0d" + interface.bytes_le + b"\1\0", b"\0\0"),
        floor(b"\x0d" + NDR32.bytes_le + b"\2\0", b"\0\0"),
        floor(bytes([rpc]), b"\0\0"),
        floor(bytes([transport]), port.to_bytes(2, "big")),
    ]
    if address is not None:
        floors.append(floor(b"\x09", address))
    return pack("<H", len(floors)) + b"".join(floors)


def _towers(stub: Writer, towers: Sequence[bytes], status: int) -> bytes:
    for data in filter(None, towers):
        stub.count(len(data)).u32(len(data)).raw(data)
    return bytes(stub.u32(status))


def mapped(
    *towers: bytes, little: bool = True, wide: bool = False, status: int = 0, size: int = 8
) -> bytes:
    """The answer to ept_map; an empty tower is a null pointer."""
    stub = Writer(little, wide).raw(bytes(20)).u32(len(towers)).count(size, 0, len(towers))
    stub.count(*(3 + at if data else 0 for at, data in enumerate(towers)))
    return _towers(stub, towers, status)


def listed(*towers: bytes, little: bool = True, wide: bool = False, note: bytes = b"x\0") -> bytes:
    """The answer to ept_lookup."""
    stub = Writer(little, wide).raw(bytes(20)).u32(len(towers)).count(500, 0, len(towers))
    for at, _ in enumerate(towers):
        stub.align(8 if wide else 4).uuid(UUID(int=0)).count(3 + at)
        stub.count(0, len(note)).raw(note)
    return _towers(stub, towers, 0)


def inquiry(kind: int = 0, *, little: bool = True) -> bytes:
    return bytes(Writer(little).u32(kind)) + bytes(36)


# DCOM


def array(
    *texts: str, little: bool = True, wide: bool = False, protocol: int = 7, spare: int = 0
) -> bytes:
    """A DUALSTRINGARRAY with its conformance; `spare` units before the security bindings."""
    units: list[int] = []
    for text in texts:
        units += [protocol, *map(ord, text), 0]
    units += [0] * (1 + spare)
    security = len(units)
    units += [9, 0xFFFF, 0, 0]
    stub = Writer(little, wide).count(len(units)).u16(len(units), security, *units)
    return bytes(stub)


def resolved(
    *texts: str, little: bool = True, wide: bool = False, status: int = 0, spare: int = 0
) -> bytes:
    """The answer to ResolveOxid2."""
    stub = Writer(little, wide).count(2)
    stub.align(8 if wide else 4).raw(array(*texts, little=little, wide=wide, spare=spare))
    return bytes(stub.align(4).raw(bytes(16)).u32(1).u16(5, 7).u32(status))


def resolved_old(*texts: str) -> bytes:
    """The answer to ResolveOxid."""
    return bytes(Writer().u32(2).raw(array(*texts)).align(4).raw(bytes(16)).u32(1, 0))


def alive(*texts: str) -> bytes:
    """The answer to ServerAlive2."""
    return bytes(Writer().u16(5, 7).u32(2).raw(array(*texts)).u32(0, 0))


def activated(*texts: str, status: int = 0) -> bytes:
    """The answer to RemoteActivation."""
    stub = Writer().u32(1, 0).align(8).raw(bytes(8)).u32(2).raw(array(*texts))
    return bytes(stub.align(4).raw(bytes(16)).u32(1).u16(5, 7).u32(status, 1, 0, 0))


def serialized(body: bytes, little: bool = True) -> bytes:
    body += bytes(-len(body) % 8)
    order = "<" if little else ">"
    return bytes([1, 0x10 if little else 0]) + pack(f"{order}H4xII", 8, len(body), 0) + body


def properties(*texts: str, little: bool = True) -> bytes:
    """An OBJREF_CUSTOM with two activation properties, the second of which has the bindings."""
    first = serialized(bytes(24))
    reply = Writer(little).u32(0, 2).align(8).raw(bytes(8)).u32(4).raw(bytes(16)).u32(5).u16(5, 7)
    second = serialized(bytes(reply.raw(array(*texts, little=little))), little)
    classes = [
        UUID("00000339-0000-0000-c000-000000000046"),
        UUID("000001b6-0000-0000-c000-000000000046"),
    ]
    header = Writer().u32(0, 112, 0, 2, 2).uuid(UUID(int=0)).u32(1, 2, 0, 2)
    for item in classes:
        header.uuid(item)
    header.u32(2, len(first), len(second))
    blob = serialized(bytes(header)) + first + second
    reference = Writer().raw(b"MEOW").u32(4).uuid(UUID("000001a3-0000-0000-c000-000000000046"))
    reference.uuid(classes[0]).u32(0, len(blob) + 8, len(blob), 0)
    return bytes(reference) + blob


def created(
    *texts: str, little: bool = True, wide: bool = False, status: int = 0, inner: bool = True
) -> bytes:
    """The answer to RemoteCreateInstance or RemoteGetClassObject."""
    data = properties(*texts, little=inner)
    stub = Writer(little, wide).u32(1).count(0, 2, len(data)).u32(len(data)).raw(data)
    return bytes(stub.u32(status))


# conversations


def bound(
    interface: UUID = EPM,
    family: int = 4,
    *,
    little: bool = True,
    wide: bool = False,
    address: str = "peer",
    **settings: object,
) -> Playbook:
    """A connection with the interface in context 0."""
    syntax = NDR64 if wide else NDR32
    return (
        Playbook(DCERPC, "tcp", family, address, **settings)
        >> client(bind([(0, interface, syntax)], little=little))
        >> server(bind_ack([(0, syntax)], little=little))
    )


def asked(*towers: bytes, family: int = 4, **settings: object) -> Playbook:
    """A connection on which ept_map has been answered."""
    return (
        bound(family=family, **settings) >> client(request(3)) >> server(response(mapped(*towers)))
    )
