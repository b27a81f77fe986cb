"""Rewritten bytes reach the receiver in every segmentation, once and for all retransmissions."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from random import Random

import gena_messages as gena
import pytest
import rpc_messages as rpc
import sane_messages as sane
import tns_messages as tns
from connection import Connection, payload_of
from invented import tcp
from tcp_model import Model, Result

from fwhelpers.engine.inspector import Inspector
from fwhelpers.engine.rewriting import LIFETIME, MAX_UNITS
from fwhelpers.plugin.manager import load
from fwhelpers.testing.playbook import Message, client, server

HELPERS = load().helpers
CONNECTIONS = int(os.environ.get("FWHELPERS_MODEL_CONNECTIONS", "120"))  #: for each script
PUBLIC = ["1.2.3.4", "192.0.2.99", "203.113.117.117"]


def ftp_active(random: Random) -> list[Message]:
    script = [server(b"220 hello\r\n"), client(b"USER x\r\n"), server(b"331 y\r\n")]
    for number in range(random.randint(1, 4)):
        commands = [
            random.choice(
                [
                    b"PORT 10,0,1,2,%d,%d\r\n" % (random.choice([19, 200]), n),
                    b"EPRT |1|10.0.1.2|%d|\r\n" % (5000 + n),
                ]
            )
            for n in range(number * 9, number * 9 + random.choice([1, 1, 3]))
        ]
        script += [client(command) for command in commands]
        script += [server(b"200 ok\r\n" * len(commands))]
        if random.random() < 0.5:
            script += [client(b"LIST\r\n"), server(b"150 x\r\n226 y\r\n")]
    script += [client(random.choice([b"NOOP\r\n", b"1 is no command\r\n"])), server(b"200 ok\r\n")]
    return script


def ftp_passive(random: Random) -> list[Message]:
    script = [server(b"220 hello\r\n"), client(b"USER x\r\n"), server(b"331 y\r\n")]
    for number in range(random.randint(1, 4)):
        count = random.choice([1, 1, 3])
        script += [client(b"PASV\r\n" * count)]
        text = random.choice([b"Entering Passive Mode (", b"=", b"ok (", b""])
        end = b")." if b"(" in text else b""
        script += [
            server(b"227 %s10,0,2,2,19,%d%s\r\n" % (text, number * 9 + n, end))
            for n in range(count)
        ]
    script += [client(random.choice([b"AUTH TLS\r\n", b"NOOP\r\n", b"1 is no command\r\n"]))]
    return [*script, server(b"234 go on\r\n"), client(b"more\r\n"), server(b"the end\r\n")]


def gena_subscribe(random: Random) -> list[Message]:
    script = []
    for number in range(random.randint(1, 3)):
        callback = b"<http://10.0.1.2:%d/>" % (49200 + number)
        script += [client(gena.subscribe(callback)), server(gena.accepted())]
    return script


def tns_redirect(random: Random) -> list[Message]:
    text = tns.address()
    answer = tns.redirect(text) if random.random() < 0.7 else tns.redirect_apart(text, parts=3)
    return [client(tns.connect()), server(answer), client(b"bye"), server(b"bye")]


def rpc_getaddr(random: Random) -> list[Message]:
    script = []
    for xid in range(7, 7 + random.randint(1, 4)):
        answer = rpc.reply(xid, sane.string(b"")[:0] + rpc.string(b"10.0.2.2.78.%d" % (80 + xid)))
        script += [client(rpc.record(rpc.getaddr(xid))), server(rpc.record(answer))]
    return script


def sane_start(random: Random) -> list[Message]:
    script = [part for ask, answer in sane.SESSION for part in (client(ask), server(answer))]
    return [*script, client(sane.START), server(sane.started(port=45000))]


SCRIPTS: dict[str, tuple[str, Callable[[Random], list[Message]]]] = {
    "ftp-active": ("ftp", ftp_active), "ftp-passive": ("ftp", ftp_passive), "gena": ("gena", gena_subscribe),
    "tns": ("tns", tns_redirect), "rpc": ("rpc", rpc_getaddr), "sane": ("sane", sane_start),
}  # fmt: skip


def run(name: str, number: int, *, killed: bool = False) -> tuple[Connection, Result]:
    helper_name, script = SCRIPTS[name]
    helper = HELPERS[helper_name]
    random = Random(f"{name} {number}")
    public = random.choice(PUBLIC)
    talk = Connection(
        helper, "tcp", "10.0.1.2:40000", f"10.0.2.2:{helper.ports[0]}",
        seen_client=f"{public}:1024", seen_server=f"{public}:{helper.ports[0]}",
    )  # fmt: skip
    talk.maker.errors = lambda e: 17 if e.tuple.dport == 45000 else 0
    return talk, Model(talk, script(random), random, killed=killed).run()


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_receiver_gets_the_right_stream(name: str, killed: bool) -> None:
    counts: Counter[str] = Counter()
    for number in range(CONNECTIONS // 2 if killed else CONNECTIONS):
        talk, result = run(name, number, killed=killed)
        counts["opened"] += result.opened > 0
        counts["resized"] += result.resized
        counts["refused"] += result.refused
        counts["dropped"] += sum(note.kind in ("dropped", "failed") for note in talk.notes)
        for kind in ("wrong", "stalled"):
            if getattr(result, kind):
                counts[kind] += 1
                counts[f"{kind} {number}"] += 1
    print(name, dict(counts))
    assert not counts["wrong"] + counts["stalled"] + counts["dropped"], counts
    assert counts["opened"] > CONNECTIONS * (0.1 if killed else 0.25), counts


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("sane", 4520), ("rpc", 8665), ("ftp-active", 5056), ("ftp-passive", 1316), ("ftp-passive", 2086),
        ("ftp-passive", 7282), ("gena", 3644), ("gena", 7656),
    ],
)  # fmt: skip
def test_a_flow_that_was_forgotten_between_two_copies(name: str, number: int) -> None:
    _, result = run(name, number)
    assert not result.wrong
    assert not result.stalled


# one by one


def rewritten() -> Connection:
    """A server's announcement was rewritten; nobody has acknowledged it."""
    c = tcp(seen_server="192.0.2.1:7")
    assert b"192.0.2.1 3000" in payload_of(c.s(b"OPEN 10.0.2.2 3000\r\n"))
    return c


def again(c: Connection, flags: int = 0x18) -> bytes:
    verdict = c.send(c.packet(b"OPEN 10.0.2.2 3000\r\n", True, seq=2**32 - 20, flags=flags))
    return payload_of(verdict)


def test_a_retransmission_with_fin_is_rewritten() -> None:
    assert again(rewritten(), 0x19) == b"OPEN 192.0.2.1 3000\r\n"


def test_an_announcement_with_fin_is_read_and_rewritten() -> None:
    c = tcp(seen_server="192.0.2.1:7")
    verdict = c.send(c.packet(b"OPEN 10.0.2.2 3000\r\n", True, flags=0x19))
    assert payload_of(verdict) == b"OPEN 192.0.2.1 3000\r\n"
    assert len(c.expected) == 1


@pytest.mark.parametrize("word", [b"DONE\r\n", b"BAD\r\n", b"BUG\r\n"])
def test_a_retransmission_is_rewritten_after_the_end_of_parsing(word: bytes) -> None:
    c = rewritten()
    assert not c.s(word).done
    assert again(c) == b"OPEN 192.0.2.1 3000\r\n"


def test_a_retransmission_is_rewritten_after_many_other_flows() -> None:
    c = rewritten()
    c.inspector._flows._max_flows = 10
    for number in range(100):
        packet = c.packet(b"x\r\n", False)
        packet.ct_id = 100 + number
        c.inspector.packet(packet.decode(), c.now)
    assert again(c) == b"OPEN 192.0.2.1 3000\r\n"


def test_a_retransmission_is_rewritten_by_another_worker() -> None:
    c = rewritten()
    c.s(b"DONE\r\n")
    successor = Inspector({"talk": c.inspector._helpers["talk"]}, c.maker)
    successor.resume(c.inspector.hand_over())
    c.inspector = successor
    assert again(c) == b"OPEN 192.0.2.1 3000\r\n"


def test_the_flow_leaves_the_queue_some_time_after_its_end() -> None:
    c = rewritten()
    c.s(b"DONE\r\n")
    assert not c.s(b"more").done
    c.now += LIFETIME
    assert c.s(b"more").done


def test_an_unchanged_length_ends_with_the_acknowledgement() -> None:
    c = tcp(seen_server="192.0.2.1:7")
    c.maker.errors = lambda e: 17 if e.tuple.dport == 3000 else 0
    assert payload_of(c.s(b"OPEN 3000\r\n")) == b"OPEN 3001\r\n"
    c.s(b"DONE\r\n")
    packet = c.packet(b"x", False)
    raw = bytearray(packet.payload)
    raw[28:32] = ((2**32 - 20 + 11) % 2**32).to_bytes(4, "big")
    packet.payload = bytes(raw)
    assert c.send(packet).done


def test_all_announcements_of_a_segment_are_rewritten() -> None:
    c = tcp(seen_server="192.0.2.1:7")
    text = b"".join(b"OPEN 10.0.2.2 %d\r\n" % port for port in range(3000, 3024))
    assert payload_of(c.s(text)) == text.replace(b"10.0.2.2", b"192.0.2.1")
    assert len(c.expected) == 24


def test_above_the_bound_announcements_are_refused() -> None:
    c = tcp(seen_server="12.0.2.1:7")
    for port in range(3000, 3000 + MAX_UNITS + 1):
        c.s(b"OPEN 10.0.2.2 %d\r\n" % port)
    assert len(c.expected) == MAX_UNITS
    assert c.refused == ["G15"]


def test_a_second_change_of_length_waits_for_the_acknowledgement() -> None:
    c = rewritten()
    assert c.s(b"OPEN 10.0.2.2 3001\r\n").payload is None
    assert c.refused == ["G15"]


def test_a_change_of_length_is_refused_when_later_bytes_have_passed() -> None:
    c = tcp(seen_server="192.0.2.1:7")
    c.s(b"hello\r\n")
    first = c.packet(b"OPEN 10.0.2.2 3000\r\n", True)
    c.seq[1] = (c.seq[1] + 20) % 2**32
    c.s(b"later\r\n")
    assert c.send(first).payload is None
    assert c.refused == ["G15"]


@pytest.mark.parametrize(("first", "last"), [(17, 18), (10, 12), (0, 8), (3, 20), (4, 5)])
def test_a_part_of_a_resized_segment_is_sent_as_a_whole(first: int, last: int) -> None:
    c = rewritten()
    data = b"OPEN 10.0.2.2 3000\r\n"[first:last]
    verdict = c.send(c.packet(data, True, seq=(2**32 - 20 + first) % 2**32))
    assert payload_of(verdict).startswith(b"OPEN 192.0.2.1 3000")
    assert verdict.payload
    assert int.from_bytes(verdict.payload[24:28], "big") == 2**32 - 20


def test_a_change_of_length_is_refused_when_a_forgotten_flow_had_a_gap() -> None:
    """Later bytes have passed, which the worker that continues from the conntrack entry has not read."""
    c = tcp(seen_server="192.0.2.1:7")
    c.s(b"hello\r\n")
    first = c.packet(b"OPEN 10.0.2.2 3000\r\n", True)
    c.seq[1] = (c.seq[1] + 20) % 2**32
    c.s(b"later\r\n")
    first.info = c.info
    c.inspector = Inspector(c.inspector._helpers, c.maker, c.notes.append)
    assert c.send(first).payload is None
    assert c.refused == ["G15"]


def test_rewriting_is_handed_over_with_a_flow_that_is_not() -> None:
    c = rewritten()
    c.s(b"x" * 40000 + b"half a line")  # more than is kept
    assert c.notes[-1].kind == "poisoned"
    c.s(b"more")
    successor = Inspector(c.inspector._helpers, c.maker)
    successor.resume(c.inspector.hand_over())
    c.inspector = successor
    assert again(c) == b"OPEN 192.0.2.1 3000\r\n"
