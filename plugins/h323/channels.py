"""Logical channels of H.245: which end receives media where, and for how long.

    opener                                             other end
      openLogicalChannel n, its control address    →
                                                   ←   openLogicalChannelAck n, its media and control addresses
      closeLogicalChannel n                        →

With fast start (H.323 §8.1.7) the addresses of both ends are in proposals and their answers. Media goes to the sender
of an address, from the other end of the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Parser
from fwhelpers.sansio.per import decode

from .addresses import Address, h245_address
from .h245_types import MultimediaSystemControlMessage, OpenLogicalChannel

#: announcements of one call that are remembered; what is announced beyond them ends with its policy, or the connection
MAX_WANTS = 32
MAX_HOSTS = 4  #: hosts that one end names for its media
MAX_ENDPOINTS = 8  #: media endpoints of one end that are paired with the other end's hosts

WANT_BYTES = 400  #: memory of an announcement that is remembered, about

_SESSION = "h2250LogicalChannelParameters"
_ACK = "h2250LogicalChannelAckParameters"


class Channel(NamedTuple):
    """A logical channel's name: its number, and the end that opened it."""

    number: int
    reply: bool


FAST_START = Channel(0, False)  #: all proposals of a call; no channel has the number 0


class Channels:
    """The channels of one call. `alone`: the control connection serves this call only."""

    def __init__(self, parser: Parser, alone: bool = False) -> None:
        self._parser = parser
        self._alone = alone
        self._opened: dict[Channel, list[Expect]] = {}
        self._hosts: tuple[list[bytes], list[bytes]] = ([], [])  # of each end's media
        self._endpoints: tuple[list[Expect], list[Expect]] = ([], [])

    @property
    def memory(self) -> int:
        """Bytes that the channels take, about."""
        wants = sum(map(len, self._opened.values())) + sum(map(len, self._endpoints))
        return WANT_BYTES * wants

    def control(self, data: bytes, start: int, end: int, reply: bool) -> Iterator[Event]:
        """Act on the message of H.245 at data[start:end]. Raises ParseError."""
        _, (name, value) = _message(data, start, end)
        if name == "openLogicalChannel":
            channel = Channel(value["forwardLogicalChannelNumber"], reply)
            yield from self._open(channel, data, value, reply)
        elif name == "openLogicalChannelAck":
            channel = Channel(value["forwardLogicalChannelNumber"], not reply)
            yield from self._acknowledge(channel, data, value, reply)
        elif name in ("openLogicalChannelReject", "closeLogicalChannelAck"):
            yield from self._close(Channel(value["forwardLogicalChannelNumber"], not reply))
        elif name == "closeLogicalChannel":
            yield from self._close(Channel(value["forwardLogicalChannelNumber"], reply))
        elif name == "endSessionCommand":
            yield from self.close()

    def propose(self, data: bytes, start: int, end: int, reply: bool) -> Iterator[Event]:
        """Act on the fast start proposal, or its answer, at data[start:end]. Raises ParseError."""
        value = decode(OpenLogicalChannel, data, start, end)
        yield from self._open(FAST_START, data, value, reply)

    def close(self) -> Iterator[Event]:
        """Withdraw what the call's channels announced."""
        wants = {(want.client.addr, want.server, want.policy): want for want in self._all()}
        self._opened.clear()
        for side in (*self._hosts, *self._endpoints):
            side.clear()
        if self._alone:
            yield Cancel()  # also what an earlier worker announced
            return
        for want in wants.values():
            yield Cancel(want.policy, want)

    def _all(self) -> Iterator[Expect]:
        for wants in self._opened.values():
            yield from wants

    def _open(self, channel: Channel, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        forward = value["forwardLogicalChannelParameters"]["multiplexParameters"]
        backward = value.get("reverseLogicalChannelParameters", {}).get("multiplexParameters")
        for parameters in (forward, backward):
            if parameters is not None and parameters[0] == _SESSION:
                yield from self._session(channel, data, parameters[1], reply)
        yield from self._separate_stack(channel, data, value, reply)

    def _acknowledge(
        self, channel: Channel, data: bytes, value: Any, reply: bool
    ) -> Iterator[Event]:
        forward = value.get("forwardMultiplexAckParameters")
        backward = value.get("reverseLogicalChannelParameters", {}).get("multiplexParameters")
        for parameters in (forward, backward):
            if parameters is not None and parameters[0] in (_SESSION, _ACK):
                yield from self._session(channel, data, parameters[1], reply)
        yield from self._separate_stack(channel, data, value, reply)

    def _separate_stack(
        self, channel: Channel, data: bytes, value: Any, reply: bool
    ) -> Iterator[Event]:
        name, address = value.get("separateStack", {}).get("networkAddress", ("", None))
        place = h245_address(data, address) if name == "localAreaAddress" else None
        if place is not None:
            client = _ends(self._parser)[not reply]
            yield from self._announce(
                channel, place.expect(client, l4="tcp", policy="t120", trigger="T.120")
            )

    def _session(self, channel: Channel, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        media = h245_address(data, value.get("mediaChannel"))
        control = h245_address(data, value.get("mediaControlChannel"))
        if media and control and control.endpoint == media.endpoint.at(media.endpoint.port + 1):
            yield from self._media(channel, media, reply, count=2)
            yield control.rewrite()
            return
        for address in (media, control):
            if address is not None:
                yield from self._media(channel, address, reply)

    def _media(
        self, channel: Channel, address: Address, reply: bool, count: int = 1
    ) -> Iterator[Event]:
        ends = _ends(self._parser)
        if address.endpoint.addr == ends[not reply].addr:
            yield address.rewrite()  # the answer repeats the other end's own
            return
        want = address.expect(
            ends[not reply], l4="udp", policy="media", count=count, permanent=True, trigger="H.245"
        )
        if self._parser.address == "any-src":
            yield from self._announce(channel, replace(want, sources="any"))
            return
        yield from self._announce(channel, want)
        if self._parser.address == "announced":
            yield from self._third_parties(channel, want, reply)

    def _third_parties(self, channel: Channel, want: Expect, reply: bool) -> Iterator[Event]:
        """Admit the hosts that the ends name for their media, besides the ends themselves."""
        bare = replace(want, span=None, encode=None)
        endpoints, hosts = self._endpoints[reply], self._hosts[reply]
        if len(endpoints) < MAX_ENDPOINTS and bare not in endpoints:
            endpoints.append(bare)
        for host in self._hosts[not reply]:
            yield from self._announce(channel, replace(bare, client=Endpoint(host)))
        addr = want.server.addr
        ends = _ends(self._parser)
        if addr != ends[reply].addr and addr not in hosts and len(hosts) < MAX_HOSTS:
            hosts.append(addr)
            for other in self._endpoints[not reply]:
                yield from self._announce(channel, replace(other, client=Endpoint(addr)))

    def _announce(self, channel: Channel, want: Expect) -> Iterator[Event]:
        # each port by itself, as channels share some: RTCP has one for both directions
        for offset in range(want.count):
            server = want.server.at(want.server.port + offset)
            self._remember(channel, replace(want, server=server, count=1, span=None, encode=None))
        yield want

    def _remember(self, channel: Channel, want: Expect) -> None:
        wants = self._opened.get(channel, [])
        if sum(1 for _ in self._all()) < MAX_WANTS and not any(_same(want, w) for w in wants):
            self._opened[channel] = [*wants, want]

    def _close(self, channel: Channel) -> Iterator[Event]:
        wants = self._opened.pop(channel, ())
        for want in wants:
            if not any(_same(want, other) for other in self._all()):
                yield Cancel(want.policy, want)


def _message(data: bytes, start: int, end: int) -> Any:
    name, value = decode(MultimediaSystemControlMessage, data, start, end)
    return name, ("", None) if value is None else value


def _same(want: Expect, other: Expect) -> bool:
    return (want.client.addr, want.server, want.policy) == (
        other.client.addr,
        other.server,
        other.policy,
    )


def _ends(parser: Parser) -> tuple[Endpoint, Endpoint]:
    # media comes from any port
    return parser.flow.client.at(0), parser.flow.server.at(0)
