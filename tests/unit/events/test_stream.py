"""The stream of events: from kernel and workers to the ring, and what is told when something is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.events import stream as module
from fwhelpers.events.attribution import HOLD
from fwhelpers.events.serialize import Known
from fwhelpers.events.stream import EventStream, Item, SuppressedCounter
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.nla import be32, strz
from fwhelpers.worker.messages import encode_made

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
NOT_OURS = Known({}, {})  # the kernel's own events: nobody speaks of them, and nothing waits
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
REPLY = Tuple(SERVER, CLIENT, 6, 21, 40000)


def expectation(port: int) -> Expectation:
    wanted = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(MASTER, wanted, mask_for(wanted), timeout=60, helper="fw-ftp", id=port)


def body(made: Expectation) -> bytes:
    (sent,) = nfnl.split(expect.encode_create(made))
    return bytes(sent.payload) + be32(4, made.timeout) + be32(5, made.id) + strz(6, made.helper)


def event(made: Expectation, kind: int = expect.NEW) -> Message:
    payload = memoryview(body(made))
    return Message(nfnl.CTNETLINK_EXP << 8 | kind, nfnl.CREATE, 0, 2, 0, payload)


def entry(
    orig: Tuple, reply: Tuple, status: int, kind: int, master: Tuple | None = None
) -> Message:
    parts = (
        conntrack.encode_tuple(1, orig) + conntrack.encode_tuple(2, reply) + be32(3, status)
        + (conntrack.encode_tuple(14, master) if master else b"")
    )  # fmt: skip
    return Message(nfnl.CTNETLINK << 8 | kind, 0, 0, 2, 0, memoryview(parts))


class Netlink:
    """A kernel that has these expectations, and one connection."""

    def __init__(self, there: list[Expectation] = []) -> None:  # noqa: B006
        self.there = there

    def dump(self, message: bytes, what: str) -> Iterator[bytes]:
        return iter([*map(body, self.there), b"\0\0"])

    def request(self, message: bytes, what: str) -> list[bytes]:
        return [bytes(entry(MASTER, REPLY, 0x2000, 0).payload)]

    def close(self) -> None:
        pass


class Source:
    """An event socket that has these."""

    def __init__(self, messages: list[Message | None]) -> None:
        self._messages = messages

    def read(self) -> Iterator[Message | None]:
        while self._messages:
            yield self._messages.pop(0)


@pytest.fixture
def events() -> EventStream:
    made = EventStream()
    made.ring.readers = 1
    made.know(Known({"fw-ftp": Helper("ftp", "tcp", [21], DatagramParser)}, {"ftp": "plug"}))
    return made


def kinds(events: EventStream) -> list[str]:
    return [item.kind for item in events.ring.take(0, 1000).items]


def read(events: EventStream, messages: list[Message | None], there: list[Expectation]) -> None:
    events._source = Source(messages)  # type: ignore[assignment]
    events._netlink = Netlink(there)  # type: ignore[assignment]
    events._read()


def test_a_transfer(events: EventStream) -> None:
    events.know(NOT_OURS)
    read(events, used_at_once(2000), [])
    assert kinds(events) == ["created", "matched"]
    created, matched = events.ring.take(0, 2).items
    assert events.describe(created)["master"]["reply_destination_port"] == 40000
    assert events.describe(matched)["connection"]["source_port"] == 5
    assert events.take_counts() == {"fw-ftp": {"created": 1, "matched": 1}}
    assert events.take_counts() == {}
    (hole,) = events.listing()
    assert events.describe_hole(hole)["state"] == "used"
    connection = expectation(2000).tuple._replace(sport=5)
    back = Tuple(SERVER, CLIENT, 6, 2000, 5)
    read(events, [entry(connection, back, 1, conntrack.DELETE)], [])
    assert events.listing() == []


def test_lost_events_are_told_and_made_good_by_a_dump(events: EventStream) -> None:
    events.know(NOT_OURS)
    read(events, [event(expectation(1)), None], [expectation(2)])
    assert kinds(events) == ["created", "lost", "withdrawn", "created"]
    lost = events.ring.take(1, 1).items[0]
    assert events.describe(lost) == {"name": "kernel", "count": 0, "resynchronised": True}


def test_a_burst_leaves_others_their_turn(events: EventStream) -> None:
    messages: list[Message | None] = [event(expectation(n)) for n in range(1, 1001)]
    read(events, messages, [])
    assert len(messages) == 1000 - module.SLICE


def test_what_can_t_be_read_is_told_and_does_no_harm(
    events: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    events.know(NOT_OURS)
    broken = event(expectation(1))._replace(payload=memoryview(b"\0\0"))
    read(events, [broken, event(expectation(2))], [])
    assert kinds(events) == ["created"]
    assert "can't be read" in caplog.text


def test_the_reply_direction_is_asked_for_where_nobody_told_it(events: EventStream) -> None:
    events.know(NOT_OURS)
    read(events, [event(expectation(1))], [])
    (item,) = events.ring.take(0, 1).items
    assert events.describe(item)["master"]["reply_source"] == "10.0.2.2"


def note(kind: str, **more: Any) -> dict[str, Any]:
    told = {
        "kind": kind, "helper": "fw-ftp", "client": "c", "server": "s", "l4": "tcp", "reason": "r",
        "rule": "G6", "what": "PASV", "endpoint": "e", "expected": "", "interface": 0, "timeout": 0, "made": None,
    }  # fmt: skip
    return {"note": told | more, "queue": 1000}


def used_at_once(port: int) -> list[Message | None]:
    """All that the kernel tells of an expectation that a connection takes at once."""
    data = expectation(port).tuple._replace(sport=5)
    back = Tuple(SERVER, CLIENT, 6, port, 5)
    return [
        entry(MASTER, REPLY, 0x2000, conntrack.NEW),
        event(expectation(port)),
        event(expectation(port), expect.DELETE),
        entry(data, back, 1, conntrack.NEW, MASTER),
    ]


def words(port: int) -> dict[str, Any]:
    return note("expected", made=encode_made(expectation(port)))


@pytest.mark.parametrize("worker_first", [False, True])
def test_a_worker_s_words_before_and_after_the_end(events: EventStream, worker_first: bool) -> None:
    if worker_first:
        events.hear(words(2000), 0.0)
    read(events, used_at_once(2000), [])
    if not worker_first:
        assert kinds(events) == []
        events.hear(words(2000), 0.1)
    items = events.ring.take(0, 10).items
    assert [(item.kind, events.describe(item)["what"]) for item in items] == [
        ("created", "PASV"), ("matched", "PASV"),
    ]  # fmt: skip


def test_a_worker_that_never_speaks(events: EventStream) -> None:
    read(events, used_at_once(2000), [])
    assert kinds(events) == []
    events.pass_time(time.monotonic() + HOLD)
    assert kinds(events) == ["created", "matched"]
    assert events.take_counts() == {"ftp": {"created": 1, "matched": 1}}


def test_a_refusal(events: EventStream) -> None:
    events.hear(note("refused"), 0.0)
    (refused,) = events.ring.take(0, 10).items
    assert events.describe(refused)["rule"] == "G6"


def test_refusals_that_were_only_counted_are_told_as_lost(events: EventStream) -> None:
    events.hear(note("refused"), 0.0)
    events.hear({"counts": {"fw-ftp": {"refused": 5, "expected": 9}}, "queue": 1000}, 0.0)
    events.hear({"counts": {"fw-ftp": {"refused": 5}}, "queue": 1000}, 0.0)
    assert kinds(events) == ["refused", "lost"]
    assert events.describe(events.ring.take(1, 1).items[0])["count"] == 4
    assert events.take_counts() == {"ftp": {"refused": 5}}


def test_another_worker_counts_from_zero() -> None:
    untold = SuppressedCounter()
    assert list(untold.counted(1000, {"x": {"refused": 3}})) == [("x", 3)]
    assert list(untold.counted(1001, {"x": {"refused": 2}})) == [("x", 2)]
    untold.forget(1000)
    untold.told(1000, "x")
    assert list(untold.counted(1000, {"x": {"refused": 1}})) == []
    assert list(untold.counted(1001, {"x": {"refused": 3}})) == [("x", 1)]


def test_too_many_to_be_tracked_is_told(
    events: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.know(NOT_OURS)
    monkeypatch.setattr(module, "TICK", 0.0)
    events.tracker._limit = 2
    read(events, [event(expectation(n)) for n in range(1, 6)], [])

    async def scenario() -> None:
        ticking = asyncio.ensure_future(events._tick())
        await events.ring.wait(5)
        ticking.cancel()

    asyncio.run(scenario())
    (lost,) = [item for item in events.ring.take(0, 100).items if item.kind == "lost"]
    assert events.describe(lost)["name"] == "tracking"
    assert events.describe(lost)["count"] == 3


def test_an_item_of_nobody_is_described_too(events: EventStream) -> None:
    assert events.describe(Item("lost", "", note={"name": "kernel"})) == {"name": "kernel"}
    assert module.interface_name(0) == ""
