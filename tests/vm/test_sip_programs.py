"""Baresip phones that call each other through kamailio; one or two are behind the gateway.

Each says where the audio comes from, and the audio is counted where it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from lab.phones import Phone, start_kamailio
from lab.process import wait_until
from lab.sip import arrived, count_audio, expected
from lab.topology import CLIENT, CLIENT2, SERVER, Lab

#: a second address of the server's side: kamailio's, where the phone is not
PROXY = "10.0.2.3"
PEER = "[helpers.sip]\n"
INPUT = """
table inet gate {
    chain input {
        type filter hook input priority filter;
        iifname "wan" meta l4proto udp ct state new drop
    }
}
"""
ANNOUNCED = (
    f'[helpers.sip]\ndestinations = ["{PROXY}"]\n[helpers.sip.guard]\naddress = "announced"\n'
)
#: packets of audio at an end, a second's
ENOUGH = 50


class Phones(NamedTuple):
    lab: Lab
    inner: Phone
    outer: Phone
    family: int


def _phones(
    lab: Lab, family: int = 4, *, proxy: str = "", helper: str = "", **options: Any
) -> Phones:
    """Register a phone of the client and one of the server, with a proxy there or at an address of its own."""
    lab.open("udp", 5060)
    count_audio(lab)
    if helper:
        lab.start_fwhelpers(helper)
    if proxy:
        lab.run("s", "ip", "address", "add", f"{proxy}/24", "dev", "eth0")
    registrar = proxy or SERVER[family]
    start_kamailio(lab, registrar)
    inner = Phone(lab, "inner", "c", CLIENT[family], registrar, **options)
    outer = Phone(lab, "outer", "s", SERVER[family], registrar, **options)
    return Phones(lab, inner, outer, family)


@pytest.fixture(scope="module", params=[("none", 4), ("snat", 4), ("snat", 6)])
def phones(request: pytest.FixtureRequest) -> Iterator[Phones]:
    nat, family = request.param
    with Lab(nat=nat) as lab:
        yield _phones(lab, family, helper=PEER)


def _listen(lab: Lab) -> None:
    """Wait for a second of audio at both ends."""
    before = {ns: arrived(lab, ns) for ns in ("c", "s")}
    for ns, count in before.items():
        wait_until(lambda: arrived(lab, ns) >= count + ENOUGH, f"a second of audio at {ns}")  # noqa: B023


def _forget_media(lab: Lab) -> None:
    """Remove the connections of the media, as conntrack does after some silence."""
    lab.run("g", "conntrack", "-D", "-p", "udp", "-u", "EXPECTED", check=False)


@pytest.mark.parametrize("direction", ["out", "in"])
def test_both_phones_hear(phones: Phones, direction: str) -> None:
    """A call to the inner phone comes to the address with which kamailio has registered it."""
    pair = (phones.inner, phones.outer)
    caller, callee = pair if direction == "out" else pair[::-1]
    caller.call(callee)
    for phone in pair:
        phone.hears()
    _listen(phones.lab)
    caller.hang_up(callee)
    assert expected(phones.lab) == [], "the call has ended"


def test_both_hear_again_after_a_long_hold(phones: Phones) -> None:
    """The new offers have the ports of the first ones, whose expectations were used, and the connections are gone."""
    phones.inner.call(phones.outer)
    _listen(phones.lab)
    phones.inner.hold(phones.outer)
    _forget_media(phones.lab)
    phones.inner.resume(phones.outer)
    _listen(phones.lab)
    phones.outer.hang_up(phones.inner)
    assert expected(phones.lab) == []


@pytest.mark.nat("snat")
def test_a_call_is_cancelled_before_its_answer(lab: Lab) -> None:
    phones = _phones(lab, helper=PEER, answer="manual")
    for caller, callee in (phones.inner, phones.outer), (phones.outer, phones.inner):
        caller.dial(callee)
        callee.wait_ringing()
        assert len(expected(lab)) == 2, "RTP and RTCP of the caller"
        caller.give_up()
        callee.wait_end()
        assert expected(lab) == []


def test_a_blind_transfer_to_another_inner_phone(phones: Phones) -> None:
    """The outer phone is asked to call the third (REFER), which is at another address behind the same gateway."""
    lab, inner, outer, family = phones
    third = Phone(lab, "third", "c2", CLIENT2[family], SERVER[family])
    inner.call(outer)
    _listen(lab)
    inner.transfer(outer, third)
    third.wait_call()
    for phone in third, outer:
        phone.hears()
    third.hang_up(outer)
    assert expected(lab) == []


@pytest.mark.nat("snat")
def test_audio_and_video(lab: Lab) -> None:
    phones = _phones(lab, helper=PEER, video=True)
    phones.inner.call(phones.outer)
    for phone in phones.inner, phones.outer:
        phone.hears("audio")
        phone.hears("video")
    phones.inner.hang_up(phones.outer)
    assert expected(lab) == []


@pytest.mark.nat("snat")
def test_audio_of_a_host_that_is_only_announced_is_dropped(lab: Lab) -> None:
    phones = _phones(lab, proxy=PROXY, helper=PEER)
    phones.inner.call(phones.outer)
    wait_until(lambda: lab.dropped() >= ENOUGH, "audio at the firewall")
    assert (arrived(lab, "c"), arrived(lab, "s")) == (0, 0)


@pytest.mark.parametrize(
    "nat", [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat")]
)
def test_audio_of_announced_hosts_is_heard(lab: Lab, nat: str) -> None:
    """The callee sends first, in either direction; the media do not pass kamailio."""
    # what arrives before the answer must leave no entry, as at any gateway that drops what comes from outside
    lab.run("g", "nft", INPUT)
    phones = _phones(lab, proxy=PROXY, helper=ANNOUNCED)
    for caller, callee in (phones.inner, phones.outer), (phones.outer, phones.inner):
        caller.call(callee)
        _listen(lab)
        caller.hang_up(callee)
        assert expected(lab) == []


def test_without_helper_neither_hears(lab: Lab) -> None:
    phones = _phones(lab)
    phones.inner.call(phones.outer)
    wait_until(lambda: lab.dropped() >= ENOUGH, "audio at the firewall")
    assert (arrived(lab, "c"), arrived(lab, "s")) == (0, 0)
