"""GigE Vision: a camera may send to the port that the host has written, until the host writes 0."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of
from fwhelpers_plugins.gvsp import RENEWAL
from gvsp_messages import (
    ACCESS_DENIED,
    CCP,
    GVSP,
    MCDA,
    MCP,
    SCDA0,
    SCP0,
    SCP1,
    heartbeat,
    read,
    request,
    write,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import CLIENT, SERVER, Message

OWN, OTHER, GROUP = CLIENT[4].addr, bytes([192, 0, 2, 9]), bytes([239, 1, 2, 3])
registers = st.sampled_from([SCP0, SCP1, SCDA0, MCP, MCDA, CCP, 0x0124])
values = st.sampled_from([OWN, OTHER, GROUP, 0, 45015, 80, 0xC000AFD7])
numbers = st.integers(0, 2)
datagrams = st.one_of(
    st.builds(
        lambda pairs, number: write(*pairs, number=number),
        st.lists(st.tuples(registers, values), max_size=4),
        numbers,
    ),
    st.builds(written, numbers, st.sampled_from([0, ACCESS_DENIED])),
    st.sampled_from([heartbeat(), read()]),
    st.binary(max_size=24),
)
scripts = st.lists(st.builds(Message, datagrams, st.booleans()), max_size=10)


def alive() -> Playbook:
    return Playbook(GVSP) >> client(heartbeat()) >> server(read())


def stream(port: int = 45015, trigger: str = "SCP0", at: int = 14) -> Expect:
    return Expect(
        SERVER[4].at(3956), CLIENT[4].at(port), span=(at, at + 2), permanent=True, trigger=trigger
    )


def renewed(port: int = 45015, trigger: str = "SCP0", reply: bool = True) -> Expect:
    return Expect(
        SERVER[4].at(3956), CLIENT[4].at(port), permanent=True, confirms_peer=reply, trigger=trigger
    )


def opened() -> Playbook:
    play = alive() >> client(write((SCDA0, OWN), number=3)) << Rewrite >> server(written(3))
    return play >> client(write((SCP0, 45015), number=4)) << stream()


@given(scripts)
def test_fuzz(script: list[Message]) -> None:
    for item in check(GVSP, script, "udp"):
        if isinstance(item, Announced):
            assert item.server.addr == OWN


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(GVSP, script, "udp")


def test_the_declaration() -> None:
    assert list(validate(GVSP)) == []


def test_a_written_port_opens_the_stream() -> None:
    assert opened() >> server(written(4))


def test_the_upper_half_of_the_register_is_no_port() -> None:
    assert alive() >> client(write((SCP0, 0xC000AFD7))) << stream()


def test_several_channels_in_a_command() -> None:
    play = alive() >> client(write((SCP0, 45015), (SCP1, 45016), (MCP, 45017)))
    play = play << stream() << stream(45016, "SCP1", 22) << stream(45017, "MCP", 30)
    first, second, third = renewed(), renewed(45016, "SCP1"), renewed(45017, "MCP")
    play = play >> server(written(status=ACCESS_DENIED))
    assert play << Cancel(want=first) << Cancel(want=second) << Cancel(want=third)


def test_zero_ends_a_stream() -> None:
    play = opened() >> server(written(4)) >> client(write((SCP0, 0), number=5))
    assert play << Cancel(want=renewed(reply=False)) >> server(written(5))


def test_another_port_replaces_the_first() -> None:
    play = opened() >> client(write((SCP0, 45020), number=5))
    assert play << Cancel(want=renewed(reply=False)) << stream(45020)


def test_a_refused_port_is_closed() -> None:
    play = opened() >> server(written(4, ACCESS_DENIED)) << Cancel(want=renewed())
    assert play >> server(written(4, ACCESS_DENIED))


def test_the_refusal_of_another_command_closes_nothing() -> None:
    assert opened() >> server(written(9, ACCESS_DENIED))


def test_a_host_that_lives_keeps_the_stream() -> None:
    play = opened()
    for _ in range(RENEWAL - 2):
        play = play >> client(heartbeat()) >> server(read())
    assert play.restart() >> server(read()) << renewed()


@pytest.mark.parametrize("addr", [OTHER, GROUP])
def test_a_port_for_another_host_is_not_opened(addr: bytes) -> None:
    """The camera sends nothing to this host, whichever register is written first."""
    play = alive() >> client(write((SCDA0, addr), (SCP0, 45015))) << Refuse << Refuse
    assert play.last.rule == "G5"
    play = alive() >> client(write((SCP0, 45015))) << stream()
    play = play >> client(write((SCDA0, addr))) << Cancel(want=renewed(reply=False)) << Refuse
    for _ in range(2 * RENEWAL):
        play = play >> server(read())
    # another channel, and the same one after a change of mind
    play = play >> client(write((SCP1, 45016))) << stream(45016, "SCP1")
    play = play >> client(write((SCDA0, OWN))) << Rewrite
    assert play >> client(write((SCP0, 45015))) << stream()


@pytest.mark.parametrize("addr", [OTHER, GROUP])
def test_streams_to_other_hosts_are_refused(addr: bytes) -> None:
    play = alive() >> client(write((SCDA0, addr))) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G5"
    assert play


def test_the_camera_must_have_answered() -> None:
    play = Playbook(GVSP) >> client(write((SCP0, 45015))) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G4"
    assert play


@pytest.mark.parametrize(
    "data", [write((SCP0, 45015)) + b"\0", write((0x0E00, 45015)), request(0x80, bytes(8))]
)
def test_commands_that_open_nothing(data: bytes) -> None:
    assert alive() >> client(data)


@pytest.mark.parametrize("message", [client(b"GET / HTTP/1.1"), client(b"\x42"), server(b"")])
def test_other_bytes_open_nothing(message: Message) -> None:
    assert Playbook(GVSP) >> message


@given(st.binary(min_size=13, max_size=15))
def test_stored_state_is_checked(state: bytes) -> None:
    play = Playbook(GVSP)
    try:
        play._parser.restore(state)
    except ParseError:
        return
    assert play._parser.save() == state


def test_behind_masquerading_the_camera_sends_to_the_gateway() -> None:
    c = Connection(GVSP, "udp", "10.0.1.2:40000", "10.0.2.2:3956", seen_client="192.0.2.1:40000")
    c.c(heartbeat())
    c.s(read())
    data = payload_of(c.c(write((SCDA0, OWN), (SCP0, 45015))), 28)
    assert Endpoint.parse("192.0.2.1").addr in data
    assert c.expected == ["10.0.2.2 > 192.0.2.1:45015"]
    c.c(write((SCP0, 0)))
    assert c.maker.released == [c.maker.created[0].tuple]


def test_a_command_that_is_longer_than_the_protocol_allows_opens_nothing() -> None:
    """Otherwise a datagram could make 8,000 announcements."""
    assert alive() >> client(write(*[(SCP0, 45015)] * 68))
    longest = write(*[(SCP0, 0)] * 66, (SCP0, 45015))
    assert alive() >> client(longest) << stream(at=14 + 8 * 66)
