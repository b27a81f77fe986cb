"""DCE/RPC behind NAT: ports, addresses and string bindings keep their length."""

from __future__ import annotations

import pytest
from dcerpc_messages import (
    NETLOGON,
    SAMR,
    asked,
    bind_ack,
    bound,
    mapped,
    request,
    resolved,
    response,
    tower,
)
from fwhelpers_plugins.dcerpc.interfaces import OBJECT_EXPORTER

from fwhelpers.api import Endpoint, Expect, ParseError
from fwhelpers.testing import Playbook, client, server

NEW = Endpoint.parse("192.168.200.200", 50000)
ACK = bind_ack()


def test_port_and_address_of_a_tower() -> None:
    play = asked(tower()) << Expect
    new = mapped(tower(50000, NEW.addr))
    assert play.rewritten(NEW, reply=True) == ACK + response(new)


def test_an_address_that_the_server_left_out_stays_out() -> None:
    play = asked(tower(address=bytes(4))) << Expect
    assert play.rewritten(NEW, reply=True) == ACK + response(mapped(tower(50000, bytes(4))))
    play = asked(tower(address=None)) << Expect
    assert play.rewritten(NEW, reply=True) == ACK + response(mapped(tower(50000, None)))


def test_each_tower_for_itself() -> None:
    play = asked(tower(), tower(49669, interface=SAMR)) << Expect << Expect
    new = mapped(tower(), tower(50000, NEW.addr, SAMR))
    assert play.rewritten(NEW, reply=True) == ACK + response(new)


def test_ipv6_has_a_port_alone() -> None:
    play = asked(tower(address=bytes(4)), family=6) << Expect
    new = play.rewritten(Endpoint.parse("fd01::1", 50000), True)
    assert new == ACK + response(mapped(tower(50000, bytes(4))))


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_in_fragments(parts: int) -> None:
    play = bound() >> client(request(3)) >> server(response(mapped(tower()), parts=parts)) << Expect
    new = response(mapped(tower(50000, NEW.addr)), parts=parts)
    assert play.rewritten(NEW, reply=True) == ACK + new


def test_split_over_fragments_it_is_not_rewritten() -> None:
    stub = mapped(tower(interface=NETLOGON))
    play = bound() >> client(request(3)) >> server(response(stub, parts=len(stub) // 2)) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.span is not None
    assert play.last.encode is None


# string bindings


def announced(*texts: str, spare: int = 0, little: bool = True, family: int = 4) -> Playbook:
    play = bound(OBJECT_EXPORTER, family, little=little) >> client(request(4, little=little))
    stub = resolved(*texts, spare=spare, little=little)
    return play >> server(response(stub, little=little)) << Expect


def rewritten(
    play: Playbook, *texts: str, spare: int, new: Endpoint = NEW, little: bool = True
) -> None:
    expected = response(resolved(*texts, spare=spare, little=little), little=little)
    assert play.rewritten(new, reply=True)[-len(expected) :] == expected


@pytest.mark.parametrize("little", [True, False])
def test_a_shorter_address_leaves_room(little: bool) -> None:
    play = announced("10.0.2.2[49724]", little=little)
    new = Endpoint.parse("10.1.1.1", 5000)
    rewritten(play, "10.1.1.1[5000]", spare=1, new=new, little=little)


def test_the_port_behind_a_name() -> None:
    play = announced("DC1[49724]", "10.0.2.2[49724]", "10.0.3.3[49724]")
    rewritten(play, "DC1[50000]", "192.168.200.200[50000]", spare=10)


def test_room_that_is_there() -> None:
    play = announced("10.0.2.2[49724]", spare=7)
    rewritten(play, "192.168.200.200[50000]", spare=0)


def test_a_name_is_enough() -> None:
    play = announced("DC1[49724]", "10.0.2.2[49724]")
    rewritten(play, "DC1[50000]", spare=17)


def test_an_address_that_does_not_fit() -> None:
    play = announced("10.0.2.2[49724]")
    with pytest.raises(ParseError, match="does not fit"):
        play.rewritten(NEW, reply=True)


def test_ipv6() -> None:
    play = announced("fd02::2[49724]", "10.0.2.2[49724]", family=6)
    rewritten(play, "2001:db8::1234[50000]", spare=10, new=Endpoint.parse("2001:db8::1234", 50000))


def test_other_texts_stay() -> None:
    play = announced("DC1[49724]", "garbage", "10.0.2.2[49724]", spare=20)
    rewritten(play, "DC1[50000]", "garbage", "192.168.200.200[50000]", spare=13)
