"""The plugin author's whole world: what a helper is, what it sees, what it may say.

A plugin declares `Helper`s through the hook in `fwhelpers.plugin.hookspecs`. Each helper names a parser class; the core
makes one parser for each control connection, hands it bytes, and acts on the events that it yields. A parser knows
nothing of NAT, checksums, netlink, packets or time: it sees the connection as its own two ends know themselves.

A parser has three outcomes only: it yields events, it yields nothing (it needs more), or it raises `ParseError`.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import pluggy

__all__ = [
    "Cancel",
    "DatagramParser",
    "Done",
    "Drop",
    "Endpoint",
    "Event",
    "Expect",
    "Flow",
    "Helper",
    "LineParser",
    "ParseError",
    "Parser",
    "Policy",
    "Refuse",
    "Setting",
    "StreamParser",
    "Used",
    "hookimpl",
]  # fmt: skip

hookimpl = pluggy.HookimplMarker("fwhelpers")

#: helpers that the kernel has itself; ours are registered as `fw-NAME` beside them
KERNEL_HELPERS = frozenset(
    (
        "amanda", "ftp", "h323", "irc", "netbios-ns", "pptp", "Q.931", "RAS", "sane", "sip", "snmp",
        "snmp_trap", "tftp",
    )
)  # fmt: skip


class ParseError(Exception):
    """The bytes are not the protocol. The flow is not parsed again; its packets pass."""


class Endpoint(NamedTuple):
    """An address and a port; the address is packed, 4 or 16 bytes."""

    addr: bytes  #: packed
    port: int = 0  #: 0 where none is meant

    @classmethod
    def parse(cls, host: str, port: int = 0) -> Endpoint:
        """Make one of a textual IPv4 or IPv6 address; raises ValueError for anything else."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return cls(socket.inet_pton(family, host), port)
        except OSError:
            raise ValueError(f"not an address: {host!r}") from None

    def at(self, port: int) -> Endpoint:
        """The same host at another port."""
        return Endpoint(self.addr, port)

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self.addr) == 4 else 6

    @property
    def host(self) -> str:
        """The address as text, the canonical form of RFC 5952."""
        return socket.inet_ntop(
            socket.AF_INET if len(self.addr) == 4 else socket.AF_INET6, self.addr
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if len(self.addr) == 4 else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Flow:
    """A control connection (the master of what is expected) as its two ends know themselves."""

    l4: str  #: "tcp" or "udp"
    client: Endpoint  #: the end that sent the first packet, before any SNAT
    server: Endpoint  #: the end that answers, behind any DNAT
    #: an announcement to a group that this host heard, not one that it makes (`Helper.listen_for`)
    announcement: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """A connection that the control traffic announces.

    `client` opens it (its port is not looked at unless `sport` is given) towards `server`. Both are named as the ends
    know themselves; behind NAT the core finds the tuple that will really come and, where `span` says the endpoint
    stands in the bytes given to the parser method, writes the translated one there with `encode`. A message that
    carries no endpoint leaves `span` out.
    """

    client: Endpoint  #: who opens it
    server: Endpoint  #: towards whom
    l4: str = ""  #: "tcp" or "udp"; empty: as the control connection
    policy: str = ""  #: name of the helper's policy; empty: its first
    span: tuple[int, int] | None = None  #: begin and end of the endpoint in the bytes
    encode: Callable[[Endpoint], bytes] | None = None  #: writes another endpoint in its form
    #: `encode` to exactly so many bytes, None if it can't be: for IPv6, where the length must stay
    fit: Callable[[Endpoint, int], bytes | None] | None = None
    sport: int | None = None  #: source port of the expected connection; None: any
    permanent: bool = False  #: may serve several connections until it expires
    child: bool = False  #: the helper inspects the expected connection as well (`Helper.children`)
    confirms_peer: bool = (
        False  #: said by one end in answer to what the other one has announced, itself
    )
    keep_after_master: bool = False  #: it stays when its control connection, TCP, has ended
    what: str = ""  #: for people: "mountd v3", "PASV"
    #: seconds until it is withdrawn, at most the policy's; None: the policy's
    timeout: int | None = None
    #: who opens it. "": `client` does. "on-link": any host on the link by which the packet left (`client` is then not
    #: looked at), "link-local": any fe80:: address there. The last two are for requests to nobody in particular, in
    #: helpers that are `outgoing`; where the request's addresses are translated they are refused
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """An announcement that the protocol's own rules forbid: nothing opens, it is counted and told."""

    rule: str  #: the safety rule, "G4"
    reason: str  #: for people
    endpoint: Endpoint | None = None  #: what was announced


@dataclass(frozen=True, slots=True)
class Used:
    """The flow's expectations of this policy have served (empty: of all policies)."""

    policy: str = ""  #: name of the policy


@dataclass(frozen=True, slots=True)
class Cancel:
    """The flow's unused expectations of this policy are no longer wanted (empty: of all policies).

    With `want` only that one, and whichever of the client's control connections announced it.
    """

    policy: str = ""  #: name of the policy
    want: Expect | None = None  #: the one


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet must not pass. For protocols that demand it; a parse problem never does."""

    reason: str  #: for people


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to see: the flow leaves the queue for good."""

    reason: str = ""  #: for people


Event = Expect | Refuse | Used | Cancel | Drop | Done


class Parser:
    """What the core calls. Use one of the three bases below.

    Plugins may read `self.flow` and `self.settings` (the helper's own settings from the configuration, checked), and
    read and write `self.memory`, which the control connections of a client share
    (`Helper.same_worker_per_client`). It is bounded, and may be cleared at any time.
    """

    #: how many bytes `save` may return (the rest of conntrack's 32 holds the stream positions)
    STATE_MAX: ClassVar[int] = 20

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self.flow = flow
        self.settings = settings
        self.memory: MutableMapping[bytes, bytes] = {}

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Take the next bytes of a direction (a datagram: one whole datagram), yield events; spans count
        from the beginning of that direction's stream (a datagram: of the datagram)."""
        raise NotImplementedError

    def boundary(self, reply: bool) -> bool:
        """True if the direction stands between two messages: nothing half-read is remembered."""
        return True

    def resync(self, reply: bool) -> bool:
        """Bytes of this direction were lost. True if parsing can go on (the next bytes begin anywhere)."""
        return False

    def save(self) -> bytes:
        """What must survive this process, at most STATE_MAX bytes; called at message boundaries."""
        return b""

    def restore(self, state: bytes) -> None:
        """Take back what `save` gave. Raises ParseError if it makes no sense."""


class DatagramParser(Parser):
    """One datagram at a time."""

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one datagram; spans count from its first byte."""
        raise NotImplementedError

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield from self.datagram(data, reply)


class StreamParser(Parser):
    """A byte stream in each direction, cut in messages by `message_size`.

    `max_message` bounds what is kept: a longer message is a ParseError.
    """

    max_message: ClassVar[int] = 65536  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._kept = (bytearray(), bytearray())
        self._consumed = [0, 0]

    def message_size(self, data: bytearray, reply: bool) -> int:
        """Size of the message that begins at data[0], 0 if it can't be told or isn't complete yet."""
        raise NotImplementedError

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one complete message; spans count from its first byte."""
        raise NotImplementedError

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        kept = self._kept[reply]
        kept += data
        while kept:
            size = self.message_size(kept, reply)
            if size <= 0 or size > len(kept):
                break
            message = bytes(kept[:size])
            del kept[:size]
            base = self._consumed[reply]
            self._consumed[reply] = base + size
            for event in self.message(message, reply):
                yield _rebased(event, base)
        if len(kept) > self.max_message:
            raise ParseError(f"message of more than {self.max_message} bytes")

    def boundary(self, reply: bool) -> bool:
        return not self._kept[reply]


class LineParser(StreamParser):
    """Lines that end in LF (with or without CR before it)."""

    max_message: ClassVar[int] = 2048  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._searched = [0, 0]

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        """Parse one line, its line end included; spans count from its first byte."""
        raise NotImplementedError

    def message_size(self, data: bytearray, reply: bool) -> int:
        # remember how far was searched, so that a peer that drips single bytes costs O(n), not O(n²)
        found = data.find(b"\n", self._searched[reply])
        self._searched[reply] = 0 if found >= 0 else len(data)
        if found > self.max_message:
            raise ParseError(f"line of more than {self.max_message} bytes")
        return found + 1

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        return self.line(data, reply)


def _rebased(event: Event, base: int) -> Event:
    if isinstance(event, Expect) and event.span is not None:
        start, end = event.span
        return dataclasses.replace(event, span=(start + base, end + base))
    return event


@dataclass(frozen=True, slots=True)
class Policy:
    """A class of expectations: how many a control connection may have alive, and for how long.

    At most four a helper (the kernel's limit). Above `max` the kernel drops the connection's own oldest.
    """

    name: str  #: by which `Expect` refers to it
    max: int = 1  #: 1–255
    timeout: int = 60  #: seconds, 1–86400
    min_port: int = 1024  #: lowest destination port (safety rule G6)
    #: well-known service ports that this protocol legitimately names (G6 refuses them otherwise)
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that the helper understands in its configuration table."""

    name: str  #: the key
    default: Any  #: the TOML value without one
    doc: str  #: one line for people
    #: takes the TOML value, gives the value for `Parser.settings`; raises ValueError with a sentence. Without it
    #: the value must have the default's type
    check: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper: which control connections, who parses them, what they may open."""

    name: (
        str  #: at most 12 characters: letters, digits, dashes, dots; the name in the configuration
    )
    l4: str | Sequence[str]  #: "tcp", "udp", or both
    ports: Sequence[int]  #: default server ports of the control connection
    parser: type[Parser] | Mapping[str, type[Parser]]  #: the parser class, or one for each l4
    policies: Sequence[Policy] = (Policy("data"),)  #: what it may open; `Expect` names one
    families: Sequence[int] = (4, 6)  #: address families that the protocol has
    settings: Sequence[Setting] = ()  #: its own keys in the configuration
    spec: str = ""  #: where the protocol is written down: "RFC 959, 1123, 2428"
    doc: str = ""  #: one line for `fwhelpers list`
    extra: Mapping[str, Any] = field(default_factory=dict)  #: for the plugin's own use
    #: only requests that this host sends, or forwards from interfaces that the configuration names, count; one that
    #: arrives here opens nothing. UDP only
    outgoing: bool = False
    #: multicast groups (or prefixes of groups) to which requests go; with `broadcast` the only destinations that count
    groups: Sequence[str] = ()
    broadcast: bool = False  #: requests go to an IPv4 broadcast address
    #: outgoing helpers: how announcements to the groups begin that this host listens for (`Flow.announcement`)
    listen_for: bytes = b""
    #: transports of expected connections that it inspects as well; `parser` has one for each of them too
    children: Sequence[str] = ()
    #: TCP: the client's messages announce connections. Its SYN is queued too, so that the exact
    #: beginning of its stream is known; a helper without it must not trust what a client announces
    client_announces: bool = False
    #: all control connections of a client meet the same worker, so that `Parser.memory` is of use; children always do
    same_worker_per_client: bool = False

    @property
    def l4s(self) -> tuple[str, ...]:
        """The transports as a tuple."""
        return (self.l4,) if isinstance(self.l4, str) else tuple(self.l4)

    @property
    def registered(self) -> tuple[str, ...]:
        """The transports for which the kernel must know it: its own, and those of its children."""
        return tuple(dict.fromkeys((*self.l4s, *self.children)))

    @property
    def kernel_name(self) -> str:
        """The name under which it is registered with the kernel."""
        return f"fw-{self.name}" if self.name in KERNEL_HELPERS else self.name

    def parser_for(self, l4: str) -> type[Parser]:
        """The parser class for a transport; raises KeyError if there is none."""
        return self.parser[l4] if isinstance(self.parser, Mapping) else self.parser
