"""The configuration as immutable data: what `loader` returns and the rest of the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fwhelpers.config.assignments import ZoneAssignments
from fwhelpers.config.files import KeyPath, Problem
from fwhelpers.config.validators import Network, SocketAddress
from fwhelpers.discovery import Row


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """The table [daemon]."""

    workers: int = 0
    queues: int = 1000
    steering: str = "rules"
    fail: str = "open"
    keep_masters: bool = False
    blocked_plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirewalldConfig:
    """The table [firewalld]."""

    follow: bool = True
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplicationConfig:
    """The table [replication]."""

    listen: SocketAddress
    peer: SocketAddress
    certificate: Path
    key: Path
    peer_certificate: Path


@dataclass(frozen=True, slots=True)
class HelperConfig:
    """A table [helpers.NAME] with its defaults filled in. An empty limit does not limit."""

    name: str
    ports: tuple[int, ...]
    families: tuple[int, ...] = (4, 6)
    interfaces: tuple[str, ...] = ()
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    fail: str = "open"
    backend: str = "user"  #: "user": ours; "kernel": the kernel's own
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: the fields of `engine.guard.Limits` that the configuration sets
    guard: Mapping[str, Any] = field(default_factory=dict)
    #: True if the limits above enable it; False if only the assignments in `Config.scope` do
    general: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `helpers` are the enabled ones, in the order of the files."""

    daemon: DaemonConfig = DaemonConfig()
    helpers: Mapping[str, HelperConfig] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()  #: discovery protocols declared by [discovery.NAME]
    firewalld: FirewalldConfig = FirewalldConfig()
    replication: ReplicationConfig | None = None  #: None: not configured
    disabled: frozenset[str] = frozenset()  #: disabled by the files, whatever the zones enable
    scope: ZoneAssignments = field(default_factory=ZoneAssignments)  #: from firewalld's zones
    #: helpers that zones enabled since the start, at all their ports: existing flows keep their helper
    retained: Mapping[str, HelperConfig] = field(default_factory=dict)

    @property
    def inspected(self) -> dict[str, HelperConfig]:
        """The helpers whose flows are inspected: enabled helpers first, then retained ones; none of the kernel's."""
        retained = {n: h for n, h in self.retained.items() if n not in self.helpers}
        return {
            name: self._with_ports(helper)
            for name, helper in {**self.helpers, **retained}.items()
            if helper.backend == "user"
        }

    def _with_ports(self, helper: HelperConfig) -> HelperConfig:
        # flows are matched by their destination port, and zones may use other ports than the files
        former = self.retained[helper.name].ports if helper.name in self.retained else ()
        ports = {*helper.ports, *former, *self.scope.ports(helper.name)}
        return replace(helper, ports=tuple(sorted(ports)))


@dataclass(frozen=True, slots=True)
class UnresolvedConfig:
    """The merged files. [daemon] and [discovery.NAME] are checked; helpers are checked by `resolve`."""

    daemon: DaemonConfig
    tables: Mapping[str, Any]
    origins: Mapping[KeyPath, str]
    problems: tuple[Problem, ...]
    rows: tuple[Row, ...] = ()
    firewalld: FirewalldConfig = FirewalldConfig()
    replication: ReplicationConfig | None = None


def limits_by_family(
    helper: HelperConfig,
) -> list[tuple[int, tuple[Network, ...], tuple[Network, ...]]]:
    """(family, sources, destinations) of each address family that the limits leave."""
    limits = []
    for family in helper.families:
        sources = tuple(n for n in helper.sources if n.version == family)
        destinations = tuple(n for n in helper.destinations if n.version == family)
        if bool(sources) == bool(helper.sources) and bool(destinations) == bool(
            helper.destinations
        ):
            limits.append((family, sources, destinations))
    return limits
