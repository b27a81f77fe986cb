"""Rewriting of Oracle Net redirects; the parser is in test_tns.py."""

from __future__ import annotations

import pytest
from tns_messages import (
    DESCRIPTOR,
    MARKER,
    RESEND,
    address,
    connect,
    connected,
    packet,
    redirect,
    redirect_apart,
)

from fwhelpers.api import Endpoint, Expect, ParseError
from fwhelpers.testing import client, server

OTHER = Endpoint.parse("192.168.200.200", 21430)
TEXT = b"(ADDRESS=(PROTOCOL=tcp)(HOST=192.168.200.200)(PORT=21430))"


@pytest.mark.parametrize("wide", [False, True])
def test_rewriting_sets_the_lengths(wide: bool) -> None:
    play = connected() >> server(redirect(address() + b"\0" + DESCRIPTOR, wide=wide)) << Expect
    assert play.rewritten(OTHER, reply=True) == redirect(TEXT + b"\0" + DESCRIPTOR, wide=wide)


def test_rewriting_after_other_packets() -> None:
    play = connected() >> server(packet(RESEND)) >> client(connect())
    play >> server(packet(MARKER, b"\1\0\1"), redirect(address())) << Expect
    assert play.rewritten(OTHER, True) == packet(RESEND) + packet(MARKER, b"\1\0\1") + redirect(
        TEXT
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"( HOST = 10.0.2.2 )( PORT = 2143 )", b"( HOST = 192.168.200.200 )( PORT = 21430 )"),
        (b"(HOST='10.0.2.2')(PORT=\"2143\")", b"(HOST='192.168.200.200')(PORT=\"21430\")"),
        (b"(PORT=2143)(X=(Y=1))(HOST=10.0.2.2)", b"(PORT=21430)(X=(Y=1))(HOST=192.168.200.200)"),
    ],
)
def test_rewriting_keeps_everything_else(old: bytes, new: bytes) -> None:
    frame = b"(ADDRESS=(PROTOCOL=tcp)%s(Z=3))"
    play = connected() >> server(redirect(frame % old)) << Expect
    assert play.rewritten(OTHER, reply=True) == redirect(frame % new)


def test_rewriting_ipv6_keeps_the_length() -> None:
    play = connected(6) >> server(redirect(address("[fd02::2222]"))) << Expect
    data = redirect(address("[fd02::2222]"))
    new = play.rewritten(Endpoint.parse("fd01::1", 2144), True, len(data) - len("))"))
    assert new == redirect(b"(ADDRESS=(PROTOCOL=tcp)(HOST=[fd01::1])   (PORT=2144))")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8::ffff:1", 2144), True, len(data) - len("))"))


@pytest.mark.parametrize("parts", [1, 2])
def test_rewriting_in_data_keeps_the_length(parts: int) -> None:
    text = address() + b"\0" + DESCRIPTOR
    play = connected() >> server(redirect_apart(text, parts=parts)) << Expect
    new = b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.1.1)  (PORT=80))\0" + DESCRIPTOR
    assert play.rewritten(Endpoint.parse("10.0.1.1", 80), True) == redirect_apart(new, parts=parts)
    with pytest.raises(ParseError, match="does not fit"):
        play.rewritten(OTHER, reply=True)


def test_rewriting_the_first_of_several() -> None:
    play = connected() >> server(redirect(address() + address(port=2144))) << Expect
    first = b"(ADDRESS=(PROTOCOL=tcp)(HOST=192.168.200.200)(PORT=2143))"
    new = play.rewritten(Endpoint.parse("192.168.200.200", 2143), True)
    assert new == redirect(first + address(port=2144))


def test_rewriting_may_keep_the_length() -> None:
    data = redirect(address() + b"\0" + DESCRIPTOR)
    play = connected() >> server(data) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.span
    new = play.rewritten(Endpoint.parse("10.0.0.9", 80), True, play.last.span[1])
    text = b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.0.9)  (PORT=80))"
    assert new == redirect(text + b"\0" + DESCRIPTOR)


def test_an_address_cut_in_two_is_not_rewritten() -> None:
    play = connected() >> server(redirect_apart(address(), parts=3)) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.span
    assert play.last.encode is None
