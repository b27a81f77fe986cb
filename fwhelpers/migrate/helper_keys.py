"""The keys ports, families, interfaces, sources and destinations of a helper, from its Types and rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fwhelpers.api import Helper
from fwhelpers.config.validators import Network
from fwhelpers.migrate.combine import Limits, combine
from fwhelpers.migrate.conntrackd import Type
from fwhelpers.migrate.limits import ANY, OWN, Assignment
from fwhelpers.migrate.notes import MigrationNote, Origin, shown

_EVERYBODY = {4: "0.0.0.0/0", 6: "::/0"}


class Entry(NamedTuple):
    """A key of ours, and what gave it."""

    key: str
    value: object
    origins: tuple[Origin, ...]


def keys(
    types: Sequence[Type], rules: Sequence[Assignment], helper: Helper, files: Sequence[str]
) -> tuple[list[Entry], list[MigrationNote]]:
    """What differs from the helper's defaults; and a note for each rule that one table can't say too.

    `files` are those in which rules were looked for; without any, nobody expects some.
    """
    if not rules:
        notes = [MigrationNote(types[0].origin, _idle(helper, files))] if files else []
        return list(_types_families(types, helper)), notes
    limits, *others = combine(rules)
    lost = dict.fromkeys(origin for other in others for origin in other.origins)
    notes = [MigrationNote(origin, _second(limits, helper)) for origin in lost]
    notes += _transports(rules, types, helper)
    return list(_entries(limits, types, helper, notes)), notes


def _idle(helper: Helper, files: Sequence[str]) -> str:
    ports = ", ".join(map(str, helper.ports))
    where = ", ".join(shown(file.rpartition("/")[2]) for file in files)
    return f"no rule in {where} gives {helper.name} connections: ours takes all to port {ports}"


def _second(limits: Limits, helper: Helper) -> str:
    first = limits.origins[0].short
    return (
        f"this rule for {helper.name} is left out, in part or whole: [helpers.{helper.name}] has the"
        f" limits of {first}, which differ in more than one of ports, interfaces and addresses"
    )


def _transports(
    rules: Sequence[Assignment], types: Sequence[Type], helper: Helper
) -> Iterator[MigrationNote]:
    """With us ports count for all transports of a helper."""
    by_l4: dict[str, set[int]] = {one.l4: set() for one in types}
    for rule in rules:
        by_l4[rule.l4].update(rule.ports)
    if len({frozenset(ports) for ports in by_l4.values()}) > 1:
        what = f"the rules give {helper.name} other ports for udp than for tcp: ours takes all of them for both"
        yield MigrationNote(rules[0].origin, what)


def _types_families(types: Sequence[Type], helper: Helper) -> Iterator[Entry]:
    families = sorted({one.family for one in types})
    if families != sorted(helper.families):
        yield Entry("families", families, tuple(one.origin for one in types))


def _entries(
    limits: Limits, types: Sequence[Type], helper: Helper, notes: list[MigrationNote]
) -> Iterator[Entry]:
    if limits.ports != frozenset(helper.ports):
        yield Entry("ports", sorted(limits.ports), limits.origins)
    if limits.families != sorted(helper.families):
        origins = tuple(one.origin for one in types) + limits.origins
        yield Entry("families", limits.families, origins)
    yield from _interfaces(limits, helper, notes)
    for key, side in (("sources", 1), ("destinations", 2)):
        if not limits.everybody(side):
            yield Entry(key, _prefixes(limits, side), limits.origins)


def _interfaces(limits: Limits, helper: Helper, notes: list[MigrationNote]) -> Iterator[Entry]:
    named = sorted(limits.interfaces - {ANY, OWN})
    first = limits.origins[0]
    if named:
        yield Entry("interfaces", named, limits.origins)
    if helper.outgoing:
        if ANY in limits.interfaces:
            what = f"our {helper.name} takes this host's own requests; name `interfaces` for those of others"
            notes.append(MigrationNote(first, what))
    elif named and OWN in limits.interfaces:
        what = f"with `interfaces` our {helper.name} leaves this host's own connections out"
        notes.append(MigrationNote(first, what))
    elif limits.interfaces == {OWN}:
        what = f"our {helper.name} takes connections that come in as well as this host's own"
        notes.append(MigrationNote(first, what))


def _prefixes(limits: Limits, side: int) -> list[str]:
    """Both families in one list: where one has no limit, it must be said that everybody is meant."""
    found = []
    for family, *sides in sorted(limits.addresses, key=lambda one: one[0]):
        each = sorted(sides[side - 1], key=lambda n: (int(n.network_address), n.prefixlen))
        found += list(map(_text, each)) or [_EVERYBODY[family]]
    return found


def _text(network: Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)
