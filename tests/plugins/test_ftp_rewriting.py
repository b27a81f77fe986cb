"""FTP announcements that NAT rewrites, and what another worker restores."""

from __future__ import annotations

import pytest
from ftp_messages import FTP, PASV, REPLY_227, active, logged_in, passive
from fwhelpers_plugins.ftp import MAX_PENDING, Ftp
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server


def test_rewriting_port() -> None:
    play = logged_in() >> client(b"PORT 10,0,1,2,4,1\r\nNOOP\r\n") << active(logged_in())
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=False)
    assert stream == b"USER a\r\nPASS b\r\nPORT 192,0,2,1,4,2\r\nNOOP\r\n"


def test_rewriting_227() -> None:
    play = logged_in() >> PASV >> REPLY_227 << passive(logged_in())
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=True)
    assert stream.endswith(b"\r\n227 Entering Passive Mode (192,0,2,1,4,2).\r\n")


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("192.168.200.200", b"227 Entering Passiv(192,168,200,200,4,2).\r\n"),
        ("10.0.0.1", b"227 Entering Passive Mode (10,0,0,1,4,2).\r\n"),
        ("1.1.1.1", b"227 Entering Passive Mode  (1,1,1,1,4,2).\r\n"),
    ],
)
def test_rewriting_227_keeps_the_length(host: str, line: bytes) -> None:
    play = logged_in() >> PASV >> REPLY_227 << passive(logged_in())
    assert isinstance(play.last, Expect)
    assert play.last.span
    size = play.last.span[1] - play.last.span[0]
    assert play.rewritten(Endpoint.parse(host, 1026), True, size).endswith(b"\r\n" + line)


def test_a_227_without_text_to_shorten() -> None:
    play = logged_in() >> PASV >> server(b"227 =10,0,2,2,4,1\r\n") << passive(logged_in())
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("192.168.200.200", 1026), True, len(b"=10,0,2,2,4,1"))


@pytest.mark.parametrize(
    ("host", "port", "argument"),
    [("10.0.0.9", 1026, b"10,0,0,9,4,2"), ("9.9.9.9", 1026, b"9,9,9,9,4,02")],
)
def test_rewriting_port_keeps_the_length(host: str, port: int, argument: bytes) -> None:
    play = logged_in() >> client(b"PORT 10,0,1,2,4,1\r\n") << active(logged_in())
    text = play.rewritten(Endpoint.parse(host, port), False, len(b"10,0,1,2,4,1"))
    assert text.endswith(b"PORT " + argument + b"\r\n")


def test_rewriting_eprt_keeps_the_delimiter() -> None:
    play = (
        logged_in() >> client(b"EPRT !1!10.0.1.2!1025!\r\n") << active(logged_in(), command="EPRT")
    )
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=False)
    assert stream.endswith(b"EPRT !1!192.0.2.1!1026!\r\n")


def test_rewriting_ipv6_eprt_keeps_the_length() -> None:
    play = (
        logged_in(6) >> client(b"EPRT |2|fd01::2|1025|\r\n") << active(logged_in(6), command="EPRT")
    )
    text = b"|2|fd01::2|1025|"
    new = play.rewritten(Endpoint.parse("fd9::1", 1026), False, len(text))
    assert new.endswith(b"EPRT |2|0fd9::1|1026|\r\n")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8::1", 1026), False, len(text))


def test_rewriting_229_of_ipv4() -> None:
    play = logged_in() >> client(b"EPSV\r\n") >> server(b"229 x (|||1025|)\r\n")
    play << passive(play, command="EPSV")
    assert play.rewritten(play.server.at(999), True).endswith(b"229 x (|||999|)\r\n")


@pytest.mark.parametrize(
    ("port", "line"),
    [
        (1026, b"229 Extended Passive (|||1026|)\r\n"),
        (10266, b"229 Extended Passive(|||10266|)\r\n"),
        (102, b"229 Extended Passive  (|||102|)\r\n"),
    ],
)
def test_rewriting_229_of_ipv6_keeps_the_length(port: int, line: bytes) -> None:
    play = logged_in(6) >> client(b"EPSV\r\n") >> server(b"229 Extended Passive (|||1025|)\r\n")
    play << passive(play, command="EPSV")
    size = len(b"Extended Passive (|||1025")
    assert play.rewritten(play.server.at(port), True, size).endswith(line)


def test_no_text_to_shorten() -> None:
    play = logged_in(6) >> client(b"EPSV\r\n") >> server(b"229 (|||1025|)\r\n")
    play << passive(play, command="EPSV")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(play.server.at(10266), True, len(b"(|||1025"))


# another worker takes over


def test_a_restart_between_pasv_and_227() -> None:
    play = logged_in() >> PASV
    assert play.restart() >> REPLY_227 << passive(play)


def test_a_restart_within_a_multi_line_reply() -> None:
    play = logged_in() >> PASV >> server(b"200-hi\r\n")
    assert play.restart() >> REPLY_227 >> server(b"200 bye\r\n")


def test_a_restart_after_epsv_all_with_many_commands() -> None:
    play = logged_in() >> client(b"EPSV ALL\r\n") >> server(b"200 ok\r\n")
    play >> client(b"NOOP\r\n" * (MAX_PENDING - 1), b"EPSV\r\n")
    play = play.restart() >> server(b"200 ok\r\n" * (MAX_PENDING - 1), b"229 (|||1025|)\r\n")
    play << passive(play, command="EPSV")
    assert play >> client(b"PORT 10,0,1,2,4,1\r\n") << Refuse("G4", "PORT after EPSV ALL")


@pytest.mark.parametrize(
    "state", [b"\1", b"\0\0\0\x20", b"\0\0\0\1\xff", b"\0\0\0\5\0", b"\0\xff\xff\0", bytes(20)]
)
def test_invalid_stored_state(state: bytes) -> None:
    parser = Ftp(Playbook(FTP).flow, {})
    with pytest.raises(ParseError):
        parser.restore(state)


@given(st.binary(max_size=20))
def test_stored_state_raises_parse_errors_only(state: bytes) -> None:
    parser = Ftp(Playbook(FTP).flow, {})
    try:
        parser.restore(state)
    except ParseError:
        return
    assert len(parser.save()) <= 20
