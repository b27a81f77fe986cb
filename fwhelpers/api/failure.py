"""Describes an exception of a plugin in one line, so that its author finds the place without a traceback."""

from __future__ import annotations

from pathlib import PurePath
from traceback import walk_tb

from fwhelpers.api import event_types


def describe_failure(error: BaseException) -> str:
    """Return class, first line of the message, and place: `KeyError: 'port' (foo_helper.py:14)`.

    The place is the innermost one outside fwhelpers, if there is one.
    """
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    places = [
        (frame.f_globals.get("__name__", ""), f"{PurePath(frame.f_code.co_filename).name}:{line}")
        for frame, line in walk_tb(error.__traceback__)
    ]
    foreign = [place for module, place in places if module.partition(".")[0] != "fwhelpers"]
    if foreign:
        return f"{text} ({foreign[-1]})"
    if places and places[-1][0] != event_types.__name__:  # which knows no place in the plugin
        return f"{text} ({places[-1][1]})"
    return text
