"""GVCP: commands of a host that controls a camera, and the camera's answers."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.gvsp import fwhelpers_helpers

(GVSP,) = fwhelpers_helpers()
READREG, READREG_ACK, WRITEREG, WRITEREG_ACK = 0x80, 0x81, 0x82, 0x83
SCP0, SCDA0, SCP1, MCP, MCDA, CCP = 0x0D00, 0x0D18, 0x0D40, 0x0B00, 0x0B10, 0x0A00
OK, ACCESS_DENIED = 0, 0x8006


def request(command: int, body: bytes, number: int = 7) -> bytes:
    return pack("!BBHHH", 0x42, 1, command, len(body), number) + body


def write(*pairs: tuple[int, bytes | int], number: int = 7) -> bytes:
    values = ((a, v if isinstance(v, bytes) else pack("!I", v)) for a, v in pairs)
    body = b"".join(pack("!I", register) + value for register, value in values)
    return request(WRITEREG, body, number)


def heartbeat(number: int = 9) -> bytes:
    return request(READREG, pack("!I", CCP), number)


def written(number: int = 7, status: int = OK, count: int = 1) -> bytes:
    return pack("!HHHHHH", status, WRITEREG_ACK, 4, number, 0, count)


def read(number: int = 9, value: int = 2) -> bytes:
    return pack("!HHHHI", OK, READREG_ACK, 4, number, value)
