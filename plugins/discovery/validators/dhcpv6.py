"""DHCPv6: a client asks all servers of the link; they answer from their own addresses.

    | type | transaction id (3) | option code (2) | length (2) | data … | option … |

RFC 9915 (obsoletes 8415): §8 messages, §15 retransmission, §16 messages that servers discard, §21 options;
RFC 5007 (leasequery), RFC 7341 (DHCPv4 over DHCPv6), RFC 9686 (address registration).
"""

from __future__ import annotations

from collections.abc import Iterator

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

CLIENT_PORT = 546
HEADER = 4
MAX_OPTIONS = 128

_CLIENT_ID, _SERVER_ID, _DHCPV4 = 1, 2, 87

#: messages of clients, and the seconds for which a client repeats them or waits
CLIENT = {
    1: ("SOLICIT", 120),
    3: ("REQUEST", 30),
    4: ("CONFIRM", 4),
    5: ("RENEW", 600),
    6: ("REBIND", 600),
    8: ("RELEASE", 5),  # RFC 9915 §7.6: repeated after a second, four times at most
    9: ("DECLINE", 5),
    11: ("INFORMATION-REQUEST", 120),
    14: ("LEASEQUERY", 10),
    20: ("DHCPV4-QUERY", 64),
    36: ("ADDR-REG-INFORM", 10),
}
#: messages of servers and relays, and leasequeries over TCP
_OTHERS = frozenset([2, 7, 10, 12, 13, 15, 16, 17, 18, 19, 21, 22, 23, 37])
_RELAYED = frozenset([12, 13])  # their headers are longer

#: options without which a server discards the message (RFC 9915 §16.2 to §16.9)
_NEEDED = {
    **{kind: {_CLIENT_ID} for kind in (1, 4, 6, 14, 36)},
    **{kind: {_CLIENT_ID, _SERVER_ID} for kind in (3, 5, 8, 9)},
    20: {_DHCPV4},
}


def check(data: bytes, sport: int) -> Query | None:
    """Accept messages of clients; None for those of servers and relays, or from another port than the client's.

    Raises ParseError for other protocols, and for messages without an option that servers require.
    """
    message = Cursor(data)
    kind = message.u8()
    message.skip(HEADER - 1)
    if kind in _RELAYED:
        return None
    if kind not in CLIENT and kind not in _OTHERS:
        raise ParseError(f"DHCPv6 message of unknown type {kind}")
    codes = set(_options(message))
    if kind in _OTHERS or sport != CLIENT_PORT:
        return None
    name, window = CLIENT[kind]
    if missing := _NEEDED.get(kind, set()) - codes:
        raise ParseError(f"{name} without option {min(missing)}")
    return Query(window, summary=name)


def _options(message: Cursor) -> Iterator[int]:
    for _ in range(MAX_OPTIONS):
        if not message.remaining:
            return
        yield message.u16()
        message.skip(message.u16())
    if message.remaining:
        raise ParseError(f"more than {MAX_OPTIONS} options")
