"""Answers of DCOM that name the port of an object exporter: MS-DCOM §2.2 (data), §3.1.2.5 (interfaces).

Activations and the object resolver on tcp/135 answer with a DUALSTRINGARRAY: string bindings such as `host[port]`,
then security bindings. The results of RemoteGetClassObject and RemoteCreateInstance contain it within an OBJREF, in one
of several properties, each of which has a data representation of its own (MS-RPCE §2.2.6).
"""

from __future__ import annotations

from uuid import UUID

from fwhelpers.api import ParseError

from .bindings import Bindings
from .ndr import Ndr

_PROPERTIES_OUT = UUID("00000339-0000-0000-c000-000000000046")
_SCM_REPLY = UUID("000001b6-0000-0000-c000-000000000046")

_SIGNATURE = 0x574F454D  #: "MEOW"
_CUSTOM = 4  #: flags of an OBJREF_CUSTOM
_SERIALIZED = 16  #: bytes of the two headers of a serialized type
_MAX_PROPERTIES = 16  #: MS-DCOM §2.2.22.1 allows 10
_MAX_EXTENSIONS = 16


def read_resolve(stub: Ndr) -> Bindings | None:
    """Read the answer to ResolveOxid. Raises ParseError, as all functions here do."""
    bindings = _pointed_bindings(stub)
    stub.uuid()
    stub.u32()
    return bindings if stub.u32() == 0 else None


def read_resolve2(stub: Ndr) -> Bindings | None:
    """Read the answer to ResolveOxid2."""
    bindings = _pointed_bindings(stub)
    stub.uuid()
    stub.u32()
    _version(stub)
    return bindings if stub.u32() == 0 else None


def read_alive2(stub: Ndr) -> Bindings | None:
    """Read the answer to ServerAlive2."""
    _version(stub)
    bindings = _pointed_bindings(stub)
    stub.u32()
    return bindings if stub.u32() == 0 else None


def read_activation(stub: Ndr) -> Bindings | None:
    """Read the answer to RemoteActivation, up to the result; interfaces follow."""
    _this(stub)
    stub.u64()
    bindings = _pointed_bindings(stub)
    stub.uuid()
    stub.u32()
    _version(stub)
    failed = _failed(stub)
    stub.skip(stub.remaining)
    return None if failed else bindings


def read_scm(stub: Ndr) -> Bindings | None:
    """Read the answer to RemoteGetClassObject or RemoteCreateInstance."""
    _this(stub)
    bindings = None
    if stub.count():
        size = stub.count()
        if size != stub.u32():
            raise ParseError("two sizes of an interface pointer")
        start = stub.skip(size)
        bindings = _properties(stub.data[: stub.pos], start)
    return None if _failed(stub) else bindings


def _failed(stub: Ndr) -> bool:
    return bool(stub.u32() >> 31)  # HRESULT


def _version(stub: Ndr) -> None:
    stub.u16()
    stub.u16()


def _this(stub: Ndr) -> None:
    """Skip an ORPCTHAT with its extensions, MS-DCOM §2.2.13.4."""
    stub.u32()
    if not stub.count():
        return
    stub.u32()
    stub.u32()
    if not stub.count():
        return
    number = stub.count()
    if number > _MAX_EXTENSIONS:
        raise ParseError(f"{number} extensions")
    for pointer in [stub.count() for _ in range(number)]:
        if pointer:
            size = stub.count()
            stub.uuid()
            stub.u32()
            stub.skip(size)


def _pointed_bindings(stub: Ndr) -> Bindings | None:
    return Bindings.read(stub) if stub.count() else None


def _properties(data: bytes, start: int) -> Bindings | None:
    """Read an OBJREF_CUSTOM of activation properties, MS-DCOM §2.2.18.6 and §2.2.22."""
    reference = Ndr(data, pos=start)
    if reference.u32() != _SIGNATURE or reference.u32() != _CUSTOM:
        raise ParseError("no custom object reference")
    reference.uuid()
    if reference.uuid() != _PROPERTIES_OUT:
        raise ParseError("no activation properties")
    for _ in ("extension", "reserved", "size", "reserved"):
        reference.u32()
    first = reference.pos
    header = _serialized(data, first)
    header.u32()
    place = first + header.u32()
    header.u32()
    header.u32()
    number = header.u32()
    header.uuid()
    pointers = [header.u32() for _ in ("classes", "sizes", "reserved")]
    if number > _MAX_PROPERTIES or not all(pointers[:2]):
        raise ParseError(f"{number} activation properties")
    _same(header, number)
    classes = [header.uuid() for _ in range(number)]
    _same(header, number)
    for kind, size in zip(classes, [header.u32() for _ in range(number)], strict=True):
        if kind == _SCM_REPLY:
            return _scm_reply(data[: place + size], place)
        place += size
    return None


def _same(header: Ndr, number: int) -> None:
    if header.u32() != number:
        raise ParseError("two numbers of activation properties")


def _scm_reply(data: bytes, start: int) -> Bindings | None:
    """Read ScmReplyInfoData, MS-DCOM §2.2.22.2.8."""
    reply = _serialized(data, start)
    reserved, remote = reply.u32(), reply.u32()
    if reserved:
        reply.u32()
    if not remote:
        return None
    reply.u64()
    bindings = reply.u32()
    reply.uuid()
    reply.u32()
    _version(reply)
    return Bindings.read(reply) if bindings else None


def _serialized(data: bytes, start: int) -> Ndr:
    """Begin to read a serialized type, version 1: MS-RPCE §2.2.6."""
    headers = Ndr(data, pos=start)
    version, order = headers.u8(), headers.u8()
    if version != 1 or order not in (0x00, 0x10):
        raise ParseError(f"serialization {version} of order {order:#x}")
    headers.skip(_SERIALIZED - 2)
    return Ndr(data, order == 0x10, pos=headers.pos)
