"""Readers for JSON from a process that parses hostile bytes: they return a checked value or raise ValueError."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from fwhelpers.kernel.conntrack import Tuple

MAX_INTEGER = (1 << 63) - 1
MAX_TEXT = 1000  #: characters; a longer text is cut
_ADDRESS_SIZES = (4, 16)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def load(data: bytes) -> Any:
    try:
        return _decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def integer(value: object, most: int = MAX_INTEGER, least: int = 0) -> int:
    # bool is a subclass of int
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"not an integer from {least} to {most}")
    return value


def number(value: object) -> float:
    if type(value) is int and abs(value) <= MAX_INTEGER:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def flag(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError("not a truth value")
    return value


def text(value: object, most: int = MAX_TEXT) -> str:
    """A string of printable characters: others are escaped, so that it forges no line of a log."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    cut = value[:most]
    return cut if cut.isprintable() else ascii(cut)[1:-1][:most]


def octets(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not a string of hexadecimal digits")
    return bytes.fromhex(value)


def items(value: object, size: int | None = None) -> list[Any]:
    if not isinstance(value, list) or len(value) != (len(value) if size is None else size):
        raise ValueError("not a list" if size is None else f"not a list of {size}")
    return value


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def conntrack_tuple(value: object) -> Tuple:
    src, dst, l4, sport, dport = items(value, 5)
    addresses = octets(src), octets(dst)
    if len(addresses[0]) != len(addresses[1]) or len(addresses[0]) not in _ADDRESS_SIZES:
        raise ValueError("not two addresses of one family")
    return Tuple(*addresses, integer(l4, 255), integer(sport, 65535), integer(dport, 65535))


def plain_tuple(value: Tuple) -> list[Any]:
    """The JSON form that `conntrack_tuple` reads."""
    return [value.src.hex(), value.dst.hex(), *value[2:]]
