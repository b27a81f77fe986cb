"""Every built-in helper, through the real engine, with conversations that were damaged: seeded, so the same each time.

Whatever comes, nothing but ParseError may leave a parser (the engine tells of anything else as "failed"), every packet
passes, what opens lies between the two ends, and the work grows with the bytes, not with their square. Work is counted
in calls, never in seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random
from types import FrameType
from typing import Any

import amanda_messages as amanda
import gena_messages as gena
import pytest
import rpc_messages as rpc
import sane_messages as sane
import tns_messages as tns
from connection import Connection

from fwhelpers.api import Helper, ParseError
from fwhelpers.plugin.manager import load
from fwhelpers.testing.invariants import check_bounds
from fwhelpers.testing.playbook import Said, client, new_parser, server

HELPERS = load().helpers
ROUNDS = 150

FTP = [
    server(b"220-hello\r\n227 =10,0,2,2,4,1\r\n220 go\r\n"), client(b"USER x\r\n"), server(b"331 yes\r\n"),
    client(b"PASV\r\n"), server(b"227 Entering Passive Mode (10,0,2,2,4,1)\r\n"), client(b"EPSV\r\n"),
    server(b"229 Extended (|||4000|)\r\n"), client(b"PORT 10,0,1,2,19,136\r\n"), server(b"200 ok\r\n"),
    client(b"EPRT |1|10.0.1.2|5001|\r\n"), server(b"200 ok\r\n"), client(b"RETR x\r\n"), server(b"150 x\r\n226 y\r\n"),
]  # fmt: skip
CALL, ANSWER = rpc.getport(7), rpc.reply(7, rpc.port(2049))
SANE = [client(sane.INIT), server(sane.init_reply())]
for question, answer in [*sane.SESSION[1:], (sane.START, sane.started())]:
    SANE += [client(question), server(answer)]

#: (helper, transport) → a conversation that opens something
SEEDS: dict[tuple[str, str], Sequence[Said]] = {
    ("amanda", "udp"): [client(amanda.req()), server(amanda.rep()), client(amanda.ack())],
    ("ftp", "tcp"): FTP,
    ("gena", "tcp"): [
        client(gena.GET), server(gena.DESCRIPTION), client(gena.subscribe()), server(gena.accepted()),
        client(gena.renew()), server(gena.CHUNKS), client(gena.unsubscribe()), server(gena.OK),
    ],
    ("rpc", "udp"): [client(CALL), server(ANSWER)],
    ("rpc", "tcp"): [client(rpc.record(CALL)), server(rpc.record(ANSWER)), client(rpc.record(CALL[:9], CALL[9:]))],
    ("sane", "tcp"): SANE,
    ("tftp", "udp"): [client(b"\0\1file\0octet\0blksize\x001468\0")],
    ("tns", "tcp"): [
        client(tns.connect()), server(tns.redirect(tns.address())), client(tns.connect()),
        server(tns.redirect_apart(tns.address(), parts=3)),
    ],
}  # fmt: skip
#: all that anybody says: pieces of one protocol within another
EVERYTHING = [said.data for script in SEEDS.values() for said in script]
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
    """With one thing wrong."""
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


def scripts(name: str, l4: str) -> Iterator[list[Said]]:
    """The conversation, damaged in some places: bytes, order, direction."""
    random = Random(f"{name} {l4}")
    for _ in range(ROUNDS):
        script = list(SEEDS[name, l4])
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(script))
            said = script[at]
            match random.randrange(5):
                case 0:
                    script.insert(random.randrange(len(script)), said)
                case 1:
                    script[at] = Said(said.data, not said.reply)
                case _:
                    script[at] = Said(damaged(random, said.data), said.reply)
        yield script


def connection(helper: Helper, l4: str, translated: bool) -> Connection:
    port = helper.ports[0]
    given = (
        {"seen_client": "192.0.2.9:1024", "seen_server": f"192.0.2.1:{port}"} if translated else {}
    )
    return Connection(helper, l4, "10.0.1.2:40000", f"10.0.2.2:{port}", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize(("name", "l4"), SEEDS)
def test_nothing_escapes_and_nothing_is_stopped(name: str, l4: str, translated: bool) -> None:
    ends = {b"\x0a\0\1\2", b"\x0a\0\2\2", b"\xc0\0\2\x09", b"\xc0\0\2\1"}
    opened = 0
    for script in scripts(name, l4):
        c = connection(HELPERS[name], l4, translated)
        for said in script:
            if said.data:
                assert c.say(said.data, said.reply).accept
        assert [note for note in c.notes if note.kind in ("failed", "dropped")] == []
        assert {end for e in c.maker.made for end in (e.tuple.src, e.tuple.dst)} <= ends
        opened += len(c.maker.made)
    assert opened, (
        "whatever was done to it, nothing ever opened: the seeds are not what they should be"
    )


@pytest.mark.parametrize(("name", "l4"), SEEDS)
def test_memory_stays_bounded(name: str, l4: str) -> None:
    for script in scripts(name, l4):
        parser = new_parser(HELPERS[name])
        if l4 != HELPERS[name].l4s[0]:
            continue
        with suppress(ParseError):
            for said in script:
                list(parser.feed(said.data, said.reply))
                check_bounds(parser)


def calls(work: Callable[[], Any]) -> int:
    """How many functions are called, Python's and C's."""
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
    """A peer that drips single bytes, over and over, costs each time what it cost the first."""
    script = SEEDS[name, l4]

    def drip(times: int) -> int:
        c = connection(HELPERS[name], l4, False)
        for said in script:  # its beginning must be that of the protocol
            c.say(said.data, said.reply)
        pieces = [
            (said.data[at : at + 1], said.reply) for said in script for at in range(len(said.data))
        ]

        def work() -> None:
            for data, reply in pieces * times:
                c.say(data, reply)

        return calls(work)

    once, often = drip(1), drip(6)
    assert often <= 6 * once * 1.5 + 5000
