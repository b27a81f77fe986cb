"""What conntrackd did, as our configuration: a table for each of its helpers that we have.

A rule's condition is never dropped to make it fit: what our keys can't say is left out and told. Where a helper of ours
is wider by its nature (both transports, connections from without as well) that is told too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fwhelpers.api import KERNEL_HELPERS, Helper
from fwhelpers.migrate import policies
from fwhelpers.migrate.conntrackd import Document, Type
from fwhelpers.migrate.firewall import Rules
from fwhelpers.migrate.helper_keys import Entry, keys
from fwhelpers.migrate.iptables import Registration
from fwhelpers.migrate.limits import Assignment
from fwhelpers.migrate.notes import MigrationNote, Origin, shown

#: conntrackd's own helpers
KNOWN = (
    "amanda", "dhcpv6", "ftp", "mdns", "rpc", "sane", "slp", "ssdp", "tftp", "tns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """[helpers.NAME]: its keys, those of its guard, and what stays a comment; with `off` all of it does."""

    name: str
    origins: tuple[tuple[Origin, str], ...]
    entries: tuple[Entry, ...] = ()
    guard: tuple[Entry, ...] = ()
    remarks: tuple[policies.Remark, ...] = ()
    off: bool = False


@dataclass(slots=True)
class Result:
    """Our configuration, and what is told about the way to it."""

    file: str
    tables: list[Table] = field(default_factory=list)
    notes: list[MigrationNote] = field(default_factory=list)


def convert(document: Document, rules: Rules, helpers: Mapping[str, Helper]) -> Result:
    """Make tables for the helpers that are installed; `notes` has a line for whatever finds no place."""
    made = Result(document.file, notes=[*rules.notes, *(left.note() for left in rules.left)])
    groups: dict[str, list[Type]] = {}
    for one in document.types:
        groups.setdefault(one.name, []).append(one)
    given: dict[str, list[Assignment]] = {}
    for rule in rules.assignments:
        given.setdefault(rule.helper, []).append(rule)
    for name, types in groups.items():
        _table(made, types, given.get(name, []), helpers.get(name), rules)
    made.notes += [*_setup(document), *_unmatched(groups, rules), *_renamed(groups, rules, helpers)]
    made.notes = _sorted([*made.notes, *_sections(document)], (document.file, *rules.files))
    return made


def _sorted(notes: Iterable[MigrationNote], files: Iterable[str]) -> list[MigrationNote]:
    """As somebody who goes through the files meets them."""
    order = {file: number for number, file in enumerate(files)}
    each = dict.fromkeys(notes)
    return sorted(each, key=lambda note: (order[note.origin.file], note.origin.line))


def _table(
    made: Result, types: list[Type], given: list[Assignment], helper: Helper | None, rules: Rules
) -> None:
    if helper is None:
        made.notes += [
            MigrationNote(one.origin, f"{one} is left out: {_absent(one.name)}") for one in types
        ]
        return
    fitting = []
    for one in types:
        if one.family in helper.families and one.l4 in helper.l4s:
            fitting.append(one)
        else:
            made.notes.append(MigrationNote(one.origin, f"{one} {_ours(one, helper)}"))
    if not fitting:
        return
    made.notes += _both_transports(fitting, helper)
    alive = list(_alive(fitting, given, made))
    # without its limits a helper would take connections that it never had
    off = not alive and (bool(given) or any(left.helper == helper.name for left in rules.left))
    entries, notes = keys(fitting, alive, helper, () if off else rules.files)
    if off:
        what = f"{helper.name} stays commented out: no rule for it could be carried over"
        made.notes.append(MigrationNote(fitting[0].origin, what))
    remarks = tuple(remark for one in fitting for remark in policies.remarks(one, helper))
    made.notes += [*notes, *(remark.note() for remark in remarks if remark.differs)]
    named = tuple((one.origin, str(one)) for one in fitting)
    guard = tuple(_guard(fitting))
    made.tables.append(Table(helper.name, named, tuple(entries), guard, remarks, off))


def _absent(name: str) -> str:
    if name in KNOWN:
        return "this fwhelpers has no such helper (`fwhelpers list`)"
    return "it is none of conntrackd's own helpers, and no plugin of that name is installed"


def _ours(one: Type, helper: Helper) -> str:
    if one.l4 in helper.children:
        return f"is not needed: our {helper.name} finds these connections by itself"
    families = " and ".join(f"IPv{family}" for family in sorted(helper.families))
    return f"is left out: our {helper.name} is for {' and '.join(helper.l4s)} over {families}"


def _both_transports(types: list[Type], helper: Helper) -> Iterator[MigrationNote]:
    l4s = {one.l4 for one in types}
    for l4 in helper.l4s:
        if l4 not in l4s:
            what = f"our {helper.name} takes {l4} as well as {types[0].l4}: no key limits it to one"
            yield MigrationNote(types[0].origin, what)


def _alive(types: list[Type], given: list[Assignment], made: Result) -> Iterator[Assignment]:
    """The rules' parts that led to a Type; nobody answered the others."""
    for rule in given:
        families = {one.family for one in types if one.l4 == rule.l4} & rule.families
        if families:
            yield _for(rule, families)
        else:
            what = f"the rule for {shown(rule.helper)} over {rule.l4} is left out: there is no Type for it"
            made.notes.append(MigrationNote(rule.origin, what))


def _for(rule: Assignment, families: Iterable[int]) -> Assignment:
    return Assignment(
        rule.helper, rule.l4, rule.origin, frozenset(families), rule.ports, rule.interfaces,
        rule.sources, rule.destinations,
    )  # fmt: skip


def _guard(types: list[Type]) -> Iterator[Entry]:
    number = policies.raised(types)
    if number is not None:
        yield Entry("max_per_source", number.value, (number.origin,))


def _setup(document: Document) -> Iterator[MigrationNote]:
    if document.setup is not None and not document.setup.on:
        yield MigrationNote(document.setup.origin, "Setup no: our helpers register themselves")


def _unmatched(groups: Mapping[str, object], rules: Rules) -> Iterator[MigrationNote]:
    named: tuple[Assignment | Registration, ...] = (*rules.assignments, *rules.registrations)
    for rule in named:
        if rule.helper not in groups:
            whose = (
                "it is the kernel's own" if rule.helper in KERNEL_HELPERS else "nobody answered it"
            )
            yield MigrationNote(
                rule.origin, f"helper {shown(rule.helper)} has no Type: {whose}, left out"
            )


def _renamed(
    groups: Mapping[str, object], rules: Rules, helpers: Mapping[str, Helper]
) -> Iterator[MigrationNote]:
    for match in rules.matches:
        ours = helpers.get(match.helper)
        if match.helper in groups and ours and ours.kernel_name != match.helper:
            what = f'this rule looks for helper "{match.helper}": ours is "{ours.kernel_name}", change it'
            yield MigrationNote(match.origin, what)


def _sections(document: Document) -> Iterator[MigrationNote]:
    if document.skipped:
        each = ", ".join(dict.fromkeys(document.skipped))
        yield MigrationNote(
            Origin(document.file, 1), f"sections that are not about helpers are left out: {each}"
        )
