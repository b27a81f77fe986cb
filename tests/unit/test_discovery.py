from __future__ import annotations

import pickle
from typing import Any

import pytest

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, ParseError, Parser, Refuse
from fwhelpers.discovery import ANY, Match, Query, Row, helper_of, taken, with_rows
from fwhelpers.plugin.validation import validate as faults

PLAIN = Row("plain", (7000,), groups=("239.1.2.3",), signature=(Match(0, (b"ASK", b"SEEK")),))


def validate(data: bytes, sport: int) -> Query | None:
    """Read `window port`; `bad` is an error, `answer` has no answers."""
    if data == b"bad":
        raise ParseError("bad")
    if data == b"answer":
        return None
    window, port = map(int, data.split())
    return Query(window or None, port or None, "thing")


def events_of(row: Row, data: bytes, reply: bool = False, sport: int = 40000) -> list[Event]:
    flow = Flow("udp", Endpoint.parse("10.0.1.2", sport), Endpoint.parse("239.1.2.3", 7000))
    return list(helper_of(row).parser_for("udp")(flow, {}).feed(data, reply))


def expected(row: Row, data: bytes, **options: Any) -> Expect:
    (event,) = events_of(row, data, **options)
    assert isinstance(event, Expect)
    return event


def test_a_request_opens_for_the_asker() -> None:
    event = expected(PLAIN, b"ASK who")
    assert event.server == Endpoint.parse("10.0.1.2", 40000)
    assert (event.sport, event.timeout, event.sources, event.l4) == (7000, 5, "on-link", "udp")
    assert event.permanent
    assert event.trigger == "plain"


def test_signature() -> None:
    assert events_of(PLAIN, b"SEEK")
    assert not events_of(PLAIN, b"TELL")
    assert not events_of(PLAIN, b"AS")
    assert not events_of(PLAIN, b"ASK" + bytes(9000))


def test_mask() -> None:
    match = Match(2, (b"\0",), b"\xf8")
    assert match.matches(b"id\7")
    assert not match.matches(b"id\x80")
    assert not match.matches(b"id")


def test_the_reply_direction_opens_nothing() -> None:
    assert not events_of(PLAIN, b"ASK", reply=True)


def test_reply_ports() -> None:
    assert expected(Row("r", (7000,), broadcast=True, reply_port=9), b"x").sport == 9
    assert expected(Row("r", (7000,), broadcast=True, reply_port=ANY), b"x").sport is None


def test_source_ports() -> None:
    row = Row("r", (7000,), broadcast=True, source_ports=(546,))
    assert not events_of(row, b"x")
    assert events_of(row, b"x", sport=546)


def test_validator() -> None:
    row = Row("v", (7000,), broadcast=True, validator=validate, longest=30)
    assert expected(row, b"9 0").timeout == 9
    assert expected(row, b"0 3671").server.port == 3671
    assert expected(row, b"0 3671").trigger == "thing"
    assert events_of(row, b"answer") == []
    (refused,) = events_of(row, b"bad")
    assert isinstance(refused, Refuse)
    assert refused.rule == "G11"


def test_answers_to_a_fixed_port() -> None:
    row = Row("r", (4001,), groups=("239.1.2.3",), answer_port=4002, reply_port=ANY)
    event = expected(row, b"x", sport=50000)
    assert (event.server.port, event.l4, event.sport) == (4002, "udp", None)


def test_announcement() -> None:
    row = Row("a", (1716,), broadcast=True, validator=validate, announces=(1714, 1764))
    event = expected(row, b"0 1739")
    assert (event.l4, event.server.port, event.sport) == ("tcp", 1739, None)
    (refused,) = events_of(row, b"0 22")
    assert isinstance(refused, Refuse)
    assert refused.rule == "G6"
    assert events_of(row, b"0 0") == []


def test_helper() -> None:
    helper = helper_of(Row("h", (1, 2), groups=("ff02::1",), broadcast=True, window=3, longest=30))
    assert list(faults(helper)) == []
    assert (helper.l4s, helper.families, helper.outgoing) == (("udp",), (4, 6), True)
    assert helper.policies[0].timeout == 30


def test_families_follow_the_groups() -> None:
    assert helper_of(Row("h", (1,), groups=("ff02::1",))).families == (6,)
    assert helper_of(Row("h", (1,), broadcast=True)).families == (4,)


@pytest.mark.parametrize("name", ["ftp", "FTP2"])
def test_names_that_are_taken(name: str) -> None:
    ftp = Helper("ftp", "tcp", [21], Parser)
    row = Row(name, (1,), broadcast=True)
    assert taken(row, {"ftp": ftp}) == (name == "ftp")
    assert (name in with_rows({}, [row])) is True
    assert with_rows({"ftp": ftp}, [row])["ftp"] is ftp


def test_kernel_names_that_are_taken() -> None:
    assert taken(Row("fw-ftp", (1,), broadcast=True), {"ftp": Helper("ftp", "tcp", [21], Parser)})


def test_added_again_it_is_the_same() -> None:
    once = with_rows({}, [PLAIN])
    assert with_rows(once, [PLAIN]).keys() == once.keys()
    assert not taken(PLAIN, once)


def test_a_row_goes_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(PLAIN)) == PLAIN
