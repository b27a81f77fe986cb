"""The Transport header of RTSP: alternatives with the ports of both ends (RFC 2326 §12.39, RFC 7826 §18.54).

Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=192.0.2.1
Transport: RTP/AVP/UDP;unicast;dest_addr=":5000"/":5001";src_addr="192.0.2.1:6970"/"192.0.2.1:6971"
Transport: RTP/AVP/UDP;unicast;mode=record;control_port=6001;timing_port=6002         RAOP
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from fwhelpers.api import Endpoint

MAX_ALTERNATIVES = 16
MAX_PORTS = 8  #: of one end in an alternative

Span = tuple[int, int]

#: a comma or semicolon within quotes ends nothing: mode="PLAY,RECORD"
_ALTERNATIVE = re.compile(rb'(?:[^",]|"[^"]*")+')
_PARAMETER = re.compile(rb';[ \t]*([A-Za-z_]+)[ \t]*(?:=[ \t]*((?:[^";]|"[^"]*")*))?')
_RANGE = re.compile(rb"([0-9]{1,5})(?:[ \t]*-[ \t]*([0-9]{1,5}))?[ \t]*")
_RAOP = re.compile(rb"(?:control|timing)_port", re.IGNORECASE)
_ADDRESS = re.compile(rb'"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.\-]*):([0-9]{1,5})"')


class Ports(NamedTuple):
    """One port, or two consecutive ones that NAT moves together."""

    first: int
    size: int
    span: Span  #: of their text
    name: str  #: the parameter, for logs
    both: bool = True  #: the text names the second one too

    def encode(self, end: Endpoint) -> bytes:
        """Write the ports from another one on."""
        pair = self.size == 2 and self.both
        return b"%d-%d" % (end.port, end.port + 1) if pair else b"%d" % end.port


class Host(NamedTuple):
    """An address in the text."""

    text: bytes  #: without brackets
    span: Span


@dataclass(frozen=True, slots=True)
class Transport:
    """One alternative."""

    datagrams: bool  #: over UDP, neither interleaved nor to a group
    multicast: bool
    client: tuple[Ports, ...] = ()  #: of the end that sent the SETUP
    server: tuple[Ports, ...] = ()
    source: Host | None = None  #: from where the media come
    hosts: tuple[Host, ...] = ()  #: all addresses in the text


def parse_transports(lines: Iterable[tuple[bytes, int]], request: bool) -> list[Transport]:
    """Parse the values of the header's lines. Spans count from where their offsets do.

    `request`: RAOP names control and timing ports of either end alike, so that the sender tells whose they are.
    """
    texts = (
        (match[0], offset + match.start())
        for value, offset in lines
        for match in _ALTERNATIVE.finditer(value)
    )
    return [_alternative(text, at, request) for text, at in islice(texts, MAX_ALTERNATIVES)]


def _alternative(text: bytes, offset: int, request: bool) -> Transport:
    protocol, _, _ = text.partition(b";")
    protocol = protocol.strip().upper()
    ports: dict[str, list[Ports]] = {"client": [], "server": []}
    hosts: dict[bytes, Host] = {}
    flags = set()
    source: Host | None = None
    rtp = protocol.startswith(b"RTP/") and not _RAOP.search(text)
    for match in _PARAMETER.finditer(text, len(text.partition(b";")[0])):
        name, place = match[1].lower(), offset + match.start(2)
        flags.add(name)
        if match[2] is None:
            continue
        if name in (b"source", b"destination"):
            stripped = match[2].strip(b' \t"[]')
            begin = place + match[2].find(stripped)
            hosts[name] = Host(stripped, (begin, begin + len(stripped)))
            source = hosts[name] if name == b"source" else source
            continue
        owner = _owner(name, request)
        if name in (b"dest_addr", b"src_addr"):
            for host, port in _addresses(match[2], place, name.decode()):
                ports[owner].append(port)
                if host:
                    hosts[b"%s %d" % (name, len(hosts))] = host
                    if name == b"src_addr":
                        source = source or host
        elif owner:
            ports[owner] += _ranges(match[2], place, name.decode(), rtp)
    multicast = b"multicast" in flags and b"unicast" not in flags
    reliable = protocol.endswith(b"/TCP") or (b"interleaved" in flags and not any(ports.values()))
    return Transport(
        datagrams=not multicast and not reliable,
        multicast=multicast,
        client=tuple(ports["client"][:MAX_PORTS]),
        server=tuple(ports["server"][:MAX_PORTS]),
        source=source,
        hosts=tuple(hosts.values()),
    )


def _owner(name: bytes, request: bool) -> str:
    if name in (b"client_port", b"dest_addr"):
        return "client"
    if name in (b"server_port", b"src_addr"):
        return "server"
    if name in (b"control_port", b"timing_port"):
        return "client" if request else "server"
    return ""


def _ranges(value: bytes, place: int, name: str, rtp: bool) -> Iterator[Ports]:
    """Yield the ports of `a-b`, which are a pair of single ports, in any order.

    `rtp`: a single one is that of RTP, and RTCP has the next (RFC 3550 §11).
    """
    match = _RANGE.fullmatch(value)
    if not match:
        return
    first, second = int(match[1]), int(match[2] or 0)
    if second == first + 1:
        yield from _usable(Ports(first, 2, (place, place + match.end(2)), name))
        return
    size = 2 if rtp and not match[2] and first < 65535 else 1
    yield from _usable(Ports(first, size, (place, place + match.end(1)), name, both=False))
    if match[2]:
        span = (place + match.start(2), place + match.end(2))
        yield from _usable(Ports(second, 1, span, name))


def _addresses(value: bytes, place: int, name: str) -> Iterator[tuple[Host | None, Ports]]:
    for match in _ADDRESS.finditer(value):
        ports = Ports(int(match[2]), 1, (place + match.start(2), place + match.end(2)), name)
        text = match[1].strip(b"[]")
        begin = place + match.start(1) + match[1].startswith(b"[")
        host = Host(text, (begin, begin + len(text))) if text else None
        for usable in _usable(ports):
            yield host, usable


def _usable(ports: Ports) -> Iterator[Ports]:
    # 0-0 is how live555 answers a request for a multicast transport
    if ports.first > 0 and ports.first + ports.size <= 65536:
        yield ports
