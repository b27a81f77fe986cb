"""GENA: a UPnP device sends events to the address with which a control point subscribed.

    control point                                    device
      SUBSCRIBE /events HTTP/1.1               →
      CALLBACK: <http://10.0.1.2:49200/>
                                               ←     HTTP/1.1 200 OK
                                                     SID: uuid:…   TIMEOUT: Second-1800
      10.0.1.2:49200                           ←     NOTIFY, one connection per event

UPnP Device Architecture 2.0 §4.1. A device may send its first event before its response, and wait until the event is
accepted. The expectation is therefore created with the request, as for FTP's PORT, but only for some seconds
(docs/decisions/0011-gena.md).

Each request may use a connection of its own, which ends with its response. Subscriptions are therefore stored in
`Parser.memory` by SID.

A subscription is a local affair: the device must have a private or link-local address, be on one link with the control
point, or lie in the helper's `destinations`, and requests of web browsers are refused
(docs/decisions/0080-gena-local-devices.md).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from fwhelpers.api import (
    Cancel,
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    hookimpl,
)
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.http1 import Field, Head, HeadReader
from fwhelpers.sansio.url import UrlEndpoint, authority, fit_authority, parse_url

MAX_PENDING = 16  #: requests without a response
MAX_BULK = 1024 * 1024  #: bytes of bodies; more are music or films, not events
MAX_SID = 128
#: seconds. Subscriptions that last longer must be renewed to keep their events
LONGEST = 7200
LOWEST_PORT = 1024
_DEFAULT_TIMEOUT = 1800  #: seconds, §4.1.2
_GRACE = 60  #: seconds; an event may be under way when the subscription ends
_RESPONSE_TIME = 30  #: seconds within which a device must respond, §4.1.2

_REQUEST = re.compile(rb"([A-Z-]{1,20}) \S{1,2048} HTTP/1\.[01]")
_RESPONSE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_CALLBACKS = re.compile(rb"<([^<>]*)>")
_SECONDS = re.compile(rb"Second-([0-9]+)", re.IGNORECASE)

#: header fields that browsers add to what a page sends and that no control point needs (Fetch §2.2.2, RFC 6265)
_BROWSER_FIELDS = frozenset([b"ORIGIN", b"REFERER", b"COOKIE", b"COOKIE2"])
_BROWSER_PREFIXES = (b"SEC-", b"ACCESS-CONTROL-")

#: private use, shared, link-local and unique local addresses: RFC 1918, 6598, 3927, 4193, 4291
_LOCAL = tuple(
    map(
        ip_network,
        [
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
            *("fc00::/7", "fe80::/10"),
        ],
    )
)

EVENT = Policy("event", max=8, timeout=LONGEST)


class Kind(Enum):
    """Kind of a request."""

    OTHER = 0
    HEAD = 1  #: the response has no body, whatever its header states
    SUBSCRIBE = 2
    RENEW = 3
    UNSUBSCRIBE = 4


class Request(NamedTuple):
    """A request without a response yet."""

    kind: Kind
    callback: Endpoint | None = None
    sid: bytes = b""


class Gena(Parser):
    """A control point's connection to a device."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: deque[Request] = deque()
        self._subscribed = False
        self._events: list[Event] = []
        self._readers = (
            HeadReader(self._on_request, until_close=False),
            HeadReader(self._on_response, until_close=True),
        )

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for _ in self._readers[reply].feed(data):
            events, self._events = self._events, []
            for event in events:
                yield event
                if isinstance(event, Done):
                    return
        bulk = sum(reader.body_bytes for reader in self._readers) > MAX_BULK
        if bulk and not self._subscribed and not self._pending:
            yield Done("bulk transfer")

    @property
    def buffered(self) -> int:
        return sum(reader.buffered for reader in self._readers)

    def boundary(self, reply: bool) -> bool:
        # requests are not stored: expected connections have no room for them in their conntrack entry
        return self._readers[reply].between and not self._pending

    def is_local(self) -> bool:
        """Return whether the device may send events: it is on this site or in the configuration."""
        if self.flow.on_link:
            return True
        address = ip_address(self.flow.server.addr)
        networks = (*_LOCAL, *self.settings.get("destinations", ()))
        return any(address in network for network in networks)

    # requests

    def _on_request(self, head: Head) -> bool:
        match = _REQUEST.fullmatch(head.start)
        if not match:
            raise ParseError(f"not a request: {head.start[:32]!r}")
        if len(self._pending) >= MAX_PENDING:
            raise ParseError(f"more than {MAX_PENDING} requests without a response")
        browser_field = next((field.name for field in head.fields if _is_of_browser(field)), None)
        if browser_field:
            self._give_up(match[1], "G2", f"browser request ({browser_field.decode().title()})")
        elif match[1] == b"SUBSCRIBE" and not self.is_local():
            self._give_up(match[1], "G8", f"{self.flow.server.host} is no local device")
        else:
            self._pending.append(self._parse_request(match[1], head))
        return True

    def _give_up(self, method: bytes, rule: str, reason: str) -> None:
        if method == b"SUBSCRIBE":
            self._events.append(Refuse(rule, reason, self.flow.client))
        self._events.append(Done(reason))

    def _parse_request(self, method: bytes, head: Head) -> Request:
        if method == b"SUBSCRIBE":
            return self._parse_subscribe(head)
        if method == b"UNSUBSCRIBE":
            return self._known_subscription(Kind.UNSUBSCRIBE, head.field(b"SID"))
        return Request(Kind.HEAD if method == b"HEAD" else Kind.OTHER)

    def _parse_subscribe(self, head: Head) -> Request:
        sid, callback = head.field(b"SID"), head.field(b"CALLBACK")
        notification = head.field(b"NT")
        if sid and not callback and not notification:
            return self._known_subscription(Kind.RENEW, sid)
        # §4.1.2: SID together with CALLBACK is an error, and so is another NT
        if sid or not callback or not notification or notification.value != b"upnp:event":
            return Request(Kind.OTHER)
        url = self._callback_url(callback)
        if url is None:
            return Request(Kind.OTHER)
        self._events.append(
            Expect(
                self.flow.server,
                url.end,
                policy=EVENT.name,
                span=url.span,
                encode=authority,
                fit=fit_authority,
                permanent=True,
                keep_after_master=True,  # other subscriptions with this callback may outlive this one
                timeout=_RESPONSE_TIME,
                trigger="SUBSCRIBE",
            )
        )
        return Request(Kind.SUBSCRIBE, url.end)

    def _callback_url(self, callback: Field) -> UrlEndpoint | None:
        """Return the first URL with an address of the connection's family."""
        for match in _CALLBACKS.finditer(callback.value):
            try:
                url = parse_url(match[1])
            except ParseError:
                continue
            if url.end.family == self.flow.client.family:
                start = callback.offset + match.start(1)
                return UrlEndpoint(url.end, (start + url.span[0], start + url.span[1]))
        self._events.append(Refuse("G11", "CALLBACK names no address", self.flow.client))
        return None

    def _known_subscription(self, kind: Kind, sid: Field | None) -> Request:
        if sid is None or len(sid.value) > MAX_SID:
            return Request(Kind.OTHER)
        port = self.memory.get(self._key(sid.value))
        if port is None:
            return Request(Kind.OTHER)
        callback = self.flow.client.at(int.from_bytes(port, "big"))
        return Request(kind, callback, sid.value)

    def _has_subscription(self, callback: Endpoint) -> bool:
        """Return whether another subscription at the device has this callback."""
        prefix, port = self._key(b""), callback.port.to_bytes(2, "big")
        return any(value == port and key.startswith(prefix) for key, value in self.memory.items())

    def _key(self, sid: bytes) -> bytes:
        return self.flow.client.addr + self.flow.server.addr + sid

    # responses

    def _on_response(self, head: Head) -> bool:
        match = _RESPONSE.fullmatch(head.start)
        if not match:
            raise ParseError(f"not a response: {head.start[:32]!r}")
        status = int(match[1])
        if status == 101:
            self._events.append(Done("switches to another protocol"))
            return False
        if status < 200:  # RFC 9110 §15.2: the final response follows
            return False
        if not self._pending:
            raise ParseError("a response without a request")
        request = self._pending.popleft()
        if request.callback is not None:
            self._answer(request, request.callback, status, head)
        return request.kind is not Kind.HEAD and status not in (204, 304)

    def _answer(self, request: Request, callback: Endpoint, status: int, head: Head) -> None:
        field = head.field(b"SID")
        sid = field.value if field else request.sid
        accepted = status == 200 and 0 < len(sid) <= MAX_SID
        if request.kind is Kind.UNSUBSCRIBE or not accepted:
            self.memory.pop(self._key(sid), None)
            if not self._has_subscription(callback):  # several may have one callback
                self._events.append(Cancel(want=self._expect_events(callback, None)))
            return
        self._subscribed = True
        # renewals open the subscriber's own port only; what the guard refuses anyway is not worth the room
        if callback.addr == self.flow.client.addr and callback.port >= LOWEST_PORT:
            self.memory[self._key(sid)] = callback.port.to_bytes(2, "big")
        timeout = _lifetime(head.field(b"TIMEOUT"))
        self._events.append(self._expect_events(callback, timeout))

    def _expect_events(self, callback: Endpoint, timeout: int | None) -> Expect:
        return Expect(
            self.flow.server,
            callback,
            policy=EVENT.name,
            permanent=True,
            confirms_peer=True,
            keep_after_master=True,
            timeout=timeout,
            trigger="events",
        )


def _is_of_browser(field: Field) -> bool:
    return field.name in _BROWSER_FIELDS or field.name.startswith(_BROWSER_PREFIXES)


def _lifetime(timeout: Field | None) -> int:
    if timeout is None:
        return _DEFAULT_TIMEOUT + _GRACE
    match = _SECONDS.fullmatch(timeout.value)
    if not match or len(match[1]) > len(str(LONGEST)):
        return LONGEST
    return min(decimal(match[1], 9999) + _GRACE, LONGEST)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Return the helper for devices at fixed ports; `ssdp` follows the devices that it finds by itself."""
    return [
        Helper(
            "gena",
            "tcp",
            # Sonos; the first ports that libupnp and others take
            ports=[1400, 49152, 49153, 49154],
            parser=Gena,
            policies=[EVENT],
            spec="UPnP Device Architecture 2.0 §4",
            doc="events of UPnP devices at fixed ports",
            client_announces=True,
        )
    ]
