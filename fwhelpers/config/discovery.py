"""A discovery protocol that the configuration declares, `[discovery.NAME]`, as a row of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.config.validators import InvalidValue
from fwhelpers.discovery import Match, Row, helper_of
from fwhelpers.plugin.validation import validate

_IN_ROW = ("window", "sources", "reply_port", "doc", "broadcast", "groups")


def missing_keys(given: Mapping[str, Any]) -> Iterator[tuple[str, InvalidValue]]:
    """Which keys a table lacks, by name."""
    if "port" not in given:
        yield "port", InvalidValue("must be given", "the port to which requests go")
    if not given.get("groups") and not given.get("broadcast"):
        yield "groups", InvalidValue("must be given", "or say broadcast = true")
    if "signature" not in given:
        # without one whatever a program sends there would open
        yield (
            "signature",
            InvalidValue("must be given", 'what a request looks like, like "0:4449534b"'),
        )


def make_row(name: str, given: Mapping[str, Any]) -> Row:
    """The row of a table whose keys are checked and complete. Raises Wrong."""
    made = Row(
        name,
        (given["port"],),
        signature=tuple(Match(at, (value,), mask) for at, value, mask in given["signature"]),
        source_ports=(given["source_port"],) if "source_port" in given else (),
        **{key: given[key] for key in _IN_ROW if key in given},
    )
    for fault in validate(helper_of(made)):
        raise InvalidValue(fault.partition(": ")[2])
    if made.sources == "link-local" and made.families != (6,):
        raise InvalidValue("sources: link-local answers are for IPv6 groups", "leave `sources` out")
    return made
