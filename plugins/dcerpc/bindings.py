"""The DUALSTRINGARRAY of DCOM, MS-DCOM §2.2.19, and its rewriting.

    number of entries | offset of the security bindings | string bindings | security bindings

Both numbers count units of 16 bits. A string binding is a tower identifier and a text that ends in NUL; a NUL ends the
string bindings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import pack, unpack
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError

from .ndr import Ndr

_TCP = 0x07  #: ncacn_ip_tcp
_MAX_BINDINGS = 64

_BINDING = re.compile(r"(?P<host>[^\[\]\0]{1,255})\[(?P<port>[1-9][0-9]{0,4})\]")
_IPV4 = re.compile(r"[0-9.]+")


class Binding(NamedTuple):
    """A string binding."""

    tower: int
    text: str
    host: str = ""  #: of TCP with a port; else empty
    end: Endpoint = Endpoint(b"")  #: its address is empty if the host is a name

    @property
    def named(self) -> bool:
        """Return whether the host is a name."""
        return bool(self.host) and not self.end.addr


class Bindings(NamedTuple):
    """The string bindings of an array."""

    items: tuple[Binding, ...]
    start: int  #: of the string bindings, as an offset in the stub data
    end: int  #: of the security bindings
    little: bool

    @classmethod
    def read(cls, stub: Ndr) -> Bindings:
        """Read a conformant DUALSTRINGARRAY. Raises ParseError."""
        size = stub.count()
        entries, security = stub.u16(), stub.u16()
        if size != entries or not 0 < security <= entries:
            raise ParseError(f"an array of {entries} units, {security} of bindings, in {size}")
        start = stub.skip(2 * entries)
        end = start + 2 * security
        units = unpack(_format(security, stub.little), stub.data[start:end])
        return cls(tuple(_bindings(units)), start, end, stub.little)

    def rewritten(self, old: Endpoint, new: Endpoint) -> bytes:
        """Return the string bindings with another endpoint, in the same length.

        Zeros fill up the room before the security bindings. If it is too small, the client does without the bindings
        that it can't use behind NAT, and without the address if there is a name. Raises ParseError if that is not
        enough.
        """
        items = [_rewritten(item, old, new) for item in self.items]
        spare = [i for i in items if not i.host or (i.end.addr != new.addr and not i.named)]
        if any(item.named and item.end.port == new.port for item in items):
            spare = [i for i in items if i.end == new] + spare
        room = (self.end - self.start) // 2
        while (size := 1 + sum(len(item.text) + 2 for item in items)) > room and spare:
            items.remove(spare.pop())
        if size > room:
            raise ParseError(f"{new} does not fit into bindings whose length can't change")
        units = [unit for item in items for unit in (item.tower, *map(ord, item.text), 0)]
        return pack(_format(room, self.little), *units, *[0] * (room - len(units)))


def _format(units: int, little: bool) -> str:
    return f"{'<' if little else '>'}{units}H"


def _bindings(units: tuple[int, ...]) -> Iterator[Binding]:
    at = 0
    for _ in range(_MAX_BINDINGS):
        if not units[at]:
            return
        try:
            end = units.index(0, at + 1)
            units[end + 1]  # another binding or the end
        except (ValueError, IndexError):
            raise ParseError("a string binding without an end") from None
        yield _binding(units[at], "".join(map(chr, units[at + 1 : end])))
        at = end + 1
    raise ParseError(f"more than {_MAX_BINDINGS} string bindings")


def _binding(tower: int, text: str) -> Binding:
    match = _BINDING.fullmatch(text)
    if tower != _TCP or not match or int(match["port"]) > 65535:
        return Binding(tower, text)
    host, port = match["host"], int(match["port"])
    if ":" not in host and not _IPV4.fullmatch(host):
        return Binding(tower, text, host, Endpoint(b"", port))
    try:
        return Binding(tower, text, host, Endpoint.parse(host, port))
    except ValueError:
        return Binding(tower, text)


def _rewritten(item: Binding, old: Endpoint, new: Endpoint) -> Binding:
    if item.end == old:
        return _binding(item.tower, f"{new.host}[{new.port}]")
    if item.named and item.end.port == old.port:
        return _binding(item.tower, f"{item.host}[{new.port}]")
    return item
