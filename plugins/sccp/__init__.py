"""Skinny Client Control Protocol (SCCP): the media of Cisco phones and media resources.

    phone                                     call manager, port 2000
                                          ←   OpenReceiveChannel       channel; remote end, from version 17 on
      OpenReceiveChannelAck  channel, A:a →                            the phone receives at A:a
                                          ←   StartMediaTransmission   channel, B:b: the phone sends to B:b
                                          ←   StopMediaTransmission, CloseReceiveChannel

Both ends of a stream are known when OpenReceiveChannelAck and StartMediaTransmission of a channel (passThruPartyId)
are, whichever comes first: B → A:a and A → B:b are expected, RTP and RTCP. The messages for video are alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fwhelpers.api import (
    Cancel,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    Policy,
    Refuse,
    Rewrite,
    Setting,
    StreamParser,
    hookimpl,
)

from .messages import (
    ACKS,
    CLOSES,
    HEADER,
    OPENS,
    READ,
    START_ACKS,
    STARTS,
    STOPS,
    Header,
    Kind,
    Message,
    parse,
    parse_header,
)

MAX_CHANNELS = 64  #: open channels that are remembered; of one more the oldest is forgotten
TIMEOUT = 180  #: seconds; media of a call on hold may come late

_CHANNEL_BYTES = 1000  # memory of a channel, about


@dataclass(slots=True)
class Channel:
    """A stream of a call in both directions."""

    local: Endpoint | None = None  #: where the phone receives
    remote: Endpoint | None = None  #: the stream's other end
    incoming: Expect | None = None  #: what was announced towards the phone
    outgoing: Expect | None = None  #: what was announced towards the other end


class Sccp(StreamParser):
    """Parses the control connection of a phone."""

    max_message = READ

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._channels: OrderedDict[int, Channel] = OrderedDict()

    @property
    def buffered(self) -> int:
        return super().buffered + _CHANNEL_BYTES * len(self._channels)

    # framing

    def message_size(self, data: bytearray, reply: bool) -> int:
        if len(data) < HEADER:
            return 0
        header = parse_header(data)
        return min(header.size, READ) if header.kind else HEADER

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        header = parse_header(data)
        self.skip(header.size - len(data), reply)
        if header.kind:
            yield from self._channel_message(header, header.kind, data, reply)

    def _channel_message(
        self, header: Header, kind: Kind, data: bytes, reply: bool
    ) -> Iterator[Event]:
        if reply is (kind in ACKS or kind in START_ACKS):
            return  # from the wrong end (safety rule G1)
        try:
            message = parse(kind, header.version, data)
        except ValueError as error:
            yield Refuse("G11", f"{kind.name.title().replace('_', '')}: {error}")
            return
        if reply:
            yield from self._from_manager(message)
        else:
            yield from self._from_phone(message)

    # messages

    def _from_manager(self, message: Message) -> Iterator[Event]:
        kind, channel = message.kind, self._channels.get(message.party)
        if kind in OPENS or (kind in STARTS and channel is None):
            channel = self._remember(message.party)
        if channel is None:
            return
        if kind in OPENS:
            self._open(channel, message)
        elif kind in STARTS:
            yield from self._start(channel, message)
        elif kind in STOPS:
            yield from self._stop(channel, message.party)
        elif kind in CLOSES:
            yield from self._close(channel, message.party)

    def _from_phone(self, message: Message) -> Iterator[Event]:
        if message.place is None:
            return
        if message.kind in START_ACKS:
            # it names the phone's own end, and opens nothing
            place = message.place
            yield Rewrite(place.endpoint, (place.begin, place.end), place.encode)
            return
        channel = self._channels.get(message.party)
        if channel is None:
            if not self.settings.get("pickup", False):
                yield Refuse("G4", f"{message.name} without a request", message.place.endpoint)
                return
            channel = self._remember(message.party)
        yield from self._acknowledge(channel, message)

    def _remember(self, party: int) -> Channel:
        channel = self._channels.setdefault(party, Channel())
        self._channels.move_to_end(party)
        if len(self._channels) > MAX_CHANNELS:
            self._channels.popitem(last=False)
        return channel

    # a channel

    def _open(self, channel: Channel, message: Message) -> None:
        place = message.place
        if place and place.endpoint.port and any(place.endpoint.addr):
            channel.remote = place.endpoint

    def _acknowledge(self, channel: Channel, message: Message) -> Iterator[Event]:
        assert message.place
        place = message.place
        previous, channel.local = channel.incoming, place.endpoint
        expect = channel.incoming = self._incoming(channel, message, place.endpoint)
        if previous is not None and not _same(previous, expect):
            yield Cancel(want=replace(previous, confirms_peer=False))
        yield replace(
            expect, confirms_peer=False, span=(place.begin, place.end), encode=place.encode
        )

    def _start(self, channel: Channel, message: Message) -> Iterator[Event]:
        assert message.place
        channel.remote = message.place.endpoint
        previous = channel.outgoing
        expect = channel.outgoing = Expect(
            self.flow.client,
            channel.remote,
            "udp",
            _policy(message),
            count=2,
            trigger=message.name,
            timeout=TIMEOUT,
        )
        if previous is not None and not _same(previous, expect):
            yield Cancel(want=previous)
        yield expect
        yield from self._pin(channel, message)

    def _pin(self, channel: Channel, message: Message) -> Iterator[Event]:
        """Both ends are known: the other end of the stream alone may send."""
        previous = channel.incoming
        if previous is None or channel.local is None:
            return
        expect = channel.incoming = self._incoming(channel, message, channel.local)
        if _same(previous, expect):
            return
        yield expect
        yield Cancel(want=previous)

    def _stop(self, channel: Channel, party: int) -> Iterator[Event]:
        if channel.outgoing:
            yield Cancel(want=channel.outgoing)
        channel.outgoing = channel.remote = None
        if channel.local is None:
            del self._channels[party]

    def _close(self, channel: Channel, party: int) -> Iterator[Event]:
        if channel.incoming:
            yield Cancel(want=channel.incoming)
        channel.incoming = channel.local = None
        if channel.outgoing is None:
            del self._channels[party]

    def _incoming(self, channel: Channel, message: Message, local: Endpoint) -> Expect:
        """As the manager confirms it: the port is the phone's, and the other end is the manager's announcement."""
        return Expect(
            Endpoint((channel.remote or self.flow.server).addr),
            local,
            "udp",
            _policy(message),
            count=2,
            confirms_peer=True,
            trigger=message.name,
            timeout=TIMEOUT,
            sources="any" if self.address == "any-src" else "",
        )


def _same(previous: Expect, expect: Expect) -> bool:
    before = previous.client, previous.server, previous.policy
    return before == (expect.client, expect.server, expect.policy)


def _policy(message: Message) -> str:
    return "video" if message.video else "audio"


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Phones of call managers on tcp/2000."""
    return [
        Helper(
            "sccp",
            "tcp",
            ports=[2000],
            parser=Sccp,
            policies=[
                Policy("audio", max=255, timeout=TIMEOUT, third_party=True),
                Policy("video", max=64, timeout=TIMEOUT, third_party=True),
            ],
            settings=[
                Setting(
                    "pickup", False, "parse connections that began before the helper was enabled"
                )
            ],
            spec="SCCP (Cisco, no RFC)",
            doc="Cisco phones (Skinny): media of calls",
            client_announces=True,
        )
    ]
