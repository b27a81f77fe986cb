"""What a plugin declares: helpers, their classes of expectations, and their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api.parsers import Parser

#: names of the kernel's own helpers; ours of the same name are registered as `fw-NAME`
KERNEL_HELPERS = frozenset(
    (
        "amanda", "ftp", "h323", "irc", "netbios-ns", "pptp", "Q.931", "RAS", "sane", "sip", "snmp",
        "snmp_trap", "tftp",
    )
)  # fmt: skip


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
    #: a host that the messages name may connect, if the configuration allows its address: the media of a call
    third_party: bool = False
    #: "esp": its expectations are of this protocol, which has no ports. Default: TCP and UDP
    l4: str = ""
    #: only a control connection that was expected itself may announce it (`Expect.child`)
    children_only: bool = False


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
class KernelHelper:
    """The kernel's own helper for a protocol and one transport, which `backend = "kernel"` assigns."""

    name: str  #: as rules name it: "ftp", "Q.931"
    l4: str  #: "tcp" or "udp"
    module: str  #: module that has it
    nat: str = ""  #: module that translates what its messages announce; "": there is none
    families: Sequence[int] = (4, 6)  #: address families that it handles


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper: its control connections, its parsers, and what they may open."""

    #: name in the configuration; at most 12 characters: letters, digits, dashes, dots
    name: str
    l4: str | Sequence[str]  #: "tcp", "udp", or both
    ports: Sequence[int]  #: default server ports of the control connection
    #: the parser class, or one for each l4; None if only the kernel has a helper for the protocol
    parser: type[Parser] | Mapping[str, type[Parser]] | None
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
    #: First byte of the messages on expected connections over UDP, lowest and highest. Nothing else tells these from
    #: the media of a call, which must not be queued; RTP and RTCP begin with 0x80 to 0xBF. Not for outgoing helpers
    udp_children: tuple[int, int] = (0x00, 0x7F)
    #: TCP: the client's messages announce connections. Its SYN is queued too, so that the exact
    #: beginning of its stream is known; without it what a client announces is refused, except on expected connections
    client_announces: bool = False
    #: an expected connection to one of the helper's own ports is a control connection as well
    redirects: bool = False
    #: the kernel's helpers for the same protocol, one for each transport that it handles
    kernel: Sequence[KernelHelper] = ()

    @property
    def l4s(self) -> tuple[str, ...]:
        """The transports of control connections."""
        return (self.l4,) if isinstance(self.l4, str) else tuple(self.l4)

    @property
    def registered(self) -> tuple[str, ...]:
        """The transports for which the helper is registered with the kernel, those of its children included."""
        if self.parser is None:
            return ()
        return tuple(dict.fromkeys((*self.l4s, *self.children)))

    @property
    def kernel_name(self) -> str:
        """The name under which the helper is registered with the kernel; the kernel's own without a parser."""
        if self.parser is None:
            return self.kernel[0].name
        return f"fw-{self.name}" if self.name in KERNEL_HELPERS else self.name

    def parser_for(self, l4: str) -> type[Parser]:
        """Return the parser class for a transport. Raises KeyError."""
        parser = self.parser
        if isinstance(parser, type):
            return parser
        if parser is None:
            raise KeyError(l4)
        return parser[l4]
