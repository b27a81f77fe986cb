"""Conntrack tuples and entries (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct, pack
from typing import NamedTuple

from fwhelpers.kernel import nfnl, transports
from fwhelpers.kernel.attribute_reader import AttributeReader
from fwhelpers.kernel.nla import (
    NESTED,
    Buffer,
    DecodeError,
    attr,
    be16,
    be32,
    nest,
    number,
    parse,
    text,
    walk,
)

AF_INET, AF_INET6 = 2, 10

# enum ip_conntrack_status
IPS_EXPECTED, IPS_SEEN_REPLY, IPS_CONFIRMED = 1, 2, 8
IPS_FIXED_TIMEOUT, IPS_HELPER = 0x400, 0x2000

# enum ctattr_type
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS = 1, 2, 3
CTA_PROTOINFO, CTA_HELP, CTA_TIMEOUT, CTA_MARK, CTA_ID = 4, 5, 7, 8, 12
CTA_TUPLE_MASTER, CTA_ZONE, CTA_LABELS, CTA_LABELS_MASK = 14, 18, 22, 23
CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY, CTA_STATUS_MASK = 15, 16, 26
CTA_HELP_NAME, CTA_HELP_INFO = 1, 2
CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE = 1, 1

TCP_ESTABLISHED = 3  # enum tcp_conntrack

_HEAD = Struct("=HH")
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_V4_SRC, _V4_DST, _V6_SRC, _V6_DST = 1, 2, 3, 4
_PROTO_NUM, _PROTO_SRC, _PROTO_DST = 1, 2, 3

# enum cntl_msg_types
NEW, _GET, DELETE = 0, 1, 2

#: multicast groups of the events: new, destroy
GROUPS = (1, 3)


class Tuple(NamedTuple):
    """One direction of a connection; addresses packed."""

    src: bytes
    dst: bytes
    l4: int  #: protocol number, see `kernel.transports`
    sport: int  #: 0 if the protocol has no ports, as `dport`
    dport: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return AF_INET if len(self.src) == 4 else AF_INET6


class SeqAdjustment(NamedTuple):
    """How conntrack moves sequence numbers of a direction (struct nf_ct_seqadj)."""

    position: int  #: segments that begin after it are moved by `after`, others by `before`
    before: int
    after: int


NO_ADJUSTMENT = SeqAdjustment(0, 0, 0)


def parse_seq_adjustment(payload: Buffer) -> SeqAdjustment:
    """Decode the payload of CTA_SEQ_ADJ_*. Raises DecodeError."""
    parts = parse(payload)
    position, before, after = (
        int.from_bytes(parts.get(kind, b""), "big", signed=kind > 1) for kind in (1, 2, 3)
    )
    return SeqAdjustment(position, before, after)


class _TupleForm:
    """The attributes of a tuple of one family, in the kernel's order: addresses, protocol, ports."""

    def __init__(self, size: int, src: int) -> None:
        # constant bytes before each value
        self._form = Struct(f"!8s{size}s4s{size}s8sB7sH6sH2x")
        self._values = Struct(f"!8x{size}s4x{size}s8xB7xH6xH2x")
        self._src = pack("=HHHH", 2 * size + 12, _TUPLE_IP | NESTED, size + 4, src)
        self._dst = pack("=HH", size + 4, src + 1)
        self._number = pack("=HHHH", 28, _TUPLE_PROTO | NESTED, 5, _PROTO_NUM)
        self._sport = pack("=3xHH", 6, _PROTO_SRC)
        self._dport = pack("=2xHH", 6, _PROTO_DST)
        ones = b"\xff" * size
        everything = self.encode(Tuple(ones, ones, 0xFF, 0xFFFF, 0xFFFF))
        nothing = self.encode(Tuple(bytes(size), bytes(size), 0, 0, 0))
        self._headers = int.from_bytes(nothing, "big")
        values = self._headers ^ int.from_bytes(everything, "big")
        padding = 0xFFFFFF << 128 | 0xFFFF << 64 | 0xFFFF  # after the protocol and each port
        self._mask = ((1 << 8 * len(nothing)) - 1) & ~values & ~padding
        self.size = len(nothing)

    def encode(self, value: Tuple) -> bytes:
        src, dst, l4, sport, dport = value
        return self._form.pack(
            self._src, src, self._dst, dst, self._number, l4, self._sport, sport, self._dport, dport
        )

    def decode(self, payload: bytes) -> Tuple | None:
        """Return the tuple, None if it has other attributes."""
        if int.from_bytes(payload, "big") & self._mask != self._headers:
            return None
        return Tuple(*self._values.unpack(payload))


_IPV4, _IPV6 = _TupleForm(4, _V4_SRC), _TupleForm(16, _V6_SRC)
_FORMS = {form.size: form for form in (_IPV4, _IPV6)}


def encode_new_tuple(kind: int, value: Tuple) -> bytes:
    """Encode a tuple as a nested attribute, one that is rarely encoded twice."""
    if not transports.has_ports(value.l4):
        return _encode_portless(kind, value)
    form = _IPV4 if len(value.src) == 4 else _IPV6
    return _HEAD.pack(form.size + 4, kind | NESTED) + form.encode(value)


@lru_cache(512)
def encode_tuple(kind: int, value: Tuple) -> bytes:
    """Encode a tuple as a nested attribute."""
    return encode_new_tuple(kind, value)


def _encode_portless(kind: int, value: Tuple) -> bytes:
    # the generic tracker reads and writes the protocol's number alone (no nlattr_to_tuple)
    source, destination = (_V4_SRC, _V4_DST) if len(value.src) == 4 else (_V6_SRC, _V6_DST)
    addresses = nest(_TUPLE_IP, attr(source, value.src), attr(destination, value.dst))
    return nest(kind, addresses, nest(_TUPLE_PROTO, attr(_PROTO_NUM, bytes([value.l4]))))


def parse_tuple(buffer: Buffer) -> Tuple:
    """Decode the payload of a tuple attribute; missing ports are 0. Raises DecodeError."""
    return _parse_tuple(bytes(buffer))


@lru_cache(512)
def _parse_tuple(payload: bytes) -> Tuple:
    form = _FORMS.get(len(payload))
    value = form.decode(payload) if form is not None else None
    return value or _parse_any_tuple(payload)


def _parse_any_tuple(buffer: Buffer) -> Tuple:
    parts = parse(buffer)
    if _TUPLE_IP not in parts or _TUPLE_PROTO not in parts:
        raise DecodeError("tuple without addresses or protocol")
    ip, proto = parse(parts[_TUPLE_IP]), parse(parts[_TUPLE_PROTO])
    src = bytes(ip.get(_V4_SRC) or ip.get(_V6_SRC) or b"")
    dst = bytes(ip.get(_V4_DST) or ip.get(_V6_DST) or b"")
    if len(src) != len(dst) or len(src) not in (4, 16):
        raise DecodeError("tuple without a pair of addresses")
    empty = memoryview(b"")
    return Tuple(
        src,
        dst,
        number(proto.get(_PROTO_NUM, empty)),
        number(proto.get(_PROTO_SRC, empty)),
        number(proto.get(_PROTO_DST, empty)),
    )


@dataclass(frozen=True, slots=True)
class Conntrack:
    """An entry of the connection table."""

    orig: Tuple
    reply: Tuple
    status: int = 0
    timeout: int = 0
    mark: int = 0
    id: int = 0
    zone: int = 0
    helper: str = ""
    info: bytes = b""
    labels: bytes = b""
    master: Tuple | None = None


def parse_conntrack(payload: Buffer) -> Conntrack:
    """Decode a message's or an NFQA_CT's payload. Raises DecodeError."""
    parts = parse(payload)
    if CTA_TUPLE_ORIG not in parts or CTA_TUPLE_REPLY not in parts:
        raise DecodeError("conntrack without tuples")
    empty = memoryview(b"")
    name, info = parse_help(parts.get(CTA_HELP, empty))
    return Conntrack(
        parse_tuple(parts[CTA_TUPLE_ORIG]),
        parse_tuple(parts[CTA_TUPLE_REPLY]),
        number(parts.get(CTA_STATUS, empty)),
        number(parts.get(CTA_TIMEOUT, empty)),
        number(parts.get(CTA_MARK, empty)),
        number(parts.get(CTA_ID, empty)),
        number(parts.get(CTA_ZONE, empty)),
        name,
        info,
        bytes(parts.get(CTA_LABELS, empty)),
        parse_tuple(parts[CTA_TUPLE_MASTER]) if CTA_TUPLE_MASTER in parts else None,
    )


_events = AttributeReader(CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS, CTA_ZONE, CTA_TUPLE_MASTER)
_identities = AttributeReader(CTA_TUPLE_ORIG, CTA_ZONE)


def parse_event(payload: Buffer) -> Conntrack:
    """Decode the tuples, status, zone and master of an entry, and nothing else. Raises DecodeError."""
    orig, reply, status, zone, master = _events.read(payload)
    if not (orig and reply):
        raise DecodeError("conntrack without tuples")
    return Conntrack(
        parse_tuple(orig),
        parse_tuple(reply),
        number(status),
        zone=number(zone),
        master=parse_tuple(master) if master else None,
    )


def parse_identity(payload: Buffer) -> tuple[int, Tuple]:
    """Decode zone and original direction alone. Raises DecodeError."""
    orig, zone = _identities.read(payload)
    if not orig:
        raise DecodeError("conntrack without tuples")
    return number(zone), parse_tuple(orig)


def parse_tcp_state(payload: Buffer) -> int:
    """Return the state of an entry (enum tcp_conntrack); 0 if it is not of TCP. Raises DecodeError."""
    for kind, start, end in walk(payload):
        if kind == CTA_PROTOINFO:
            tcp = parse(payload[start:end]).get(CTA_PROTOINFO_TCP, b"")
            return number(parse(tcp).get(CTA_PROTOINFO_TCP_STATE, b""))
    return 0


def parse_help(payload: Buffer) -> tuple[str, bytes]:
    """Return the helper's name and private data. Raises DecodeError."""
    name, info = "", b""
    for kind, start, end in walk(payload):
        if kind == CTA_HELP_NAME:
            name = text(payload[start:end])
        elif kind == CTA_HELP_INFO:
            info = bytes(payload[start:end])
    return name, info


def encode_dump(family: int = 0) -> bytes:
    """Encode a dump of all entries (family 0: both)."""
    return nfnl.message(nfnl.CTNETLINK, _GET, nfnl.DUMP, family=family)


def encode_dump_expected() -> bytes:
    """Encode a dump of the entries that have a master.

    A kernel that does not know the filter (ctnetlink_filter_parse_status()) answers with all entries.
    """
    payload = be32(CTA_STATUS, IPS_EXPECTED) + be32(CTA_STATUS_MASK, IPS_EXPECTED)
    return nfnl.message(nfnl.CTNETLINK, _GET, nfnl.DUMP, payload)


def encode_lifetime(orig: Tuple, zone: int, seconds: int) -> bytes:
    """Encode a request that sets the remaining lifetime of an entry."""
    payload = encode_new_tuple(CTA_TUPLE_ORIG, orig) + be32(CTA_TIMEOUT, seconds)
    payload += be16(CTA_ZONE, zone) if zone else b""
    return nfnl.message(nfnl.CTNETLINK, NEW, nfnl.ACK, payload, family=orig.family)


def encode_get(orig: Tuple, zone: int = 0) -> bytes:
    """Encode a request for one entry."""
    payload = encode_tuple(CTA_TUPLE_ORIG, orig) + (be16(CTA_ZONE, zone) if zone else b"")
    return nfnl.message(nfnl.CTNETLINK, _GET, nfnl.ACK, payload, family=orig.family)
