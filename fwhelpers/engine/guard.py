"""The safety rules that every announcement must pass; a refusal names its rule and the reason.

The guard judges the typed request, independently of the plugin that made it. G-numbers are those of docs/safety.md.
Only the configuration can loosen a rule, by name and for a named helper (`Limits`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect, Flow, Helper, Policy

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
    if event.sources:
        return _request(event, flow, reply, policy, limits)
    return (
        _family(event, flow)
        or _address(event.server, flow, reply != event.confirms_peer, limits)
        or (None if _to_asker(event, flow, reply) else _port(event.server.port, policy, limits))
        or _source(event.client, flow, limits)
    )


def judge_announcer(
    event: Expect, helper: Helper, flow: Flow, reply: bool, expected: bool
) -> Refusal | None:
    """Apply G2: what a TCP client announces counts only if the beginning of its stream is known for certain.

    `expected`: the connection was expected itself. The kernel stores no private data for those, and so no beginning.
    """
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
    if family or _to_asker(event, flow, reply):
        return family
    return _port(event.server.port, policy, limits)


def _to_asker(event: Expect, flow: Flow, reply: bool) -> bool:
    # the socket that sent the request waits for answers, and may have any port (69, 137, 546, 2049, 5353)
    l4 = event.l4 or flow.l4
    return not reply and l4 == flow.l4 == "udp" and event.server == flow.client


def _family(event: Expect, flow: Flow) -> Refusal | None:
    if (event.l4 or flow.l4) not in ("tcp", "udp"):
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
    if limits.address != "peer" or any(announced.addr in p for p in limits.addresses):
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


def _source(client: Endpoint, flow: Flow, limits: Limits) -> Refusal | None:
    if client.addr[0] >= (0xE0 if client.family == 4 else 0xFF):
        return Refusal("G8", f"nobody answers from {client.host}, a group or broadcast address")
    if client.addr in (flow.client.addr, flow.server.addr) or limits.address == "any-src":
        return None
    return Refusal("G8", f"{client.host} is no end of the control connection")
