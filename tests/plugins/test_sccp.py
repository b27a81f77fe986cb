from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sccp_messages import (
    ACK_VIDEO,
    CALL,
    CLOSE,
    CLOSE_VIDEO,
    NEW,
    OLD,
    OPEN_VIDEO,
    OTHER,
    PHONE,
    SCCP,
    STOP,
    STOP_VIDEO,
    about,
    ack,
    message,
    opened,
    register,
    start,
    start_video,
    started,
    words,
)

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check
from fwhelpers.testing.playbook import Message


def incoming(
    other: Endpoint, trigger: str = "OpenReceiveChannelAck", confirms: bool = False
) -> Expect:
    return Expect(
        other.at(0),
        PHONE,
        "udp",
        "audio",
        count=2,
        confirms_peer=confirms,
        trigger=trigger,
        timeout=180,
    )


def outgoing(play: Playbook, other: Endpoint = OTHER) -> Expect:
    return Expect(
        play.client, other, "udp", "audio", count=2, trigger="StartMediaTransmission", timeout=180
    )


PINNED = incoming(OTHER, "StartMediaTransmission", confirms=True)


def in_call(version: int = OLD, address: str = "announced") -> Playbook:
    play = Playbook(SCCP, address=address)
    play >> client(register(version)) >> server(opened(version=version))
    return play


@pytest.mark.parametrize("version", [OLD, 16, 17, NEW, 22])
def test_both_ends_are_pinned(version: int) -> None:
    play = in_call(version) >> client(ack(version=version)) << incoming(Playbook(SCCP).server)
    play >> server(start(version=version)) << outgoing(play) << PINNED
    manager = incoming(play.server, confirms=True)
    assert play << Cancel(want=replace(manager, client=Endpoint(play.server.addr)))


def test_the_manager_may_name_the_other_end_first() -> None:
    play = in_call() >> server(start()) << outgoing(Playbook(SCCP))
    assert play >> client(ack()) << incoming(OTHER)


def test_new_managers_name_the_other_end_with_the_request() -> None:
    play = Playbook(SCCP, address="announced") >> server(opened(version=NEW, remote=OTHER))
    play >> client(ack(version=NEW)) << incoming(OTHER)
    assert play >> server(start(version=NEW)) << outgoing(play)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_place_of_address_and_port(version: int) -> None:
    play = in_call(version) >> client(ack(version=version)) << Expect
    other = Endpoint.parse("192.0.2.1", 40000)
    expected = register(version) + ack(other, version=version)
    assert play.rewritten(other, reply=False) == expected


def test_ipv6() -> None:
    phone, other = Endpoint.parse("fd01::2", 16384), Endpoint.parse("fd03::3", 20000)
    play = Playbook(SCCP, family=6, address="announced") >> server(opened(version=NEW))
    play >> client(ack(phone, version=NEW)) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.server == phone
    moved = Endpoint.parse("2001:db8::1", 40000)
    assert play.rewritten(moved, reply=False) == ack(moved, version=NEW)
    play >> server(start(other, version=NEW)) << outgoing(play, other) << Expect << Cancel
    assert play


def test_channels_are_apart() -> None:
    play = in_call() >> server(opened(party=8))
    second = PHONE.at(16400)
    play >> client(ack(), ack(second, party=8)) << Expect << Expect
    assert isinstance(play.last, Expect)
    assert play.last.server == second
    play >> server(start(party=8)) << outgoing(play) << replace(PINNED, server=second) << Cancel
    assert play


def test_stop_and_close_withdraw() -> None:
    play = in_call() >> client(ack()) << Expect >> server(start()) << Expect << Expect << Cancel
    play >> server(about(STOP)) << Cancel(want=outgoing(play))
    assert play >> server(about(CLOSE)) << Cancel(want=PINNED)
    assert play >> client(ack()) << Refuse  # the channel is closed


def test_another_end_of_the_same_channel() -> None:
    """Hold and resume, or a transfer."""
    third = Endpoint.parse("10.0.3.4", 30000)
    play = in_call() >> client(ack()) << Expect >> server(start()) << Expect << Expect << Cancel
    play >> server(start(third)) << Cancel(want=outgoing(play)) << outgoing(play, third)
    assert play << replace(PINNED, client=third.at(0)) << Cancel(want=PINNED)


def test_a_repeated_message_renews() -> None:
    play = in_call() >> client(ack()) << Expect >> server(start()) << Expect << Expect << Cancel
    assert play >> server(start()) << outgoing(play)
    assert play >> client(ack()) << incoming(OTHER)


def test_video() -> None:
    play = Playbook(SCCP, address="announced") >> server(
        message(OPEN_VIDEO, words(1, 7) + bytes(120))
    )
    play >> client(ack(number=ACK_VIDEO)) << Expect
    assert isinstance(play.last, Expect)
    assert (play.last.server, play.last.policy) == (PHONE, "video")
    play >> server(start_video(version=NEW)) << Expect << Expect << Cancel
    play >> server(about(STOP_VIDEO)) << Cancel >> server(about(CLOSE_VIDEO)) << Cancel
    assert play


def test_any_source() -> None:
    play = in_call(address="any-src") >> client(ack())
    play << replace(incoming(play.server), sources="any")
    assert play >> server(start()) << outgoing(play) << Expect << Cancel


def test_the_phones_own_end_is_rewritten_only() -> None:
    play = in_call(NEW) >> client(started()) << Rewrite
    assert isinstance(play.last, Rewrite)
    begin, end = play.last.span
    stream = bytes(play.streams[False])
    assert stream[begin:end] == play.last.encode(PHONE)
    moved = Endpoint.parse("192.0.2.1", 40000)
    assert stream[:begin] + play.last.encode(moved) == (register(NEW) + started(moved))[:end]


# what opens nothing


@pytest.mark.parametrize(
    "messages",
    [
        [server(ack())],  # the wrong end
        [client(start())],
        [client(ack(status=1))],
        [server(about(STOP))],
        [server(about(CLOSE, party=8))],
        [client(message(0x22, b""), message(0x20, bytes(4)))],
    ],
)
def test_nothing_opens(messages: list[Message]) -> None:
    play = in_call()
    for item in messages:
        play >> item
        while play._answers:
            assert not isinstance(play._answers.popleft(), Expect)
    assert play


def test_an_answer_without_a_request() -> None:
    play = Playbook(SCCP) >> client(register(), ack())
    assert play << Refuse("G4", "OpenReceiveChannelAck without a request", PHONE)


def test_a_connection_in_the_middle_if_configured() -> None:
    assert Playbook(SCCP, pickup=True) >> client(ack()) << Expect


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ack(PHONE.at(65536)), "port 65536 does not exist"),
        (message(0x22, bytes(8)), "20 bytes are too short"),
        (message(0x22, words(0, 2) + bytes(40), NEW), "address type 2"),
    ],
)
def test_invalid_places(data: bytes, reason: str) -> None:
    assert in_call() >> client(data) << Refuse("G11", f"OpenReceiveChannelAck: {reason}")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0",
        b"SSH-2.0-OpenSSH\r\n",
        message(0x10000, b""),
        message(1, b"", 65),
        words(3, 0, 1),
        words(16385, 0, 1),
    ],
)
def test_other_protocols(data: bytes) -> None:
    assert Playbook(SCCP) >> client(data) << ParseError


def test_long_messages_are_skipped() -> None:
    play = in_call() >> client(message(0x33, bytes(16000)), ack()) << Expect
    assert play >> server(message(0x105, bytes(5000)))


def test_forgotten_channels() -> None:
    play = Playbook(SCCP) >> server(*(opened(party) for party in range(65)))
    play >> client(ack(party=0)) << Refuse
    assert play >> client(ack(party=64)) << Expect


# invariants

MESSAGES = st.sampled_from(
    [
        *CALL, client(ack(version=NEW)), server(start(version=NEW)), server(opened(version=NEW, remote=OTHER)),
        server(start_video()), client(ack(number=ACK_VIDEO)), client(started()), server(about(STOP)),
        client(ack(party=8)), server(opened(party=8)), client(message(5, bytes(300))), server(b"\4"),
    ]
)  # fmt: skip
RUBBISH = st.builds(Message, st.binary(max_size=40), st.booleans())


@given(st.lists(MESSAGES | RUBBISH, max_size=12), st.sampled_from([4, 6]), st.integers(0, 99))
def test_fuzz(script: list[Message], family: int, seed: int) -> None:
    check(SCCP, script, family=family, seed=seed)


def test_declaration() -> None:
    assert SCCP.spec
    assert SCCP.doc
    assert (SCCP.l4s, list(SCCP.ports), SCCP.client_announces) == (("tcp",), [2000], True)
