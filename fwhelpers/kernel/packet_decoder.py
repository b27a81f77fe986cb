"""Decodes the messages of a queue, each a queued packet with its conntrack entry (nfnetlink_queue.h).

nlmsghdr | nfgenmsg | PACKET_HDR | INDEV | OUTDEV | … | CT { TUPLE_ORIG … HELP … LABELS } | CT_INFO | … | PAYLOAD
"""

from __future__ import annotations

import contextlib
from struct import Struct

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_NAME,
    CTA_ID,
    CTA_LABELS,
    CTA_STATUS,
    CTA_TIMEOUT,
    CTA_TUPLE_ORIG,
)
from fwhelpers.kernel.packet import (
    CT,
    CT_INFO,
    INDEV,
    NOWHERE,
    OUTDEV,
    PACKET_HDR,
    PAYLOAD,
    Packet,
    Places,
    find_places,
    part,
)
from fwhelpers.kernel.packet_layout import Layout

_HEAD = Struct("=IH")  # nlmsghdr: size, type
_HDR = Struct("!IHB")
_QUEUED = nfnl.QUEUE << 8

MAX_LAYOUTS = 8  #: that are kept; the last ones used


class PacketDecoder:
    """Decodes the messages of a queue."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []  # the last one used first

    def decode(self, datagram: bytes) -> list[Packet]:
        """Return the packets of a received datagram, each with its id at least; skip other messages."""
        for at, layout in enumerate(self._layouts):
            packet = layout.decode(datagram)
            if packet is not None:
                if at:
                    self._layouts.insert(0, self._layouts.pop(at))
                return [packet]
        packets = []
        at = 0
        while at + nfnl.SIZE <= len(datagram):
            size, kind = _HEAD.unpack_from(datagram, at)
            if size < nfnl.SIZE or at + size > len(datagram):
                break
            if kind == _QUEUED:
                packet = self._by_attributes(datagram[at : at + size], size == len(datagram))
                if packet is not None:
                    packets.append(packet)
            at += (size + 3) & ~3
        return packets

    def _by_attributes(self, message: bytes, alone: bool) -> Packet | None:
        top = find_places(message, nfnl.SIZE, len(message))
        begin, end = top.get(PACKET_HDR, NOWHERE)
        if end - begin < _HDR.size:
            return None
        number, hw_protocol, hook = _HDR.unpack_from(message, begin)
        ct_begin, ct_end = top.get(CT, NOWHERE)
        entry = find_places(message, ct_begin, ct_end)
        name = part(_value(message, entry, CTA_HELP), CTA_HELP_NAME)
        helper = name.split(b"\0", 1)[0].decode("ascii", "replace")
        packet = Packet(
            int.from_bytes(message[18:20], "big"),
            number,
            _value(message, top, PAYLOAD),
            message[ct_begin:ct_end],
            hw_protocol,
            hook,
            _number(message, top, INDEV),
            _number(message, top, OUTDEV),
            _value(message, entry, CTA_TUPLE_ORIG),
            _number(message, entry, CTA_ID),
            _number(message, entry, CTA_STATUS),
            _number(message, entry, CTA_TIMEOUT),
            _value(message, entry, CTA_LABELS),
            _number(message, top, CT_INFO),
            helper,
        )
        if alone and PAYLOAD in top:
            with contextlib.suppress(ValueError):
                self._layouts.insert(0, Layout(message, top, entry, helper))
                del self._layouts[MAX_LAYOUTS:]
        return packet


def _value(message: bytes, places: Places, kind: int) -> bytes:
    begin, end = places.get(kind, NOWHERE)
    return message[begin:end]


def _number(message: bytes, places: Places, kind: int) -> int:
    return int.from_bytes(_value(message, places, kind), "big")


_decoder = PacketDecoder()


def parse_packets(datagram: bytes | memoryview) -> list[Packet]:
    """Return the packets of a received datagram, each with its id at least; skip other messages."""
    return _decoder.decode(bytes(datagram))
