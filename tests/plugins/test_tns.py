"""The Oracle Net parser."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.tns import MAX_PIECES, MAX_TEXT
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
    TNS,
    accept,
    address,
    connect,
    connected,
    packet,
    redirect,
    redirect_apart,
)

from fwhelpers.api import Done, Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

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
server_data = st.one_of(
    texts.map(redirect),
    texts.map(lambda text: redirect(text, wide=True)),
    texts.map(lambda text: redirect_apart(text, parts=3)),
    texts.map(lambda text: redirect_apart(text, stated=False)),
    st.sampled_from([accept(), packet(RESEND), packet(REFUSE, b"\1\1\0\0"), packet(MARKER)]),
    st.binary(max_size=30),
)
client_data = st.one_of(
    st.sampled_from([connect(), connect(separate=True), packet(DATA, b"\0\0x")]), st.binary(max_size=30)
)  # fmt: skip
lines = st.one_of(
    st.builds(Message, client_data, st.just(False)), st.builds(Message, server_data, st.just(True))
)
plays = st.lists(lines, max_size=6).map(lambda script: [client(connect()), *script])
HOSTS = {"hosts": {"rac1": "10.0.2.5"}}


@given(plays, st.sampled_from([4, 6]), st.sampled_from([{}, HOSTS]), st.integers(0, 100))
def test_fuzz(script: list[Message], family: int, settings: dict[str, object], seed: int) -> None:
    check(TNS, script, "tcp", family, settings, seed)


@given(st.lists(st.builds(Message, st.binary(max_size=60), st.booleans()), max_size=5))
def test_fuzz_garbage(script: list[Message]) -> None:
    outcome = check(TNS, script, "tcp")
    assert outcome in ([], ["ParseError"])


@given(plays)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(TNS, script, "tcp", settings=HOSTS)


@given(texts, st.integers(0, 80))
def test_fuzz_descriptors(text: bytes, size: int) -> None:
    try:
        items = addresses(text)
    except ParseError:
        return
    end = Endpoint.parse("192.0.2.1", 65535)
    for item in items:
        if isinstance(item, Address):
            assert text[item.host.start : item.host.end] == item.host.text
            assert text[item.port.start : item.port.end] == item.port.text
            assert len(item.fitted(text, end, size) or bytes(size)) == size


def to(play: Playbook, port: int = 2143, host: str = "") -> Expect:
    end = Endpoint.parse(host, port) if host else play.server.at(port)
    return Expect(play.client, end, trigger="REDIRECT")


# framing


@pytest.mark.parametrize("wide", [False, True])
def test_both_lengths(wide: bool) -> None:
    play = connected()
    assert play >> server(redirect(address(), wide=wide)) << to(play)
    play = connected()
    assert play >> server(redirect_apart(address(), wide=wide)) << to(play)


@pytest.mark.parametrize("stated", [True, False])
def test_the_text_in_a_data_packet(stated: bool) -> None:
    play = connected()
    assert play >> server(redirect_apart(address(), stated=stated)) << to(play)


@pytest.mark.parametrize("parts", [2, 5, MAX_PIECES])
def test_the_text_in_several_packets(parts: int) -> None:
    play = connected()
    text = address() + b"\0" + DESCRIPTOR
    assert play >> server(redirect_apart(text, parts=parts)) << to(play)


def test_the_text_in_the_redirect_and_the_data() -> None:
    text = address()
    data = packet(REDIRECT, pack("!H", len(text)) + text[:20]) + packet(DATA, b"\0\0" + text[20:])
    play = connected()
    assert play >> server(data) << to(play)


def test_too_many_pieces() -> None:
    play = connected()
    text = address() + bytes(40)
    assert play >> server(redirect_apart(text, parts=len(text))) << ParseError


def test_too_long_a_text() -> None:
    assert connected() >> server(packet(REDIRECT, pack("!H", MAX_TEXT + 1))) << ParseError
    long = packet(REDIRECT, b"\0\0") + packet(DATA, b"\0\0" + bytes(MAX_TEXT + 1))
    assert connected() >> server(long) << ParseError


def test_connect_data_apart() -> None:
    play = Playbook(TNS) >> client(connect(separate=True))
    assert play >> server(redirect(address())) << to(play)


def test_resend() -> None:
    play = connected() >> server(packet(RESEND)) >> client(connect())
    assert play >> server(redirect(address())) << to(play)


@pytest.mark.parametrize(
    "last", [accept(), accept(312), packet(REFUSE, b"\1\0\0\0"), packet(ABORT)]
)
def test_the_inspection_ends(last: bytes) -> None:
    assert connected() >> server(last) << Done


def test_other_packets_are_ignored() -> None:
    play = connected() >> server(packet(MARKER, b"\1\0\1"))
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
def test_other_protocols_of_clients(data: bytes) -> None:
    assert Playbook(TNS) >> client(data) << ParseError


@pytest.mark.parametrize("data", [b"220 ready\r\n", b"\x15\x03\x01\x00\x02\x02", b"x" * 30])
def test_other_protocols_of_servers(data: bytes) -> None:
    play = connected() >> server(data)
    if len(data) < 8:
        assert play  # may become a packet
    else:
        assert play << ParseError


# solicitation


def test_a_redirect_before_connect() -> None:
    assert Playbook(TNS) >> server(redirect(address())) << ParseError


def test_a_redirect_of_the_client() -> None:
    assert connected() >> client(redirect(address())) >> client(redirect_apart(address()))


def test_a_second_redirect() -> None:
    play = connected() >> server(redirect(address())) << Expect
    assert (
        play
        >> server(redirect(address(port=2144)))
        << Refuse("G4", "REDIRECT: no CONNECT is waiting for it")
    )
    play >> client(connect()) >> server(redirect(address(port=2144)))
    assert play << to(play, 2144)


def test_data_without_a_redirect() -> None:
    assert connected() >> server(packet(DATA, b"\0\0" + address())) << ParseError


# descriptors


@pytest.mark.parametrize(
    "text",
    [
        b"(ADDRESS=(PROTOCOL=TCP)(HOST=10.0.2.2)(PORT=2143))",
        b"(address=(protocol=Tcp)(host=10.0.2.2)(port=2143))",
        b"(ADDRESS=(PORT=2143)(HOST=10.0.2.2)(PROTOCOL=tcp))", b"(ADDRESS=(HOST=10.0.2.2)(PORT=2143))",
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
def test_forms_of_descriptors(text: bytes) -> None:
    play = connected()
    assert play >> server(redirect(text)) << to(play)


@pytest.mark.parametrize("text", ["fd02::2", "[fd02::2]", "FD02:0:0:0:0:0:0:2"])
def test_ipv6(text: str) -> None:
    play = connected(6)
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
        (b"(ADDRESS=(PROTOCOL=tcp)(PORT=2143))", "G7"), (b"(ADDRESS=(PROTOCOL=)(HOST=10.0.2.2)(PORT=1))", "G7"),
        (address("rac1.example.com"), "G5"), (address("10.0.2.999"), "G5"), (address("010.0.2.2"), "G5"),
        (address("fe80::1%eth0"), "G5"), (address(""), "G5"), (address("10.0.2.2\xa0"), "G5"),
    ],
)  # fmt: skip
def test_refusals(text: bytes, rule: str) -> None:
    if not text:
        assert connected() >> server(redirect(text))  # its text may yet come
        return
    play = connected() >> server(redirect(text)) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == rule
    assert play


@pytest.mark.parametrize(
    "others", [address(port=2144), address("elsewhere"), address(protocol="ipc")]
)
def test_only_the_first_address_counts(others: bytes) -> None:
    # python-oracledb tries no other one
    play = connected() >> server(redirect(b"(ADDRESS_LIST=" + address() + others + b")"))
    assert play << to(play)
    play = connected() >> server(redirect(others + address("10.0.2.9")))
    assert play << (to(play, 2144) if others == address(port=2144) else Refuse)


# the text in the REDIRECT, in DATA, or in both


def test_the_text_in_both() -> None:
    # old clients read the text in the REDIRECT, python-oracledb reads the DATA
    play = connected() >> server(redirect(address())) << to(Playbook(TNS))
    assert play >> server(packet(DATA, b"\0\0" + address())) << to(play)


def test_different_texts_in_both() -> None:
    play = connected() >> server(redirect(address())) << to(Playbook(TNS))
    text = address(port=2144)
    assert play >> server(packet(DATA, b"\0\0" + text)) << to(play, 2144)
    assert play >> server(packet(DATA, b"\0\0" + address(port=2145)))


def test_rewriting_the_text_in_both() -> None:
    play = connected() >> server(redirect(address())) << to(Playbook(TNS))
    play >> server(packet(DATA, b"\0\0" + address())) << to(play)
    new = b"(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.1.1)  (PORT=80))"
    data = play.rewritten(Endpoint.parse("10.0.1.1", 80), reply=True)
    assert data == redirect(address()) + packet(DATA, b"\0\0" + new)


def test_a_connection_after_the_redirect() -> None:
    play = connected() >> server(redirect(address())) << to(Playbook(TNS))
    play >> client(connect()) >> server(redirect_apart(address(port=2144)))
    assert play << to(play, 2144)
    assert play >> client(connect()) >> server(accept()) << Done


# names


@pytest.mark.parametrize(("name", "host"), [("rac1-VIP.example.COM.", ""), ("other", "10.0.2.5")])
def test_a_configured_name(name: str, host: str) -> None:
    play = connected(hosts={"RAC1-vip.Example.com": "10.0.2.2", "other": "10.0.2.5"})
    assert play >> server(redirect(address(name))) << to(play, 2143, host)


@pytest.mark.parametrize("value", [[], "x", {"a": 1}, {"a": "b"}, {"a": "1.2.3"}, {"a": ""}])
def test_invalid_settings(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be|not an address"):
        connected(hosts=value)


# state


def test_a_worker_takes_over_between_connect_and_redirect() -> None:
    play = connected().restart() >> server(redirect(address()))
    assert play << to(play)


@pytest.mark.parametrize("stated", [True, False])
def test_a_worker_takes_over_between_redirect_and_data(stated: bool) -> None:
    data = redirect_apart(address(), stated=stated)
    play = (connected() >> server(data[:10])).restart() >> server(data[10:])
    assert play << to(play)


@pytest.mark.parametrize("state", [b"\1", b"\5\0\0", b"\2\xff\xff", b"\0\0\0\0"])
def test_invalid_stored_state(state: bytes) -> None:
    play = Playbook(TNS)
    with pytest.raises(ParseError):
        play._parser.restore(state)


def test_declaration() -> None:
    assert TNS.spec
    assert TNS.doc
    assert (TNS.ports, TNS.redirects) == ([1521], True)
