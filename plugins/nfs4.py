"""NFSv4.0: the server calls the client back, to take a delegation away.

    client                                                    server, tcp 2049
      COMPOUND SETCLIENTID … "tcp" "10.0.1.2.180.1"       →
                                                          ←   connects to the client's port 46081
      COMPOUND SETCLIENTID_CONFIRM                        →

The client names its callback service in a universal address. Since version 4.1 callbacks use the client's own
connection, so that nothing has to be opened.

RFC 7530 §16.33 (SETCLIENTID), §10.4 (delegations), RFC 5531 (messages), RFC 5665 (universal addresses)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.api import (
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    hookimpl,
)
from fwhelpers.sansio import uaddr, xdr
from fwhelpers.sansio.records import LAST, Record, Records
from fwhelpers.sansio.xdr import Xdr

PROGRAM, VERSION = 100003, 4
NULL, COMPOUND = 0, 1
GETATTR, PUTPUBFH, PUTROOTFH, SETCLIENTID = 9, 23, 24, 35
MAX_BEFORE = 4  #: operations of a COMPOUND before SETCLIENTID
NET_IDS = {b"tcp": 4, b"tcp6": 6}

MAX_RECORD = 4096  #: bytes of a call that is buffered; a SETCLIENTID has less than 2000
_MAX_AUTH, _MAX_TAG, _MAX_ID = 400, 1024, 1024  # RFC 5531 §8.2, RFC 7530 §2 (NFS4_OPAQUE_LIMIT)
_RPCSEC_GSS = 6
#: Linux sends SETCLIENTID to find out whether it knows the server, reads the root, and sends it again. It takes note of
#: the last one, so that each of them must be rewritten behind NAT
MAX_CALLS = 32


class Callback(Parser):
    """Parser of the client's first calls. Reading and writing of files comes after them, and is not inspected."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._records = Records(skip_long=False, limit=MAX_RECORD)
        self._calls = 0
        self._ended = False

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        if reply or self._ended:
            return
        records = self._records.feed(data)
        while not self._ended:
            try:
                record = next(records, None)
            except ParseError:
                if not self._calls:
                    raise
                yield self._done("a call with a file's data")
                return
            if record is None:
                return
            yield from self._call(record)

    def _call(self, record: Record) -> Iterator[Event]:
        self._calls += 1
        call = Xdr(record.data)
        call.u32()
        if call.u32() != 0 or call.u32() != 2:
            raise ParseError("not an RPC call")
        service, procedure = (call.u32(), call.u32()), call.u32()
        flavor = call.u32()
        call.opaque(_MAX_AUTH)
        call.u32()
        call.opaque(_MAX_AUTH)
        if service != (PROGRAM, VERSION):
            yield self._done("not NFSv4")
        elif flavor == _RPCSEC_GSS:
            yield self._done("arguments are protected by RPCSEC_GSS")
        elif procedure == COMPOUND:
            yield from self._compound(call, record)
        if self._calls >= MAX_CALLS and not self._ended:
            yield self._done("the session has begun")

    def _compound(self, call: Xdr, record: Record) -> Iterator[Event]:
        call.opaque(_MAX_TAG)
        minor, operations = call.u32(), call.u32()
        if minor:
            yield self._done("callbacks use this connection")
            return
        for _ in range(min(operations, MAX_BEFORE + 1)):
            operation = call.u32()
            if operation == SETCLIENTID:
                yield from self._set_client_id(call, record)
                return
            # Solaris and illumos ask for the root's lease time first (nfs4_vfsops.c: nfs4setclientid_otw)
            if operation == GETATTR:
                call.skip(4 * call.u32())
            elif operation not in (PUTPUBFH, PUTROOTFH):
                return

    def _set_client_id(self, call: Xdr, record: Record) -> Iterator[Event]:
        call.take(8)
        call.opaque(_MAX_ID)
        call.u32()
        net_id = call.opaque(uaddr.LONGEST)
        start = call.pos
        text = call.opaque(uaddr.LONGEST)
        end = uaddr.parse(text)
        if NET_IDS.get(net_id) != end.family or not end.port:
            return  # a client without callbacks
        place = _Place(record, start, call.pos)
        yield Expect(
            self.flow.server, end, span=place.span, encode=place.encode, fit=place.fit,
            permanent=True,  # each SETCLIENTID_CONFIRM brings a connection, and each recall after a pause
            trigger="SETCLIENTID",
        )  # fmt: skip

    def _done(self, reason: str) -> Done:
        self._ended = True
        return Done(reason)

    @property
    def buffered(self) -> int:
        return self._records.buffered

    def boundary(self, reply: bool) -> bool:
        return reply or self._ended or self._records.between

    def resync(self, reply: bool) -> bool:
        return reply  # the server's bytes are not read

    def save(self) -> bytes:
        return bytes([self._ended, self._calls]) if self._calls else b""

    def restore(self, state: bytes) -> None:
        if state and not (len(state) == 2 and state[0] <= 1 and 0 < state[1] <= MAX_CALLS):
            raise ParseError("invalid stored state")
        self._ended, self._calls = (bool(state[0]), state[1]) if state else (False, 0)


class _Place:
    """The place of a universal address in a record: with the record's mark, as its length counts in it."""

    def __init__(self, record: Record, start: int, end: int) -> None:
        self._record = record
        self._start, self._end = start, end

    @property
    def span(self) -> tuple[int, int] | None:
        """From the mark to the end of the address, None if the record has several fragments."""
        ((_, at), *others) = self._record.pieces
        return None if others else (at - 4, at + self._end)

    def encode(self, endpoint: Endpoint) -> bytes:
        return self._with(xdr.string(uaddr.format_(endpoint)))

    def fit(self, endpoint: Endpoint, size: int) -> bytes | None:
        # the mark, the bytes before the address, its length and up to three bytes of padding
        longest = size - 4 - self._start - 4
        for length in range(longest, max(longest - 4, 0), -1):
            text = uaddr.of_length(endpoint, length)
            if text is not None:
                return self._with(xdr.string(text))
        return None

    def _with(self, address: bytes) -> bytes:
        data = self._record.data
        size = len(data) - (self._end - self._start) + len(address)
        return (LAST | size).to_bytes(4, "big") + data[: self._start] + address


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "nfs4cb",
            "tcp",
            ports=[2049],
            parser=Callback,
            # the server may recall a delegation while the file system is mounted
            policies=[Policy("callback", max=2, timeout=86400)],
            spec="RFC 7530, 5531, 5665",
            doc="NFSv4.0 callbacks: the server's connection to take delegations away",
            client_announces=True,
        )
    ]
