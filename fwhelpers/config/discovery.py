"""Discovery protocols that the configuration declares in [discovery.NAME]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.config.validators import InvalidValue
from fwhelpers.discovery import Match, Row, helper_of
from fwhelpers.plugin.validation import validate

_ROW_KEYS = ("window", "sources", "reply_port", "doc", "broadcast", "groups")


def missing_keys(options: Mapping[str, Any]) -> Iterator[tuple[str, InvalidValue]]:
    """Yield the required keys that a table lacks."""
    if "port" not in options:
        yield "port", InvalidValue("required", "the destination port of requests")
    if not options.get("groups") and not options.get("broadcast"):
        yield "groups", InvalidValue("required", "or set broadcast = true")
    if "signature" not in options:
        # without a signature any datagram to that port would open a port
        hint = 'the bytes that identify a request, for example "0:4449534b"'
        yield "signature", InvalidValue("required", hint)


def make_row(name: str, options: Mapping[str, Any]) -> Row:
    """Return the row for a table with checked and complete keys. Raises InvalidValue."""
    row = Row(
        name,
        (options["port"],),
        signature=tuple(Match(at, (value,), mask) for at, value, mask in options["signature"]),
        source_ports=(options["source_port"],) if "source_port" in options else (),
        **{key: options[key] for key in _ROW_KEYS if key in options},
    )
    for fault in validate(helper_of(row)):
        raise InvalidValue(fault.partition(": ")[2])
    if row.sources == "link-local" and row.families != (6,):
        raise InvalidValue(
            "sources: link-local answers require IPv6 groups only", "leave `sources` out"
        )
    return row
