"""Portmap and rpcbind, as a play; what conntrackd's helper gets wrong is in test_rpc_conntrackd.py."""

from __future__ import annotations

from dataclasses import replace
from struct import pack

import pytest
from fwhelpers_plugins.rpc import MAX_CALLS, MAX_SERVICES, RpcStream
from fwhelpers_plugins.rpc.programs import check_programs
from hypothesis import given
from hypothesis import strategies as st
from rpc_messages import (
    NULL_AUTH,
    RPC,
    TCP,
    UADDR,
    UDP,
    UNIX_AUTH,
    call,
    callit,
    dump_entry,
    dump_entry2,
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

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.sansio.xdr import string
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

messages = st.sampled_from(
    [
        getport(1), getport(2, prot=TCP), getport(3, 99), getaddr(4), getaddr(5, 4, 9), getaddr(6, 4, 11),
        callit(7), callit(8, 4, 10), call(9, 2, 4), call(10, 4, 4), call(1, 3, 4), b"", b"abc",
        reply(1, port(20048)), reply(2, port(2049)), reply(3, port(70000)), reply(4, string(UADDR)),
        reply(5, string(b"")), reply(6, entries(list_entry(UADDR, b"udp"))), reply(7, port(900) + string(b"x")),
        reply(8, string(b"::.1.1") + string(b"")), reply(9, entries(dump_entry2(100003, TCP, 2049))),
        reply(10, entries(dump_entry(100005, b"tcp", UADDR))), reply(1, denied=1), reply(2, accept=2),
    ]
)  # fmt: skip
datagrams = st.lists(
    st.builds(Message, st.one_of(messages, st.binary(max_size=60)), st.booleans()), max_size=20
)
streams = st.lists(
    st.builds(
        Message,
        st.one_of(
            messages.map(record),
            messages.map(lambda m: record(m[:8], b"", m[8:20], m[20:])),
            st.binary(max_size=20),
        ),
        st.booleans(),
    ),
    max_size=12,
)


@given(datagrams, st.sampled_from([4, 6]), st.booleans())
def test_fuzz_datagrams(script: list[Message], family: int, dump: bool) -> None:
    assert "ParseError" not in check(RPC, script, "udp", family, {"dump": dump})


@given(streams, st.sampled_from([4, 6]), st.booleans(), st.integers(0, 100))
def test_fuzz_streams(script: list[Message], family: int, dump: bool, seed: int) -> None:
    check(RPC, script, "tcp", family, {"dump": dump}, seed)


@given(st.lists(st.sampled_from([getport(1), reply(1, port(900)), reply(2, port(901))])))
def test_another_worker_can_take_over(sequence: list[bytes]) -> None:
    check_restart(RPC, [Message(m, m[7] == 1) for m in sequence], "udp")
    check_restart(RPC, [Message(record(m), m[7] == 1) for m in sequence], "tcp")


# portmap 2


@pytest.mark.parametrize(("prot", "l4"), [(TCP, "tcp"), (UDP, "udp")])
def test_getport_opens_the_transport_that_was_asked_for(prot: int, l4: str) -> None:
    play = udp() >> client(getport(7, prot=prot)) >> server(reply(7, port(20048)))
    assert play << service(play, l4=l4)
    play = tcp() >> client(record(getport(7, prot=prot))) >> server(record(reply(7, port(20048))))
    assert play << service(play, l4=l4)


def test_credentials_of_any_length_up_to_400() -> None:
    cred = pack("!I", 6) + string(bytes(400))
    args = pack("!IIII", 100005, 3, UDP, 0)
    for auth in (NULL_AUTH, UNIX_AUTH, cred):
        play = udp() >> client(call(7, 2, 3, args, cred=auth, verf=auth))
        assert play >> server(reply(7, port(20048), verf=auth)) << service(play)
    long = pack("!I", 6) + string(bytes(401))
    play = udp() >> client(call(7, 2, 3, args, cred=long))
    assert play >> server(reply(7, port(20048)))


@pytest.mark.parametrize("number", [0, 65536, 2**32 - 1])
def test_no_such_port(number: int) -> None:
    assert udp() >> client(getport(7)) >> server(reply(7, port(number)))


@pytest.mark.parametrize("prot", [0, 1, 132, 6 + 2**16])
def test_no_such_transport(prot: int) -> None:
    assert udp() >> client(getport(7, prot=prot)) >> server(reply(7, port(20048)))


def test_callit() -> None:
    play = udp() >> client(callit(7)) >> server(reply(7, port(20048) + string(b"result")))
    assert play << service(play)


# rpcbind 3 and 4


@pytest.mark.parametrize(("version", "procedure"), [(3, 3), (4, 3), (4, 9)])
def test_getaddr_answers_for_the_transport_of_the_question(version: int, procedure: int) -> None:
    # rpcbind ignores the net id: over UDP it tells the UDP port
    question, answer = getaddr(7, version, procedure, netid=b"tcp6"), reply(7, string(UADDR))
    play = udp() >> client(question) >> server(answer)
    assert play << service(play)
    play = tcp() >> client(record(question)) >> server(record(answer))
    assert play << service(play, l4="tcp")


@pytest.mark.parametrize("text", [b"fd02::2.78.80", b"::.78.80"])
def test_getaddr_ipv6(text: bytes) -> None:
    play = udp(6) >> client(getaddr(7)) >> server(reply(7, string(text)))
    assert play << service(play)


def test_a_service_bound_to_all_addresses() -> None:
    play = udp() >> client(getaddr(7)) >> server(reply(7, string(b"0.0.0.0.78.80")))
    assert play << service(play)


def test_another_address_is_named_as_announced() -> None:
    play = udp() >> client(getaddr(7)) >> server(reply(7, string(b"192.0.2.1.78.80")))
    end = Endpoint.parse("192.0.2.1", 20048)
    at_the_server = Expect(
        play.client, play.server.at(20048), "udp", permanent=True, trigger="mountd v3"
    )
    assert play << at_the_server << replace(at_the_server, server=end)


@pytest.mark.parametrize("family", [4, 6])
def test_another_address_of_a_program_that_is_not_listed(family: int) -> None:
    text = {4: b"192.0.2.1.78.80", 6: b"fd02::53.78.80"}[family]
    play = udp(family) >> client(getaddr(7, program=100001)) >> server(reply(7, string(text)))
    assert play << Refuse


def test_an_address_of_the_other_family() -> None:
    play = udp(6) >> client(getaddr(7)) >> server(reply(7, string(b"192.0.2.1.78.80")))
    assert play << Expect


@pytest.mark.parametrize(
    "text", [b"", b"10.0.2.2.78", b"10.0.2.2.78.256", b"/run/x.sock", b"10.0.2.2.0.0"]
)
def test_no_universal_address(text: bytes) -> None:
    assert udp() >> client(getaddr(7)) >> server(reply(7, string(text)))


@pytest.mark.parametrize(("version", "procedure"), [(3, 5), (4, 5), (4, 10)])
def test_callit_of_rpcbind(version: int, procedure: int) -> None:
    play = udp() >> client(callit(7, version, procedure))
    assert play >> server(reply(7, string(UADDR) + string(b"result"))) << service(play)


def test_getaddrlist() -> None:
    answer = entries(
        list_entry(UADDR, b"udp"),
        list_entry(b"10.0.2.2.8.1", b"tcp"),
        list_entry(b"::.8.2", b"tcp6"),
        list_entry(b"/run/rpcbind.sock", b"local"),
        list_entry(b"10.0.2.2.8.3", b"tcp6"),
    )
    play = udp() >> client(getaddr(7, 4, 11)) >> server(reply(7, answer))
    play << service(play) << service(play, 2049, "tcp")
    # the guard refuses what isn't of the connection's family
    assert play << Expect


# lists of all


DUMPS = [
    (2, entries(dump_entry2(100005, UDP, 20048), dump_entry2(100005, UDP, 20048), dump_entry2(99, TCP, 99))),
    (3, entries(dump_entry(100005, b"udp", UADDR), dump_entry(100005, b"udp6", b"::.78.80"))),
    (4, entries(dump_entry(100005, b"udp", UADDR), dump_entry(100005, b"ticlts", b"x"))),
]  # fmt: skip


@pytest.mark.parametrize(("version", "answer"), DUMPS)
def test_dump_opens_nothing(version: int, answer: bytes) -> None:
    assert udp() >> client(call(7, version, 4)) >> server(reply(7, answer))


@pytest.mark.parametrize(("version", "answer"), DUMPS)
def test_dump_opens_what_is_allowed_if_configured(version: int, answer: bytes) -> None:
    play = udp(dump=True) >> client(call(7, version, 4)) >> server(reply(7, answer))
    assert play << service(play)


def test_dump_of_too_many() -> None:
    answer = entries(*(dump_entry2(100005, UDP, 20000 + n) for n in range(MAX_SERVICES + 1)))
    play = udp(dump=True) >> client(call(7, 2, 4)) >> server(reply(7, answer))
    for n in range(MAX_SERVICES):
        play << service(play, 20000 + n)
    assert play << Refuse("G9", f"DUMP lists more than {MAX_SERVICES} services")


def test_a_list_without_end() -> None:
    answer = (port(1) + dump_entry2(99, UDP, 99)) * 1025 + port(0)
    play = tcp(dump=True) >> client(record(call(7, 2, 4))) >> server(record(reply(7, answer)))
    assert play << ParseError


# which programs


def test_a_program_that_is_not_listed() -> None:
    play = udp() >> client(getport(7, 100232)) >> server(reply(7, port(32773)))
    reason = "program 100232 is not in `programs`"
    assert play << Refuse("G6", reason, Endpoint.parse("10.0.2.2", 32773))


@pytest.mark.parametrize("listed", [[100232], ["nfs", 100232], ["any"]])
def test_a_program_that_is_listed(listed: list[object]) -> None:
    play = udp(programs=listed) >> client(getport(7, 100232)) >> server(reply(7, port(32773)))
    assert play << service(play, 32773, trigger="100232 v3")


def test_names_and_numbers() -> None:
    assert check_programs(["nfs", 100005, "mountd"]) == {100003, 100005}


@pytest.mark.parametrize(
    "value", ["nfs", [], ["nsf"], [0], [-1], [2**32], [1.5], [True], [None], {}]
)
def test_invalid_programs_are_rejected(value: object) -> None:
    with pytest.raises(ValueError, match=r"list of program names|not an RPC program"):
        check_programs(value)


@pytest.mark.parametrize(
    ("value", "hint"), [("nfss", "did you mean nfs?"), ("xyzzy", "programs: amd, ")]
)
def test_an_unknown_program_gets_a_suggestion(value: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"{value!r} is not an RPC program") as caught:
        check_programs([value])
    assert caught.value.args[1].startswith(hint)


# a reply belongs to a call (G4)


def test_nothing_asked() -> None:
    assert udp() >> server(reply(7, port(20048)))


def test_another_xid() -> None:
    assert udp() >> client(getport(7)) >> server(reply(8, port(20048)))


def test_an_answer_counts_once() -> None:
    play = udp() >> client(getport(7)) >> server(reply(7, port(20048)))
    play << service(play)
    assert play >> server(reply(7, port(20049)))


@pytest.mark.parametrize("no", [reply(7, denied=1), reply(7, accept=1), reply(7, accept=2)])
def test_a_refusal_uses_up_the_call(no: bytes) -> None:
    play = udp() >> client(getport(7)) >> server(no)
    assert play >> server(reply(7, port(20048)))


def test_the_client_cannot_answer_itself() -> None:
    play = udp() >> client(getport(7)) >> client(reply(7, port(20048)))
    assert play >> server(getport(8)) >> client(reply(8, port(20048)))


def test_repeated_calls() -> None:
    play = udp() >> client(getport(7)) >> client(getport(7)) >> server(reply(7, port(20048)))
    assert play << service(play)


def test_the_oldest_calls_give_way() -> None:
    play = udp()
    for xid in range(MAX_CALLS + 1):
        play >> client(getport(xid))
    assert play >> server(reply(0, port(20048)))
    assert play >> server(reply(1, port(20048))) << service(play)


def test_another_program_at_the_port() -> None:
    play = udp() >> client(call(7, 2, 3, pack("!IIII", 100005, 3, UDP, 0), program=100003))
    assert play >> server(reply(7, port(20048)))


@pytest.mark.parametrize("extra", [b"\0", b"\0\0\0\0"])
def test_what_is_left_over(extra: bytes) -> None:
    assert udp() >> client(getport(7) + extra) >> server(reply(7, port(20048)))
    assert udp() >> client(getport(7)) >> server(reply(7, port(20048) + extra))


def test_a_forged_datagram_does_not_end_it() -> None:
    play = udp() >> client(getport(7)) >> client(b"?") >> server(b"?") >> server(reply(6)[:9])
    assert play >> server(reply(7, port(20048))) << service(play)


# TCP


def test_records_split_and_joined() -> None:
    calls = b"".join(record(getport(xid)) for xid in (1, 2, 3))
    play = tcp()
    for at in range(0, len(calls), 7):
        play >> client(calls[at : at + 7])
    play >> server(b"".join(record(reply(xid, port(20000 + xid))) for xid in (3, 1, 2)))
    assert play << service(play, 20003) << service(play, 20001) << service(play, 20002)


def test_fragments() -> None:
    message = getport(7)
    play = tcp() >> client(record(message[:3], message[3:40], b"", message[40:]))
    assert play >> server(record(reply(7, port(20048)))) << service(play)


def test_a_long_answer_is_passed_over() -> None:
    play = tcp() >> client(record(call(6, 2, 4))) >> server(record(reply(6, bytes(70000))))
    play >> client(record(getport(7))) >> server(record(reply(7, port(20048))))
    assert play << service(play)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\0", b"SSH-2.0-x\r\n", record(b"abcd"), record(bytes(65537)),
        record(call(7, 2, 3, rpc=3)), record(reply(7, port(1))), record(getport(7) + b"\0"),
    ],
)  # fmt: skip
def test_not_rpc(data: bytes) -> None:
    assert tcp() >> client(data) << ParseError


# another worker takes over


@pytest.mark.parametrize("l4", ["udp", "tcp"])
def test_killed_between_call_and_reply(l4: str) -> None:
    frame = record if l4 == "tcp" else bytes
    play = Playbook(RPC, l4)
    for xid in (5, 6, 7):
        play >> client(frame(getport(xid, prot=TCP)))
    play = play.restart() >> server(frame(reply(7, port(20048)))) << service(play, l4="tcp")
    assert play >> server(frame(reply(6, port(20047)))) << service(play, 20047, "tcp")


@pytest.mark.parametrize("state", [b"\1", bytes(9), bytes(9) + b"\x7f"])
def test_stored_nonsense(state: bytes) -> None:
    with pytest.raises(ParseError):
        RpcStream(tcp().flow, {}).restore(state)
