"""Rules that end the way through a chain before a rule that assigns a helper.

iptables -t raw -A PREROUTING -i wan -j RETURN
iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp

Our keys know no order, so that the second rule without the first would give more connections a helper.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from fwhelpers.config.validators import Network
from fwhelpers.migrate.limits import ANY, Assignment, Conditions
from fwhelpers.migrate.notes import Origin

#: connections over this interface matter to no firewall
_LOOPBACK = {"lo"}


class Exit(NamedTuple):
    """A rule behind which a chain does not go on. Conditions without a key are not among its conditions."""

    origin: Origin
    conditions: Conditions

    def reason(self) -> str:
        """Return why an assignment behind it is omitted."""
        return f"line {self.origin.line} ends the chain before it for some connections, which no key can except"


def before(assignment: Assignment, exits: Iterable[Exit]) -> Exit | None:
    """Return the first of the exits that may concern connections of an assignment, None if there is none."""
    return next((passed for passed in exits if _meets(passed.conditions, assignment)), None)


def _meets(conditions: Conditions, assignment: Assignment) -> bool:
    if conditions.interfaces == _LOOPBACK:
        return False
    named = conditions.interfaces if ANY not in assignment.interfaces else set()
    return (
        conditions.l4 in ("", assignment.l4)
        and not conditions.families.isdisjoint(assignment.families)
        and _share(conditions.ports, assignment.ports)
        and _share(named, assignment.interfaces)
        and _overlap(conditions.sources, assignment.sources)
        and _overlap(conditions.destinations, assignment.destinations)
    )


def _share(first: Iterable[Hashable], second: Iterable[Hashable]) -> bool:
    ours, theirs = frozenset(first), frozenset(second)
    return not ours or not theirs or not ours.isdisjoint(theirs)


def _overlap(first: Iterable[Network], second: Iterable[Network]) -> bool:
    ours, theirs = list(first), list(second)
    pairs = [(a, b) for a in ours for b in theirs if a.version == b.version]
    return not ours or not theirs or any(_nested(a, b) or _nested(b, a) for a, b in pairs)


def _nested(inner: Network, outer: Network) -> bool:
    return inner.network_address in outer
