"""Shapes that rows of the discovery table have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fwhelpers.discovery import Match, Row


def match_bytes(offset: int, *values: bytes, mask: bytes = b"") -> Match:
    return Match(offset, values, mask)


def broadcast(
    name: str,
    ports: tuple[int, ...],
    doc: str,
    size: tuple[int, int],
    *signature: Match,
    **columns: Any,
) -> Row:
    """Return the row of a protocol whose requests all go to the broadcast address."""
    return Row(name, ports, broadcast=True, signature=signature, size=size, doc=doc, **columns)


def groups6(last: str, scopes: Iterable[str] = "258e") -> tuple[str, ...]:
    """Return a group in several scopes: link (2), site (5), organisation (8), global (e). RFC 4291 §2.7."""
    return tuple(f"ff0{scope}::{last}" for scope in scopes)
