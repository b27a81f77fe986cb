"""Oracle Net, as a play; what conntrackd's helper gets wrong is in test_tns_conntrackd.py."""

from __future__ import annotations

import time
from contextlib import suppress
from struct import pack

import pytest
from fwhelpers_plugins.tns import MAX_ADDRESSES, MAX_PIECES, MAX_TEXT, fwhelpers_helpers
from fwhelpers_plugins.tns.descriptor import MAX_DEPTH, Address, addresses
from hypothesis import given
from hypothesis import strategies as st
from tns_messages import (
    ABORT,
    CONNECT,
    DATA,
    DESCRIPTOR,
    MARKER,
    REDIRECT,
    REFUSE,
    RESEND,
    accept,
    address,
    connect,
    packet,
    redirect,
    redirect_apart,
)

from fwhelpers.api import Done, Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Said

(TNS,) = fwhelpers_helpers()

texts = st.one_of(
    st.sampled_from(
        [
            address(), address("fd02::2"), address("[fd02::2]"), address("rac1"), address(port=0), b"", b"(", b")",
            address(protocol="ipc"), address() + address(port=2144), b"(ADDRESS_LIST=" + address() + b")",
            address() + b"\0" + DESCRIPTOR, b"(A=" * 20, b"(ADDRESS=(HOST=a)(HOST=b))", b" " * 100,
        ]
    ),
    st.text("()= \"'ADRESHOTPC12.\0", max_size=60).map(str.encode),
)  # fmt: skip
said_by_server = st.one_of(
    texts.map(redirect),
    texts.map(lambda text: redirect(text, wide=True)),
    texts.map(lambda text: redirect_apart(text, parts=3)),
    texts.map(lambda text: redirect_apart(text, told=False)),
    st.sampled_from([accept(), packet(RESEND), packet(REFUSE, b"\1\1\0\0"), packet(MARKER)]),
    st.binary(max_size=30),
)
said_by_client = st.one_of(
    st.sampled_from([connect(), connect(separate=True), packet(DATA, b"\0\0x")]), st.binary(max_size=30)
)  # fmt: skip
lines = st.one_of(
    st.builds(Said, said_by_client, st.just(False)), st.builds(Said, said_by_server, st.just(True))
)
plays = st.lists(lines, max_size=6).map(lambda said: [client(connect()), *said])
HOSTS = {"hosts": {"rac1": "10.0.2.5"}}


@given(plays, st.sampled_from([4, 6]), st.sampled_from([{}, HOSTS]), st.integers(0, 100))
def test_fuzz(script: list[Said], family: int, settings: dict[str, object], seed: int) -> None:
    check(TNS, script, "tcp", family, settings, seed)


@given(st.lists(st.builds(Said, st.binary(max_size=60), st.booleans()), max_size=5))
def test_fuzz_garbage(script: list[Said]) -> None:
    outcome = check(TNS, script, "tcp")
    assert outcome in ([], ["ParseError"])


@given(plays)
def test_another_worker_can_take_over(script: list[Said]) -> None:
    check_restart(TNS, script, "tcp", settings=HOSTS)


@given(texts, st.integers(0, 80))
def test_fuzz_descriptors(text: bytes, size: int) -> None:
    try:
        found = addresses(text)
    except ParseError:
        return
    end = Endpoint.parse("192.0.2.1", 65535)
    for one in found:
        if isinstance(one, Address):
            assert text[one.host.start : one.host.end] == one.host.text
            assert text[one.port.start : one.port.end] == one.port.text
            assert len(one.fitted(text, end, size) or bytes(size)) == size


@pytest.mark.parametrize(
    "text",
    [b" " * 8192, b"(" * 8192, b"(A=" + b" " * 8000, b"(A=\"" * 2000, b"(A=" * 2700, b"(A=1)" * 1600,
     b"(ADDRESS=(HOST=" + b" \"" * 4000, b"(A=" + b"' " * 4000],
)  # fmt: skip
def test_no_text_takes_long(text: bytes) -> None:
    began = time.process_time()
    with suppress(ParseError):
        addresses(text)
    assert time.process_time() - began < 0.5


def asked(family: int = 4, **settings: object) -> Playbook:
    return Playbook(TNS, "tcp", family, **settings) >> client(connect())


def to(play: Playbook, port: int = 2143, host: str = "") -> Expect:
    end = Endpoint.parse(host, port) if host else play.server.at(port)
    return Expect(play.client, end, what="REDIRECT")


# framing


@pytest.mark.parametrize("wide", [False, True])
def test_both_lengths(wide: bool) -> None:
    play = asked()
    assert play >> server(redirect(address(), wide=wide)) << to(play)
    play = asked()
    assert play >> server(redirect_apart(address(), wide=wide)) << to(play)


@pytest.mark.parametrize("told", [True, False])
def test_the_text_in_a_data_packet(told: bool) -> None:
    play = asked()
    assert play >> server(redirect_apart(address(), told=told)) << to(play)


@pytest.mark.parametrize("parts", [2, 5, MAX_PIECES])
def test_the_text_in_several_packets(parts: int) -> None:
    play = asked()
    text = address() + b"\0" + DESCRIPTOR
    assert play >> server(redirect_apart(text, parts=parts)) << to(play)


def test_the_text_in_the_redirect_and_the_data() -> None:
    text = address()
    said = packet(REDIRECT, pack("!H", len(text)) + text[:20]) + packet(DATA, b"\0\0" + text[20:])
    play = asked()
    assert play >> server(said) << to(play)


def test_too_many_pieces() -> None:
    play = asked()
    text = address() + bytes(40)
    assert play >> server(redirect_apart(text, parts=len(text))) << ParseError


def test_too_long_a_text() -> None:
    assert asked() >> server(packet(REDIRECT, pack("!H", MAX_TEXT + 1))) << ParseError
    long = packet(REDIRECT, b"\0\0") + packet(DATA, b"\0\0" + bytes(MAX_TEXT + 1))
    assert asked() >> server(long) << ParseError


def test_connect_data_apart() -> None:
    play = Playbook(TNS) >> client(connect(separate=True))
    assert play >> server(redirect(address())) << to(play)


def test_resend() -> None:
    play = asked() >> server(packet(RESEND)) >> client(connect())
    assert play >> server(redirect(address())) << to(play)


@pytest.mark.parametrize(
    "last", [accept(), accept(312), packet(REFUSE, b"\1\0\0\0"), packet(ABORT)]
)
def test_nothing_more_to_see(last: bytes) -> None:
    assert asked() >> server(last) << Done


def test_other_packets_are_passed_over() -> None:
    play = asked() >> server(packet(MARKER, b"\1\0\1"))
    assert play >> server(redirect(address())) << to(play)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"POST /\r\n\r\n", b"\x16\x03\x01\x02\x01\x01\x00\x01\xfd", b"SSH-2.0-OpenSSH",
        packet(REDIRECT, bytes(30)), packet(DATA, bytes(30)), packet(CONNECT, bytes(10)), packet(99, bytes(30)),
        packet(CONNECT, bytes(60), wide=True), connect(version=299, lowest=300), b"\0\7\0\0\1\0\0\0",
        b"\0\x20\0\1\1\0\0\0", b"\0\x20\0\0\1\0\0\1", b"\0\1\0\0\1\0\0\0", bytes(8),
    ],
)  # fmt: skip
def test_a_client_that_does_not_speak_tns(data: bytes) -> None:
    assert Playbook(TNS) >> client(data) << ParseError


@pytest.mark.parametrize("data", [b"220 ready\r\n", b"\x15\x03\x01\x00\x02\x02", b"x" * 30])
def test_a_server_that_does_not_speak_tns(data: bytes) -> None:
    play = asked() >> server(data)
    if len(data) < 8:
        assert play  # may become a packet
    else:
        assert play << ParseError


# solicitation


def test_a_redirect_before_connect() -> None:
    assert Playbook(TNS) >> server(redirect(address())) << ParseError


def test_a_redirect_of_the_client() -> None:
    assert asked() >> client(redirect(address())) >> client(redirect_apart(address()))


def test_a_second_redirect() -> None:
    play = asked() >> server(redirect(address())) << Expect
    assert (
        play
        >> server(redirect(address(port=2144)))
        << Refuse("G4", "REDIRECT: no CONNECT that waits for it")
    )
    play >> client(connect()) >> server(redirect(address(port=2144)))
    assert play << to(play, 2144)


def test_data_that_nobody_waits_for() -> None:
    assert asked() >> server(packet(DATA, b"\0\0" + address())) << ParseError


# descriptors


@pytest.mark.parametrize(
    "text",
    [
        b"(ADDRESS=(PROTOCOL=TCP)(HOST=10.0.2.2)(PORT=2143))",
        b"(address=(protocol=Tcp)(host=10.0.2.2)(port=2143))",
        b"(ADDRESS=(PORT=2143)(HOST=10.0.2.2)(PROTOCOL=tcp))",
        b" ( ADDRESS = ( PROTOCOL = tcp ) ( HOST = 10.0.2.2 ) ( PORT = 2143 ) ) ",
        b"(ADDRESS=\r\n\t(PROTOCOL=tcp)\n(HOST=10.0.2.2)\n(PORT=2143)\n)\n",
        b"(ADDRESS=(PROTOCOL=\"tcp\")(HOST='10.0.2.2')(PORT=\"2143\"))",
        b"(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=2143))))",
        b"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=2143))(CONNECT_DATA=(SID=)(X=a b)))",
        b"(ADDRESS=(PROTOCOL=tcp)(DEV=6)(HOST=10.0.2.2)(X=(Y=(Z=1)))(PORT=2143)(SDU=8192))",
        b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=2143))\0(ADDRESS=(PROTOCOL=tcp)(HOST=6.6.6.6)(PORT=22))",
        b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=2143))\0\0\xff no descriptor",
    ],
)  # fmt: skip
def test_ways_to_write_it(text: bytes) -> None:
    play = asked()
    assert play >> server(redirect(text)) << to(play)


@pytest.mark.parametrize("text", ["fd02::2", "[fd02::2]", "FD02:0:0:0:0:0:0:2"])
def test_ipv6(text: str) -> None:
    play = asked(6)
    assert play >> server(redirect(address(text))) << to(play)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"", "G11"), (b"(", "G11"), (b"(DESCRIPTION=)", "G11"), (b"(ADDRESS=(HOST=10.0.2.2)(PORT=1)", "G11"),
        (b"HOST=10.0.2.2 PORT=2143", "G11"), (address() + b")", "G11"), (address() + b"x", "G11"),
        (b"(ADDRESS=(PROTOCOL=tcp)(HOST=1.1.1.1)(HOST=10.0.2.2)(PORT=2143))", "G11"),
        (b"(X=" * (MAX_DEPTH + 1) + b"(Y=1)" + b")" * (MAX_DEPTH + 1), "G11"), (b"(A=1)" * 600, "G11"),
        (address(port=65536), "G11"), (address(port="+2143"), "G11"), (address(port="0x85f"), "G11"),
        (address(port=""), "G11"), (address(port="2143 2144"), "G11"), (address(port="002143"), "G11"),
        (address(protocol="ipc"), "G7"), (address(protocol="tcps"), "G7"), (address(protocol="udp"), "G7"),
        (b"(ADDRESS=(PROTOCOL=tcp)(PORT=2143))", "G7"), (b"(ADDRESS=(HOST=10.0.2.2)(PORT=2143))", "G7"),
        (address("rac1.example.com"), "G5"), (address("10.0.2.999"), "G5"), (address("010.0.2.2"), "G5"),
        (address("fe80::1%eth0"), "G5"), (address(""), "G5"), (address("10.0.2.2\xa0"), "G5"),
    ],
)  # fmt: skip
def test_what_is_refused(text: bytes, rule: str) -> None:
    if not text:
        assert asked() >> server(redirect(text))  # its text may yet come
        return
    play = asked() >> server(redirect(text)) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == rule
    assert play


def test_several_addresses() -> None:
    text = b"(ADDRESS_LIST=" + b"".join(address(port=2143 + n) for n in range(3)) + b")"
    play = asked() >> server(redirect(text))
    assert play << to(play, 2143) << to(play, 2144) << to(play, 2145)


def test_some_of_several() -> None:
    text = address(protocol="ipc") + address("elsewhere") + address("10.0.2.9") + address()
    play = asked() >> server(redirect(text))
    # the guard refuses another host
    assert play << Refuse << Refuse << to(play, 2143, "10.0.2.9") << to(play)


def test_too_many_addresses() -> None:
    text = b"".join(address(port=2143 + n) for n in range(MAX_ADDRESSES + 1))
    play = asked() >> server(redirect(text)) << Refuse
    for n in range(MAX_ADDRESSES):
        play << to(play, 2143 + n)
    assert play


# names


def test_a_name_that_the_operator_knows() -> None:
    play = asked(hosts={"RAC1-vip.Example.com": "10.0.2.2", "other": "10.0.2.5"})
    play >> server(redirect(address("rac1-VIP.example.COM.") + address("other")))
    assert play << to(play) << to(play, 2143, "10.0.2.5")


@pytest.mark.parametrize("value", [[], "x", {"a": 1}, {"a": "b"}, {"a": "1.2.3"}, {"a": ""}])
def test_wrong_settings(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be|not an address"):
        asked(hosts=value)


# rewriting


OTHER = Endpoint.parse("192.168.200.200", 21430)
TEXT = b"(ADDRESS=(PROTOCOL=tcp)(HOST=192.168.200.200)(PORT=21430))"


@pytest.mark.parametrize("wide", [False, True])
def test_rewriting_sets_the_lengths(wide: bool) -> None:
    play = asked() >> server(redirect(address() + b"\0" + DESCRIPTOR, wide=wide)) << Expect
    assert play.rewritten(OTHER, reply=True) == redirect(TEXT + b"\0" + DESCRIPTOR, wide=wide)


def test_rewriting_after_other_packets() -> None:
    play = asked() >> server(packet(RESEND)) >> client(connect())
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
def test_rewriting_touches_nothing_else(old: bytes, new: bytes) -> None:
    frame = b"(ADDRESS=(PROTOCOL=tcp)%s(Z=3))"
    play = asked() >> server(redirect(frame % old)) << Expect
    assert play.rewritten(OTHER, reply=True) == redirect(frame % new)


def test_rewriting_ipv6_keeps_the_length() -> None:
    play = asked(6) >> server(redirect(address("[fd02::2222]"))) << Expect
    said = redirect(address("[fd02::2222]"))
    new = play.rewritten(Endpoint.parse("fd01::1", 2144), True, len(said) - len("))"))
    assert new == redirect(b"(ADDRESS=(PROTOCOL=tcp)(HOST=[fd01::1])   (PORT=2144))")
    with pytest.raises(ValueError, match="can't be written"):
        play.rewritten(Endpoint.parse("2001:db8::ffff:1", 2144), True, len(said) - len("))"))


@pytest.mark.parametrize("parts", [1, 2])
def test_rewriting_in_data_keeps_the_length(parts: int) -> None:
    text = address() + b"\0" + DESCRIPTOR
    play = asked() >> server(redirect_apart(text, parts=parts)) << Expect
    new = b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.1.1)  (PORT=80))\0" + DESCRIPTOR
    assert play.rewritten(Endpoint.parse("10.0.1.1", 80), True) == redirect_apart(new, parts=parts)
    with pytest.raises(ParseError, match="no room"):
        play.rewritten(OTHER, reply=True)


def test_rewriting_one_of_several_keeps_the_length() -> None:
    play = asked() >> server(redirect(address() + address(port=2144))) << Expect
    first = b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.1.1)(PORT=2143))"
    new = play.rewritten(Endpoint.parse("10.0.1.1", 2143), True)
    assert new == redirect(first + address(port=2144))
    play << Expect
    new = play.rewritten(Endpoint.parse("10.0.1.1", 9), reply=True)
    assert new == redirect(address() + b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.1.1)   (PORT=9))")


def test_an_address_cut_in_two_is_not_rewritten() -> None:
    play = asked() >> server(redirect_apart(address(), parts=3)) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.span
    assert play.last.encode is None


# state


def test_a_worker_takes_over_between_connect_and_redirect() -> None:
    play = asked().restart() >> server(redirect(address()))
    assert play << to(play)


@pytest.mark.parametrize("told", [True, False])
def test_a_worker_takes_over_between_redirect_and_data(told: bool) -> None:
    said = redirect_apart(address(), told=told)
    play = (asked() >> server(said[:10])).restart() >> server(said[10:])
    assert play << to(play)


@pytest.mark.parametrize("state", [b"\1", b"\5\0\0", b"\2\xff\xff", b"\0\0\0\0"])
def test_stored_nonsense(state: bytes) -> None:
    play = Playbook(TNS)
    with pytest.raises(ParseError):
        play._parser.restore(state)


def test_declaration() -> None:
    assert TNS.spec
    assert TNS.doc
    assert (TNS.ports, TNS.policies[0].max) == ([1521], MAX_ADDRESSES)
