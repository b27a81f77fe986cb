"""Amanda with `bsd` authentication: the reply of a service contains the TCP ports of its streams.

    client (backup server)                 server (backup client), udp/10080
      REQ   SERVICE sendbackup        →
                                      ←    ACK
                                      ←    REP   CONNECT DATA p1 MESG p2 INDEX p3 STATE p4
      ACK                             →
      tcp   any port                  →    p1, p2, p3, p4

amrecover sends such requests to the backup server. ACK, NAK and preliminary replies (PREP) open nothing; a PREP
contains the output of sendsize so far. `bsdudp` carries all further streams in the connection of the first one, and
the other authentications need no helper, because they use a single connection.

There is no RFC: see protocol.c, amandad.c and security-util.c of Amanda, and amanda-auth(7).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from struct import Struct
from typing import Any, NamedTuple

from fwhelpers.api import (
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    KernelHelper,
    ParseError,
    Policy,
    Refuse,
    hookimpl,
)

from .packets import (
    MAX_STREAMS,
    Datagram,
    Stream,
    parse_header,
    parse_service,
    parse_streams,
)

#: services and their streams; noop, selfcheck, sendsize and senddiscover have none
SERVICES = {
    "sendbackup": frozenset({"DATA", "MESG", "INDEX", "STATE", "CMD"}),
    "ambackupd": frozenset({"DATA", "MESG", "INDEX", "STATE"}),
    "amindexd": frozenset({"MESG"}),
    "amidxtaped": frozenset({"CTL", "DATA", "STATE"}),
    "restore": frozenset({"CTL", "DATA", "MESG", "STATE"}),
    "amdumpd": frozenset({"CTL"}),
}
_NAMES = list(SERVICES)

MAX_PENDING = 16  #: requests of one socket without a reply


class Request(NamedTuple):
    """A request without a reply, or with a reply that is not acknowledged yet."""

    service: str
    reply: bytes = b""  #: digest of the reply


class Amanda(DatagramParser):
    """Parser of the requests from one socket to one host."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: OrderedDict[bytes, Request] = OrderedDict()

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Remember requests and expect the streams in their replies.

        Never raises ParseError: a datagram is easily forged, and the flow continues with the next valid one.
        """
        try:
            header = parse_header(data)
            if reply:
                return self._reply(header, data)
            self._request(header, data)
        except ParseError:
            pass
        return ()

    # requests

    def _request(self, header: Datagram, data: bytes) -> None:
        request = self._pending.get(header.key)
        if header.kind == "REQ":
            service = parse_service(data, header.body)
            if service in SERVICES and (request is None or request.service != service):
                self._remember(header.key, Request(service))
        elif header.kind == "ACK" and request and request.reply:
            del self._pending[header.key]  # the client accepts no other reply

    def _remember(self, key: bytes, request: Request) -> None:
        self._pending.pop(key, None)
        self._pending[key] = request
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)

    # replies

    def _reply(self, header: Datagram, data: bytes) -> Iterable[Event]:
        if header.kind == "NAK":
            self._pending.pop(header.key, None)
        if header.kind != "REP":
            return ()
        try:
            streams = parse_streams(data, header.body)
        except ParseError as error:
            return [Refuse("G11", f"REP: {error}")]
        request = self._pending.get(header.key)
        # the server repeats the reply until the ACK comes, and each copy must be rewritten; other replies are refused
        digest = blake2b(data, digest_size=_DIGEST).digest()
        if request is None or request.reply not in (b"", digest):
            return [Refuse("G4", "REP: no REQ is waiting for it")] if streams else ()
        self._pending[header.key] = request._replace(reply=digest)
        return self._announce(request.service, streams)

    def _announce(self, service: str, streams: list[Stream]) -> Iterator[Event]:
        for stream in streams:
            end = self.flow.server.at(stream.port)
            if stream.name not in SERVICES[service]:
                yield Refuse("G11", f"REP: {service} has no stream {stream.name}", end)
                continue
            yield Expect(
                self.flow.client,
                end,
                "tcp",
                span=stream.span,
                encode=_encode_port,
                trigger=f"{service} {stream.name}",
            )

    # state for another worker: the two newest requests,  | key (6) | replied (1 bit), service | reply (3) |

    def save(self) -> bytes:
        newest = list(self._pending.items())[-2:]
        return b"".join(
            _SAVED.pack(
                key, bool(request.reply) << 7 | _NAMES.index(request.service), request.reply
            )
            for key, request in newest
        )

    def restore(self, state: bytes) -> None:
        if len(state) % _SAVED.size:
            raise ParseError("invalid stored state")
        for key, flags, digest in _SAVED.iter_unpack(state):
            if flags & 0x7F >= len(_NAMES):
                raise ParseError("invalid stored state")
            self._pending[key] = Request(_NAMES[flags & 0x7F], digest if flags & 0x80 else b"")


_DIGEST = 3
_SAVED = Struct(f"!6sB{_DIGEST}s")


def _encode_port(end: Endpoint) -> bytes:
    # the length may change: only UDP counts the bytes of a datagram
    return b"%d" % end.port


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Amanda's `bsd` authentication on udp/10080."""
    return [
        Helper(
            "amanda",
            "udp",
            ports=[10080],
            parser=Amanda,
            # the streams are connected one after the other, and amandad waits 30 s for each
            policies=[Policy("stream", max=MAX_STREAMS, timeout=60)],
            spec="Amanda 2.4 to 3.5 (no RFC)",
            doc="Amanda backups with bsd or bsdudp authentication",
            kernel=[KernelHelper("amanda", "udp", "nf_conntrack_amanda", "nf_nat_amanda")],
        )
    ]
