"""The plugin API: helpers, their parsers, and the events that parsers yield.

A plugin declares `Helper`s through the hook in `fwhelpers.plugin.hookspecs`. Each helper names a parser class. The core
creates one parser for each control connection, feeds it the bytes, and acts on the events that it yields. A parser has
no access to NAT, checksums, netlink, packets or the clock; addresses are those that the two ends use for themselves.

A parser yields events, yields nothing because it needs more bytes, or raises `ParseError`.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import pluggy

__all__ = [
    "Cancel", "DatagramParser", "Done", "Drop", "Endpoint", "Event", "Expect", "Flow",
    "Helper", "LineParser", "ParseError", "Parser", "Policy", "Refuse", "Setting",
    "StreamParser", "Used", "hookimpl",
]  # fmt: skip

hookimpl = pluggy.HookimplMarker("fwhelpers")

#: names of the kernel's own helpers; ours of the same name are registered as `fw-NAME`
KERNEL_HELPERS = frozenset(
    (
        "amanda", "ftp", "h323", "irc", "netbios-ns", "pptp", "Q.931", "RAS", "sane", "sip", "snmp",
        "snmp_trap", "tftp",
    )
)  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Flow:
    """A control connection (the master of the expectations), with the addresses that its two ends use themselves."""

    l4: str  #: "tcp" or "udp"
    client: Endpoint  #: the end that sent the first packet, before SNAT
    server: Endpoint  #: the other end, after DNAT
    #: an announcement to a multicast group that this host received (`Helper.listen_for`)
    announcement: bool = False
    #: both ends have addresses of one on-link prefix, at the interface between them
    on_link: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """A connection that the control traffic announces, from `client` to `server`.

    Both endpoints are given as the two ends use them. Behind NAT the core finds the translated tuple. If `span` locates
    the endpoint in the bytes, the core also replaces it there with `encode`. Messages that carry no endpoint have no
    `span`.
    """

    client: Endpoint  #: the end that opens the connection; its port is ignored, see `sport`
    server: Endpoint  #: the destination
    l4: str = ""  #: "tcp" or "udp"; default: the control connection's
    policy: str = ""  #: name of one of the helper's policies; default: the first
    span: tuple[int, int] | None = None  #: begin and end of the endpoint in the bytes
    encode: Callable[[Endpoint], bytes] | None = None  #: writes another endpoint in the same form
    #: like `encode`, with exactly that many bytes, or None if that is impossible. The core prefers it to a change of
    #: length, which the kernel handles badly, for IPv6 not at all
    fit: Callable[[Endpoint, int], bytes | None] | None = None
    sport: int | None = None  #: source port of the expected connection; None: any
    permanent: bool = False  #: several connections may match until the expectation expires
    child: bool = False  #: the helper inspects the expected connection as well (`Helper.children`)
    #: one end names itself in its answer to an announcement of the other end
    confirms_peer: bool = False
    keep_after_master: bool = False  #: the expectation stays when its TCP control connection ends
    trigger: str = ""  #: the announcing message, for logs: "PASV", "mountd v3"
    timeout: int | None = None  #: seconds, at most the policy's; None: the policy's
    #: Who may open the connection. "": `client`. "on-link": any host on the link by which the packet left (`client` is
    #: ignored). "link-local": any fe80:: address on that link. The last two serve requests to a group or a broadcast
    #: address; they need an `outgoing` helper, and are refused if the request's addresses are translated
    sources: str = ""


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
class Done:
    """The helper needs no further packets of the flow: it leaves the queue for good."""

    reason: str = ""  #: text for logs


Event = Expect | Refuse | Used | Cancel | Drop | Done


class Parser:
    """Base class of `DatagramParser`, `StreamParser` and `LineParser`, which are easier to use.

    Plugins may read `self.flow` and `self.settings` (validated), and read and write `self.memory`, a mapping that the
    control connections of a client share, as they meet the same worker. It is bounded and may be cleared anytime.
    """

    #: bytes that `save` may return (stream positions take the rest of conntrack's 32)
    STATE_MAX: ClassVar[int] = 20

    #: TCP's urgent bytes are part of the stream, as in Telnet; otherwise urgent data ends the inspection
    reads_urgent: ClassVar[bool] = False

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self.flow = flow
        self.settings = settings
        self.memory: MutableMapping[bytes, bytes] = {}

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Parse the next bytes of a direction and yield events.

        For UDP `data` is one datagram and spans count from its first byte. For TCP spans count from the beginning of
        the direction's stream.
        """
        raise NotImplementedError

    @property
    def buffered(self) -> int:
        """Bytes of received data that the parser holds. The core bounds the sum over all flows."""
        return 0

    def boundary(self, reply: bool) -> bool:
        """Return True if the direction stands between two messages, so that `save` loses nothing."""
        return True

    def resync(self, reply: bool) -> bool:
        """Handle the loss of bytes of a direction.

        Return True if parsing can continue with bytes that begin anywhere.
        """
        return False

    def save(self) -> bytes:
        """Return the state that must survive this process, at most STATE_MAX bytes. Called at message boundaries."""
        return b""

    def restore(self, state: bytes) -> None:
        """Restore the result of `save`. Raises ParseError if it is invalid."""


class DatagramParser(Parser):
    """Parses one datagram at a time."""

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one datagram; spans count from its first byte."""
        raise NotImplementedError

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield from self.datagram(data, reply)


class StreamParser(Parser):
    """Cuts the byte stream of each direction into messages.

    `max_message` bounds the buffered bytes of a direction; a longer message is a ParseError.
    """

    max_message: ClassVar[int] = 65536  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._kept = (bytearray(), bytearray())
        self._position = [0, 0]  # of the message in hand; between two messages of the next one
        self._to_skip = [0, 0]

    def message_size(self, data: bytearray, reply: bool) -> int:
        """Return the size of the message that begins at data[0], 0 if more bytes are needed to find out."""
        raise NotImplementedError

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one complete message; spans count from its first byte."""
        raise NotImplementedError

    def skip(self, size: int, reply: bool) -> None:
        """Pass over the `size` bytes after the current message without buffering them."""
        self._to_skip[reply] = size

    def position(self, reply: bool) -> int:
        """Return the stream offset of the message that is being parsed."""
        return self._position[reply]

    @property
    def buffered(self) -> int:
        return len(self._kept[0]) + len(self._kept[1])

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        kept = self._kept[reply]
        kept += data
        while kept:
            size = min(self._to_skip[reply], len(kept))
            if size:
                self._to_skip[reply] -= size
            else:
                size = self.message_size(kept, reply)
                if size <= 0 or size > len(kept):
                    break
                position = self._position[reply]
                for event in self.message(bytes(kept[:size]), reply):
                    yield _rebased(event, position)
            del kept[:size]
            self._position[reply] += size
        if len(kept) > self.max_message:
            raise ParseError(f"message of more than {self.max_message} bytes")

    def boundary(self, reply: bool) -> bool:
        return not self._kept[reply] and not self._to_skip[reply]


class LineParser(StreamParser):
    """Cuts streams into lines that end in LF, with or without CR before it."""

    max_message: ClassVar[int] = 2048  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._searched = [0, 0]

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        """Parse one line including its line end; spans count from its first byte."""
        raise NotImplementedError

    def message_size(self, data: bytearray, reply: bool) -> int:
        # continue where the last search ended: a peer that sends single bytes costs O(n), not O(n²)
        end = data.find(b"\n", self._searched[reply])
        self._searched[reply] = 0 if end >= 0 else len(data)
        if end > self.max_message:
            raise ParseError(f"line of more than {self.max_message} bytes")
        return end + 1

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        return self.line(data, reply)


def _rebased(event: Event, base: int) -> Event:
    if isinstance(event, Expect) and event.span is not None:
        start, end = event.span
        return dataclasses.replace(event, span=(start + base, end + base))
    return event


@dataclass(frozen=True, slots=True)
class Policy:
    """A class of expectations, with the limits of one control connection. A helper has at most four (kernel limit)."""

    name: str  #: `Expect.policy` refers to it
    max: int = (
        1  #: expectations alive, 1–255; for one more the kernel drops the connection's oldest
    )
    timeout: int = 60  #: seconds, 1–86400
    min_port: int = 1024  #: lowest destination port (safety rule G6)
    #: ports of well-known services that the protocol legitimately announces (G6 refuses them otherwise)
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Setting:
    """A key in the helper's configuration table."""

    name: str  #: the key
    default: Any  #: its TOML value if the key is absent
    doc: str  #: one line of documentation
    #: converts the TOML value into the one in `Parser.settings`; raises ValueError with a sentence. Without `check`
    #: the value must have the type of the default
    check: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper: its control connections, its parsers, and what they may open."""

    #: name in the configuration; at most 12 characters: letters, digits, dashes, dots
    name: str
    l4: str | Sequence[str]  #: "tcp", "udp", or both
    ports: Sequence[int]  #: default server ports of the control connection
    parser: type[Parser] | Mapping[str, type[Parser]]  #: the parser class, or one for each l4
    policies: Sequence[Policy] = (Policy("data"),)  #: its classes of expectations
    families: Sequence[int] = (4, 6)  #: address families of the protocol
    settings: Sequence[Setting] = ()  #: keys of the helper's own in the configuration
    spec: str = ""  #: the protocol's specification: "RFC 959, 1123, 2428"
    doc: str = ""  #: one line for `fwhelpers list`
    extra: Mapping[str, Any] = field(default_factory=dict)  #: for the plugin's own use
    #: Only requests that this host sends, or forwards from interfaces in the configuration, open something; requests
    #: that arrive here do not. UDP only
    outgoing: bool = False
    #: multicast groups, or prefixes of groups, that requests go to; an `outgoing` helper considers no other
    #: destinations, except broadcast addresses with `broadcast`
    groups: Sequence[str] = ()
    broadcast: bool = False  #: requests may go to an IPv4 broadcast address
    #: outgoing helpers: requests of this host may also go to one host, which alone may answer
    unicast: bool = False
    #: outgoing helpers: prefix of the announcements to the groups that this host listens for (`Flow.announcement`)
    listen_for: bytes = b""
    #: transports of the expected connections that the helper inspects; `parser` must have one for each of them
    children: Sequence[str] = ()
    #: TCP: the client's messages announce connections. Its SYN is queued too, so that the exact
    #: beginning of its stream is known; without it what a client announces is refused, except on expected connections
    client_announces: bool = False
    #: an expected connection to one of the helper's own ports is a control connection as well
    redirects: bool = False

    @property
    def l4s(self) -> tuple[str, ...]:
        """The transports of control connections."""
        return (self.l4,) if isinstance(self.l4, str) else tuple(self.l4)

    @property
    def registered(self) -> tuple[str, ...]:
        """The transports for which the helper is registered with the kernel, those of its children included."""
        return tuple(dict.fromkeys((*self.l4s, *self.children)))

    @property
    def kernel_name(self) -> str:
        """The name under which the helper is registered with the kernel."""
        return f"fw-{self.name}" if self.name in KERNEL_HELPERS else self.name

    def parser_for(self, l4: str) -> type[Parser]:
        """Return the parser class for a transport. Raises KeyError."""
        return self.parser[l4] if isinstance(self.parser, Mapping) else self.parser
