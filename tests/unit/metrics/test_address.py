"""Addresses of the listener."""

from __future__ import annotations

import pytest

from fwhelpers.metrics.address import Address, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9925", Address("127.0.0.1", 9925)),
        ("[::1]:9925", Address("::1", 9925)),
        ("localhost:1", Address("localhost", 1)),
        ("unix:/run/x/socket", Address("/run/x/socket", 0)),
    ],
)
def test_valid(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9925", "must be HOST:PORT or unix:PATH"),
        (":9925", "must be HOST:PORT or unix:PATH"),
        ("::1:9925", "an IPv6 address is written"),
        ("[::1:9925", "an IPv6 address is written"),
        ("h:0", "the port must be between"),
        ("h:65536", "the port must be between"),
        ("h:²", "the port must be between"),
        ("h:", "the port must be between"),
        ("unix:run/x", "must be absolute"),
        ("unix:", "must be absolute"),
    ],
)
def test_invalid(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)
