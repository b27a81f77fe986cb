"""Calls and replies of the usual form are read as the general parser reads them."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.rpc import Portmap
from fwhelpers_plugins.rpc.results import Call, Result
from fwhelpers_plugins.rpc.usual import read_call, read_reply
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Event, Flow, ParseError

FLOW = Flow("udp", Endpoint.parse("10.0.1.2", 900), Endpoint.parse("10.0.2.2", 111))
WORD = st.one_of(
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 8, 17, 111, 400, 404, 100000, 100003, 65535, 65536]),
    st.integers(0, 2**32 - 1),
)
CALL = [1, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100003, 3, 17, 0]
REPLY = [1, 1, 0, 0, 0, 0, 2049]

CALLS = st.builds(Call, st.sampled_from(Result), st.just(100003), st.just("udp"), st.just(3))


@st.composite
def near(draw: st.DrawFn, words: list[int]) -> bytes:
    """A message of the usual form with other words, credentials, and another end."""
    changed = list(words)
    for at in draw(st.lists(st.integers(0, len(words) - 1), max_size=2)):
        changed[at] = draw(WORD)
    data = pack(f"!{len(changed)}I", *changed)
    cut, more = draw(st.sampled_from([0, 0, 0, 1, 4])), draw(st.sampled_from([b"", b"", bytes(4)]))
    if len(words) == len(CALL) and draw(st.booleans()):
        size = draw(st.sampled_from([4, 5, 8, 20, 400, 401, 404]))
        data = data[:28] + pack("!I", size) + bytes(draw(st.sampled_from([size, -size % 4 + size])))
        data += pack("!6I", *changed[8:])
    return data[: len(data) - cut] + more


def portmap(calls: dict[int, Call]) -> Portmap:
    portmap = Portmap(FLOW, {})
    portmap._calls.update(calls)
    return portmap


def called(portmap: Portmap, data: bytes, general: bool) -> object:
    try:
        (portmap._any_call if general else portmap.call)(data)
    except ParseError:
        return "ParseError"
    return list(portmap._calls.items())


def replied(portmap: Portmap, data: bytes, general: bool) -> object:
    events: list[Event] | str
    try:
        events = list((portmap._any_reply if general else portmap.reply)(data))
    except ParseError:
        events = "ParseError"
    return events, list(portmap._calls)


@given(st.lists(near(CALL), max_size=4))
def test_calls(messages: list[bytes]) -> None:
    usual, general = portmap({}), portmap({})
    for data in messages:
        assert called(usual, data, False) == called(general, data, True)


@given(
    st.dictionaries(
        st.sampled_from([1, 2, 3]),
        st.builds(Call, st.sampled_from(Result), st.just(100003), st.just("udp"), st.just(3)),
    ),
    st.lists(near(REPLY), max_size=4),
)
def test_replies(calls: dict[int, Call], messages: list[bytes]) -> None:
    usual, general = portmap(calls), portmap(calls)
    for data in messages:
        assert replied(usual, data, False) == replied(general, data, True)


def test_the_usual_form_is_recognized() -> None:
    assert read_call(pack("!14I", *CALL)) == (1, Call(Result.PORT, 100003, "udp", 3))
    assert read_reply(pack("!7I", *REPLY)) == (1, 2049)


def test_the_event_of_a_repeated_reply_is_the_same() -> None:
    events = []
    parser = portmap({})
    for port in (2049, 2049, 2050):
        parser.call(pack("!14I", *CALL))
        events += parser.reply(pack("!7I", *REPLY[:6], port))
    assert events[0] is events[1]
    assert [event.server.port for event in events] == [2049, 2049, 2050]  # type: ignore[union-attr]
