"""Protocol data units of connection-oriented DCE/RPC: C706 chapter 12, MS-RPCE §2.2.2.

    version 5 | minor | type | flags | data representation (4) | size (2) | size of the token (2) | call (4) | body

The sender of a PDU chooses the order of its bytes, in the header and in the body.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from fwhelpers.api import ParseError

HEADER = 16
REQUEST_HEAD = 24  #: bytes before the object or the stub data; a response has as many
OBJECT = 16  #: bytes of the object's UUID in a request

_VERSION = 5
_FIRST, _LAST, _HAS_OBJECT = 0x01, 0x02, 0x80
_TRAILER = 8  #: bytes before the token
_PRIVACY = 6  #: RPC_C_AUTHN_LEVEL_PKT_PRIVACY
_INTEGRITY = 4  #: the level from which on a signature covers the stub data

_LAYOUTS = (Struct(">BBBB4sHHI"), Struct("<BBBB4sHHI"))
_BODIES = (Struct(">IHH"), Struct("<IHH"))


class Kind(IntEnum):
    """Types of PDUs, C706 §12.6.4 and MS-RPCE §2.2.2.1."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESPONSE = 15
    AUTH3 = 16
    SHUTDOWN = 17
    CO_CANCEL = 18
    ORPHANED = 19


_OF_SERVER = frozenset(
    (
        Kind.RESPONSE,
        Kind.FAULT,
        Kind.BIND_ACK,
        Kind.BIND_NAK,
        Kind.ALTER_CONTEXT_RESPONSE,
        Kind.SHUTDOWN,
    )
)
_KINDS = {int(kind): kind for kind in Kind}


class Header(NamedTuple):
    """The common header."""

    kind: Kind
    flags: int
    little: bool  #: little-endian
    size: int  #: bytes of the PDU
    token: int  #: bytes of the authentication token, which ends the PDU
    call: int

    @property
    def first(self) -> bool:
        return bool(self.flags & _FIRST)

    @property
    def last(self) -> bool:
        return bool(self.flags & _LAST)

    @property
    def stub(self) -> int:
        """Offset of the stub data in a request or a response."""
        with_object = self.kind is Kind.REQUEST and self.flags & _HAS_OBJECT
        return REQUEST_HEAD + OBJECT if with_object else REQUEST_HEAD

    @property
    def body_end(self) -> int:
        """Offset of the token and what precedes it, or the PDU's size."""
        return self.size - self.token - _TRAILER if self.token else self.size


class Body(NamedTuple):
    """What precedes the stub data of a request or a response."""

    context: int
    opnum: int  #: of a request


class Protection(NamedTuple):
    """What the token does to the stub data."""

    end: int  #: offset of the end of the stub data, without padding
    sealed: bool = False  #: encrypted
    signed: bool = False  #: it can't be changed


def parse_header(data: bytes | bytearray, reply: bool) -> Header:
    """Parse the first 16 bytes of a PDU. Raises ParseError."""
    order = data[4] >> 4
    if data[0] != _VERSION or data[1] > 1 or order > 1:
        raise ParseError(f"not DCE/RPC: {bytes(data[:8])!r}")
    _, _, number, flags, _, size, token, call = _LAYOUTS[order].unpack_from(data)
    kind = _KINDS.get(number)
    if kind is None or (kind in _OF_SERVER) is not reply:
        raise ParseError(f"PDU type {number} from the {'server' if reply else 'client'}")
    header = Header(kind, flags, bool(order), size, token, call)
    if header.body_end < HEADER:
        raise ParseError(f"a PDU of {size} bytes with a token of {token}")
    return header


def parse_body(header: Header, data: bytes) -> Body:
    """Parse the head of a request or a response. Raises ParseError."""
    if len(data) < header.stub or header.body_end < header.stub:
        raise ParseError(f"a PDU of {header.size} bytes without context")
    _, context, opnum = _BODIES[header.little].unpack_from(data, HEADER)
    return Body(context, opnum)


def parse_protection(header: Header, data: bytes) -> Protection:
    """Parse what follows the stub data of a complete PDU, MS-RPCE §2.2.2.11. Raises ParseError."""
    if not header.token:
        return Protection(header.size)
    level, padding = data[header.body_end + 1], data[header.body_end + 2]
    if header.body_end - padding < header.stub:
        raise ParseError("more padding than stub data")
    return Protection(header.body_end - padding, level >= _PRIVACY, level >= _INTEGRITY)
