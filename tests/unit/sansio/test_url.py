from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio.url import authority, fit_authority, parse_url


@pytest.mark.parametrize(
    ("text", "host", "port", "named"),
    [
        (b"http://10.0.1.2:49200/x", "10.0.1.2", 49200, b"10.0.1.2:49200"),
        (b"http://10.0.1.2", "10.0.1.2", 80, b"10.0.1.2"), (b"HTTP://10.0.1.2:/", "10.0.1.2", 80, b"10.0.1.2:"),
        (b"http://[fd01::2]:80/", "fd01::2", 80, b"[fd01::2]:80"), (b"http://[FD01::2]", "fd01::2", 80, b"[FD01::2]"),
        (b"http://[fe80::1%25eth0]:1400/a?b#c", "fe80::1", 1400, b"[fe80::1%25eth0]:1400"),
        (b"http://10.0.1.2:00080/", "10.0.1.2", 80, b"10.0.1.2:00080"),
        (b"http://10.0.1.2?a", "10.0.1.2", 80, b"10.0.1.2"),
    ],
)  # fmt: skip
def test_urls(text: bytes, host: str, port: int, named: bytes) -> None:
    where = parse_url(text)
    assert where.end == Endpoint.parse(host, port)
    assert text[slice(*where.span)] == named


@pytest.mark.parametrize(
    "text",
    [
        b"", b"http://", b"https://10.0.1.2/", b"ftp://10.0.1.2/", b"http://host/", b"http://10.0.1/", b"http://010.0.1.2/",
        b"http://10.0.1.2:65536/", b"http://10.0.1.2:-1/", b"http://10.0.1.2:+80/", b"http://a@10.0.1.2/",
        b"http://10.0.1.2@10.0.2.2/", b"http://10.0.1.2x/", b"http://[10.0.1.2]/", b"http://[fd01::2/", b"http://fd01::2/",
        b"http://10.0.1.2/a b", b" http://10.0.1.2/", b"http://10.0.1.2\0/", b"http:\\\\10.0.1.2/",
    ],
)  # fmt: skip
def test_what_is_none(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_url(text)


@given(st.binary(max_size=40).map(b"http://".__add__))
def test_fuzz(text: bytes) -> None:
    try:
        where = parse_url(text)
    except ParseError:
        return
    assert 0 <= where.end.port <= 65535


@given(st.binary(min_size=16, max_size=16), st.integers(1, 65535), st.integers(4, 60))
def test_a_fitted_one_leads_to_the_same_place(addr: bytes, port: int, size: int) -> None:
    end = Endpoint(addr, port)
    text = fit_authority(end, size)
    if text is not None:
        assert len(text) == size
        assert parse_url(b"http://" + text + b"/").end == end
    assert parse_url(b"http://" + authority(end)).end == end


def test_ipv4_is_not_fitted() -> None:
    assert fit_authority(Endpoint.parse("10.0.1.2", 80), 11) is None
