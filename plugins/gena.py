"""GENA: a UPnP device sends its events to the address that a control point subscribed with.

    control point                                    device
      SUBSCRIBE /events HTTP/1.1               →
      CALLBACK: <http://10.0.1.2:49200/>
                                               ←     HTTP/1.1 200 OK
                                                     SID: uuid:…   TIMEOUT: Second-1800
      10.0.1.2:49200                           ←     NOTIFY, a connection for each event

UPnP Device Architecture 2.0 §4.1. A device may send its first event before its response, and wait for that to be
taken: so the way opens with the request, as for FTP's PORT, for moments only (docs/decisions/0011-gena.md).

Each of the requests may come by a connection of its own, which ends with its response, so what was learnt from one is
kept in `Parser.memory` under the SID.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
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
from fwhelpers.sansio.http1 import Field, Head, Heads
from fwhelpers.sansio.url import UrlEndpoint, authority, fit_authority, parse_url

MAX_PENDING = 16  #: requests whose responses have not come
MAX_BULK = 1024 * 1024  #: bytes of bodies; who sends more sends music
MAX_SID = 128
LONGEST = 86400  #: seconds; an endless subscription is renewed in its own interest
_USUAL = 1800  # §4.1.2, where the device does not say
_GRACE = 60  #: an event may be under way when the subscription ends
_ANSWERED = 30  #: seconds within which a device answers: §4.1.2

_REQUEST = re.compile(rb"([A-Z-]{1,20}) \S{1,2048} HTTP/1\.[01]")
_RESPONSE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_CALLBACKS = re.compile(rb"<([^<>]*)>")
_SECONDS = re.compile(rb"Second-([0-9]+)", re.IGNORECASE)

EVENT = Policy("event", max=8, timeout=LONGEST)


class Kind(Enum):
    """What a response answers."""

    OTHER = 0
    HEAD = 1  #: a response without a body, whatever it says
    SUBSCRIBE = 2
    RENEW = 3
    UNSUBSCRIBE = 4


class Asked(NamedTuple):
    """A request that waits for its response."""

    kind: Kind
    end: Endpoint | None = None  #: to which events go
    sid: bytes = b""


class Gena(Parser):
    """A control point's connection to a device."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: deque[Asked] = deque()
        self._subscribed = False
        self._events: list[Event] = []
        self._sides = (
            Heads(self._request, endless=False),
            Heads(self._response, endless=True),
        )

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for _ in self._sides[reply].put(data):
            events, self._events = self._events, []
            yield from events
        bulk = self._sides[False].passed + self._sides[True].passed > MAX_BULK
        if bulk and not self._subscribed and not self._pending:
            yield Done("bulk")

    def boundary(self, reply: bool) -> bool:
        # requests are not stored: connections that were expected have no room for it
        return self._sides[reply].between and not self._pending

    # requests

    def _request(self, head: Head) -> bool:
        match = _REQUEST.fullmatch(head.start)
        if not match:
            raise ParseError(f"not a request: {head.start[:32]!r}")
        if len(self._pending) >= MAX_PENDING:
            raise ParseError(f"more than {MAX_PENDING} requests without a response")
        self._pending.append(self._asked(match[1], head))
        return True

    def _asked(self, method: bytes, head: Head) -> Asked:
        if method == b"SUBSCRIBE":
            return self._subscribe(head)
        if method == b"UNSUBSCRIBE":
            return self._known(Kind.UNSUBSCRIBE, head.one(b"SID"))
        return Asked(Kind.HEAD if method == b"HEAD" else Kind.OTHER)

    def _subscribe(self, head: Head) -> Asked:
        sid, callback, what = head.one(b"SID"), head.one(b"CALLBACK"), head.one(b"NT")
        if sid and not callback and not what:
            return self._known(Kind.RENEW, sid)
        # §4.1.2: both is an error, and so is another NT
        if sid or not callback or not what or what.value != b"upnp:event":
            return Asked(Kind.OTHER)
        where = self._named(callback)
        if where is None:
            return Asked(Kind.OTHER)
        self._events.append(self._asked_for(where))
        return Asked(Kind.SUBSCRIBE, where.end)

    def _named(self, callback: Field) -> UrlEndpoint | None:
        """The first URL with an address of the connection's family."""
        for match in _CALLBACKS.finditer(callback.value):
            try:
                where = parse_url(match[1])
            except ParseError:
                continue
            if where.end.family == self.flow.client.family:
                start = callback.at + match.start(1)
                return UrlEndpoint(where.end, (start + where.span[0], start + where.span[1]))
        self._events.append(Refuse("G11", "CALLBACK names no address", self.flow.client))
        return None

    def _asked_for(self, where: UrlEndpoint) -> Expect:
        return Expect(
            self.flow.server,
            where.end,
            policy=EVENT.name,
            span=where.span,
            encode=authority,
            fit=fit_authority,
            permanent=True,
            timeout=_ANSWERED,  # until the response tells more
            what="SUBSCRIBE",
        )

    def _known(self, kind: Kind, sid: Field | None) -> Asked:
        if sid is None or len(sid.value) > MAX_SID:
            return Asked(Kind.OTHER)
        port = self.memory.get(self._key(sid.value))
        if port is None:
            return Asked(Kind.OTHER)
        end = self.flow.client.at(int.from_bytes(port, "big"))
        return Asked(kind, end, sid.value)

    def _key(self, sid: bytes) -> bytes:
        return self.flow.client.addr + self.flow.server.addr + sid

    # responses

    def _response(self, head: Head) -> bool:
        match = _RESPONSE.fullmatch(head.start)
        if not match:
            raise ParseError(f"not a response: {head.start[:32]!r}")
        status = int(match[1])
        if status == 101:
            self._events.append(Done("another protocol from here on"))
            return False
        if status < 200:  # RFC 9110 §15.2: the response itself is yet to come
            return False
        if not self._pending:
            raise ParseError("a response to no request")
        asked = self._pending.popleft()
        self._answered(asked, status, head)
        return asked.kind is not Kind.HEAD and status not in (204, 304)

    def _answered(self, asked: Asked, status: int, head: Head) -> None:
        if asked.end is None:
            return
        sid = head.one(b"SID")
        name = sid.value if sid else asked.sid
        good = status == 200 and 0 < len(name) <= MAX_SID
        if asked.kind is Kind.UNSUBSCRIBE or not good:
            self.memory.pop(self._key(name), None)
            self._events.append(Cancel(want=self._open(asked.end, None)))
            return
        self._subscribed = True
        self.memory[self._key(name)] = asked.end.port.to_bytes(2, "big")
        self._events.append(self._open(asked.end, _lasts(head.one(b"TIMEOUT"))))

    def _open(self, end: Endpoint, timeout: int | None) -> Expect:
        return Expect(
            self.flow.server,
            end,
            policy=EVENT.name,
            permanent=True,
            confirms_peer=True,
            keep_after_master=True,
            timeout=timeout,
            what="events",
        )


def _lasts(timeout: Field | None) -> int:
    if timeout is None:
        return _USUAL + _GRACE
    match = _SECONDS.fullmatch(timeout.value)
    if not match or len(match[1]) > len(str(LONGEST)):
        return LONGEST
    return min(decimal(match[1], 999999) + _GRACE, LONGEST)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Devices at ports that are known beforehand; those that SSDP finds are ssdp's own."""
    return [
        Helper(
            "gena",
            "tcp",
            # Sonos; what libupnp and others take first
            ports=[1400, 49152, 49153, 49154],
            parser=Gena,
            policies=[EVENT],
            spec="UPnP Device Architecture 2.0 §4",
            doc="events of UPnP devices at fixed ports",
            same_worker_per_client=True,
        )
    ]
