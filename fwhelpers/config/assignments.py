"""Where helpers act when somebody else's zones say so: an order of membership, and what happens in each zone.

The order is firewalld's (firewalld.zone(5)): sources before interfaces, the default zone last; the first that fits
decides. It is kept as an order, not turned into exclusions, so the rules made of it say the same as firewalld's.
"""

from __future__ import annotations

from dataclasses import dataclass

from fwhelpers.config.validators import Network


@dataclass(frozen=True, slots=True)
class ZoneMember:
    """What belongs to a zone: one of the kinds is given; none: all that is left."""

    zone: str
    interface: str = ""  #: a trailing + is a wildcard
    networks: tuple[Network, ...] = ()
    macs: tuple[str, ...] = ()


INPUT, FORWARD, OUTPUT = "input", "forward", "output"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A helper acts for connections of one kind.

    input: to this host, from the zone `source`; output: from this host, to the zone `target`; forward: between them.
    `sources` and `destinations` narrow it, `ports` are those to which the connection is made, before any DNAT.
    """

    helper: str
    path: str
    ports: tuple[tuple[int, str], ...]
    source: str = ""
    target: str = ""
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    families: tuple[int, ...] = (4, 6)
    why: str = ""  #: "service fw-nfs3", "policy lan-wan, service fw-ftp"


@dataclass(frozen=True, slots=True)
class ZoneAssignments:
    """All of it. The default is: no zones, so nothing acts by them."""

    members: tuple[ZoneMember, ...] = ()
    acts: tuple[Assignment, ...] = ()

    def ports(self, helper: str) -> tuple[int, ...]:
        """All ports to which connections of a helper are made."""
        found = {port for act in self.acts if act.helper == helper for port, _ in act.ports}
        return tuple(sorted(found))
