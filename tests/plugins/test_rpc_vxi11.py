"""VXI-11: an instrument's core channel announces the abort channel and the channel for interrupts."""

from __future__ import annotations

import pytest
from connection import Connection
from fwhelpers_plugins.rpc import MAX_RECORD, RpcStream
from fwhelpers_plugins.rpc.vxi11 import MAX_LINKS
from hypothesis import given
from hypothesis import strategies as st
from rpc_messages import RPC, TCP, getport, port, record, reply, service, tcp
from vxi11_messages import (
    CORE,
    DESTROY,
    DONE,
    HOST,
    PORT,
    abort_channel,
    core,
    create_interrupts,
    create_link,
    interrupts,
    linked,
    measured,
    written,
)

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import Message

messages = st.one_of(
    st.builds(create_link, st.integers(1, 3)),
    st.builds(linked, st.integers(1, 3), st.sampled_from([0, 22, 618, 1025, 65536]), st.integers(0, 1)),
    st.builds(create_interrupts, st.integers(1, 3), st.sampled_from([HOST, bytes(4), b"\xc0\0\2\t"]),
              st.sampled_from([0, 22, 46081, 65536]), st.sampled_from([395185, 99]), st.integers(0, 2)),
    st.sampled_from([DESTROY, written(), measured(), core(6, 25), core(7, 10), reply(2, DONE), getport(1)]),
    st.binary(max_size=40),
)  # fmt: skip
scripts = st.lists(
    st.builds(
        Message,
        st.one_of(messages.map(record), messages.map(lambda m: record(m[:9], b"", m[9:41], m[41:]))),
        st.booleans(),
    ),
    max_size=10,
)  # fmt: skip


def opened(*links: int) -> Playbook:
    """The core channel with links that have been asked for."""
    play = tcp()
    for xid in links:
        play >>= client(record(create_link(xid)))
    return play


@given(scripts, st.integers(0, 100))
def test_fuzz(script: list[Message], seed: int) -> None:
    script = [Message(record(create_link()), False), *script]
    for item in check(RPC, script, "tcp", 4, None, seed):
        if isinstance(item, Announced):
            assert (item.policy, item.l4) in [
                ("abort", "tcp"),
                ("interrupt", "tcp"),
                ("interrupt", "udp"),
            ]


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(RPC, [Message(record(create_link()), False), *script], "tcp")


def test_the_core_channel_is_inspected() -> None:
    """Of all the connections that the portmapper's answers open, only that one."""
    play = tcp() >> client(record(getport(7, CORE, TCP, 1))) >> server(record(reply(7, port(1024))))
    announced = service(play, 1024, "tcp", "vxi11_core v1")
    announced.child = True
    assert play << announced


def test_the_instrument_names_its_abort_channel() -> None:
    play = opened(1) >> server(record(linked()))
    assert play << abort_channel(play, (36, 40))
    assert play.rewritten(play.server.at(1030), True) == record(linked(port=1030))
    assert play >> server(record(linked()))  # a reply counts once


def test_the_controller_names_its_port_for_interrupts() -> None:
    play = opened(1) >> client(record(create_interrupts()))
    play << interrupts(play)
    new = play.rewritten(Endpoint.parse("192.0.2.1", 50000), False)
    translated = create_interrupts(host=bytes([192, 0, 2, 1]), port=50000)
    assert new == record(create_link()) + record(translated)
    assert play >> client(record(DESTROY)) << Cancel("interrupt")
    assert play >> client(record(create_interrupts(family=1))) << interrupts(play, "udp")


def test_another_address_is_named_as_announced() -> None:
    """The guard refuses it (G5)."""
    play = opened(1) >> client(record(create_interrupts(host=bytes([192, 0, 2, 9])))) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.server == Endpoint.parse("192.0.2.9", 46081)


@pytest.mark.parametrize(
    "data", [create_interrupts(port=0), create_interrupts(port=65536), create_interrupts(family=2)]
)
def test_no_such_port_or_transport(data: bytes) -> None:
    assert opened(1) >> client(record(data))


def test_interrupts_for_a_program_that_is_not_listed() -> None:
    play = opened(1) >> client(record(create_interrupts(program=100003 + 97)))
    reason = "program 100100 is not in `programs`"
    assert play << Refuse("G6", reason, Endpoint.parse("10.0.1.2", 46081))
    other = tcp(programs=["vxi11_core"]) >> client(record(create_link()))
    assert other >> server(record(linked())) >> client(record(create_interrupts())) << Refuse


@pytest.mark.parametrize("data", [
    linked(error=9), linked(port=0), linked(port=65536), linked(2), reply(1, denied=1), reply(1, accept=3)],
)  # fmt: skip
def test_links_without_an_abort_channel(data: bytes) -> None:
    assert opened(1) >> server(record(data))


def test_the_oldest_link_gives_way() -> None:
    play = opened(*range(MAX_LINKS + 1)) >> server(record(linked(0)))
    assert play >> server(record(linked(1))) << Expect


def test_waveforms_are_passed_over() -> None:
    """They are longer than any call of the portmapper, and are not kept."""
    play = opened(1) >> client(record(written(data=bytes(200_000))))
    play >> server(record(measured(data=bytes(MAX_RECORD)))) >> server(record(linked()))
    assert play << Expect
    assert play >> client(record(create_interrupts())) << Expect


def test_announcements_over_fragments_are_not_rewritten() -> None:
    message = create_interrupts()
    play = opened(1) >> client(record(message[:-18], message[-18:])) << interrupts(tcp())
    with pytest.raises(ValueError, match="can't be rewritten"):
        play.rewritten(play.client.at(50000), False)


@pytest.mark.parametrize("data", [
    record(b"abcd"), record(bytes(20)), record(getport(7)), record(reply(7)), record(core(6, 25)),
    record(create_interrupts() + bytes(4))],
)  # fmt: skip
def test_other_bytes_end_the_inspection(data: bytes) -> None:
    assert opened(1) >> client(data) << ParseError


def test_answers_that_are_none() -> None:
    assert opened(1) >> server(record(create_link())) << ParseError
    assert opened(1) >> server(record(linked()[:30])) << ParseError


def test_a_portmapper_s_connection_stays_one() -> None:
    play = tcp() >> client(record(getport(7))) >> client(record(create_link()))
    assert play >> server(record(linked())) >> client(record(create_interrupts()))


def test_killed_between_call_and_reply() -> None:
    play = opened(1, 2, 3).restart() >> server(record(linked(3))) << Expect
    assert (
        play >> server(record(linked(2))) << Expect >> client(record(create_interrupts())) << Expect
    )


@pytest.mark.parametrize("state", [b"V1", b"V" + bytes(12)])
def test_stored_nonsense(state: bytes) -> None:
    with pytest.raises(ParseError):
        RpcStream(tcp().flow, {}).restore(state)


# through the engine


def channel(*messages: bytes, status: int = IPS_EXPECTED) -> Connection:
    """A core channel at a port of the instrument; the controller is behind NAT."""
    c = Connection(RPC, "tcp", "10.0.1.2:40000", "10.0.2.2:1024", seen_client="192.0.2.1:40000")
    c.extra = {"status": 8 | 0x2000 | status}
    c.c(record(create_link()))
    c.s(record(linked()))
    for message in messages:
        c.c(record(message))
    return c


def test_only_an_expected_core_channel_opens_anything() -> None:
    assert len(channel(create_interrupts()).expected) == 2
    stranger = channel(create_interrupts(), status=0)
    assert (stranger.expected, stranger.refused) == ([], ["G4", "G4"])


@pytest.mark.parametrize(
    ("host", "number", "rule"),
    [(b"\xc0\0\2\t", PORT, "G5"), (b"\x0a\0\1\3", PORT, "G5"), (HOST, 22, "G6"), (HOST, 1023, "G6"),
     (HOST, 3389, "G6")],
)  # fmt: skip
def test_the_controller_can_only_open_itself(host: bytes, number: int, rule: str) -> None:
    assert channel(create_interrupts(host=host, port=number)).refused == [rule]
