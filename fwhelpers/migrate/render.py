"""Our TOML, with a comment before each line that names what it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwhelpers.config import schema
from fwhelpers.migrate.convert import Result, Table
from fwhelpers.migrate.helper_keys import Entry
from fwhelpers.migrate.notes import Origin, places

_HEAD = """\
# fwhelpers: made of {file} by `fwhelpers import-conntrackd`. Comments name the lines that it was made of;
# what follows them has no key with us, or is better left at our default (docs/migration.md).
"""


def toml(made: Result) -> str:
    """The whole file."""
    file = Origin(made.file, 0).short.rpartition(":")[0]
    head = _HEAD.format(file=file)
    return head + "".join(f"{line}\n" for line in _lines(made))


def _lines(made: Result) -> Iterator[str]:
    for table in made.tables:
        yield ""
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    name = f"{'#' if table.off else ''}[helpers.{_name(table.name)}"
    for origin, what in table.origins:
        yield f"# {origin.short}: {what}"
    yield f"{name}]"
    yield from _entries(table.entries, table.off)
    for remark in table.remarks:
        yield f"# {remark.origin.short}: {remark.text}"
    if table.guard:
        yield from ("", f"{name}.guard]")
        yield from _entries(table.guard, table.off)


def _entries(entries: Iterable[Entry], off: bool) -> Iterator[str]:
    for entry in entries:
        yield f"# {places(entry.origins)}"
        yield f"{'#' if off else ''}{entry.key} = {schema.toml(entry.value)}"


def _name(name: str) -> str:
    return schema.toml(name) if "." in name else name
