"""Collects verdicts and sends them with as few system calls as their order allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwhelpers.engine.verdict import ACCEPT, Verdict
from fwhelpers.kernel import labels, nfqueue
from fwhelpers.kernel.socket import QueueSocket


def _set(*bits: int) -> tuple[bytes, bytes]:
    field = labels.bits(*bits)
    return field, field


#: bytes that are sent together. The kernel refuses a longer message than the socket's send buffer
#: (net/netlink/af_netlink.c: netlink_sendmsg()), and rewritten datagrams of 64 KiB may follow each other
MAX_SEND = 1 << 16

#: value and mask, by `done` and `outlived`
_FLAGS = {
    (False, False): None,
    (True, False): _set(labels.DONE),
    (False, True): _set(labels.OUTLIVED),
    (True, True): _set(labels.DONE, labels.OUTLIVED),
}


class VerdictBatch:
    """Verdicts of one queue, in the order of its packets."""

    def __init__(self, sock: QueueSocket, queue: int) -> None:
        self._sock = sock
        self._queue = queue
        self._encoder = nfqueue.VerdictEncoder(queue)
        self._messages: list[bytes] = []
        self._last_plain = 0  #: id of the last packet to be accepted untouched

    def add(self, packet: nfqueue.Packet, verdict: Verdict) -> None:
        usual = verdict is ACCEPT or verdict.is_usual()
        if usual and verdict.info is None and verdict.timeout is None:
            self._last_plain = packet.id
            return
        self._close_plain()
        if usual:
            message = self._encoder.accept(packet.id, packet.helper, verdict.info, verdict.timeout)
        else:
            message = _encode(self._queue, packet, verdict)
        self._messages.append(message)

    def flush(self) -> None:
        self._close_plain()
        if not self._messages:
            return
        data = b"".join(self._messages)
        if len(data) <= MAX_SEND:  # the usual case
            self._sock.send(data)
        else:
            for part in _parts(self._messages):
                self._sock.send(part)
        self._messages.clear()

    def _close_plain(self) -> None:
        # a batch verdict covers all ids up to its own, so it must precede the verdict of any later packet
        if self._last_plain:
            self._messages.append(self._encoder.batch(self._last_plain))
            self._last_plain = 0


def _parts(messages: Iterable[bytes]) -> Iterator[bytes]:
    part = b""
    for message in messages:
        if part and len(part) + len(message) > MAX_SEND:
            yield part
            part = b""
        part += message
    if part:
        yield part


def _encode(queue: int, packet: nfqueue.Packet, verdict: Verdict) -> bytes:
    decision = nfqueue.REPEAT if verdict.repeat else nfqueue.ACCEPT
    return nfqueue.encode_verdict(
        queue,
        packet.id,
        decision if verdict.accept else nfqueue.DROP,
        payload=verdict.payload,
        info=(packet.helper, verdict.info) if verdict.info is not None else None,
        labels=_labels(verdict),
        timeout=verdict.timeout,
        status=verdict.status,
        expectation=verdict.expectation,
    )


def _labels(verdict: Verdict) -> tuple[bytes, bytes] | None:
    """Return value and mask of the labels that change."""
    flags = _FLAGS[verdict.done, verdict.outlived]
    if verdict.labels is None:
        return flags
    value, mask = flags or (bytes(labels.SIZE), bytes(labels.SIZE))
    return labels.union(verdict.labels, value), labels.union(labels.POSITION_MASK, mask)
