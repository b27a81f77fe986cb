"""All TCP and RPC helpers through the real engine, with damaged conversations; seeded, so each run is the same.

Nothing but ParseError may leave a parser (the engine reports anything else as "failed"), every packet passes, and
expectations name the two ends only. The work must grow linearly with the bytes; it is counted in calls, not seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from types import FrameType
from typing import Any

import pytest
from connection import Connection

from fuzz.seeds import SEEDS
from fwhelpers.api import Helper, ParseError
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.plugin.manager import load
from fwhelpers.testing.invariants import check_bounds
from fwhelpers.testing.playbook import Message, new_parser

HELPERS = load().helpers
ROUNDS = 150
#: helpers that open nothing unless any host may connect
FOR_ANYBODY = ("irc",)
#: helpers that open nothing behind NAT, as what they expect has no ports
UNTRANSLATED = ("ipsec",)
#: settings without which a helper opens nothing
SETTINGS = {"rsh": {"privileged": True}}

#: all messages, to insert pieces of one protocol into another
EVERYTHING = [message.data for script in SEEDS.values() for message in script]
WORDS = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"99999999999",
    b"-1",
    b"%s" * 20,
    b"(" * 300,
]


def damaged(random: Random, data: bytes) -> bytes:
    """Return the data with one change."""
    at = random.randrange(len(data) + 1)
    match random.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + random.choice(WORDS) + data[at:]
        case 2:
            return data[:at] + random.randbytes(1) + data[at + 1 :]
        case 3:
            return data[:at] + data[max(0, at - random.randrange(40)) :]
        case 4:
            return data[:at] + random.choice(EVERYTHING) + data[at:]
        case _:
            return data[: at // 2] + data[at:]


def scripts(name: str, l4: str) -> Iterator[list[Message]]:
    """Yield conversations with some changes: bytes, order, direction."""
    random = Random(f"{name} {l4}")
    for _ in range(ROUNDS):
        script = list(SEEDS[name, l4])
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(script))
            message = script[at]
            match random.randrange(5):
                case 0:
                    script.insert(random.randrange(len(script)), message)
                case 1:
                    script[at] = Message(message.data, not message.reply)
                case _:
                    script[at] = Message(damaged(random, message.data), message.reply)
        yield script


def connection(helper: Helper, l4: str, translated: bool) -> Connection:
    port = helper.ports[0]
    nat = (
        {"seen_client": "192.0.2.9:1024", "seen_server": f"192.0.2.1:{port}"} if translated else {}
    )
    settings = SETTINGS.get(helper.name, {})
    active = Active(
        helper, settings, Limits(address="any-src" if helper.name in FOR_ANYBODY else "peer")
    )
    return Connection(helper, l4, "10.0.1.2:40000", f"10.0.2.2:{port}", active=active, **nat)  # type: ignore[arg-type]


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize(("name", "l4"), SEEDS)
def test_nothing_escapes_and_nothing_is_stopped(name: str, l4: str, translated: bool) -> None:
    ends = {b"\x0a\0\1\2", b"\x0a\0\2\2", b"\xc0\0\2\x09", b"\xc0\0\2\1"}
    if name in FOR_ANYBODY:
        ends.add(bytes(4))
    opened = 0
    for script in scripts(name, l4):
        c = connection(HELPERS[name], l4, translated)
        attached = []  # those of children go with the verdict
        for message in script:
            if message.data:
                verdict = c.say(message.data, message.reply)
                assert verdict.accept
                attached += [verdict.expectation] if verdict.expectation else []
        assert [note for note in c.notes if note.kind in ("failed", "dropped")] == []
        created = [*c.maker.created, *attached]
        assert {end for e in created for end in (e.tuple.src, e.tuple.dst)} <= ends
        opened += len(created)
    opens = not (translated and name in UNTRANSLATED)
    assert bool(opened) is opens, "no conversation opened anything: the seeds are wrong"


@pytest.mark.parametrize(("name", "l4"), SEEDS)
def test_memory_stays_bounded(name: str, l4: str) -> None:
    for script in scripts(name, l4):
        parser = new_parser(HELPERS[name])
        if l4 != HELPERS[name].l4s[0]:
            continue
        with suppress(ParseError):
            for message in script:
                list(parser.feed(message.data, message.reply))
                check_bounds(parser)


def calls(work: Callable[[], Any]) -> int:
    """Count calls of functions, of Python and C."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(("name", "l4"), [key for key in SEEDS if key[1] == "tcp"])
def test_work_grows_with_the_bytes(name: str, l4: str) -> None:
    """Single bytes cost the same each time that a conversation is repeated."""
    script = SEEDS[name, l4]

    def drip(times: int) -> int:
        c = connection(HELPERS[name], l4, False)
        for message in script:  # the stream must begin as the protocol does
            c.say(message.data, message.reply)
        pieces = [
            (message.data[at : at + 1], message.reply)
            for message in script
            for at in range(len(message.data))
        ]

        def work() -> None:
            for data, reply in pieces * times:
                c.say(data, reply)

        return calls(work)

    once, often = drip(1), drip(6)
    assert often <= 6 * once * 1.5 + 5000
