"""Parses the sources of firewalld's zones: addresses, networks, MACs and ipsets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from fwhelpers.config.assignments import ZoneMember
from fwhelpers.config.validators import Network

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of an address, a prefix (host bits are ignored) or an address range.

    Return none if `text` is invalid.
    """
    first, dash, last = text.partition("-")
    try:
        if not dash:
            return (ipaddress.ip_network(_unscoped(text), strict=False),)
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
        return tuple(ipaddress.summarize_address_range(low, high))
    except (ValueError, TypeError):
        return ()


def member(zone: str, source: str, ipsets: Mapping[str, tuple[str, ...]]) -> ZoneMember | None:
    """Return the member for a source, or None if it has entries of another kind."""
    entries = (
        ipsets.get(source.removeprefix("ipset:"), ()) if source.startswith("ipset:") else (source,)
    )
    prefixes = tuple(network for entry in entries for network in networks(entry))
    macs = tuple(sorted(entry.lower() for entry in entries if _MAC.fullmatch(entry)))
    # a partly parsed ipset would put hosts into the wrong zone
    unsupported = [e for e in entries if not networks(e) and not _MAC.fullmatch(e)]
    if unsupported or not (prefixes or macs):
        return None
    return ZoneMember(zone, networks=_collapsed(prefixes), macs=macs)


def _collapsed(prefixes: Iterable[Network]) -> tuple[Network, ...]:
    four = [n for n in prefixes if isinstance(n, ipaddress.IPv4Network)]
    six = [n for n in prefixes if isinstance(n, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six))


def _unscoped(text: str) -> str:
    if "%" in text:
        raise ValueError(text)
    return text
