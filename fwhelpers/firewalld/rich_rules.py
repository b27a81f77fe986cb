"""Parses firewalld's rich rules that accept a service (firewalld.richlanguage(5))."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fwhelpers.config.validators import Network
from fwhelpers.firewalld.sources import networks


@dataclass(frozen=True, slots=True)
class RichRule:
    """A rule that accepts a service, optionally limited to source or destination addresses."""

    service: str
    families: tuple[int, ...] = (4, 6)
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()


class UnsupportedRule(ValueError):
    """A rule that accepts a service under an unsupported condition; the text names the condition."""


_FAMILIES = {"ipv4": (4,), "ipv6": (6,)}
#: elements whose words do not limit what is accepted
_HARMLESS = {"log", "nflog", "audit"}


def parse(rule: str) -> RichRule | None:
    """Parse a rule; return None if it accepts no service. Raises UnsupportedRule."""
    try:
        words = shlex.split(rule)
    except ValueError:
        raise UnsupportedRule(rule) from None
    elements = _elements(words[1:])
    if "service" not in elements or "accept" not in elements:
        return None
    for name in ("source", "destination"):
        unsupported = set(elements.get(name, {})) - {"address"}
        if unsupported:
            raise UnsupportedRule(f"{name} by {', '.join(sorted(unsupported))}")
    family = _FAMILIES.get(elements.get("", {}).get("family", ""), (4, 6))
    return RichRule(
        elements["service"].get("name", ""),
        family,
        _address(elements, "source"),
        _address(elements, "destination"),
    )


_NAMES = _HARMLESS | {"source", "destination", "service", "accept", "reject", "drop", "mark", "limit",
                      "port", "protocol", "icmp-block", "icmp-type", "masquerade", "forward-port",
                      "source-port", "tcp-mss-clamp"}  # fmt: skip


def _elements(words: list[str]) -> dict[str, dict[str, str]]:
    """Return each element's attributes by its name; the rule's own are under the empty name."""
    elements: dict[str, dict[str, str]] = {"": {}}
    current = ""
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and word in _NAMES:
            current = word
            elements.setdefault(current, {})
        else:
            # `source NOT address=…` and `invert=…` become attributes that `parse` rejects
            elements[current][key] = value
    return elements


def _address(elements: dict[str, dict[str, str]], name: str) -> tuple[Network, ...]:
    text = elements.get(name, {}).get("address", "")
    if not text:
        return ()
    prefixes = networks(text)
    if not prefixes:
        raise UnsupportedRule(f"{name} {text}")
    return prefixes
