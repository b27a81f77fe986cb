"""Replaces addresses by others of the same form and length. Pure.

Each octet of an IPv4 address and each group of an IPv6 address becomes one with as many digits, by a
keyed permutation that depends on the octets or groups before it. So the text of an address keeps its
length, two addresses share as many leading octets or groups as before, and no two become one. The kind
of an address stays: private, link-local, multicast, loopback, network or broadcast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

#: numbers with the same number of digits
_OCTETS = ((0, 9), (10, 99), (100, 255))
_GROUPS = ((0x1, 0xF), (0x10, 0xFF), (0x100, 0xFFF), (0x1000, 0xFFFF))

#: second octets of special addresses, by their first one (RFC 1918, RFC 6598, RFC 3927)
_SECOND = {
    100: range(64, 128), 169: range(254, 255), 172: range(16, 32), 192: range(168, 169),
}  # fmt: skip
_PUBLIC = [n for n in range(1, 224) if n not in (10, 127, *_SECOND)]
_ROUNDS = 6

_DOTTED = re.compile(rb"(?<!\d)(?<!\d\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d)")
#: RFC 959: h1,h2,h3,h4,p1,p2
_COMMAS = re.compile(rb"(?<![\d,])\d{1,3},\d{1,3},\d{1,3},\d{1,3}(?=,\d{1,3},\d{1,3}(?![\d,]))")
#: behind a word and a colon as well; not ::ffff:192.0.2.1, whose end is replaced as an IPv4 address
_COLONS = re.compile(
    rb"(?<![0-9A-Za-z:.])(?:(?![0-9A-Fa-f]{1,4}:)[A-Za-z][\w-]{0,40}:)?"
    rb"([0-9A-Fa-f:]{2,41})(?![0-9A-Za-z:]|\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d))"
)
_HEX = re.compile(rb"[0-9A-Fa-f]+")

Edit = tuple[int, bytes]  #: position and the new bytes, as many as before


class AddressMap:
    """A secret mapping; the same key gives the same one."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.address = lru_cache(65536)(self._address)  #: the replacement of a packed address

    def _address(self, addr: bytes) -> bytes:
        return self._four(addr) if len(addr) == 4 else self._six(addr)

    def _four(self, addr: bytes) -> bytes:
        first, second, third, last = addr
        if first in (0, 127) or first >= 224:
            return addr
        special = _SECOND.get(first, range(0))
        seconds = special if second in special else [n for n in range(255) if n not in special]
        octets = (
            # numbers that are no members stay: first ones of special kinds, 255 of broadcasts
            self._octet(b"", first, _PUBLIC),
            self._octet(addr[:1], second, seconds),
            self._octet(addr[:2], third, range(255)),
            self._octet(addr[:3], last, range(1, 255)),
        )
        return bytes(octets)

    def _octet(self, prefix: bytes, value: int, domain: Iterable[int]) -> int:
        low, high = next(bounds for bounds in _OCTETS if bounds[0] <= value <= bounds[1])
        members = [n for n in domain if low <= n <= high]
        if value not in members:
            return value
        return members[self._permute(b"4" + prefix, len(members), members.index(value))]

    def _six(self, addr: bytes) -> bytes:
        if addr[0] == 0xFF or not any(addr[:15]):  # multicast, :: and ::1
            return addr
        out = [addr[:2]]
        for at in range(2, 16, 2):
            group = int.from_bytes(addr[at : at + 2], "big")
            bounds = next((b for b in _GROUPS if b[0] <= group <= b[1]), None)
            if bounds is not None:
                low, high = bounds
                group = low + self._permute(b"6" + addr[:at], high - low + 1, group - low)
            out.append(group.to_bytes(2, "big"))
        return b"".join(out)

    def _permute(self, prefix: bytes, size: int, index: int) -> int:
        """Permute the numbers below `size`: a Feistel network, repeated until its result is one of them."""
        bits = ((size - 1).bit_length() + 1) // 2
        mask = (1 << bits) - 1
        while True:
            high, low = index >> bits, index & mask
            for turn in range(_ROUNDS):
                text = b"%b|%d|%d|%d" % (prefix, size, turn, low)
                digest = blake2b(text, key=self.key, digest_size=2).digest()
                high, low = low, high ^ (int.from_bytes(digest, "big") & mask)
            index = high << bits | low
            if index < size:
                return index

    def edits(self, data: bytes, packed: Sequence[frozenset[bytes]] = ()) -> Iterator[Edit]:
        """Yield the replacements of addresses in text, and of these packed ones anywhere.

        Each set of packed addresses has addresses of one size.
        """
        for pattern, separator in ((_DOTTED, b"."), (_COMMAS, b",")):
            for match in pattern.finditer(data):
                text = self._dotted(match[0], separator)
                if text is not None:
                    yield match.start(), text
        for match in _COLONS.finditer(data):
            text = self._colons(match[1])
            if text is not None:
                yield match.start(1), text
        for hosts in packed:
            size = len(next(iter(hosts)))
            for at in range(len(data) - size + 1):
                addr = data[at : at + size]
                if addr in hosts:
                    yield at, self.address(addr)

    def text(self, text: str) -> str:
        """Return a text with its addresses replaced."""
        data = bytearray(text.encode("utf-8", "surrogateescape"))
        for at, new in self.edits(bytes(data)):
            data[at : at + len(new)] = new
        return data.decode("utf-8", "surrogateescape")

    def _dotted(self, text: bytes, separator: bytes) -> bytes | None:
        numbers = list(map(int, text.split(separator)))
        if max(numbers) > 255:
            return None
        sizes = map(len, text.split(separator))
        new = self.address(bytes(numbers))
        return separator.join(b"%0*d" % pair for pair in zip(sizes, new, strict=True))

    def _colons(self, text: bytes) -> bytes | None:
        """Write each group of an IPv6 address anew, in the digits and the case of the text."""
        head, gap, tail = text.partition(b"::")
        parts = [_HEX.findall(half) for half in (head, tail)]
        count = len(parts[0]) + len(parts[1])
        if b"::" in tail or ":::" in text.decode() or (count > 7 if gap else count != 8):
            return None
        if max((len(part) for half in parts for part in half), default=0) > 4:
            return None
        groups = [[int(part, 16) for part in half] for half in parts]
        values = [*groups[0], *[0] * (8 - count), *groups[1]]
        new = self.address(b"".join(value.to_bytes(2, "big") for value in values))
        upper = text != text.lower()
        index = iter([*range(len(parts[0])), *range(8 - len(parts[1]), 8)])

        def write(match: re.Match[bytes]) -> bytes:
            at = 2 * next(index)
            value = int.from_bytes(new[at : at + 2], "big")
            return (b"%0*X" if upper else b"%0*x") % (len(match[0]), value)

        return _HEX.sub(write, text)
