"""Invariants of every parser, for arbitrary bytes.

1. The events do not depend on how the stream is cut into segments.
2. The parser raises nothing but ParseError, and yields events whose fields have the types of the API.
3. The parser's memory is bounded; its saved state fits into STATE_MAX bytes at message boundaries.
4. A parser restored at a message boundary continues as the original would have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint, Event, Expect, Helper, ParseError, Parser, Rewrite
from fwhelpers.api.event_types import check_event
from fwhelpers.testing.playbook import Message, flow_of, new_parser

#: events in comparable form; a ParseError is its name
Outcome = list[Any]

_FAILED = "ParseError"


def _no_text(_: Endpoint) -> bytes:
    return b""


class Announced(NamedTuple):
    """An `Expect` in comparable form."""

    client: Endpoint
    server: Endpoint
    l4: str
    policy: str
    span: tuple[int, int] | None
    text: bytes | None
    trigger: str


Cut = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    """Do not cut the message."""
    yield data


def single_bytes(data: bytes) -> Iterator[bytes]:
    """Cut the message into single bytes."""
    for at in range(len(data)):
        yield data[at : at + 1]


def random_cuts(random: Random) -> Cut:
    """Return a function that cuts messages at random positions."""

    def cut(data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = random.randint(1, max(1, len(data) // 3))
            yield data[at : at + size]
            at += size

    return cut


def run(parser: Parser, script: Iterable[Message], cut: Cut = whole) -> Outcome:
    """Feed a script to a parser until the first ParseError. Passes on the parser's other exceptions."""
    outcome: Outcome = []
    for message in script:
        for piece in cut(message.data):
            try:
                outcome.extend(map(_plain, parser.feed(piece, message.reply)))
            except ParseError:
                outcome.append(_FAILED)
                return outcome
            check_bounds(parser)
    return outcome


def check(
    helper: Helper,
    script: Sequence[Message],
    l4: str = "",
    family: int = 4,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    address: str = "peer",
) -> Outcome:
    """Check all invariants on a script; return its outcome. `address`: see `Parser.address`. Raises AssertionError."""
    flow = flow_of(helper, l4, family)

    def parser() -> Parser:
        return new_parser(helper, flow, settings, address)

    outcome = run(parser(), script)
    if flow.l4 == "tcp":
        for cut in (single_bytes, random_cuts(Random(seed)), random_cuts(Random(seed + 1))):  # noqa: S311
            again = run(parser(), script, cut)
            assert again == outcome, f"cut differently: {again}, in whole: {outcome}"
    return outcome


def check_restart(
    helper: Helper,
    script: Sequence[Message],
    l4: str = "",
    family: int = 4,
    settings: Mapping[str, Any] | None = None,
    address: str = "peer",
) -> None:
    """Check that another worker may take over wherever both directions stand between messages.

    The script must be one in which `save` loses nothing. Raises AssertionError.
    """
    flow = flow_of(helper, l4, family)
    expected = _without_spans(run(new_parser(helper, flow, settings, address), script))
    parser = new_parser(helper, flow, settings, address)
    outcome: Outcome = []
    for message in script:
        outcome += run(parser, [message])
        if _FAILED in outcome:
            break
        if parser.boundary(False) and parser.boundary(True):
            saved = parser.save()
            parser = new_parser(helper, flow, settings, address)
            parser.restore(saved)
    assert _without_spans(outcome) == expected


def check_bounds(parser: Parser) -> None:
    """Check the bounds of memory and saved state. Raises AssertionError."""
    size = footprint(parser)
    assert size <= parser.MEMORY_MAX, f"the parser holds {size} bytes"
    if parser.boundary(False) and parser.boundary(True):
        saved = parser.save()
        assert len(saved) <= Parser.STATE_MAX, f"{len(saved)} bytes of state"
        type(parser)(parser.flow, parser.settings).restore(saved)


def footprint(item: object, visited: set[int] | None = None) -> int:
    """Return the bytes of memory of a parser's own attributes, without flow, settings and programs."""
    visited = set() if visited is None else visited
    if id(item) in visited or (isinstance(item, (type, Mapping)) and not isinstance(item, dict)):
        return 0
    visited.add(id(item))
    return sys.getsizeof(item) + sum(footprint(part, visited) for part in _parts(item))


def _parts(item: object) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, (str, bytes, bytearray, int, float)) or callable(item):
        return
    elif isinstance(item, Iterable) and not isinstance(item, Iterator):
        yield from item
    yield from (v for k, v in getattr(item, "__dict__", {}).items() if k not in _SHARED_ATTRIBUTES)
    for name in getattr(type(item), "__slots__", ()):
        yield getattr(item, name, None)


_SHARED_ATTRIBUTES = ("flow", "settings", "_flow", "_settings", "_programs")


def _without_spans(outcome: Outcome) -> Outcome:
    return [_without_span(item) for item in outcome]


def _without_span(item: Any) -> Any:
    # a restored parser counts from the beginning of its own data
    if isinstance(item, Announced):
        return item._replace(span=None)
    if isinstance(item, tuple) and item and isinstance(item[0], Rewrite):
        return replace(item[0], span=(0, 0)), *item[1:]
    return item


def _plain(event: Event) -> Any:
    check_event(event)
    # each event has its own function, so compare the functions' results
    if isinstance(event, Rewrite):
        return replace(event, encode=_no_text, fit=None), event.encode(event.endpoint)
    if not isinstance(event, Expect):
        return event
    text = event.encode(event.server) if event.encode else None
    return Announced(
        event.client, event.server, event.l4, event.policy, event.span, text, event.trigger
    )
