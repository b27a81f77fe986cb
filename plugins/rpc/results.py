"""What the replies of portmap and rpcbind hold, RFC 1833 §2.1 and §3.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import uaddr
from fwhelpers.sansio.xdr import Xdr

MAX_STRING = 256  #: net ids, owners and addresses are much shorter
MAX_ARGUMENTS = 65536
MAX_ENTRIES = 1024  #: of a list

PROTOCOLS = {6: "tcp", 17: "udp"}
_NETIDS = {b"tcp": ("tcp", 4), b"udp": ("udp", 4), b"tcp6": ("tcp", 6), b"udp6": ("udp", 6)}


class Ask(IntEnum):
    """What a call asks, and so what its reply holds."""

    PORT = 0  #: GETPORT: a port
    ADDRESS = 1  #: GETADDR, GETVERSADDR: a universal address
    LIST = 2  #: GETADDRLIST
    CALL_PORT = 3  #: CALLIT 2: a port and a result
    CALL_ADDRESS = 4  #: CALLIT 3, BCAST, INDIRECT: a universal address and a result
    DUMP_PORTS = 5  #: DUMP 2
    DUMP_ADDRESSES = 6  #: DUMP 3, 4


#: RFC 1833 §2.2.1 and §3.2, by version and procedure
PROCEDURES: Mapping[tuple[int, int], Ask] = {
    (2, 3): Ask.PORT,
    (2, 4): Ask.DUMP_PORTS,
    (2, 5): Ask.CALL_PORT,
    (3, 3): Ask.ADDRESS,
    (3, 4): Ask.DUMP_ADDRESSES,
    (3, 5): Ask.CALL_ADDRESS,
    (4, 3): Ask.ADDRESS,
    (4, 4): Ask.DUMP_ADDRESSES,
    (4, 5): Ask.CALL_ADDRESS,
    (4, 9): Ask.ADDRESS,
    (4, 10): Ask.CALL_ADDRESS,
    (4, 11): Ask.LIST,
}


class Call(NamedTuple):
    """What must be remembered of a call."""

    ask: Ask
    program: int = 0
    l4: str = ""
    version: int = 0


class Found(NamedTuple):
    """A service that a reply names, and where in the message."""

    program: int
    version: int
    l4: str
    end: Endpoint
    start: int
    stop: int
    text: bool  #: a universal address, else a port


def read(call: Call, message: Xdr) -> Iterator[Found]:
    """The services that a result names, those without a port left out."""
    reader = _READERS[call.ask]
    for found in reader(call, message):
        if found.end.port:
            yield found


def _read_port(call: Call, message: Xdr) -> Iterator[Found]:
    yield _found_port(call.program, call.version, call.l4, message)
    message.end()


def _read_address(call: Call, message: Xdr) -> Iterator[Found]:
    yield from _found_address(call.program, call.version, call.l4, message)
    message.end()


def _read_called_port(call: Call, message: Xdr) -> Iterator[Found]:
    yield _found_port(call.program, call.version, call.l4, message)
    message.opaque(MAX_ARGUMENTS)
    message.end()


def _read_called_address(call: Call, message: Xdr) -> Iterator[Found]:
    yield from _found_address(call.program, call.version, call.l4, message)
    message.opaque(MAX_ARGUMENTS)
    message.end()


def _read_list(call: Call, message: Xdr) -> Iterator[Found]:
    """RFC 1833 §2.1, rpcb_entry_list: address, netid, semantics, protocol family, protocol."""
    for _ in _entries(message):
        found = list(_found_address(call.program, call.version, "", message))
        l4, family = _NETIDS.get(message.opaque(MAX_STRING), ("", 0))
        message.u32()
        message.opaque(MAX_STRING)
        message.opaque(MAX_STRING)
        yield from _of_family(found, l4, family)


def _read_port_dump(call: Call, message: Xdr) -> Iterator[Found]:
    """RFC 1833 §3.1, pmaplist: program, version, protocol, port."""
    for _ in _entries(message):
        program, version = message.u32(), message.u32()
        l4 = PROTOCOLS.get(message.u32(), "")
        found = _found_port(program, version, l4, message)
        if l4:
            yield found


def _read_address_dump(call: Call, message: Xdr) -> Iterator[Found]:
    """RFC 1833 §2.1, rpcblist: program, version, netid, address, owner."""
    for _ in _entries(message):
        program, version = message.u32(), message.u32()
        l4, family = _NETIDS.get(message.opaque(MAX_STRING), ("", 0))
        found = list(_found_address(program, version, l4, message))
        message.opaque(MAX_STRING)
        yield from _of_family(found, l4, family)


_READERS: Mapping[Ask, Callable[[Call, Xdr], Iterator[Found]]] = {
    Ask.PORT: _read_port,
    Ask.ADDRESS: _read_address,
    Ask.LIST: _read_list,
    Ask.CALL_PORT: _read_called_port,
    Ask.CALL_ADDRESS: _read_called_address,
    Ask.DUMP_PORTS: _read_port_dump,
    Ask.DUMP_ADDRESSES: _read_address_dump,
}


def _entries(message: Xdr) -> Iterator[None]:
    """An XDR list, RFC 4506 §4.19: each entry is announced by a boolean."""
    for _ in range(MAX_ENTRIES):
        if not message.flag():
            message.end()
            return
        yield
    raise ParseError(f"list of more than {MAX_ENTRIES} entries")


def _found_port(program: int, version: int, l4: str, message: Xdr) -> Found:
    start = message.pos
    port = message.u32()
    end = Endpoint(b"", port if port < 65536 else 0)
    return Found(program, version, l4, end, start, message.pos, False)


def _found_address(program: int, version: int, l4: str, message: Xdr) -> Iterator[Found]:
    start = message.pos
    text = message.opaque(MAX_STRING)
    try:
        end = uaddr.parse(text)
    except ParseError:
        return  # empty: not registered; or of a transport that isn't IP
    yield Found(program, version, l4, end, start, message.pos, True)


def _of_family(found: list[Found], l4: str, family: int) -> Iterator[Found]:
    for one in found:
        if one.end.family == family:
            yield one._replace(l4=l4)
