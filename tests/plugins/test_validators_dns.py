"""Questions of mDNS and LLMNR."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.discovery.validators.dns import MAX_QUESTIONS, MAX_SIZE, check, check_llmnr
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

NAME = b"\5_http\4_tcp\5local\0"


def message(*questions: bytes, flags: int = 0, answers: int = 0, authorities: int = 0) -> bytes:
    return pack("!HHHHHH", 7, flags, len(questions), answers, authorities, 0) + b"".join(questions)


def question(name: bytes = NAME, unicast: bool = False) -> bytes:
    return name + pack("!HH", 12, 0x8001 if unicast else 1)


@given(damaged(message(question(), question(b"\4_ftp\xc0\x12", True))))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)
    outcome(check, data, 5353)
    outcome(check_llmnr, data)


QUERY = Query(None, None, "mDNS _http._tcp.local")


def test_legacy_questions_are_answered_by_unicast() -> None:
    assert check(message(question()), 40000) == QUERY


def test_a_full_host_gets_a_unicast_answer_only_on_request() -> None:
    assert check(message(question()), 5353) is None
    assert check(message(question(), question(unicast=True)), 5353) == QUERY


def test_compression() -> None:
    assert check(message(question(), question(b"\4_ftp\xc0\x12", True)), 5353) == QUERY


@pytest.mark.parametrize("flags", [0x8400, 0x8000, 0x2800, 0x0800])
def test_messages_without_answers(flags: int) -> None:
    assert check(message(question(), flags=flags), 40000) is None
    assert check_llmnr(message(question(), flags=flags), 40000) is None


def test_no_question() -> None:
    assert check(message(), 40000) is None
    assert check_llmnr(message(), 40000) is None


def test_llmnr() -> None:
    assert check_llmnr(message(question(b"\3abc\0")), 40000) == Query(None, None, "LLMNR abc")
    assert check_llmnr(message(question(), question()), 40000) is None
    assert check_llmnr(message(question(), flags=0x0400), 40000) is None
    assert check_llmnr(message(question(), answers=1), 40000) is None
    assert check_llmnr(message(question(), authorities=1), 40000) is None


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",
        b"\xc0\x0d\0",
        b"\xc0\0",
        b"\xff\xff",
        b"\1a\xc0\x0c",
        b"\x40a",
        b"\x80a",
        b"\x3f" + b"a" * 62,
        (b"\x3f" + b"a" * 63) * 4 + b"\0",
        b"\1a" * 127 + b"\1a\0",
        b"\1a",
    ],
)
def test_invalid_names(name: bytes) -> None:
    with pytest.raises(ParseError):
        check(message(question(name)), 40000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        message(question())[:-1],
        message(*[question(b"\0")] * (MAX_QUESTIONS + 1)),
        message(question()) + bytes(MAX_SIZE),
    ],
)
def test_not_dns(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)


def test_many_compressed_names() -> None:
    long = (b"\1a" * 120 + b"\0").ljust(300, b"\0")
    many = message(question(long[:241]), *[question(b"\xc0\x0c")] * (MAX_QUESTIONS - 1))
    assert outcome(check, many)


def test_unprintable_text_is_masked() -> None:
    query = check(message(question(b"\6a\n\x1b[\xff\0\0")), 40000)
    assert query
    assert query.summary == "mDNS a??[??"
