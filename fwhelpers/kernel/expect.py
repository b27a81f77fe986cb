"""Expectations over ctnetlink and NFQUEUE (nfnetlink_conntrack.h: ctattr_expect)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import lru_cache

from fwhelpers.kernel import nfnl, transports
from fwhelpers.kernel.attribute_reader import AttributeReader
from fwhelpers.kernel.conntrack import (
    AF_INET,
    AF_INET6,
    Tuple,
    encode_new_tuple,
    encode_tuple,
    parse_tuple,
)
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
DESTROYED = 6

_MASTER, _TUPLE, _MASK, _TIMEOUT, _ID, _HELP_NAME, _ZONE, _FLAGS, _CLASS, _NAT, _FN = range(1, 12)
_NAT_DIR, _NAT_TUPLE = 1, 2

_all = AttributeReader(
    _MASTER, _TUPLE, _MASK, _CLASS, _FLAGS, _TIMEOUT, _HELP_NAME, _NAT, _FN, _ZONE, _ID
)
_identities = AttributeReader(_MASTER, _TUPLE, _MASK, _ZONE)


@dataclass(slots=True, init=False)
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

    # written out, as dataclass() would make one that is interpreted where this module is compiled
    def __init__(
        self,
        master: Tuple,
        tuple: Tuple,
        mask: Tuple,
        klass: int = 0,
        flags: int = 0,
        timeout: int = 0,
        helper: str = "",
        nat: Tuple | None = None,
        nat_dir: int = 0,
        fn: str = "",
        zone: int = 0,
        id: int = 0,
    ) -> None:
        self.master = master
        self.tuple = tuple
        self.mask = mask
        self.klass = klass
        self.flags = flags
        self.timeout = timeout
        self.helper = helper
        self.nat = nat
        self.nat_dir = nat_dir
        self.fn = fn
        self.zone = zone
        self.id = id


def mask_for(expected: Tuple, sport: int = 0, prefix: int | None = None) -> Tuple:
    """Return the mask for an exact source address, or for its first `prefix` bits.

    `sport`: the bits of the source port that must match too. The kernel never masks the
    destination (struct nf_conntrack_tuple_mask has a source only).
    """
    return _mask(len(expected.src), expected.l4, sport, prefix)


@lru_cache(256)
def _mask(size: int, l4: int, sport: int, prefix: int | None) -> Tuple:
    ones = b"\xff" * size
    source = ones if prefix is None else netmask(size, prefix)
    return Tuple(source, ones, l4, sport, 0xFFFF if transports.has_ports(l4) else 0)


def port_range(port: int, mask: int) -> str:
    """Return the source ports that an expectation accepts: 5353, or 512-1023 for a mask of the upper bits."""
    return str(port) if mask == 0xFFFF else f"{port & mask}-{port | mask ^ 0xFFFF}"


def netmask(size: int, prefix: int) -> bytes:
    """Return the netmask of a prefix length for addresses of `size` bytes."""
    bits = 8 * size
    return ((1 << bits) - (1 << (bits - prefix))).to_bytes(size, "big")


def encode_create(expectation: Expectation, excl: bool = True) -> bytes:
    """Encode a creation. Errors: EEXIST for an equal one with `excl`, EBUSY for an overlapping one."""
    flags = nfnl.CREATE | nfnl.ACK | (nfnl.EXCL if excl else 0)
    return _message(NEW, flags, _attributes(expectation), expectation)


def encode_renew(expectation: Expectation, seconds: int) -> bytes:
    """Encode that an equal one, of any master, ends after `seconds` from now (ctnetlink_change_expect()).

    Errors: ENOENT if there is none, ETIME if it ends now. The kernel reports no event.
    """
    zone = be16(_ZONE, expectation.zone) if expectation.zone else b""
    payload = (
        encode_tuple(_MASTER, expectation.master)
        + encode_tuple(_TUPLE, expectation.tuple)
        + encode_tuple(_MASK, expectation.mask)
        + be32(_TIMEOUT, seconds)
        + zone
    )
    return _message(NEW, nfnl.ACK, payload, expectation)


def encode_delete(expectation: Expectation) -> bytes:
    """Encode a deletion by tuple and, if it is known, by id: another one may have the tuple by now.

    Errors: ENOENT if there is none, or if its id differs.
    """
    own_id = be32(_ID, expectation.id) if expectation.id else b""
    return _message(DELETE, nfnl.ACK, _key(expectation) + own_id, expectation)


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
    master, expected, mask, klass, flags, timeout, helper, nat, fn, zone, own_id = _all.read(
        payload
    )
    if not (master and expected and mask):
        raise DecodeError("expectation without master, tuple or mask")
    translation = parse(nat)
    return Expectation(
        parse_tuple(master),
        parse_tuple(expected),
        parse_tuple(mask),
        number(klass),
        number(flags),
        number(timeout),
        text(helper),
        parse_tuple(translation[_NAT_TUPLE]) if _NAT_TUPLE in translation else None,
        number(translation.get(_NAT_DIR, b"")),
        text(fn),
        number(zone),
        number(own_id),
    )


def parse_identity(payload: Buffer) -> tuple[int, Tuple, Tuple, Tuple]:
    """Decode zone, tuple, mask and master alone. Raises DecodeError."""
    master, expected, mask, zone = _identities.read(payload)
    if not (master and expected and mask):
        raise DecodeError("expectation without master, tuple or mask")
    return number(zone), parse_tuple(expected), parse_tuple(mask), parse_tuple(master)


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
    ports = f" sport={value.sport} dport={value.dport}" if transports.has_ports(value.l4) else ""
    return f"{prefix}src={src} {prefix}dst={dst}{ports}"


def _message(kind: int, flags: int, payload: bytes, expectation: Expectation) -> bytes:
    family = AF_INET if len(expectation.tuple.src) == 4 else AF_INET6
    return nfnl.message(nfnl.CTNETLINK_EXP, kind, flags, payload, family=family)


def _key(expectation: Expectation) -> bytes:
    zone = be16(_ZONE, expectation.zone) if expectation.zone else b""
    return encode_tuple(_TUPLE, expectation.tuple) + zone


def _attributes(expectation: Expectation) -> bytes:
    zone = be16(_ZONE, expectation.zone) if expectation.zone else b""
    return encode_tuple(_MASTER, expectation.master) + _body(expectation) + zone


def _body(expectation: Expectation) -> bytes:
    e = expectation
    body = encode_new_tuple(_TUPLE, e.tuple) + _kind(e.mask, e.flags, e.klass)
    if e.nat is not None:
        body += nest(_NAT, be32(_NAT_DIR, e.nat_dir), encode_tuple(_NAT_TUPLE, e.nat))
    return body + (strz(_FN, e.fn) if e.fn else b"")


@lru_cache(64)
def _kind(mask: Tuple, flags: int, klass: int) -> bytes:
    """What expectations have in common."""
    return encode_tuple(_MASK, mask) + be32(_FLAGS, flags) + be32(_CLASS, klass)
