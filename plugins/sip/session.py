"""What the messages of one control connection open, close and name, whatever its transport."""

from __future__ import annotations

from collections.abc import Iterator

from fwhelpers.api import Endpoint, Event, Expect, ParseError, Parser, Refuse
from fwhelpers.sansio import sdp

from .bodies import descriptions, may_describe
from .calls import METHODS, Calls
from .media import TIMEOUT, Ends
from .message import Message
from .registrations import Registrations
from .restart import (
    CALL,
    restore_call,
    restore_registration,
    save_call,
    save_registration,
)
from .rewriting import body_texts, head_texts, resize
from .uris import vias

#: the answer to an ACK or CANCEL takes no way of its own
_WITHOUT_RESPONSE = (b"ACK", b"CANCEL")


class Session:
    """Turns messages into events. `end` is the sender: False the client, True the server."""

    def __init__(self, parser: Parser) -> None:
        self._ends = Ends(parser)
        self._calls = Calls(self._ends)
        self._registrations = Registrations(self._ends)

    def save(self) -> bytes:
        """Return the last request whose answer may open something, at most 20 bytes."""
        call = self._calls.pending()
        if call:
            return save_call(*call)
        registration = self._registrations.pending()
        return save_registration(*registration) if registration else b""

    def restore(self, state: bytes) -> None:
        """Restore the result of `save`. Raises ParseError."""
        if state[:1] == CALL:
            self._calls.resume(*restore_call(state))
        elif state:
            self._registrations.resume(*restore_registration(state, self._ends))

    @property
    def memory(self) -> int:
        """Bytes that the calls take, about."""
        return self._calls.memory

    def head(self, message: Message, data: bytes, end: bool) -> Iterator[Event]:
        """Act on a message's head. Positions count from data[0]."""
        if message.status:
            self._learn_reflexive(message, not end)
        elif self._ends.flow.l4 == "udp" and message.method not in _WITHOUT_RESPONSE:
            yield from self._expect_response(message, end)
        yield from head_texts(message, data)

    def describes(self, message: Message) -> bool:
        """Return whether the body may hold a session description that counts."""
        return message.method in METHODS and may_describe(message.value(b"content-type"))

    def body(
        self, message: Message, data: bytes, body: sdp.Span, base: int, end: bool
    ) -> Iterator[Event]:
        """Act on a message with its body, data[body]. `base`: position of the head's byte 0 in data."""
        if message.method == b"REGISTER":
            for event in self._registrations.handle(message, end):
                yield self._ends.confirmed(event, end)
        if message.method not in METHODS:
            return
        description, refusal = self._description(message, data, body)
        if refusal:
            yield refusal
        for event in self._calls.handle(message, end, description):
            yield self._ends.confirmed(event, end)
        if description:
            yield from body_texts(description)
            yield from resize(message, base, body)

    def _description(
        self, message: Message, data: bytes, body: sdp.Span
    ) -> tuple[sdp.Description | None, Refuse | None]:
        """Return the first session description; further ones are alternatives of old programs."""
        content_type = message.fields.get(b"content-type", ())
        if (
            not content_type
            or body[0] == body[1]
            or message.value(b"content-encoding") not in (b"", b"identity")
        ):
            return None, None
        for span in descriptions(content_type[0].value, data, body):
            try:
                return sdp.parse(data, *span), None
            except ParseError as error:
                return None, Refuse("G11", str(error))
        return None, None

    def _expect_response(self, message: Message, end: bool) -> Iterator[Event]:
        """Expect the response at the port of the topmost Via (RFC 3261 §18.2.2), whatever its address."""
        own = self._ends.own(end)
        via = next(vias(message.fields[b"via"]), None)
        if via is None or via.rport or via.transport != b"UDP" or via.port == own.port:
            return
        yield Expect(
            self._ends.own(not end),
            own.at(via.port),
            policy="signalling",
            permanent=True,
            child=True,
            trigger="Via",
            timeout=TIMEOUT,
        )

    def _learn_reflexive(self, message: Message, end: bool) -> None:
        via = next(vias(message.fields[b"via"]), None)
        if via and via.received:
            port = via.rport_value[0] if via.rport_value else 0
            self._ends.reflexive[end] = Endpoint(via.received.endpoint.addr, port)
