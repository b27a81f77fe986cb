"""SNMP: a manager asks all agents of a subnet by broadcast.

    SEQUENCE { version 0 or 1, community, [0] Get, [1] GetNext, [5] GetBulk { id, 0, 0, SEQUENCE of variables } }
    SEQUENCE { version 3, SEQUENCE { id, size, flags, model }, security parameters, scoped PDU or encrypted bytes }

RFC 1157 §4, RFC 3416 §3, RFC 3412 §6; X.690 (BER, §8.1.3: lengths).
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30
_VERSIONS = {0: "v1", 1: "v2c", 3: "v3"}
_PDUS = {0xA0: "Get", 0xA1: "GetNext", 0xA5: "GetBulk"}
#: Response, Set, traps, Inform, Report: without answers, or answered within the same connection
_OTHERS = frozenset([0xA2, 0xA3, 0xA4, 0xA6, 0xA7, 0xA8])
_REPORTABLE, _PRIVATE = 4, 2  #: of v3's flags, RFC 3412 §6.4


def check(data: bytes, sport: int) -> Query | None:
    """Accept requests that read; None for other messages. Raises ParseError if it is not SNMP."""
    outer = Cursor(data)
    message = Cursor(_value(outer, _SEQUENCE))
    outer.end()
    version = _VERSIONS.get(_integer(message))
    if version is None:
        raise ParseError("unknown SNMP version")
    name = _scoped(message) if version == "v3" else _community(message)
    message.end()
    if name == "GetBulk" and version == "v1":
        raise ParseError("GetBulk in SNMP v1")
    return Query(summary=f"SNMP {version} {name}") if name else None


def _community(message: Cursor) -> str | None:
    _value(message, _OCTETS)
    return _pdu(message)


def _scoped(message: Cursor) -> str | None:
    header = Cursor(_value(message, _SEQUENCE))
    _integer(header)
    _integer(header)
    flags = _value(header, _OCTETS)
    _integer(header)
    header.end()
    if len(flags) != 1:
        raise ParseError("SNMP v3 without its flags")
    _value(message, _OCTETS)
    if flags[0] & _PRIVATE:
        _value(message, _OCTETS)
        name: str | None = "encrypted"
    else:
        scoped = Cursor(_value(message, _SEQUENCE))
        _value(scoped, _OCTETS)
        _value(scoped, _OCTETS)
        name = _pdu(scoped)
        scoped.end()
    # RFC 3412 §6.4: set in every message that asks for an answer
    return name if flags[0] & _REPORTABLE else None


def _pdu(message: Cursor) -> str | None:
    tag, value = _element(message)
    if tag in _OTHERS:
        return None
    if tag not in _PDUS:
        raise ParseError(f"SNMP PDU {tag:#x}")
    body = Cursor(value)
    for _ in ("request id", "error status", "error index"):
        _integer(body)
    variables = Cursor(_value(body, _SEQUENCE))
    body.end()
    while variables.remaining:
        _value(variables, _SEQUENCE)
    return _PDUS[tag]


def _value(message: Cursor, expected: int) -> bytes:
    tag, value = _element(message)
    if tag != expected:
        raise ParseError(f"BER tag {tag:#x} instead of {expected:#x}")
    return value


def _integer(message: Cursor) -> int:
    value = _value(message, _INTEGER)
    if not 0 < len(value) <= 5:
        raise ParseError(f"an integer of {len(value)} bytes")
    return int.from_bytes(value, "big", signed=True)


def _element(message: Cursor) -> tuple[int, bytes]:
    tag, length = message.u8(), message.u8()
    if length & 0x80:
        count = length & 0x7F
        # X.690 §8.1.3.6: 0x80 alone is the indefinite form, which SNMP forbids (RFC 3417 §8)
        if not 0 < count <= 4:
            raise ParseError(f"a BER length of {count} bytes")
        length = int.from_bytes(message.take(count), "big")
    return tag, message.take(length)
