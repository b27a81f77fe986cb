"""EtherNet/IP: requests to the connection manager, and its answers."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.enip import fwhelpers_helpers

from fwhelpers.api import Endpoint

(ENIP,) = fwhelpers_helpers()
MANAGER = b"\x20\x06\x24\x01"
NONE, MULTICAST, POINT_TO_POINT = 0, 1, 2
O_TO_T, T_TO_O = 0x8000, 0x8001
REGISTER_SESSION, SEND_UNIT_DATA = 0x65, 0x70
Items = list[tuple[int, bytes]]


def message(data: bytes, command: int = 0x6F, status: int = 0) -> bytes:
    return pack("<HHII8xI", command, len(data), 0x11223344, status, 0) + data


def send(cip: bytes, *more: tuple[int, bytes]) -> bytes:
    items: Items = [(0, b""), (0x00B2, cip), *more]
    body = b"".join(pack("<HH", kind, len(text)) + text for kind, text in items)
    return message(pack("<IHH", 0, 10, len(items)) + body)


def address(end: Endpoint, family: int = 2) -> bytes:
    return pack("!HH4s8x", family, end.port, end.addr)


def identity(serial: int = 1) -> bytes:
    return pack("<HHI", serial, 0x1337, 0xCAFE)


def opens(
    serial: int = 1,
    outputs: int = POINT_TO_POINT,
    inputs: int = POINT_TO_POINT,
    trigger: int = 0x01,
    large: bool = False,
) -> bytes:
    """The request itself, Forward_Open or Large_Forward_Open."""
    form, shift = ("I", 29) if large else ("H", 13)
    body = pack("<BBII", 10, 14, 0, 0x20) + identity(serial) + pack("<B3xI", 2, 10000)
    body += pack(f"<{form}", outputs << shift | 34) + pack("<I", 10000)
    body += pack(f"<{form}", inputs << shift | 34) + pack("<BB", trigger, 2) + b"\x20\x04\x24\x65"
    return bytes([0x5B if large else 0x54, 2]) + MANAGER + body


def closes(serial: int = 1) -> bytes:
    return b"\x4e\2" + MANAGER + b"\x0a\x0e" + identity(serial) + b"\2\0\x20\x04\x24\x65"


def routed(request: bytes) -> bytes:
    """To another slot: Unconnected_Send."""
    return b"\x52\2" + MANAGER + pack("<BBH", 10, 14, len(request)) + request + b"\1\0\1\0"


def opened(serial: int = 1, status: int = 0, large: bool = False) -> bytes:
    service = 0xDB if large else 0xD4
    if status:
        return bytes([service, 0, status, 1]) + b"\x14\1" + identity(serial) + b"\0\0"
    return bytes([service, 0, 0, 0]) + bytes(8) + identity(serial) + pack("<IIBB", 9, 9, 0, 0)


def closed(serial: int = 1, status: int = 0) -> bytes:
    return bytes([0xCE, 0, status, 0]) + identity(serial) + b"\0\0"
