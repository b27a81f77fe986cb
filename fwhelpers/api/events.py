"""Control connections, and the events that parsers yield."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class ParseError(Exception):
    """The bytes do not belong to the protocol. The flow is not parsed any further; its packets pass."""


class Endpoint(NamedTuple):
    """An address and a port."""

    addr: bytes  #: packed, 4 or 16 bytes
    port: int = 0  #: 0 if there is none

    @classmethod
    def parse(cls, host: str, port: int = 0) -> Endpoint:
        """Parse a textual IPv4 or IPv6 address. Raises ValueError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return cls(socket.inet_pton(family, host), port)
        except OSError:
            raise ValueError(f"not an address: {host!r}") from None

    def at(self, port: int) -> Endpoint:
        """Return the same host with another port."""
        return Endpoint(self.addr, port)

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self.addr) == 4 else 6

    @property
    def host(self) -> str:
        """The address as text, in the canonical form of RFC 5952."""
        return socket.inet_ntop(
            socket.AF_INET if len(self.addr) == 4 else socket.AF_INET6, self.addr
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if len(self.addr) == 4 else f"[{self.host}]:{self.port}"


# A `Flow` is created for each connection and an `Expect` for each announcement, and a frozen dataclass of many fields
# takes five times as long to create. They must not be changed all the same, as they are compared and kept


@dataclass(slots=True, unsafe_hash=True)
class Flow:
    """A control connection (the master of the expectations), with the addresses that its two ends use themselves."""

    l4: str  #: "tcp" or "udp"
    client: Endpoint  #: the end that sent the first packet, before SNAT
    server: Endpoint  #: the other end, after DNAT
    #: an announcement to a multicast group that this host received (`Helper.listen_for`)
    announcement: bool = False
    #: both ends have addresses of one on-link prefix, at the interface between them
    on_link: bool = False


@dataclass(slots=True, unsafe_hash=True)
class Expect:
    """A connection that the control traffic announces, from `client` to `server`.

    Both endpoints are given as the two ends use them. Behind NAT the core finds the translated tuple. If `span` locates
    the endpoint in the bytes, the core also replaces it there with `encode`. Messages that carry no endpoint have no
    `span`.
    """

    client: Endpoint  #: the end that opens the connection; its port is ignored, see `sport`
    server: Endpoint  #: the destination
    #: "tcp", "udp" or "esp"; default: the control connection's. ESP has no ports: both endpoints have port 0, and are
    #: the two ends of the control connection, without translation
    l4: str = ""
    policy: str = ""  #: name of one of the helper's policies; default: the first
    span: tuple[int, int] | None = None  #: begin and end of the endpoint in the bytes
    encode: Callable[[Endpoint], bytes] | None = None  #: writes another endpoint in the same form
    #: like `encode`, with exactly that many bytes, or None if that is impossible. The core prefers it to a change of
    #: length, which the kernel handles badly, for IPv6 not at all
    fit: Callable[[Endpoint, int], bytes | None] | None = None
    #: Consecutive ports from the server's on, as RTP and RTCP have, at most MAX_COUNT. All of them are opened, or none;
    #: `span` names the first, and NAT keeps them consecutive
    count: int = 1
    sport: int | None = None  #: source port of the expected connection; None: any
    #: the bits of `sport` that must match: 0xFE00 with 512 are the privileged ports from 512 to 1023
    sport_mask: int = 0xFFFF
    permanent: bool = False  #: several connections may match until the expectation expires
    child: bool = False  #: the helper inspects the expected connection as well (`Helper.children`)
    #: one end names itself in its answer to an announcement of the other end
    confirms_peer: bool = False
    keep_after_master: bool = False  #: the expectation stays when its TCP control connection ends
    trigger: str = ""  #: the announcing message, for logs: "PASV", "mountd v3"
    timeout: int | None = None  #: seconds, at most the policy's; None: the policy's
    #: Who may open the connection. "": `client`. "on-link": any host on the link by which the packet left (`client` is
    #: ignored). "link-local": any fe80:: address on that link. These two serve requests to a group or a broadcast
    #: address; they need an `outgoing` helper, and are refused if the request's addresses are translated. "any": any
    #: host, if `Parser.address` is "any-src"
    sources: str = ""

    def moved(self, distance: int) -> Expect:
        """Return the same announcement with its span shifted."""
        if self.span is None or not distance:
            return self
        begin, end = self.span
        return Expect(
            self.client, self.server, self.l4, self.policy, (begin + distance, end + distance), self.encode,
            self.fit, self.count, self.sport, self.sport_mask, self.permanent, self.child, self.confirms_peer,
            self.keep_after_master, self.trigger, self.timeout, self.sources,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Text that names an end of the control connection and opens nothing: a Via or Contact of SIP, an address in SDP.

    The receiver must see the sender by its translated address and itself by its own. If neither end is translated, or
    the address belongs to neither, the text stays.
    """

    #: As in the text. Port 0: the text has no port. An empty address: the text has a port of the receiver alone
    endpoint: Endpoint
    span: tuple[int, int]  #: begin and end of the text in the bytes
    encode: Callable[[Endpoint], bytes]  #: writes another endpoint in the same form
    #: like `encode`, with exactly that many bytes, or None if that is impossible
    fit: Callable[[Endpoint, int], bytes | None] | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """A decimal number that counts bytes of the message, such as Content-Length.

    It follows the message's other events: the core adds what their rewriting changes in the length of `body`.
    """

    span: tuple[int, int]  #: begin and end of the number in the bytes
    body: tuple[int, int]  #: begin and end of the bytes that it counts


@dataclass(frozen=True, slots=True)
class Refuse:
    """An announcement that the protocol's own rules forbid. It opens nothing, and is counted and logged."""

    rule: str  #: the safety rule, "G4"
    reason: str  #: text for logs
    endpoint: Endpoint | None = None  #: the announced endpoint


@dataclass(frozen=True, slots=True)
class Used:
    """The flow's expectations of this policy were used."""

    policy: str = ""  #: name of the policy; default: all


@dataclass(frozen=True, slots=True)
class Cancel:
    """The flow's unused expectations of this policy are void.

    With `want` only that expectation is, whichever control connection of the client announced it.
    """

    policy: str = ""  #: name of the policy; default: all
    want: Expect | None = None  #: the expectation


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet must not pass. Only for protocols that require it, never for a parse error."""

    reason: str  #: text for logs


@dataclass(frozen=True, slots=True)
class Keep:
    """The control connection is needed without further packets, as that of a registered phone is. UDP only.

    Nothing is kept before both ends have sent packets: the source of the first one may be forged.
    """

    seconds: int  #: for which conntrack must keep its entry, at most a day


@dataclass(frozen=True, slots=True)
class Done:
    """The helper needs no further packets of the flow: it leaves the queue for good."""

    reason: str = ""  #: text for logs


Event = Expect | Rewrite | Resize | Refuse | Used | Cancel | Drop | Keep | Done

#: consecutive ports that one `Expect` may open
MAX_COUNT = 8
