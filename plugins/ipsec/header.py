"""The header of IKE messages, and what of the payload after it is not encrypted.

RFC 7296 §3.1 (IKEv2), §3.14 (encrypted payload), RFC 7383 §2.5 (encrypted fragments); RFC 2408 §3.1 (IKEv1).

     0                 8                 16   17      18       19    20         24     28
    | initiator's SPI | responder's SPI | next | version | type | flags | message | length |  payloads …
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

SIZE: Final = 28  #: bytes

_HEADER = Struct("!8s8sBBBBII")
_GENERIC = Struct("!HHH")  # length of the first payload, number of this fragment, number of all
_NO_SPI = bytes(8)

_IKEV1, _IKEV2 = 1, 2

_IKE_AUTH = 35

#: the exchanges that are followed, by version and type: name, and whether they negotiate an SA
_EXCHANGES = {
    (_IKEV1, 5): ("Informational", False),
    (_IKEV1, 32): ("Quick Mode", True),
    (_IKEV2, _IKE_AUTH): ("IKE_AUTH", True),
    (_IKEV2, 36): ("CREATE_CHILD_SA", True),
    (_IKEV2, 37): ("INFORMATIONAL", False),
}

# next payload types
_HASH = 8
_ENCRYPTED, _ENCRYPTED_FRAGMENT = 46, 53

# flags
_ENCRYPTED_V1 = 0x01
_INITIATOR, _RESPONSE = 0x08, 0x20


class Exchange(NamedTuple):
    """What the messages of an exchange have in common."""

    spis: bytes  #: the initiator's and the responder's SPI (IKEv1: cookies)
    version: int  #: 1 or 2
    type: int
    message_id: int
    #: IKEv2: the message that asks is from the initiator of the IKE SA
    by_initiator: bool = False

    @property
    def name(self) -> str:
        """The name of the exchange type."""
        return _EXCHANGES[self.version, self.type][0]

    @property
    def negotiates(self) -> bool:
        """Whether the exchange negotiates an SA."""
        return _EXCHANGES[self.version, self.type][1]

    @property
    def authenticates(self) -> bool:
        """Whether it is IKEv2's first IKE_AUTH, whose answer names and authenticates the responder."""
        return self.type == _IKE_AUTH and self.message_id == 1


class Message(NamedTuple):
    """An encrypted message of an exchange that this helper follows."""

    exchange: Exchange
    response: bool  #: IKEv2; False in IKEv1, whose header does not tell
    size: int  #: bytes


def read_message(data: bytes) -> Message | None:
    """Return the message if it is encrypted and complete; None for all others, which open nothing.

    Of an encrypted message in several datagrams (RFC 7383) the first one counts.
    """
    if len(data) < SIZE + 4:
        return None
    head = _HEADER.unpack_from(data)
    initiator, responder, payload, version, kind, flags, message_id, size = head
    major = version >> 4
    if size != len(data) or _NO_SPI in (initiator, responder) or (major, kind) not in _EXCHANGES:
        return None
    if major == _IKEV1:
        encrypted, response, by_initiator = (
            _is_encrypted_v1(payload, flags, message_id),
            False,
            False,
        )
    else:
        encrypted, response = _is_encrypted_v2(data, payload), bool(flags & _RESPONSE)
        by_initiator = bool(flags & _INITIATOR) is not response
    if not encrypted or (kind == _IKE_AUTH and message_id == 0):  # 0 is IKE_SA_INIT's
        return None
    exchange = Exchange(initiator + responder, major, kind, message_id, by_initiator)
    return Message(exchange, response, size)


def _is_encrypted_v1(payload: int, flags: int, message_id: int) -> bool:
    # message ids of phase 2 are random and not 0 (RFC 2408 §3.1)
    return payload == _HASH and bool(flags & _ENCRYPTED_V1) and message_id != 0


def _is_encrypted_v2(data: bytes, payload: int) -> bool:
    if payload not in (_ENCRYPTED, _ENCRYPTED_FRAGMENT) or len(data) < SIZE + 8:
        return False
    length, number, total = _GENERIC.unpack_from(data, SIZE + 2)
    # the encrypted payload is the last one, so that it fills the message
    whole = SIZE + length == len(data)
    return whole and (payload == _ENCRYPTED or number == 1 <= total)
