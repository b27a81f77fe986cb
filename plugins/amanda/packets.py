r"""How Amanda's datagrams are written.

    Amanda 3.5 REQ HANDLE 000-00000000 SEQ 1795378737\n      and REP, PREP, ACK, NAK
    SECURITY USER backup\n                                   of a REQ
    SERVICE sendbackup\n
    …

    Amanda 3.5 REP HANDLE 000-00000000 SEQ 1795378737\n
    CONNECT DATA 50010 MESG 50011 INDEX -1 STATE 50014\n     first in the body, or not at all
    …

Amanda's security-util.c (pkthdr2str, str2pkthdr, bsd_prefix_packet) and amandad.c (s_processrep) say so.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from fwhelpers.api import ParseError

MAX_STREAMS = 5  #: of one reply: amandad's DATA_FD_COUNT, which grew from 3 over 4 to 5
KEY = 6  #: bytes of a request's key

_HEADER = re.compile(
    rb"Amanda [0-9]{1,4}\.[0-9]{1,4} (?P<kind>REQ|REP|PREP|ACK|NAK)"
    rb" HANDLE (?P<handle>[!-~]{1,64}) SEQ (?P<seq>-?[0-9]{1,10})\n"
)
_SERVICE = re.compile(rb"SECURITY USER [^\n]*\nSERVICE (?P<service>[!-~]{1,32})[ \n]")
# "-1": a stream that the service has no use for; up to 65535: a port; above: numbers of streams that bsdudp carries
# in the first one's connection
_STREAM = rb" ([A-Z]{1,16}) (-1|0|[1-9][0-9]{0,5})"
_CONNECT = re.compile(rb"CONNECT(?:%s)+\n" % _STREAM)
_STREAMS = re.compile(_STREAM)


class Datagram(NamedTuple):
    """What every datagram begins with."""

    kind: str
    key: bytes  #: of the request to which it belongs: its handle and sequence, hashed to a fixed size
    body: int  #: offset of the first byte after the header


class Stream(NamedTuple):
    """A stream that a reply announces."""

    name: str
    port: int
    span: tuple[int, int]  #: of the port in the datagram


def header_of(data: bytes) -> Datagram:
    """Read the first line; raises ParseError if no datagram begins so."""
    match = _HEADER.match(data)
    if match is None:
        raise ParseError(f"not a datagram of Amanda's: {data[:32]!r}")
    identity = b"%s %d" % (match["handle"], int(match["seq"]))
    key = blake2b(identity, digest_size=KEY).digest()
    return Datagram(match["kind"].decode(), key, match.end())


def service_of(data: bytes, body: int) -> str:
    """The service that a REQ wants; raises ParseError if it names none."""
    match = _SERVICE.match(data, body)
    if match is None:
        raise ParseError("REQ without a service")
    return match["service"].decode()


def streams_of(data: bytes, body: int) -> list[Stream]:
    """The ports in a REP, none if it has no CONNECT; raises ParseError if the line is no good."""
    if not data.startswith(b"CONNECT", body):
        return []
    line = _CONNECT.match(data, body)
    if line is None:
        raise ParseError(f"CONNECT is no list of streams: {data[body : body + 64]!r}")
    found = list(_STREAMS.finditer(data, body, line.end()))
    if len({stream[1] for stream in found}) < len(found):
        raise ParseError("CONNECT names a stream twice")
    if len(found) > MAX_STREAMS:
        raise ParseError(f"CONNECT names more than {MAX_STREAMS} streams")
    numbered = [Stream(one[1].decode(), int(one[2]), one.span(2)) for one in found]
    return [stream for stream in numbered if 0 <= stream.port <= 65535]
