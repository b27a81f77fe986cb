"""A control connection with as many calls as a trunk between exchanges has."""

from __future__ import annotations

from dataclasses import replace

from fwhelpers_plugins.sip.calls import CALL_BYTES, MAX_BYTES, MAX_WAITING
from sip_messages import (
    ANSWER,
    OFFER,
    QUIET,
    again,
    invite,
    ok,
    request,
    response,
    to_client,
    to_server,
    void,
    void_again,
)

from fwhelpers.api import Event, Expect, Parser, Refuse
from fwhelpers.testing.invariants import check_bounds
from fwhelpers.testing.playbook import new_parser

TRUNK = 800  #: calls, as many as the pages about SIP state
TOO_MANY = MAX_BYTES // CALL_BYTES + MAX_WAITING


def parsed(parser: Parser, data: bytes, reply: bool) -> list[Event]:
    """Feed a message; return the events without places in the text."""
    events = parser.feed(data, reply)
    return [
        replace(event, span=None, encode=None, fit=None) if isinstance(event, Expect) else event
        for event in events
    ]


def trunk(calls: int, *, answered: bool) -> Parser:
    """Return the parser of a connection with calls that ring or were answered."""
    parser = new_parser(QUIET)
    for number in range(calls):
        call = f"call-{number}"
        assert parsed(parser, invite(OFFER, call=call), False) == [to_client(4000)]
        parsed(parser, response(180, "INVITE", call=call), True)
        if answered:
            parsed(parser, ok(ANSWER, call=call), True)
            parsed(parser, request("ACK", call=call), False)
    return parser


def hang_up(parser: Parser, number: int) -> list[Event]:
    return parsed(parser, request("BYE", cseq=2, call=f"call-{number}"), False)


def answer(parser: Parser, number: int) -> list[Event]:
    return parsed(parser, ok(ANSWER, call=f"call-{number}"), True)


def test_each_call_of_a_trunk_is_closed_at_its_end() -> None:
    parser = trunk(TRUNK, answered=True)
    for number in range(TRUNK):
        assert hang_up(parser, number) == [void(to_client(4000)), void_again(to_server(6000))]
    assert parser.buffered == 0


def test_each_ringing_call_of_a_trunk_is_prolonged_by_its_answer() -> None:
    parser = trunk(TRUNK, answered=False)
    for number in range(TRUNK):
        assert answer(parser, number) == [again(to_client(4000)), to_server(6000)]


def test_of_the_oldest_calls_alone_nothing_is_closed() -> None:
    parser = trunk(TOO_MANY, answered=True)
    assert hang_up(parser, 0) == []
    newest = range(TOO_MANY - TRUNK, TOO_MANY)
    assert all(len(hang_up(parser, number)) == 2 for number in newest)


def test_the_oldest_ringing_calls_are_answered() -> None:
    """Of these only the request is remembered, and the port of its offer is not prolonged."""
    remembered = MAX_BYTES // trunk(1, answered=False).buffered
    parser = trunk(TOO_MANY, answered=False)
    oldest = TOO_MANY - remembered - MAX_WAITING
    assert isinstance(answer(parser, oldest - 1)[0], Refuse)
    assert answer(parser, oldest) == [to_server(6000)]
    assert answer(parser, TOO_MANY - 1) == [again(to_client(4000)), to_server(6000)]


def test_the_memory_of_a_trunk_is_bounded() -> None:
    parser = trunk(TOO_MANY, answered=True)
    check_bounds(parser)
    assert MAX_BYTES / 2 < parser.buffered <= MAX_BYTES
