"""Requests of the Direct Client-to-Client protocol, as clients put them into CTCP messages.

    DCC SEND <name> <address> <port> [<size> [<token>]]      also MOVE, and KVIrc's TSEND,
                                                            SSEND, TSSEND, STSEND
    DCC CHAT <word> <address> <port> [<token>]               also SCHAT
    DCC ACCEPT <name> <port> <position> [<token>]            also RESUME

The name may contain blanks, within quotation marks or not, and further quotation marks, which nobody escapes. The
fields are therefore read from the right. The address is a decimal number of 32 bits, or an IPv6 address as text. Port
0 is an offer to connect to a port that the other side will name; the address is a placeholder then.

There is no RFC. The Client-to-Client Protocol's text of 1994 (ctcpspec.html) and modern.ircdocs.horse/dcc describe it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import ip6text

#: numbers that may follow address and port; the name must have a field of its own
_FILES = (b"SEND", b"MOVE", b"TSEND", b"SSEND", b"TSSEND", b"STSEND")
_OFFERS = {**dict.fromkeys(_FILES, 2), b"CHAT": 1, b"SCHAT": 1}

_ADDRESS = re.compile(rb"(?P<number>0|[1-9][0-9]{0,9})|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,41}")
_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_NUMBER = re.compile(rb"[0-9]{1,20}")


class Offer(NamedTuple):
    """A port on which the sender of the message listens."""

    endpoint: Endpoint
    begin: int  #: of address and port, which a single blank separates
    end: int

    @property
    def passive(self) -> bool:
        """Return whether the other side is asked to listen instead."""
        return not self.endpoint.port


def read_offer(kind: bytes, arguments: bytes, start: int) -> Offer | None:
    """Read what follows `DCC kind `; None if it is no kind that opens a port.

    `start` is the position of the arguments. Raises ParseError.
    """
    if kind not in _OFFERS:
        return None
    # a name and at most four numbers; the longest form that fits, because a name may end in numbers
    for extra in range(_OFFERS[kind], -1, -1):
        fields = arguments.rsplit(b" ", extra + 2)
        if len(fields) == extra + 3 and all(map(_NUMBER.fullmatch, fields[3:])):
            endpoint = _endpoint(*fields[1:3])
            if endpoint is not None:
                begin = start + len(fields[0]) + 1
                return Offer(endpoint, begin, begin + len(fields[1]) + 1 + len(fields[2]))
    raise ParseError("no address and port")


def read_accept(kind: bytes, arguments: bytes, start: int) -> list[tuple[int, int, int]]:
    """Return the numbers of an ACCEPT that may be its port, each with begin and end, the most likely one first."""
    ports = []
    for extra in (2, 1):
        fields = arguments.rsplit(b" ", extra + 1)
        if kind == b"ACCEPT" and len(fields) == extra + 2 and _PORT.fullmatch(fields[1]):
            begin = start + len(fields[0]) + 1
            ports.append((int(fields[1]), begin, begin + len(fields[1])))
    return ports


def _endpoint(address: bytes, port: bytes) -> Endpoint | None:
    match = _ADDRESS.fullmatch(address)
    if not match or not _PORT.fullmatch(port):
        return None
    if match["number"]:
        number = int(address)
        # no host has an address of 0.0.0.0/8; small numbers belong to the name, or are placeholders
        valid = number < 1 << 32 and (number >> 24 or int(port) == 0)
        return Endpoint(number.to_bytes(4, "big"), int(port)) if valid else None
    try:
        return Endpoint.parse(address.decode(), int(port))
    except ValueError:
        return None


def encode_offer(end: Endpoint) -> bytes:
    """Write address and port."""
    host = end.host.encode() if end.family == 6 else b"%d" % int.from_bytes(end.addr, "big")
    return b"%s %d" % (host, end.port)


def fit_offer(end: Endpoint, size: int) -> bytes | None:
    """Write an IPv6 address and a port with exactly `size` bytes, None if that is impossible.

    IPv4 numbers are not padded: some clients read leading zeros as octal.
    """
    if end.family != 6:
        return None
    port = b" %d" % end.port
    host = ip6text.of_length(end.addr, size - len(port))
    return None if host is None else host + port


def encode_port(end: Endpoint) -> bytes:
    """Write the port alone."""
    return b"%d" % end.port


def fit_port(end: Endpoint, size: int) -> bytes | None:
    """Write the port with exactly `size` digits, None if it has another number of them."""
    text = encode_port(end)
    return text if len(text) == size else None
