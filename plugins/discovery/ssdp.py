"""SSDP beyond the search: descriptions are fetched and events come back (UPnP Device Architecture 2.0 §1 to §4).

    control point                            device
      M-SEARCH to 239.255.255.250      →
                                       ←     200 OK, LOCATION: http://device:port/…
                                       ←     NOTIFY to 239.255.255.250, the same
      connections to device:port       →                                                 description, actions
        SUBSCRIBE on one of these      →                                                 inspected by `gena.Gena`
                                       ←     events

Each step inspects the connections that the step before expected. Only NOTIFY is read unasked; it opens nothing but the
way from this link to its sender.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from fwhelpers.api import (
    Cancel,
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
from .validators.text import printable

Headers = dict[bytes, bytes]

#: seconds for which a device stays reachable; it announces itself again before that: §1.2.2
LONGEST = 3600
_DEFAULT_AGE = 1800
_MAX_AGE = re.compile(rb"(?:.*,)?\s*max-age\s*=\s*([0-9]{1,6})\s*(?:,.*)?", re.IGNORECASE)

#: §1.1.4; ports 80, 8000 and 8080 are usual for descriptions
DESCRIPTION = Policy("description", max=8, timeout=LONGEST, ports=frozenset({80, 8000, 8080}))


class Ssdp(Discovery):
    """A socket that searches, answers or announces."""

    row: ClassVar[Row]

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        if reply:
            return ()
        if self.flow.announcement:
            return self._on_announcement(data) if self.settings.get("announcements", True) else ()
        if not self._is_search(data):
            return self._on_answer(data)
        events = super().datagram(data, reply)
        if not self.settings.get("follow", True):
            return events
        return [replace(e, child=True) if isinstance(e, Expect) else e for e in events]

    def _is_search(self, data: bytes) -> bool:
        if ipaddress.ip_address(self.flow.server.addr).is_multicast:
            return True
        # Broadcast: only the engine knows the broadcast addresses of the link. A search sent to this host opens
        # nothing (G8)
        return self.flow.server.family == 4 and data.startswith(b"M-SEARCH ")

    def _on_answer(self, data: bytes) -> Iterator[Event]:
        headers = _parse(ssdp.response, data)
        return self._locate(headers, Expect(self.flow.server, self.flow.client))

    def _on_announcement(self, data: bytes) -> Iterator[Event]:
        headers = _parse(ssdp.announcement, data)
        template = Expect(self.flow.server, self.flow.client, sources=self.row.sources)
        return self._locate(headers, template)

    def _locate(self, headers: Headers | None, template: Expect) -> Iterator[Event]:
        location = headers[b"LOCATION"] if headers else b""
        if not headers or location[:8].lower() == b"https://":
            return  # https can't be inspected, and no event would be seen
        try:
            url = parse_url(location)
        except ParseError as error:
            yield Refuse("G11", str(error), self.flow.client)
            return
        expectation = replace(
            template,
            server=url.end,
            l4="tcp",
            policy=DESCRIPTION.name,
            permanent=True,  # for the description, its services and each action
            child=True,
            timeout=_max_age(headers),
            trigger=printable("LOCATION", location),
        )
        if headers.get(b"NTS") == b"ssdp:byebye":
            yield Cancel(want=expectation)
        else:
            yield expectation


class FollowedGena(Gena):
    """A connection to a device that answered on the link or announced itself there, so it is local."""

    def is_local(self) -> bool:
        return True


def _parse(check: Callable[[bytes], Headers | None], data: bytes) -> Headers | None:
    # any host on the link may send anything to the group: what is not SSDP is ignored
    try:
        return check(data)
    except ParseError:
        return None


def _max_age(headers: Headers) -> int:
    match = _MAX_AGE.fullmatch(headers.get(b"CACHE-CONTROL", b""))
    return max(1, min(decimal(match[1], 999999), LONGEST)) if match else _DEFAULT_AGE


SETTINGS = (
    Setting(
        "follow",
        True,
        "expect connections to the device that LOCATION names, and its events",
    ),
    Setting("announcements", True, "do the same for devices that announce themselves"),
)


def extended(row: Row) -> Helper:
    """Make the row's helper, extended by what follows a search."""
    helper = helper_of(row)
    parser = type("Ssdp", (Ssdp,), {"row": row})
    return replace(
        helper,
        parser={"udp": parser, "tcp": FollowedGena},
        policies=[*helper.policies, DESCRIPTION, EVENT],
        settings=SETTINGS,
        listen_for=b"NOTIFY * HTTP/1.",
        children=("udp", "tcp"),
    )
