"""Types of command-line arguments. Each raises ArgumentTypeError with a text for people."""

from __future__ import annotations

from argparse import ArgumentTypeError
from ipaddress import IPv4Address, IPv6Address, ip_address


def address(text: str) -> IPv4Address | IPv6Address:
    """Return an IP address as packets have it; names are not resolved.

    ::ffff:192.0.2.1 is how sockets write an IPv4 address, and %eth0 is no part of an address.
    """
    try:
        value = ip_address(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an IP address") from None
    if isinstance(value, IPv6Address):
        return value.ipv4_mapped or IPv6Address(int(value))
    return value


def port(text: str) -> int:
    """Return a port number."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= number <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port between 1 and 65535")
    return number


def interval(text: str) -> float:
    """Return the seconds between two updates of a view."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.2 <= seconds <= 3600:
        raise ArgumentTypeError(f"{text!r} is not between 0.2 and 3600 seconds")
    return seconds
