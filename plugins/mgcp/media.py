"""From the session descriptions of a connection to expectations.

The gateway describes where it receives, its call agent where the other end does. Both descriptions together say which
host sends to which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fwhelpers.api import MAX_COUNT, Endpoint, Event, Expect, Rewrite
from fwhelpers.sansio import sdp
from fwhelpers.sansio.sdp import Media, Span, encode_address, encode_port, fit_address, fit_port

MAX_STREAMS = 2  #: of a description; gateways have one
TIMEOUT = 180  #: seconds; a telephone rings that long

_POLICIES = {b"audio": "audio", b"video": "video"}


@dataclass(frozen=True, slots=True)
class Socket:
    """Consecutive ports that receive media."""

    endpoint: Endpoint  #: the first
    count: int
    policy: str
    span: Span  #: of the port in the description


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a description; without sockets it is refused or on hold."""

    addr: bytes = b""  #: the host that sends and receives it
    sockets: tuple[Socket, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A description."""

    streams: tuple[Stream, ...]
    rewrites: tuple[Rewrite, ...]  #: of its addresses


def describe(data: bytes, body: Span) -> Described:
    """Parse a description. Raises ParseError."""
    description = sdp.parse(data, *body)
    streams = tuple(_stream(media) for media in description.media[:MAX_STREAMS])
    rewrites = [
        Rewrite(Endpoint(a.addr), a.span, encode_address, fit_address)
        for a in description.addresses
        if a.addr and any(a.addr)
    ]
    return Described(streams, tuple(rewrites))


def _stream(media: Media) -> Stream:
    address = media.connection
    if not address or not address.addr or address.unspecified or media.l4 != "udp":
        return Stream()
    if not media.port.number:
        return Stream()
    return Stream(address.addr, tuple(_sockets(media, address.addr)))


def _sockets(media: Media, addr: bytes) -> Iterator[Socket]:
    endpoint = Endpoint(addr, media.port.number)
    policy = _POLICIES.get(media.kind, "other")
    if not media.rtp:
        yield Socket(endpoint, 1, policy, media.port.span)
        return
    rtcp = media.rtcp
    if rtcp is None or (rtcp.port.number == endpoint.port + 1 and rtcp.address is None):
        count = min(2 * media.count, MAX_COUNT)
        yield Socket(endpoint, count, policy, media.port.span)
        return
    yield Socket(endpoint, 1, policy, media.port.span)
    other = rtcp.address.addr if rtcp.address else addr
    if other and rtcp.port.number:
        yield Socket(Endpoint(other, rtcp.port.number), 1, policy, rtcp.port.span)


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of the control connection, by their roles, and the mode of `guard.address`."""

    gateway: Endpoint
    agent: Endpoint
    mode: str

    def expects(
        self, local: Sequence[Stream], remote: Sequence[Stream] | None
    ) -> Iterator[tuple[Expect, Span, bool]]:
        """Yield the expectations of both directions, with the port's span, and whether the gateway described it.

        `remote` is None as long as the agent has described nothing: it is the only host known then.
        """
        for index, stream in enumerate(local):
            other = self.agent.addr if remote is None else _at(remote, index).addr
            if other and other != stream.addr:
                for expect, span in _towards(stream, other, self.mode == "any-src"):
                    yield expect, span, True
        for index, stream in enumerate(remote or ()):
            own = _at(local, index).addr or self.gateway.addr
            if own != stream.addr:
                for expect, span in _towards(stream, own, False):
                    yield expect, span, False

    def confirmed(self, expect: Expect, by_gateway: bool) -> Expect:
        """Mark an announcement that the other end made."""
        own, peer = self.gateway.addr, self.agent.addr
        if not by_gateway:
            own, peer = peer, own
        return replace(expect, confirms_peer=expect.server.addr == peer != own)


def _towards(stream: Stream, sender: bytes, anybody: bool) -> Iterator[tuple[Expect, Span]]:
    for socket in stream.sockets:
        expect = Expect(
            Endpoint(sender),
            socket.endpoint,
            "udp",
            socket.policy,
            count=socket.count,
            trigger=f"SDP {socket.policy}",
            timeout=TIMEOUT,
            sources="any" if anybody else "",
        )
        yield expect, socket.span


def located(expect: Expect, span: Span) -> Expect:
    """Add the place of the port in the message."""
    return replace(expect, span=span, encode=encode_port, fit=fit_port)


def port_rewrites(streams: Sequence[Stream], sender: Endpoint) -> Iterator[Event]:
    """Yield the ports of a description that are not the sender's: the receiver may have announced them itself."""
    for stream in streams:
        for socket in stream.sockets if stream.addr != sender.addr else ():
            yield Rewrite(socket.endpoint, socket.span, encode_port, fit_port)


def _at(streams: Sequence[Stream], index: int) -> Stream:
    return streams[index] if index < len(streams) else Stream()
