"""The results of portmap and rpcbind, RFC 1833 §2.1 and §3.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import uaddr, xdr
from fwhelpers.sansio.xdr import Xdr

MAX_STRING = 256  #: net ids, owners and addresses are much shorter
MAX_ARGUMENTS = 65536
MAX_ENTRIES = 1024  #: entries of a list

PROTOCOLS = {6: "tcp", 17: "udp"}
_NETIDS = {b"tcp": ("tcp", 4), b"udp": ("udp", 4), b"tcp6": ("tcp", 6), b"udp6": ("udp", 6)}


class Result(IntEnum):
    """The kinds of results. The values are stored."""

    PORT = 0  #: GETPORT: a port
    ADDRESS = 1  #: GETADDR, GETVERSADDR: a universal address
    TRANSPORT_LIST = 2  #: GETADDRLIST
    CALL_PORT = 3  #: CALLIT 2: a port and a result
    CALL_ADDRESS = 4  #: CALLIT 3, BCAST, INDIRECT: a universal address and a result
    PORT_LIST = 5  #: DUMP 2
    ADDRESS_LIST = 6  #: DUMP 3, 4


#: RFC 1833 §2.2.1 and §3.2, by version and procedure
PROCEDURES: Mapping[tuple[int, int], Result] = {
    (2, 3): Result.PORT,
    (2, 4): Result.PORT_LIST,
    (2, 5): Result.CALL_PORT,
    (3, 3): Result.ADDRESS,
    (3, 4): Result.ADDRESS_LIST,
    (3, 5): Result.CALL_ADDRESS,
    (4, 3): Result.ADDRESS,
    (4, 4): Result.ADDRESS_LIST,
    (4, 5): Result.CALL_ADDRESS,
    (4, 9): Result.ADDRESS,
    (4, 10): Result.CALL_ADDRESS,
    (4, 11): Result.TRANSPORT_LIST,
}


class Call(NamedTuple):
    """The part of a call that is remembered."""

    result: Result
    program: int = 0
    l4: str = ""
    version: int = 0


class Service(NamedTuple):
    """A service in a reply, with the offsets of its endpoint in the message."""

    program: int
    version: int
    l4: str
    end: Endpoint
    start: int
    stop: int
    text: bool  #: the endpoint is a universal address, not a port


def read_services(call: Call, message: Xdr) -> Iterator[Service]:
    """Yield the services in a result that have a port. Raises ParseError."""
    reader = _READERS[call.result]
    for service in reader(call, message):
        if service.end.port:
            yield service


def _read_port(call: Call, message: Xdr) -> Iterator[Service]:
    yield _port_service(call.program, call.version, call.l4, message)
    message.end()


def _read_address(call: Call, message: Xdr) -> Iterator[Service]:
    yield from _address_service(call.program, call.version, call.l4, message)
    message.end()


def _read_called_port(call: Call, message: Xdr) -> Iterator[Service]:
    yield _port_service(call.program, call.version, call.l4, message)
    message.opaque(MAX_ARGUMENTS)
    message.end()


def _read_called_address(call: Call, message: Xdr) -> Iterator[Service]:
    yield from _address_service(call.program, call.version, call.l4, message)
    message.opaque(MAX_ARGUMENTS)
    message.end()


def _read_list(call: Call, message: Xdr) -> Iterator[Service]:
    """RFC 1833 §2.1, rpcb_entry_list: address, netid, semantics, protocol family, protocol."""
    for _ in _entries(message):
        services = list(_address_service(call.program, call.version, "", message))
        l4, family = _NETIDS.get(message.opaque(MAX_STRING), ("", 0))
        message.u32()
        message.opaque(MAX_STRING)
        message.opaque(MAX_STRING)
        yield from _of_family(services, l4, family)


def _read_port_dump(call: Call, message: Xdr) -> Iterator[Service]:
    """RFC 1833 §3.1, pmaplist: program, version, protocol, port."""
    for _ in _entries(message):
        program, version = message.u32(), message.u32()
        l4 = PROTOCOLS.get(message.u32(), "")
        service = _port_service(program, version, l4, message)
        if l4:
            yield service


def _read_address_dump(call: Call, message: Xdr) -> Iterator[Service]:
    """RFC 1833 §2.1, rpcblist: program, version, netid, address, owner."""
    for _ in _entries(message):
        program, version = message.u32(), message.u32()
        l4, family = _NETIDS.get(message.opaque(MAX_STRING), ("", 0))
        services = list(_address_service(program, version, l4, message))
        message.opaque(MAX_STRING)
        yield from _of_family(services, l4, family)


_READERS: Mapping[Result, Callable[[Call, Xdr], Iterator[Service]]] = {
    Result.PORT: _read_port,
    Result.ADDRESS: _read_address,
    Result.TRANSPORT_LIST: _read_list,
    Result.CALL_PORT: _read_called_port,
    Result.CALL_ADDRESS: _read_called_address,
    Result.PORT_LIST: _read_port_dump,
    Result.ADDRESS_LIST: _read_address_dump,
}


def _entries(message: Xdr) -> Iterator[None]:
    """Iterate over an XDR list, RFC 4506 §4.19: a boolean precedes each entry."""
    for _ in range(MAX_ENTRIES):
        if not message.flag():
            message.end()
            return
        yield
    raise ParseError(f"list of more than {MAX_ENTRIES} entries")


def _port_service(program: int, version: int, l4: str, message: Xdr) -> Service:
    start = message.pos
    port = message.u32()
    end = Endpoint(b"", port if port < 65536 else 0)
    return Service(program, version, l4, end, start, message.pos, False)


def _address_service(program: int, version: int, l4: str, message: Xdr) -> Iterator[Service]:
    start = message.pos
    text = message.opaque(MAX_STRING)
    try:
        end = uaddr.parse(text)
    except ParseError:
        return  # empty because not registered, or not an IP transport
    yield Service(program, version, l4, end, start, message.pos, True)


def _of_family(services: list[Service], l4: str, family: int) -> Iterator[Service]:
    for service in services:
        if service.end.family == family:
            yield service._replace(l4=l4)


# replacing an endpoint


def encode_port(end: Endpoint) -> bytes:
    """Write a port."""
    return end.port.to_bytes(4, "big")


def encode_address(end: Endpoint) -> bytes:
    """Write a universal address."""
    return xdr.string(uaddr.format_(end))


def fit_address(end: Endpoint, size: int) -> bytes | None:
    """Write a universal address with its length in exactly `size` bytes, None if that is impossible."""
    # `size` includes the length, the text and its padding, so four lengths of the text are equally good
    for length in range(size - 7, size - 3):
        text = uaddr.of_length(end, length)
        if text is not None:
            return xdr.string(text)
    return None
