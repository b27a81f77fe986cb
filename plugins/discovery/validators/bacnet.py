"""BACnet/IP: Who-Is and Who-Has ask all devices; those meant answer by unicast or broadcast.

    | BVLL type | function | length (2) | NPDU: version 1 | control | destination, hop count | source | APDU …
    | 0x81      | 0x0b original broadcast, 0x0a original unicast (to a broadcast address), 0x09 distribute broadcast
    | 0x82      | 0x02 original broadcast; IPv6: a source address of 3 bytes follows the length

ASHRAE 135 annex J (IPv4), annex U (IPv6), §6.2 (NPDU), §20.1.3 (unconfirmed requests).
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

IPV4, IPV6 = 0x81, 0x82
_BROADCASTS = {IPV4: frozenset([0x09, 0x0A, 0x0B]), IPV6: frozenset([0x02])}
_VIRTUAL_ADDRESS = 3  #: bytes of a source address in IPv6

# bits of the NPDU's control byte, §6.2.2
_NETWORK_MESSAGE, _DESTINATION, _SOURCE = 0x80, 0x20, 0x08
_UNCONFIRMED = 0x10
_SERVICES = {7: "Who-Has", 8: "Who-Is"}


def check(data: bytes, sport: int) -> Query | None:
    """Accept Who-Is and Who-Has; None for other messages. Raises ParseError if it is not BACnet/IP."""
    message = Cursor(data)
    kind, function, length = message.u8(), message.u8(), message.u16()
    if kind not in _BROADCASTS or length != len(data):
        raise ParseError(f"not BACnet: type {kind:#x}, length {length} of {len(data)}")
    if function not in _BROADCASTS[kind]:
        return None
    if kind == IPV6:
        message.skip(_VIRTUAL_ADDRESS)
    version, control = message.u8(), message.u8()
    if version != 1:
        raise ParseError(f"BACnet NPDU of version {version}")
    if control & _NETWORK_MESSAGE:
        return None
    if control & _DESTINATION:
        _skip_address(message)
    if control & _SOURCE:
        _skip_address(message)
    if control & _DESTINATION:
        message.u8()  # hop count
    if message.u8() != _UNCONFIRMED:
        return None
    service = _SERVICES.get(message.u8())
    return Query(summary=f"BACnet {service}") if service else None


def _skip_address(message: Cursor) -> None:
    message.u16()
    message.skip(message.u8())
