"""Addresses in the header fields of SIP: Via (RFC 3261 §20.42, RFC 3581) and SIP URIs (§19.1, §25.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fwhelpers.api import Endpoint
from fwhelpers.sansio import ip6text

from .message import Field, Span

PORT = 5060  #: that a URI or a Via without one means (§18.1.1)

_HOST = rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.\-]+)"
_VIA = re.compile(
    rb"SIP */ *2\.0 */ *([A-Za-z]+) +" + _HOST + rb"(?: *: *([0-9]{1,5}))?([^,]*)", re.IGNORECASE
)
_RECEIVED = re.compile(rb"; *received *= *(\[?[0-9A-Fa-f:.]+\]?)", re.IGNORECASE)
_RPORT = re.compile(rb"; *rport(?: *= *([0-9]{1,5}))?(?![0-9a-z=])", re.IGNORECASE)
#: in angle brackets a comma, semicolon or question mark belongs to the user part, otherwise it ends the URI (§20.10)
_BRACKETED = re.compile(
    rb"< *(sips?):(?:([^@<>\" ]*)@)?" + _HOST + rb"(?::([0-9]{1,5}))?([^<>]*)(?:>([^,<]*))?",
    re.IGNORECASE,
)
_BARE = re.compile(
    rb"(?:^|,) *(sips?):(?:([^@<>\" ,;?]*)@)?" + _HOST + rb"(?::([0-9]{1,5}))?()([^,<]*)",
    re.IGNORECASE,
)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.?)*(?:"|$)')
_TRANSPORT = re.compile(rb"; *transport *= *([a-z0-9\-]+)", re.IGNORECASE)
_EXPIRES = re.compile(rb"; *expires *= *\"?([0-9]{1,10})", re.IGNORECASE)


class HostPort(NamedTuple):
    """A numeric address with or without a port."""

    endpoint: Endpoint  #: the port is the default one if the text has none
    span: Span
    explicit: bool  #: the text has a port
    brackets: bool  #: an IPv6 address is in brackets, as everywhere but in the parameter `received`

    def encode(self, end: Endpoint) -> bytes:
        """Write another endpoint in the same form."""
        return self._host(end.host.encode()) + self._port(end)

    def fit(self, end: Endpoint, size: int) -> bytes | None:
        """Write another IPv6 endpoint with exactly `size` bytes, None if that is impossible."""
        if end.family != 6:
            return None
        port = self._port(end)
        host = ip6text.of_length(end.addr, size - len(port) - 2 * self.brackets)
        return None if host is None else self._host(host) + port

    def _host(self, host: bytes) -> bytes:
        return b"[" + host + b"]" if self.brackets else host

    def _port(self, end: Endpoint) -> bytes:
        return b":%d" % end.port if self.explicit or end.port != self.endpoint.port else b""


class Via(NamedTuple):
    """One Via: where a response to the sender goes."""

    transport: bytes  #: "UDP", "TCP", … in upper case
    host: HostPort | None  #: None: a host name
    port: int  #: sent-by's
    rport: bool  #: the response goes to the request's source port (RFC 3581)
    received: HostPort | None  #: the address from which the request came; the port is 0
    rport_value: tuple[int, Span] | None


class Uri(NamedTuple):
    """A SIP URI of a header field."""

    host: HostPort | None  #: None: a host name
    transport: bytes  #: in lower case; empty: not stated
    secure: bool  #: sips
    expires: int | None  #: parameter of a Contact


def vias(fields: list[Field]) -> Iterator[Via]:
    """Yield the Vias, the topmost first."""
    for field in fields:
        for match in _VIA.finditer(field.value):
            yield _via(match, field.offset)


def uris(fields: list[Field]) -> Iterator[Uri]:
    """Yield the SIP URIs of Contact, Route and their like."""
    for value, offset in fields:
        text = _without_quoted(value)
        pattern = _BRACKETED if b"<" in text else _BARE
        for match in pattern.finditer(text):
            yield _uri(match, offset)


def request_uri(head: bytes, span: Span) -> HostPort | None:
    """Return the address in a Request-URI, None if it has none."""
    match = _BARE.match(head[slice(*span)].replace(b",", b"%"))
    return _host_port(match, 3, span[0]) if match else None


def _uri(match: re.Match[bytes], offset: int) -> Uri:
    of_uri, of_field = match[5], match[6] or b""
    transport, expires = _TRANSPORT.search(of_uri + of_field), _EXPIRES.search(of_field)
    return Uri(
        host=_host_port(match, 3, offset),
        transport=transport[1].lower() if transport else b"",
        secure=match[1].lower() == b"sips",
        expires=int(expires[1]) if expires else None,
    )


def _via(match: re.Match[bytes], offset: int) -> Via:
    parameters, base = match[4], offset + match.start(4)
    rport = _RPORT.search(parameters)
    value = None
    if rport and rport[1] is not None and int(rport[1]) < 65536:
        value = int(rport[1]), (base + rport.start(1), base + rport.end(1))
    return Via(
        transport=match[1].upper(),
        host=_host_port(match, 2, offset),
        port=int(match[3] or PORT),
        rport=rport is not None,
        received=_received(_RECEIVED.search(parameters), base),
        rport_value=value,
    )


def _received(match: re.Match[bytes] | None, base: int) -> HostPort | None:
    endpoint = _endpoint(match[1], 0) if match else None
    if match is None or endpoint is None:
        return None
    span = (base + match.start(1), base + match.end(1))
    return HostPort(endpoint, span, False, match[1].startswith(b"["))


def _host_port(match: re.Match[bytes], host: int, offset: int) -> HostPort | None:
    """Return the address in the groups `host` and the one after it."""
    port = match[host + 1]
    endpoint = _endpoint(match[host], int(port or PORT))
    if endpoint is None:
        return None
    end = match.end(host + 1) if port else match.end(host)
    span = (offset + match.start(host), offset + end)
    return HostPort(endpoint, span, port is not None, match[host].startswith(b"["))


def _endpoint(host: bytes, port: int) -> Endpoint | None:
    try:
        return Endpoint.parse(host.strip(b"[]").decode("ascii"), port) if port < 65536 else None
    except ValueError:
        return None


def _without_quoted(value: bytes) -> bytes:
    """Return the value with quoted display names replaced: what they hold is no URI."""
    return _QUOTED.sub(lambda match: b"q" * len(match[0]), value) if b'"' in value else value
