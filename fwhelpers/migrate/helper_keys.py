"""Derives a helper's keys ports, families, interfaces, sources and destinations from its Types and rules."""

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
    """A key of our configuration, with the lines that it comes from."""

    key: str
    value: object
    origins: tuple[Origin, ...]


def keys(
    types: Sequence[Type], rules: Sequence[Assignment], helper: Helper, files: Sequence[str]
) -> tuple[list[Entry], list[MigrationNote]]:
    """Return the keys that differ from the helper's defaults, and notes on rules that a single table cannot express.

    `files` are the files of rules; without any there is no note on missing rules.
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
    return f"no rule in {where} assigns {helper.name}; ours handles all connections to port {ports}"


def _second(limits: Limits, helper: Helper) -> str:
    first = limits.origins[0].short
    return (
        f"omitted this rule for {helper.name}, in part or whole: [helpers.{helper.name}] has the limits"
        f" of {first}, which differ in more than one of ports, interfaces and addresses"
    )


def _transports(
    rules: Sequence[Assignment], types: Sequence[Type], helper: Helper
) -> Iterator[MigrationNote]:
    """Yield a note if transports have different ports; our ports apply to all transports of a helper."""
    by_l4: dict[str, set[int]] = {type_.l4: set() for type_ in types}
    for rule in rules:
        by_l4[rule.l4].update(rule.ports)
    if len({frozenset(ports) for ports in by_l4.values()}) > 1:
        text = f"the rules for {helper.name} have different ports for udp and tcp; ours handles all of them for both"
        yield MigrationNote(rules[0].origin, text)


def _types_families(types: Sequence[Type], helper: Helper) -> Iterator[Entry]:
    families = sorted({type_.family for type_ in types})
    if families != sorted(helper.families):
        yield Entry("families", families, tuple(type_.origin for type_ in types))


def _entries(
    limits: Limits, types: Sequence[Type], helper: Helper, notes: list[MigrationNote]
) -> Iterator[Entry]:
    if limits.ports != frozenset(helper.ports):
        yield Entry("ports", sorted(limits.ports), limits.origins)
    if limits.families != sorted(helper.families):
        origins = tuple(type_.origin for type_ in types) + limits.origins
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
            text = f"our {helper.name} handles this host's requests; for those of other hosts set `interfaces`"
            notes.append(MigrationNote(first, text))
    elif named and OWN in limits.interfaces:
        text = f"with `interfaces` our {helper.name} does not handle this host's own connections"
        notes.append(MigrationNote(first, text))
    elif limits.interfaces == {OWN}:
        text = f"our {helper.name} handles incoming connections as well as this host's own"
        notes.append(MigrationNote(first, text))


def _prefixes(limits: Limits, side: int) -> list[str]:
    """Return the prefixes of both families; a family without a limit has the prefix of all addresses."""
    prefixes = []
    for family, *sides in sorted(limits.addresses, key=lambda entry: entry[0]):
        each = sorted(sides[side - 1], key=lambda n: (int(n.network_address), n.prefixlen))
        prefixes += list(map(_text, each)) or [_EVERYBODY[family]]
    return prefixes


def _text(network: Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)
