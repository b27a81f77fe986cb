"""H.323 through a translating gateway: what the other end reads, and where its packets go."""

from __future__ import annotations

from errno import EBUSY
from typing import Any

import pytest
from connection import Connection, payload_of
from h323_messages import (
    END_SESSION,
    H323,
    acf,
    acknowledge,
    alerting,
    arq,
    channel,
    close,
    confirm_close,
    connect,
    facility,
    fast,
    h225,
    open_channel,
    rcf,
    release,
    reverse_channel,
    rrq,
    setup,
    tunnel,
)

from fwhelpers.api import Endpoint
from fwhelpers.engine.verdict import Verdict

HOSTS: dict[int, tuple[str, ...]] = {
    # client, server, the client's translated address, the server's
    4: ("10.0.1.2", "10.0.2.2", "192.0.2.9", "192.0.2.1"),
    6: ("fd01::2", "fd02::2", "2001:db8::9", "2001:db8::1"),
}


def text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def translated(family: int, l4: str = "tcp", snat: bool = True, dnat: bool = True) -> Connection:
    client, server, masked, vip = HOSTS[family]
    port = 1720 if l4 == "tcp" else 1719
    nat: dict[str, Any] = {}
    if snat:
        nat["seen_client"] = text(masked, 40000)
    if dnat:
        nat["seen_server"] = text(vip, port)
    return Connection(H323, l4, text(client, 40000), text(server, port), **nat)


def ends(family: int, port: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint.parse(host, port) for host in HOSTS[family])


def passed(verdict: Verdict, message: bytes, header: int) -> bytes:
    """Return the message that the other end receives."""
    assert verdict.accept
    return message if verdict.payload is None else payload_of(verdict, header)


@pytest.mark.parametrize(("family", "header"), [(4, 40), (6, 60)])
def test_a_caller_s_addresses_behind_snat(family: int, header: int) -> None:
    c = translated(family, dnat=False)

    def message(rtp: Endpoint, own: Endpoint) -> bytes:
        rtcp = rtp.at(rtp.port + 1)
        proposals = fast(channel(1, None, rtcp), reverse_channel(2, rtp, rtcp))
        return setup(sourceCallSignalAddress=h225(own), fastStart=proposals)

    client, server, masked, _ = ends(family, 5000)
    verdict = c.c(message(client, client.at(1720)))
    assert passed(verdict, b"", header) == message(masked, masked.at(1720))
    assert {(e.tuple.dst, e.tuple.dport) for e in c.maker.created} == {
        (masked.addr, 5000), (masked.addr, 5001),
    }  # fmt: skip
    assert {(e.nat.src, e.nat.sport) for e in c.maker.created if e.nat} == {
        (client.addr, 5000), (client.addr, 5001),
    }  # fmt: skip
    assert {e.tuple.src for e in c.maker.created} == {server.addr}


@pytest.mark.parametrize(("family", "header"), [(4, 40), (6, 60)])
def test_a_callee_s_addresses_behind_dnat(family: int, header: int) -> None:
    c = translated(family, snat=False)
    client, server, _, vip = ends(family, 6000)
    called = setup(destCallSignalAddress=h225(vip.at(1720)))
    assert passed(c.c(called), called, header) == setup(destCallSignalAddress=h225(server.at(1720)))

    def message(rtp: Endpoint) -> bytes:
        return alerting(
            h245Address=h225(rtp.at(7000)), fastStart=fast(channel(1, rtp, rtp.at(6001)))
        )

    verdict = c.s(message(server))
    assert passed(verdict, b"", header) == message(vip)
    child = verdict.expectation  # a child's goes with the verdict
    assert child is not None
    assert (child.tuple.src, child.tuple.dst, child.tuple.dport) == (client.addr, vip.addr, 7000)
    assert child.helper == "fw-h323"
    assert {(e.tuple.src, e.tuple.dst) for e in c.maker.created} <= {(client.addr, vip.addr)}


def test_tunnelled_channels() -> None:
    c = translated(4)
    client, server, masked, vip = ends(4, 5000)
    begin = setup()
    assert passed(c.c(begin), begin, 40) == begin

    def opening(end: Endpoint) -> bytes:
        return facility(pdu=tunnel(open_channel(1, None, end.at(5001))))

    def answer(end: Endpoint) -> bytes:
        return facility(answers=True, pdu=tunnel(acknowledge(1, end, end.at(5001))))

    assert passed(c.c(opening(client)), b"", 40) == opening(masked)
    assert passed(c.s(answer(server)), b"", 40) == answer(vip)


def test_a_taken_port_moves_rtp_and_rtcp_together() -> None:
    c = translated(4, dnat=False)
    client, _, masked, _ = ends(4, 5000)
    c.c(setup())
    c.maker.errors = lambda expectation: EBUSY if expectation.tuple.dport == 5001 else 0
    message = connect(answers=False, fastStart=fast(channel(1, client, client.at(5001))))
    moved = connect(answers=False, fastStart=fast(channel(1, masked.at(5002), masked.at(5003))))
    assert passed(c.c(message), b"", 40) == moved
    assert [e.tuple.dport for e in c.maker.created][-2:] == [5002, 5003]


def test_a_channel_that_closes_withdraws_the_ports_that_were_chosen() -> None:
    c = translated(4, dnat=False)
    client, *_ = ends(4, 5000)
    c.c(setup())
    c.maker.errors = lambda expectation: EBUSY if expectation.tuple.dport == 5001 else 0
    c.c(facility(pdu=tunnel(open_channel(1, client, client.at(5001)))))
    assert [e.tuple.dport for e in c.maker.created][-2:] == [5002, 5003]
    c.maker.deleted.clear()
    c.c(facility(pdu=tunnel(close(1))))
    assert {tuple_.dport for tuple_ in c.maker.released + c.maker.deleted} == {5002, 5003}


@pytest.mark.parametrize("by_server", [False, True])
@pytest.mark.parametrize(("snat", "dnat"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("end", ["close", "end of session", "release"])
def test_either_end_closes_both_ends_ports(
    end: str, snat: bool, dnat: bool, by_server: bool
) -> None:
    """Another call goes on, so that not everything of the connection ends."""
    c = translated(4, snat=snat, dnat=dnat)
    client, server, *_ = ends(4, 5000)
    c.c(setup(7))
    c.c(setup(8))
    c.c(facility(pdu=tunnel(open_channel(1, None, client.at(5001)))))
    c.s(connect(h245Address=h225(server.at(7777))))
    acknowledgement = acknowledge(1, server.at(6000), server.at(6001))
    c.s(facility(answers=True, pdu=tunnel(acknowledgement)))
    c.now += 10
    c.maker.released.clear()
    closed = confirm_close(1) if by_server else close(1)
    message = {"close": closed, "end of session": END_SESSION}.get(end)
    last = facility(answers=by_server, pdu=tunnel(message)) if message else release(7, by_server)
    c.say(last, by_server)
    ports = {5001, 6000, 6001} | ({7777} if end == "release" else set())
    assert {tuple_.dport for tuple_ in c.maker.released + c.maker.deleted} == ports


def test_media_of_another_host_is_left_alone() -> None:
    c = translated(4)
    c.c(setup())
    message = connect(fastStart=fast(channel(1, Endpoint.parse("10.9.9.9", 6000))))
    assert passed(c.s(message), message, 40) == message
    assert c.refused == ["G5"]


def test_registration_and_admission() -> None:
    c = translated(4, "udp")
    client, server, masked, vip = ends(4, 1720)
    assert passed(c.c(rrq([client])), b"", 28) == rrq([masked])
    assert passed(c.s(rcf(calls=[server])), b"", 28) == rcf(calls=[vip])
    asked = arq(srcCallSignalAddress=h225(client), destCallSignalAddress=h225(vip))
    assert passed(c.c(asked), b"", 28) == arq(
        srcCallSignalAddress=h225(masked), destCallSignalAddress=h225(server)
    )
    assert passed(c.s(acf(server)), b"", 28) == acf(vip)
