"""Combines the rules for a helper into one table that matches exactly the same connections.

A table matches every combination of its ports, interfaces, sources and destinations, with addresses for each family.
Rules that differ in one of these are merged. Rules that differ in more need separate tables, which our configuration
does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from fwhelpers.config.validators import Network
from fwhelpers.migrate.limits import ANY, OWN, Assignment
from fwhelpers.migrate.notes import Origin

Networks = frozenset[Network]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one table. `addresses` are family, sources, destinations; an empty set means all."""

    ports: frozenset[int]
    interfaces: frozenset[str]
    addresses: frozenset[tuple[int, Networks, Networks]]
    origins: tuple[Origin, ...]

    @property
    def families(self) -> list[int]:
        """The address families."""
        return sorted(family for family, _, _ in self.addresses)

    def everybody(self, side: int) -> bool:
        """Return whether no family limits a side (1: the sources, 2: the destinations)."""
        return not any(entry[side] for entry in self.addresses)


@dataclass(frozen=True, slots=True)
class _Box:
    """A rule for one family."""

    ports: frozenset[int]
    interfaces: frozenset[str]
    family: int
    sources: Networks
    destinations: Networks
    origins: tuple[Origin, ...]


def combine(rules: Iterable[Assignment]) -> list[Limits]:
    """Return as few tables as the merging finds; the first one contains the first rule."""
    boxes = [
        _Box(rule.ports, rule.interfaces, family, rule.sources, rule.destinations, (rule.origin,))
        for rule in rules
        for family in sorted(rule.families)
    ]
    for _ in range(2):
        boxes = _merged(
            boxes, lambda b: (b.ports, b.interfaces, b.family, b.sources), _destinations
        )
        boxes = _merged(
            boxes, lambda b: (b.ports, b.interfaces, b.family, b.destinations), _sources
        )
        boxes = _merged(
            boxes, lambda b: (b.ports, b.family, b.sources, b.destinations), _interfaces
        )
        boxes = _merged(
            boxes, lambda b: (b.interfaces, b.family, b.sources, b.destinations), _ports
        )
    return _families(boxes)


def _merged(
    boxes: list[_Box], key: Callable[[_Box], Hashable], merge: Callable[[Sequence[_Box]], _Box]
) -> list[_Box]:
    """Merge the boxes that have the same key."""
    groups: dict[Hashable, list[_Box]] = {}
    for box in boxes:
        groups.setdefault(key(box), []).append(box)
    return [replace(merge(group), origins=_origins(group)) for group in groups.values()]


def _origins(group: Iterable[_Box | Limits]) -> tuple[Origin, ...]:
    return tuple(dict.fromkeys(origin for box in group for origin in box.origins))


def _destinations(group: Sequence[_Box]) -> _Box:
    return replace(group[0], destinations=_networks([box.destinations for box in group]))


def _sources(group: Sequence[_Box]) -> _Box:
    return replace(group[0], sources=_networks([box.sources for box in group]))


def _networks(each: list[Networks]) -> Networks:
    return frozenset().union(*each) if all(each) else frozenset()


def _interfaces(group: Sequence[_Box]) -> _Box:
    every = frozenset[str]().union(*(box.interfaces for box in group))
    return replace(group[0], interfaces=every & {ANY, OWN} if ANY in every else every)


def _ports(group: Sequence[_Box]) -> _Box:
    return replace(group[0], ports=frozenset[int]().union(*(box.ports for box in group)))


def _families(boxes: list[_Box]) -> list[Limits]:
    """Pair the boxes of both families that have the same ports and interfaces."""
    tables: list[Limits] = []
    waiting: dict[Hashable, int] = {}
    for box in boxes:
        key = (box.ports, box.interfaces)
        limits = Limits(*key, frozenset({(box.family, box.sources, box.destinations)}), box.origins)
        at = waiting.get((*key, 10 - box.family))
        if at is None:
            waiting.setdefault((*key, box.family), len(tables))
            tables.append(limits)
        else:
            del waiting[(*key, 10 - box.family)]
            both = tables[at].addresses | limits.addresses
            tables[at] = replace(tables[at], addresses=both, origins=_origins([tables[at], limits]))
    return tables
