"""Calls of a call signalling connection (H.225.0): addresses of H.245, fast start, tunnelled H.245, release.

One connection may carry several calls (H.323 §7.3.1, gatekeepers do so); the call reference tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError
from typing import Any, NamedTuple

from fwhelpers.api import Cancel, Endpoint, Event, Expect, ParseError, Parser, Refuse
from fwhelpers.sansio.per import decode

from .addresses import check_protocol, h225_address
from .channels import WANT_BYTES, Channels
from .h225_types import H323UserInformation
from .q931 import Kind, Message, parse

#: Calls of one connection that are remembered. What others announce ends with its policy, or the connection
MAX_CALLS = 12
MAX_CONNECTIONS = 4  #: of one call
MAX_PROPOSALS = 128  #: fast start proposals in one message, and messages of tunnelled H.245

CALL_BYTES = 1000  #: memory of a call, about

_SAVED_CALLS = 6
_REFERENCE = Struct("!H?")


class CallKey(NamedTuple):
    """A call: its reference, and the end that chose it."""

    reference: int
    reply: bool


class Calls:
    """The calls of one connection."""

    def __init__(self, parser: Parser, pickup: bool = False) -> None:
        self._parser = parser
        self._begun = pickup
        self._calls: dict[CallKey, Call] = {}

    @property
    def memory(self) -> int:
        """Bytes that the calls take, about."""
        return sum(call.memory for call in self._calls.values())

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Act on a packet. Raises ParseError."""
        try:
            message = parse(data)
            self._check_beginning(message, reply)
            key = CallKey(message.reference, reply != message.answers)
            if message.kind == Kind.RELEASE_COMPLETE:
                yield from self._release(key)
            elif message.user_user is not None:
                yield from self._act(key, data, message.user_user, reply)
        except ParseError as error:
            # the next packet can be read whatever is wrong within this one
            if not self._begun:
                raise
            yield Refuse("G11", f"H.225.0: {error}")

    def _check_beginning(self, message: Message, reply: bool) -> None:
        begins = not reply and message.kind == Kind.SETUP and message.user_user is not None
        if not self._begun and not begins:
            raise ParseError("it does not begin with a SETUP of H.323")

    def _act(
        self, key: CallKey, data: bytes, place: tuple[int, int], reply: bool
    ) -> Iterator[Event]:
        pdu = decode(H323UserInformation, data, *place)["h323_uu_pdu"]
        check_protocol(data, pdu["h323_message_body"][1] or {})
        self._begun = True
        # nothing is announced by a message that is wrong behind its first address
        yield from list(self._call(key).message(data, pdu, reply))

    def _call(self, key: CallKey) -> Call:
        call = self._calls.get(key) or Call(self._parser)
        if len(self._calls) < MAX_CALLS:
            self._calls[key] = call
        return call

    def _release(self, key: CallKey) -> Iterator[Event]:
        call = self._calls.pop(key, None)
        if not self._calls:
            yield Cancel()  # also what an earlier worker announced for this call
        elif call is not None:
            yield from call.release()

    # state for another worker: the references of the first calls, so that the last release is known

    def save(self) -> bytes:
        """Return the state for `restore`."""
        return b"\1" + b"".join(_REFERENCE.pack(*key) for key in list(self._calls)[:_SAVED_CALLS])

    def restore(self, state: bytes) -> None:
        """Restore the result of `save`. Raises ParseError."""
        self._begun = True
        try:
            for reference, reply in _REFERENCE.iter_unpack(state[1:]):
                self._calls[CallKey(reference, reply)] = Call(self._parser)
        except StructError:
            raise ParseError("invalid stored state") from None


class Call:
    """One call."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._channels = Channels(parser)
        self._connections: list[Expect] = []  # H.245, and calls that were forwarded to their sender

    @property
    def memory(self) -> int:
        """Bytes that the call takes, about."""
        return CALL_BYTES + self._channels.memory + WANT_BYTES * len(self._connections)

    def message(self, data: bytes, pdu: Any, reply: bool) -> Iterator[Event]:
        """Act on an H323-UU-PDU. Raises ParseError."""
        _, body = pdu["h323_message_body"]
        yield from self._addresses(data, body or {}, reply)
        proposals = (body or {}).get("fastStart", ())
        messages = pdu.get("h245Control", ())
        if max(len(proposals), len(messages)) > MAX_PROPOSALS:
            raise ParseError(f"more than {MAX_PROPOSALS} channels in one message")
        for start, end in proposals:
            yield from self._channels.propose(data, start, end, reply)
        for start, end in messages:
            yield from self._channels.control(data, start, end, reply)

    def release(self) -> Iterator[Event]:
        """Withdraw what the call announced."""
        yield from self._channels.close()
        for want in self._connections:
            yield Cancel(want.policy, want)

    def _addresses(self, data: bytes, body: Any, reply: bool) -> Iterator[Event]:
        for name in ("sourceCallSignalAddress", "destCallSignalAddress"):
            address = h225_address(data, body[name]) if name in body else None
            if address is not None:
                yield address.rewrite()
        for name, policy in (("h245Address", "h245"), ("alternativeAddress", "signalling")):
            if name in body:
                yield from self._connection(data, body[name], policy, reply)

    def _connection(self, data: bytes, value: Any, policy: str, reply: bool) -> Iterator[Event]:
        address = h225_address(data, value)
        if address is None:
            return
        ends = (self._parser.flow.client, self._parser.flow.server)
        if policy == "signalling" and address.endpoint.addr != ends[reply].addr:
            yield Refuse("G5", "call forwarding to another host", address.endpoint)
            return
        want = address.expect(_host(ends[not reply]), policy=policy, child=True, trigger=policy)
        if len(self._connections) < MAX_CONNECTIONS:
            self._connections.append(want)
        yield want


def _host(end: Endpoint) -> Endpoint:
    return end.at(0)
