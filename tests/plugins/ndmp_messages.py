"""NDMP messages of versions 3 and 4."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.ndmp import fwhelpers_helpers

from fwhelpers.api import Endpoint
from fwhelpers.sansio import xdr

(NDMP,) = fwhelpers_helpers()
OPEN, DATA_LISTEN, DATA_CONNECT, MOVER_LISTEN, MOVER_CONNECT = 0x900, 0x409, 0x40A, 0xA01, 0xA09


def record(data: bytes) -> bytes:
    return pack("!I", 0x80000000 | len(data)) + data


def request(code: int, body: bytes = b"", sequence: int = 7) -> bytes:
    return record(pack("!6I", sequence, 1_700_000_000, 0, code, 0, 0) + body)


def answer(code: int, body: bytes = b"", sequence: int = 7, error: int = 0) -> bytes:
    return record(pack("!6I", 100 + sequence, 1_700_000_000, 1, code, sequence, error) + body)


def opens(version: int = 4) -> bytes:
    return request(OPEN, pack("!I", version), 1)


def address(*ends: Endpoint, version: int = 4, kind: int = 1) -> bytes:
    places = [end.addr + pack("!I", end.port) for end in ends]
    if version == 3:
        return pack("!I", kind) + places[0]
    variable = pack("!I", 1) + xdr.string(b"NAME") + xdr.string(b"e0a")
    return pack("!II", kind, len(ends)) + b"".join(place + variable for place in places)


def listening(*ends: Endpoint, version: int = 4, code: int = DATA_LISTEN, error: int = 0) -> bytes:
    return answer(code, pack("!I", error) + address(*ends, version=version))


def mover_connects(*ends: Endpoint, version: int = 4) -> bytes:
    return request(MOVER_CONNECT, pack("!I", 0) + address(*ends, version=version), 8)


def data_connects(*ends: Endpoint, version: int = 4) -> bytes:
    return request(DATA_CONNECT, address(*ends, version=version), 8)
