"""Describes an exception of a plugin in one line, so that its author finds the place without a traceback."""

from __future__ import annotations

from pathlib import PurePath
from traceback import walk_tb

from fwhelpers.api import event_types

_MACHINERY = ("fwhelpers", "importlib", "pluggy")
#: modules whose own exceptions and calls say nothing about the place in the plugin
_CALLERS = (event_types.__name__, "pluggy._callers", "fwhelpers.plugin.manager")


def describe_failure(error: BaseException) -> str:
    """Return class, first line of the message, and place: `KeyError: 'port' (foo_helper.py:14)`.

    The place is the innermost one outside fwhelpers and what loads plugins, if there is one.
    """
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    places = [
        (frame.f_globals.get("__name__", ""), f"{PurePath(frame.f_code.co_filename).name}:{line}")
        for frame, line in walk_tb(error.__traceback__)
    ]
    foreign = [place for module, place in places if module.partition(".")[0] not in _MACHINERY]
    if foreign:
        return f"{text} ({foreign[-1]})"
    if not places or any(module in _CALLERS for module, _ in places):
        return text
    return f"{text} ({places[-1][1]})"
