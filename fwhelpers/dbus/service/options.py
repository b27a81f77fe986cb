"""Checks the arguments of callers. All of them are hostile input.

Every failure is an InvalidArgs error whose text names the option and a value that would do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.errors import BusError

MAX_NAMES = 256  #: names in one list
MAX_LISTED = 8  #: choices that an error lists
SHOWN = 64  #: characters of a caller's text that an error repeats

Check = Callable[[Any], Any]

_ID = re.compile(r"[0-9a-f]{1,16}-([0-9]{1,18})")


def parse_options(options: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the checked options. Raises BusError (InvalidArgs) for unknown keys and wrong values."""
    parsed = {}
    for key, value in options.items():
        check = checks.get(key)
        if check is None:
            raise invalid(f"unknown option {printable(key)}{suggestion(key, checks)}")
        try:
            parsed[key] = check(value)
        except ValueError as error:
            raise invalid(f"option {key}: {error}") from None
    return parsed


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("must be a boolean")
    return value


def text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("must be a string")
    return value


def positive(value: Any) -> int:
    """Return a number between 1 and 2³² − 1, of whatever integer type."""
    if type(value) is not int:
        raise ValueError("must be a number")
    if not 1 <= value <= 0xFFFFFFFF:
        raise ValueError(f"must be between 1 and {0xFFFFFFFF}, not {value}")
    return value


def expectation_id(value: Any) -> int:
    """Parse an expectation's ID; return its number in the order of creation."""
    match = _ID.fullmatch(text(value))
    if match is None:
        raise ValueError(f"no such ID: {printable(value)}")
    return int(match[1])


def names_list(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(type(name) is str for name in value):
        raise ValueError("must be an array of strings")
    if len(value) > MAX_NAMES:
        raise ValueError(f"at most {MAX_NAMES} names, not {len(value)}")
    return frozenset(value)


def one_of(*choices: str) -> Check:
    """Return a check for one of some words."""

    def check(value: Any) -> str:
        if text(value) not in choices:
            raise ValueError(f"unknown value {printable(value)}{suggestion(value, choices)}")
        return str(value)

    return check


def some_of(*choices: str) -> Check:
    """Return a check for a list of some words."""

    def check(value: Any) -> frozenset[str]:
        words = names_list(value)
        for word in sorted(words.difference(choices)):
            raise ValueError(f"unknown value {printable(word)}{suggestion(word, choices)}")
        return words

    return check


def invalid(reason: str) -> BusError:
    return BusError(names.INVALID_ARGS, reason)


def printable(value: str) -> str:
    """Return a caller's text for an error or a log line: ASCII on one line, shortened, quoted."""
    return ascii(value[:SHOWN]) + ("…" if len(value) > SHOWN else "")


def suggestion(word: str, choices: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Return the end of an error about an unknown word: the nearest choice, or all if they are few."""
    near = get_close_matches(word[:SHOWN], list(choices), 1, 0.6)
    if near:
        return f"; did you mean {near[0]}?"
    if not choices:
        return "; there is none"
    return f"; known: {', '.join(choices)}" if len(choices) <= MAX_LISTED else ""
