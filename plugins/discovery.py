"""Discovery protocols: the rows of `discovery_rows`, each a helper of its own."""

from __future__ import annotations

from fwhelpers.api import Helper, hookimpl
from fwhelpers.discovery import helper_of

from .discovery_rows import ROWS


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """A helper for each row."""
    return [helper_of(row) for row in ROWS]
