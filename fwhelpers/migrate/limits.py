"""Conditions of firewall rules, as far as our keys have words for them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fwhelpers.config.validators import InvalidValue, Network, interfaces
from fwhelpers.migrate.notes import Origin, shown

#: where connections come in: anywhere
ANY = "*"
#: not at all: this host opens them
OWN = ""

_MAX_PORTS = 256  # of one range: our ruleset names each
_PORT = re.compile(r"([0-9]{1,5})(?:[:-]([0-9]{1,5}))?")

#: names of /etc/services for the ports of conntrackd's helpers
_SERVICES = {
    "ftp": 21, "tftp": 69, "sunrpc": 111, "portmapper": 111, "svrloc": 427, "dhcpv6-server": 547,
    "ssdp": 1900, "mdns": 5353, "sane-port": 6566, "amanda": 10080,
}  # fmt: skip


class Unfit(ValueError):
    """A condition that our keys can't say; the text says why."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule that gives a helper to connections. Empty sets of addresses mean: all."""

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
    """What a rule asks for, while it is being read."""

    families: set[int] = field(default_factory=lambda: {4, 6})
    l4: str = ""
    ports: set[int] = field(default_factory=set)
    interfaces: set[str] = field(default_factory=set)
    sources: set[Network] = field(default_factory=set)
    destinations: set[Network] = field(default_factory=set)

    def protocol(self, name: str) -> None:
        """Only this transport."""
        if name not in ("tcp", "udp") or self.l4 not in ("", name):
            raise Unfit(f"protocol {shown(name)} has no helper")
        self.l4 = name

    def family(self, family: int) -> None:
        """Only this address family."""
        self.families &= {family}

    def assignment(self, helper: str, hook: str, origin: Origin) -> Assignment:
        """The whole rule, of a chain at this hook; raises Unfit for what it lacks."""
        for network in (*self.sources, *self.destinations):
            self.family(network.version)
        where = _interfaces(hook, self.interfaces)
        if not self.families:
            raise Unfit("no connection has addresses of both families")
        if not self.ports:
            raise Unfit("it names no port, and a helper of ours needs some: write ports = [...]")
        if not self.l4:
            raise Unfit("it does not say whether tcp or udp")
        return Assignment(
            helper, self.l4, origin, frozenset(self.families), frozenset(self.ports), where,
            frozenset(self.sources), frozenset(self.destinations),
        )  # fmt: skip


def _interfaces(hook: str, named: set[str]) -> frozenset[str]:
    if hook not in ("prerouting", "output"):
        raise Unfit(
            f"who comes to chain {shown(hook)}, and under which conditions, is not looked at"
        )
    if hook == "output" and named:
        raise Unfit("what this host sends comes in by no interface")
    return frozenset({OWN} if hook == "output" else named or {ANY})


def ports(items: Iterable[str]) -> set[int]:
    """Ports, names of services and ranges with : or -."""
    return {port for item in items for port in _range(_literal(item))}


def _range(text: str) -> range:
    if text in _SERVICES:
        return range(_SERVICES[text], _SERVICES[text] + 1)
    found = _PORT.fullmatch(text)
    if found is None:
        raise Unfit(f"{shown(text)} is no port number")
    low, high = int(found[1]), int(found[2] or found[1])
    if not 1 <= low <= high <= 65535:
        raise Unfit(f"there are no ports {text}")
    if high - low >= _MAX_PORTS:
        raise Unfit(f"{text} is more ports than a helper should have: write those you use")
    return range(low, high + 1)


def networks(items: Iterable[str]) -> set[Network]:
    """Addresses and prefixes; none where one of them is everybody."""
    found = {_network(_literal(item)) for item in items}
    return set() if any(network.prefixlen == 0 for network in found) else found


def _network(text: str) -> Network:
    try:
        if "%" in text:
            raise ValueError
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Unfit(f"{shown(text)} is no address or prefix") from None


def interface(text: str, wildcard: str) -> str:
    """An interface's name."""
    name = _literal(text)
    if name.endswith(wildcard):
        raise Unfit(f"{shown(name)} is a pattern: name each interface")
    try:
        return interfaces([name])[0]
    except InvalidValue as error:
        raise Unfit(str(error)) from None


def _literal(text: str) -> str:
    """Refuse what only a shell or nft could fill in."""
    if "$" in text or "`" in text:
        raise Unfit(
            f"{shown(text)} is a variable: give what `iptables-save` or `nft list ruleset` prints"
        )
    if text.startswith("@"):
        raise Unfit(f"{shown(text)} is a named set: write out what is in it")
    return text
