"""The request that waits for its answer, in the bytes that outlive a worker.

| 1 | end, offerer, method | CSeq (4) | Call-ID's digest (8) |                            INVITE, UPDATE, PRACK
| 2 | end | CSeq (4) | Call-ID's digest (8) | port (2) | transport | lifetime (2) |      REGISTER
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from fwhelpers.api import ParseError

from .media import Ends
from .registrations import Binding

CALL, REGISTRATION = b"\1", b"\2"

_CALL = Struct("!cBI8s")
_REGISTRATION = Struct("!cBI8sHBH")
_METHODS = (b"INVITE", b"UPDATE", b"PRACK")
_OFFERERS = (None, False, True)
_TRANSPORTS = ("", "udp", "tcp")
_NOT_STATED = 0xFFFF  #: a lifetime

Request = tuple[bool, int, bytes]


def save_call(key: bytes, request: Request, offerer: bool | None) -> bytes:
    """Store a request of a call; nothing if its method is another one."""
    end, cseq, method = request
    if method not in _METHODS:
        return b""
    flags = end | _OFFERERS.index(offerer) << 1 | _METHODS.index(method) << 3
    return _CALL.pack(CALL, flags, cseq, key)


def restore_call(state: bytes) -> tuple[bytes, Request, bool | None]:
    """Raises ParseError."""
    try:
        _, flags, cseq, key = _CALL.unpack(state)
        method, offerer = _METHODS[flags >> 3], _OFFERERS[flags >> 1 & 3]
    except (StructError, IndexError):
        raise ParseError("invalid stored state") from None
    return key, (bool(flags & 1), cseq, method), offerer


def save_registration(end: bool, key: bytes, cseq: int, binding: Binding) -> bytes:
    """Store a REGISTER with one Contact."""
    lifetime = _NOT_STATED if binding.lifetime is None else min(binding.lifetime, _NOT_STATED - 1)
    transport = _TRANSPORTS.index(binding.l4)
    return _REGISTRATION.pack(
        REGISTRATION, end, cseq, key, binding.server.port, transport, lifetime
    )


def restore_registration(state: bytes, ends: Ends) -> tuple[bool, bytes, int, Binding]:
    """Raises ParseError."""
    try:
        kind, end, cseq, key, port, transport, lifetime = _REGISTRATION.unpack(state)
        l4 = _TRANSPORTS[transport]
    except (StructError, IndexError):
        raise ParseError("invalid stored state") from None
    if kind != REGISTRATION:
        raise ParseError("invalid stored state")
    server = ends.own(bool(end)).at(port)
    return bool(end), key, cseq, Binding(server, l4, None if lifetime == _NOT_STATED else lifetime)
