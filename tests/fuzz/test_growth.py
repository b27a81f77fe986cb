"""The work of every parser and header reader grows linearly: calls are counted at 1 k, 10 k and 100 k bytes.

Calls into C count once, whatever they do; test_patterns.py counts what regular expressions do.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from growth import check_linear

from fuzz import framing
from fuzz.conversations import ends
from fuzz.targets import seeds
from fwhelpers.api import Flow, Helper, ParseError
from fwhelpers.plugin.manager import load
from fwhelpers.sansio.http1 import HeadReader
from fwhelpers.testing.playbook import new_parser

MAX_DATAGRAM = 60_000
SEGMENT = 100  #: bytes
UNITS = (b"A", b" ", b"\0", b"\r\n", b"A: b\r\n", b'"', b"[", b"(", b"<a>", b"\xff", b"\0\0\0\4")
PARSERS = [(h, l4) for h in load().helpers.values() for l4 in h.registered]


def feed(helper: Helper, l4: str, pieces: Iterable[tuple[bytes, bool]]) -> None:
    parser = new_parser(helper, Flow(l4, *ends(helper, l4)))
    with suppress(ParseError):
        for data, reply in pieces:
            for _ in parser.feed(data, reply):
                pass


def cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize(("helper", "l4"), PARSERS, ids=lambda item: getattr(item, "name", item))
def test_parsers(helper: Helper, l4: str) -> None:
    conversation = list(framing.split(seeds(f"parser-{helper.name}-{l4}")[0]))
    (beginning, _), *_ = conversation
    for unit in UNITS:
        for prefix in (b"", beginning, beginning[: len(beginning) // 2]):

            def work(size: int, unit: bytes = unit, prefix: bytes = prefix) -> None:
                data = prefix + unit * (size // len(unit))
                whole = [data[:MAX_DATAGRAM]] if l4 == "udp" else list(cut(data, SEGMENT))
                for reply in (False, True):
                    feed(helper, l4, ((piece, reply) for piece in whole))

            check_linear(work)


@pytest.mark.parametrize(("helper", "l4"), PARSERS, ids=lambda item: getattr(item, "name", item))
def test_conversations_that_are_repeated(helper: Helper, l4: str) -> None:
    conversation = list(framing.split(seeds(f"parser-{helper.name}-{l4}")[0]))
    length = sum(len(data) for data, _ in conversation)

    def work(size: int) -> None:
        feed(helper, l4, conversation * max(1, size // length))

    check_linear(work)


@pytest.mark.parametrize("until_close", [False, True])
@pytest.mark.parametrize("unit", [*UNITS, b"GET / HTTP/1.1\r\n\r\n", b"A: b\n", b"1\r\na\r\n"])
def test_http(unit: bytes, until_close: bool) -> None:
    for prefix in (b"", b"GET / HTTP/1.1\r\n", b"X\r\nTransfer-Encoding: chunked\r\n\r\n"):

        def work(size: int, prefix: bytes = prefix) -> None:
            reader = HeadReader(lambda head: True, until_close=until_close)
            with suppress(ParseError):
                for piece in cut(prefix + unit * (size // len(unit)), SEGMENT):
                    for _ in reader.feed(piece):
                        pass

        check_linear(work)


def test_quadratic_work_is_detected() -> None:
    with pytest.raises(AssertionError):
        check_linear(lambda size: [len(b"") for _ in range(size * size // 10_000)])
