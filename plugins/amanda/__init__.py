"""Amanda with `bsd` authentication: a service's reply names the TCP ports where its streams wait.

    requester (backup server)              asked host (backup client), udp/10080
      REQ   SERVICE sendbackup        →
                                      ←    ACK
                                      ←    REP   CONNECT DATA p1 MESG p2 INDEX p3 STATE p4
      ACK                             →
      tcp   any port                  →    p1, p2, p3, p4

amrecover asks the same way, of the backup server. What is no answer yet (ACK, PREP) or none (NAK) opens nothing: a
PREP carries what sendsize wrote so far, word for word. The other authentications need no helper, as they carry the
streams in one connection; `bsdudp` does so from the first stream on.

There is no RFC: Amanda's protocol.c, amandad.c and security-util.c are the description; amanda-auth(7).
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
    ParseError,
    Policy,
    Refuse,
    hookimpl,
)

from .packets import MAX_STREAMS, Datagram, Stream, header_of, service_of, streams_of

#: the services that have streams, and which; noop, selfcheck, sendsize and senddiscover have none
SERVICES = {
    "sendbackup": frozenset({"DATA", "MESG", "INDEX", "STATE", "CMD"}),
    "ambackupd": frozenset({"DATA", "MESG", "INDEX", "STATE"}),
    "amindexd": frozenset({"MESG"}),
    "amidxtaped": frozenset({"CTL", "DATA", "STATE"}),
    "restore": frozenset({"CTL", "DATA", "MESG", "STATE"}),
    "amdumpd": frozenset({"CTL"}),
}
_NAMES = list(SERVICES)

MAX_ASKED = 16  #: requests of one socket that wait for their replies


class Asked(NamedTuple):
    """A request that waits for its reply, or whose reply waits for its ACK."""

    service: str
    answer: bytes = b""  #: digest of the reply


class Amanda(DatagramParser):
    """Requests from one socket to one host."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._asked: OrderedDict[bytes, Asked] = OrderedDict()

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Remember requests, expect what replies announce.

        It never raises: anybody can forge a datagram, and the flow goes on with the next good one.
        """
        try:
            header = header_of(data)
            if reply:
                return self._answered(header, data)
            self._heard(header, data)
        except ParseError:
            pass
        return ()

    # the requester

    def _heard(self, header: Datagram, data: bytes) -> None:
        asked = self._asked.get(header.key)
        if header.kind == "REQ":
            service = service_of(data, header.body)
            if service in SERVICES and (asked is None or asked.service != service):
                self._remember(header.key, Asked(service))
        elif header.kind == "ACK" and asked and asked.answer:
            del self._asked[header.key]  # it has the reply, and listens to no other

    def _remember(self, key: bytes, asked: Asked) -> None:
        self._asked.pop(key, None)
        self._asked[key] = asked
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)

    # the asked host

    def _answered(self, header: Datagram, data: bytes) -> Iterable[Event]:
        if header.kind == "NAK":
            self._asked.pop(header.key, None)
        if header.kind != "REP":
            return ()
        try:
            streams = streams_of(data, header.body)
        except ParseError as error:
            return [Refuse("G11", f"REP: {error}")]
        asked = self._asked.get(header.key)
        # until the ACK comes the reply is sent again, and again has to be rewritten; but not another one
        answer = blake2b(data, digest_size=_ANSWER).digest()
        if asked is None or asked.answer not in (b"", answer):
            return [Refuse("G4", "REP: no REQ that waits for it")] if streams else ()
        self._asked[header.key] = asked._replace(answer=answer)
        return self._announced(asked.service, streams)

    def _announced(self, service: str, streams: list[Stream]) -> Iterator[Event]:
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
                encode=_port,
                what=f"{service} {stream.name}",
            )

    # what outlives the worker: the two newest requests,  | key (6) | answered (1 bit), service | answer (3) |

    def save(self) -> bytes:
        newest = list(self._asked.items())[-2:]
        return b"".join(
            _SAVED.pack(key, bool(a.answer) << 7 | _NAMES.index(a.service), a.answer)
            for key, a in newest
        )

    def restore(self, state: bytes) -> None:
        if len(state) % _SAVED.size:
            raise ParseError("stored state makes no sense")
        for key, flags, answer in _SAVED.iter_unpack(state):
            if flags & 0x7F >= len(_NAMES):
                raise ParseError("stored state makes no sense")
            self._asked[key] = Asked(_NAMES[flags & 0x7F], answer if flags & 0x80 else b"")


_ANSWER = 3
_SAVED = Struct(f"!6sB{_ANSWER}s")


def _port(end: Endpoint) -> bytes:
    # of any length: nothing in a datagram counts its bytes but UDP itself
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
            # both ends take one stream after the other, and amandad waits 30 s for each
            policies=[Policy("stream", max=MAX_STREAMS, timeout=60)],
            spec="Amanda 2.4 to 3.5 (no RFC)",
            doc="Amanda backups with bsd or bsdudp authentication",
        )
    ]
