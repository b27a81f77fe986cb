from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import conntrack, nfnl
from fwhelpers.kernel.conntrack import Conntrack, Tuple, encode_tuple, parse_conntrack, parse_tuple
from fwhelpers.kernel.nla import DecodeError, attr, be16, be32, nest, parse, strz
from fwhelpers.kernel.transports import has_ports

V4 = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 17, 900, 111)
V6 = Tuple(b"\xfd" + bytes(15), b"\xfe" + bytes(15), 6, 40000, 21)
ESP4, ESP6 = (value._replace(l4=50, sport=0, dport=0) for value in (V4, V6))


def test_tuple_layout() -> None:
    # CTA_TUPLE_ORIG{ CTA_TUPLE_IP{V4_SRC, V4_DST}, CTA_TUPLE_PROTO{NUM, SRC_PORT, DST_PORT} }
    assert encode_tuple(1, V4).hex() == (
        "34000180" + "14000180" + "08000100" + "0a000102" + "08000200" + "0a000202"
        "1c000280" + "05000100" + "11000000" + "06000200" + "03840000" + "06000300" + "006f0000"
    )  # fmt: skip


def test_a_tuple_without_ports() -> None:
    # as the kernel writes it: the generic tracker has no tuple_to_nlattr
    assert encode_tuple(1, ESP4).hex() == (
        "24000180" + "14000180" + "08000100" + "0a000102" + "08000200" + "0a000202"
        "0c000280" + "05000100" + "32000000"
    )  # fmt: skip


@pytest.mark.parametrize("value", [V4, V6, ESP4, ESP6])
def test_tuple_round_trip(value: Tuple) -> None:
    assert parse_tuple(parse(encode_tuple(1, value))[1]) == value


def test_entry() -> None:
    payload = (
        encode_tuple(conntrack.CTA_TUPLE_ORIG, V4)
        + encode_tuple(conntrack.CTA_TUPLE_REPLY, V4)
        + be32(conntrack.CTA_STATUS, 0x2008)
        + be32(conntrack.CTA_TIMEOUT, 29)
        + be32(conntrack.CTA_ID, 77)
        + be16(conntrack.CTA_ZONE, 5)
        + nest(conntrack.CTA_HELP, strz(1, "rpc"), attr(2, b"x" * 32))
        + attr(conntrack.CTA_LABELS, bytes(16))
        + encode_tuple(conntrack.CTA_TUPLE_MASTER, V6)
    )
    entry = parse_conntrack(payload)
    assert (entry.status, entry.timeout, entry.id, entry.zone) == (0x2008, 29, 77, 5)
    assert (entry.helper, entry.info, entry.master) == ("rpc", b"x" * 32, V6)
    event = conntrack.parse_event(payload)
    assert event == Conntrack(V4, V4, 0x2008, zone=5, master=V6)
    assert conntrack.parse_identity(payload) == (5, V4)


def test_requests_name_family_and_zone() -> None:
    (message,) = nfnl.split(conntrack.encode_get(V6, zone=3))
    assert (message.family, message.kind) == (10, 1)
    assert bytes(parse(message.payload)[conntrack.CTA_ZONE]) == b"\0\3"
    (message,) = nfnl.split(conntrack.encode_get(V4))
    assert list(parse(message.payload)) == [conntrack.CTA_TUPLE_ORIG]


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    for decode in (
        parse_tuple, parse_conntrack, conntrack.parse_event, conntrack.parse_identity, conntrack.parse_help,
    ):  # fmt: skip
        with contextlib.suppress(DecodeError):
            decode(data)


@given(st.data(), st.sampled_from([4, 16]))
def test_the_usual_form_of_a_tuple_reads_as_any_other(data: st.DataObject, size: int) -> None:
    address = st.binary(min_size=size, max_size=size)
    src, dst = data.draw(address), data.draw(address)
    number = st.integers(0, 65535)
    protocols = st.integers(0, 255).filter(has_ports)
    value = Tuple(src, dst, data.draw(protocols), data.draw(number), data.draw(number))
    encoded = bytearray(conntrack.encode_tuple(1, value)[4:])
    assert conntrack.parse_tuple(encoded) == value
    for at in range(len(encoded)):
        damaged = bytes(encoded[:at]) + b"\x03" + bytes(encoded[at + 1 :])
        assert outcome(conntrack.parse_tuple, damaged) == outcome(
            conntrack._parse_any_tuple, damaged
        )


def outcome(parse: Callable[[bytes], Tuple], data: bytes) -> Tuple | str:
    try:
        return parse(data)
    except DecodeError as error:
        return str(error)
