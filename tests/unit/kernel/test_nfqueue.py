from __future__ import annotations

from itertools import product
from struct import pack

from fwhelpers.kernel import conntrack, labels, nfnl, nfqueue
from fwhelpers.kernel.conntrack import Tuple, encode_tuple
from fwhelpers.kernel.expect import Expectation, mask_for, parse_expectation
from fwhelpers.kernel.nla import number, parse

T = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 17, 900, 111)


def test_bind_is_one_message() -> None:
    (only,) = nfnl.split(nfqueue.encode_bind(1000, flags=nfqueue.F_CONNTRACK | nfqueue.F_FAIL_OPEN))
    assert only.res_id == 1000
    parts = {k: bytes(v) for k, v in parse(only.payload).items()}
    assert parts[1] == b"\1\0\0\0"
    assert parts[2] == b"\0\0\xff\xff\2"
    assert number(parts[5]) == 3


def test_verdict_changes_only_what_is_given() -> None:
    (plain,) = nfnl.split(nfqueue.encode_verdict(1001, 42, nfqueue.ACCEPT))
    assert {k: bytes(v) for k, v in parse(plain.payload).items()} == {2: pack("!II", 1, 42)}
    done = labels.bits(labels.DONE)
    (full,) = nfnl.split(
        nfqueue.encode_verdict(
            1001, 42, nfqueue.ACCEPT, payload=b"new", info=("rpc", b"x" * 32), labels=(done, done),
            timeout=60, status=0x40E,
        )
    )  # fmt: skip
    parts = parse(full.payload)
    assert bytes(parts[10]) == b"new"
    changes = parse(parts[11])
    assert sorted(changes) == [3, 5, 7, 22, 23]
    assert bytes(changes[3]) == pack("!I", 0x40E)
    assert conntrack.parse_help(changes[5]) == ("rpc", b"x" * 32)


def test_expectation_needs_an_empty_conntrack_beside_it() -> None:
    expectation = Expectation(T, T, mask_for(T), helper="rpc", flags=1)
    (only,) = nfnl.split(nfqueue.encode_verdict(1, 42, nfqueue.REPEAT, expectation=expectation))
    parts = parse(only.payload)
    assert bytes(parts[11]) == b""
    parsed = parse_expectation(bytes(parts[15]) + encode_tuple(1, T))
    assert (parsed.tuple, parsed.helper, parsed.flags) == (T, "rpc", 1)


def test_batch() -> None:
    (only,) = nfnl.split(nfqueue.encode_batch(1001, 42))
    assert (only.kind, only.res_id) == (3, 1001)


def test_usual_verdicts_are_encoded_alike() -> None:
    encoder = nfqueue.VerdictEncoder(1001)
    assert encoder.batch(42) == nfqueue.encode_batch(1001, 42)
    sizes, timeouts, helpers = (32, 9, None), (None, 1, 86401), ("rpc", "fw-ftp", "rpc")
    for packet, (size, timeout, helper) in enumerate(product(sizes, timeouts, helpers), 42):
        info = None if size is None else bytes(range(packet, packet + size))
        expected = nfqueue.encode_verdict(
            1001,
            packet,
            nfqueue.ACCEPT,
            info=None if info is None else (helper, info),
            timeout=timeout,
        )
        assert encoder.accept(packet, helper, info, timeout) == expected
