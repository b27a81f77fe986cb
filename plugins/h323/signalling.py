"""Call signalling and H.245 over TCP: both are TPKT packets, and the first one shows which it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from fwhelpers.api import Cancel, Event, Expect, Flow, ParseError, Refuse, StreamParser

from .calls import Calls
from .channels import Channels
from .q931 import DISCRIMINATOR, HEADER, tpkt_size

CALL_SIGNALLING = 1720  #: the well-known port
MAX_PACKET = 8192  #: octets; longer packets are passed over


class Signalling(StreamParser):
    """Parser of a call signalling connection, or of an H.245 connection that one announced."""

    max_message: ClassVar[int] = MAX_PACKET

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._calls: Calls | None = None
        self._channels: Channels | None = None

    @property
    def buffered(self) -> int:
        calls = self._calls.memory if self._calls is not None else 0
        channels = self._channels.memory if self._channels is not None else 0
        return super().buffered + calls + channels

    def message_size(self, data: bytearray, reply: bool) -> int:
        if data[0] != 3:  # no TPKT: not even the rest of the header is waited for
            raise ParseError(f"not a TPKT header: {bytes(data[:HEADER])!r}")
        if len(data) < HEADER:
            return 0
        size = tpkt_size(data)
        return size if size <= MAX_PACKET else HEADER

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        size = tpkt_size(data)
        if size > len(data):
            if self._calls is None and self._channels is None:
                raise ParseError(f"it begins with a packet of {size} octets")
            self.skip(size - len(data), reply)
            yield Refuse("G12", f"a packet of {size} octets is not inspected")
        elif size > HEADER:  # an empty one keeps the connection alive
            for event in self._packet(data, reply):
                yield self._confirmed(event, reply)

    def _confirmed(self, event: Event, reply: bool) -> Event:
        """Mark what the other end announced, and a message of this one ends or announces again."""
        expect = event.want if isinstance(event, Cancel) else event
        if not isinstance(expect, Expect) or (expect is event and expect.span is not None):
            return event
        own, peer = self.flow.client.addr, self.flow.server.addr
        if reply:
            own, peer = peer, own
        expect = replace(expect, confirms_peer=expect.server.addr == peer != own)
        return replace(event, want=expect) if isinstance(event, Cancel) else expect

    def _packet(self, data: bytes, reply: bool) -> Iterator[Event]:
        if self._calls is None and self._channels is None:
            self._begin(data)
        if self._calls is not None:
            yield from self._calls.message(data, reply)
        elif self._channels is not None:
            yield from self._control(self._channels, data, reply)

    def _begin(self, data: bytes) -> None:
        if data[HEADER] == DISCRIMINATOR:
            self._calls = Calls(self, pickup=self.settings.get("pickup", False))
        elif self.flow.server.port == CALL_SIGNALLING:
            raise ParseError("it does not begin with a message of Q.931")
        else:
            self._channels = Channels(self, alone=True)

    def _control(self, channels: Channels, data: bytes, reply: bool) -> Iterator[Event]:
        try:
            # nothing is announced by a message that is wrong behind its first address
            yield from list(channels.control(data, HEADER, len(data), reply))
        except ParseError as error:
            yield Refuse("G11", f"H.245: {error}")

    def save(self) -> bytes:
        return self._calls.save() if self._calls is not None else b""

    def restore(self, state: bytes) -> None:
        if state:
            self._calls = Calls(self)
            self._calls.restore(state)
