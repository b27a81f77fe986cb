"""SIP: a call's media go between ports that offer and answer name, and responses and calls to ports of Via and Contact.

    caller                                     callee
      INVITE, Via, offer                →        RTP and RTCP to the ports of the offer
                                        ←    183, 200, answer: RTP and RTCP to its ports
      BYE                               ↔        all is closed

    phone                                      registrar
      REGISTER, Contact                 →
                                        ←    200: calls arrive at the port of the Contact

RFC 3261 (SIP), 3262 (PRACK), 3264 (offer and answer), 3311 (UPDATE), 3581 (rport), 8866 (session descriptions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from fwhelpers.api import (
    DatagramParser,
    Event,
    Flow,
    Helper,
    KernelHelper,
    ParseError,
    Policy,
    Refuse,
    Setting,
    StreamParser,
    hookimpl,
)

from .calls import MAX_BYTES
from .media import KEEP, STREAMS, TIMEOUT
from .message import Message, body_length, end_of_head, is_start_line, parse_head
from .registrations import LONGEST
from .session import Session

MAX_LINE = 8192  #: bytes of a start line
MAX_BODY = 16384  #: bytes of a body that is parsed; longer ones are skipped


class SipDatagrams(DatagramParser):
    """SIP over UDP: a datagram is a message (RFC 3261 §18.3)."""

    MEMORY_MAX: ClassVar[int] = MAX_BYTES + 256 * 1024  # the calls of a trunk
    retransmits: ClassVar[bool] = True  # until a response or an ACK arrives (§17)

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._session = Session(self)

    @property
    def buffered(self) -> int:
        return self._session.memory

    def save(self) -> bytes:
        return self._session.save()

    def restore(self, state: bytes) -> None:
        self._session.restore(state)

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        begin = len(data) - len(data.lstrip(b"\r\n"))
        # keep-alives, STUN and other datagrams pass: a later one may be a message
        if not is_start_line(data[begin : data.find(b"\n", begin)]):
            return
        try:
            message = parse_head(data, begin, end_of_head(data, begin) or None)
            if message.length is not None and message.length > len(data) - message.end:
                raise ParseError("the datagram ends within the body")
            yield from self._message(message, data, reply)
        except ParseError as error:
            # the sender of a datagram can be forged, so that one must not end the inspection
            yield Refuse("G11", str(error))

    def _message(self, message: Message, data: bytes, reply: bool) -> Iterator[Event]:
        end = len(data) if message.length is None else message.end + message.length
        yield from self._session.head(message, data, reply)
        yield from self._session.body(message, data, (message.end, end), 0, reply)


class SipStream(StreamParser):
    """SIP over TCP: heads, bodies of Content-Length bytes, and line ends between messages (RFC 3261 §7.5, §18.3)."""

    MEMORY_MAX: ClassVar[int] = SipDatagrams.MEMORY_MAX
    max_message: ClassVar[int] = 32768

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._session = Session(self)
        self._searched = [0, 0]  # bytes of the head that hold no end
        self._checked = [False, False]  # the start line is valid
        self._bodies: list[Message | None] = [None, None]  # messages whose body is awaited

    @property
    def buffered(self) -> int:
        return super().buffered + self._session.memory

    def message_size(self, data: bytearray, reply: bool) -> int:
        message = self._bodies[reply]
        if message:
            return message.length or 0
        if data[0] in b"\r\n":
            return len(data) - len(data.lstrip(b"\r\n"))
        self._check_start(data, reply)
        end = end_of_head(data, max(0, self._searched[reply] - 3))
        self._searched[reply] = 0 if end else len(data)
        self._checked[reply] = self._checked[reply] and not end
        return end

    def _check_start(self, data: bytearray, reply: bool) -> None:
        """Another protocol's opening ends the inspection at once (safety rule G2)."""
        if self._checked[reply]:
            return
        end = data.find(b"\n", self._searched[reply])
        if end < 0 and len(data) <= MAX_LINE:
            return
        if not is_start_line(bytes(data[: end + 1])):
            raise ParseError(f"not a SIP message: {bytes(data[:32])!r}")
        self._checked[reply] = True

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        waiting = self._bodies[reply]
        if waiting:
            self._bodies[reply] = None
            body = (0, len(data))
            yield from self._session.body(waiting, data, body, -waiting.end, reply)
        elif data[0] not in b"\r\n":
            yield from self._head(data, reply)

    def _head(self, data: bytes, reply: bool) -> Iterator[Event]:
        length = body_length(data)
        try:
            message = parse_head(data)
        except ParseError as error:
            # where the next one begins is known, and a stranger may have made the proxy of a trunk pass this one on
            yield Refuse("G11", str(error))
            self.skip(length, reply)
            return
        yield from self._session.head(message, data, reply)
        if length and self._session.describes(message) and length <= MAX_BODY:
            self._bodies[reply] = message
            return
        self.skip(length, reply)
        yield from self._session.body(message, data, (message.end, message.end), 0, reply)

    def save(self) -> bytes:
        return self._session.save()

    def restore(self, state: bytes) -> None:
        self._session.restore(state)

    def boundary(self, reply: bool) -> bool:
        return super().boundary(reply) and self._bodies[reply] is None


def _between(lowest: int, highest: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"must be a number from {lowest} to {highest}")
        return value

    return check


SETTINGS = (
    Setting("streams", STREAMS, "media streams that an offer may open, 1 to 16", _between(1, 16)),
    Setting(
        "keep",
        KEEP,
        "seconds for which conntrack keeps a call's control connection over UDP without messages",
        _between(0, 86400),
    ),
    Setting("pickup", False, "parse TCP connections that began before the helper was enabled"),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """SIP on udp/5060 and tcp/5060."""
    return [
        Helper(
            "sip",
            ("udp", "tcp"),
            ports=[5060],
            parser={"udp": SipDatagrams, "tcp": SipStream},
            policies=[
                Policy("signalling", max=16, timeout=LONGEST),
                Policy("audio", max=255, timeout=TIMEOUT, third_party=True),
                Policy("video", max=128, timeout=TIMEOUT, third_party=True),
                Policy("other", max=64, timeout=TIMEOUT, third_party=True),  # fax, BFCP, MSRP, text
            ],
            settings=SETTINGS,
            spec="RFC 3261, 3262, 3264, 3311, 3581, 8866",
            doc="SIP: media and registrations of calls, over UDP and TCP",
            children=("udp", "tcp"),
            kernel=[
                KernelHelper("sip", l4, "nf_conntrack_sip", "nf_nat_sip") for l4 in ("udp", "tcp")
            ],
            udp_children=(0x41, 0x7A),  # letters: neither RTP, STUN, DTLS, UDPTL nor BFCP
            client_announces=True,
        )
    ]
