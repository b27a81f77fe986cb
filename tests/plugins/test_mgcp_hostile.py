"""Attacks on the helper of MGCP: slipstreaming by datagrams of other protocols."""

from __future__ import annotations

import pytest
from connection import Connection
from mgcp_messages import GATEWAY, MGCP, command, crcx, mdcx, response, sdp

from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active

TRIGGERS = (crcx(1, sdp(GATEWAY, 5000)), mdcx(1, sdp(GATEWAY, 5000)))
TURN = b"\x00\x03\x00\xdc\x21\x12\xa4\x42" + b"x" * 12 + b"\0\6\0\xc8"  # Allocate, its user name


def opened(*datagrams: bytes) -> list[str]:
    active = Active(MGCP, {}, Limits(address="any-src"))
    flow = Connection(MGCP, "udp", f"{GATEWAY}:40000", "10.0.2.2:2427", active=active)
    for datagram in datagrams:
        flow.c(datagram)
    return flow.expected


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("separator", [b"\n.\n", b"\r\n.\r\n", b".\n.\n"])
@pytest.mark.parametrize("beginning", [TURN, b"GET / HTTP/1.1", b"\x16\xfe\xff", b"", b"\r\n"])
def test_a_message_behind_other_bytes_is_no_message(
    trigger: bytes, separator: bytes, beginning: bytes
) -> None:
    """A web page chooses the user name that the browser sends to its TURN server."""
    assert opened(trigger)
    assert opened(beginning + separator + trigger) == []
    assert opened(command("NTFY", 7), beginning + separator + trigger) == []


def test_nothing_is_read_behind_what_is_no_message() -> None:
    assert opened(b".\n".join([response(1), b"rubbish\n", TRIGGERS[0]])) == []
    assert opened(b".\n".join([response(1), TRIGGERS[0]]))
