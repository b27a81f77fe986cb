"""Whether a packet matches the expressions of a rule, in three values. Pure.

Expressions have the form of libnftables-json(5). What a packet's description does not tell, and what
this module does not know, may match: the answer is MAYBE, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from fwhelpers.kernel.transports import PORTLESS


class Truth(IntEnum):
    """The minimum of two is their conjunction, the maximum their disjunction."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection as a filter sees it; None stands for unknown."""

    transport: str  #: "tcp", "udp" or "esp"
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    source_port: int | None
    port: int  #: the destination's, 0 without ports
    related: bool = False
    master_helper: str = (
        ""  #: helper of the control connection, as `ct helper` in a rule matches it
    )
    input_interface: str | None = None
    output_interface: str | None = None
    translated: bool | None = None  #: has DNAT changed the destination?


Sets = Mapping[str, list[Any]]  #: elements of named sets; those of others are unknown


class _Unknown:
    pass


class _Absent:
    """The packet has no such field, so the rule does not match, whatever it compares."""


UNKNOWN: Final = _Unknown()
ABSENT: Final = _Absent()


def matches(match: Mapping[str, Any], packet: Packet, sets: Sets) -> Truth:
    """Evaluate a `match` statement."""
    value = read(match.get("left"), packet)
    if value is ABSENT:
        return Truth.NO
    operator, right = match.get("op"), match.get("right")
    if operator in ("==", "in", "!="):
        truth = contains(value, right, sets, exact=operator != "in")
        return Truth(2 - truth) if operator == "!=" else truth
    if operator in ("<", ">", "<=", ">=") and isinstance(value, int) and isinstance(right, int):
        compare: dict[str, Callable[[int, int], bool]] = {
            "<": int.__lt__, ">": int.__gt__, "<=": int.__le__, ">=": int.__ge__,
        }  # fmt: skip
        return _truth(compare[operator](value, right))
    return Truth.MAYBE


def read(expression: Any, packet: Packet) -> Any:
    """Return the packet's value for an expression, UNKNOWN or ABSENT."""
    match expression:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return _payload(packet, protocol, field)
        case {"meta": {"key": str(key)}}:
            return _meta(packet, key)
        case {"ct": {"key": str(key), **rest}} if "dir" not in rest:
            return _ct(packet, key)
        case {"&": [inner, list(flags)]}:
            value = read(inner, packet)
            return value & frozenset(map(str, flags)) if isinstance(value, frozenset) else value
        case {"concat": list(parts)}:
            values = tuple(read(part, packet) for part in parts)
            return ABSENT if ABSENT in values else values
    return UNKNOWN


def _payload(packet: Packet, protocol: str, field: str) -> Any:
    if protocol in ("ip", "ip6"):
        if packet.source.version != (4 if protocol == "ip" else 6):
            return ABSENT
        addresses = {"saddr": packet.source, "daddr": packet.destination}
        if field in ("protocol", "nexthdr"):
            return packet.transport
        return addresses.get(field, UNKNOWN)
    if protocol in ("tcp", "udp", "th"):
        if protocol not in (packet.transport, "th"):
            return ABSENT
        if packet.transport in PORTLESS:
            return UNKNOWN  # `th` without a protocol reads whatever is there
        if field == "flags":
            return frozenset(("syn",))
        ports = {"sport": packet.source_port, "dport": packet.port}
        port = ports.get(field)
        return UNKNOWN if port is None else port
    if protocol == packet.transport:
        return UNKNOWN
    others = ("icmp", "icmpv6", "sctp", "dccp", "udplite", "esp", "ah", "comp", "igmp", "arp")
    return ABSENT if protocol in others else UNKNOWN


def _meta(packet: Packet, key: str) -> Any:
    four = packet.source.version == 4
    values: dict[str, Any] = {
        "l4proto": packet.transport,
        "nfproto": "ipv4" if four else "ipv6",
        "protocol": "ip" if four else "ip6",
        "iifname": packet.input_interface, "iif": packet.input_interface,
        "oifname": packet.output_interface, "oif": packet.output_interface,
    }  # fmt: skip
    value = values.get(key)
    return UNKNOWN if value is None else value


def _ct(packet: Packet, key: str) -> Any:
    if key == "state":
        return frozenset(("related" if packet.related else "new",))
    if key == "helper":  # nft_ct.c: the helper of the master; without one the expression fails
        return packet.master_helper or (UNKNOWN if packet.related else ABSENT)
    if key == "direction":
        return "original"
    if key == "status":
        return _Status(packet)
    return UNKNOWN


@dataclass(frozen=True, slots=True)
class _Status:
    """`ct status`, of which the bits "expected" and "dnat" are told by the description."""

    packet: Packet

    def has(self, bit: Any) -> Truth:
        if bit == "expected":
            return _truth(self.packet.related)
        if bit == "dnat" and self.packet.translated is not None:
            return _truth(self.packet.translated)
        return Truth.MAYBE


def contains(value: Any, right: Any, sets: Sets, *, exact: bool = True) -> Truth:
    """Return whether the right side of a comparison contains the value.

    `exact`: a list of flags stands for exactly these; without it, for any of them.
    """
    match right:
        case str() if right.startswith("@"):
            return _any(value, sets.get(right[1:]), sets)
        case {"set": elements}:
            return _any(value, elements if isinstance(elements, list) else [elements], sets)
        case {"elem": {"val": inner}}:
            return contains(value, inner, sets)
        case {"concat": list(parts)}:
            if not isinstance(value, tuple) or len(value) != len(parts):
                return Truth.MAYBE
            return min(contains(v, p, sets) for v, p in zip(value, parts, strict=True))
    if isinstance(value, frozenset | _Status):
        return _flags(value, right, exact)
    if isinstance(right, list):
        return _any(value, right, sets)
    if value is UNKNOWN:
        return Truth.YES if right == "*" else Truth.MAYBE
    return _equals(value, right)


def _any(value: Any, elements: list[Any] | None, sets: Sets) -> Truth:
    if elements is None:
        return Truth.MAYBE
    return max((contains(value, element, sets) for element in elements), default=Truth.NO)


def _flags(value: frozenset[str] | _Status, right: Any, exact: bool) -> Truth:
    names = right if isinstance(right, list) else [right]
    if not all(isinstance(name, str) for name in names):
        return Truth.MAYBE
    if isinstance(value, _Status):
        return max(map(value.has, names))
    if exact:
        return _truth(value == frozenset(names))
    return _truth(bool(value & frozenset(names)))


def _equals(value: Any, right: Any) -> Truth:
    match right:
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return _within(value, f"{address}/{length}")
        case {"range": [first, last]}:
            return _between(value, first, last)
        case int() if isinstance(value, int):
            return _truth(value == right)
        case str() if isinstance(value, IPv4Address | IPv6Address):
            return _within(value, right)
        case str() if isinstance(value, str):
            if right.endswith("*"):
                return _truth(value.startswith(right[:-1]))
            return _truth(value == right)
    return Truth.MAYBE


def _within(value: Any, network: str) -> Truth:
    try:
        return _truth(value in ip_network(network, strict=False))
    except (ValueError, TypeError, AttributeError):
        return Truth.MAYBE


def _between(value: Any, first: Any, last: Any) -> Truth:
    try:
        if isinstance(value, IPv4Address | IPv6Address):
            return _truth(int(ip_address(first)) <= int(value) <= int(ip_address(last)))
        return _truth(first <= value <= last)
    except (ValueError, TypeError):
        return Truth.MAYBE


def _truth(value: bool) -> Truth:
    return Truth.YES if value else Truth.NO
