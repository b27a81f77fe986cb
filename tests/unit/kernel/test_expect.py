from __future__ import annotations

import contextlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import (
    Expectation,
    format_line,
    mask_for,
    parse_expectation,
    port_range,
)
from fwhelpers.kernel.nla import DecodeError, nest, parse, strz

C, S = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(C, S, 6, 53404, 111)
DATA = Tuple(C, S, 6, 0, 2049)
NFS = Expectation(MASTER, DATA, mask_for(DATA), flags=expect.PERMANENT, timeout=300, helper="rpc")


def payload(message: bytes) -> memoryview:
    (only,) = nfnl.split(message)
    return only.payload


def test_line_is_that_of_conntrack() -> None:
    assert format_line(NFS) == (
        "300 proto=6 src=10.0.1.2 dst=10.0.2.2 sport=0 dport=2049 mask-src=255.255.255.255 "
        "mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.1.2 master-dst=10.0.2.2 "
        "sport=53404 dport=111 PERMANENT class=0 helper=rpc"
    )


def test_mask_leaves_the_source_port_open_unless_told() -> None:
    assert mask_for(DATA) == Tuple(b"\xff" * 4, b"\xff" * 4, 6, 0, 0xFFFF)
    assert mask_for(DATA, sport=0xFE00).sport == 0xFE00
    assert port_range(512, 0xFE00) == "512-1023"
    assert port_range(5353, 0xFFFF) == "5353"


def test_create_carries_nat_function_class_and_zone() -> None:
    saved = Tuple(S, bytes(4), 6, 3000, 0)
    expectation = replace(
        NFS, nat=saved, nat_dir=1, fn="nat-follow-master", klass=2, zone=7, timeout=0, helper=""
    )
    assert parse_expectation(payload(expect.encode_create(expectation))) == expectation


def test_create_is_exclusive_if_it_is_to_be() -> None:
    for excl in (True, False):
        (create,) = nfnl.split(expect.encode_create(NFS, excl))
        assert create.flags & nfnl.CREATE
        assert bool(create.flags & nfnl.EXCL) == excl


def test_renew_creates_nothing_and_states_the_lifetime() -> None:
    (message,) = nfnl.split(expect.encode_renew(replace(NFS, zone=7), 120))
    assert (message.kind, message.flags & (nfnl.CREATE | nfnl.EXCL)) == (expect.NEW, 0)
    renewed = parse_expectation(message.payload)
    assert (renewed.tuple, renewed.zone, renewed.timeout) == (DATA, 7, 120)


def test_delete_and_get_name_the_tuple_only() -> None:
    for message in (expect.encode_delete(NFS), expect.encode_get(NFS)):
        assert list(parse(payload(message))) == [2]


def test_a_deletion_names_the_id_if_it_is_known() -> None:
    message = expect.encode_delete(replace(NFS, id=7))
    assert parse(payload(message))[5] == (7).to_bytes(4, "big")


def test_child_helper_goes_with_the_queue_attribute_only() -> None:
    assert strz(6, "rpc") in expect.queue_attributes(NFS)
    assert strz(6, "rpc") not in expect.encode_create(NFS)
    assert parse(nest(15, expect.queue_attributes(NFS)))


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        format_line(parse_expectation(data))


def test_an_expectation_without_ports() -> None:
    esp = Tuple(C, S, 50, 0, 0)
    expectation = Expectation(MASTER, esp, mask_for(esp), flags=expect.PERMANENT)
    assert mask_for(esp) == Tuple(b"\xff" * 4, b"\xff" * 4, 50, 0, 0)
    assert parse_expectation(payload(expect.encode_create(expectation))) == expectation
    # libnetfilter_conntrack prints ports for the protocols that have some
    assert format_line(expectation).startswith(
        "0 proto=50 src=10.0.1.2 dst=10.0.2.2 mask-src=255.255.255.255 mask-dst=255.255.255.255 master-src="
    )
