"""Who acts for a protocol: our helper in user space, or the kernel's own (`backend = "kernel"`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.config.files import KeyPath

#: the only setting that our rules honour, and not a parser
_OF_RULES = frozenset({"pickup"})


def families(backend: str, helper: Helper) -> tuple[int, ...]:
    """Return the address families that a backend handles, at least for one transport."""
    if backend == "user" or not helper.kernel:
        return tuple(helper.families)
    handled = {family for kernel in helper.kernel for family in kernel.families}
    return tuple(family for family in helper.families if family in handled)


def faults(
    table: Mapping[str, Any], backend: str, helper: Helper
) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield (keys, message, hint) for what the backend of a table [helpers.NAME] cannot do.

    A limit of the guard that nobody applies would be worse than an error.
    """
    if backend == "user":
        if helper.parser is None:
            yield ("backend",), "only the kernel has this helper", 'set backend = "kernel"'
        return
    if not helper.kernel:
        hint = 'remove the key: the default "user" is our helper'
        yield ("backend",), f"the kernel has no helper for {helper.name}", hint
        return
    hint = 'remove it, or set backend = "user"' if helper.parser else "remove it"
    for key in ("fail", "guard", *(s.name for s in helper.settings if s.name not in _OF_RULES)):
        if key in table and table[key] != {}:
            yield (key,), "the kernel's helper does not know it", hint
    if helper.outgoing and "interfaces" in table:
        yield ("interfaces",), "the kernel's helper acts for requests of this host alone", hint
