"""Text of SIP messages that names an end of the control connection: NAT must translate it.

Via, Contact, the routes and the Request-URI lead to a host. From, To and Call-ID only name a person or a call: they
stay, as signatures (RFC 8224) and old programs compare them. A Request-URI stays too if the message has credentials,
which are computed with it (RFC 3261 §22.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from fwhelpers.api import Endpoint, Resize, Rewrite
from fwhelpers.sansio import sdp

from .message import Message
from .uris import HostPort, request_uri, uris, vias

MAX_TEXTS = 32  #: of one kind in a message

_ROUTES = (b"contact", b"record-route", b"route", b"path", b"service-route")
_CREDENTIALS = (b"authorization", b"proxy-authorization")


def head_texts(message: Message, head: bytes) -> Iterator[Rewrite]:
    """Yield the texts of a head that lead to a host."""
    if not message.status and not any(name in message.fields for name in _CREDENTIALS):
        yield from _rewrite(request_uri(head, message.uri))
    for via in islice(vias(message.fields[b"via"]), MAX_TEXTS):
        yield from _rewrite(via.host)
        yield from _rewrite(via.received)
        if via.rport_value:
            port, span = via.rport_value
            source = via.received or via.host
            if source:
                end = Endpoint(source.endpoint.addr, port)
                yield Rewrite(end, span, sdp.encode_port, sdp.fit_port)
    for name in _ROUTES:
        for uri in islice(uris(message.fields.get(name, [])), MAX_TEXTS):
            yield from _rewrite(uri.host)


def _rewrite(host: HostPort | None) -> Iterator[Rewrite]:
    if host:
        yield Rewrite(host.endpoint, host.span, host.encode, host.fit)


def body_texts(description: sdp.Description) -> Iterator[Rewrite]:
    """Yield the addresses of a session description. With ICE it stays as it is."""
    if description.ice:
        return
    for address in description.addresses:
        if any(address.addr):
            yield Rewrite(Endpoint(address.addr), address.span, sdp.encode_address, sdp.fit_address)
    for media in description.media:
        if media.path:
            bracketed = media.path.endpoint.family == 6
            host = HostPort(media.path.endpoint, media.path.span, True, bracketed)
            yield Rewrite(host.endpoint, host.span, host.encode, host.fit)


def resize(message: Message, base: int, body: sdp.Span) -> Iterator[Resize]:
    """Yield the Content-Length of a body. `base`: position of the head's byte 0 where `body` counts from."""
    if message.length is not None:
        first, last = message.length_span
        yield Resize((first + base, last + base), body)
