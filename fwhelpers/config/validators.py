"""Checks for single configuration values: each returns the checked value or raises `InvalidValue`.

They also protect the ruleset: no text from a configuration file reaches nftables unchecked.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Check = Callable[[Any], Any]
T = TypeVar("T", bound=Hashable)

_TYPES = {
    bool: "a boolean", int: "an integer", float: "a number with a fraction", str: "a string",
    list: "an array", dict: "a table",
}  # fmt: skip

# stricter than dev_valid_name() (net/core/dev.c), which allows any byte except space, / and :
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@-]*")

#: prefixes of references to NetworkManager profiles and device types
REFERENCE_KINDS = ("profile", "type")

#: at most 64 bytes within the first 10000
_PART = re.compile(r"([0-9]{1,4}):((?:[0-9A-Fa-f]{2}){1,64})(?:/((?:[0-9A-Fa-f]{2}){1,64}))?")


class SocketAddress(NamedTuple):
    """A numeric address and a port."""

    host: str
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.host else 4

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family == 6 else f"{self.host}:{self.port}"


class InvalidValue(ValueError):
    """A message about the value, and a hint how to correct it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def type_name(value: object) -> str:
    """Return TOML's name for the type of a value, with its article."""
    return _TYPES.get(type(value), "a date or time")


def integer(low: int, high: int) -> Check:
    def check(value: object) -> int:
        return _integer(value, low, high)

    return check


def choice(*choices: str) -> Check:
    alternatives = " or ".join(f'"{choice}"' for choice in choices)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidValue(f"must be {alternatives}, not {type_name(value)}")
        if value not in choices:
            raise InvalidValue(f"invalid value {_quoted(value)}", suggest(value, choices, "values"))
        return value

    return check


def ports(value: object) -> tuple[int, ...]:
    """Port numbers, at least one."""
    return _not_empty(tuple(_each(value, "ports", lambda item: _integer(item, 1, 65535))))


def allowed_ports(value: object) -> tuple[int, ...]:
    """Port numbers; may be empty."""
    return tuple(_each(value, "ports", lambda item: _integer(item, 1, 65535)))


def families(value: object) -> tuple[int, ...]:
    """4, 6 or both."""
    return _not_empty(tuple(_each(value, "4 and 6", _family)))


def interfaces(value: object) -> tuple[str, ...]:
    """Interface names, or references to NetworkManager profiles and device types; at least one."""
    return _not_empty(tuple(_each(value, "interface names", _interface_or_reference)))


def prefixes(value: object) -> tuple[Network, ...]:
    """Address prefixes, at least one. An address without a length is a host prefix."""
    return _not_empty(tuple(_each(value, "prefixes", _prefix)))


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"must be true or false, not {type_name(value)}")
    return value


def one_line(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must be a string, not {type_name(value)}")
    if not value.isprintable() or len(value) > 200:
        raise InvalidValue("must be one line of at most 200 printable characters")
    return value


def groups(value: object) -> tuple[str, ...]:
    """Multicast groups or prefixes of groups, at least one."""
    return _not_empty(tuple(_each(value, "multicast groups", _group)))


def port_or(*keywords: str) -> Check:
    """Return a check for a port number or one of the keywords."""
    alternatives = ", ".join(f'"{keyword}"' for keyword in keywords)

    def check(value: object) -> int | str:
        if isinstance(value, str) and not value.isdecimal():
            if value not in keywords:
                hint = _nearest(value, keywords) or f"use {alternatives} or a port number"
                raise InvalidValue(f"invalid value {_quoted(value)}", hint)
            return value
        return _integer(value, 1, 65535)

    return check


def signature(value: object) -> tuple[tuple[int, bytes, bytes], ...]:
    """(offset, value, mask) of "OFFSET:HEX" or "OFFSET:HEX/MASK", at least one. The mask may be empty."""
    return _not_empty(tuple(_each(value, "signature parts", _part)))


def socket_address(value: object) -> SocketAddress:
    """ "10.0.9.1:3781" or "[fd00::1]:3781"."""
    if not isinstance(value, str):
        raise InvalidValue(f"must be a string, not {type_name(value)}", _SOCKET_EXAMPLE)
    host, colon, port = value.rpartition(":")
    is_bracketed = host[:1] == "[" and host[-1:] == "]"
    try:
        address = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
    except ValueError:
        address = None
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
    # ipaddress accepts any text as a zone
    if address is None or not (colon and is_port) or "%" in host:
        raise InvalidValue(f"{_quoted(value)} is no address with a port", _SOCKET_EXAMPLE)
    if is_bracketed != (address.version == 6):
        raise InvalidValue(f"{_quoted(value)} is no address with a port", _SOCKET_EXAMPLE)
    if address.is_unspecified or address.is_multicast:
        raise InvalidValue(f"{address} is no host's own address", "use the address of one link")
    return SocketAddress(str(address), int(port))


_SOCKET_EXAMPLE = 'for example "10.0.9.1:3781" or "[fd00::1]:3781"'


def absolute_path(value: object) -> Path:
    """An absolute path of a file."""
    if not isinstance(value, str):
        raise InvalidValue(f"must be a string, not {type_name(value)}")
    if not value.isprintable() or not value.startswith("/"):
        raise InvalidValue(f"{_quoted(value)} is not an absolute path")
    return Path(value)


def names(value: object) -> tuple[str, ...]:
    """Names; may be empty."""
    return tuple(_each(value, "names", _name))


def _each(value: object, items: str, check: Callable[[object], T]) -> Iterator[T]:
    if not isinstance(value, list):
        raise InvalidValue(f"must be an array of {items}, not {type_name(value)}", "put it in [ ]")
    distinct: set[T] = set()
    for item in value:
        checked = check(item)
        if checked in distinct:
            raise InvalidValue(f"duplicate value {checked}", "remove one")
        distinct.add(checked)
        yield checked


def _not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise InvalidValue("an empty array matches nothing", "omit the key for no limit")
    return items


def _integer(value: object, low: int, high: int) -> int:
    if isinstance(value, str) and value.isdecimal():
        raise InvalidValue("must be an integer, not a string", f"write {value} without quotes")
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"must be an integer, not {type_name(value)}")
    if not low <= value <= high:
        # str() refuses an integer of more than 4300 digits, which TOML can write in hexadecimal
        text = str(value) if abs(value) < 1 << 64 else "the number"
        raise InvalidValue(f"{text} is out of range", f"use {low} to {high}")
    return value


def _family(value: object) -> int:
    number = _integer(value, 0, 99)
    if number not in (4, 6):
        raise InvalidValue(f"{number} is not an address family", "use 4, 6 or both")
    return number


def _interface(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must contain strings, not {type_name(value)}")
    if len(value.encode()) > 15:  # IFNAMSIZ includes the terminating zero
        message = f"{_quoted(value)} is too long for an interface name"
        raise InvalidValue(message, "at most 15 characters")
    if not _INTERFACE.fullmatch(value):
        message = f"{_quoted(value)} is not an interface name"
        raise InvalidValue(message, "wildcards are not supported; list each interface")
    return value


def is_interface(name: str) -> bool:
    """Return True if a rule can name this interface."""
    return len(name.encode()) <= 15 and bool(_INTERFACE.fullmatch(name))


def _interface_or_reference(value: object) -> str:
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        return _interface(value)
    if kind not in REFERENCE_KINDS:
        hint = _nearest(kind, REFERENCE_KINDS)
        hint = hint or 'use "profile:NAME" or "type:NAME" for NetworkManager profiles and types'
        raise InvalidValue(f"{_quoted(str(value))} is not an interface name", hint)
    if not name.strip() or not name.isprintable():
        message = f"{_quoted(str(value))} lacks a name"
        raise InvalidValue(message, f'for example "{kind}:{_EXAMPLES[kind]}"')
    return str(value)


_EXAMPLES = {"profile": "Office", "type": "wifi"}


def _prefix(value: object) -> Network:
    if not isinstance(value, str):
        raise InvalidValue(f"must contain strings, not {type_name(value)}")
    if "%" in value:  # ipaddress accepts any text as a zone
        raise InvalidValue(f"{_quoted(value)} has a zone", "use `interfaces` instead")
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise _bad_prefix(value) from None


def _bad_prefix(value: str) -> InvalidValue:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        message = f"{_quoted(value)} is not an address prefix"
        return InvalidValue(message, 'for example "192.0.2.0/24" or "fd00::/64"')
    return InvalidValue(f"{value} has host bits set", f'write "{network}"')


def _group(value: object) -> str:
    network = _prefix(value)
    if not network.is_multicast:
        hint = "set broadcast = true for 255.255.255.255"
        raise InvalidValue(f"{network} is not a multicast group", hint)
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _part(value: object) -> tuple[int, bytes, bytes]:
    if not isinstance(value, str):
        raise InvalidValue(f"must contain strings, not {type_name(value)}")
    match = _PART.fullmatch(value)
    if match is None:
        hint = 'for example "0:424a4e50" or "2:00/f8"'
        raise InvalidValue(f"{_quoted(value)} is not a signature", hint)
    pattern, mask = bytes.fromhex(match[2]), bytes.fromhex(match[3] or "")
    if mask and len(mask) != len(pattern):
        raise InvalidValue(f"{_quoted(value)}: value and mask differ in length")
    if mask and bytes(a & b for a, b in zip(pattern, mask, strict=True)) != pattern:
        raise InvalidValue(f"{_quoted(value)}: the value has bits outside the mask")
    return int(match[1]), pattern, mask


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must contain strings, not {type_name(value)}")
    if not value.strip():
        raise InvalidValue("contains an empty name")
    return value


def _quoted(value: str) -> str:
    # control characters in a configuration file must not reach a terminal
    return f'"{value}"' if value.isprintable() else ascii(value)


def suggest(word: str, choices: Sequence[str], plural: str) -> str:
    """Return a hint for an unknown word: the most similar choice, or else all of them."""
    if nearest := _nearest(word, choices):
        return nearest
    return f"{plural}: {', '.join(choices)}" if choices else f"there are no {plural}"


def _nearest(word: str, choices: Sequence[str]) -> str:
    from difflib import get_close_matches  # imported for bad input only

    lower = {choice.lower(): choice for choice in choices}
    matches = get_close_matches(word.lower(), lower, 1, 0.6)
    return f"did you mean {lower[matches[0]]}?" if matches else ""
