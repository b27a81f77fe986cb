"""H.323: beginnings, wrong and hostile messages, bounds, another worker."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.h323.calls import MAX_CALLS
from fwhelpers_plugins.h323.channels import MAX_WANTS
from h323_messages import (
    CAPABILITIES,
    END_SESSION,
    H323,
    SETUP,
    STATUS,
    channel,
    close,
    connect,
    facility,
    fast,
    h225,
    open_channel,
    q931,
    release,
    sending_complete,
    setup,
    tpkt,
    tunnel,
)
from h323_plays import C, S, as_packets, calling, control_channel, h245, media

from fwhelpers.api import Cancel, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.playbook import new_parser

# beginnings


def test_elements_of_one_octet() -> None:
    message = sending_complete(setup(h245Address=h225(C.at(3333))))
    assert Playbook(H323, "tcp") >> client(message) << h245(S, C.at(3333))


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\n",
        b"\x16\3\1\0\5hello",
        b"\3\0\0\3",
        b"\3\0\x30\0",  # a packet that is not inspected
        tpkt(b"\7"),
        connect(),
        release(),
        q931(STATUS, None),
        q931(SETUP, None),
        q931(SETUP, b"\x20"),
        setup().replace(b"\x91\x4a", b"\x91\x4b"),
        as_packets(open_channel(1, C.at(5000))),
    ],
)
def test_a_connection_begins_with_a_whole_setup(data: bytes) -> None:
    assert Playbook(H323, "tcp") >> client(data) << ParseError


def test_the_server_never_begins() -> None:
    assert Playbook(H323, "tcp") >> server(setup()) << ParseError


def test_empty_packets_keep_a_connection_alive() -> None:
    play = Playbook(H323, "tcp") >> client(tpkt(b"")) >> server(tpkt(b""))
    assert play >> client(setup()) >> client(tpkt(b"") * 3)


def test_a_connection_that_has_begun_already() -> None:
    play = Playbook(H323, "tcp", pickup=True)
    assert play >> server(connect(h245Address=h225(S.at(5050)))) << h245(C, S.at(5050))


def test_picking_up_calls_changes_nothing_for_h245() -> None:
    play = control_channel(pickup=True) >> client(as_packets(open_channel(1, C.at(5000))))
    assert play << media(S, C.at(5000))


# what is wrong behind the beginning


def test_a_message_that_is_cut_off_opens_nothing() -> None:
    end = S.at(5050)
    message = connect(h245Address=h225(end))
    body = message[message.index(b"\x7e") + 4 :]
    for size in range(len(body)):
        play = calling() >> server(q931(7, body[:size], answers=True))
        assert play << Refuse, size
    assert calling() >> server(message) << Expect


@pytest.mark.parametrize(
    "packet",
    [
        b"\x08",
        b"\x08\x0f\0\0\5",  # a call reference of 15 octets
        b"\x08\2\0\7\7\x04\xffx",  # an element that is longer than the packet
        b"\x08\2\0\7\7\x7e\xff\xff\5",
        b"\x08\2\0\7\7\x7e\0\1\5",  # nothing of H.323 (CVE-2024-26851)
        b"\x08\2\0\7\7\x7e\0\4\5\xff\xff\xff",  # additions without end
        b"\x08\2\0\7\7\x7e\0\5\5\0\x4f\x80\0",  # an alternative that does not exist
        b"\x08\2\0\7\7\x7e\0\6\5\0\x80\x7f\xff\xff",
        b"\7\2\0\7\7",
    ],
)
def test_hostile_packets_open_nothing_and_end_nothing(packet: bytes) -> None:
    play = calling() >> server(tpkt(packet)) << Refuse
    assert play >> server(connect(h245Address=h225(S.at(5050)))) << h245(C, S.at(5050))


@pytest.mark.parametrize(
    "message",
    [
        open_channel(1, C.at(5000))[:-3],
        b"\3\0\0",  # a channel without parameters
        b"\x0f\xff\xff\xff\xff",
        b"\3\xff\xff\xff\xff\xff\xff\xff",
        b"\x22\xc0\0\0\xff\xff\xff",
    ],
)
def test_hostile_messages_of_h245(message: bytes) -> None:
    play = control_channel() >> client(as_packets(CAPABILITIES, message))
    if play._answers:
        play << Refuse
    assert play >> client(as_packets(open_channel(2, C.at(5002)))) << media(S, C.at(5002))


def test_wrong_proposals_void_the_whole_message() -> None:
    proposals = [*fast(channel(1, S.at(6000))), b"\xff\xff"]
    play = calling() >> server(connect(fastStart=proposals)) << Refuse
    assert play >> server(connect(fastStart=proposals[:1])) << media(C, S.at(6000))


def test_long_packets_are_passed_over() -> None:
    play = calling() >> server(tpkt(bytes(20000)), connect(h245Address=h225(S.at(5050))))
    assert play << Refuse << h245(C, S.at(5050))


@pytest.mark.parametrize("name", ["h245Control", "fastStart"])
def test_too_many_messages_in_one(name: str) -> None:
    many = fast(channel(1)) * 129 if name == "fastStart" else [END_SESSION] * 129
    message = connect(fastStart=many) if name == "fastStart" else connect(pdu=tunnel(*many))
    assert calling() >> server(message) << Refuse


def test_calls_beyond_those_that_are_remembered_work_all_the_same() -> None:
    play = Playbook(H323, "tcp")
    for reference in range(MAX_CALLS):
        play >> client(setup(reference))
    play >> client(setup(MAX_CALLS, fastStart=fast(channel(1, C.at(5000))))) << media(S, C.at(5000))
    play >> client(release(MAX_CALLS))
    for reference in range(MAX_CALLS - 1):
        play >> client(release(reference))
    assert play >> client(release(MAX_CALLS - 1)) << Cancel()


def test_channels_beyond_those_that_are_remembered_work_all_the_same() -> None:
    play = calling()
    for number in range(MAX_WANTS + 1):
        message = open_channel(number + 1, C.at(5000 + number))
        play >> client(facility(pdu=tunnel(message))) << media(S, C.at(5000 + number))
    play >> client(facility(pdu=tunnel(close(MAX_WANTS + 1))))
    assert play >> client(facility(pdu=tunnel(close(1)))) << Cancel


# another worker


def test_another_worker_knows_the_calls() -> None:
    play = Playbook(H323, "tcp") >> client(setup(1)) >> client(setup(2))
    play = play.restart() >> client(release(1))
    assert play >> client(release(2)) << Cancel()


def test_invalid_stored_state() -> None:
    parser = new_parser(H323)
    with pytest.raises(ParseError):
        parser.restore(b"\1\0")
