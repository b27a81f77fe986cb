"""firewalld's running configuration, as far as it concerns helpers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Ports = tuple[tuple[str, str], ...]  #: ("111", "tcp"), ("1024-1030", "udp")

HOST, ANY = "HOST", "ANY"  #: symbolic zones of policies (firewalld.policies(5))


@dataclass(frozen=True, slots=True)
class ForwardPort:
    """A zone's or policy's destination NAT; an empty port or address stays unchanged."""

    port: str
    protocol: str
    to_port: str = ""
    to_address: str = ""


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone in the running firewalld; `priority` is its ingress priority (firewalld 2.0)."""

    name: str
    interfaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    forward_ports: tuple[ForwardPort, ...] = ()
    rich_rules: tuple[str, ...] = ()
    priority: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in the running firewalld."""

    name: str
    ingress: tuple[str, ...]
    egress: tuple[str, ...]
    services: tuple[str, ...] = ()
    rich_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service's definition; `destinations` limits it to an address of "ipv4" or "ipv6"."""

    name: str
    ports: Ports = ()
    helpers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    destinations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FirewalldHelper:
    """firewalld's definition of a helper."""

    name: str
    module: str
    ports: Ports = ()
    family: str = ""

    @property
    def kernel_name(self) -> str:
        """The name in firewalld's rules (firewall/functions.py: get_nf_conntrack_short_name)."""
        return self.module.replace("_", "-").replace("nf-conntrack-", "")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The running firewalld at one moment."""

    default_zone: str = ""
    zones: Mapping[str, Zone] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    helpers: Mapping[str, FirewalldHelper] = field(default_factory=dict)
    ipsets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: entries by name
    version: str = ""
    state: str = "RUNNING"
    panic: bool = False
    denied: str = ""  #: the error of a query that firewalld denied
