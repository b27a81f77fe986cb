"""Answers of the endpoint mapper: C706 appendix L (towers) and O (the interface), MS-RPCE §2.2.1.2.

A tower is a list of floors, each with a left-hand and a right-hand side (LHS, RHS): the interface, the transfer syntax,
the protocol of RPC, the transport with its port, and the network with its address. Towers do not depend on the data
representation: ports and addresses are big-endian, all other numbers little-endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio.cursor import Cursor

from .ndr import Ndr

MAX_TOWERS = 1024  #: of an answer
_MAX_ANNOTATION = 64  #: ept_max_annotation_size
_MAX_FLOORS = 16  #: real towers have five or six

# identifiers of protocols, C706 appendix I
_UUID, _CONNECTION_RPC, _TCP, _IP = 0x0D, 0x0B, 0x07, 0x09

_HANDLE = 20  #: bytes of a context handle


class Place(NamedTuple):
    """The port of a tower and, if it has one, the address, as offsets in the stub data."""

    start: int
    end: int
    addressed: bool  #: the address is not 0.0.0.0


class Service(NamedTuple):
    """A TCP endpoint of an interface."""

    interface: UUID
    end: Endpoint  #: an empty address is the server's
    place: Place


def read_map(stub: Ndr) -> Iterator[Service]:
    """Yield the TCP endpoints of an answer to ept_map. Raises ParseError."""
    stub.skip(_HANDLE)
    number = stub.u32()
    if number > MAX_TOWERS:
        raise ParseError(f"{number} towers")
    size = stub.count()
    pointers = [stub.count() for _ in range(stub.varying(MAX_TOWERS, size))]
    yield from _towers(stub, pointers)


def read_lookup(stub: Ndr) -> Iterator[Service]:
    """Yield the TCP endpoints of an answer to ept_lookup. Raises ParseError."""
    stub.skip(_HANDLE)
    stub.u32()
    size = stub.count()
    pointers = [_entry(stub) for _ in range(stub.varying(MAX_TOWERS, size))]
    yield from _towers(stub, pointers)


def _entry(stub: Ndr) -> int:
    stub.align(8 if stub.wide else 4)
    stub.uuid()
    pointer = stub.count()
    stub.skip(stub.varying(_MAX_ANNOTATION, _MAX_ANNOTATION))
    return pointer


def _towers(stub: Ndr, pointers: list[int]) -> Iterator[Service]:
    services = []
    for pointer in pointers:
        if pointer:
            size = stub.count()
            if size != stub.u32():
                raise ParseError("two sizes of a tower")
            start = stub.pos
            services.append(_tower(stub.take(size), start))
    if stub.u32() == 0:  # nothing is announced by an answer with an error
        yield from filter(None, services)


def _tower(data: bytes, start: int) -> Service | None:
    floors = list(_floors(data))
    if len(floors) < 4:
        return None
    interface, _, rpc, transport = floors[:4]
    if (interface.protocol, rpc.protocol, transport.protocol) != (_UUID, _CONNECTION_RPC, _TCP):
        return None
    if len(interface.lhs) != 18 or len(transport.rhs) != 2:
        raise ParseError("a tower with floors of wrong sizes")
    port = int.from_bytes(transport.rhs, "big")
    network = floors[4] if len(floors) > 4 and floors[4].protocol == _IP else None
    address = network.rhs if network else b""
    if len(address) not in (0, 4):
        raise ParseError("a tower with an address of wrong size")
    end = start + (network.end if network else transport.end)
    place = Place(start + transport.start, end, any(address))
    uuid = UUID(bytes_le=interface.lhs[:16])
    return Service(uuid, Endpoint(address if any(address) else b"", port), place)


class Floor(NamedTuple):
    """A floor of a tower, with the offsets of its right-hand side."""

    protocol: int
    lhs: bytes  #: without the identifier of the protocol
    rhs: bytes
    start: int
    end: int


def _floors(data: bytes) -> Iterator[Floor]:
    tower = Cursor(data)
    number = _u16(tower)
    if number > _MAX_FLOORS:
        raise ParseError(f"a tower of {number} floors")
    for _ in range(number):
        lhs = tower.take(_u16(tower))
        size = _u16(tower)
        start = tower.skip(size)
        if not lhs:
            raise ParseError("a floor without protocol")
        yield Floor(lhs[0], lhs[1:], data[start : start + size], start, start + size)


def _u16(tower: Cursor) -> int:
    # not aligned, and always little-endian
    return int.from_bytes(tower.take(2), "little")


def rewritten(old: bytes, place: Place, end: Endpoint) -> bytes:
    """Return `old`, the bytes of `place`, with another endpoint. An address that the server left out stays out."""
    port = end.port.to_bytes(2, "big")
    if len(old) == len(port):
        return port
    return port + old[2:-4] + (end.addr if place.addressed else old[-4:])
