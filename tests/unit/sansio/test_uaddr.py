from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import uaddr

ends = st.builds(
    Endpoint,
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    st.integers(0, 65535),
)


@given(ends)
def test_there_and_back(end: Endpoint) -> None:
    assert uaddr.parse(uaddr.format_(end)) == end


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (b"10.0.2.2.8.1", "10.0.2.2", 2049),
        (b"::1.185.69", "::1", 47429),
        (b"0.0.0.0.0.111", "0.0.0.0", 111),
        (b"::ffff:10.0.2.2.8.1", "::ffff:10.0.2.2", 2049),
    ],
)
def test_examples(text: bytes, host: str, port: int) -> None:
    assert uaddr.parse(text) == Endpoint.parse(host, port)


@pytest.mark.parametrize(
    "text",
    [
        b"", b".", b"..", b"8.1", b"10.0.2.2.8", b"10.0.2.2.8.256", b"10.0.2.2.+8.1", b"10.0.2.2.8.",
        b"10.0.2.2. 8.1", b"host.8.1", b"/run/rpcbind.sock", b"fe80::1%eth0.8.1", b"1.2.3.4.5.6.7",
        b"::1.8.1\0", b"0" * 200,
    ],
)  # fmt: skip
def test_not_universal(text: bytes) -> None:
    with pytest.raises(ParseError):
        uaddr.parse(text)


@given(ends, st.integers(0, 60))
def test_of_length(end: Endpoint, size: int) -> None:
    text = uaddr.of_length(end, size)
    if text is not None:
        assert len(text) == size
        assert uaddr.parse(text) == end


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (11, None), (12, b"10.0.2.2.8.1"), (13, b"10.0.2.2.8.01"), (15, b"10.0.2.2.08.001"),
        (16, b"10.0.2.2.008.001"), (17, None),
    ],
)  # fmt: skip
def test_ipv4_ports_may_have_leading_zeros(size: int, text: bytes | None) -> None:
    # libtirpc reads the port with atoi(), but the address with inet_pton(), which rejects leading zeros
    end = Endpoint.parse("10.0.2.2", 2049)
    assert uaddr.of_length(end, size) == text
    assert text is None or uaddr.parse(text) == end


@given(st.binary(max_size=60))
def test_only_parse_errors(text: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert 0 <= uaddr.parse(text).port <= 65535
