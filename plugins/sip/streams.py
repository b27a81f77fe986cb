"""From a session description to the ports that its author opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from fwhelpers.api import Endpoint
from fwhelpers.sansio.sdp import Description, Media, Span

_POLICIES = {b"audio": "audio", b"video": "video"}
OTHER = "other"  #: the class of fax, BFCP, MSRP, text
_DISCARD = 9  #: the port of an end that will connect itself (RFC 4145 §4.1)


class Socket(NamedTuple):
    """Consecutive ports of a stream, to which the other end sends."""

    endpoint: Endpoint
    size: int  #: ports
    l4: str
    policy: str
    name: str  #: for logs: "audio", "audio RTCP"


@dataclass(frozen=True, slots=True)
class Stream:
    """One line m= of a description: the sockets that its author opens for it."""

    addr: bytes = b""  #: packed; empty if it is not known
    sockets: tuple[Socket, ...] = ()
    spans: tuple[Span, ...] = ()  #: of each socket's port in the message
    ice: bool = (
        False  #: ICE finds the addresses; a rewritten description would stop it (RFC 8839 §5.4)
    )
    mux: bool = False  #: RTCP may share the port of RTP

    def muxed(self) -> Stream:
        """Return the stream with RTCP at the port of RTP."""
        first = self.sockets[0]
        count = first.size if len(self.sockets) > 1 else (first.size + 1) // 2
        return replace(self, sockets=(first._replace(size=count),), spans=self.spans[:1])

    def rtcp(self) -> Stream:
        """Return the stream with the sockets alone that `muxed` lacks."""
        first, *further = self.sockets
        if not further and first.size == 2:
            further = [first._replace(endpoint=first.endpoint.at(first.endpoint.port + 1), size=1)]
        return replace(self, sockets=tuple(further), spans=())


def read_streams(description: Description, answer: bool) -> list[Stream]:
    """Return the streams in the order of the text. `answer`: the description answers an offer."""
    return [_stream(media, answer) for media in description.media]


def _stream(media: Media, answer: bool) -> Stream:
    addr = media.connection.addr if media.connection else b""
    if not addr or not any(addr):  # no address, or on hold
        return Stream()
    if not media.port.number:
        return Stream(addr)
    places = list(_sockets(media, Endpoint(addr, media.port.number), answer))
    sockets, spans = tuple(socket for socket, _ in places), tuple(span for _, span in places)
    return Stream(addr, sockets, spans, media.ice, media.rtcp_mux and media.rtp)


def _sockets(media: Media, first: Endpoint, answer: bool) -> Iterator[tuple[Socket, Span]]:
    name = media.kind.decode("latin-1")[:16]
    if media.l4 == "tcp":
        if _is_connected_to(media, answer):
            yield Socket(first, 1, "tcp", OTHER, name), media.port.span
        return
    if media.l4 != "udp":
        return
    count = 2 * media.count if media.rtp and not media.rtcp else media.count
    policy = _POLICIES.get(media.kind, OTHER)
    yield Socket(first, count, "udp", policy, name), media.port.span
    # with `a=rtcp` RTCP is not at the next port (RFC 3605 §2.1)
    if media.rtp and media.rtcp and media.rtcp.port.number:
        addr = media.rtcp.address.addr if media.rtcp.address else first.addr
        end = Endpoint(addr, media.rtcp.port.number)
        if any(addr) and end != first:
            yield Socket(end, 1, "udp", policy, f"{name} RTCP"), media.rtcp.port.span


def _is_connected_to(media: Media, answer: bool) -> bool:
    """Return whether the other end connects to this one (RFC 4145 §4, RFC 4975 §5.4)."""
    setup = media.setup or ("passive" if answer else "active")
    connects = setup in ("passive", "actpass") and not media.existing
    return connects and media.port.number != _DISCARD
