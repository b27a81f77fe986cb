"""Helper assignments derived from firewalld's zones and policies.

Zone members keep firewalld's order (firewalld.zone(5)): sources before interfaces, the default zone
last; the first match wins. The rules use the same order instead of exclusions.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwhelpers.config.validators import Network


@dataclass(frozen=True, slots=True)
class ZoneMember:
    """A member of a zone. At most one kind is set; with none it matches everything."""

    zone: str
    interface: str = ""  #: a trailing + is a wildcard
    networks: tuple[Network, ...] = ()
    macs: tuple[str, ...] = ()


INPUT, FORWARD, OUTPUT = "input", "forward", "output"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Connections that get a helper.

    `path` is "input" (to this host, from zone `source`), "output" (from this host, to zone
    `target`) or "forward" (from `source` to `target`). `sources` and `destinations` limit it.
    `ports` are (port, transport) as the client addresses them, before DNAT.
    """

    helper: str
    path: str
    ports: tuple[tuple[int, str], ...]
    source: str = ""
    target: str = ""
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    families: tuple[int, ...] = (4, 6)
    reason: str = ""  #: "service fw-nfs3", "policy lan-wan, service fw-ftp"


@dataclass(frozen=True, slots=True)
class ZoneAssignments:
    """All zone members and assignments. Empty by default: no zone enables a helper."""

    members: tuple[ZoneMember, ...] = ()
    assignments: tuple[Assignment, ...] = ()

    def ports(self, helper: str) -> tuple[int, ...]:
        """Return the ports at which zones enable a helper."""
        matching = (a for a in self.assignments if a.helper == helper)
        return tuple(sorted({port for assignment in matching for port, _ in assignment.ports}))
