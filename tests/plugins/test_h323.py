"""H.323 call signalling and H.245: what opens, and until when."""

from __future__ import annotations

import pytest
from h323_messages import (
    CAPABILITIES,
    END_SESSION,
    H323,
    INFORMATION,
    MASTER_SLAVE,
    OID,
    acknowledge,
    alerting,
    channel,
    close,
    connect,
    control,
    facility,
    fast,
    h225,
    open_channel,
    progress,
    reject,
    release,
    reverse_channel,
    setup,
    signal,
    t120,
    tunnel,
)
from h323_plays import OTHER, C, S, as_packets, calling, control_channel, h245, media

from fwhelpers.api import Cancel, Endpoint, Expect, Refuse, Rewrite
from fwhelpers.testing import Playbook, client, server


@pytest.mark.parametrize("family", [4, 6])
def test_the_address_of_h245_in_connect(family: int) -> None:
    play = calling(family)
    end = play.server.at(5050)
    assert play >> server(connect(h245Address=h225(end))) << h245(play.client, end)
    moved = Endpoint.parse("192.0.2.1" if family == 4 else "2001:db8::1", 6060)
    assert play.rewritten(moved, True) == connect(h245Address=h225(moved))


@pytest.mark.parametrize(
    "message", [alerting, progress, lambda **fields: facility(answers=True, **fields)]
)
def test_the_address_of_h245_in_other_messages(message: object) -> None:
    end = S.at(5050)
    assert calling() >> server(message(h245Address=h225(end))) << h245(C, end)  # type: ignore[operator]


def test_the_caller_s_address_of_h245() -> None:
    play = Playbook(H323, "tcp")
    assert play >> client(setup(h245Address=h225(C.at(3333)))) << h245(S, C.at(3333))


def test_addresses_of_call_signalling_are_rewritten() -> None:
    play = Playbook(H323, "tcp")
    message = setup(
        sourceCallSignalAddress=h225(C.at(1720)), destCallSignalAddress=h225(S.at(1720))
    )
    play >> client(message) << Rewrite
    assert isinstance(play.last, Rewrite)
    assert play.last.endpoint == C.at(1720)
    start, end = play.last.span
    assert message[start:end] == C.addr + b"\x06\xb8" == play.last.encode(C.at(1720))
    assert play << Rewrite
    assert isinstance(play.last, Rewrite)
    assert play.last.endpoint == S.at(1720)


def test_fast_start() -> None:
    """H.323 §8.1.7: proposals of both directions; the answer has the callee's addresses."""
    rtp, rtcp = C.at(5000), C.at(5001)
    play = Playbook(H323, "tcp")
    proposals = fast(channel(1, None, rtcp), reverse_channel(2, rtp, rtcp))
    assert (
        play
        >> client(setup(fastStart=proposals))
        << media(S, rtcp)
        << media(S, rtp, 2)
        << Rewrite
        >> server(alerting(fastStart=fast(channel(1, S.at(6000), S.at(6001)))))
        << media(C, S.at(6000), 2)
        << Rewrite
        >> client(release())
        << Cancel()
    )


def test_the_pair_of_rtp_and_rtcp_is_rewritten_in_both_places() -> None:
    play = calling()
    message = connect(fastStart=fast(channel(1, S.at(6000), S.at(6001))))
    play >> server(message) << media(C, S.at(6000), 2)
    moved = S.at(7000)
    assert play.rewritten(moved, True)[len(message) - 12 :] != message[-12:]
    play << Rewrite
    assert isinstance(play.last, Rewrite)
    start, end = play.last.span
    assert message[start:end] == S.addr + (6001).to_bytes(2, "big")


def test_ports_that_are_no_pair() -> None:
    play = calling()
    message = connect(fastStart=fast(channel(1, S.at(6001), S.at(7002))))
    assert play >> server(message) << media(C, S.at(6001)) << media(C, S.at(7002))


def test_an_answer_that_repeats_the_caller_s_address() -> None:
    play = calling()
    assert play >> server(connect(fastStart=fast(channel(2, C.at(5000))))) << Rewrite


@pytest.mark.parametrize("end", [Endpoint(bytes(4), 5000), S, Endpoint(bytes(4))])
def test_addresses_that_are_not_there_yet(end: Endpoint) -> None:
    assert calling() >> server(connect(fastStart=fast(channel(1, end))))


def test_tunnelled_h245() -> None:
    play = calling()
    assert (
        play
        >> client(facility(pdu=tunnel(CAPABILITIES, open_channel(1, None, C.at(5001)))))
        << media(S, C.at(5001))
        >> server(facility(answers=True, pdu=tunnel(acknowledge(1, S.at(6000), S.at(6001)))))
        << media(C, S.at(6000), 2)
        << Rewrite
        >> client(facility(pdu=tunnel(close(1))))
        << Cancel("media", media(S, C.at(5001)))
        << Cancel("media", media(C, S.at(6000), confirms_peer=True))
        << Cancel("media", media(C, S.at(6001), confirms_peer=True))
    )


def test_tunnelled_h245_in_messages_without_addresses() -> None:
    message = signal(
        INFORMATION,
        "information",
        {"protocolIdentifier": OID},
        **tunnel(open_channel(1, None, C.at(5001))),
    )
    assert calling() >> client(message) << media(S, C.at(5001))


def test_h245_on_a_connection_of_its_own() -> None:
    play = control_channel()
    assert (
        play
        >> client(as_packets(CAPABILITIES, MASTER_SLAVE, open_channel(1, None, C.at(5001))))
        << media(S, C.at(5001))
        >> server(as_packets(open_channel(1, None, S.at(6001))))
        << media(C, S.at(6001))
        >> server(as_packets(acknowledge(1, S.at(6000), S.at(6001))))
        << media(C, S.at(6000), 2)
        << Rewrite
        >> client(as_packets(acknowledge(1, C.at(5000), C.at(5001))))
        << media(S, C.at(5000), 2)
        << Rewrite
        >> client(as_packets(close(1)))
        # the other channel has both control addresses
        << Cancel("media", media(C, S.at(6000), confirms_peer=True))
        >> server(as_packets(END_SESSION))
        << Cancel()
    )


def test_the_end_of_a_tunnelled_session_ends_the_media_of_its_call_alone() -> None:
    play = calling() >> client(facility(pdu=tunnel(open_channel(1, None, C.at(5001))))) << Expect
    play >> client(setup(8)) >> server(facility(8, True, pdu=tunnel(END_SESSION)))
    end = facility(answers=True, pdu=tunnel(END_SESSION))
    assert play >> server(end) << Cancel("media", media(S, C.at(5001), confirms_peer=True))


@pytest.mark.parametrize("answer", [reject(1), acknowledge(2), b"\x60"])
def test_answers_that_open_nothing(answer: bytes) -> None:
    play = control_channel() >> client(as_packets(open_channel(1, None, C.at(5001)))) << Expect
    play >> server(as_packets(answer))
    if answer == reject(1):
        play << Cancel("media", media(S, C.at(5001), confirms_peer=True))
    assert play


def test_a_shared_control_address_stays_until_its_last_channel_closes() -> None:
    play = control_channel() >> client(as_packets(open_channel(1, None, C.at(5001)))) << Expect
    play >> client(as_packets(open_channel(2, None, C.at(5001)))) << Expect
    assert (
        play
        >> client(as_packets(close(1)))
        >> client(as_packets(close(2)))
        << Cancel("media", media(S, C.at(5001)))
        >> client(as_packets(close(2)))
    )


def test_t120() -> None:
    end = C.at(1503)
    message = as_packets(control("request", "openLogicalChannel", t120(end)))
    assert (
        control_channel()
        >> client(message)
        << Expect(S, end, "tcp", "t120", trigger="T.120")
        >> client(as_packets(close(9)))
        << Cancel("t120", Expect(S, end, "tcp", "t120", trigger="T.120"))
    )


def test_several_calls_on_one_connection() -> None:
    def started(port: int) -> dict[str, object]:
        return {"fastStart": fast(channel(1, C.at(port)))}

    play = Playbook(H323, "tcp") >> client(setup(1, **started(5000))) << media(S, C.at(5000))
    assert (
        play
        >> client(setup(2, **started(5010)))
        << media(S, C.at(5010))
        >> server(setup(1, fastStart=fast(channel(1, S.at(6000)))))  # the server's own number 1
        << media(C, S.at(6000))
        >> server(release(1, answers=True))
        << Cancel("media", media(S, C.at(5000), confirms_peer=True))
        >> client(release(1, answers=True))
        << Cancel("media", media(C, S.at(6000), confirms_peer=True))
        >> client(release(2))
        << Cancel()
    )


# hosts of their own for media


def test_media_of_other_hosts_is_announced_as_it_is_named() -> None:
    """The guard refuses it in the default mode."""
    play = calling()
    assert play >> server(connect(fastStart=fast(channel(1, OTHER)))) << media(C, OTHER)


def test_in_announced_mode_both_ends_media_hosts_are_paired() -> None:
    far = Endpoint(OTHER.addr)
    play = Playbook(H323, "tcp", address="announced")
    assert (
        play
        >> client(setup(fastStart=fast(reverse_channel(2, C.at(5000), C.at(5001)))))
        << media(S, C.at(5000), 2)
        << Rewrite
        >> server(connect(fastStart=fast(channel(1, OTHER))))
        << media(C, OTHER)
        << media(far, C.at(5000), 2, confirms_peer=True)
        >> client(facility(pdu=tunnel(acknowledge(4, C.at(5010)))))
        << media(S, C.at(5010))
        << media(far, C.at(5010))
        >> client(release())
        << Cancel()
    )


def test_in_any_source_mode_any_host_may_send_media() -> None:
    play = calling(address="any-src")
    message = connect(fastStart=fast(channel(1, S.at(6000))))
    assert play >> server(message) << media(C, S.at(6000), sources="any")


# call forwarding


def test_forwarding_to_the_sender_itself() -> None:
    message = facility(answers=True, reason="callForwarded", alternativeAddress=h225(S.at(1721)))
    want = Expect(C, S.at(1721), policy="signalling", child=True, trigger="signalling")
    assert calling() >> server(message) << want


@pytest.mark.parametrize("address", ["peer", "announced", "any-src"])
@pytest.mark.parametrize("end", [OTHER, C.at(22)])
@pytest.mark.parametrize("reply", [False, True])
def test_forwarding_to_another_host_is_refused(address: str, end: Endpoint, reply: bool) -> None:
    """NAT slipstreaming v2."""
    if not reply and end.addr == C.addr:
        end = S.at(22)
    message = facility(answers=reply, alternativeAddress=h225(end))
    sender = server if reply else client
    assert (
        calling(address=address)
        >> sender(message)
        << Refuse("G5", "call forwarding to another host", end)
    )
