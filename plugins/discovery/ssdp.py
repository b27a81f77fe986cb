"""SSDP beyond the search: what was found is fetched, and its events come (UPnP Device Architecture 2.0 §1 to §4).

    control point                            device
      M-SEARCH to 239.255.255.250      →
                                       ←     200 OK, LOCATION: http://device:port/…     `Answers`
                                       ←     NOTIFY to 239.255.255.250, the same         `Answers`
      connections to device:port       →                                                 description, actions
        SUBSCRIBE by one of these      →                                                 `gena.Gena`
                                       ←     events

Each step inspects the connections that the one before it expected; nothing is looked at that nobody asked for, except
for NOTIFY, which opens nothing but this host's way to whoever sent it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from fwhelpers.api import (
    Cancel,
    Endpoint,
    Event,
    Expect,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Setting,
)
from fwhelpers.discovery import Discovery, Row, helper_of
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.url import parse_url

from ..gena import EVENT, Gena
from .validators import ssdp
from .validators.query import shown

Headers = dict[bytes, bytes]

#: seconds for which a device stays reachable; it announces itself again before: §1.2.2
LONGEST = 3600
_USUAL = 1800
_MAX_AGE = re.compile(rb"(?:.*,)?\s*max-age\s*=\s*([0-9]{1,6})\s*(?:,.*)?", re.IGNORECASE)

#: §1.1.4 and devices as they are: 80 and its neighbours are usual for descriptions
DESCRIPTION = Policy("description", max=8, timeout=LONGEST, ports=frozenset({80, 8000, 8080}))


class Ssdp(Discovery):
    """A socket that searches, one that answers, or one that announces."""

    row: ClassVar[Row]

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        if reply:
            return ()
        if self.flow.announcement:
            return self._announced(data) if self.settings.get("announcements", True) else ()
        if not _group(self.flow.server):
            return self._answered(data)
        events = super().datagram(data, reply)
        if not self.settings.get("follow", True):
            return events
        return [replace(e, child=True) if isinstance(e, Expect) else e for e in events]

    def _answered(self, data: bytes) -> Iterator[Event]:
        # what the asker opens is told by its address alone
        return self._located(_read(ssdp.response, data), Expect(self.flow.server, self.flow.client))

    def _announced(self, data: bytes) -> Iterator[Event]:
        anybody = Expect(self.flow.server, self.flow.client, sources=self.row.sources)
        return self._located(_read(ssdp.announcement, data), anybody)

    def _located(self, headers: Headers | None, opener: Expect) -> Iterator[Event]:
        location = headers[b"LOCATION"] if headers else b""
        if not headers or location[:8].lower() == b"https://":
            return  # of https nothing could be read, and who may connect to it needs no helper for that
        try:
            where = parse_url(location)
        except ParseError as error:
            yield Refuse("G11", str(error), self.flow.client)
            return
        want = replace(
            opener,
            server=where.end,
            l4="tcp",
            policy=DESCRIPTION.name,
            permanent=True,  # the description, its services, each action
            child=True,
            timeout=_lasts(headers),
            what=shown("LOCATION", location),
        )
        if headers.get(b"NTS") == b"ssdp:byebye":
            yield Cancel(want=want)
        else:
            yield want


def _read(check: Callable[[bytes], Headers | None], data: bytes) -> Headers | None:
    # anybody on the link may send anything there: what is no SSDP announces nothing, and is passed over
    try:
        return check(data)
    except ParseError:
        return None


def _group(end: Endpoint) -> bool:
    return ipaddress.ip_address(end.addr).is_multicast


def _lasts(headers: Headers) -> int:
    match = _MAX_AGE.fullmatch(headers.get(b"CACHE-CONTROL", b""))
    return max(1, min(decimal(match[1], 999999), LONGEST)) if match else _USUAL


SETTINGS = (
    Setting(
        "follow",
        True,
        "answers open the way to the device that LOCATION names, and its events the way back",
    ),
    Setting("announcements", True, "what devices announce by themselves does so too"),
)


def extended(row: Row) -> Helper:
    """The row's helper, with all that follows a search."""
    plain = helper_of(row)
    parser = type("Ssdp", (Ssdp,), {"row": row})
    return replace(
        plain,
        parser={"udp": parser, "tcp": Gena},
        policies=[*plain.policies, DESCRIPTION, EVENT],
        settings=SETTINGS,
        listen_for=b"NOTIFY * HTTP/1.",
        children=("udp", "tcp"),
    )
