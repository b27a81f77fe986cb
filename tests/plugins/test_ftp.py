"""The FTP parser; test_ftp_sloppy.py has the peers that get out of step."""

from __future__ import annotations

import pytest
from ftp_messages import EPSV, FTP, PASV, REPLY_227, active, logged_in, passive, unsolicited
from fwhelpers_plugins.ftp import Ftp
from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse, Used
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

lines = st.sampled_from(
    [
        b"USER anonymous\r\n", b"PASV\r\n", b"pasv\n", b"EPSV\r\n", b"EPSV ALL\r\n", b"RETR a\r\n",
        b"PORT 10,0,1,2,4,1\r\n", b"EPRT |2|fd01::2|1025|\r\n", b"AUTH TLS\r\n", b"\xff\xf4\xff\xf2ABOR\r\n",
        b"220 hi\r\n", b"220-hi\r\n", b"227 (10,0,2,2,4,1)\r\n", b"227 =10,0,2,2,4,1\r\n",
        b"227-x\r\n", b"229 (|||1025|)\r\n", b"234 go\r\n", b"200 ok\r\n", b"150 now\r\n", b"226 done\r\n",
        b"500 no\r\n", b"\r\n", b"PORT 1,2\r\n", b"999,", b"x" * 5000, b"227 0,0,0,0,4,1\r\n", b"227-10,0,2,2,4,1\r\n",
        b"\x16\x03\x01\0\5hello", b"\x17\x03\x03\1\0", b"\x17\x03\x03\xff\xff", b"NOOP\r\n" * 20, b"426 no\r\n",
    ]
)  # fmt: skip
scripts = st.lists(
    st.builds(Message, st.one_of(lines, st.binary(max_size=30)), st.booleans()), max_size=20
)


@given(scripts, st.sampled_from([4, 6]), st.booleans(), st.integers(0, 100))
@example([client(b"\r\n"), server(b"220\r\n")], 4, False, 0)
def test_fuzz(script: list[Message], family: int, pickup: bool, seed: int) -> None:
    check(FTP, script, family=family, settings={"pickup": pickup}, seed=seed)


@given(scripts)
def test_another_worker_can_take_over_at_any_time(script: list[Message]) -> None:
    check_restart(FTP, script)


# the four announcements


def test_port() -> None:
    play = logged_in()
    assert play >> client(b"PORT 10,0,1,2,4,1\r\n") << active(play)


def test_pasv() -> None:
    play = logged_in()
    assert play >> PASV >> REPLY_227 << passive(play)


@pytest.mark.parametrize("family", [4, 6])
def test_eprt(family: int) -> None:
    play = logged_in(family)
    text = b"|1|10.0.1.2|1025|" if family == 4 else b"|2|fd01::2|1025|"
    assert play >> client(b"EPRT ", text, b"\r\n") << active(play, command="EPRT")


@pytest.mark.parametrize("family", [4, 6])
def test_epsv(family: int) -> None:
    play = logged_in(family)
    reply = server(b"229 Entering Extended Passive Mode (|||1025|)\r\n")
    assert play >> EPSV >> reply << passive(play, command="EPSV")


@pytest.mark.parametrize("arg", [b"", b" 1", b" 2"])
def test_epsv_with_a_family(arg: bytes) -> None:
    play = logged_in()
    play >> client(b"EPSV", arg, b"\r\n") >> server(b"229 ok (!!!1025!)\r\n")
    assert play << passive(play, command="EPSV")


@pytest.mark.parametrize(
    "text",
    [
        b"227 Entering Passive Mode (10,0,2,2,4,1).", b"227 Entering Passive Mode. 10,0,2,2,4,1",
        b"227 =10,0,2,2,4,1", b"227 10,0,2,2,4,1", b"227 (10,0,2,2,004,001)", b"227 in mode 3: 10,0,2,2,4,1 ",
    ],
)  # fmt: skip
def test_forms_of_227(text: bytes) -> None:
    play = logged_in()
    assert play >> PASV >> server(text, b"\r\n") << passive(play)


# commands and lines


@pytest.mark.parametrize("verb", [b"port", b"Port", b"pOrT"])
def test_verbs_in_any_case(verb: bytes) -> None:
    play = logged_in()
    assert play >> client(verb, b" 10,0,1,2,4,1\r\n") << active(play)


def test_bare_line_feeds() -> None:
    play = Playbook(FTP) >> server(b"220 x\n") >> client(b"USER a\n") >> server(b"230 x\n")
    assert play >> client(b"PORT 10,0,1,2,4,1\n") << active(play)


@pytest.mark.parametrize(
    "arg",
    [
        b"", b" ", b" 10,0,1,2,4", b" 10,0,1,2,4,1,1", b" 10,0,1,2,373,53", b" 10,0,1\t,2,4,1",
        b" 10,0,1,2,4,+1", b" 1 0,0,1,2,4,1", b" (10,0,1,2,4,1)", b" 10,0,1,2,4,1 x", b" 10,0,1,2,0004,1",
    ],
)  # fmt: skip
def test_malformed_port(arg: bytes) -> None:
    assert logged_in() >> client(b"PORT", arg, b"\r\n") << Refuse


def test_telnet_signals_before_a_command() -> None:
    play = logged_in() >> client(b"\xff\xf4\xff\xf2ABOR\r\n\xff\xf2STAT\r\nPASV\r\n")
    play >> server(b"226 aborted\r\n211 status\r\n") >> REPLY_227
    assert play << passive(play)


def test_other_telnet_commands_are_parse_errors() -> None:
    assert logged_in() >> client(b"\xff\xfb\x01PASV\r\n") << ParseError


def test_file_names_of_any_bytes() -> None:
    play = logged_in() >> client(b"RETR \xff\xff na\tme \xc3\xa9\r\n") >> server(b"550 no\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_empty_lines_are_no_commands() -> None:
    play = logged_in() >> client(b"\r\n\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_lprt_is_ignored() -> None:
    play = logged_in() >> client(b"LPRT 4,4,10,0,1,2,2,4,1\r\n") >> server(b"500 no\r\n")
    assert play


def test_a_line_of_excessive_length() -> None:
    assert logged_in() >> client(b"RETR ", b"x" * Ftp.max_message) << ParseError


# a reply belongs to a command (G4)


def test_unsolicited_227() -> None:
    play = logged_in()
    assert play >> REPLY_227 << unsolicited(play)


def test_227_for_another_command() -> None:
    play = logged_in() >> client(b"TYPE I\r\n")
    assert play >> REPLY_227 << unsolicited(play)


def test_a_second_227() -> None:
    play = logged_in() >> PASV >> REPLY_227 << passive(logged_in())
    assert play >> REPLY_227 << unsolicited(play)


def test_replies_from_the_client() -> None:
    play = logged_in() >> PASV
    assert play >> client(b"227 (10,0,1,2,4,1)\r\n") << ParseError


def test_commands_from_the_server_open_nothing() -> None:
    assert logged_in() >> server(b"PORT 10,0,2,2,4,1\r\nEPRT |1|10.0.2.2|1025|\r\nPASV\r\n")


def test_pipelined_commands() -> None:
    play = logged_in() >> client(b"TYPE I\r\nPASV\r\nRETR a\r\n")
    play >> server(b"200 ok\r\n", REPLY_227.data, b"150 here\r\n226 done\r\n")
    assert play << passive(play) << Used()


def test_a_preliminary_reply_does_not_end_a_command() -> None:
    play = logged_in() >> client(b"RETR a\r\nPASV\r\n") >> server(b"150 here\r\n")
    play << Used()
    assert play >> server(b"226 done\r\n") >> REPLY_227 << passive(play)


def test_lines_within_a_multi_line_reply_are_text() -> None:
    play = logged_in() >> PASV
    play >> server(b"227-read this:\r\n227 lines like the next are text\r\n")
    assert play << Refuse("G11", "227: no address")
    play = logged_in() >> PASV >> server(b"200-hi\r\n", REPLY_227.data, b" 227 x\r\n200 bye\r\n")
    assert play


def test_a_banner_that_looks_like_an_announcement() -> None:
    play = Playbook(FTP) >> server(b"220-hi\r\n", REPLY_227.data, b"220-x\r\n220 bye\r\n")
    assert play >> client(b"USER a\r\n") >> server(b"230 in\r\n")


def test_the_last_line_of_a_multi_line_227() -> None:
    play = logged_in() >> PASV >> server(b"227-passive\r\n", REPLY_227.data)
    assert play << passive(play)


@pytest.mark.parametrize(
    "text",
    [
        b"229 ok", b"229 |||1025|", b"229 (|||1025)", b"229 (||1025|)", b"229 (|1|10.0.2.2|1025|)",
        b"229 (|||+1025|)", b"229 (|||65536|)", b"229 (|||102500|)", b"229 (|!|1025|)", b"229 (   1025 )",
    ],
)  # fmt: skip
def test_malformed_229(text: bytes) -> None:
    play = logged_in() >> EPSV >> server(text, b"\r\n")
    assert play << Refuse


@pytest.mark.parametrize("text", [b"227 1,2,3,4,5,6,7", b"227 (10,0,2,2,4)", b"227 10.0.2.2 1025"])
def test_malformed_227(text: bytes) -> None:
    assert logged_in() >> PASV >> server(text, b"\r\n") << Refuse("G11", "227: no address")


# EPSV ALL, RFC 2428 §4


def test_epsv_all() -> None:
    play = logged_in() >> client(b"EPSV ALL\r\n") >> server(b"200 ok\r\n")
    play >> client(b"PORT 10,0,1,2,4,1\r\n") << Refuse("G4", "PORT after EPSV ALL")
    play >> server(b"500 no\r\n") << Cancel("active")
    play >> client(b"EPRT |1|10.0.1.2|1025|\r\n") << Refuse("G4", "EPRT after EPSV ALL")
    play >> server(b"500 no\r\n") << Cancel("active")
    play >> PASV >> REPLY_227
    play << unsolicited(play, reason="PASV after EPSV ALL")
    play >> EPSV >> server(b"229 (|||1025|)\r\n")
    assert play << passive(play, command="EPSV")


def test_an_epsv_all_that_is_refused() -> None:
    play = logged_in() >> client(b"epsv all\r\n") >> server(b"501 what?\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


# the life of an announcement


def test_a_refused_port_is_cancelled() -> None:
    play = logged_in() >> client(b"PORT 10,0,1,2,4,1\r\n") << active(logged_in())
    assert play >> server(b"500 Illegal PORT command.\r\n") << Cancel("active")


def test_a_refusal_of_an_older_port_keeps_the_newer() -> None:
    play = logged_in() >> client(b"PORT 10,0,1,2,4,1\r\nPORT 10,0,1,2,4,2\r\n")
    play << active(play) << active(play, 1026)
    assert play >> server(b"500 no\r\n")
    assert play >> server(b"200 ok\r\n")


def test_a_failed_transfer_cancels_nothing() -> None:
    play = logged_in() >> client(b"PORT 10,0,1,2,4,1\r\n") << active(logged_in())
    assert play >> server(b"200 ok\r\n") >> client(b"RETR x\r\n") >> server(b"550 no\r\n")


# TLS, RFC 4217


def test_tls_that_is_refused() -> None:
    play = logged_in() >> client(b"AUTH TLS\r\n") >> server(b"530 no\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_234_for_another_command() -> None:
    play = logged_in() >> client(b"NOOP\r\n") >> server(b"234 go\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


# the beginning (G2)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"PUT / HTTP/1.1\r\n", b"HEAD / HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n", b"REGISTER sip:x SIP/2.0\r\n",
        b"PORT 10,0,1,2,4,1\r\n", b"\x03\x00\x00\x0b", b"\r\n", b" USER a\r\n", b"{}",
    ],
)  # fmt: skip
def test_other_protocols_of_clients(data: bytes) -> None:
    assert Playbook(FTP) >> client(data) << ParseError


@pytest.mark.parametrize(
    "data",
    [
        b"227 (10,0,2,2,4,1)\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n", b"\x16\x03\x01", b"\r\n",
        b"229 (|||1025|)\r\n", b"234 go\r\n", b"331 x\r\n", b"+OK\r\n", b"22", b"220x\r\n", b"700 x\r\n",
    ],
)  # fmt: skip
def test_other_protocols_of_servers(data: bytes) -> None:
    play = Playbook(FTP) >> server(data)
    if data == b"22":
        assert play  # may become 220
    else:
        assert play << ParseError


def test_nat_pinning_by_a_post_to_port_21() -> None:
    body = b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER a\r\nPORT 10,0,1,2,0,22\r\n"
    assert Playbook(FTP) >> client(body) << ParseError


def test_an_echo_of_the_server_opens_nothing() -> None:
    # CERT VU#328867: the server repeats what the client sent, beginning a segment with it
    echoed = b"227 (10,0,2,2,4,1)"
    for cut in range(len(echoed)):
        play = logged_in() >> client(b"HELP ", echoed, b"\r\n")
        reply = b"500 '" + echoed[:cut], echoed[cut:] + b"' not understood\r\n"
        assert play >> server(reply[0]) >> server(reply[1])


def test_pickup_in_the_middle_if_configured() -> None:
    play = Playbook(FTP, pickup=True)
    assert play >> PASV >> REPLY_227 << passive(play)


def test_pickup_still_requires_ftp() -> None:
    assert Playbook(FTP, pickup=True) >> client(b"\x16\x03\x01\r\n") << ParseError


# addresses


def test_the_guard_receives_the_announced_address() -> None:
    play = logged_in() >> client(b"PORT 192,0,2,1,0,80\r\n")
    assert play << Expect(
        play.server, Endpoint.parse("192.0.2.1", 80), policy="active", trigger="PORT"
    )


def test_the_address_of_a_227_may_be_ignored() -> None:
    play = logged_in(ignore_pasv_address=True) >> PASV >> server(b"227 (192,168,0,1,4,1)\r\n")
    assert play << passive(play)
