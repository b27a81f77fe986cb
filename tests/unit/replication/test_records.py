"""Lines between two gateways: what is written can be read, and no bytes do more than raise ValueError."""

from __future__ import annotations

import binascii
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from replicated import live

from fwhelpers.engine.registry import Account
from fwhelpers.kernel import conntrack, expect
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.nla import be32, nest, strz
from fwhelpers.replication import records
from fwhelpers.replication.records import (
    MAX_LINE,
    Begin,
    Complete,
    Ended,
    Hello,
    Message,
    Ping,
    Pong,
    Status,
    Take,
)

MESSAGES: list[Message] = [
    Hello("1.2"),
    Begin(),
    Complete(),
    live(),
    live(number=0, remaining=0.0, trigger=""),
    live()._replace(account=None, taken=True),
    live()._replace(account=Account("fw-sip", b"\x0a\0\0\1", b"\x0a\0\0\2")),
    Ended(7),
    Ping(0),
    Pong(3, 0),
    Status(),
    Status(True, True, 1e9, "1.2", 0.001, 16384, 3, True),
    Take(False),
    Take(True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_what_is_written_can_be_read(message: Message) -> None:
    line = records.encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE
    assert records.decode(line[:-1]) == message


def test_damaged_expectations() -> None:
    """Each byte of the kernel's message, set to several values."""
    whole = json.loads(records.encode(live()))
    payload = live().payload
    for at in range(len(payload)):
        for value in (0, 1, 4, 7, 8, 0x80, 0xFF):
            damaged = payload[:at] + bytes((value,)) + payload[at + 1 :]
            whole["payload"] = binascii.b2a_base64(damaged, newline=False).decode()
            decode(json.dumps(whole).encode())


def extended(*attributes: bytes) -> bytes:
    payload = live().payload + b"".join(attributes)
    return changed(live(), payload=binascii.b2a_base64(payload, newline=False).decode())


@pytest.mark.parametrize(
    "attribute",
    [
        be32(7, 0x10000),  # CTA_EXPECT_ZONE
        be32(9, 4),  # CTA_EXPECT_CLASS
        strz(6, "x" * 16),  # CTA_EXPECT_HELP_NAME
        strz(6, "\x1b[2J"),
        nest(10, be32(1, 0), conntrack.encode_tuple(2, Tuple(bytes(16), bytes(16), 6, 1, 0))),
        nest(10, be32(1, 7), conntrack.encode_tuple(2, Tuple(bytes(4), bytes(4), 6, 1, 0))),
    ],
)
def test_what_no_kernel_has(attribute: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        records.decode(extended(attribute))


@given(st.text())
def test_a_trigger_of_any_text_fits(trigger: str) -> None:
    line = records.encode(live(trigger=trigger))
    assert len(line) <= MAX_LINE
    assert isinstance(records.decode(line), records.Live)


@given(st.binary(max_size=300))
@example(b"[" * 5000)
@example(b'{"kind":"ping","number":1e999}')
@example(b'{"kind":"ping","number":true}')
@example(b'{"kind":"hello","version":"1","format":NaN}')
def test_any_bytes(line: bytes) -> None:
    decode(line)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(MESSAGES), st.data())
def test_any_values_of_a_known_kind(message: Message, data: st.DataObject) -> None:
    fields = json.loads(records.encode(message))
    changed = data.draw(st.sampled_from(sorted(fields)))
    fields[changed] = data.draw(_VALUES)
    decode(json.dumps(fields).encode())


@given(st.sampled_from(MESSAGES), st.data())
def test_damaged_lines(message: Message, data: st.DataObject) -> None:
    line = bytearray(records.encode(message))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] = data.draw(st.integers(0, 255))
    decode(bytes(line))


def decode(line: bytes) -> Message | None:
    """What is accepted can be written again: it is within all bounds."""
    try:
        message = records.decode(line)
    except ValueError:
        return None
    assert message is None or len(records.encode(message)) <= MAX_LINE
    if isinstance(message, records.Live):
        expectation = expect.parse_expectation(message.payload)
        assert expect.encode_create(expectation)
        assert expect.encode_get(expectation)
        assert conntrack.encode_get(expectation.master, expectation.zone)
    return message


def changed(message: Message, **values: Any) -> bytes:
    return json.dumps(json.loads(records.encode(message)) | values).encode()


def test_a_newer_version_may_say_more() -> None:
    """During an upgrade the two gateways differ."""
    assert records.decode(b'{"kind":"weather","sun":[1]}') is None
    assert records.decode(changed(live(), mood="fine")) == live()


@pytest.mark.parametrize(
    "values",
    [
        {"remaining": -1},
        {"remaining": 86401},
        {"payload": "AAAA"},
        {"payload": "A" * 4000},
        {"payload": 5},
        {"account": ["fw-ftp", "0a00", ""]},
        {"account": "fw-ftp"},
        {"number": -1},
        {"taken": 1},
    ],
    ids=str,
)
def test_what_can_not_be(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        records.decode(changed(live(), **values))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_missing_field_is_named_or_has_a_default(message: Message) -> None:
    fields = json.loads(records.encode(message))
    for name in fields.keys() - {"kind"}:
        rest = {key: value for key, value in fields.items() if key != name}
        assert problem_of(json.dumps(rest).encode()) in ("", f"the field {name!r} is missing")


def problem_of(line: bytes) -> str:
    try:
        records.decode(line)
    except ValueError as error:
        return str(error)
    return ""


def test_a_line_forges_no_line_of_the_log() -> None:
    line = changed(live(), trigger="PASV\nfwhelpers: all is well\x1b[2J")
    message = records.decode(line)
    assert isinstance(message, records.Live)
    assert message.trigger.isprintable()


def test_a_long_line() -> None:
    with pytest.raises(ValueError, match="4096"):
        records.decode(b" " * (MAX_LINE + 1))
