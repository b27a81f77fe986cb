"""firewalld's rich rules (firewalld.richlanguage(5)), those that accept a service."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fwhelpers.config.validators import Network
from fwhelpers.firewalld.sources import networks


@dataclass(frozen=True, slots=True)
class RichRule:
    """A rule that accepts a service, perhaps from or to certain addresses only."""

    service: str
    families: tuple[int, ...] = (4, 6)
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()


class UnsupportedRule(ValueError):
    """A rule that accepts a service by something that we can't follow; the text says what."""


_FAMILIES = {"ipv4": (4,), "ipv6": (6,)}
#: elements whose words do not limit what is accepted
_HARMLESS = {"log", "nflog", "audit"}


def parse(rule: str) -> RichRule | None:
    """Read a rule; None if it accepts no service. Raises UnsupportedRule."""
    try:
        words = shlex.split(rule)
    except ValueError:
        raise UnsupportedRule(rule) from None
    elements = _elements(words[1:])
    if "service" not in elements or "accept" not in elements:
        return None
    for name in ("source", "destination"):
        strange = set(elements.get(name, {})) - {"address"}
        if strange:
            raise UnsupportedRule(f"{name} by {', '.join(sorted(strange))}")
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
    """Elements by name, each with its attributes; those of the rule itself under an empty name."""
    found: dict[str, dict[str, str]] = {"": {}}
    current = ""
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and word in _NAMES:
            current = word
            found.setdefault(current, {})
        else:
            # `source NOT address=…` and `invert=…` end up here, as keys that nobody follows
            found[current][key] = value
    return found


def _address(elements: dict[str, dict[str, str]], name: str) -> tuple[Network, ...]:
    text = elements.get(name, {}).get("address", "")
    if not text:
        return ()
    found = networks(text)
    if not found:
        raise UnsupportedRule(f"{name} {text}")
    return found
