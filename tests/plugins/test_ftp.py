"""FTP, as a play; what conntrackd's helper gets wrong is in test_ftp_conntrackd.py."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.ftp import MAX_PENDING, Ftp, fwhelpers_helpers
from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse, Used
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Said

(FTP,) = fwhelpers_helpers()

words = st.sampled_from(
    [
        b"USER anonymous\r\n", b"PASV\r\n", b"pasv\n", b"EPSV\r\n", b"EPSV ALL\r\n", b"RETR a\r\n",
        b"PORT 10,0,1,2,4,1\r\n", b"EPRT |2|fd01::2|1025|\r\n", b"AUTH TLS\r\n", b"\xff\xf4\xff\xf2ABOR\r\n",
        b"220 hi\r\n", b"220-hi\r\n", b"227 (10,0,2,2,4,1)\r\n", b"227 =10,0,2,2,4,1\r\n",
        b"227-x\r\n", b"229 (|||1025|)\r\n", b"234 go\r\n", b"200 ok\r\n", b"150 now\r\n", b"226 done\r\n",
        b"500 no\r\n", b"\r\n", b"PORT 1,2\r\n", b"999,", b"x" * 5000,
    ]
)  # fmt: skip
scripts = st.lists(
    st.builds(Said, st.one_of(words, st.binary(max_size=30)), st.booleans()), max_size=20
)


@given(scripts, st.sampled_from([4, 6]), st.booleans(), st.integers(0, 100))
@example([client(b"\r\n"), server(b"220\r\n")], 4, False, 0)
def test_fuzz(script: list[Said], family: int, pickup: bool, seed: int) -> None:
    check(FTP, script, family=family, settings={"pickup": pickup}, seed=seed)


@given(scripts)
def test_another_worker_can_take_over_at_any_time(script: list[Said]) -> None:
    check_restart(FTP, script)


def opened(family: int = 4, **settings: object) -> Playbook:
    play = Playbook(FTP, family=family, **settings)
    return (
        play
        >> server(b"220 ready\r\n")
        >> client(b"USER a\r\n")
        >> server(b"331 who?\r\n")
        >> client(b"PASS b\r\n")
        >> server(b"230 in\r\n")
    )


def active(play: Playbook, port: int = 1025, what: str = "PORT") -> Expect:
    return Expect(play.server, play.client.at(port), what=what)


def passive(play: Playbook, port: int = 1025, what: str = "PASV") -> Expect:
    return Expect(play.client, play.server.at(port), what=what)


PASV = client(b"PASV\r\n")
REPLY_227 = server(b"227 Entering Passive Mode (10,0,2,2,4,1).\r\n")


# the four announcements


def test_port() -> None:
    play = opened()
    assert play >> client(b"PORT 10,0,1,2,4,1\r\n") << active(play)


def test_pasv() -> None:
    play = opened()
    assert play >> PASV >> REPLY_227 << passive(play)


@pytest.mark.parametrize("family", [4, 6])
def test_eprt(family: int) -> None:
    play = opened(family)
    text = b"|1|10.0.1.2|1025|" if family == 4 else b"|2|fd01::2|1025|"
    assert play >> client(b"EPRT ", text, b"\r\n") << active(play, what="EPRT")


@pytest.mark.parametrize("family", [4, 6])
def test_epsv(family: int) -> None:
    play = opened(family)
    reply = server(b"229 Entering Extended Passive Mode (|||1025|)\r\n")
    assert play >> client(b"EPSV\r\n") >> reply << passive(play, what="EPSV")


@pytest.mark.parametrize("arg", [b"", b" 1", b" 2"])
def test_epsv_with_a_family(arg: bytes) -> None:
    play = opened()
    play >> client(b"EPSV", arg, b"\r\n") >> server(b"229 ok (!!!1025!)\r\n")
    assert play << passive(play, what="EPSV")


@pytest.mark.parametrize(
    "text",
    [
        b"227 Entering Passive Mode (10,0,2,2,4,1).", b"227 Entering Passive Mode. 10,0,2,2,4,1",
        b"227 =10,0,2,2,4,1", b"227 10,0,2,2,4,1", b"227 (10,0,2,2,004,001)", b"227 in mode 3: 10,0,2,2,4,1 ",
    ],
)  # fmt: skip
def test_forms_of_227(text: bytes) -> None:
    play = opened()
    assert play >> PASV >> server(text, b"\r\n") << passive(play)


# commands and lines


@pytest.mark.parametrize("verb", [b"port", b"Port", b"pOrT"])
def test_verbs_in_any_case(verb: bytes) -> None:
    play = opened()
    assert play >> client(verb, b" 10,0,1,2,4,1\r\n") << active(play)


def test_bare_line_feeds() -> None:
    play = Playbook(FTP) >> server(b"220 x\n") >> client(b"USER a\n") >> server(b"230 x\n")
    assert play >> client(b"PORT 10,0,1,2,4,1\n") << active(play)


@pytest.mark.parametrize(
    "arg",
    [
        b"", b" ", b" 10,0,1,2,4", b" 10,0,1,2,4,1,1", b" 10,0,1,2,373,53", b"  10,0,1,2,4,1",
        b" 10,0,1,2,4,1 ", b" 10,0,1,2,4,+1", b" 10, 0,1,2,4,1", b" (10,0,1,2,4,1)",
    ],
)  # fmt: skip
def test_malformed_port(arg: bytes) -> None:
    assert opened() >> client(b"PORT", arg, b"\r\n") << Refuse


def test_telnet_signals_before_a_command() -> None:
    play = opened() >> client(b"\xff\xf4\xff\xf2ABOR\r\n\xff\xf2STAT\r\nPASV\r\n")
    play >> server(b"226 aborted\r\n211 status\r\n") >> REPLY_227
    assert play << passive(play)


def test_other_telnet_commands_are_not_guessed_at() -> None:
    assert opened() >> client(b"\xff\xfb\x01PASV\r\n") << ParseError


def test_a_name_with_any_bytes() -> None:
    play = opened() >> client(b"RETR \xff\xff na\tme \xc3\xa9\r\n") >> server(b"550 no\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_empty_lines_are_no_commands() -> None:
    play = opened() >> client(b"\r\n\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_lprt_is_left_alone() -> None:
    play = opened() >> client(b"LPRT 4,4,10,0,1,2,2,4,1\r\n") >> server(b"500 no\r\n")
    assert play


def test_a_line_that_is_too_long() -> None:
    assert opened() >> client(b"RETR ", b"x" * Ftp.max_message) << ParseError


# a reply belongs to a command (G4)


def test_unsolicited_227() -> None:
    play = opened() >> REPLY_227
    end = Endpoint.parse("10.0.2.2", 1025)
    assert play << Refuse("G4", "227: no command that waits for it", end)


def test_227_for_another_command() -> None:
    play = opened() >> client(b"TYPE I\r\n") >> REPLY_227
    end = Endpoint.parse("10.0.2.2", 1025)
    assert play << Refuse("G4", "227: no command that waits for it", end)


def test_227_twice() -> None:
    play = opened() >> PASV >> REPLY_227 << passive(opened())
    end = Endpoint.parse("10.0.2.2", 1025)
    assert play >> REPLY_227 << Refuse("G4", "227: no command that waits for it", end)


def test_229_for_pasv_and_227_for_epsv() -> None:
    play = opened() >> PASV >> server(b"229 (|||1025|)\r\n")
    play << Refuse("G4", "229: no command that waits for it")
    play >> client(b"EPSV\r\n") >> REPLY_227
    end = Endpoint.parse("10.0.2.2", 1025)
    assert play << Refuse("G4", "227: no command that waits for it", end)


def test_replies_from_the_client_and_commands_from_the_server() -> None:
    play = opened() >> PASV
    assert play >> client(b"227 (10,0,1,2,4,1)\r\n") << ParseError
    play = opened()
    assert play >> server(b"PORT 10,0,2,2,4,1\r\n") << ParseError


def test_pipelined_commands() -> None:
    play = opened() >> client(b"TYPE I\r\nPASV\r\nRETR a\r\n")
    play >> server(b"200 ok\r\n", REPLY_227.data, b"150 here\r\n226 done\r\n")
    assert play << passive(play) << Used("data")


def test_a_preliminary_reply_takes_no_command() -> None:
    play = opened() >> client(b"RETR a\r\nPASV\r\n") >> server(b"150 here\r\n")
    play << Used("data")
    assert play >> server(b"226 done\r\n") >> REPLY_227 << passive(play)


def test_a_preliminary_greeting() -> None:
    play = Playbook(FTP) >> server(b"120 wait\r\n220 now\r\n") >> client(b"USER a\r\n")
    assert play >> server(b"230 in\r\n") >> PASV >> REPLY_227 << passive(play)


def test_too_many_commands_without_a_reply() -> None:
    play = opened() >> client(b"NOOP\r\n" * MAX_PENDING)
    assert play >> client(b"NOOP\r\n") << ParseError


def test_a_multi_line_reply_is_text_within() -> None:
    play = opened() >> PASV
    play >> server(b"227-read this:\r\n227 lines like the next are text\r\n")
    assert play << Refuse("G11", "227 without an address")
    play = opened() >> PASV >> server(b"200-hi\r\n", REPLY_227.data, b" 227 x\r\n200 bye\r\n")
    assert play


def test_a_banner_that_looks_like_an_announcement() -> None:
    play = Playbook(FTP) >> server(b"220-hi\r\n", REPLY_227.data, b"220-x\r\n220 bye\r\n")
    assert play >> client(b"USER a\r\n") >> server(b"230 in\r\n")


def test_the_last_line_of_a_multi_line_227() -> None:
    play = opened() >> PASV >> server(b"227-passive\r\n", REPLY_227.data)
    assert play << passive(play)


@pytest.mark.parametrize("text", [b"220no space\r\n", b"22 x\r\n", b"2200 x\r\n", b"720 x\r\n"])
def test_not_a_reply(text: bytes) -> None:
    assert opened() >> server(text) << ParseError


@pytest.mark.parametrize(
    "text",
    [
        b"229 ok", b"229 |||1025|", b"229 (|||1025)", b"229 (||1025|)", b"229 (|1|10.0.2.2|1025|)",
        b"229 (|||+1025|)", b"229 (|||65536|)", b"229 (|||102500|)", b"229 (|!|1025|)", b"229 (   1025 )",
    ],
)  # fmt: skip
def test_malformed_229(text: bytes) -> None:
    play = opened() >> client(b"EPSV\r\n") >> server(text, b"\r\n")
    assert play << Refuse


@pytest.mark.parametrize("text", [b"227 1,2,3,4,5,6,7", b"227 (10,0,2,2,4)", b"227 10.0.2.2 1025"])
def test_malformed_227(text: bytes) -> None:
    assert opened() >> PASV >> server(text, b"\r\n") << Refuse("G11", "227 without an address")


# EPSV ALL, RFC 2428 §4


def test_epsv_all() -> None:
    play = opened() >> client(b"EPSV ALL\r\n") >> server(b"200 ok\r\n")
    play >> client(b"PORT 10,0,1,2,4,1\r\n") << Refuse("G4", "PORT after EPSV ALL")
    play >> server(b"500 no\r\n") << Cancel("data")
    play >> client(b"EPRT |1|10.0.1.2|1025|\r\n") << Refuse("G4", "EPRT after EPSV ALL")
    play >> server(b"500 no\r\n") << Cancel("data")
    play >> PASV >> REPLY_227
    end = Endpoint.parse("10.0.2.2", 1025)
    play << Refuse("G4", "227: PASV after EPSV ALL", end)
    play >> client(b"EPSV\r\n") >> server(b"229 (|||1025|)\r\n")
    assert play << passive(play, what="EPSV")


def test_epsv_all_that_the_server_does_not_know() -> None:
    play = opened() >> client(b"epsv all\r\n") >> server(b"501 what?\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


# the life of an announcement


def test_a_refused_port_is_cancelled() -> None:
    play = opened() >> client(b"PORT 10,0,1,2,4,1\r\n") << active(opened())
    assert play >> server(b"500 Illegal PORT command.\r\n") << Cancel("data")


def test_a_newer_port_is_not_cancelled_with_an_older() -> None:
    play = opened() >> client(b"PORT 10,0,1,2,4,1\r\nPORT 10,0,1,2,4,2\r\n")
    play << active(play) << active(play, 1026)
    assert play >> server(b"500 no\r\n")
    assert play >> server(b"200 ok\r\n")


def test_a_failed_transfer_cancels_nothing() -> None:
    play = opened() >> client(b"PORT 10,0,1,2,4,1\r\n") << active(opened())
    assert play >> server(b"200 ok\r\n") >> client(b"RETR x\r\n") >> server(b"550 no\r\n")


# TLS, RFC 4217


@pytest.mark.parametrize("arg", [b"TLS", b"SSL", b"TLS-C", b"tls"])
def test_tls_ends_it(arg: bytes) -> None:
    play = Playbook(FTP) >> server(b"220 hi\r\n") >> client(b"AUTH ", arg, b"\r\n")
    assert play >> server(b"234 go\r\n") << Done("encrypted from here on")


def test_tls_that_is_refused() -> None:
    play = opened() >> client(b"AUTH TLS\r\n") >> server(b"530 no\r\n")
    assert play >> PASV >> REPLY_227 << passive(play)


def test_234_for_another_command() -> None:
    play = opened() >> client(b"NOOP\r\n") >> server(b"234 go\r\n")
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
def test_a_client_that_does_not_speak_ftp(data: bytes) -> None:
    assert Playbook(FTP) >> client(data) << ParseError


@pytest.mark.parametrize(
    "data",
    [
        b"227 (10,0,2,2,4,1)\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n", b"\x16\x03\x01", b"\r\n",
        b"200 PASV\r\n", b"250 x\r\n", b"+OK\r\n", b"22",
    ],
)  # fmt: skip
def test_a_server_that_does_not_speak_ftp(data: bytes) -> None:
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
        play = opened() >> client(b"HELP ", echoed, b"\r\n")
        reply = b"500 '" + echoed[:cut], echoed[cut:] + b"' not understood\r\n"
        assert play >> server(reply[0]) >> server(reply[1])


def test_pickup_in_the_middle_if_configured() -> None:
    play = Playbook(FTP, pickup=True)
    assert play >> PASV >> REPLY_227 << passive(play)


def test_pickup_still_wants_ftp() -> None:
    assert Playbook(FTP, pickup=True) >> client(b"\x16\x03\x01\r\n") << ParseError


# the address is yielded as announced: the guard judges it


def test_a_foreign_address_is_named() -> None:
    play = opened() >> client(b"PORT 192,0,2,1,0,80\r\n")
    assert play << Expect(play.server, Endpoint.parse("192.0.2.1", 80), what="PORT")


def test_the_address_of_a_227_may_be_ignored() -> None:
    play = opened(ignore_pasv_address=True) >> PASV >> server(b"227 (192,168,0,1,4,1)\r\n")
    assert play << passive(play)


# rewriting


def test_rewriting_port() -> None:
    play = opened() >> client(b"PORT 10,0,1,2,4,1\r\nNOOP\r\n") << active(opened())
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=False)
    assert stream == b"USER a\r\nPASS b\r\nPORT 192,0,2,1,4,2\r\nNOOP\r\n"


def test_rewriting_227() -> None:
    play = opened() >> PASV >> REPLY_227 << passive(opened())
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=True)
    assert stream.endswith(b"\r\n227 Entering Passive Mode (192,0,2,1,4,2).\r\n")


def test_rewriting_eprt_keeps_the_delimiter() -> None:
    play = opened() >> client(b"EPRT !1!10.0.1.2!1025!\r\n") << active(opened(), what="EPRT")
    stream = play.rewritten(Endpoint.parse("192.0.2.1", 1026), reply=False)
    assert stream.endswith(b"EPRT !1!192.0.2.1!1026!\r\n")


def test_rewriting_ipv6_eprt_keeps_the_length() -> None:
    play = opened(6) >> client(b"EPRT |2|fd01::2|1025|\r\n") << active(opened(6), what="EPRT")
    text = b"|2|fd01::2|1025|"
    new = play.rewritten(Endpoint.parse("fd9::1", 1026), False, len(text))
    assert new.endswith(b"EPRT |2|0fd9::1|1026|\r\n")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8::1", 1026), False, len(text))


def test_rewriting_229_of_ipv4() -> None:
    play = opened() >> client(b"EPSV\r\n") >> server(b"229 x (|||1025|)\r\n")
    play << passive(play, what="EPSV")
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
    play = opened(6) >> client(b"EPSV\r\n") >> server(b"229 Extended Passive (|||1025|)\r\n")
    play << passive(play, what="EPSV")
    size = len(b"Extended Passive (|||1025")
    assert play.rewritten(play.server.at(port), True, size).endswith(line)


def test_no_text_to_shorten() -> None:
    play = opened(6) >> client(b"EPSV\r\n") >> server(b"229 (|||1025|)\r\n")
    play << passive(play, what="EPSV")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(play.server.at(10266), True, len(b"(|||1025"))


# another worker takes over


def test_killed_between_pasv_and_227() -> None:
    play = opened() >> PASV
    assert play.restart() >> REPLY_227 << passive(play)


def test_killed_within_a_multi_line_reply() -> None:
    play = opened() >> PASV >> server(b"200-hi\r\n")
    assert play.restart() >> REPLY_227 >> server(b"200 bye\r\n")


def test_killed_after_epsv_all_with_many_commands() -> None:
    play = opened() >> client(b"EPSV ALL\r\n") >> server(b"200 ok\r\n")
    play >> client(b"NOOP\r\n" * (MAX_PENDING - 1), b"EPSV\r\n")
    play = play.restart() >> server(b"200 ok\r\n" * (MAX_PENDING - 1), b"229 (|||1025|)\r\n")
    play << passive(play, what="EPSV")
    assert play >> client(b"PORT 10,0,1,2,4,1\r\n") << Refuse("G4", "PORT after EPSV ALL")


@pytest.mark.parametrize(
    "state", [b"\1", b"\0\0\0\x20", b"\0\0\0\1\xff", b"\0\0\0\5\0", b"\0\xff\xff\0", bytes(20)]
)
def test_stored_nonsense(state: bytes) -> None:
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
