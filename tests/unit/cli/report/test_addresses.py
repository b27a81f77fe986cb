"""Addresses in other addresses' place: kind, length, prefixes and uniqueness are kept."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.cli.report.addresses import AddressMap

MAP = AddressMap(b"k5")
four = st.binary(min_size=4, max_size=4)
six = st.binary(min_size=16, max_size=16)


def new(text: str) -> str:
    return str(ip_address(MAP.address(ip_address(text).packed)))


@given(four)
def test_the_text_keeps_its_length(addr: bytes) -> None:
    old, other = ip_address(addr), ip_address(MAP.address(addr))
    assert list(map(len, str(old).split("."))) == list(map(len, str(other).split(".")))


@given(six)
def test_the_text_of_an_ipv6_address_keeps_its_form(addr: bytes) -> None:
    old, other = ip_address(addr), ip_address(MAP.address(addr))
    assert list(map(len, str(old).split(":"))) == list(map(len, str(other).split(":")))


@given(four | six)
def test_the_kind_of_address_stays(addr: bytes) -> None:
    old, other = ip_address(addr), ip_address(MAP.address(addr))
    for kind in ("is_loopback", "is_link_local", "is_multicast", "is_unspecified"):
        assert getattr(old, kind) == getattr(other, kind)
    if len(addr) == 4:
        for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"):
            from ipaddress import ip_network

            assert (old in ip_network(network)) == (other in ip_network(network))
        assert (addr[3] == 255) == (MAP.address(addr)[3] == 255)


@given(four, four)
def test_equal_octets_at_the_beginning_stay_equal(a: bytes, b: bytes) -> None:
    for size in range(1, 5):
        same = a[:size] == b[:size]
        assert (MAP.address(a)[:size] == MAP.address(b)[:size]) == same


@given(six, st.binary(min_size=8, max_size=8))
def test_hosts_of_one_link_stay_on_one_link(addr: bytes, other: bytes) -> None:
    neighbour = addr[:8] + other
    if any(addr[:15]) and any(neighbour[:15]):
        assert MAP.address(addr)[:8] == MAP.address(neighbour)[:8]


@pytest.mark.parametrize("prefix", ["", "10.", "172.", "192.", "100.", "169.", "8.8.8."])
def test_no_two_addresses_become_one(prefix: str) -> None:
    rest = ".1" * (3 - prefix.count("."))
    addresses = [f"{prefix}{n}{rest}" for n in range(256)]
    assert len(set(map(new, addresses))) == 256


def test_another_key_gives_another_mapping() -> None:
    other = AddressMap(b"other")
    addresses = [ip_address(f"10.{n}.7.33").packed for n in range(64)]
    assert [MAP.address(a) for a in addresses] != [other.address(a) for a in addresses]
    assert [AddressMap(b"k5").address(a) for a in addresses] == [MAP.address(a) for a in addresses]


def replaced(text: str) -> str:
    return MAP.text(text)


@pytest.mark.parametrize(
    ("text", "address", "form"),
    [
        ("c=IN IP4 10.20.1.2\r\n", "10.20.1.2", "c=IN IP4 {}\r\n"),
        ("uaddr 10.20.1.2.8.1", "10.20.1.2", "uaddr {}.8.1"),
        ("tcp 10.20.1.2:21 →", "10.20.1.2", "tcp {}:21 →"),
        ("EPRT |2|fd01::2|2000|", "fd01::2", "EPRT |2|{}|2000|"),
        ("[fd01::2]:21", "fd01::2", "[{}]:21"),
        ("http://[2001:db8:0:1::a]:80/", "2001:db8:0:1::a", "http://[{}]:80/"),
    ],
)
def test_addresses_in_text(text: str, address: str, form: str) -> None:
    assert new(address) != address
    assert replaced(text) == form.format(new(address))


def test_the_form_of_the_text_stays() -> None:
    assert (
        replaced("PORT 10,20,1,2,4,1\r\n") == f"PORT {new('10.20.1.2').replace('.', ',')},4,1\r\n"
    )
    assert replaced("FD01::2") == new("fd01::2").upper()
    assert replaced("010.020.001.002") == ".".join(
        f"{int(n):03}" for n in new("10.20.1.2").split(".")
    )
    full = replaced("fd01:0000:0000:0000:0000:0000:0000:0002")
    assert ip_address(full) == ip_address(new("fd01::2"))
    assert len(full) == 39


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3,4",
        "300.1.1.1",
        "00:11:22:33:44:55",
        "12:34:56",
        "a::b::c",
        "::1",
        "x.1.2.3.",
        "é\udcff",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert replaced(text) == text


def test_packed_addresses_are_replaced_where_they_are_known() -> None:
    addr = bytes([10, 20, 1, 2])
    data = b"\0\x07" + addr + b"\0" + addr
    assert dict(MAP.edits(data)) == {}
    assert dict(MAP.edits(data, [frozenset((addr,))])) == {
        2: MAP.address(addr),
        7: MAP.address(addr),
    }


@pytest.mark.parametrize(
    "text",
    [
        "Via: SIP/2.0/UDP {0}:5060;branch=z9;received={0}", "Contact: <sip:a@[{1}]:5060>", "c=IN IP4 {0}/127",
        "o=- 1 1 IN IP6 {1}", "LOCATION:http://{0}/d.xml", "Host:{0}", "Source:{1}", "EPRT |2|{1}|5000|",
        "...{0}.", "node.{0}.example", "{1}: refused", "{2}: refused", "Peer:{2}", "[{1}%eth0]", "{1}/64,{0}/24",
        "source={1};destination={0}", "'{2}'",
    ],
)  # fmt: skip
def test_addresses_in_text_are_found(text: str) -> None:
    old = ("192.0.2.41", "2001:db8:7::a5", "2001:0db8:0007:0001:1234:5678:9abc:def1")
    assert MAP.text(text.format(*old)) == text.format(*map(MAP.text, old))
    assert not any(addr in MAP.text(text.format(*old)) for addr in old)
