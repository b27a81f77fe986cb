"""The IRC parser: what DCC opens, and what it does not."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.irc import MAX_LINE, MAX_OFFERS, MAX_TEXT
from fwhelpers_plugins.irc.dcc import encode_offer, fit_offer, read_accept, read_offer
from hypothesis import given
from hypothesis import strategies as st
from irc_messages import (
    IRC,
    LOGIN,
    OWN,
    WELCOME,
    accept,
    anybody,
    chat,
    ctcp,
    logged_in,
    send,
)

from fwhelpers.api import Done, Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import Message

names = st.one_of(
    st.sampled_from([b'"two words.txt"', b"two words.txt", b'"say "hi".txt"', b'a"b', b"1 2", b""]),
    st.text(' "az019.\x01\0', max_size=12).map(str.encode),
)
numbers = st.one_of(
    st.integers(0, 70_000),
    st.sampled_from([167772418, 16843009, 199, 1 << 32, 10**20]),
).map(lambda number: b"%d" % number)
fields = st.one_of(numbers, st.sampled_from([*OWN.values(), b"::1", b"fe80::2", b"10.0.1.2", b""]))
requests = st.builds(
    lambda kind, name, rest: ctcp(b"DCC " + b" ".join([kind, name, *rest])),
    st.sampled_from(b"SEND CHAT MOVE TSEND SCHAT RESUME ACCEPT send XMIT".split()),
    names,
    st.lists(fields, max_size=5),
)
texts = st.one_of(
    requests,
    st.sampled_from(
        [
            LOGIN, send(), chat(), accept(), b"\r\n", b"x" * (MAX_LINE + 9) + b"\r\n", b"STARTTLS\r\n", b"\x16\x03",
            b"@a=b " + send(), b"  PRIVMSG  b  :hi\r\n", b"POST / HTTP/1.1\r\n", b"x" * MAX_LINE, b"\n",
        ]
    ),
    st.binary(max_size=40),
)  # fmt: skip
lines = st.builds(Message, texts, st.booleans())
plays = st.lists(lines, max_size=8).map(lambda script: [client(LOGIN), *script])
modes = st.sampled_from(["peer", "announced", "any-src"])


@given(plays, st.sampled_from([4, 6]), st.integers(0, 100), modes)
def test_fuzz(script: list[Message], family: int, seed: int, mode: str) -> None:
    outcome = check(IRC, script, "tcp", family, None, seed, mode)
    own = Playbook(IRC, family=family).client.addr
    for item in outcome:
        if isinstance(item, Announced):
            assert mode == "any-src"
            assert item.server.addr == own


@given(st.lists(lines, max_size=5))
def test_fuzz_garbage(script: list[Message]) -> None:
    check(IRC, script, "tcp", address="any-src")


@given(plays)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(IRC, script, "tcp", address="any-src")


@given(st.text(' 019.:a"', max_size=40).map(str.encode), st.integers(0, 60))
def test_fuzz_requests(text: bytes, size: int) -> None:
    for port, begin, end in read_accept(b"ACCEPT", text, 0):
        assert int(text[begin:end]) == port
    try:
        offer = read_offer(b"SEND", text, 0)
    except ParseError:
        return
    assert offer is not None
    written = text[offer.begin : offer.end]
    if offer.endpoint.family == 4:
        assert encode_offer(offer.endpoint) == written
    assert len(fit_offer(offer.endpoint, size) or bytes(size)) == size


# offers


@pytest.mark.parametrize("kind", b"SEND MOVE TSEND SSEND TSSEND STSEND send Send".split())
def test_files(kind: bytes) -> None:
    play = logged_in()
    text = ctcp(b"DCC %s file.txt 167772418 5000 3000" % kind)
    assert play >> client(text) << anybody(play, trigger=f"DCC {kind.decode().upper()}")


@pytest.mark.parametrize("kind", [b"CHAT chat", b"CHAT CHAT", b"chat chat", b"SCHAT chat"])
def test_chats(kind: bytes) -> None:
    play = logged_in()
    trigger = f"DCC {kind.split()[0].decode().upper()}"
    assert play >> client(chat(kind=kind)) << anybody(play, 5001, trigger)


@pytest.mark.parametrize(
    "name",
    [
        b"file.txt", b'"two words.txt"', b"two words.txt", b'"say "hi".txt"', b'a"b.txt', b"track 2", b"track 2 3",
        b"1 2 3 4", b"\xc3\xa4 \xff", b'"', b"5", b"a  b", b"167772418 5001 7", b":name",
    ],
)  # fmt: skip
@pytest.mark.parametrize("rest", [b"", b" 3000", b" 3000 50"])
def test_names(name: bytes, rest: bytes) -> None:
    play = logged_in()
    assert play >> client(send(name=name, rest=rest)) << anybody(play)


def test_an_answer_to_a_passive_offer() -> None:
    play = logged_in()
    play >> server(b":bob!~b@x PRIVMSG alice :\x01DCC SEND f 16843009 0 3000 50\x01\r\n")
    assert play >> client(send(rest=b" 3000 50")) << anybody(play)


@pytest.mark.parametrize(
    "text",
    [
        send(0, address=b"16843009", rest=b" 3000 55"), send(0, address=b"199", rest=b" 3000 55"),
        ctcp(b"DCC CHAT CHAT 16843009 0 0"), ctcp(b"DCC CHAT chat 199 0"),
    ],
)  # fmt: skip
def test_passive_offers_open_nothing(text: bytes) -> None:
    assert logged_in() >> client(text)


def test_ipv6() -> None:
    play = logged_in(6)
    assert play >> client(send(address=OWN[6])) << anybody(play)
    assert play >> client(chat(address=b"FD01:0::2")) << anybody(play, 5001, "DCC CHAT")


def test_several_lines_in_a_segment() -> None:
    play = logged_in()
    data = send(5000) + b"PRIVMSG bob :hello\r\n" + send(5001)
    assert play >> client(data) << anybody(play, 5000) << anybody(play, 5001)


@pytest.mark.parametrize(
    "line",
    [
        b"@+draft/reply=1;label=x " + send(), b":alice " + send(), b"  PRIVMSG   bob   :" + send()[13:],
        send()[:-2] + b"\n", b"privmsg bob :" + send()[13:], b"PRIVMSG bob,carol :" + send()[13:],
        b"@a=" + b"x" * 4000 + b" " + send(),
    ],
)  # fmt: skip
def test_forms_of_lines(line: bytes) -> None:
    play = logged_in()
    assert play >> client(line) << anybody(play)


# ACCEPT


def test_accept_renews_the_offer() -> None:
    play = logged_in() >> client(send()) << Expect
    play >> server(b":bob!~b@x PRIVMSG alice :\x01DCC RESUME file.txt 5000 500\x01\r\n")
    assert play >> client(accept()) << anybody(play, trigger="DCC ACCEPT")


@pytest.mark.parametrize("name", [b'"two words.txt"', b"two words 7", b"5000"])
@pytest.mark.parametrize("rest", [b" 500", b" 500 9"])
def test_names_of_accept(name: bytes, rest: bytes) -> None:
    play = logged_in() >> client(send()) << Expect
    assert play >> client(accept(name=name, rest=rest)) << anybody(play, trigger="DCC ACCEPT")


def test_accept_alone_opens_nothing() -> None:
    assert logged_in() >> client(accept())
    play = logged_in() >> client(send()) << Expect
    assert play >> client(accept(5001) + accept(0) + accept(70000))
    assert play >> client(ctcp(b"DCC RESUME file.txt 5000 500"))
    assert play >> server(accept())


def test_accept_knows_the_last_offers() -> None:
    play = logged_in()
    for port in range(5000, 5001 + MAX_OFFERS):
        play >> client(send(port)) << Expect
    assert play >> client(accept(5000))
    assert play >> client(accept(5001)) << anybody(play, 5001, "DCC ACCEPT")


def test_another_worker_knows_the_offers() -> None:
    play = logged_in() >> client(send()) << Expect
    play.restart() >> client(accept()) << anybody(play, trigger="DCC ACCEPT")
    assert play >> client(b"WHATEVER\r\n")  # the stream has begun


@pytest.mark.parametrize(
    "state", [b"\3", b"\1\0", b"\1\0\0", b"\1" + b"\x13\x88" * (MAX_OFFERS + 1)]
)
def test_invalid_states(state: bytes) -> None:
    parser = IRC.parser(Playbook(IRC).flow, {})  # type: ignore[operator]
    with pytest.raises(ParseError):
        parser.restore(state)


# what opens nothing


def refusal(text: bytes, family: int = 4, address: str = "any-src") -> Refuse:
    play = logged_in(family, address) >> client(text) << Refuse
    assert isinstance(play.last, Refuse)
    assert play
    return play.last


@pytest.mark.parametrize("mode", ["peer", "announced"])
def test_without_consent_the_refusal_says_what_to_set(mode: str) -> None:
    last = refusal(send(), address=mode)
    assert last.rule == "G8"
    assert 'guard.address = "any-src" in [helpers.irc]' in last.reason
    assert last.endpoint == Endpoint.parse("10.0.1.2", 5000)
    play = logged_in(address=mode) >> client(send()) << Refuse
    assert play >> client(accept())  # nothing to renew


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (send(address=b"167772419"), "G5"), (send(address=b"0"), "G11"), (send(address=b"33554432"), "G5"),
        (send(address=b"2130706433"), "G5"),
        (send(address=b"167772674"), "G5"), (send(address=OWN[6]), "G7"), (send(70000, rest=b""), "G6"),
        (send(99999, rest=b""), "G6"), (send(address=b"4294967296"), "G11"), (send(address=b"10.0.1.2"), "G11"),
        (send(address=b"0167772418"), "G11"), (send(address=b"-1"), "G11"), (send(address=b"fd01::g"), "G11"),
        (send("05000"), "G11"), (send("+5000"), "G11"), (send("5000x"), "G11"), (send(rest=b" 3k"), "G11"),
        (send(rest=b" 1 2 3"), "G11"), (send(address=b"167772418 "), "G11"), (ctcp(b"DCC SEND 167772418 5000"), "G11"),
        (ctcp(b"DCC CHAT 167772418 5000"), "G11"), (ctcp(b"DCC SEND f"), "G11"),
        (send(name=b"x" * MAX_TEXT), "G11"),
    ],
)  # fmt: skip
def test_refusals(text: bytes, rule: str) -> None:
    assert refusal(text).rule == rule


def test_refusals_ipv6() -> None:
    assert refusal(send(), 6).rule == "G7"
    assert refusal(send(address=b"fd01::3"), 6).rule == "G5"
    assert refusal(send(address=b"::ffff:10.0.1.2"), 6).rule == "G5"


@pytest.mark.parametrize(
    "line",
    [
        b"NOTICE bob :" + send()[13:], b"PONG :" + send()[13:], b"PRIVMSG bob " + send()[13:], send()[1:],
        b"PRIVMSG bob :hi " + send()[13:], send().replace(b"\x01\r", b"\r"), send().replace(b":\x01", b":"),
        send().replace(b"\x01\r", b"\x01x\r"), send().replace(b"DCC ", b"DCC  "), send().replace(b"DCC", b"XDCC"),
        send(name=b"a\x01b"), send(name=b"a\0b"), send(name=b"a\rb"), b"PRIVMSG :" + send()[13:],
        ctcp(b"DCC XMIT f 167772418 5000 3000"), ctcp(b"DCC"), ctcp(b"ACTION waves"), b"TOPIC #a :" + send()[13:],
        b"x" * MAX_LINE + send(),
    ],
)  # fmt: skip
def test_other_lines(line: bytes) -> None:
    play = logged_in()
    assert play >> client(line)
    assert play >> client(send()) << anybody(play)  # and the next line counts


def test_the_servers_lines() -> None:
    assert logged_in() >> server(send()) >> server(b":alice!a@10.0.1.2 " + send())


def test_a_long_line_in_pieces() -> None:
    play = logged_in() >> client(b"x" * (MAX_LINE + 1)) >> client(b"\x16\x03") >> client(send())
    assert play >> client(send()) << anybody(play)


# the stream's beginning and end


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"OPTIONS * HTTP/1.0\r\n", b"REGISTER sip:x SIP/2.0\r\n",
        b"SSH-2.0-OpenSSH\r\n", b"\0\1\2", b"\x03\0\0", b"220 hi\r\n", b"x" * (MAX_LINE + 1), b"EHLO x\r\n",
        b"CONNECT irc.example.org:6667 HTTP/1.1\r\n", b"NICKX\r\n", b"N\xc3ICK a\r\n",
    ],
)  # fmt: skip
def test_other_protocols(data: bytes) -> None:
    assert Playbook(IRC, address="any-src") >> client(data) << ParseError


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\nNICK a\r\n", b" USER a a a a\r\n", b":a NICK b\r\n", b"@a=b CAP LS\r\n", b"nick a\n", b"PASS x\r\n",
        b"WEBIRC x y z w\r\n", b"AUTHENTICATE PLAIN\r\n",
    ],
)  # fmt: skip
def test_beginnings(data: bytes) -> None:
    play = Playbook(IRC, address="any-src") >> client(data)
    assert play >> client(send()) << anybody(play)


def test_an_offer_first() -> None:
    play = Playbook(IRC, address="any-src")
    assert play >> client(send()) << anybody(play)


@pytest.mark.parametrize(
    "beginning", [[], [client(LOGIN)], [client(b"STARTTLS\r\n"), server(WELCOME)]]
)
def test_tls(beginning: list[Message]) -> None:
    play = Playbook(IRC, address="any-src")
    for message in beginning:
        play >> message
    play >> client(b"\x16\x03\x01\x02\0\1") << Done("TLS")
    assert play >> client(b"\r\n" + send())


# NAT


def test_rewriting() -> None:
    play = logged_in() >> client(send(name=b'"two words"')) << Expect
    new = play.rewritten(Endpoint.parse("192.0.2.1", 60000), reply=False)
    assert new == LOGIN + send(60000, b'"two words"', b"3221225985")


def test_rewriting_accept() -> None:
    play = logged_in() >> client(send()) << Expect >> client(accept()) << Expect
    new = play.rewritten(Endpoint.parse("192.0.2.1", 60000), reply=False)
    assert new == LOGIN + send() + accept(60000)


def test_rewriting_ipv6_keeps_the_length() -> None:
    play = logged_in(6) >> client(chat(address=OWN[6])) << Expect
    size = len(b"fd01::2 5001")
    new = play.rewritten(Endpoint.parse("fd9::1", 5001), False, size)
    assert new == LOGIN + chat(address=b"fd9::01") or new == LOGIN + chat(address=b"0fd9::1")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8::1", 5001), False, size)
