"""Messages of a worker: each kind survives the way to the manager, and anything else is a ValueError."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.expectation_key import ExpectationId, ExpectationKey
from fwhelpers.engine.registry import Account
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.worker.messages import (
    MAX_MESSAGES,
    Counters,
    FlowReport,
    Message,
    Problem,
    Ready,
    ReportKind,
    SandboxGaps,
    Suppressed,
    decode,
    encode,
    split,
)

PORT = st.integers(0, 65535)
TUPLE = st.sampled_from([4, 16]).flatmap(
    lambda size: st.builds(
        Tuple,
        st.binary(min_size=size, max_size=size),
        st.binary(min_size=size, max_size=size),
        st.sampled_from([6, 17]), PORT, PORT,
    )
)  # fmt: skip
IDENTITY = st.builds(ExpectationId, st.builds(ExpectationKey, PORT, TUPLE, TUPLE), TUPLE)
ADDRESS = st.sampled_from([0, 4, 16]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ACCOUNT = st.builds(
    Account, st.sampled_from(["", "fw-ftp", "ssdp"]), ADDRESS, ADDRESS, st.integers(0, 65535)
)
LINE = st.text(st.characters(categories=["L", "N", "P"]), max_size=60)
COUNT = st.integers(0, 1 << 48)
REPORT = st.builds(
    FlowReport, st.sampled_from(ReportKind), LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE,
    st.integers(0, 1 << 31), st.integers(0, 86400), ACCOUNT, st.none() | IDENTITY,
)  # fmt: skip
MESSAGE: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ready, COUNT),
    st.builds(
        Counters,
        st.dictionaries(
            LINE, st.dictionaries(st.sampled_from([*map(str, ReportKind)]), COUNT), max_size=3
        ),
    ),
    REPORT,
    st.builds(Suppressed, COUNT),
    st.builds(Problem, LINE),
    st.builds(SandboxGaps, st.lists(LINE, max_size=5).map(tuple)),
)

VALUE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(MESSAGE)
def test_every_message_survives_the_channel(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.lists(MESSAGE, min_size=1, max_size=5))
def test_messages_share_a_datagram(messages: list[Message]) -> None:
    assert list(map(decode, split(encode(*messages)))) == messages


def test_a_datagram_has_a_bounded_number_of_messages() -> None:
    with pytest.raises(ValueError, match="too many"):
        split(b"\n" * MAX_MESSAGES)


@given(st.binary() | VALUE.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        decode(data)
    except ValueError:
        return


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values inside a JSON value, itself included."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path, *(leaf for key, item in inner for leaf in leaves(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


@given(MESSAGE, VALUE, st.data())
def test_one_hostile_value_in_a_message_is_harmless(
    message: Message, hostile: object, data: st.DataObject
) -> None:
    plain = json.loads(encode(message))
    path = data.draw(st.sampled_from(leaves(plain)))
    altered = json.dumps(replaced(plain, path, hostile)).encode()
    try:
        result = decode(altered)
    except ValueError:
        return
    # what is accepted has the declared types, so that nothing behind fails over it
    assert decode(encode(result)) == result


REFUSED: dict[str, Any] = {
    "kind": "refused", "helper": "fw-ftp", "client": "c", "server": "s", "l4": "tcp", "reason": "below 1024",
    "rule": "G6", "trigger": "PORT", "endpoint": "e:22", "expected": "", "interface": 3, "timeout": 60,
    "expectation": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {"report": {**REFUSED, "kind": None}}, {"report": {**REFUSED, "kind": "restarted"}},
        {"report": {**REFUSED, "expectation": [0, "x"]}}, {"report": {}}, {"report": {**REFUSED, "more": 1}},
        {"report": {**REFUSED, "interface": "eth0"}}, {"report": {**REFUSED, "timeout": 1.5}},
        {"counters": {"x": {"refused": 1.5}}}, {"counters": {"x": {"refused": -1}}}, {"counters": []},
        {"counters": {"x": {"invented": 1}}}, {"counters": {str(n): {} for n in range(2000)}},
        {"suppressed": 1 << 64}, {"suppressed": float("inf")}, {"suppressed": float("nan")},
        {"suppressed": True}, {"ready": "7"}, {"restarted": "no"}, {"sandbox-gaps": 7},
        {"sandbox-gaps": ["x"] * 1000}, {"ready": 1, "problem": "x"}, {}, [], 7, None,
    ],
)  # fmt: skip
def test_malformed_messages_are_refused(message: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each in its own words
        decode(json.dumps(message).encode())


def test_a_message_forges_no_line_of_the_log() -> None:
    forged = json.dumps({"problem": "a\nfwhelpers: b\x1b[2J"}).encode()
    assert decode(forged) == Problem("a\\nfwhelpers: b\\x1b[2J")
