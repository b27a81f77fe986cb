"""Rewriting of portmap and rpcbind replies; the parser is in test_rpc.py."""

from __future__ import annotations

import pytest
from rpc_messages import (
    UADDR,
    callit,
    entries,
    getaddr,
    getport,
    list_entry,
    port,
    record,
    reply,
    service,
    tcp,
    udp,
)

from fwhelpers.api import Endpoint
from fwhelpers.sansio.xdr import string
from fwhelpers.testing import client, server


def test_rewriting_a_port() -> None:
    play = udp() >> client(getport(7)) >> server(reply(7, port(20048)))
    play << service(play)
    assert play.rewritten(play.server.at(20050), True) == reply(7, port(20050))
    play = (
        tcp() >> client(record(getport(7))) >> server(record(reply(7)[:5], reply(7, port(9))[5:]))
    )
    play << service(play, 9)
    assert play.rewritten(play.server.at(8), True)[-4:] == port(8)


def test_rewriting_an_address_lets_a_datagram_grow() -> None:
    play = udp() >> client(callit(7, 3, 5)) >> server(reply(7, string(UADDR) + string(b"x")))
    play << service(play)
    new = play.rewritten(Endpoint.parse("192.168.200.200", 20050), True)
    assert new == reply(7, string(b"192.168.200.200.78.82") + string(b"x"))


def test_rewriting_an_address_changes_the_record_mark() -> None:
    play = tcp() >> client(record(callit(6)) + record(callit(7, 3, 5)))
    answer = string(UADDR) + string(b"x")
    play >> server(record(reply(6, port(0) + string(b"y"))) + record(reply(7, answer)))
    play << service(play)
    new = play.rewritten(Endpoint.parse("192.168.200.200", 20050), True)
    expected = reply(7, string(b"192.168.200.200.78.82") + string(b"x"))
    assert new == record(reply(6, port(0) + string(b"y"))) + record(expected)


def test_an_address_in_ipv6_keeps_its_length() -> None:
    answer = record(reply(7, string(b"fd02::2.78.80")))
    play = tcp(6) >> client(record(getaddr(7))) >> server(answer)
    play << service(play, l4="tcp")
    size = len(string(b"fd02::2.78.80"))
    new = play.rewritten(Endpoint.parse("fd9::1", 20050), True, size)
    assert new == record(reply(7, string(b"0fd9::1.78.82")))
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8:1:2:3:4:5:6", 20050), True, size)


def test_addresses_that_cannot_be_rewritten() -> None:
    two = reply(7, entries(list_entry(UADDR, b"udp"), list_entry(UADDR, b"tcp")))
    play = tcp() >> client(record(getaddr(7, 4, 11))) >> server(record(two))
    play << service(play)
    with pytest.raises(ValueError, match="can't be rewritten"):
        play.rewritten(play.server, True)
    play << service(play, l4="tcp")
    single = reply(8, string(UADDR))
    play >> client(record(getaddr(8))) >> server(record(single[:28], single[28:]))
    play << service(play, l4="tcp")
    with pytest.raises(ValueError, match="can't be rewritten"):
        play.rewritten(play.server, True)
