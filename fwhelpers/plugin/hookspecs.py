"""The hooks that a plugin may implement. All are called when plugins are loaded or reloaded, never per packet."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from fwhelpers.api import Helper

hookspec = pluggy.HookspecMarker("fwhelpers")

#: raised by one whenever a change would break existing plugins; a plugin may state `FWHELPERS_API = 1`
API_VERSION = 1


@hookspec
def fwhelpers_helpers() -> Iterable[Helper]:  # type: ignore[empty-body]
    """Return the helpers that this plugin offers.

    Called once after the plugin was imported, and again at each reload. A helper whose name another plugin has taken
    already, or whose declaration is wrong, is reported with the plugin's package and version, and left out; the
    plugin's other helpers stay.
    """
