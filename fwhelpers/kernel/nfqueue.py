"""NFQUEUE: packets with their conntrack entry, and verdicts (linux/netfilter/nfnetlink_queue.h).

This is the per-packet path: attributes are decoded on access.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, pack

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_INFO,
    CTA_HELP_NAME,
    CTA_ID,
    CTA_LABELS,
    CTA_LABELS_MASK,
    CTA_MARK,
    CTA_SEQ_ADJ_ORIG,
    CTA_SEQ_ADJ_REPLY,
    CTA_STATUS,
    CTA_TIMEOUT,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    IPS_CONFIRMED,
    SeqAdjustment,
    Tuple,
    parse_help,
    parse_seq_adjustment,
    parse_tuple,
)
from fwhelpers.kernel.expect import Expectation, queue_attributes
from fwhelpers.kernel.nla import DecodeError, attr, be32, nest, strz

DROP, ACCEPT, REPEAT = 0, 1, 4

F_FAIL_OPEN, F_CONNTRACK, F_GSO, F_UID_GID, F_SECCTX = 1, 2, 4, 8, 16
_ALL_FLAGS = 31

_PACKET, _VERDICT, _CONFIG, _VERDICT_BATCH = 0, 1, 2, 3

_PACKET_HDR, _VERDICT_HDR, _INDEV, _OUTDEV = 1, 2, 5, 6
_PAYLOAD, _CT, _CT_INFO, _EXP = 10, 11, 12, 15

_CFG_CMD, _CFG_PARAMS, _CFG_MAXLEN, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND = 1
_COPY_PACKET = 2

#: enum nf_inet_hooks
LOCAL_IN, FORWARD, LOCAL_OUT, POST_ROUTING = 1, 2, 3, 4

_ATTR = Struct("=HH")
_U32 = Struct("!I")
_HDR = Struct("!IHB")

_NO_TUPLE = Tuple(bytes(4), bytes(4), 0, 0, 0)


def encode_bind(
    queue: int, *, maxlen: int = 4096, flags: int = F_CONNTRACK | F_FAIL_OPEN, copy: int = 0xFFFF
) -> bytes:
    """Bind a queue and set its parameters in one message: packets in between two would be dropped, not bypassed."""
    payload = attr(_CFG_CMD, pack("!BBH", _BIND, 0, 0)) + _parameters(maxlen, flags, copy)
    return nfnl.message(nfnl.QUEUE, _CONFIG, nfnl.ACK, payload, res_id=queue)


def encode_parameters(
    queue: int, *, maxlen: int = 4096, flags: int = F_CONNTRACK | F_FAIL_OPEN, copy: int = 0xFFFF
) -> bytes:
    """Set the parameters of a bound queue. Not acknowledged, as packets may arrive before the answer."""
    return nfnl.message(nfnl.QUEUE, _CONFIG, 0, _parameters(maxlen, flags, copy), res_id=queue)


def _parameters(maxlen: int, flags: int, copy: int) -> bytes:
    return (
        attr(_CFG_PARAMS, pack("!IB", copy, _COPY_PACKET))
        + be32(_CFG_MAXLEN, maxlen)
        + be32(_CFG_MASK, _ALL_FLAGS)
        + be32(_CFG_FLAGS, flags)
    )


class Packet:
    """A queued packet. Without a conntrack entry its id is 0, its helper and tuples are empty."""

    __slots__ = ("_at", "_buffer", "_ct", "hook", "hw_protocol", "id", "queue")

    def __init__(self, buffer: memoryview, queue: int, number: int) -> None:
        self._buffer = buffer
        self._at: dict[int, tuple[int, int]] = {}
        self._ct: dict[int, tuple[int, int]] | None = None
        self.queue = queue
        self.id = number  #: for the verdict
        self.hw_protocol = 0
        self.hook = 0  #: hook in which it was queued: LOCAL_IN …

    def _u32(self, kind: int) -> int:
        at = self._at.get(kind)
        return _U32.unpack_from(self._buffer, at[0])[0] if at and at[1] - at[0] >= 4 else 0

    @property
    def payload(self) -> memoryview:
        """The IP packet."""
        start, end = self._at.get(_PAYLOAD, (0, 0))
        return self._buffer[start:end]

    @property
    def indev(self) -> int:
        """Index of the input interface, 0 for packets of this host."""
        return self._u32(_INDEV)

    @property
    def outdev(self) -> int:
        """Index of the output interface, 0 for packets to this host."""
        return self._u32(_OUTDEV)

    @property
    def ctinfo(self) -> int:
        """enum ip_conntrack_info: 0 established, 1 related, 2 new, 3 and above: reply direction."""
        return self._u32(_CT_INFO)

    # the conntrack entry

    def _ct_at(self, kind: int) -> tuple[int, int]:
        if self._ct is None:
            start, end = self._at.get(_CT, (0, 0))
            self._ct = _index(self._buffer, start, end)
        return self._ct.get(kind, (0, 0))

    def _ct_bytes(self, kind: int) -> memoryview:
        start, end = self._ct_at(kind)
        return self._buffer[start:end]

    def _ct_number(self, kind: int) -> int:
        return int.from_bytes(self._ct_bytes(kind), "big")

    @property
    def tuple_orig_raw(self) -> bytes:
        """The original tuple in the kernel's encoding, for use as a key."""
        return bytes(self._ct_bytes(CTA_TUPLE_ORIG))

    @property
    def orig(self) -> Tuple:
        """The original tuple. Raises DecodeError."""
        raw = self._ct_bytes(CTA_TUPLE_ORIG)
        return parse_tuple(raw) if raw else _NO_TUPLE

    @property
    def reply(self) -> Tuple:
        """The reply tuple. Raises DecodeError."""
        raw = self._ct_bytes(CTA_TUPLE_REPLY)
        return parse_tuple(raw) if raw else _NO_TUPLE

    @property
    def ct_id(self) -> int:
        """The entry's id, which differs between connections with equal tuples."""
        return self._ct_number(CTA_ID)

    @property
    def status(self) -> int:
        """IPS_* bits."""
        return self._ct_number(CTA_STATUS)

    @property
    def confirmed(self) -> bool:
        """True if the entry is in the table; a connection's first packet is not confirmed yet."""
        return bool(self.status & IPS_CONFIRMED)

    @property
    def timeout(self) -> int:
        """Seconds until the entry expires without further packets."""
        return self._ct_number(CTA_TIMEOUT)

    @property
    def mark(self) -> int:
        """The connection mark."""
        return self._ct_number(CTA_MARK)

    @property
    def zone(self) -> int:
        """The conntrack zone."""
        return self._ct_number(CTA_ZONE)

    @property
    def labels(self) -> bytes:
        """The label bits, empty if none is set."""
        return bytes(self._ct_bytes(CTA_LABELS))

    def seq_adjustment(self, reply: bool) -> SeqAdjustment:
        """How the kernel moves sequence numbers of a direction. Raises DecodeError."""
        return parse_seq_adjustment(
            self._ct_bytes(CTA_SEQ_ADJ_REPLY if reply else CTA_SEQ_ADJ_ORIG)
        )

    @property
    def helper(self) -> str:
        """Name of the connection's helper, empty if it has none. Raises DecodeError."""
        return parse_help(self._ct_bytes(CTA_HELP))[0]

    @property
    def info(self) -> bytes:
        """The helper's private data. Raises DecodeError."""
        return parse_help(self._ct_bytes(CTA_HELP))[1]


def parse_packets(buffer: memoryview) -> Iterator[Packet]:
    """Yield the packets of a received datagram, each with its id at least; skip other messages."""
    try:
        for message in nfnl.split(buffer):
            if message.type == nfnl.QUEUE << 8 | _PACKET:
                packet = _packet(message.payload, message.res_id)
                if packet is not None:
                    yield packet
    except DecodeError:
        return


def _packet(payload: memoryview, queue: int) -> Packet | None:
    at = _index(payload, 0, len(payload))
    start, end = at.get(_PACKET_HDR, (0, 0))
    if end - start < _HDR.size:
        return None
    number, hw_protocol, hook = _HDR.unpack_from(payload, start)
    packet = Packet(payload, queue, number)
    packet._at = at
    packet.hw_protocol = hw_protocol
    packet.hook = hook
    return packet


def _index(buffer: memoryview, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Return the offsets of the attributes that precede the first malformed one."""
    offsets = {}
    unpack = _ATTR.unpack_from
    while start + 4 <= end:
        size, kind = unpack(buffer, start)
        if size < 4 or start + size > end:
            break
        offsets[kind & 0x3FFF] = (start + 4, start + size)
        start += (size + 3) & ~3
    return offsets


def encode_verdict(
    queue: int,
    number: int,
    verdict: int,
    *,
    payload: bytes | None = None,
    info: tuple[str, bytes] | None = None,
    labels: tuple[bytes, bytes] | None = None,
    timeout: int | None = None,
    status: int | None = None,
    expectation: Expectation | None = None,
) -> bytes:
    """Encode a packet's verdict. NFQA_CT holds only the changed attributes, so as not to revert other changes.

    `info` is helper name and private data, `labels` value and mask. `status` replaces all changeable bits
    (nf_conntrack_netlink.c: ctnetlink_update_status()).
    """
    body = attr(_VERDICT_HDR, pack("!II", verdict, number))
    if payload is not None:
        body += attr(_PAYLOAD, payload)
    changes = b""
    if info is not None:
        changes += nest(CTA_HELP, strz(CTA_HELP_NAME, info[0]), attr(CTA_HELP_INFO, info[1]))
    if labels is not None:
        changes += attr(CTA_LABELS, labels[0]) + attr(CTA_LABELS_MASK, labels[1])
    if timeout is not None:
        changes += be32(CTA_TIMEOUT, timeout)
    if status is not None:
        changes += be32(CTA_STATUS, status)
    if changes or expectation is not None:
        body += nest(_CT, changes)  # NFQA_EXP is ignored without it (nfqnl_recv_verdict)
    if expectation is not None:
        body += nest(_EXP, queue_attributes(expectation))
    return nfnl.message(nfnl.QUEUE, _VERDICT, 0, body, res_id=queue)


def encode_batch(queue: int, number: int, verdict: int = ACCEPT) -> bytes:
    """Encode one verdict for all unanswered packets up to this id, which pass unchanged."""
    header = attr(_VERDICT_HDR, pack("!II", verdict, number))
    return nfnl.message(nfnl.QUEUE, _VERDICT_BATCH, 0, header, res_id=queue)
