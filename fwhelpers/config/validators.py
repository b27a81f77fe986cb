"""Checks of single configuration values: a TOML value in, the checked value out, or `InvalidValue`.

They also keep foreign text out of the ruleset: nothing reaches nftables that did not pass here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Check = Callable[[Any], Any]
T = TypeVar("T", bound=Hashable)

_TYPES = {
    bool: "a boolean", int: "an integer", float: "a number with a fraction", str: "a string",
    list: "an array", dict: "a table",
}  # fmt: skip

# narrower than dev_valid_name (net/core/dev.c), which takes any byte but space, / and :
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@-]*")

#: what may stand before a colon in place of an interface; the rest of the word is NetworkManager's
REFERENCE_KINDS = ("profile", "type")

#: at most 64 bytes within the first 10000
_PART = re.compile(r"([0-9]{1,4}):((?:[0-9A-Fa-f]{2}){1,64})(?:/((?:[0-9A-Fa-f]{2}){1,64}))?")


class InvalidValue(ValueError):
    """What is wrong with a value, and what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def type_name(value: object) -> str:
    """What TOML calls the type of a value."""
    return _TYPES.get(type(value), "a date or time")


def integer(low: int, high: int) -> Check:
    """An integer of this range."""

    def check(value: object) -> int:
        return _integer(value, low, high)

    return check


def choice(*one_line: str) -> Check:
    """One of these strings."""
    offer = " or ".join(f'"{word}"' for word in one_line)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidValue(f"must be {offer}, not {type_name(value)}")
        if value not in one_line:
            raise InvalidValue(f"{_quoted(value)} is not known", f"use {offer}")
        return value

    return check


def ports(value: object) -> tuple[int, ...]:
    """Port numbers, at least one."""
    return _filled(tuple(_each(value, "ports", lambda item: _integer(item, 1, 65535))))


def allowed_ports(value: object) -> tuple[int, ...]:
    """Port numbers, maybe none."""
    return tuple(_each(value, "ports", lambda item: _integer(item, 1, 65535)))


def families(value: object) -> tuple[int, ...]:
    """4, 6 or both."""
    return _filled(tuple(_each(value, "4 and 6", _family)))


def interfaces(value: object) -> tuple[str, ...]:
    """Interface names, or references to NetworkManager's connections and types, at least one."""
    return _filled(tuple(_each(value, "interface names", _interface_or_reference)))


def prefixes(value: object) -> tuple[Network, ...]:
    """Address prefixes, at least one; a plain address is a prefix of full length."""
    return _filled(tuple(_each(value, "prefixes", _prefix)))


def boolean(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise InvalidValue(f"must be true or false, not {type_name(value)}")
    return value


def one_line(value: object) -> str:
    """One line of text for people."""
    if not isinstance(value, str):
        raise InvalidValue(f"must be a string, not {type_name(value)}")
    if not value.isprintable() or len(value) > 200:
        raise InvalidValue("must be one line of at most 200 printable characters")
    return value


def groups(value: object) -> tuple[str, ...]:
    """Multicast groups or prefixes of groups, at least one."""
    return _filled(tuple(_each(value, "multicast groups", _group)))


def port_or(*others: str) -> Check:
    """A port number, or one of these words."""
    offer = ", ".join(f'"{word}"' for word in others)

    def check(value: object) -> int | str:
        if isinstance(value, str) and not value.isdecimal():
            if value not in others:
                raise InvalidValue(f"{_quoted(value)} is not known", f"use {offer} or a port")
            return value
        return _integer(value, 1, 65535)

    return check


def signature(value: object) -> tuple[tuple[int, bytes, bytes], ...]:
    """Bytes at offsets, at least one: "OFFSET:HEX" or "OFFSET:HEX/MASK" -> offset, value, mask (maybe empty)."""
    return _filled(tuple(_each(value, "signature parts", _part)))


def names(value: object) -> tuple[str, ...]:
    """Any names, maybe none."""
    return tuple(_each(value, "names", _name))


def _each(value: object, what: str, check: Callable[[object], T]) -> Iterator[T]:
    if not isinstance(value, list):
        raise InvalidValue(f"must be an array of {what}, not {type_name(value)}", "put it in [ ]")
    seen: set[T] = set()
    for item in value:
        checked = check(item)
        if checked in seen:
            raise InvalidValue(f"{checked} is there twice", "remove one")
        seen.add(checked)
        yield checked


def _filled(items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise InvalidValue(
            "is empty, so nothing could ever match", "leave the key out for no limit"
        )
    return items


def _integer(value: object, low: int, high: int) -> int:
    if isinstance(value, str) and value.isdecimal():
        raise InvalidValue("must be an integer, not a string", f"write {value} without quotes")
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"must be an integer, not {type_name(value)}")
    if not low <= value <= high:
        raise InvalidValue(f"{value} is out of range", f"use {low} to {high}")
    return value


def _family(value: object) -> int:
    number = _integer(value, 0, 99)
    if number not in (4, 6):
        raise InvalidValue(f"{number} is no address family", "use 4, 6 or both")
    return number


def _interface(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must hold strings, not {type_name(value)}")
    if len(value.encode()) > 15:  # IFNAMSIZ, its zero included
        raise InvalidValue(
            f"{_quoted(value)} is too long for an interface", "at most 15 characters"
        )
    if not _INTERFACE.fullmatch(value):
        raise InvalidValue(
            f"{_quoted(value)} can't be an interface", "patterns are not known, name each"
        )
    return value


def is_interface(name: str) -> bool:
    """Can rules name this interface?"""
    return len(name.encode()) <= 15 and bool(_INTERFACE.fullmatch(name))


def _interface_or_reference(value: object) -> str:
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        return _interface(value)
    if kind not in REFERENCE_KINDS:
        raise InvalidValue(
            f"{_quoted(str(value))} is not known",
            'an interface has no colon; "profile:NAME" and "type:NAME" are NetworkManager\'s',
        )
    if not name.strip() or not name.isprintable():
        raise InvalidValue(
            f"{_quoted(str(value))} names nothing", f'like "{kind}:{_EXAMPLES[kind]}"'
        )
    return str(value)


_EXAMPLES = {"profile": "Office", "type": "wifi"}


def _prefix(value: object) -> Network:
    if not isinstance(value, str):
        raise InvalidValue(f"must hold strings, not {type_name(value)}")
    if "%" in value:  # the zone that ipaddress would keep is free text
        raise InvalidValue(f"{_quoted(value)} has a zone", "use `interfaces` for that")
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise _bad_prefix(value) from None


def _bad_prefix(value: str) -> InvalidValue:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return InvalidValue(
            f"{_quoted(value)} is no address prefix", 'like "192.0.2.0/24" or "fd00::/64"'
        )
    return InvalidValue(f"{value} has bits set behind the prefix", f'write "{network}"')


def _group(value: object) -> str:
    network = _prefix(value)
    if not network.is_multicast:
        raise InvalidValue(
            f"{network} is no multicast group", "for 255.255.255.255 say broadcast = true"
        )
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _part(value: object) -> tuple[int, bytes, bytes]:
    if not isinstance(value, str):
        raise InvalidValue(f"must hold strings, not {type_name(value)}")
    found = _PART.fullmatch(value)
    if found is None:
        raise InvalidValue(f"{_quoted(value)} is no signature", 'like "0:424a4e50" or "2:00/f8"')
    wanted, mask = bytes.fromhex(found[2]), bytes.fromhex(found[3] or "")
    if mask and len(mask) != len(wanted):
        raise InvalidValue(f"{_quoted(value)}: value and mask are of different length")
    if mask and bytes(a & b for a, b in zip(wanted, mask, strict=True)) != wanted:
        raise InvalidValue(f"{_quoted(value)}: the value has bits that the mask leaves out")
    return int(found[1]), wanted, mask


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must hold strings, not {type_name(value)}")
    if not value.strip():
        raise InvalidValue("holds an empty name")
    return value


def _quoted(value: str) -> str:
    """For messages: control characters in a config file must not reach a terminal."""
    return ascii(value) if not value.isprintable() else f'"{value}"'


def guess(word: str, known: Sequence[str], what: str) -> str:
    """A hint for a word that is not known: the nearest one, or all."""
    from difflib import get_close_matches  # only ever needed for bad input

    near = get_close_matches(word, known, 1, 0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"{what}: {', '.join(known)}" if known else f"there are no {what}"
