"""H.323 with random, damaged and reordered messages."""

from __future__ import annotations

import pytest
from fuzz.seeds import H323_CALL, H323_RAS
from fwhelpers_plugins.h323.h225_types import H323UserInformation, RasMessage
from fwhelpers_plugins.h323.h245_types import MultimediaSystemControlMessage, OpenLogicalChannel
from h323_messages import (
    H323,
    channel,
    close,
    connect,
    fast,
    h225,
    open_channel,
    release,
    setup,
    tpkt,
)
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio.per import Octets, decode
from fwhelpers.testing import client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

ends = st.builds(
    Endpoint,
    st.sampled_from([b"\x0a\0\1\2", b"\x0a\0\2\2", b"\x0a\x09\x09\x09", bytes(4), bytes(16)]),
    st.integers(0, 65535),
)
channels = st.builds(channel, st.integers(1, 65535), st.none() | ends, st.none() | ends)
h245 = st.one_of(
    st.builds(open_channel, st.integers(1, 9), st.none() | ends, st.none() | ends),
    st.builds(close, st.integers(1, 9)),
    st.binary(max_size=20),
)
messages = st.one_of(
    st.builds(Message, st.builds(tpkt, h245), st.booleans()),
    st.builds(lambda reply, *some: Message(connect(fastStart=fast(*some)), reply), st.booleans(), channels, channels),
    st.builds(lambda end: server(connect(h245Address=h225(end))), ends),
    st.sampled_from([*H323_CALL, client(tpkt(b"")), client(b"\3\0\x40\0"), client(b"\3\0\0\1")]),
    st.builds(Message, st.binary(max_size=60), st.booleans()),
)  # fmt: skip
plays = st.lists(messages, max_size=6)


@st.composite
def damaged(draw: st.DrawFn, script: list[Message]) -> list[Message]:
    """The conversation with some octets replaced."""
    result = []
    for data, reply in script:
        octets = bytearray(data)
        for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=3)):
            octets[at] = draw(st.integers(0, 255))
        result.append(Message(bytes(octets), reply))
    return result


@given(plays, st.sampled_from([4, 6]), st.integers(0, 100))
def test_calls(script: list[Message], family: int, seed: int) -> None:
    check(H323, [client(setup()), *script], "tcp", family, {}, seed)


@given(plays)
def test_any_beginning(script: list[Message]) -> None:
    check(H323, script, "tcp")


@given(damaged(H323_CALL), st.integers(0, 100))
def test_damaged_calls(script: list[Message], seed: int) -> None:
    check(H323, script, "tcp", seed=seed)


@given(damaged(H323_RAS))
def test_damaged_ras(script: list[Message]) -> None:
    check(H323, script, "udp")


@given(st.lists(st.builds(Message, st.binary(max_size=60), st.booleans()), max_size=5))
def test_garbage(script: list[Message]) -> None:
    check(H323, script, "udp")
    check(H323, script, "tcp")


#: a worker's successor knows the calls, and not what each of several announced
lasting = st.lists(
    st.one_of(
        st.builds(lambda end: server(connect(h245Address=h225(end))), ends),
        st.builds(lambda some: server(connect(fastStart=fast(some))), channels),
        st.sampled_from([client(release()), client(tpkt(b""))]),
        st.builds(Message, st.binary(max_size=60), st.booleans()),
    ),
    max_size=6,
)


@given(lasting)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(H323, [client(setup()), *script], "tcp")


@pytest.mark.parametrize(
    "kind", [H323UserInformation, RasMessage, MultimediaSystemControlMessage, OpenLogicalChannel]
)
@given(data=st.binary(max_size=200))
def test_the_tables_decode_or_raise_parse_error(kind: object, data: bytes) -> None:
    try:
        value = decode(kind, data)  # type: ignore[arg-type]
    except ParseError:
        return
    assert all(0 <= start <= end <= len(data) for start, end in places(value))


def places(value: object) -> list[Octets]:
    if isinstance(value, Octets):
        return [value]
    if isinstance(value, dict):
        return [place for item in value.values() for place in places(item)]
    if isinstance(value, (list, tuple)):
        return [place for item in value for place in places(item)]
    return []
