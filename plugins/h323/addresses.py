"""Transport addresses of H.225.0 and H.245. An IP address and its port are consecutive octets, 6 or 18 in all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fwhelpers.api import Endpoint, Expect, ParseError, Rewrite
from fwhelpers.sansio.per import Octets

_PORT = 2  #: octets
#: protocolIdentifier of H.225.0 without the version: itu-t(0) recommendation(0) h(8) 2250 version(0)
_H225 = b"\x00\x08\x91\x4a\x00"


@dataclass(frozen=True, slots=True)
class Address:
    """An address in a message, and its place."""

    endpoint: Endpoint
    span: tuple[int, int]

    def rewrite(self) -> Rewrite:
        """Return the event that names an end and opens nothing."""
        return Rewrite(self.endpoint, self.span, encode)

    def expect(self, client: Endpoint, **details: Any) -> Expect:
        """Return the announcement of a connection to this address."""
        return Expect(client, self.endpoint, span=self.span, encode=encode, **details)


def check_protocol(data: bytes, fields: Mapping[str, Any]) -> None:
    """Raise ParseError if a message names another protocol than H.225.0: it is one that only looks like it."""
    place = fields.get("protocolIdentifier")
    if place is not None and not data.startswith(_H225, place.start, place.end):
        raise ParseError(f"protocol {data[place.start : place.end][:16]!r}")


def encode(end: Endpoint) -> bytes:
    """Write an address as the ASN.1 of both recommendations does in PER."""
    return end.addr + end.port.to_bytes(_PORT, "big")


def h225_address(data: bytes, value: Any) -> Address | None:
    """Return the address of a TransportAddress (H.225.0), None if it is none of IP."""
    name, fields = value
    if name in ("ipAddress", "ip6Address"):
        return _address(data, fields["ip"], fields["port"])
    return None


def h245_address(data: bytes, value: Any) -> Address | None:
    """Return the address of a TransportAddress (H.245), None if it is none of IP, or a group's."""
    if value is None or value[0] != "unicastAddress":
        return None
    name, fields = value[1]
    if name in ("iPAddress", "iP6Address"):
        return _address(data, fields["network"], fields["tsapIdentifier"])
    return None


def h225_addresses(data: bytes, values: Any) -> Iterator[Address]:
    """Return the addresses of IP in a list."""
    for value in values:
        address = h225_address(data, value)
        if address is not None:
            yield address


def _address(data: bytes, place: Octets, port: int) -> Address | None:
    addr = data[place.start : place.end]
    # both are sent where there is no address yet, or no longer
    if not any(addr) or not port:
        return None
    return Address(Endpoint(addr, port), (place.start, place.end + _PORT))
