"""Writes the TOML file. A comment before each key names the lines that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwhelpers.config import schema
from fwhelpers.migrate.convert import Result, Table
from fwhelpers.migrate.helper_keys import Entry
from fwhelpers.migrate.notes import Origin, places

_HEAD = """\
# converted from {file} by `fwhelpers import-conntrackd`. Comments name the original lines. The
# settings in comments have no key here, or the default is better (docs/migration.md).
"""


def toml(result: Result) -> str:
    """Return the whole file."""
    file = Origin(result.file, 0).short.rpartition(":")[0]
    head = _HEAD.format(file=file)
    return head + "".join(f"{line}\n" for table in result.tables for line in ("", *_table(table)))


def _table(table: Table) -> Iterator[str]:
    name = f"{'#' if table.off else ''}[helpers.{_name(table.name)}"
    for origin, text in table.origins:
        yield f"# {origin.short}: {text}"
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
