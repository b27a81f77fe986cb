"""NDMP: a backup program tells two storage servers to exchange data with one another.

    backup program                            server A, tcp 10000
      DATA_LISTEN                         →
                                          ←   A's address and port
                                              server B, tcp 10000
      MOVER_CONNECT  A's address and port →
                                          ←   done
                                              B connects to A's port

The connection is between the two servers, of which each control connection knows one. What a server has announced is
remembered for the backup program's other control connections. CONNECT opens it for the server that is told to connect.
A backup program that sends or takes the data itself connects to A, or is itself the host in CONNECT.

NDMP versions 3 and 4 (SNIA), draft-skardal-ndmp4 §2 (records of RFC 5531 §11, XDR)

    | sequence | time | 0 request, 1 answer | message | sequence of the request | error | body |    4 bytes each
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import pack, unpack_from
from typing import Any, Final

from fwhelpers.api import (
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    hookimpl,
)
from fwhelpers.sansio.records import Records
from fwhelpers.sansio.xdr import Xdr

PORT: Final = 10000
REQUEST, ANSWER = 0, 1
CONNECT_OPEN, DATA_LISTEN, DATA_CONNECT, MOVER_LISTEN, MOVER_CONNECT = (
    0x900, 0x409, 0x40A, 0xA01, 0xA09,
)  # fmt: skip
TCP: Final = 1  #: type of an address
VERSIONS: Final = (3, 4)

MAX_RECORD: Final = 2048  #: bytes; longer ones, of lists of files, are passed over
MAX_ADDRESSES: Final = 8  #: that a message may open; a server may list all that it has
MAX_LISTED: Final = 64
MAX_PENDING: Final = 4
_MAX_VARIABLES, _MAX_TEXT = 16, 256
_HINT: Final = 'guard.address = "announced" in [helpers.ndmp] allows servers to name each other'
_OTHER_HINT: Final = "the server listens at another address, which guard.addresses may allow"


class Ndmp(Parser):
    """Parser of a backup program's control connection to one server."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        # until CONNECT_OPEN, a length that no message has is another protocol's text: it must not be passed over
        self._records = (Records(False, MAX_RECORD), Records(False, MAX_RECORD))
        self._version = 0  # until the connection is open
        self._listens: list[int] = []  # sequences of requests that wait for an address

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for record in self._records[reply].feed(data):
            message = Xdr(record.data)
            sequence, _, kind, code, answered, error = (message.u32() for _ in range(6))
            if kind > ANSWER:
                raise ParseError("not NDMP")
            if reply and kind == ANSWER:
                yield from self._answer(code, answered, error, message)
            elif not reply and kind == REQUEST:
                yield from self._request(code, sequence, message)

    def _request(self, code: int, sequence: int, message: Xdr) -> Iterator[Event]:
        if code == CONNECT_OPEN:
            self._open(message.u32())
        elif self._version not in VERSIONS:
            return
        elif code in (DATA_LISTEN, MOVER_LISTEN):
            self._listens = [*self._listens, sequence][-MAX_PENDING:]
        elif code in (DATA_CONNECT, MOVER_CONNECT):
            if code == MOVER_CONNECT:
                message.u32()  # whether it reads or writes
            for end in self._addresses(message)[:MAX_ADDRESSES]:
                yield self._connects(end)

    def _open(self, version: int) -> None:
        self._version = version
        for records in self._records:
            records.skip_long = bool(version)

    def _connects(self, end: Endpoint) -> Expect | Refuse:
        """The server of this control connection is told to connect to `end`."""
        ports = self.memory.get(_key(end.addr), b"")
        if end.addr != self.flow.client.addr and pack("!H", end.port) not in _pairs(ports):
            return Refuse("G4", "no server has announced this", end)
        if len(end.addr) == 4 and self.address == "peer" and end.addr != self.flow.client.addr:
            return Refuse("G5", _HINT, end)
        return Expect(self.flow.server, end, trigger="CONNECT")

    def _answer(self, code: int, answered: int, error: int, message: Xdr) -> Iterator[Event]:
        if code not in (DATA_LISTEN, MOVER_LISTEN) or answered not in self._listens:
            return
        self._listens.remove(answered)
        if error or message.u32():
            return
        # servers have interfaces of their own for data, which the guard judges if it may admit any
        ends = sorted(self._addresses(message), key=lambda end: end.addr != self.flow.server.addr)
        accepted = [e for e in ends if e.addr == self.flow.server.addr or self.address != "peer"]
        if ends and not accepted:
            yield Refuse("G5", _OTHER_HINT, ends[0])
        for end in accepted[:MAX_ADDRESSES]:
            former = _pairs(self.memory.get(_key(end.addr), b""))
            latest = [*former, pack("!H", end.port)][-MAX_ADDRESSES:]
            self.memory[_key(end.addr)] = b"".join(latest)
            yield Expect(self.flow.client, end, trigger="LISTEN")

    def _addresses(self, message: Xdr) -> list[Endpoint]:
        """Read an ndmp_addr: one address in version 3, a list of alternatives in version 4. Raises ParseError."""
        if message.u32() != TCP:
            return []
        if self._version == 3:
            return [_endpoint(message)]
        count = message.u32()
        if count > MAX_LISTED:
            raise ParseError(f"{count} addresses")
        ends = []
        for _ in range(count):
            ends.append(_endpoint(message))
            variables = message.u32()
            if variables > _MAX_VARIABLES:
                raise ParseError(f"{variables} variables of an address")
            for _ in range(2 * variables):
                message.opaque(_MAX_TEXT)
        return ends

    @property
    def buffered(self) -> int:
        return sum(records.buffered for records in self._records)

    def boundary(self, reply: bool) -> bool:
        return self._records[reply].between

    # state:  | version | sequences (4 each) |

    def save(self) -> bytes:
        if not self._version:
            return b""
        version = self._version if self._version in VERSIONS else 255
        return pack(f"!B{len(self._listens)}I", version, *self._listens)

    def restore(self, state: bytes) -> None:
        count, rest = divmod(max(len(state) - 1, 0), 4)
        if rest or count > MAX_PENDING or (state and state[0] not in (*VERSIONS, 255)):
            raise ParseError("invalid stored state")
        self._open(state[0] if state else 0)
        self._listens = list(unpack_from(f"!{count}I", state, 1)) if count else []


def _endpoint(message: Xdr) -> Endpoint:
    host, port = message.take(4), message.u32()
    if port > 65535:
        raise ParseError(f"port {port}")
    return Endpoint(host, port)


def _key(addr: bytes) -> bytes:
    return b"ndmp" + addr


def _pairs(ports: bytes) -> list[bytes]:
    return [ports[at : at + 2] for at in range(0, len(ports), 2)]


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "ndmp",
            "tcp",
            ports=[PORT],
            parser=Ndmp,
            families=(4,),
            policies=[Policy("data", max=MAX_ADDRESSES, timeout=60, third_party=True)],
            spec="NDMP 3, 4",
            doc="NDMP: data connections of storage servers, between two if guard.address allows announced hosts",
            client_announces=True,
        )
    ]
