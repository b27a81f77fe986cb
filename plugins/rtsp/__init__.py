"""RTSP: media streams over UDP, to ports that the SETUP of each stream negotiates.

    client                                        server
      SETUP, Transport: client_port=5000-5001  →
                                               ←  200 OK, Transport: client_port=…;server_port=6970-6971
      PLAY                                     →
      :5000, :5001                             ←  RTP, RTCP, from any port of the server
      RTCP, and packets that open NATs         →  :6970, :6971

RFC 2326 (RTSP 1.0), RFC 7826 (RTSP 2.0). Either end may send requests: a Miracast sink connects and is asked. The ports
of the SETUP's sender are opened with the request, as its text must name them behind NAT, and closed if the response
chooses another transport. Data within the connection ("interleaved") is passed over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from fwhelpers.api import (
    Cancel,
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Rewrite,
    Setting,
    StreamParser,
    hookimpl,
)

from .message import Message, is_start, parse_head
from .sessions import Sessions
from .transport import Host, Ports, Transport, parse_transports

MAX_SETUPS = 16  #: requests without a response
MAX_OFFERED = 16  #: announcements of a request
MAX_WAITING = 64  #: announcements of all requests without a response
LIFETIME = 60  #: seconds; a session without requests lives as long (RFC 2326 §12.37)

_FRAME = 0x24  #: "$", which begins a frame of interleaved data (§10.12)
_TLS = 0x16
_SESSION_NOT_FOUND = 454
_SIZE = 512  # bytes of an announcement that is remembered, about
_SCAN = 4  #: bytes that the empty line may share with what was searched before


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for its response."""

    method: bytes
    url: bytes
    session: bytes
    expects: tuple[Expect, ...] = ()  #: the ports of its sender that are open
    offers: tuple[tuple[int, ...], ...] = ()  #: the first ports of each alternative

    def refused(self, named: Iterable[Ports]) -> list[Expect]:
        """Return the announcements of alternatives that the response did not choose. `named`: ports in it."""
        first = {ports.first for ports in named}
        kept = {port for offer in self.offers if first.intersection(offer) for port in offer}
        if not kept:  # it names none, or NAT has changed them
            return []
        return [expect for expect in self.expects if expect.server.port not in kept]


class Rtsp(StreamParser):
    """Parser of an RTSP connection. `end` is the sender of a message: False the client, True the server."""

    max_message: ClassVar[int] = 16384

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._searched = [0, 0]  # bytes of the head that hold no end
        self._checked = [False, False]  # the start line is valid
        self._pending: OrderedDict[tuple[bool, bytes], Pending] = OrderedDict()
        self._sessions = Sessions()
        self._datagrams = False  # a response has chosen UDP
        self._interleaved = False  # a response has chosen this connection

    @property
    def buffered(self) -> int:
        return super().buffered + _SIZE * (len(self._sessions) + self._waiting)

    @property
    def _waiting(self) -> int:
        return sum(len(pending.expects) for pending in self._pending.values())

    # framing

    def message_size(self, data: bytearray, reply: bool) -> int:
        if data[0] == _FRAME:
            return 4 if len(data) >= 4 else 0
        if data[0] == _TLS:
            return 1
        if data[0] in b"\r\n":
            return len(data) - len(data.lstrip(b"\r\n"))
        return self._head_size(data, reply)

    def _head_size(self, data: bytearray, reply: bool) -> int:
        self._check_start(data, reply)
        searched = max(0, self._searched[reply] - _SCAN)
        marks = (b"\n\n", b"\n\r\n")
        places = [(data.find(mark, searched), len(mark)) for mark in marks]
        end = min((at + size for at, size in places if at >= 0), default=0)
        self._searched[reply] = 0 if end else len(data)
        self._checked[reply] = self._checked[reply] and not end
        return end

    def _check_start(self, data: bytearray, reply: bool) -> None:
        """Another protocol's opening ends the inspection at once (safety rule G2)."""
        end = data.find(b"\n", self._searched[reply])
        if self._checked[reply] or end < 0:
            return
        line = bytes(data[: end + 1])
        if not is_start(line) and not _is_http(line):
            raise ParseError(f"not an RTSP message: {line[:32]!r}")
        self._checked[reply] = True

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        if data[0] == _FRAME:
            self.skip(int.from_bytes(data[2:4], "big"), reply)
        elif data[0] == _TLS:
            yield Done("TLS")
        elif data[0] not in b"\r\n":
            if _is_http(data.partition(b"\n")[0]):
                yield Done("RTSP within HTTP")
                return
            message = parse_head(data)
            self.skip(message.length, reply)
            yield from (
                self._response(message, reply) if message.status else self._request(message, reply)
            )

    # requests

    def _request(self, message: Message, end: bool) -> Iterator[Event]:
        expects: list[Expect] = []
        offers: list[tuple[int, ...]] = []
        if message.method == b"SETUP":
            for transport in parse_transports(message.transports, request=True):
                if not transport.datagrams:
                    continue
                yield from self._offer(transport, end, expects)
                offers.append(tuple(ports.first for ports in transport.client))
        pending = Pending(
            message.method, message.url, message.session, tuple(expects), tuple(offers)
        )
        self._pending[end, message.cseq] = pending
        while len(self._pending) > MAX_SETUPS or self._waiting > MAX_WAITING:
            self._pending.popitem(last=False)

    def _offer(self, transport: Transport, end: bool, expects: list[Expect]) -> Iterator[Event]:
        """Open the ports of an alternative: most name the same ones. `expects`: what the request has opened."""
        refusal = self._foreign(transport, end)
        if refusal:
            yield refusal
            return
        yield from self._texts(transport)
        for ports in transport.client:
            expect = self._expect(ports, end, end)
            if _bare(expect) in expects:
                yield Rewrite(expect.server, ports.span, ports.encode)
            elif len(expects) < MAX_OFFERED:
                expects.append(_bare(expect))
                yield expect
            else:
                yield Refuse("G9", f"{ports.name}: more ports than a SETUP has", expect.server)

    def _foreign(self, transport: Transport, end: bool) -> Refuse | None:
        """Refuse streams to other hosts, which RFC 2326 §12.39 warns of."""
        for host in transport.hosts:
            endpoint = _endpoint(host)
            if endpoint and endpoint.addr != self._own(end).addr:
                reason = f"{self._own(end).host} asked for a stream to {endpoint.host}"
                return Refuse("G5", f"SETUP: {reason}", endpoint)
        return None

    # responses

    def _response(self, message: Message, end: bool) -> Iterator[Event]:
        pending = self._pending.get((not end, message.cseq))
        if pending is None or message.status < 200:
            return
        del self._pending[not end, message.cseq]
        session = pending.session or message.session  # pipelined requests do not know its name
        if pending.method == b"SETUP":
            yield from self._setup(message, end, pending)
        elif message.status == _SESSION_NOT_FOUND and session:
            yield from self._close(self._sessions.tear_down(session, b""), end)
        elif message.status >= 300:
            return
        elif pending.method == b"TEARDOWN":
            yield from self._close(self._sessions.tear_down(session, pending.url), end)
        elif pending.method in (b"PLAY", b"RECORD"):
            if self._interleaved and not self._datagrams:
                yield Done("interleaved")
                return
            for expect in list(self._sessions.get(session)):
                yield self._confirmed(expect, end)

    def _setup(self, message: Message, end: bool, pending: Pending) -> Iterator[Event]:
        chosen = next(iter(parse_transports(message.transports, request=False)), None)
        if message.status >= 300 or chosen is None or not chosen.datagrams:
            yield from self._close(pending.expects, end)
            if chosen and message.status < 300:
                self._interleaved |= not chosen.multicast
                if chosen.multicast:
                    yield Refuse("G5", "SETUP: streams to a group are not opened")
            return
        self._datagrams = True
        yield from self._texts(chosen)
        for ports in chosen.client:
            # ports of the receiver, as the sender knows them
            yield Rewrite(Endpoint(b"", ports.first), ports.span, ports.encode)
        refused = pending.refused(chosen.client)
        kept = [expect for expect in pending.expects if expect not in refused]
        kept += self._moved_rtcp(chosen, end, kept)
        source = self._third_party(chosen, end)
        if source:
            kept += [replace(expect, client=source) for expect in kept]
        for expect in kept:
            yield self._confirmed(expect, end)
        servers = [self._expect(ports, end, not end) for ports in chosen.server]
        if source:  # the port is its own
            servers = [replace(e, server=source.at(e.server.port)) for e in servers]
        yield from servers
        name = message.session or pending.session
        self._sessions.set_up(name, pending.url, (*kept, *map(_bare, servers)))
        yield from self._close(refused, end)

    def _moved_rtcp(self, chosen: Transport, end: bool, expects: Sequence[Expect]) -> list[Expect]:
        """Return the port after RTP's if the response has a pair there that the request had not, as VLC's does."""
        singles = {expect.server.port for expect in expects if expect.count == 1}
        return [
            _bare(self._expect(ports._replace(first=ports.first + 1, size=1), not end, not end))
            for ports in chosen.client
            if ports.size == 2 and ports.first in singles and ports.first + 1 not in singles
        ]

    def _third_party(self, chosen: Transport, end: bool) -> Endpoint | None:
        """Return the server of the media if it is another host than `end`, and may be one."""
        source = _endpoint(chosen.source)
        if self.address == "peer" or source is None or source.addr == self._own(end).addr:
            return None
        return source if any(source.addr) else None

    def _close(self, expects: Iterable[Expect], end: bool) -> Iterator[Event]:
        """Withdraw what either end announced, by a message of `end`."""
        for expect in expects:
            yield Cancel(want=self._confirmed(expect, end))

    # events

    def _own(self, end: bool) -> Endpoint:
        return self.flow.server if end else self.flow.client

    def _expect(self, ports: Ports, end: bool, requester: bool) -> Expect:
        """Expect the other end at ports of `end`. `requester`: the end that sent the SETUP."""
        return Expect(
            self._own(not end),
            self._own(end).at(ports.first),
            "udp",
            "media" if end == requester else "server",
            ports.span,
            ports.encode,
            count=ports.size,
            trigger=ports.name,
            timeout=LIFETIME,
            sources="any" if self.address == "any-src" else "",
        )

    def _confirmed(self, expect: Expect, end: bool) -> Expect:
        own, peer = self._own(end).addr, self._own(not end).addr
        return replace(expect, confirms_peer=expect.server.addr == peer != own)

    def _texts(self, transport: Transport) -> Iterator[Rewrite]:
        for host in transport.hosts:
            endpoint = _endpoint(host)
            if endpoint:
                yield Rewrite(endpoint, host.span, lambda end: end.host.encode())


def _bare(expect: Expect) -> Expect:
    return replace(expect, span=None, encode=None)


def _endpoint(host: Host | None) -> Endpoint | None:
    try:
        return Endpoint.parse(host.text.decode("ascii")) if host else None
    except ValueError:  # a name
        return None


def _is_http(line: bytes) -> bool:
    return line.startswith((b"GET ", b"POST ", b"HTTP/")) and b"RTSP/" not in line


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """RTSP on tcp/554, 8554, 7070 and 7236 (Miracast)."""
    return [
        Helper(
            "rtsp",
            "tcp",
            ports=[554, 7070, 7236, 8554],
            parser=Rtsp,
            policies=[
                Policy("media", max=64, timeout=LIFETIME, third_party=True),
                Policy("server", max=64, timeout=LIFETIME),
            ],
            settings=[
                Setting(
                    "pickup", False, "parse connections that began before the helper was enabled"
                )
            ],
            spec="RFC 2326, 7826",
            doc="RTSP: media streams over UDP, in either direction",
            client_announces=True,
        )
    ]
