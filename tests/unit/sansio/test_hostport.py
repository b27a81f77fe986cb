from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import hostport as hp

v4 = st.builds(Endpoint, st.binary(min_size=4, max_size=4), st.integers(0, 65535))
v6 = st.builds(Endpoint, st.binary(min_size=16, max_size=16), st.integers(0, 65535))


@given(v4)
def test_six_numbers_there_and_back(end: Endpoint) -> None:
    assert hp.parse_six(hp.format_six(end)) == end


@pytest.mark.parametrize("text", [b"10,0,2,2,4,1", b"10, 0, 2, 2, 4, 1", b" 10 ,0,2,2,4,1 "])
def test_six_numbers(text: bytes) -> None:
    assert hp.parse_six(text) == Endpoint.parse("10.0.2.2", 1025)


@given(v4, st.integers(0, 30))
def test_six_numbers_of_a_certain_length(end: Endpoint, size: int) -> None:
    text = hp.fit_six(end, size)
    if text is None:
        assert not len(hp.format_six(end)) <= size <= len(b"255,255,255,255,255,255")
    else:
        assert len(text) == size
        assert hp.parse_six(text) == end


@pytest.mark.parametrize(
    "text",
    [
        b"", b"1,2,3,4,5", b"1,2,3,4,5,6,7", b"1,2,3,4,5,256", b"10,0,2,2,373,53", b"1 2,3,4,5,6",
        b"1,2,3,4,5,", b"-1,2,3,4,5,6", b"+1,2,3,4,5,6", b"0001,2,3,4,5,6", b"1.2.3.4.5.6",
    ],
)  # fmt: skip
def test_not_six_numbers(text: bytes) -> None:
    with pytest.raises(ParseError):
        hp.parse_six(text)


@given(st.one_of(v4, v6), st.sampled_from([b"|", b"!", b"~", b"$", b"Z"]))
def test_eprt_there_and_back(end: Endpoint, delimiter: bytes) -> None:
    assert hp.parse_eprt(hp.format_eprt(end, delimiter)) == end


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        # RFC 2428 §2
        (b"|1|132.235.1.2|6275|", "132.235.1.2", 6275),
        (b"|2|1080::8:800:200C:417A|5282|", "1080::8:800:200c:417a", 5282),
    ],
)
def test_eprt_of_the_rfc(text: bytes, host: str, port: int) -> None:
    assert hp.parse_eprt(text) == Endpoint.parse(host, port)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"|", b"||||", b"|||||", b"|1|1.2.3.4|5", b"|1|1.2.3.4|5|x", b" 1 1.2.3.4 5 ",
        b"|1|1.2.3.4|65536|", b"|1|1.2.3.4|+5|", b"|1|1.2.3.4||", b"|1|::1|5|", b"|2|1.2.3.4|5|",
        b"|3|1.2.3.4|5|", b"|2|fe80::1%eth0|5|", b"|1|1.2.3|5|", b"|1|01.2.3.4|5|", b"|1|host|5|",
        b"|2|::1\xe9|5|", b"\x071\x071.2.3.4\x075\x07", b"41444441",
    ],
)  # fmt: skip
def test_not_eprt(text: bytes) -> None:
    with pytest.raises(ParseError):
        hp.parse_eprt(text)


@given(v6, v6)
def test_a_fitted_eprt_says_the_same_in_the_wanted_length(old: Endpoint, new: Endpoint) -> None:
    size = len(hp.format_eprt(old))
    text = hp.fit_eprt(new, size)
    if text is not None:
        assert len(text) == size
        assert hp.parse_eprt(text) == new


def test_the_canonical_form_grows_to_every_length() -> None:
    end = Endpoint.parse("fd00:1::5", 2000)
    shortest = len(hp.format_eprt(end))
    for size in range(shortest, 4 + 39 + 4 + 2):
        text = hp.fit_eprt(end, size)
        assert text is not None, size
        assert hp.parse_eprt(text) == end
    assert hp.fit_eprt(end, shortest - 1) is None


def test_ipv4_is_not_fitted() -> None:
    assert hp.fit_eprt(Endpoint.parse("1.2.3.4", 5), 20) is None


@given(st.binary(max_size=64))
def test_only_parse_errors(text: bytes) -> None:
    for parse in (hp.parse_six, hp.parse_eprt):
        try:
            end = parse(text)
        except ParseError:
            continue
        assert 0 <= end.port <= 65535
        assert len(end.addr) in (4, 16)


@given(st.from_regex(rb"( ?[0-9]{0,4} ?,){4,6} ?[0-9]{0,4}[ -]?", fullmatch=True))
def test_the_usual_form_is_read_as_any_other(text: bytes) -> None:
    def outcome(parse: Callable[[bytes], Endpoint]) -> Endpoint | str:
        try:
            return parse(text)
        except ParseError as error:
            return str(error)

    assert outcome(hp.parse_six) == outcome(hp._parse_any_six)
