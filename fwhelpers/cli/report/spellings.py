"""Addresses in other spellings than the usual ones, replaced at the same length. Pure.

Names of the reverse DNS tree as text and as labels (RFC 1035 section 3.5, RFC 3596 section 2.5), IPv4
addresses with hyphens in host names, one decimal number (CTCP's DCC), IPv4-mapped IPv6 addresses,
addresses in resource records of DNS and NetBIOS (RFC 1035 section 3.4.1, RFC 1002 section 4.2.13),
hardware addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

from fwhelpers.cli.report.addresses import AddressMap, Edit

MAPPED = bytes(10) + b"\xff\xff"  #: RFC 4291 section 2.5.5.2

_REVERSE = re.compile(rb"(?<![\w.])((?:\d{1,3}\.){2,4})in-addr\.arpa", re.I)
_REVERSE_LABELS = re.compile(rb"((?:\x01\d|\x02\d\d|\x03\d\d\d){2,4})\x07in-addr\x04arpa", re.I)
_REVERSE6 = re.compile(rb"(?<![\w.])((?:[0-9a-f]\.){5,32})ip6\.arpa", re.I)
_REVERSE6_LABELS = re.compile(rb"((?:\x01[0-9a-f]){5,32})\x03ip6\x04arpa", re.I)
_HYPHENS = re.compile(rb"(?<!\d)(?<!\d-)\d{1,3}(?:-\d{1,3}){3}(?!\d|-\d)")
_DECIMAL = re.compile(rb"(?<![\d.])\d{8,10}(?![\d.])")
_HARDWARE = re.compile(
    rb"(?<![\w:-])[0-9A-F]{2}(?:([:-])[0-9A-F]{2})(?:\1[0-9A-F]{2}){4}(?![\w:-])", re.I
)

#: type, class (its high bit is mDNS's cache-flush, RFC 6762 section 10.2), time to live, length, data
_A_RECORD = re.compile(rb"\0\x01[\0\x80]\x01.{4}\0\x04(?=(.{4}))", re.S)
_AAAA_RECORD = re.compile(rb"\0\x1c[\0\x80]\x01.{4}\0\x10(?=(.{16}))", re.S)
_NB_RECORD = re.compile(rb"\0\x20\0\x01.{4}\0([\x06-\xfc])(?=(.{6}))", re.S)


def record_addresses(data: bytes) -> Iterator[bytes]:
    """Yield the packed addresses in resource records of a datagram."""
    for pattern in (_A_RECORD, _AAAA_RECORD):
        yield from (match[1] for match in pattern.finditer(data))
    for match in _NB_RECORD.finditer(data):
        rows = data[match.end() : match.end() + match[1][0]]
        yield from (rows[at + 2 : at + 6] for at in range(0, len(rows) - 5, 6))


def edits(
    data: bytes, addresses: AddressMap, hosts: frozenset[bytes], hardware: frozenset[bytes]
) -> Iterator[Edit]:
    """Yield replacements, which have precedence over those of `AddressMap.edits`.

    `hosts`: packed addresses whose decimal numbers are replaced, too; other numbers are not addresses.
    `hardware`: hardware addresses that are replaced wherever their bytes or digits occur.
    """
    for match in _HYPHENS.finditer(data):
        if (text := _octets(match[0].split(b"-"), addresses)) is not None:
            yield match.start(), b"-".join(text)
    for match in _DECIMAL.finditer(data):
        number = int(match[0])
        if number < 1 << 32 and (addr := number.to_bytes(4, "big")) in hosts:
            new = b"%d" % int.from_bytes(addresses.address(addr), "big")
            yield match.start(), new if len(new) == len(match[0]) else b"0" * len(match[0])
    yield from _reverse(data, addresses)
    yield from _hardware(data, addresses, hardware)
    for at in _positions(data, MAPPED):
        inner = data[at + 12 : at + 16]
        if inner in hosts:
            yield at, MAPPED + addresses.address(inner)


def _reverse(data: bytes, addresses: AddressMap) -> Iterator[Edit]:
    for match in _REVERSE.finditer(data):
        if (text := _octets(match[1].split(b".")[-2::-1], addresses)) is not None:
            yield match.start(), b"".join(part + b"." for part in text[::-1])
    for match in _REVERSE_LABELS.finditer(data):
        if (text := _octets(re.findall(rb"\d+", match[1])[::-1], addresses)) is not None:
            yield match.start(), b"".join(bytes([len(part)]) + part for part in text[::-1])
    for pattern in (_REVERSE6, _REVERSE6_LABELS):
        for match in pattern.finditer(data):
            digits = re.findall(rb"[0-9a-fA-F]", match[1])[::-1]
            addr = bytes.fromhex(b"".join(digits).ljust(32, b"0").decode())
            new = iter(addresses.address(addr).hex()[: len(digits)][::-1])
            yield (
                match.start(),
                re.sub(rb"[0-9a-fA-F]", lambda _, n=new: next(n).encode(), match[1]),
            )


def _octets(parts: list[bytes], addresses: AddressMap) -> list[bytes] | None:
    """Return decimal octets, perhaps only the first ones of an address, with as many digits as before."""
    numbers = list(map(int, parts))
    if max(numbers) > 255:
        return None
    new = addresses.address(bytes(numbers).ljust(4, b"\0"))
    return [b"%0*d" % (len(part), number) for part, number in zip(parts, new, strict=False)]


def _hardware(data: bytes, addresses: AddressMap, cards: frozenset[bytes]) -> Iterator[Edit]:
    for match in _HARDWARE.finditer(data):
        new = hardware_address(bytes.fromhex(re.sub(rb"[:-]", b"", match[0]).decode()), addresses)
        yield match.start(), _in_case(new.hex(match[1].decode()).encode(), match[0])
    for addr in cards:
        new = hardware_address(addr, addresses)
        for text in (addr.hex().encode(), addr.hex().upper().encode()):
            for at in _positions(data, text):
                yield at, _in_case(new.hex().encode(), text)
        for at in _positions(data, addr):
            yield at, new


def hardware_address(addr: bytes, addresses: AddressMap) -> bytes:
    """Return another locally administered address; group addresses and zero stay (IEEE 802)."""
    if addr[0] & 1 or not any(addr):
        return addr
    return b"\x02" + blake2b(addr, key=addresses.key, digest_size=5).digest()


def _in_case(new: bytes, old: bytes) -> bytes:
    return new.upper() if old != old.lower() else new


def _positions(data: bytes, part: bytes) -> Iterator[int]:
    at = data.find(part)
    while at >= 0:
        yield at
        at = data.find(part, at + 1)
