"""Discovery protocols as rows of a table: a request goes to a group or to everybody, answers come from whoever has one.

    asker:port → group or broadcast:row port     signature, validator
    anybody on the link:reply port → asker:port  for `window` seconds

A row says what a request looks like and what may come back; each row is a helper of its own, by name. The engine adds
what is the same for all: the request must leave (one that arrives opens nothing), the answers go to the very socket
that asked, and only hosts on the link may send them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from fwhelpers.api import DatagramParser, Event, Expect, Helper, ParseError, Policy, Refuse

#: expectations of one asking socket: one for each network on the link and each announced port
MAX_OPEN = 8

#: no request is longer: what is, is something else
MAX_SIZE = 9000

SAME, ANY = "same", "any"


class Question(Protocol):
    """What a validator found in a request."""

    @property
    def window(self) -> int | None:
        """Seconds during which answers may come; None: as the row says."""

    @property
    def port(self) -> int | None:
        """The port that the request names for what comes back; None: the one that it left by."""

    @property
    def what(self) -> str:
        """For people."""


#: payload and source port in; None: a valid message to which no answers come. Raises ParseError
Validator = Callable[[bytes, int], Question | None]


@dataclass(frozen=True, slots=True)
class Match:
    """Bytes that must stand at an offset: one of `values`; where there is a mask, as far as it says."""

    at: int
    values: tuple[bytes, ...]
    mask: bytes = b""  #: as long as each of the values; empty: all bits count

    def fits(self, data: bytes) -> bool:
        """Does the datagram have them?"""
        if not self.mask:
            return data.startswith(self.values, self.at)
        found = data[self.at : self.at + len(self.mask)]
        return bytes(a & b for a, b in zip(found, self.mask, strict=False)) in self.values


@dataclass(frozen=True, slots=True)
class Row:
    """A discovery protocol."""

    name: str
    ports: tuple[int, ...]  #: to which requests go
    groups: tuple[str, ...] = ()  #: multicast groups, or prefixes of groups
    broadcast: bool = False
    signature: tuple[Match, ...] = ()  #: all must fit
    size: tuple[int, int] = (1, MAX_SIZE)  #: bytes of a request
    source_ports: tuple[int, ...] = ()  #: from which requests leave; empty: any
    reply_port: int | str = (
        SAME  #: source port of answers: a number, that of the request's destination, any
    )
    window: int = 5  #: seconds during which answers may come, where the request does not say
    longest: int = 0  #: the most that a request may say; 0: the window
    sources: str = "on-link"  #: or "link-local"
    #: what the request announces instead: TCP connections to these ports of the asker (lowest, highest)
    announces: tuple[int, int] | None = None
    validator: Validator | None = None
    spec: str = ""
    doc: str = ""

    @property
    def families(self) -> tuple[int, ...]:
        """Those of its groups; broadcast is IPv4's."""
        found = {ipaddress.ip_network(group).version for group in self.groups}
        return tuple(sorted(found | ({4} if self.broadcast else set())))

    def recognises(self, data: bytes, source_port: int) -> bool:
        """Is it a request, as far as its signature tells?"""
        low, high = self.size
        return (
            low <= len(data) <= high
            and (not self.source_ports or source_port in self.source_ports)
            and all(match.fits(data) for match in self.signature)
        )


class Discovery(DatagramParser):
    """Requests of one socket. Keeps nothing: each request speaks for itself."""

    row: ClassVar[Row]

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        asker = self.flow.client
        if reply or not self.row.recognises(data, asker.port):
            return ()
        try:
            asked = self.row.validator(data, asker.port) if self.row.validator else _PLAIN
        except ParseError as error:
            # the socket may well speak the protocol with its next datagram: one bad one opens nothing, no more
            return (Refuse("G11", str(error), asker),)
        return () if asked is None else self._answers(asked)

    def _answers(self, asked: Question) -> Iterable[Event]:
        row, asker = self.row, self.flow.client
        port = asked.port if asked.port is not None else asker.port
        sport = self.flow.server.port if row.reply_port == SAME else row.reply_port
        if row.announces:
            if asked.port is None:
                return
            low, high = row.announces
            if not low <= port <= high:
                yield Refuse("G6", f"port {port} is not among {low}–{high}", asker.at(port))
                return
            sport = ANY
        yield Expect(
            self.flow.server,
            asker.at(port),
            l4="tcp" if row.announces else "udp",
            sport=sport if isinstance(sport, int) else None,
            permanent=True,  # nobody knows how many will answer
            timeout=asked.window or row.window,
            sources=row.sources,
            what=asked.what or row.name,
        )


@dataclass(frozen=True, slots=True)
class _Plain:
    """What is asked where no validator looked."""

    window: int | None = None
    port: int | None = None
    what: str = ""


_PLAIN = _Plain()


def helper_of(row: Row) -> Helper:
    """The helper of a row."""
    timeout = max(row.window, row.longest)
    return Helper(
        row.name,
        "udp",
        ports=row.ports,
        parser=type(f"Discovery-{row.name}", (Discovery,), {"row": row}),
        policies=[Policy("answer", max=MAX_OPEN, timeout=timeout)],
        families=row.families,
        spec=row.spec,
        doc=row.doc,
        extra={"row": row},
        outgoing=True,
        groups=row.groups,
        broadcast=row.broadcast,
    )


def with_rows(helpers: Mapping[str, Helper], rows: Iterable[Row]) -> dict[str, Helper]:
    """The helpers, and those of rows whose names are not taken."""
    found = dict(helpers)
    for row in rows:
        if not taken(row, found):
            found[row.name] = helper_of(row)
    return found


def taken(row: Row, helpers: Mapping[str, Helper]) -> bool:
    """Has another helper the row's name, or the name under which the kernel would know it?"""
    name = helper_of(row).kernel_name
    return any(
        helper.extra.get("row") != row and (helper.name == row.name or helper.kernel_name == name)
        for helper in helpers.values()
    )
