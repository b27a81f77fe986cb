"""Discovery protocols: one helper for each row of `rows`."""

from __future__ import annotations

from fwhelpers.api import Helper, hookimpl
from fwhelpers.discovery import helper_of

from . import ssdp
from .rows import ROWS

#: rows whose helpers do more than open for answers
_EXTENDED = {"ssdp": ssdp.extended}


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [_EXTENDED.get(row.name, helper_of)(row) for row in ROWS]
