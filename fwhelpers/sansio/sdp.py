"""Session descriptions, as far as addresses and ports go.

    v=0                                     RFC 8866: the session, then its media
    o=alice 1 1 IN IP4 192.0.2.1            the author
    c=IN IP4 192.0.2.1                      where the media go, for all or for one of them
    m=audio 49170/2 RTP/AVP 0               a stream: first port, number of port pairs, protocol
    a=rtcp:53020 IN IP6 2001:db8::1         RFC 3605: RTCP elsewhere than at the next port
    a=rtcp-mux                              RFC 5761: RTCP at the port of RTP
    a=setup:passive, a=connection:new       RFC 4145: which end connects over TCP
    a=path:msrp://192.0.2.1:7394/s;tcp      RFC 4975 §6: where MSRP connects to
    a=candidate:…, a=ice-ufrag:…            RFC 8839: ICE finds the addresses itself

The parser accepts bare LF, unknown lines and lines in any order. A line that it cannot read announces nothing: its
stream has port 0, its address is empty. Positions are kept so that a caller can rewrite addresses and ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import ip6text

MAX_SIZE = 65536  #: bytes of a description
MAX_MEDIA = 64  #: streams
MAX_ADDRESSES = 256

Span = tuple[int, int]  #: begin and end in the bytes

_FIRST = re.compile(rb"[a-z]=")
#: the lines that matter; a description may have thousands of others
_LINE = re.compile(
    rb"^([ocm]|a(?==(?:rtcp|setup|connection|path|candidate|ice-|send|recv|inactive)))=([^\r\n]*)",
    re.MULTILINE,
)
_STREAM = re.compile(rb"([^ \t]+)[ \t]+([0-9]{1,5})(?:/([0-9]{1,5}))?[ \t]+([^ \t]+)")
_CONNECTION = re.compile(rb"IN[ \t]+IP([46])[ \t]+([^ \t/]+)", re.IGNORECASE)
_RTCP = re.compile(rb"([0-9]{1,5})(?:[ \t]+(?=IN[ \t])|[ \t]*$)", re.IGNORECASE)
_MSRP = re.compile(rb"msrps?://(?:[^@/ \t]*@)?(\[[^\]]*\]|[^:/; \t]+):([0-9]{1,5})", re.IGNORECASE)
_FAMILIES = {b"4": 4, b"6": 6}
_DIRECTIONS = frozenset((b"sendrecv", b"sendonly", b"recvonly", b"inactive"))
_ICE = frozenset((b"candidate", b"ice-ufrag", b"ice-lite", b"ice-options"))
_TRANSPORTS = {b"RTP": "udp", b"UDP": "udp", b"UDPTL": "udp", b"DTLS": "udp", b"TCP": "tcp"}


class Address(NamedTuple):
    """An address in the text."""

    addr: bytes  #: packed; empty if the text is a host name or no address of the stated family
    span: Span

    @property
    def unspecified(self) -> bool:
        """Whether this is 0.0.0.0 or ::, by which old programs put a call on hold."""
        return bool(self.addr) and not any(self.addr)


class Port(NamedTuple):
    """A port in the text."""

    number: int  #: 0 to 65535
    span: Span


class Rtcp(NamedTuple):
    """The attribute `rtcp` (RFC 3605). Without an address RTCP goes to the address of the stream."""

    port: Port
    address: Address | None


class Path(NamedTuple):
    """The first URI of the attribute `path` (RFC 4975 §6)."""

    endpoint: Endpoint
    span: Span  #: of the address and the port together, brackets included


@dataclass(frozen=True, slots=True)
class Media:
    """One stream (a line m= and what follows it)."""

    kind: bytes  #: "audio", "video", "image", "application", "message", … in lower case
    port: Port  #: number 0: the stream is not offered, is refused, or its line cannot be read
    count: int  #: of port pairs, from `port` on
    proto: bytes  #: "RTP/AVP", "UDPTL", "TCP/MSRP", … in upper case
    connection: Address | None  #: its own line c=, or that of the session
    rtcp: Rtcp | None
    rtcp_mux: bool  #: RTCP shares the port of RTP, if the answer says so as well
    path: Path | None
    setup: str  #: "active", "passive", "actpass", "holdconn"; empty: not stated
    existing: bool  #: a TCP connection stays in use (`connection:existing`)
    direction: str  #: "sendrecv", "sendonly", "recvonly" or "inactive", as seen from the author
    ice: bool  #: the author uses ICE

    @property
    def l4(self) -> str:
        """The transport: "udp", "tcp", or empty if it is another one."""
        return _TRANSPORTS.get(self.proto.partition(b"/")[0], "")

    @property
    def rtp(self) -> bool:
        """Whether the stream is RTP, so that RTCP goes with it."""
        return b"RTP" in self.proto.split(b"/")


@dataclass(frozen=True, slots=True)
class Description:
    """A session description."""

    origin: Address | None  #: of the line o=
    connection: Address | None  #: of the session's line c=
    media: tuple[Media, ...]
    addresses: tuple[Address, ...]  #: all of o=, c= and a=rtcp, in the order of the text

    @property
    def ice(self) -> bool:
        """Whether the author uses ICE for any stream."""
        return any(media.ice for media in self.media)


def parse(data: bytes, begin: int = 0, end: int | None = None) -> Description:
    """Parse the description in data[begin:end]; positions count from data[0]. Raises ParseError."""
    body = data[begin:end]
    if len(body) > MAX_SIZE:
        raise ParseError(f"a session description of more than {MAX_SIZE} bytes")
    if not _FIRST.match(body):
        raise ParseError(f"not a session description: {body[:32]!r}")
    reader = _Reader(begin)
    for line in _LINE.finditer(body):
        reader.line(line[1], line[2], line.start(2))
    return reader.description()


def encode_address(end: Endpoint) -> bytes:
    """Write an address as o=, c= and a=rtcp have it."""
    return end.host.encode()


def fit_address(end: Endpoint, size: int) -> bytes | None:
    """Write an IPv6 address with exactly `size` bytes, None if that is impossible."""
    return ip6text.of_length(end.addr, size) if end.family == 6 else None


def encode_port(end: Endpoint) -> bytes:
    """Write a port as m= and a=rtcp have it."""
    return b"%d" % end.port


def fit_port(end: Endpoint, size: int) -> bytes | None:
    """Write a port with exactly `size` digits, None if that is impossible. RFC 8866 §9 allows leading zeros."""
    digits = encode_port(end)
    return digits.zfill(size) if len(digits) <= size <= 5 else None


@dataclass(slots=True)
class _Section:
    """The session or one stream while it is read."""

    stream: tuple[bytes, Port, int, bytes] | None = None  # kind, port, count, proto
    connection: Address | None = None
    rtcp: Rtcp | None = None
    path: Path | None = None
    direction: bytes = b""
    setup: bytes = b""
    flags: set[bytes] = field(default_factory=set)
    existing: bool = False


class _Reader:
    """Collects the lines of a description. `base` is added to all positions."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._origin: Address | None = None
        self._session = _Section()
        self._section = self._session
        self._streams: list[_Section] = []
        self._addresses: list[Address] = []

    def line(self, kind: bytes, value: bytes, offset: int) -> None:
        offset += self._base
        if kind == b"a":
            self._attribute(value, offset)
        elif kind == b"m":
            self._stream(value, offset)
        elif kind == b"c":
            # a second line is allowed for multicast alone (§5.7); the first one counts
            address = self._address(_CONNECTION.match(value), offset)
            self._section.connection = self._section.connection or address
        elif kind == b"o" and not self._origin:
            self._origin = self._author(value, offset)

    def description(self) -> Description:
        session = self._session
        media = tuple(_media(session, section) for section in self._streams)
        return Description(self._origin, session.connection, media, tuple(self._addresses))

    def _stream(self, value: bytes, offset: int) -> None:
        if len(self._streams) >= MAX_MEDIA:
            raise ParseError(f"more than {MAX_MEDIA} streams")
        self._section = _Section(_read_stream(value, offset))
        self._streams.append(self._section)

    def _author(self, value: bytes, offset: int) -> Address | None:
        # user names with blanks exist, so the address is looked for at the end
        fields = value.split()
        if len(fields) < 3:
            return None
        end = len(value.rstrip())
        match = _CONNECTION.fullmatch(b" ".join(fields[-3:]))
        begin = end - len(fields[-1]) + offset
        return self._keep(match, (begin, end + offset))

    def _address(self, match: re.Match[bytes] | None, offset: int) -> Address | None:
        if not match:
            return None
        return self._keep(match, (match.start(2) + offset, match.end(2) + offset))

    def _keep(self, match: re.Match[bytes] | None, span: Span) -> Address | None:
        if not match:
            return None
        if len(self._addresses) >= MAX_ADDRESSES:
            raise ParseError(f"more than {MAX_ADDRESSES} addresses")
        address = Address(_packed(match[2], _FAMILIES[match[1]]), span)
        self._addresses.append(address)
        return address

    def _attribute(self, value: bytes, offset: int) -> None:
        name, _, text = value.partition(b":")
        name = name.strip()
        section = self._section
        if name in _DIRECTIONS:
            section.direction = name
        elif name in _ICE or name == b"rtcp-mux":
            section.flags.add(name)
        elif name == b"setup":
            section.setup = text.strip().lower()
        elif name == b"connection":
            section.existing = text.strip().lower() == b"existing"
        elif name == b"rtcp":
            section.rtcp = section.rtcp or self._rtcp(text, offset + len(value) - len(text))
        elif name == b"path":
            section.path = section.path or _read_path(text, offset + len(value) - len(text))

    def _rtcp(self, text: bytes, offset: int) -> Rtcp | None:
        begin = len(text) - len(text.lstrip())
        match = _RTCP.match(text, begin)
        if not match or int(match[1]) > 65535:
            return None
        port = Port(int(match[1]), (match.start(1) + offset, match.end(1) + offset))
        return Rtcp(port, self._address(_CONNECTION.match(text, match.end()), offset))


def _read_stream(value: bytes, offset: int) -> tuple[bytes, Port, int, bytes]:
    match = _STREAM.match(value)
    if not match:
        return b"", Port(0, (offset, offset)), 1, b""
    number, count = int(match[2]), int(match[3] or 1)
    if number > 65535 or not count:
        number = 0
    port = Port(number, (match.start(2) + offset, match.end(2) + offset))
    return match[1].lower(), port, max(count, 1), match[4].upper()


def _read_path(text: bytes, offset: int) -> Path | None:
    begin = len(text) - len(text.lstrip())
    match = _MSRP.match(text, begin)
    if not match or int(match[2]) > 65535:
        return None
    for family in 4, 6:
        addr = _packed(match[1].strip(b"[]"), family)
        if addr:
            span = (match.start(1) + offset, match.end(2) + offset)
            return Path(Endpoint(addr, int(match[2])), span)
    return None


def _packed(text: bytes, family: int) -> bytes:
    try:
        end = Endpoint.parse(text.decode("ascii"))
    except ValueError:  # UnicodeDecodeError is one
        return b""
    return end.addr if end.family == family else b""


def _media(session: _Section, section: _Section) -> Media:
    kind, port, count, proto = section.stream or (b"", Port(0, (0, 0)), 1, b"")
    return Media(
        kind=kind,
        port=port,
        count=count,
        proto=proto,
        connection=section.connection or session.connection,
        rtcp=section.rtcp,
        rtcp_mux=b"rtcp-mux" in section.flags,
        path=section.path,
        setup=(section.setup or session.setup).decode("latin-1"),
        existing=section.existing or session.existing,
        direction=(section.direction or session.direction or b"sendrecv").decode(),
        ice=bool((section.flags | session.flags) & _ICE),
    )
