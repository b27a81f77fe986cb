"""What must hold of every parser, whatever the bytes.

1. However a stream is cut into segments, the events are the same.
2. Nothing but ParseError escapes.
3. What is kept in memory is bounded, and fits into STATE_MAX bytes at message boundaries.
4. A parser that takes over at a message boundary goes on as the first one would have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint, Event, Expect, Helper, ParseError, Parser
from fwhelpers.testing.playbook import Said, flow_of, new_parser

#: events as comparable things, ParseError as its name
Outcome = list[Any]

_FAILED = "ParseError"


class Announced(NamedTuple):
    """An `Expect`, comparable."""

    client: Endpoint
    server: Endpoint
    l4: str
    policy: str
    span: tuple[int, int] | None
    text: bytes | None
    what: str


Cut = Callable[[bytes], Iterable[bytes]]

MAX_KEPT = 256 * 1024  #: bytes of memory for one connection


def whole(data: bytes) -> Iterator[bytes]:
    """As said."""
    yield data


def single_bytes(data: bytes) -> Iterator[bytes]:
    """Byte by byte."""
    for at in range(len(data)):
        yield data[at : at + 1]


def random_cuts(random: Random) -> Cut:
    """Cut at random places."""

    def cut(data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = random.randint(1, max(1, len(data) // 3))
            yield data[at : at + size]
            at += size

    return cut


def run(parser: Parser, script: Iterable[Said], cut: Cut = whole) -> Outcome:
    """Let a parser hear a script; a ParseError ends it. Raises whatever else the parser raises."""
    outcome: Outcome = []
    for said in script:
        for piece in cut(said.data):
            try:
                outcome.extend(map(_plain, parser.feed(piece, said.reply)))
            except ParseError:
                outcome.append(_FAILED)
                return outcome
            check_bounds(parser)
    return outcome


def check(
    helper: Helper,
    script: Sequence[Said],
    l4: str = "",
    family: int = 4,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Outcome:
    """Check all invariants on a script; returns what it gave. Raises AssertionError."""
    flow = flow_of(helper, l4, family)

    def parser() -> Parser:
        return new_parser(helper, flow, settings)

    outcome = run(parser(), script)
    if flow.l4 == "tcp":
        for cut in (single_bytes, random_cuts(Random(seed)), random_cuts(Random(seed + 1))):  # noqa: S311
            again = run(parser(), script, cut)
            assert again == outcome, f"cut differently: {again}, in whole: {outcome}"
    return outcome


def check_restart(
    helper: Helper,
    script: Sequence[Said],
    l4: str = "",
    family: int = 4,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Another worker may take over wherever both directions stand between messages. Raises AssertionError.

    Only for scripts within which `save` loses nothing.
    """
    flow = flow_of(helper, l4, family)
    expected = _without_spans(run(new_parser(helper, flow, settings), script))
    parser = new_parser(helper, flow, settings)
    outcome: Outcome = []
    for said in script:
        outcome += run(parser, [said])
        if _FAILED in outcome:
            break
        if parser.boundary(False) and parser.boundary(True):
            saved = parser.save()
            parser = new_parser(helper, flow, settings)
            parser.restore(saved)
    assert _without_spans(outcome) == expected


def check_bounds(parser: Parser) -> None:
    """Memory and saved state are within their bounds. Raises AssertionError."""
    kept = footprint(parser)
    assert kept <= MAX_KEPT, f"the parser holds {kept} bytes"
    if parser.boundary(False) and parser.boundary(True):
        saved = parser.save()
        assert len(saved) <= Parser.STATE_MAX, f"{len(saved)} bytes of state"
        type(parser)(parser.flow, parser.settings).restore(saved)


def footprint(item: object, seen: set[int] | None = None) -> int:
    """Bytes of memory that a parser's own attributes take; what it was given is not counted."""
    seen = set() if seen is None else seen
    if id(item) in seen or (isinstance(item, (type, Mapping)) and not isinstance(item, dict)):
        return 0
    seen.add(id(item))
    return sys.getsizeof(item) + sum(footprint(part, seen) for part in _parts(item))


def _parts(item: object) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, (str, bytes, bytearray, int, float)) or callable(item):
        return
    elif isinstance(item, Iterable) and not isinstance(item, Iterator):
        yield from item
    yield from (v for k, v in getattr(item, "__dict__", {}).items() if k not in _GIVEN)
    for name in getattr(type(item), "__slots__", ()):
        yield getattr(item, name, None)


_GIVEN = ("flow", "settings", "_flow", "_settings", "_programs")


def _without_spans(outcome: Outcome) -> Outcome:
    # a parser that took over counts from its own beginning
    return [item._replace(span=None) if isinstance(item, Announced) else item for item in outcome]


def _plain(event: Event) -> Any:
    if not isinstance(event, Expect):
        return event
    # functions made anew for each event never compare equal: compare what they write
    text = event.encode(event.server) if event.encode else None
    return Announced(
        event.client, event.server, event.l4, event.policy, event.span, text, event.what
    )
