"""A JSON object in a datagram (RFC 8259): no duplicate keys, no NaN or Infinity, bounded size and depth."""

from __future__ import annotations

import json
import re
from typing import Any

from fwhelpers.api import ParseError

MAX_SIZE = 8192
MAX_DEPTH = 8

# One token each: a complete string, a bracket, a run of anything else, or the quotation mark of a string that does not
# end. A string that does not end takes the rest of the text, so no mark is scanned twice
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]|[^"\[\]{}]+', re.DOTALL)


def parse_object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes of JSON, at most {MAX_SIZE} are read")
    check_depth(data)
    try:
        packet = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_reject_constant
        )
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {error}") from None
    if type(packet) is not dict:
        raise ParseError("not a JSON object")
    return packet


def check_depth(data: bytes) -> None:
    """Raise ParseError if brackets nest too deeply for json, whose recursion is Python's."""
    depth = 0
    for token in _TOKEN.finditer(data):
        byte = data[token.start()]
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > MAX_DEPTH:
            raise ParseError(f"JSON of more than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
