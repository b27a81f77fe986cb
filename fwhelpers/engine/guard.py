"""The safety rules that every announcement must pass; a refusal names its rule and the reason.

The guard judges the typed request, independently of the plugin that made it. G-numbers are those of docs/safety.md.
Only the configuration can loosen a rule, by name and for a named helper (`Limits`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from fwhelpers.api import MAX_COUNT, Endpoint, Expect, Flow, Helper, Policy
from fwhelpers.kernel.transports import NUMBERS, PORTLESS

#: service ports that no announcement may name (G6), except by the protocol's policy or the configuration
WELL_KNOWN = frozenset(
    [
        *(512, 513, 514, 515, 540, 543, 544, 548, 554, 587, 631, 636, 873, 989, 990, 992, 993, 995),
        *(1433, 1521, 2049, 2375, 2376, 3128, 3306, 3389, 5432, *range(5900, 5911), 5985, 5986),
        *(6379, 8000, 8080, 8443, 9200, 11211, 27017),
    ]
)


class Prefix(NamedTuple):
    """An address prefix, packed."""

    addr: bytes
    length: int

    @classmethod
    def around(cls, addr: bytes, length: int) -> Prefix:
        """Return the prefix of this length that contains the address, with the host bits cleared."""
        shift = len(addr) * 8 - length
        return cls(
            (int.from_bytes(addr, "big") >> shift << shift).to_bytes(len(addr), "big"), length
        )

    def __contains__(self, addr: object) -> bool:
        if not isinstance(addr, bytes) or len(addr) != len(self.addr):
            return False
        shift = len(addr) * 8 - self.length
        return int.from_bytes(addr, "big") >> shift == int.from_bytes(self.addr, "big") >> shift


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules' parameters for one helper, from the configuration."""

    #: the host that an announcement may name: "peer": its sender, "announced": any, "any-src": any, opened by any
    address: str = "peer"
    addresses: tuple[Prefix, ...] = ()  #: further hosts that an announcement may name
    min_port: int | None = None  #: replaces the policy's
    allow_ports: frozenset[int] = frozenset()  #: well-known ports that may be named
    rate: int = 100  #: expectations a second for each client address
    max_per_source: int = 32  #: expectations alive for each client address

    @property
    def scope(self) -> str:
        """The hosts that a parser should name: "peer", "announced" or "any-src" (`Parser.address`)."""
        return "announced" if self.address == "peer" and self.addresses else self.address

    def allows(self, addr: bytes) -> bool:
        """Return whether an announcement may name this host although it is not the sender."""
        return self.address != "peer" or any(addr in prefix for prefix in self.addresses)

    def __reduce__(self) -> tuple[type[Limits], tuple[object, ...]]:
        # pickle would set the fields of an instance, which a compiled frozen class refuses
        return Limits, tuple(getattr(self, item.name) for item in fields(self))


class Refusal(NamedTuple):
    """The reason why an announcement opens nothing."""

    rule: str
    reason: str


class Refused(Exception):
    """Raised with a `Refusal`."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(rule, reason)


def check(refusal: Refusal | None) -> None:
    """Raise Refused unless there is no refusal."""
    if refusal is not None:
        raise Refused(*refusal)


def judge(event: Expect, flow: Flow, reply: bool, policy: Policy, limits: Limits) -> Refusal | None:
    """Apply the stateless rules G5 to G8; None if the announcement passes.

    For requests to a group the rest of G8 is in `engine.onlink`.
    """
    if policy.l4 or event.l4 in PORTLESS:
        return _portless(event, flow, reply, policy)
    if event.sources not in ("", "any"):
        return _request(event, flow, reply, policy, limits)
    return (
        _family(event, flow)
        or _address(event.server, flow, reply != event.confirms_peer, limits)
        or (None if _to_asker(event, flow, reply, policy) else _ports(event, policy, limits))
        or _source(event, flow, policy, limits)
    )


def judge_announcer(
    event: Expect, helper: Helper, policy: Policy, flow: Flow, reply: bool, expected: bool
) -> Refusal | None:
    """Apply G2: what a TCP client announces counts only if the beginning of its stream is known for certain.

    Apply G4 to a policy for children: another connection has asked for this one. `expected`: the connection was
    expected itself. The kernel stores no private data for those, and so no beginning.
    """
    if policy.children_only and not expected:
        return Refusal("G4", f"no other connection of {helper.name} asked for this one")
    if reply or expected or helper.client_announces or flow.l4 != "tcp":
        return None
    if event.server.addr == flow.server.addr:
        return None
    return Refusal("G2", f"helper {helper.name} does not declare `client_announces`")


def _request(
    event: Expect, flow: Flow, reply: bool, policy: Policy, limits: Limits
) -> Refusal | None:
    if reply:
        return Refusal("G1", "only a request may be answered by other hosts than its destination")
    # nothing loosens this, as any host on the link may answer
    if event.server.addr != flow.client.addr:
        return Refusal(
            "G5", f"{flow.client.host} asked answers to another host, {event.server.host}"
        )
    family = _family(event, flow)
    if family or _to_asker(event, flow, reply, policy):
        return family
    return _ports(event, policy, limits)


def _portless(event: Expect, flow: Flow, reply: bool, policy: Policy) -> Refusal | None:
    """Two addresses are all that limits such an expectation, so nothing loosens them."""
    if event.l4 != policy.l4:
        return Refusal("G7", f"the policy {policy.name} does not allow {event.l4 or flow.l4}")
    ports = event.server.port or event.count != 1
    if ports or event.sport is not None or event.span is not None or event.child:
        return Refusal("G7", f"{event.l4} has no ports, no text and no helper of its own")
    if event.sources:
        return Refusal("G8", f"only the ends of the control connection may send {event.l4}")
    return (
        _family(event, flow)
        or _address(event.server, flow, reply != event.confirms_peer, Limits())
        or _other_end(event, flow)
    )


def _other_end(event: Expect, flow: Flow) -> Refusal | None:
    ends = {flow.client.addr, flow.server.addr}
    if {event.client.addr, event.server.addr} == ends:
        return None
    return Refusal("G8", f"{event.client.host} is not the other end of the control connection")


def _to_asker(event: Expect, flow: Flow, reply: bool, policy: Policy) -> bool:
    if policy.third_party:
        return False  # media, which never arrive at the socket of the control connection
    # the socket that sent the request waits for answers, and may have any port (69, 137, 546, 2049, 5353)
    l4 = event.l4 or flow.l4
    asker = event.count == 1 and event.server == flow.client
    return asker and not reply and l4 == flow.l4 == "udp"


def _family(event: Expect, flow: Flow) -> Refusal | None:
    if (event.l4 or flow.l4) not in NUMBERS:
        return Refusal("G7", f"transport {event.l4!r} can't be expected")
    if not len(event.client.addr) == len(event.server.addr) == len(flow.client.addr):
        return Refusal("G7", "address family differs from the control connection's")
    return None


def _address(announced: Endpoint, flow: Flow, reply: bool, limits: Limits) -> Refusal | None:
    sender = flow.server if reply else flow.client
    if announced.addr == sender.addr:
        return None
    special = _special(announced.addr)
    if special:
        return Refusal("G5", f"{announced.host} is {special}")
    if limits.allows(announced.addr):
        return None
    return Refusal("G5", f"{sender.host} announced another host, {announced.host}")


def _special(addr: bytes) -> str:
    if not any(addr):
        return "unspecified"
    return _special4(addr) if len(addr) == 4 else _special6(addr)


def _special4(addr: bytes) -> str:
    if addr[0] == 0:
        return "unspecified"
    if addr[0] == 127:
        return "a loopback address"
    if addr[0] >= 224:
        return "multicast, reserved or broadcast"
    return "link-local" if addr[:2] == b"\xa9\xfe" else ""


def _special6(addr: bytes) -> str:
    if addr == bytes(15) + b"\1":
        return "a loopback address"
    if addr[0] == 0xFF:
        return "multicast"
    if addr[:12] == bytes(10) + b"\xff\xff":
        return "an IPv4-mapped address"
    return "link-local" if addr[0] == 0xFE and addr[1] & 0xC0 == 0x80 else ""


def _ports(event: Expect, policy: Policy, limits: Limits) -> Refusal | None:
    if not 0 < event.count <= MAX_COUNT:
        return Refusal("G9", f"{event.count} ports in one announcement")
    first = event.server.port
    if event.count == 1:
        return _port(first, policy, limits)
    for port in range(first, first + event.count):
        refusal = _port(port, policy, limits)
        if refusal:
            return refusal
    return None


def _port(port: int, policy: Policy, limits: Limits) -> Refusal | None:
    lowest = policy.min_port if limits.min_port is None else limits.min_port
    if not 0 < port < 65536:
        return Refusal("G6", f"port {port} does not exist")
    if port in limits.allow_ports or port in policy.ports:
        return None
    if port < lowest:
        return Refusal("G6", f"port {port} is below {lowest}")
    if port in WELL_KNOWN:
        return Refusal("G6", f"port {port} belongs to a well-known service")
    return None


def _source(event: Expect, flow: Flow, policy: Policy, limits: Limits) -> Refusal | None:
    if event.sources == "any":
        allowed = limits.address == "any-src"
        return None if allowed else Refusal("G8", "any host could connect")
    client = event.client
    if client.addr[0] >= (0xE0 if len(client.addr) == 4 else 0xFF):
        return Refusal("G8", f"nobody answers from {client.host}, a group or broadcast address")
    if client.addr in (flow.client.addr, flow.server.addr):
        return None
    special = _special(client.addr)
    if special:
        return Refusal("G8", f"{client.host} is {special}")
    if limits.address == "any-src" or (policy.third_party and limits.allows(client.addr)):
        return None
    return Refusal("G8", f"{client.host} is no end of the control connection")
