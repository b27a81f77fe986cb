"""What a file of firewall rules says about helpers, whichever of the known forms it has (scripts mix them)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwhelpers.migrate import iptables, nft_rules
from fwhelpers.migrate.iptables import Finding, Left, Match, Registration
from fwhelpers.migrate.limits import Assignment
from fwhelpers.migrate.notes import MigrationNote


@dataclass(frozen=True, slots=True)
class Rules:
    """What was found, in the files' order."""

    files: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    registrations: tuple[Registration, ...] = ()
    matches: tuple[Match, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[MigrationNote, ...] = ()


def read(files: Iterable[tuple[str, str]]) -> Rules:
    """Read files given as name and text. There is no text that it does not take."""
    names: list[str] = []
    found: list[Finding] = []
    for name, text in files:
        names.append(name)
        found += sorted(
            (*iptables.read(name, text), *nft_rules.read(name, text)), key=lambda one: one.origin
        )
    return Rules(
        tuple(names),
        tuple(one for one in found if isinstance(one, Assignment)),
        tuple(one for one in found if isinstance(one, Registration)),
        tuple(one for one in found if isinstance(one, Match)),
        tuple(one for one in found if isinstance(one, Left)),
        tuple(one for one in found if isinstance(one, MigrationNote)),
    )
