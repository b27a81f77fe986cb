"""The conditions of firewall rules that our keys can express."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fwhelpers.config.validators import InvalidValue, Network, interfaces
from fwhelpers.migrate.notes import Origin, shown

#: incoming interface: any
ANY = "*"
#: incoming interface: none, as this host opens the connection
OWN = ""

_MAX_PORTS = 256  # of a range; our ruleset lists single ports
_PORT = re.compile(r"([0-9]{1,5})(?:[:-]([0-9]{1,5}))?")

#: names of /etc/services for the ports of conntrackd's helpers
_SERVICES = {
    "ftp": 21, "tftp": 69, "sunrpc": 111, "portmapper": 111, "svrloc": 427, "dhcpv6-server": 547,
    "ssdp": 1900, "mdns": 5353, "sane-port": 6566, "amanda": 10080,
}  # fmt: skip


class Unfit(ValueError):
    """A condition that our keys cannot express; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule that assigns a helper. An empty set of addresses means all."""

    helper: str
    l4: str
    origin: Origin
    families: frozenset[int]
    ports: frozenset[int] = frozenset()
    interfaces: frozenset[str] = frozenset({ANY})
    sources: frozenset[Network] = frozenset()
    destinations: frozenset[Network] = frozenset()


@dataclass(slots=True)
class Conditions:
    """The conditions of a rule while it is being read."""

    families: set[int] = field(default_factory=lambda: {4, 6})
    l4: str = ""
    ports: set[int] = field(default_factory=set)
    interfaces: set[str] = field(default_factory=set)
    sources: set[Network] = field(default_factory=set)
    destinations: set[Network] = field(default_factory=set)

    def protocol(self, name: str) -> None:
        """Limit the rule to a transport."""
        former, self.l4 = self.l4, name
        if name not in ("tcp", "udp") or former not in ("", name):
            raise Unfit(f"protocol {shown(name)} has no helper")

    def family(self, family: int) -> None:
        """Limit the rule to an address family."""
        self.families &= {family}

    def assignment(self, helper: str, hook: str, origin: Origin) -> Assignment:
        """Return the assignment for a chain at this hook. Raises Unfit for a missing condition."""
        for network in (*self.sources, *self.destinations):
            self.family(network.version)
        where = _interfaces(hook, self.interfaces)
        if not self.families:
            raise Unfit("it has addresses of both families and matches nothing")
        if not self.ports:
            raise Unfit("it has no port, which our helpers need: write ports = [...]")
        if not self.l4:
            raise Unfit("it has neither tcp nor udp")
        return Assignment(
            helper,
            self.l4,
            origin,
            frozenset(self.families),
            frozenset(self.ports),
            where,
            frozenset(self.sources),
            frozenset(self.destinations),
        )


def _interfaces(hook: str, named: set[str]) -> frozenset[str]:
    if hook not in ("prerouting", "output"):
        raise Unfit(
            f"it is in chain {shown(hook)}; only rules at prerouting and output are converted"
        )
    if hook == "output" and named:
        raise Unfit("it is at output and matches an incoming interface")
    return frozenset({OWN} if hook == "output" else named or {ANY})


def ports(items: Iterable[str]) -> set[int]:
    """Parse ports, names of services and ranges with : or -. Raises Unfit."""
    return {port for item in items for port in _range(_literal(item))}


def _range(text: str) -> range:
    if text in _SERVICES:
        return range(_SERVICES[text], _SERVICES[text] + 1)
    match = _PORT.fullmatch(text)
    if match is None:
        raise Unfit(f"{shown(text)} is not a port number")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        raise Unfit(f"{text} is not a range of ports")
    if high - low >= _MAX_PORTS:
        raise Unfit(f"{text} has more than {_MAX_PORTS} ports: list those in use")
    return range(low, high + 1)


def networks(items: Iterable[str]) -> set[Network]:
    """Parse addresses and prefixes; return none if one of them is the prefix of all. Raises Unfit."""
    prefixes = {_network(_literal(item)) for item in items}
    return set() if any(network.prefixlen == 0 for network in prefixes) else prefixes


def _network(text: str) -> Network:
    try:
        if "%" in text:
            raise ValueError
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Unfit(f"{shown(text)} is neither an address nor a prefix") from None


def interface(text: str, wildcard: str) -> str:
    """Parse an interface's name. Raises Unfit."""
    name = _literal(text)
    if name.endswith(wildcard):
        raise Unfit(f"{shown(name)} is a pattern: list the interfaces")
    try:
        return interfaces([name])[0]
    except InvalidValue as error:
        raise Unfit(str(error)) from None


def _literal(text: str) -> str:
    """Return the text. Raises Unfit for variables and named sets."""
    if "$" in text or "`" in text:
        raise Unfit(
            f"{shown(text)} is a variable: give the output of `iptables-save` or `nft list ruleset`"
        )
    if text.startswith("@"):
        raise Unfit(f"{shown(text)} is a named set: list its elements")
    return text
