"""EtherNet/IP's encapsulation, and what of CIP's connection manager opens and closes I/O connections.

encapsulation:  | command (2) | length (2) | session (4) | status (4) | context (8) | options (4) |  little endian
its data:       | interface (4) | timeout (2) | number of items (2) | type (2), length (2), data | …
request:        | service | path size in words | path | …
answer:         | service + 0x80 | 0 | status | words of further status | … |
an address:     | family (2) | port (2) | IPv4 address (4) | unused (8) |                             big endian
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as StructError
from struct import pack, unpack_from
from typing import Final, NamedTuple

from fwhelpers.api import ParseError

HEADER: Final = 24
IO_PORT: Final = 2222
MAX_LENGTH: Final = (
    1024  #: of a message's data that is read; what opens a connection has less than 600 bytes
)

_COMMANDS: Final = frozenset((0x00, 0x04, 0x63, 0x64, 0x65, 0x66, 0x6F, 0x70, 0x72, 0x73))
_SEND_RR_DATA: Final = 0x6F
_UNCONNECTED, _O_TO_T, _T_TO_O = 0x00B2, 0x8000, 0x8001
_MAX_ITEMS: Final = 8
_INET: Final = 2

_FORWARD_CLOSE, _FORWARD_OPEN, _LARGE_FORWARD_OPEN = 0x4E, 0x54, 0x5B
_OPENS: Final = {_FORWARD_OPEN: 2, _LARGE_FORWARD_OPEN: 4}  # bytes of network parameters
_REPLY: Final = 0x80
_UNCONNECTED_SEND: Final = 0x52
_CONNECTION_MANAGER: Final = b"\x20\x06\x24\x01"  # class 6, instance 1
_MULTICAST, _POINT_TO_POINT = 1, 2


SAVED: Final = 9  #: bytes of a stored request


class Address(NamedTuple):
    """A sockaddr item."""

    host: bytes
    port: int


class Connection(NamedTuple):
    """A request of the connection manager."""

    identity: bytes  #: serial number and vendor; the originator's serial number is the same in all
    closes: bool = False
    outputs: bool = False  #: an I/O connection has outputs
    inputs: str = ""  #: "", "point-to-point" or "multicast"
    address: Address | None = None  #: where the originator wants its inputs

    def save(self) -> bytes:
        """Return the stored form. A host other than the originator is never stored."""
        kind = ("", "point-to-point", "multicast").index(self.inputs)
        flags = self.closes << 3 | self.outputs << 2 | kind
        return pack("!BH", flags, self.address.port if self.address else 0) + self.identity

    @classmethod
    def restore(cls, state: bytes) -> Connection:
        """Restore the result of `save`. Raises ParseError."""
        flags, port = unpack_from("!BH", state)
        if flags > 15 or flags & 3 == 3:
            raise ParseError("invalid stored state")
        kind = ("", "point-to-point", "multicast")[flags & 3]
        address = Address(bytes(4), port) if port else None
        return cls(state[3:], bool(flags & 8), bool(flags & 4), kind, address)


class Answer(NamedTuple):
    """An answer of the connection manager."""

    identity: bytes
    closes: bool
    success: bool
    outputs: Address | None  #: where the target wants its outputs
    inputs: Address | None  #: where it sends the inputs, if that is a group


def read_length(data: bytes | bytearray) -> int:
    """Return the length of a message's data, up to 65535. Raises ParseError if the header is not EtherNet/IP's."""
    command, length = unpack_from("<HH", data)
    if command not in _COMMANDS or any(data[20:24]):  # options must be 0
        raise ParseError("not EtherNet/IP")
    return int(length)


def read_request(data: bytes) -> Connection | None:
    """Read a Forward_Open or Forward_Close, also one that is routed to another slot; None for all else."""
    items = _items(data)
    try:
        return _connection(items[_UNCONNECTED], items) if _UNCONNECTED in items else None
    except StructError:
        return None


def _connection(request: bytes, items: dict[int, bytes]) -> Connection | None:
    service, body = _service(request)
    if service == _UNCONNECTED_SEND:
        (size,) = unpack_from("<H", body, 2)
        service, body = _service(body[4 : 4 + size])
    if service == _FORWARD_CLOSE:
        return Connection(_identity(body, 2), closes=True)
    if service not in _OPENS:
        return None
    size, wide = _OPENS[service], service == _LARGE_FORWARD_OPEN
    outputs, inputs = (
        int.from_bytes(body[at : at + size], "little") >> (29 if wide else 13) & 3
        for at in (26, 30 + size)
    )
    (trigger,) = unpack_from("<B", body, 30 + 2 * size)
    if trigger & 15 > 1:  # classes 2 and 3 are explicit messages over TCP
        return None
    kinds = {_MULTICAST: "multicast", _POINT_TO_POINT: "point-to-point"}
    return Connection(
        _identity(body, 10), outputs=outputs == _POINT_TO_POINT, inputs=kinds.get(inputs, ""),
        address=_address(items.get(_T_TO_O)),
    )  # fmt: skip


def _service(request: bytes) -> tuple[int, bytes]:
    """Return the service and its data if the connection manager is asked, otherwise 0."""
    service, words = unpack_from("<BB", request)
    path = request[2 : 2 + 2 * words]
    return (service, request[2 + 2 * words :]) if path == _CONNECTION_MANAGER else (0, b"")


def _identity(body: bytes, at: int) -> bytes:
    """Serial number of the connection (2), vendor (2), and half of the originator's serial number (2)."""
    unpack_from("<HHI", body, at)  # all of it must be there
    return body[at : at + 6]


def read_answer(data: bytes) -> Answer | None:
    """Read the answer to a Forward_Open or Forward_Close; None for all else."""
    items = _items(data)
    reply = items.get(_UNCONNECTED, b"")
    if len(reply) < 4 or reply[0] & ~_REPLY not in (*_OPENS, _FORWARD_CLOSE) or reply[0] < _REPLY:
        return None
    closes, status = reply[0] & ~_REPLY == _FORWARD_CLOSE, reply[2]
    body = reply[4 + 2 * reply[3] :]
    try:
        # errors begin with the serial numbers, success with two connection ids before them
        identity = _identity(body, 0 if closes or status else 8)
    except StructError:
        return None
    outputs, inputs = _address(items.get(_O_TO_T)), _address(items.get(_T_TO_O))
    return Answer(identity, closes, status == 0, outputs, inputs)


def _items(data: bytes) -> dict[int, bytes]:
    """Return the items of the common packet format by type; the first of each counts."""
    command, _, _, status = unpack_from("<HHII", data)
    if command != _SEND_RR_DATA or status or len(data) < HEADER + 8:
        return {}
    items: dict[int, bytes] = {}
    for kind, text in _walk(data):
        items.setdefault(kind, text)
    return items


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    (count,) = unpack_from("<H", data, HEADER + 6)
    at = HEADER + 8
    for _ in range(min(count, _MAX_ITEMS)):
        if at + 4 > len(data):
            return
        kind, size = unpack_from("<HH", data, at)
        at += 4 + size
        if at > len(data):
            return
        yield kind, data[at - size : at]


def _address(item: bytes | None) -> Address | None:
    if item is None or len(item) != 16:
        return None
    family, port = unpack_from("!HH", item)
    return Address(item[4:8], port) if family == _INET else None
