"""The usual form of GETPORT (RFC 1833 §3.2), read at once. Whatever has another form is for the general parser.

call  | xid | 0 | 2 | 100000 | 2 | 3 | flavor | size | credentials | flavor | 0 | program | version | protocol | 0 |
reply  | xid | 1 | 0 | flavor | 0 | 0 | port |
"""

from __future__ import annotations

from struct import Struct

from .results import PROTOCOLS, Call, Result

RPCBIND = 100000
MAX_AUTH = 400  #: RFC 5531 §8.2

_CALL = Struct("!8I")
_ARGUMENTS = Struct("!4xIIIII")
_REPLY = Struct("!7I")
_CALL_SIZE = _CALL.size + _ARGUMENTS.size

PORT_SPAN = (24, 28)  #: of a reply


def read_call(data: bytes) -> tuple[int, Call | None] | None:
    """Return a call's xid and what to remember of it; None if it has another form."""
    if len(data) < _CALL_SIZE:
        return None
    xid, kind, rpc, program, version, procedure, _, size = _CALL.unpack_from(data)
    getport = kind == 0 and rpc == 2 and program == RPCBIND and version == 2 and procedure == 3
    # credentials of a multiple of four bytes have no padding
    if not getport or size > MAX_AUTH or size & 3 or len(data) != _CALL_SIZE + size:
        return None
    verifier, program, version, protocol, _ = _ARGUMENTS.unpack_from(data, _CALL.size + size)
    if verifier:
        return None
    l4 = PROTOCOLS.get(protocol, "")
    return xid, Call(Result.PORT, program, l4, version) if l4 else None


def read_reply(data: bytes) -> tuple[int, int] | None:
    """Return a successful reply's xid and the port; None if it has another form."""
    if len(data) != _REPLY.size:
        return None
    xid, kind, status, _, verifier, accepted, port = _REPLY.unpack(data)
    if kind != 1 or status or verifier or accepted:
        return None
    return xid, port
