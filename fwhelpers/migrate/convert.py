"""Converts conntrackd's configuration into ours: a table for each of its helpers that is installed.

A rule with a condition that our keys cannot express is omitted with a note, never widened. There is also a note where a
helper of ours covers more than conntrackd's (both transports, incoming connections).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fwhelpers.api import KERNEL_HELPERS, Helper
from fwhelpers.migrate import modules, policies
from fwhelpers.migrate.conntrackd import Document, Type
from fwhelpers.migrate.firewall import Rules
from fwhelpers.migrate.helper_keys import Entry, keys
from fwhelpers.migrate.iptables import Registration
from fwhelpers.migrate.limits import Assignment
from fwhelpers.migrate.notes import MigrationNote, Origin, shown

#: conntrackd's own helpers
SHIPPED_HELPERS = (
    "amanda", "dhcpv6", "ftp", "mdns", "rpc", "sane", "slp", "ssdp", "tftp", "tns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A table [helpers.NAME]: its keys, those of its guard, and comments. `off` makes all of it comments."""

    name: str
    origins: tuple[tuple[Origin, str], ...]
    entries: tuple[Entry, ...] = ()
    guard: tuple[Entry, ...] = ()
    remarks: tuple[policies.Remark, ...] = ()
    off: bool = False


@dataclass(slots=True)
class Result:
    """The converted configuration and the notes on its conversion."""

    file: str
    tables: list[Table] = field(default_factory=list)
    notes: list[MigrationNote] = field(default_factory=list)


def convert(document: Document, rules: Rules, helpers: Mapping[str, Helper]) -> Result:
    """Make the tables of the installed helpers, and a note for each part that is omitted."""
    result = Result(
        document.file, notes=[*rules.notes, *(rule.note() for rule in rules.unsupported)]
    )
    groups: dict[str, list[Type]] = {}
    for type_ in document.types:
        groups.setdefault(type_.name, []).append(type_)
    assignments: dict[str, list[Assignment]] = {}
    for rule in rules.assignments:
        assignments.setdefault(rule.helper, []).append(rule)
    for name, types in groups.items():
        _table(result, types, assignments.get(name, []), helpers.get(name), rules)
    _modules(result, groups, rules, helpers)
    result.notes += [
        *_setup(document),
        *_unmatched(groups, rules),
        *_renamed(groups, rules, helpers),
    ]
    result.notes = _sorted([*result.notes, *_sections(document)], (document.file, *rules.files))
    return result


def _modules(
    result: Result, groups: Mapping[str, object], rules: Rules, helpers: Mapping[str, Helper]
) -> None:
    """Add a table for each module of the kernel's with parameters, as far as they have an equal."""
    for options in rules.modules:
        if options.helper in groups:
            text = (
                f"omitted the parameters of the kernel's {shown(options.helper)}: conntrackd has it"
            )
            result.notes.append(MigrationNote(options.origin, text))
            continue
        entries, notes = modules.convert(options, helpers)
        result.notes += notes
        if any(table.name == options.helper for table in result.tables):
            text = f"omitted {options}: an earlier line has parameters of the same module"
            result.notes.append(MigrationNote(options.origin, text))
        elif options.helper in helpers:
            origins = ((options.origin, f"parameters of the kernel's helper: {options}"),)
            result.tables.append(Table(options.helper, origins, tuple(entries)))


def _sorted(notes: Iterable[MigrationNote], files: Iterable[str]) -> list[MigrationNote]:
    """Sort notes by file and line."""
    order = {file: number for number, file in enumerate(files)}
    each = dict.fromkeys(notes)
    return sorted(each, key=lambda note: (order[note.origin.file], note.origin.line))


def _table(
    result: Result,
    types: list[Type],
    assignments: list[Assignment],
    helper: Helper | None,
    rules: Rules,
) -> None:
    if helper is None:
        result.notes += [
            MigrationNote(type_.origin, f"omitted {type_}: {_absent(type_.name)}")
            for type_ in types
        ]
        return
    fitting = []
    for type_ in types:
        if type_.family in helper.families and type_.l4 in helper.l4s:
            fitting.append(type_)
        else:
            result.notes.append(
                MigrationNote(type_.origin, f"omitted {type_}: {_ours(type_, helper)}")
            )
    if not fitting:
        return
    result.notes += _both_transports(fitting, helper)
    alive = list(_alive(fitting, assignments, result))
    # without its limits the helper would handle more connections than before
    lost = any(rule.helper == helper.name for rule in rules.unsupported)
    off = not alive and (bool(assignments) or lost)
    entries, notes = keys(fitting, alive, helper, () if off else rules.files)
    if off:
        text = f"{helper.name} is commented out: none of its rules could be converted"
        result.notes.append(MigrationNote(fitting[0].origin, text))
    remarks = tuple(remark for type_ in fitting for remark in policies.remarks(type_, helper))
    result.notes += [*notes, *(remark.note() for remark in remarks if remark.differs)]
    named = tuple((type_.origin, str(type_)) for type_ in fitting)
    guard = tuple(_guard(fitting))
    result.tables.append(Table(helper.name, named, tuple(entries), guard, remarks, off))


def _absent(name: str) -> str:
    if name in SHIPPED_HELPERS:
        return "no such helper is installed (see `fwhelpers list`)"
    return "it is not one of conntrackd's own helpers, and no plugin of that name is installed"


def _ours(type_: Type, helper: Helper) -> str:
    if type_.l4 in helper.children:
        return f"our {helper.name} finds these connections by itself"
    families = " and ".join(f"IPv{family}" for family in sorted(helper.families))
    return f"our {helper.name} supports {' and '.join(helper.l4s)} over {families}"


def _both_transports(types: list[Type], helper: Helper) -> Iterator[MigrationNote]:
    l4s = {type_.l4 for type_ in types}
    for l4 in helper.l4s:
        if l4 not in l4s:
            text = (
                f"our {helper.name} handles {l4} as well as {types[0].l4}; no key limits it to one"
            )
            yield MigrationNote(types[0].origin, text)


def _alive(
    types: list[Type], assignments: list[Assignment], result: Result
) -> Iterator[Assignment]:
    """Yield the rules limited to families that a Type has; add a note for rules without any."""
    for rule in assignments:
        families = {type_.family for type_ in types if type_.l4 == rule.l4} & rule.families
        if families:
            yield replace(rule, families=frozenset(families))
        else:
            text = f"omitted the rule for {shown(rule.helper)} over {rule.l4}: it has no Type"
            result.notes.append(MigrationNote(rule.origin, text))


def _guard(types: list[Type]) -> Iterator[Entry]:
    number = policies.raised(types)
    if number is not None:
        yield Entry("max_per_source", number.value, (number.origin,))


def _setup(document: Document) -> Iterator[MigrationNote]:
    if document.setup is not None and not document.setup.on:
        yield MigrationNote(
            document.setup.origin, "Setup no: fwhelpers always registers its helpers"
        )


def _unmatched(groups: Mapping[str, object], rules: Rules) -> Iterator[MigrationNote]:
    named: tuple[Assignment | Registration, ...] = (*rules.assignments, *rules.registrations)
    for rule in named:
        if rule.helper not in groups:
            own = rule.helper in KERNEL_HELPERS
            reason = "is the kernel's own (backend = kernel assigns it)" if own else "has no Type"
            yield MigrationNote(rule.origin, f"omitted helper {shown(rule.helper)}: it {reason}")


def _renamed(
    groups: Mapping[str, object], rules: Rules, helpers: Mapping[str, Helper]
) -> Iterator[MigrationNote]:
    for match in rules.matches:
        ours = helpers.get(match.helper)
        if match.helper in groups and ours and ours.kernel_name != match.helper:
            text = f'change this rule: it matches helper "{match.helper}", ours is "{ours.kernel_name}"'
            yield MigrationNote(match.origin, text)


def _sections(document: Document) -> Iterator[MigrationNote]:
    if document.skipped:
        each = ", ".join(dict.fromkeys(document.skipped))
        yield MigrationNote(
            Origin(document.file, 1), f"omitted sections that do not concern helpers: {each}"
        )
