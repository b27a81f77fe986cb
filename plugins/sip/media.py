"""From the streams of an offer or answer to expectations.

In the mode "peer" both ends of a stream are the ends of the control connection. In "announced" a description may name
another host, and the host that the other description names may connect too. In "any-src" any host may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fwhelpers.api import MAX_COUNT, Cancel, Endpoint, Event, Expect, Flow, Parser, Refuse
from fwhelpers.sansio.sdp import encode_port, fit_port

from .message import Message
from .streams import Socket, Stream
from .uris import vias

TIMEOUT = 180  #: seconds; a proxy waits as long for an answer (RFC 3261 §16.6: timer C)

KEEP = 3600  #: seconds for which a call's control connection is kept without messages, by default
STREAMS = 4  #: streams that an offer may open, by default


class Ends:
    """The two ends of the control connection. `end`: False is the client, True the server."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        #: translated addresses that the other end has reported (Via's `received`), by end
        self.reflexive: dict[bool, Endpoint] = {}

    @property
    def flow(self) -> Flow:
        return self._parser.flow

    @property
    def mode(self) -> str:
        """The hosts that may be named: "peer", "announced" or "any-src"."""
        return self._parser.address

    @property
    def most_streams(self) -> int:
        """The number of streams that an offer may open."""
        return int(self._parser.settings.get("streams", STREAMS))

    @property
    def most_open(self) -> int:
        """The number of expectations of a transaction that are remembered, to withdraw them."""
        # RTP and RTCP of both ends' streams, each from two hosts
        return 8 * max(self.most_streams, STREAMS)

    @property
    def keep(self) -> int:
        """Seconds for which the control connection of a call is kept."""
        return int(self._parser.settings.get("keep", KEEP))

    def own(self, end: bool) -> Endpoint:
        """Return the address of an end."""
        return self.flow.server if end else self.flow.client

    def confirmed(self, event: Event, end: bool) -> Event:
        """Mark an announcement that the other end made and a message of `end` confirms or ends."""
        if isinstance(event, Cancel) and event.want:
            return replace(event, want=self._confirmed(event.want, end))
        return self._confirmed(event, end) if isinstance(event, Expect) else event

    def _confirmed(self, expect: Expect, end: bool) -> Expect:
        own, peer = self.own(end).addr, self.own(not end).addr
        confirms = expect.server.addr == peer != own
        return replace(expect, confirms_peer=True) if confirms else expect

    def is_detour(self, message: Message, end: bool) -> bool:
        """Return whether a response comes on a connection of its own, to the port of its Via (RFC 3261 §18.2.2)."""
        via = next(vias(message.fields[b"via"]), None)
        if via is None or via.rport or end or self.flow.l4 != "udp":
            return False
        return via.port == self.flow.server.port

    def is_reflexive(self, end: bool, addr: bytes) -> bool:
        """Return whether it is the end's address as the other end sees it: the end translates by itself."""
        reflexive = self.reflexive.get(end)
        return reflexive is not None and reflexive.addr == addr


def admit(
    ends: Ends, end: bool, streams: Sequence[Stream], most: int
) -> tuple[list[Stream], list[Refuse]]:
    """Return the streams with the sockets that may be opened, and why others may not. `most`: streams of a call."""
    admitted, refusals, count = [], [], 0
    for stream in streams:
        places = []
        count += bool(stream.sockets)
        for socket, span in zip(stream.sockets, stream.spans, strict=True):
            refusal = _refusal(ends, end, socket, count > most)
            if refusal is None:
                places.append((socket, span))
            elif not ends.is_reflexive(end, socket.endpoint.addr):
                refusals.append(refusal)
        sockets, spans = tuple(p[0] for p in places), tuple(p[1] for p in places)
        mux = stream.mux and bool(sockets)
        admitted.append(replace(stream, sockets=sockets, spans=spans, mux=mux))
    return admitted, refusals


def _refusal(ends: Ends, end: bool, socket: Socket, excess: bool) -> Refuse | None:
    if excess or socket.size > MAX_COUNT:
        return Refuse("G9", f"{socket.name}: more streams than a call has", socket.endpoint)
    own, peer = ends.own(end), ends.own(not end)
    if socket.endpoint.addr == own.addr:
        return None
    if ends.mode == "peer" or socket.endpoint.addr == peer.addr:
        reason = f"{socket.name}: {own.host} announced another host, {socket.endpoint.host}"
        return Refuse("G5", reason, socket.endpoint)
    return None


def announce(
    ends: Ends, end: bool, streams: Sequence[Stream], others: Sequence[Stream]
) -> Iterator[Expect]:
    """Yield the expectations of a description, with the places of its ports. `others`: of the other description."""
    for index, stream in enumerate(streams):
        for socket, span in zip(stream.sockets, stream.spans, strict=True):
            first, *further = _expects(ends, end, socket, stream, at(others, index))
            if not stream.ice:
                first = replace(first, span=span, encode=encode_port, fit=fit_port)
            yield first
            # these get the port that the first one was given
            yield from further


def expects(
    ends: Ends, end: bool, streams: Sequence[Stream], others: Sequence[Stream]
) -> Iterator[Expect]:
    """Yield the expectations of a description whose message has passed."""
    for index, stream in enumerate(streams):
        for socket in stream.sockets:
            yield from _expects(ends, end, socket, stream, at(others, index))


def _expects(
    ends: Ends, end: bool, socket: Socket, stream: Stream, other: Stream
) -> Iterator[Expect]:
    # under NAT the port of an agent with ICE can't be rewritten, and so not opened
    span = (0, 0) if stream.ice else None
    peer = ends.own(not end)
    expect = Expect(
        peer,
        socket.endpoint,
        socket.l4,
        socket.policy,
        span,
        count=socket.size,
        trigger=socket.name,
        timeout=TIMEOUT,
        sources="any" if ends.mode == "any-src" else "",
    )
    yield expect
    if ends.mode == "announced" and other.addr not in (b"", peer.addr, socket.endpoint.addr):
        yield replace(expect, client=Endpoint(other.addr))


def admits(
    ends: Ends, end: bool, streams: Sequence[Stream], agreed: Iterable[Expect]
) -> Iterator[Expect]:
    """Yield what the hosts of an offer may send to: the other end's ports, which a description before has named."""
    if ends.mode != "announced":
        return
    own, other = ends.own(end).addr, ends.own(not end).addr
    hosts = {
        (s.addr, socket.policy): None for s in streams for socket in s.sockets if s.addr != own
    }
    for expect in list(agreed):
        if (expect.client.addr, expect.server.addr) == (own, other):
            for host, policy in hosts:
                if policy == expect.policy:
                    yield replace(expect, client=Endpoint(host))


def bare(expect: Expect) -> Expect:
    """Return the expectation as `expects` yields it."""
    return replace(expect, span=None, encode=None, fit=None) if expect.encode else expect


def at(streams: Sequence[Stream], index: int) -> Stream:
    """Return a stream, an empty one if there is none."""
    return streams[index] if index < len(streams) else Stream()
