"""An endpoint's address and its port as binary fields of a message: `encode` and `fit` of `Expect` and `Rewrite`."""

from __future__ import annotations

from fwhelpers.api import Endpoint


def host(end: Endpoint) -> bytes:
    """Return the address, 4 or 16 bytes."""
    return end.addr


def fit_host(end: Endpoint, size: int) -> bytes | None:
    """Return the address, None if the field has another size in bytes."""
    return end.addr if len(end.addr) == size else None


def port(end: Endpoint) -> bytes:
    """Return the port, 2 bytes in network order."""
    return end.port.to_bytes(2, "big")


def fit_port(end: Endpoint, size: int) -> bytes | None:
    """Return the port, None if the field has another size than 2 bytes."""
    return port(end) if size == 2 else None
