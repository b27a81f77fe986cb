"""Discovery protocols as rows of a table: a request goes to a group or broadcast address, any host may answer.

    asker:port → group or broadcast:row port     signature, validator
    any host on the link:reply port → asker:port for `window` seconds

A row describes the request and its answers; each row is a helper of its own. The engine adds the rules common to all
rows: only requests that leave this host count, answers go to the socket of the request, and only hosts on the link may
send them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fwhelpers.api import DatagramParser, Event, Expect, Helper, ParseError, Policy, Refuse

#: expectations of one asking socket: one for each network on the link and each announced port
MAX_EXPECTATIONS = 8

#: bytes; longer requests are another protocol
MAX_SIZE = 9000

SAME, ANY = "same", "any"


@dataclass(frozen=True, slots=True)
class Query:
    """A request as a validator read it."""

    window: int | None = None  #: seconds during which answers may come; None: the row's window
    #: port of the asker to which answers or connections go; None: the port that sent the request
    port: int | None = None
    summary: str = ""  #: for logs: "M-SEARCH upnp:rootdevice"


#: takes payload and source port; returns None for a valid message without answers. Raises ParseError
Validator = Callable[[bytes, int], Query | None]


@dataclass(frozen=True, slots=True)
class Match:
    """Bytes at an offset that must equal one of `values`, in the bits that `mask` sets."""

    offset: int
    values: tuple[bytes, ...]
    mask: bytes = b""  #: as long as each value; empty: all bits

    def matches(self, data: bytes) -> bool:
        if not self.mask:
            return data.startswith(self.values, self.offset)
        masked = data[self.offset : self.offset + len(self.mask)]
        return bytes(a & b for a, b in zip(masked, self.mask, strict=False)) in self.values


@dataclass(frozen=True, slots=True)
class Row:
    """A discovery protocol."""

    name: str
    ports: tuple[int, ...]  #: destination ports of requests
    groups: tuple[str, ...] = ()  #: multicast groups, or prefixes of groups
    broadcast: bool = False
    unicast: bool = False  #: requests may also go to one host, which alone may answer
    signature: tuple[Match, ...] = ()  #: all must match
    size: tuple[int, int] = (1, MAX_SIZE)  #: bytes of a request
    source_ports: tuple[int, ...] = ()  #: source ports of requests; empty: any
    #: source port of answers: a number, the destination port of the request, or any
    reply_port: int | str = SAME
    answer_port: int | None = (
        None  #: destination port of answers; None: the port that sent the request
    )
    window: int = 5  #: seconds during which answers may come, unless the request says otherwise
    longest: int = 0  #: longest window that a request may ask for; 0: `window`
    sources: str = "on-link"  #: or "link-local"
    #: the request announces TCP connections to these ports of the asker instead (lowest, highest)
    announces: tuple[int, int] | None = None
    validator: Validator | None = None
    spec: str = ""
    doc: str = ""

    @property
    def families(self) -> tuple[int, ...]:
        """The address families of the groups; broadcast is IPv4."""
        versions = {ipaddress.ip_network(group).version for group in self.groups}
        return tuple(sorted(versions | ({4} if self.broadcast else set())))

    def matches(self, data: bytes, source_port: int) -> bool:
        """Return whether the datagram fits size, source port and signature."""
        low, high = self.size
        return (
            low <= len(data) <= high
            and (not self.source_ports or source_port in self.source_ports)
            and all(match.matches(data) for match in self.signature)
        )


class Discovery(DatagramParser):
    """Requests of one socket. Stateless: each request stands for itself."""

    row: ClassVar[Row]

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        asker = self.flow.client
        if reply or not self.row.matches(data, asker.port):
            return ()
        try:
            query = self.row.validator(data, asker.port) if self.row.validator else Query()
        except ParseError as error:
            # the socket may speak the protocol in its next datagram, so the flow is not given up
            return (Refuse("G11", str(error), asker),)
        return () if query is None else self._answers(query)

    def _answers(self, query: Query) -> Iterable[Event]:
        row, asker = self.row, self.flow.client
        port = row.answer_port or asker.port if query.port is None else query.port
        sport = self.flow.server.port if row.reply_port == SAME else row.reply_port
        if row.announces:
            if query.port is None:
                return
            low, high = row.announces
            if not low <= port <= high:
                yield Refuse("G6", f"port {port} is not between {low} and {high}", asker.at(port))
                return
            sport = ANY
        yield Expect(
            self.flow.server,
            asker.at(port),
            l4="tcp" if row.announces else "udp",
            sport=sport if isinstance(sport, int) else None,
            permanent=True,  # the number of answers is unknown
            timeout=query.window or row.window,
            sources=row.sources,
            trigger=query.summary or row.name,
        )


def helper_of(row: Row) -> Helper:
    """Make the helper of a row."""
    timeout = max(row.window, row.longest)
    return Helper(
        row.name,
        "udp",
        ports=row.ports,
        parser=type(f"Discovery-{row.name}", (Discovery,), {"row": row}),
        policies=[Policy("answer", max=MAX_EXPECTATIONS, timeout=timeout)],
        families=row.families,
        spec=row.spec,
        doc=row.doc,
        extra={"row": row},
        outgoing=True,
        groups=row.groups,
        broadcast=row.broadcast,
        unicast=row.unicast,
    )


def with_rows(helpers: Mapping[str, Helper], rows: Iterable[Row]) -> dict[str, Helper]:
    """Add the helpers of those rows whose names are free."""
    merged = dict(helpers)
    for row in rows:
        if not taken(row, merged):
            merged[row.name] = helper_of(row)
    return merged


def taken(row: Row, helpers: Mapping[str, Helper]) -> bool:
    """Return whether another helper has the row's name or kernel name."""
    name = helper_of(row).kernel_name
    return any(
        helper.extra.get("row") != row and (helper.name == row.name or helper.kernel_name == name)
        for helper in helpers.values()
    )
