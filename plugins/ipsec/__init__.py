"""IPsec: two hosts negotiate keys over IKE, and then exchange ESP, which has no ports.

IKEv2 (RFC 7296 §1.2, §1.3)                  IKEv1 (RFC 2409 §5.5)
  IKE_SA_INIT       ⇄                          Main or Aggressive Mode    ⇄
  IKE_AUTH          →                          Quick Mode, message 1      →
                    ←  ESP is expected         Quick Mode, message 2      ←
  CREATE_CHILD_SA   →                          Quick Mode, message 3      →  ESP is expected
                    ←  ESP is expected

Either end may begin an exchange. All that is not in the header is encrypted: SPIs of ESP, proposals and errors. What
counts is therefore that the other end has answered within an IKE SA, by a message that is longer than an error.

Peers move to port 4500 if they detect NAT, and then carry ESP in UDP (RFC 3947, 3948; RFC 7296 §2.23). With MOBIKE they
move there without NAT as well, and keep to ESP of its own (RFC 4555 §3.3). On that port four zeros, where ESP in UDP
has its SPI, precede each IKE message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2s
from typing import Any, Final

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Done,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Setting,
    hookimpl,
)

from .header import Exchange, Message, read_message

#: Bytes of an IKEv2 answer that negotiates an SA: SA, nonce and traffic selectors have 104 or more, header and cipher
#: 49. An encrypted error has at most 96 (a notification, SHA-512, AES in CBC mode), an answer that authenticates its
#: sender and refuses the SA 128 (strongSwan with a shared secret and SHA-256)
MIN_ANSWER: Final = 144

#: The same of the first IKE_AUTH, whose answer also names and authenticates the responder: 161 or more (AES-GCM with a
#: tag of 8 bytes, HMAC-MD5, IPv4). With MOBIKE a refusal has 156 if it names one further address (strongSwan with a
#: shared secret and SHA-256), and 12 for each more
MIN_FIRST_ANSWER: Final = 160

#: Bytes of the longest third message of Quick Mode, which is a hash alone; the first one has SA and nonce as well
MAX_THIRD: Final = 112

#: copies of an IKEv2 request without an answer, after which its sender gives the peer up (RFC 7296 §2.4)
MAX_COPIES: Final = 5

LIFETIME: Final = 3600  #: seconds, unless the configuration has another

NAT_T_PORT: Final = 4500
_MIN_ESP: Final = 8  #: bytes of its header: SPI and sequence number
_MARKER: Final = bytes(4)  #: before IKE messages on that port (RFC 3948 §2.2)

#: Datagrams of ESP in UDP after which the flow leaves the queue: the peers have detected NAT, and its traffic would be
#: inspected in vain. A stray or forged one has no effect
MAX_ENCAPSULATED: Final = 32

_DIGEST: Final = 6
_NONE: Final = bytes(_DIGEST)


class _Pending:
    """The last exchange that an end began, until it is answered."""

    __slots__ = ("answered", "copies", "digest")

    def __init__(self, digest: bytes = _NONE, copies: int = 0, answered: bool = False) -> None:
        self.digest = digest
        self.copies = copies  #: of the request
        self.answered = answered  #: IKEv1's Quick Mode: the second message has come


class Ike(DatagramParser):
    """Parser of a flow of IKE messages.

    It never raises ParseError: a datagram is easily forged, and one that is not understood opens nothing.
    """

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        #: digest of the SPIs of the last IKE SA that has negotiated ESP or was alive after that
        self._sa = _NONE
        self._pending = [_Pending(), _Pending()]  # by the direction of the first message
        self._marked = flow.server.port == NAT_T_PORT
        self._encapsulated = 0  # datagrams of ESP in UDP

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        if self._marked:
            if not data.startswith(_MARKER):
                yield from self._esp_in_udp(data)
                return
            data = data[len(_MARKER) :]
        message = read_message(data)
        if message is None:
            return
        if message.exchange.version == 1:
            yield from self._ikev1(message, reply)
        elif message.response:
            yield from self._response(message, reply)
        else:
            yield from self._request(message.exchange, reply)

    def _esp_in_udp(self, data: bytes) -> Iterator[Event]:
        if len(data) < _MIN_ESP or self._encapsulated == MAX_ENCAPSULATED:  # a keep-alive is a byte
            return
        self._encapsulated += 1
        if self._encapsulated == MAX_ENCAPSULATED:
            yield Cancel()
            yield Done("ESP is in UDP")

    def _request(self, exchange: Exchange, reply: bool) -> Iterator[Event]:
        digest, pending = _identity(exchange), self._pending[reply]
        if pending.digest != digest:
            self._pending[reply] = _Pending(digest, 1)
            return
        pending.copies = min(pending.copies + 1, MAX_COPIES)
        # a stranger who forges requests does not know the SPIs
        if pending.copies == MAX_COPIES and self._sa == _digest(exchange.spis):
            yield Cancel()

    def _response(self, message: Message, reply: bool) -> Iterator[Event]:
        exchange = message.exchange
        if self._pending[not reply].digest != _identity(exchange):
            return
        self._pending[not reply] = _Pending()
        least = MIN_FIRST_ANSWER if exchange.authenticates else MIN_ANSWER
        if message.size >= least if exchange.negotiates else self._sa != _NONE:
            yield from self._esp(exchange, reply)

    def _ikev1(self, message: Message, reply: bool) -> Iterator[Event]:
        exchange, digest = message.exchange, _identity(message.exchange)
        own, other = self._pending[reply], self._pending[not reply]
        if exchange.negotiates and own.digest == digest:
            if own.answered and message.size <= MAX_THIRD:
                self._pending[reply] = _Pending()
                yield from self._esp(exchange, reply)
        elif other.digest == digest:
            other.answered = exchange.negotiates
            if not exchange.negotiates:
                self._pending[not reply] = _Pending()
                if self._sa != _NONE:
                    yield from self._esp(exchange, reply)
        else:
            self._pending[reply] = _Pending(digest)

    def _esp(self, exchange: Exchange, reply: bool) -> Iterator[Event]:
        """Expect ESP in both directions, which conntrack joins to one connection; either end may begin it."""
        self._sa = _digest(exchange.spis)
        client, server = self.flow.client.at(0), self.flow.server.at(0)
        sender, peer = (server, client) if reply else (client, server)
        to_sender = Expect(
            peer, sender, l4="esp", permanent=True, timeout=self.settings.get("lifetime", LIFETIME),
            trigger=exchange.name,
        )  # fmt: skip
        yield to_sender
        yield replace(to_sender, client=sender, server=peer, confirms_peer=True)

    # state:  | answered (1), copies (3), each by direction | digests: SA, pending exchanges | ESP in UDP |

    def save(self) -> bytes:
        first, second = (p.answered << 3 | p.copies for p in self._pending)
        digests = self._sa + self._pending[0].digest + self._pending[1].digest
        state = bytes([first << 4 | second]) + digests + bytes([self._encapsulated])
        return state if any(state) else b""

    def restore(self, state: bytes) -> None:
        if not state:
            return
        counts = state[0] >> 4, state[0] & 15
        if len(state) != 2 + 3 * _DIGEST or any(count & 7 > MAX_COPIES for count in counts):
            raise ParseError("invalid stored state")
        if state[-1] > MAX_ENCAPSULATED:
            raise ParseError("invalid stored state")
        self._encapsulated = state[-1]
        self._sa, first, second = (state[at : at + _DIGEST] for at in range(1, 19, _DIGEST))
        self._pending = [
            _Pending(digest, count & 7, bool(count & 8))
            for digest, count in zip((first, second), counts, strict=True)
        ]


def _identity(exchange: Exchange) -> bytes:
    # IKEv1: a DPD query and its answer have message ids of their own (RFC 3706 §5.5)
    message_id = exchange.message_id if exchange.version == 2 or exchange.negotiates else 0
    kind = bytes([exchange.version, exchange.type, exchange.by_initiator])
    return _digest(exchange.spis + message_id.to_bytes(4, "big") + kind)


def _digest(data: bytes) -> bytes:
    return blake2s(data, digest_size=_DIGEST).digest()


def _lifetime(value: object) -> int:
    if type(value) is not int or not 60 <= value <= 86400:
        raise ValueError("must be 60 to 86400 seconds")
    return value


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """IKE on udp/500 and 4500."""
    return [
        Helper(
            "ipsec",
            "udp",
            ports=[500, NAT_T_PORT],
            parser=Ike,
            # one for each direction; `lifetime` shortens it
            policies=[Policy("esp", max=2, timeout=86400, l4="esp")],
            settings=[
                Setting(
                    "lifetime",
                    LIFETIME,
                    "seconds after the last IKE message during which ESP may begin, 60 to 86400",
                    _lifetime,
                )
            ],
            spec="RFC 7296, 2409",
            doc="IPsec: ESP between two hosts that have negotiated it over IKE, without NAT",
        )
    ]
