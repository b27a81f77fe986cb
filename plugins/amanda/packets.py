r"""Amanda's datagrams.

    Amanda 3.5 REQ HANDLE 000-00000000 SEQ 1795378737\n      and REP, PREP, ACK, NAK
    SECURITY USER backup\n                                   of a REQ
    SERVICE sendbackup\n
    …

    Amanda 3.5 REP HANDLE 000-00000000 SEQ 1795378737\n
    CONNECT DATA 50010 MESG 50011 INDEX -1 STATE 50014\n     first in the body, or not at all
    …

Amanda's security-util.c (pkthdr2str, str2pkthdr, bsd_prefix_packet) and amandad.c (s_processrep).
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from fwhelpers.api import ParseError

MAX_STREAMS = 5  #: streams of one reply: amandad's DATA_FD_COUNT, formerly 3 and 4
KEY = 6  #: bytes of a request's key

_HEADER = re.compile(
    rb"Amanda [0-9]{1,4}\.[0-9]{1,4} (?P<kind>REQ|REP|PREP|ACK|NAK)"
    rb" HANDLE (?P<handle>[!-~]{1,64}) SEQ (?P<seq>-?[0-9]{1,10})\n"
)
_SERVICE = re.compile(rb"SECURITY USER [^\n]*\nSERVICE (?P<service>[!-~]{1,32})[ \n]")
# -1: an unused stream; up to 65535: a port; above: the number of a stream that bsdudp carries in the first connection
_STREAM = rb" ([A-Z]{1,16}) (-1|0|[1-9][0-9]{0,5})"
_CONNECT = re.compile(rb"CONNECT(?:%s)+\n" % _STREAM)
_STREAMS = re.compile(_STREAM)


class Datagram(NamedTuple):
    """The first line of a datagram."""

    kind: str
    key: bytes  #: hash of the request's handle and sequence number
    body: int  #: offset of the first byte after the header


class Stream(NamedTuple):
    """A stream in a reply."""

    name: str
    port: int
    span: tuple[int, int]  #: offsets of the port in the datagram


def parse_header(data: bytes) -> Datagram:
    """Parse the first line. Raises ParseError."""
    match = _HEADER.match(data)
    if match is None:
        raise ParseError(f"not an Amanda datagram: {data[:32]!r}")
    identity = b"%s %d" % (match["handle"], int(match["seq"]))
    key = blake2b(identity, digest_size=KEY).digest()
    return Datagram(match["kind"].decode(), key, match.end())


def parse_service(data: bytes, body: int) -> str:
    """Return the service that a REQ requests. Raises ParseError."""
    match = _SERVICE.match(data, body)
    if match is None:
        raise ParseError("REQ without a service")
    return match["service"].decode()


def parse_streams(data: bytes, body: int) -> list[Stream]:
    """Return the streams in a REP, none if it has no CONNECT line. Raises ParseError if the line is invalid."""
    if not data.startswith(b"CONNECT", body):
        return []
    line = _CONNECT.match(data, body)
    if line is None:
        raise ParseError(f"invalid CONNECT: {data[body : body + 64]!r}")
    matches = list(_STREAMS.finditer(data, body, line.end()))
    if len({match[1] for match in matches}) < len(matches):
        raise ParseError("CONNECT names a stream twice")
    if len(matches) > MAX_STREAMS:
        raise ParseError(f"CONNECT names more than {MAX_STREAMS} streams")
    streams = [Stream(match[1].decode(), int(match[2]), match.span(2)) for match in matches]
    return [stream for stream in streams if 0 <= stream.port <= 65535]
