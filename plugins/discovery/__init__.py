"""Discovery protocols: the rows of `discovery_rows`, each a helper of its own."""

from __future__ import annotations

from fwhelpers.api import Helper, hookimpl
from fwhelpers.discovery import helper_of

from . import ssdp
from .rows import ROWS

#: rows that are only the beginning of something
_EXTENDED = {"ssdp": ssdp.extended}


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """A helper for each row."""
    return [_EXTENDED.get(row.name, helper_of)(row) for row in ROWS]
