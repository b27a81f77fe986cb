"""Strict decimal numbers (safety rule G11): ASCII digits only, counted and range-checked before they are converted."""

from __future__ import annotations

import re

from fwhelpers.api import ParseError

_DIGITS = re.compile(rb"[0-9]+")  # int() would also accept b"+1", b" 1" and b"1_0"


def decimal(text: bytes, highest: int) -> int:
    """Parse a number from 0 to `highest`, with at most as many digits as `highest` has. Raises ParseError."""
    if not _DIGITS.fullmatch(text) or len(text) > len(str(highest)):
        raise ParseError(f"not a number up to {highest}: {text[:16]!r}")
    number = int(text)
    if number > highest:
        raise ParseError(f"{number} is more than {highest}")
    return number
