"""A worker is replaced at any point of a conversation, without any difference in the result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from connection import Connection, FakeMaker, payload_of
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import DatagramParser, Done, Event, Expect, Helper, LineParser, Policy
from fwhelpers.engine import handover
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.kernel.expect import Expectation, encode_delete

PORT = re.compile(rb"AT (\d+)\r?\n")


class Ask(LineParser):
    """The server's `AT port` opens if the client asked for it with `WHERE` before."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.asked = 0

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if not reply:
            self.asked += line.startswith(b"WHERE")
            if line.startswith(b"QUIT"):
                yield Done("quit")
        elif (match := PORT.match(line)) and self.asked:
            self.asked -= 1
            yield Expect(
                self.flow.client, self.flow.server.at(int(match[1])), span=match.span(1),
                encode=lambda end: b"%d" % end.port, timeout=20,
            )  # fmt: skip

    def save(self) -> bytes:
        return bytes([self.asked])

    def restore(self, state: bytes) -> None:
        (self.asked,) = state


class Encoder(FakeMaker):
    """Encodes for the kernel what it is to delete, as the real table does."""

    def delete(self, expectation: Expectation) -> None:
        encode_delete(expectation)
        super().delete(expectation)


ASK = Helper("ask", "tcp", [99], Ask, [Policy("data", max=9, timeout=60)])

#: the bytes of each side, by turns
TALK = [
    (False, b"HELLO\r\nWHERE\r\n"), (True, b"AT 4000\r\nnoise\r\n"), (False, b"WHERE\r\nWHERE\r\n"),
    (True, b"AT 4001\r\nAT 4002\r\nAT 4003\r\n"),
]  # fmt: skip


def connection(**options: object) -> Connection:
    return Connection(ASK, "tcp", "10.0.1.2:4000", "10.0.2.2:99", **options)  # type: ignore[arg-type]


def replace_worker(talk: Connection) -> None:
    """Replace the inspector, as a new worker process would."""
    data = talk.inspector.hand_over()
    successor = Inspector({ASK.kernel_name: Active(ASK)}, talk.maker, talk.notes.append)
    successor.resume(data)
    talk.inspector = successor


def segments(cuts: list[int]) -> Iterator[tuple[bool, bytes]]:
    """The conversation in segments of these sizes."""
    sizes = iter(cuts)
    for reply, data in TALK:
        while data:
            size = next(sizes, len(data))
            yield reply, data[:size]
            data = data[size:]


@given(st.lists(st.integers(1, 20), max_size=30), st.sets(st.integers(0, 30)), st.booleans())
def test_a_change_of_workers_changes_no_result(
    cuts: list[int], changes: set[int], child: bool
) -> None:
    talk = connection()
    if child:  # an expected connection: the kernel stores no private data for it
        talk.extra = {"status": 8 | 0x2000 | 1}
    for number, (reply, data) in enumerate(segments(cuts)):
        if number in changes:
            replace_worker(talk)
        talk.say(data, reply)
    assert talk.expected == [f"10.0.1.2 > 10.0.2.2:{port}" for port in (4000, 4001, 4002)]
    assert {note.kind for note in talk.notes} == {"expected"}


def test_segments_behind_a_gap_are_handed_over() -> None:
    talk = connection()
    talk.c(b"WHERE\r\n")
    talk.s(b"noise\r\n")
    late = talk.packet(b"AT 40", True)
    talk.seq[1] = (talk.seq[1] + 5) % 2**32
    talk.s(b"00\r\n")
    replace_worker(talk)
    talk.send(late)
    assert talk.expected == ["10.0.1.2 > 10.0.2.2:4000"]


def test_a_retransmission_is_rewritten_as_before() -> None:
    talk = connection(
        seen_server="192.0.2.1:99",
        maker=FakeMaker(errors=lambda e: 17 if e.tuple.dport == 4000 else 0),
    )
    talk.c(b"WHERE\r\n")
    seq = talk.seq[1]
    first = payload_of(talk.s(b"AT 4000\r\n"))
    assert first == b"AT 4001\r\n"
    replace_worker(talk)
    again = talk.send(talk.packet(b"AT 4000\r\n", True, seq))
    assert payload_of(again) == first


def test_the_end_of_an_expectation_is_handed_over() -> None:
    talk = connection()
    talk.c(b"WHERE\r\n")
    talk.s(b"AT 4000\r\n")
    replace_worker(talk)
    talk.inspector.tick(talk.now + 19)
    assert talk.maker.deleted == []
    talk.inspector.tick(talk.now + 21)
    assert [t.dport for t in talk.maker.deleted] == [4000]


def test_a_finished_flow_stays_finished() -> None:
    talk = connection()
    talk.c(b"WHERE\r\n")
    talk.s(b"AT 4000\r\n")
    talk.c(b"WHERE\r\nQUIT\r\n")
    replace_worker(talk)
    talk.s(b"AT 4001\r\n")
    assert talk.expected == ["10.0.1.2 > 10.0.2.2:4000"]


def test_state_in_the_conntrack_entry_is_not_handed_over() -> None:
    talk = connection()
    talk.c(b"HELLO\r\nWHERE\r\n")
    talk.s(b"noise\r\n")
    assert list(handover.decode(talk.inspector.hand_over())) == []
    replace_worker(talk)
    talk.s(b"AT 4000\r\n")
    assert talk.expected == ["10.0.1.2 > 10.0.2.2:4000"]


def test_flows_of_a_removed_helper_are_skipped() -> None:
    talk = connection()
    talk.c(b"WHE")
    successor = Inspector({}, talk.maker)
    successor.resume(talk.inspector.hand_over())
    assert len(successor) == 0


class Gram(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield Expect(self.flow.client, self.flow.server.at(int(data)), timeout=20)


def test_datagrams() -> None:
    gram = Helper("gram", "udp", [99], Gram, [Policy("data", max=9, timeout=60)])
    talk = Connection(gram, "udp", "10.0.1.2:4000", "10.0.2.2:99")
    talk.s(b"4000")
    successor = Inspector({gram.kernel_name: Active(gram)}, talk.maker, talk.notes.append)
    successor.resume(talk.inspector.hand_over())
    successor.tick(talk.now + 21)
    assert [t.dport for t in talk.maker.deleted] == [4000]


@pytest.mark.parametrize(
    "bad", [b"4\n", b"5\n{}\n", b"5\n[]\n", b"5\nnull\n", b"5\n{", b"\x80", b"\n"]
)
def test_malformed_data_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - all errors are reported alike
        list(handover.decode(bad))


@given(st.data())
def test_damaged_data_raises_value_error_or_nothing(data: st.DataObject) -> None:
    talk = connection()
    talk.c(b"WHERE\r\nWHE")
    talk.s(b"AT 4000\r\n")
    record = bytearray(talk.inspector.hand_over())
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    successor = Inspector({ASK.kernel_name: Active(ASK)}, FakeMaker())
    try:
        successor.resume(bytes(record))
    except ValueError:
        return
    talk.inspector = successor
    talk.c(b"RE\r\n")


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values inside a JSON value, itself included."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path, *(below for key, item in inner for below in paths(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


@given(st.data(), HOSTILE)
def test_one_hostile_value_in_a_handover_is_harmless(data: st.DataObject, hostile: object) -> None:
    talk = connection()
    talk.c(b"WHERE\r\nWHE")
    talk.s(b"AT 4000\r\n")
    version, *lines = talk.inspector.hand_over().splitlines()
    fields = json.loads(data.draw(st.sampled_from(lines)))
    path = data.draw(st.sampled_from(paths(fields)))
    altered = json.dumps(replaced(fields, path, hostile)).encode()
    successor = Inspector({ASK.kernel_name: Active(ASK)}, Encoder())
    try:
        successor.resume(version + b"\n" + altered)
    except ValueError:
        return
    talk.inspector = successor
    talk.c(b"RE\r\n")
    successor.tick(talk.now + 100_000)
    list(handover.decode(successor.hand_over()))


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"key": ["", 1e999]}', b'{"key": ["", NaN]}', b"1" * 5000]
)
def test_json_that_breaks_parsers_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - all are reported alike
        list(handover.decode(b"4\n" + line))


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = connection()
    talk.c(b"WHE")
    whole = len(talk.inspector.hand_over())
    monkeypatch.setattr(handover, "MAX_SIZE", whole - 3)
    assert list(handover.decode(talk.inspector.hand_over())) == []


def test_memories_are_handed_over() -> None:
    memories = {"ask": {b"k": b"v", b"": b""}, "empty": {}}
    (record,) = handover.decode(handover.encode([], memories))
    assert record == handover.MemoryRecord("ask", ((b"k", b"v"), (b"", b"")))
