"""The hooks that a plugin may implement. They are called when plugins are loaded, never per packet."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from fwhelpers.api import Helper

hookspec = pluggy.HookspecMarker("fwhelpers")

#: incremented by each incompatible change; a plugin may declare `FWHELPERS_API = 1`
API_VERSION = 1


@hookspec
def fwhelpers_helpers() -> Iterable[Helper]:  # type: ignore[empty-body]
    """Return the helpers that this plugin offers.

    Called after the plugin is imported and again at each reload. A helper with an invalid
    declaration, or with a name that is already taken, is reported with the plugin's package and
    version and ignored; the plugin's other helpers are used.
    """
