"""Expectations over ctnetlink and NFQUEUE (nfnetlink_conntrack.h: ctattr_expect)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import lru_cache

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import Tuple, encode_tuple, parse_tuple
from fwhelpers.kernel.nla import (
    Buffer,
    DecodeError,
    be16,
    be32,
    nest,
    number,
    parse,
    strz,
    text,
)

PERMANENT, INACTIVE, USERSPACE = 1, 2, 4

NEW, GET, DELETE = 0, 1, 2

#: multicast groups of the events: new, update, destroy
GROUPS = (4, 5, 6)

_MASTER, _TUPLE, _MASK, _TIMEOUT, _ID, _HELP_NAME, _ZONE, _FLAGS, _CLASS, _NAT, _FN = range(1, 12)
_NAT_DIR, _NAT_TUPLE = 1, 2


@dataclass(slots=True)
class Expectation:
    """An expectation of the kernel."""

    master: Tuple  #: original direction of the control connection
    tuple: Tuple
    mask: Tuple
    klass: int = 0
    flags: int = 0
    timeout: int = 0  #: seconds; on creation the kernel uses the policy's
    helper: str = ""  #: helper of the expected connection; in dumps: the master's
    nat: Tuple | None = None  #: translated destination, as source address and port
    nat_dir: int = 0
    fn: str = ""
    zone: int = 0
    id: int = 0


def mask_for(expected: Tuple, sport: bool = False, prefix: int | None = None) -> Tuple:
    """Return the mask for an exact source address, or for its first `prefix` bits.

    `sport`: the source port must match too. The kernel never masks the destination (struct nf_conntrack_tuple_mask
    has a source only).
    """
    return _mask(len(expected.src), expected.l4, sport, prefix)


@lru_cache(256)
def _mask(size: int, l4: int, sport: bool, prefix: int | None) -> Tuple:
    ones = b"\xff" * size
    source = ones if prefix is None else netmask(size, prefix)
    return Tuple(source, ones, l4, 0xFFFF if sport else 0, 0xFFFF)


def netmask(size: int, prefix: int) -> bytes:
    """Return the netmask of a prefix length for addresses of `size` bytes."""
    bits = 8 * size
    return ((1 << bits) - (1 << (bits - prefix))).to_bytes(size, "big")


def encode_create(expectation: Expectation, excl: bool = True) -> bytes:
    """Encode a creation. Errors: EEXIST for an equal one with `excl`, EBUSY for an overlapping one."""
    flags = nfnl.CREATE | nfnl.ACK | (nfnl.EXCL if excl else 0)
    return _message(NEW, flags, _attributes(expectation), expectation)


def encode_delete(expectation: Expectation) -> bytes:
    """Encode a deletion by tuple."""
    return _message(DELETE, nfnl.ACK, _key(expectation), expectation)


def encode_get(expectation: Expectation) -> bytes:
    """Encode a request by tuple."""
    return _message(GET, nfnl.ACK, _key(expectation), expectation)


def encode_dump() -> bytes:
    """Encode a dump."""
    return nfnl.message(nfnl.CTNETLINK_EXP, GET, nfnl.DUMP)


def queue_attributes(expectation: Expectation) -> bytes:
    """Encode the payload of NFQA_EXP (nfnetlink_queue takes master and zone from the packet)."""
    child = strz(_HELP_NAME, expectation.helper) if expectation.helper else b""
    return _body(expectation) + child


def parse_expectation(payload: Buffer) -> Expectation:
    """Decode a message's payload. Raises DecodeError."""
    parts = parse(payload)
    if not {_MASTER, _TUPLE, _MASK} <= parts.keys():
        raise DecodeError("expectation without master, tuple or mask")
    empty = memoryview(b"")
    nat = parse(parts[_NAT]) if _NAT in parts else {}
    return Expectation(
        parse_tuple(parts[_MASTER]),
        parse_tuple(parts[_TUPLE]),
        parse_tuple(parts[_MASK]),
        number(parts.get(_CLASS, empty)),
        number(parts.get(_FLAGS, empty)),
        number(parts.get(_TIMEOUT, empty)),
        text(parts.get(_HELP_NAME, empty)),
        parse_tuple(nat[_NAT_TUPLE]) if _NAT_TUPLE in nat else None,
        number(nat.get(_NAT_DIR, empty)),
        text(parts.get(_FN, empty)),
        number(parts.get(_ZONE, empty)),
        number(parts.get(_ID, empty)),
    )


def format_line(expectation: Expectation) -> str:
    """Format as a line of `conntrack -E expect` (libnetfilter_conntrack: snprintf_expect)."""
    e = expectation
    words = [
        f"{e.timeout} proto={e.tuple.l4}",
        _ends(e.tuple, ""),
        _ends(e.mask, "mask-"),
        _ends(e.master, "master-"),
    ]
    if e.zone:
        words.append(f"zone={e.zone}")
    flags = [
        n for bit, n in enumerate(("PERMANENT", "INACTIVE", "USERSPACE")) if e.flags >> bit & 1
    ]
    words += [",".join(flags)] if flags else []
    words.append(f"class={e.klass}")
    if e.helper:
        words.append(f"helper={e.helper}")
    return " ".join(words)


def _ends(value: Tuple, prefix: str) -> str:
    src, dst = (socket.inet_ntop(value.family, a) for a in (value.src, value.dst))
    return f"{prefix}src={src} {prefix}dst={dst} sport={value.sport} dport={value.dport}"


def _message(kind: int, flags: int, payload: bytes, expectation: Expectation) -> bytes:
    family = expectation.tuple.family
    return nfnl.message(nfnl.CTNETLINK_EXP, kind, flags, payload, family=family)


def _key(expectation: Expectation) -> bytes:
    zone = be16(_ZONE, expectation.zone) if expectation.zone else b""
    return encode_tuple(_TUPLE, expectation.tuple) + zone


def _attributes(expectation: Expectation) -> bytes:
    zone = be16(_ZONE, expectation.zone) if expectation.zone else b""
    return encode_tuple(_MASTER, expectation.master) + _body(expectation) + zone


def _body(expectation: Expectation) -> bytes:
    body = (
        encode_tuple(_TUPLE, expectation.tuple)
        + encode_tuple(_MASK, expectation.mask)
        + be32(_FLAGS, expectation.flags)
        + be32(_CLASS, expectation.klass)
    )
    if expectation.nat is not None:
        body += nest(
            _NAT, be32(_NAT_DIR, expectation.nat_dir), encode_tuple(_NAT_TUPLE, expectation.nat)
        )
    return body + (strz(_FN, expectation.fn) if expectation.fn else b"")
