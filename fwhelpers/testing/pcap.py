"""Read capture files, pcap, pcapng and snoop, compressed with gzip or not, without libpcap.

pcap:    | magic | version | … | snaplen | link type |  then  | seconds | fraction | captured | original | bytes … |
pcapng:  blocks of  | type | length | body … | length |;  IETF draft-ietf-opsawg-pcapng
snoop:   | magic | version | link type |  then  | original | captured | record length | drops | time | bytes … |;
         RFC 1761
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import IO, NamedTuple, cast

MAX_BLOCK = 64 * 1024 * 1024

_MAGICS = {0xA1B2C3D4: 10**-6, 0xA1B23C4D: 10**-9}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_TSRESOL, _TSOFFSET = 9, 14
_GZIP = b"\x1f\x8b"
_SNOOP = b"snoop\0\0\0"
#: link types of snoop (RFC 1761) as those of pcap
_SNOOP_LINKS = {0: 1, 4: 1}

RAW_IP = 101  #: link type: the packet begins with its IP header


class Frame(NamedTuple):
    """A captured frame."""

    number: int  #: counted from 1, as Wireshark does
    time: float
    link: int  #: link type, see tcpdump.org/linktypes.html
    data: bytes


class _Interface(NamedTuple):
    link: int
    unit: float
    offset: int


def read(path: Path | str) -> Iterator[Frame]:
    """Yield the frames of a file up to the first one that is cut short. Raises ValueError, OSError."""
    with open(path, "rb") as plain:
        compressed = plain.read(2) == _GZIP
        plain.seek(0)
        if not compressed:
            yield from _frames(plain)
            return
        try:
            with gzip.open(plain) as file:
                yield from _frames(cast(IO[bytes], file))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"the compressed file is damaged: {error}") from error


def _frames(file: IO[bytes]) -> Iterator[Frame]:
    magic = file.read(8)
    file.seek(0)
    if magic == _SNOOP:
        yield from _snoop(file)
        return
    for order in "<>":
        (number,) = Struct(order + "I").unpack(magic[:4].ljust(4, b"\0"))
        if number in _MAGICS:
            yield from _pcap(file, order, _MAGICS[number])
            return
    if number != _SECTION:
        raise ValueError("neither pcap, pcapng nor snoop")
    yield from _pcapng(file)


def _snoop(file: IO[bytes]) -> Iterator[Frame]:
    header = file.read(16)
    if len(header) < 16:
        raise ValueError("the file header is cut short")
    kind = Struct("!I").unpack_from(header, 12)[0]
    if kind not in _SNOOP_LINKS:
        raise ValueError(f"link type {kind} of snoop is not supported")
    record = Struct("!6I")
    number = 0
    while len(head := file.read(record.size)) == record.size:
        _, captured, size, _, seconds, micros = record.unpack(head)
        data = _exactly(file, size - record.size)
        if size < record.size + captured or data is None:
            return
        number += 1
        yield Frame(number, seconds + micros * 10**-6, _SNOOP_LINKS[kind], data[:captured])


def write(path: Path | str, packets: Iterable[tuple[float, bytes]], link: int = RAW_IP) -> None:
    """Write a pcap file of (time, bytes)."""
    record = Struct("<IIII")
    with open(path, "wb") as file:
        file.write(Struct("<IHHiIII").pack(0xA1B2C3D4, 2, 4, 0, 0, 262144, link))
        for time, data in packets:
            seconds, micros = divmod(round(time * 10**6), 10**6)
            file.write(record.pack(seconds, micros, len(data), len(data)) + data)


def _pcap(file: IO[bytes], order: str, unit: float) -> Iterator[Frame]:
    header = file.read(24)
    if len(header) < 24:
        raise ValueError("the file header is cut short")
    # the upper bits say whether frames end with a checksum (pcap-linktype(7), FCS)
    link = Struct(order + "I").unpack_from(header, 20)[0] & 0xFFFF
    record = Struct(order + "IIII")
    number = 0
    while len(head := file.read(record.size)) == record.size:
        seconds, fraction, captured, _ = record.unpack(head)
        data = _exactly(file, captured)
        if data is None:
            return
        number += 1
        yield Frame(number, seconds + fraction * unit, link, data)


def _exactly(file: IO[bytes], size: int) -> bytes | None:
    if not 0 <= size <= MAX_BLOCK:
        raise ValueError(f"a record of {size} bytes: the file is damaged")
    data = file.read(size)
    return data if len(data) == size else None


def _pcapng(file: IO[bytes]) -> Iterator[Frame]:
    order = "<"
    interfaces: list[_Interface] = []
    number = 0
    while (block := _block(file, order)) is not None:
        kind, order, body = block
        if kind == _SECTION:
            interfaces = []
        elif kind == _INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind in (_ENHANCED, _SIMPLE, _OLD_PACKET):
            number += 1
            yield _packet(kind, body, order, interfaces, number)


def _block(file: IO[bytes], order: str) -> tuple[int, str, bytes] | None:
    head = file.read(8)
    if len(head) < 8:
        return None
    kind, size = Struct(order + "II").unpack(head)
    if kind == _SECTION:
        magic = file.read(4)
        order = "<" if magic == _BYTE_ORDER.to_bytes(4, "little") else ">"
        file.seek(-4, 1)
        (size,) = Struct(order + "I").unpack_from(head, 4)
    if size < 12 or size % 4:
        raise ValueError(f"a block of {size} bytes: the file is damaged")
    body = _exactly(file, size - 8)
    return None if body is None else (kind, order, body[:-4])


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise ValueError("an interface description is cut short")
    (link,) = Struct(order + "H").unpack_from(body)
    unit, offset = 10**-6, 0
    for code, value in _options(body, 8, order):
        if code == _TSRESOL and value:
            unit = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif code == _TSOFFSET and len(value) == 8:
            (offset,) = Struct(order + "q").unpack(value)
    return _Interface(link, unit, offset)


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    head = Struct(order + "HH")
    while at + 4 <= len(body):
        code, size = head.unpack_from(body, at)
        if code == 0:
            return
        yield code, body[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], number: int) -> Frame:
    form = Struct(order + {_ENHANCED: "IIIII", _OLD_PACKET: "HHIIII", _SIMPLE: "I"}[kind])
    if len(body) < form.size:
        raise ValueError(f"frame {number} is cut short")
    fields = form.unpack_from(body)
    which = 0 if kind == _SIMPLE else fields[0]
    if which >= len(interfaces):
        raise ValueError(f"frame {number} is of an interface that is not described")
    link, unit, offset = interfaces[which]
    if kind == _SIMPLE:
        return Frame(number, 0.0, link, body[4 : 4 + fields[0]])
    high, low, captured = fields[-4:-1]
    data = body[form.size : form.size + captured]
    return Frame(number, (high << 32 | low) * unit + offset, link, data)
