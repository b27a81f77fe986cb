"""Events matched by their bytes: the same as by what they mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.expectation_key import key_of
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Conntrack, Tuple, encode_tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nla import DecodeError, attr, be16, be32, nest, strz
from fwhelpers.kernel.raw_events import (
    RawConnection,
    RawExpectation,
    connection_bytes,
    expectation_bytes,
    identity_bytes,
    is_expected,
    read_connection,
    read_connection_end,
    read_expectation,
)

CLIENT, SERVER, OTHER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), bytes([10, 0, 1, 3])
CLIENT6, SERVER6, OTHER6 = (bytes([0x20, 1]) + bytes(13) + bytes([n]) for n in (1, 2, 3))
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
MASTER6 = Tuple(CLIENT6, SERVER6, 6, 40000, 21)
TCP, UDP, ESP = 6, 17, 50


def expectation(
    l4: int = TCP, zone: int = 0, sport: int = 0, prefix: int | None = None
) -> Expectation:
    port = 0 if l4 == ESP else 2000
    expected = Tuple(CLIENT, SERVER, l4, sport, port)
    mask = mask_for(expected, 0xFFFF if sport else 0, prefix)
    return Expectation(MASTER, expected, mask, 1, 1, 60, "fw-ftp", zone=zone, id=7)


def expectation6(l4: int = TCP) -> Expectation:
    expected = Tuple(CLIENT6, SERVER6, l4, 0, 0 if l4 == ESP else 2000)
    return Expectation(MASTER6, expected, mask_for(expected), 1, 1, 60, "fw-ftp", id=7)


def connection(orig: Tuple, master: Tuple | None = MASTER, zone: int = 0) -> RawConnection:
    reply = Tuple(orig.dst, orig.src, orig.l4, orig.dport, orig.sport)
    return RawConnection.of(Conntrack(orig, reply, 9, zone=zone, master=master))


@pytest.mark.parametrize(
    "value",
    [expectation(), expectation(UDP, 5), expectation(ESP), expectation6(), expectation6(ESP)],
)
def test_an_expectation_is_decoded_on_request(value: Expectation) -> None:
    for _ in range(2):  # the second time by its layout
        raw = RawExpectation.of(value)
        assert raw.decode() == value
        assert (raw.timeout, raw.helper, raw.id) == (60, "fw-ftp", 7)
        assert raw.identity == expectation_bytes(value)


@pytest.mark.parametrize(("value", "master"), [(expectation(), MASTER), (expectation6(), MASTER6)])
def test_a_connection_leads_to_its_expectation(value: Expectation, master: Tuple) -> None:
    orig = value.tuple._replace(sport=5)
    new = connection(orig, master)
    assert new.destination == RawExpectation.of(value).destination
    assert new.identity == connection_bytes(0, orig) == read_connection_end(new.payload)
    assert (new.decode().orig, new.decode().master) == (orig, master)
    for other in (orig._replace(dport=1), orig._replace(dst=orig.src), orig._replace(l4=UDP)):
        assert connection(other, master).destination != new.destination
    assert connection(orig, master._replace(sport=1)).destination != new.destination
    assert connection(orig, master, zone=1).destination != new.destination
    assert connection(orig, None).destination == b""


@pytest.mark.parametrize(
    ("value", "source", "sport", "is_match"),
    [
        (expectation(), CLIENT, 5, True),
        (expectation(), OTHER, 5, False),
        (expectation(sport=5353), CLIENT, 5353, True),
        (expectation(sport=5353), CLIENT, 5, False),
        (expectation(prefix=24), OTHER, 5, True),
        (expectation(prefix=24), SERVER, 5, False),
        (expectation(prefix=0), SERVER, 5, True),
        (expectation(ESP), CLIENT, 0, True),
        (expectation(ESP), OTHER, 0, False),
        (expectation6(), CLIENT6, 5, True),
        (expectation6(), OTHER6, 5, False),
    ],
)
def test_a_connection_fits_by_source_and_mask(
    value: Expectation, source: bytes, sport: int, is_match: bool
) -> None:
    new = connection(value.tuple._replace(src=source, sport=sport), value.master)
    assert new.destination == RawExpectation.of(value).destination
    assert is_expected(new, RawExpectation.of(value)) == is_match


def test_another_order_of_attributes_is_brought_into_the_usual_one() -> None:
    def reversed_tuple(kind: int, value: Tuple) -> bytes:
        ports = attr(3, value.dport.to_bytes(2, "big")), attr(2, value.sport.to_bytes(2, "big"))
        protocol = nest(2, *ports, attr(1, bytes([value.l4])))
        return nest(kind, protocol, nest(1, attr(2, value.dst), attr(1, value.src)))

    value = expectation()
    message = (
        strz(6, "fw-ftp") + be32(5, 7) + be32(4, 60) + reversed_tuple(2, value.tuple)
        + reversed_tuple(3, value.mask) + reversed_tuple(1, MASTER)
    )  # fmt: skip
    assert len(message) == len(RawExpectation.of(value).payload) - 16  # without flags and class
    for _ in range(2):
        assert read_expectation(message).identity == expectation_bytes(value)
    orig = value.tuple._replace(sport=5)
    swapped = reversed_tuple(1, orig) + be32(3, 9) + reversed_tuple(14, MASTER)
    for payload in (swapped, connection(orig).payload, swapped):
        assert read_connection(payload).identity == connection_bytes(0, orig)
        assert read_connection(payload).destination == connection(orig).destination


def test_messages_without_tuples_are_refused() -> None:
    whole = RawExpectation.of(expectation()).payload
    tuples = [encode_tuple(kind, MASTER) for kind in (1, 2, 3)]
    for number in range(3):
        with pytest.raises(DecodeError):
            read_expectation(b"".join(tuples[:number] + tuples[number + 1 :]))
    for read in (read_connection, read_connection_end):
        with pytest.raises(DecodeError):
            read(be16(18, 1))
    with pytest.raises(DecodeError):
        read_expectation(whole[:30])


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(0, 255))
def test_nothing_but_decode_errors(rest: bytes, at: int, value: int) -> None:
    changed = bytearray(RawExpectation.of(expectation()).payload)
    changed[at % len(changed)] = value
    for payload in (rest, bytes(changed), nfnl.message(2, 0, 0, rest)):
        for read in (read_expectation, read_connection, read_connection_end):
            try:
                read(payload)
            except DecodeError:
                continue


@given(st.binary(min_size=4, max_size=4), st.integers(0, 65535), st.integers(0, 65535))
def test_the_key_is_that_of_the_decoded_expectation(src: bytes, sport: int, dport: int) -> None:
    expected = Tuple(src, SERVER, UDP, sport, dport)
    value = Expectation(MASTER, expected, mask_for(expected), timeout=9, helper="x")
    payload = expect.encode_create(value)[nfnl.SIZE :] + strz(6, "x") + be32(4, 9)
    raw = read_expectation(payload)
    assert raw.identity == expectation_bytes(expect.parse_expectation(payload))
    assert raw.decode() == value


@pytest.mark.parametrize("value", [expectation(), expectation6(UDP)])
def test_a_port_that_is_carried_is_no_part_of_the_identity(value: Expectation) -> None:
    """Behind NAT the source port has the announced port, and no bit of it counts (decision 0127)."""
    carrying = replace(value, tuple=value.tuple._replace(sport=5000))
    for _ in range(2):  # the second time by its layout
        raw = RawExpectation.of(carrying)
        assert raw.identity == expectation_bytes(value) == expectation_bytes(carrying)
        assert raw.decode() == carrying
    key = key_of(carrying)
    assert raw.identity == identity_bytes(*key, carrying.master)


def test_a_port_that_counts_is_part_of_the_identity() -> None:
    first, second = expectation(sport=5000), expectation(sport=5001)
    assert expectation_bytes(first) != expectation_bytes(second)
    assert RawExpectation.of(first).identity == expectation_bytes(first)
