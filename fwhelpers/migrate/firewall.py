"""Reads files of firewall rules. A file may mix iptables' and nftables' syntax, as scripts do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwhelpers.migrate import iptables, modules, nft_rules
from fwhelpers.migrate.iptables import Finding, Match, Registration, Unsupported
from fwhelpers.migrate.limits import Assignment
from fwhelpers.migrate.modules import ModuleOptions
from fwhelpers.migrate.notes import MigrationNote


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that concern helpers, in the order of the files."""

    files: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    registrations: tuple[Registration, ...] = ()
    matches: tuple[Match, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    notes: tuple[MigrationNote, ...] = ()
    modules: tuple[ModuleOptions, ...] = ()


def read(files: Iterable[tuple[str, str]]) -> Rules:
    """Read files, given as name and text. Any text is accepted."""
    names: list[str] = []
    findings: list[Finding] = []
    options: list[ModuleOptions] = []
    for name, text in files:
        names.append(name)
        options += modules.read(name, text)
        findings += sorted(
            (*iptables.read(name, text), *nft_rules.read(name, text)),
            key=lambda finding: finding.origin,
        )
    return Rules(
        tuple(names),
        tuple(finding for finding in findings if isinstance(finding, Assignment)),
        tuple(finding for finding in findings if isinstance(finding, Registration)),
        tuple(finding for finding in findings if isinstance(finding, Match)),
        tuple(finding for finding in findings if isinstance(finding, Unsupported)),
        tuple(finding for finding in findings if isinstance(finding, MigrationNote)),
        tuple(options),
    )
