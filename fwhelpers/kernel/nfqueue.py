"""NFQUEUE: configuration of a queue, and verdicts (linux/netfilter/nfnetlink_queue.h)."""

from __future__ import annotations

from struct import Struct, pack

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_INFO,
    CTA_HELP_NAME,
    CTA_LABELS,
    CTA_LABELS_MASK,
    CTA_STATUS,
    CTA_TIMEOUT,
)
from fwhelpers.kernel.expect import Expectation, queue_attributes
from fwhelpers.kernel.nla import NESTED, attr, be32, nest, strz
from fwhelpers.kernel.packet import Packet
from fwhelpers.kernel.packet_decoder import parse_packets

__all__ = [
    "Packet",
    "encode_batch",
    "encode_bind",
    "encode_parameters",
    "encode_verdict",
    "parse_packets",
]

DROP, ACCEPT, REPEAT = 0, 1, 4

F_FAIL_OPEN, F_CONNTRACK, F_GSO, F_UID_GID, F_SECCTX = 1, 2, 4, 8, 16
_ALL_FLAGS = 31

_VERDICT, _CONFIG, _VERDICT_BATCH = 1, 2, 3

_VERDICT_HDR, _PAYLOAD, _CT, _EXP = 2, 10, 11, 15

_CFG_CMD, _CFG_PARAMS, _CFG_MAXLEN, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND = 1
_COPY_PACKET = 2

#: enum nf_inet_hooks
LOCAL_IN, FORWARD, LOCAL_OUT, POST_ROUTING = 1, 2, 3, 4

_IDS = Struct("!II")  # verdict, packet id
_HDR = attr(_VERDICT_HDR, bytes(_IDS.size))[: -_IDS.size]
_NO_CHANGES = nest(_CT)
_U32 = Struct("!I")
INFO_SIZE = 32  #: of a helper's private data


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
    body = _HDR + _IDS.pack(verdict, number)
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
    if changes:
        body += nest(_CT, changes)
    elif expectation is not None:
        body += _NO_CHANGES  # NFQA_EXP is ignored without NFQA_CT (nfqnl_recv_verdict)
    if expectation is not None:
        body += attr(_EXP | NESTED, queue_attributes(expectation))
    return nfnl.message(nfnl.QUEUE, _VERDICT, 0, body, res_id=queue)


def encode_batch(queue: int, number: int, verdict: int = ACCEPT) -> bytes:
    """Encode one verdict for all unanswered packets up to this id, which pass unchanged."""
    header = _HDR + _IDS.pack(verdict, number)
    return nfnl.message(nfnl.QUEUE, _VERDICT_BATCH, 0, header, res_id=queue)


class VerdictEncoder:
    """Encodes the usual verdicts of a queue: the same bytes but for packet id, private data and lifetime."""

    def __init__(self, queue: int) -> None:
        self._batch = encode_batch(queue, 0)[:-8]
        self._queue = queue
        #: by helper, and whether private data and lifetime are set
        self._forms: dict[tuple[str, bool, bool], _Form] = {}

    def batch(self, number: int) -> bytes:
        """Accept all unanswered packets up to this id."""
        return self._batch + _IDS.pack(ACCEPT, number)

    def accept(self, number: int, helper: str, info: bytes | None, timeout: int | None) -> bytes:
        """Accept a packet, and store private data (of 32 bytes) or a lifetime, or both."""
        if info is not None and len(info) != INFO_SIZE:
            return encode_verdict(self._queue, number, ACCEPT, info=(helper, info), timeout=timeout)
        key = helper, info is not None, timeout is not None
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._queue, *key)
        message = form.head + _IDS.pack(ACCEPT, number) + form.before_info
        if info is not None:
            message += info
        return message if timeout is None else message + form.before_timeout + _U32.pack(timeout)


class _Form:
    """The constant parts of a verdict's bytes."""

    def __init__(self, queue: int, helper: str, stores: bool, keeps: bool) -> None:
        message = encode_verdict(
            queue,
            0,
            ACCEPT,
            info=(helper, bytes(INFO_SIZE)) if stores else None,
            timeout=0 if keeps else None,
        )
        begin = nfnl.SIZE + len(_HDR)
        self.head = message[:begin]
        rest = message[begin + _IDS.size :]
        self.before_timeout = b""
        if keeps:
            rest, self.before_timeout = rest[:-8], rest[-8:-4]
        self.before_info = rest[:-INFO_SIZE] if stores else rest
