"""The kernel's events of expectations and connections, matched by the bytes of the messages.

A busy gateway has thousands of these a second, and often nobody needs the details. An expectation and the connections
that use it are found by parts of the messages, as the kernel writes all tuples in one form (`conntrack.encode_tuple`);
tuples in another form are converted. The rest of a message is decoded on request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.attribute_reader import AttributeReader
from fwhelpers.kernel.conntrack import (
    CTA_STATUS,
    CTA_TUPLE_MASTER,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    Conntrack,
    Tuple,
    encode_tuple,
    parse_tuple,
)
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nla import Buffer, DecodeError, be16, be32, number, strz, text

_MASTER, _TUPLE, _MASK, _TIMEOUT, _ID, _HELP_NAME, _ZONE = range(1, 8)  # enum ctattr_expect
_IPV4 = 32, 48  #: sizes of a tuple's attributes, without and with ports
#: first byte of the source port, by the size of a tuple with ports, IPv4 and IPv6. No slices: mypyc 2.4 takes
#: a slice from a variable for a number
_SOURCE_PORTS = {48: 36, 72: 60}
_NO_ZONE = _NO_PORT = b"\0\0"


def usual_form(payload: bytes) -> bytes:
    """Return a tuple's attributes in the order and with the padding that the kernel writes. Raises DecodeError."""
    value = parse_tuple(payload)
    if value.l4 > 0xFF or max(value.sport, value.dport) > 0xFFFF:
        raise DecodeError("a tuple's number is out of range")
    return tuple_bytes(value)


def tuple_bytes(value: Tuple) -> bytes:
    """Return a tuple's attributes, as messages have them."""
    return encode_tuple(1, value)[4:]


def connection_bytes(zone: int, orig: Tuple) -> bytes:
    """Return the identity of a connection: its zone and original direction."""
    return zone.to_bytes(2, "big") + tuple_bytes(orig)


class ExpectationBytes(NamedTuple):
    """What `engine.expectation_key.ExpectationId` is for decoded expectations."""

    key: bytes  #: zone, tuple and mask
    master: bytes  #: zone and original direction, as `connection_bytes`


def expectation_bytes(expectation: Expectation) -> ExpectationBytes:
    """Return the identity of a decoded expectation."""
    e = expectation
    return identity_bytes(e.zone, e.tuple, e.mask, e.master)


def identity_bytes(zone: int, expected: Tuple, mask: Tuple, master: Tuple) -> ExpectationBytes:
    """Return the identity of an expectation."""
    key = _key(zone.to_bytes(2, "big"), tuple_bytes(expected), tuple_bytes(mask))
    return ExpectationBytes(key, connection_bytes(zone, master))


def _key(zone: bytes, expected: bytes, mask: bytes) -> bytes:
    """Return the key without the source port that a translated expectation carries (`nat.Plan.carries`)."""
    at = _SOURCE_PORTS.get(len(expected))
    if at is not None and mask[at : at + 2] == _NO_PORT != expected[at : at + 2]:
        expected = expected[:at] + _NO_PORT + expected[at + 2 :]
    return zone + expected + mask


def _destination(master: bytes, payload: bytes) -> bytes:
    """Return master, destination, protocol and destination port of a tuple in the usual form."""
    if len(payload) in _IPV4:
        return master + payload[12:32] + payload[40:]
    return master + payload[24:56] + payload[64:]


class RawExpectation(NamedTuple):
    """An event's expectation."""

    identity: ExpectationBytes
    #: equal for the expectation and for connections that may be the expected one, but for their source
    destination: bytes
    timeout: int  #: seconds
    helper: str  #: the master's
    id: int
    payload: bytes

    def decode(self) -> Expectation:
        """Return all of it."""
        return expect.parse_expectation(self.payload)

    @staticmethod
    def of(expectation: Expectation) -> RawExpectation:
        """Return an expectation as an event has it."""
        payload = expect.encode_create(expectation)[nfnl.SIZE :]
        own = be32(_TIMEOUT, expectation.timeout) + be32(_ID, expectation.id)
        return read_expectation(payload + own + strz(_HELP_NAME, expectation.helper))


class RawConnection(NamedTuple):
    """An event's connection."""

    identity: bytes  #: as `connection_bytes`
    destination: bytes  #: as RawExpectation's; empty if it was not expected
    status: int  #: IPS_*
    payload: bytes

    def decode(self) -> Conntrack:
        """Return what `conntrack.parse_event` does."""
        return conntrack.parse_event(self.payload)

    @staticmethod
    def of(connection: Conntrack) -> RawConnection:
        """Return a connection as an event has it."""
        c = connection
        payload = encode_tuple(CTA_TUPLE_ORIG, c.orig) + encode_tuple(CTA_TUPLE_REPLY, c.reply)
        zone = be16(CTA_ZONE, c.zone) if c.zone else b""
        master = encode_tuple(CTA_TUPLE_MASTER, c.master) if c.master else b""
        return read_connection(payload + be32(CTA_STATUS, c.status) + zone + master)


def is_expected(connection: RawConnection, expectation: RawExpectation) -> bool:
    """Return whether a connection of the same `destination` is the expected one (nf_ct_tuple_mask_cmp)."""
    key = expectation.identity.key
    size = (len(key) - 2) // 2
    if not _is_exact(key[2 + size :]):
        return _is_masked(connection.decode().orig, expectation.decode())
    end = 14 if size in _IPV4 else 26
    return key[10:end] == connection.identity[10:end]


@lru_cache(64)
def _is_exact(mask: bytes) -> bool:
    """Return whether a mask stands for one source address and any port."""
    value = parse_tuple(mask)
    return value.sport == 0 and value.src.count(0xFF) == len(value.src)


def _is_masked(orig: Tuple, expectation: Expectation) -> bool:
    expected, mask = expectation.tuple, expectation.mask
    bits = int.from_bytes(mask.src, "big")
    differences = int.from_bytes(orig.src, "big") ^ int.from_bytes(expected.src, "big")
    return differences & bits == 0 and (orig.sport ^ expected.sport) & mask.sport == 0


_TUPLES = dict.fromkeys((_MASTER, _TUPLE, _MASK), usual_form)
_expectations = AttributeReader(
    _MASTER, _TUPLE, _MASK, _TIMEOUT, _HELP_NAME, _ZONE, _ID,
    nested=_TUPLES,
)  # fmt: skip
_ENDS = dict.fromkeys((CTA_TUPLE_ORIG, CTA_TUPLE_MASTER), usual_form)
_connections = AttributeReader(CTA_TUPLE_ORIG, CTA_TUPLE_MASTER, CTA_STATUS, CTA_ZONE, nested=_ENDS)
_ended = AttributeReader(CTA_TUPLE_ORIG, CTA_ZONE, nested=_ENDS)
_name = lru_cache(64)(text)


def read_expectation(payload: Buffer) -> RawExpectation:
    """Read the event of a new or an ended expectation. Raises DecodeError."""
    message = bytes(payload)
    master, expected, mask, timeout, helper, zone, own_id = _expectations.read(message)
    if not (master and expected and mask):
        raise DecodeError("expectation without master, tuple or mask")
    zone = zone or _NO_ZONE
    owner = zone + master
    return RawExpectation(
        ExpectationBytes(_key(zone, expected, mask), owner),
        _destination(owner, expected),
        number(timeout),
        _name(helper),
        number(own_id),
        message,
    )


def read_connection(payload: Buffer) -> RawConnection:
    """Read the event of a new connection. Raises DecodeError."""
    message = bytes(payload)
    orig, master, status, zone = _connections.read(message)
    if not orig:
        raise DecodeError("conntrack without tuples")
    zone = zone or _NO_ZONE
    destination = _destination(zone + master, orig) if master else b""
    return RawConnection(zone + orig, destination, number(status), message)


def read_connection_end(payload: Buffer) -> bytes:
    """Return the identity of the connection that an event says has ended. Raises DecodeError."""
    orig, zone = _ended.read(payload)
    if not orig:
        raise DecodeError("conntrack without tuples")
    return (zone or _NO_ZONE) + orig
