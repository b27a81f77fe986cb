"""RAS: registration, admission, discovery."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fwhelpers_plugins.h323.h225_types import RasMessage
from h323_messages import (
    H323,
    acf,
    addresses,
    arq,
    gcf,
    grq,
    h225,
    lcf,
    lrq,
    ras,
    rcf,
    rrj,
    rrq,
    urq,
)
from per_encoder import encode

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.playbook import CLIENT, SERVER

C, S = CLIENT[4].at(0), SERVER[4].at(0)
OTHER = Endpoint.parse("10.9.9.9", 1720)
CALLS = C.at(1720)


#: a TURN request of which somebody chose the user name (NAT slipstreaming)
STUN = b"\0\3\0\x50\x21\x12\xa4\x42" + bytes(12) + b"\0\6\0\x40" + grq(C.at(22))[2:].ljust(64)


def play(address: str = "peer", **settings: object) -> Playbook:
    return Playbook(H323, "udp", address=address, **settings)


def registration(source: Endpoint = S, end: Endpoint = CALLS, **fields: object) -> Expect:
    return replace(
        Expect(
            source, end, "tcp", "signalling", permanent=True, child=True, keep_after_master=True,
            trigger="RRQ", timeout=60,
        ),
        **fields,
    )  # fmt: skip


def confirmed(seconds: int, **fields: object) -> Expect:
    return registration(timeout=seconds, confirms_peer=True, trigger="RCF", **fields)


def call(source: Endpoint, end: Endpoint, trigger: str) -> Expect:
    return Expect(source, end, "tcp", "signalling", child=True, trigger=trigger, timeout=240)


def status(source: Endpoint, end: Endpoint, trigger: str) -> Expect:
    return Expect(source, end, "udp", "signalling", child=True, trigger=trigger, timeout=240)


@pytest.mark.parametrize(("family", "size"), [(4, 6), (6, 18)])
def test_the_address_in_a_registration_is_rewritten(family: int, size: int) -> None:
    table = Playbook(H323, "udp", family)
    end, moved = table.client.at(1720), table.server.at(2000)
    table >> client(rrq([end])) << Expect
    assert table.rewritten(moved, False, size) == rrq([moved])


def test_a_registration_lasts_as_long_as_the_gatekeeper_says() -> None:
    assert (
        play()
        >> client(rrq([CALLS], number=5, timeToLive=3000))
        << registration()
        >> server(rcf(5, timeToLive=120))
        << confirmed(120)
    )


@pytest.mark.parametrize("answer", [rcf(5, timeToLive=86400), rrj(5)])
def test_an_endpoint_does_not_answer_itself(answer: bytes) -> None:
    """It would choose itself for how long calls of others are admitted."""
    table = play("announced") >> client(rrq([CALLS], number=5)) << registration()
    assert table >> client(answer)
    assert table >> server(rcf(5, timeToLive=120)) << confirmed(120)


def test_a_registration_without_a_time() -> None:
    assert (
        play(registration=90)
        >> client(rrq([CALLS]))
        << registration()
        >> server(rcf())
        << confirmed(90)
    )


def test_keeping_a_registration_alive_without_addresses() -> None:
    table = play() >> client(rrq([CALLS])) << registration() >> server(rcf()) << confirmed(300)
    assert (
        table
        >> client(rrq([], number=2, timeToLive=60, keepAlive=1))
        >> server(rcf(2))
        << confirmed(300)
    )


def test_a_rejected_registration() -> None:
    want = registration(confirms_peer=True)
    assert (
        play()
        >> client(rrq([CALLS]))
        << registration()
        >> server(rrj())
        << Cancel("signalling", want)
    )


@pytest.mark.parametrize("answer", [rcf(2), rrj(2)])
def test_answers_to_nothing(answer: bytes) -> None:
    assert play() >> client(rrq([CALLS])) << registration() >> server(answer)


@pytest.mark.parametrize("sender", [client, server])
def test_unregistration_of_either_side(sender: object) -> None:
    table = play() >> client(rrq([CALLS])) << registration() >> server(rcf()) << confirmed(300)
    table >> sender(urq()) << Cancel("signalling")  # type: ignore[operator]
    assert table >> client(rrq([], number=3)) >> server(rcf(3))


def test_several_addresses() -> None:
    ends = [C.at(1720 + number) for number in range(6)]
    table = play() >> client(rrq(ends))
    for end in ends[:4]:
        table << registration(end=end)
    assert table


def test_any_source_mode_admits_calls_of_all_hosts() -> None:
    assert play("any-src") >> client(rrq([CALLS])) << registration(sources="any")


def test_an_address_of_ras_that_is_not_the_socket_s() -> None:
    table = play() >> client(rrq([], [CLIENT[4], C.at(3000)])) << Rewrite
    assert table << status(S, C.at(3000), "RRQ")


def test_discovery() -> None:
    assert (
        play()
        >> client(grq(C.at(3000)))
        << status(S, C.at(3000), "GRQ, GCF")
        >> server(gcf(S.at(2719)))
        << status(C, S.at(2719), "GRQ, GCF")
    )


def test_admission_names_the_gatekeeper() -> None:
    message = arq(srcCallSignalAddress=h225(CALLS))
    assert (
        play()
        >> client(message)
        << Rewrite
        >> server(acf(S.at(1720)))
        << call(C, S.at(1720), "ACF")
    )


def test_admission_of_an_incoming_call_names_the_endpoint() -> None:
    assert play() >> client(arq()) >> server(acf(CALLS)) << Rewrite


def test_direct_calls_are_announced_as_they_are_named() -> None:
    """The guard refuses them in the default mode."""
    assert play() >> client(arq()) >> server(acf(OTHER)) << call(C, OTHER, "ACF")


def test_location() -> None:
    assert (
        play()
        >> client(lrq(C.at(3000)))
        << status(S, C.at(3000), "LRQ")
        >> server(lcf(S.at(1720), S.at(2719)))
        << call(C, S.at(1720), "LCF")
        << status(C, S.at(2719), "LCF")
    )


@pytest.mark.parametrize("name", ["admissionReject", "infoRequest", "disengageConfirm"])
def test_messages_without_addresses(name: str) -> None:

    assert play() >> client(encode(RasMessage, (name, b"xyz")))


@pytest.mark.parametrize("data", [b"", b"\0", STUN, rrq([CALLS])[:-20]])
def test_other_protocols(data: bytes) -> None:
    assert play() >> client(data) << ParseError


def test_a_message_that_is_cut_off_opens_nothing() -> None:
    message = acf(S.at(1720))
    for size in range(1, len(message) - 2):
        assert play() >> client(arq()) >> server(message[:size]) << Refuse, size


def test_another_protocol_identifier() -> None:
    message = rrq([CALLS]).replace(b"\x91\x4a", b"\x91\x4b")
    assert play() >> client(message) << ParseError
    assert play() >> client(rrq([])) >> client(message) << Refuse


def test_addresses_of_other_protocols_open_nothing() -> None:
    ends = [
        ("ipxAddress", {"node": b"abcdef", "netnum": b"abcd", "port": b"ab"}),
        *addresses([CALLS]),
    ]
    message = ras("unregistrationRequest", requestSeqNum=9, callSignalAddress=ends)
    assert play() >> client(message) << Rewrite << Cancel("signalling")


def test_pending_registrations_are_bounded() -> None:
    table = play()
    for number in range(1, 10):
        table >> client(rrq([CALLS], number=number)) << Expect
    assert table >> server(rcf(1)) >> server(rcf(9)) << confirmed(300)


@pytest.mark.parametrize("value", [True, 0, 86401, "90"])
def test_a_registration_is_a_number_of_seconds(value: object) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        play(registration=value)
