"""Layouts of queued packets: messages with the same attributes in the same places.

Most messages of a worker differ in their values only. A layout is learnt from a message that was decoded attribute by
attribute; messages whose attribute headers are equal are then decoded with one comparison and one unpack.
"""

from __future__ import annotations

from struct import Struct, calcsize
from typing import Any

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
)

_U16 = Struct("=H")
_TOTAL = Struct("=I")


class Layout:
    """The attribute headers of a message, and where the values are between them."""

    __slots__ = (
        "begin",
        "entry_begin",
        "entry_end",
        "headers",
        "help_places",
        "helper",
        "mask",
        "missing",
        "places",
        "values",
    )

    def __init__(self, message: bytes, top: Places, entry: Places, helper: str) -> None:
        """Raises ValueError if later messages can't be decoded by it."""
        in_help = find_places(message, *entry.get(CTA_HELP, NOWHERE))
        for places, (begin, end) in (
            (top, (nfnl.SIZE, len(message))),
            (entry, top.get(CT, NOWHERE)),
            (in_help, entry.get(CTA_HELP, NOWHERE)),
        ):
            if not _covers(places, begin, end):
                raise ValueError("bytes that are no attribute, or attributes of the same type")
        self.helper = helper
        self.begin = top[PAYLOAD][0]
        self.entry_begin, self.entry_end = top.get(CT, NOWHERE)
        #: in the entry and in its CTA_HELP, from the first byte of each
        self.places = _moved(entry, self.entry_begin)
        self.help_places = _moved(in_help, entry.get(CTA_HELP, NOWHERE)[0])
        form, self.missing = _format(top, entry)
        self.values = Struct(form)
        mask = _mask(self.begin, (top, entry, in_help))
        self.mask = int.from_bytes(mask, "big")
        self.headers = int.from_bytes(message[: self.begin], "big") & self.mask

    def decode(self, message: bytes) -> Packet | None:
        """Return the packet of a datagram, None if it has other attributes, or further messages."""
        begin, size = self.begin, len(message)
        if size < begin or int.from_bytes(message[:begin], "big") & self.mask != self.headers:
            return None
        end = begin - 4 + _U16.unpack_from(message, begin - 4)[0]
        # no attribute follows the payload
        if _TOTAL.unpack_from(message)[0] != size or not begin <= end <= size < end + 4:
            return None
        values = self.values.unpack_from(message)
        if self.missing:
            values = _completed(values, self.missing)
        (
            queue, number, hw_protocol, hook, indev, outdev, orig, ct_id, status, timeout, labels, ctinfo,
        ) = values  # fmt: skip
        return Packet(
            queue, number, message[begin:end], message[self.entry_begin : self.entry_end],
            hw_protocol, hook, indev, outdev, orig, ct_id, status, timeout, labels, ctinfo,
            self.helper, self.places, self.help_places,
        )  # fmt: skip


def _moved(places: Places, begin: int) -> Places:
    return {kind: (first - begin, last - begin) for kind, (first, last) in places.items()}


def _covers(places: Places, begin: int, end: int) -> bool:
    total = sum((last - first + 7) & ~3 for first, last in places.values())
    return total - 4 < end - begin <= total


def _completed(values: tuple[Any, ...], missing: list[int]) -> tuple[Any, ...]:
    """Insert zeros for the numbers that a message lacks."""
    complete = list(values)
    for at in missing:
        complete.insert(at, 0)
    return tuple(complete)


def _format(top: Places, entry: Places) -> tuple[str, list[int]]:
    """Return the struct format of the values, and the indices of those that are missing. Raises ValueError."""
    attributes = (
        (top.get(PACKET_HDR), "IHB"), (top.get(INDEV), "I"), (top.get(OUTDEV), "I"),
        (entry.get(CTA_TUPLE_ORIG), "s"), (entry.get(CTA_ID), "I"), (entry.get(CTA_STATUS), "I"),
        (entry.get(CTA_TIMEOUT), "I"), (entry.get(CTA_LABELS), "s"), (top.get(CT_INFO), "I"),
    )  # fmt: skip
    form, at, index, missing = "!18xH", nfnl.SIZE, 1, []
    for place, code in attributes:
        if place is not None:
            begin, end = place
            size = end - begin if code == "s" else calcsize("!" + code)
            if begin < at or size > end - begin or (code == "I" and size < end - begin):
                raise ValueError("attributes in another order, or of other sizes")
            form += f"{begin - at}x{size if code == 's' else ''}{code}"
            at = begin + size
        elif code == "s":
            form += "0s"
        else:
            missing.append(index)
        index += len(code)
    return form, missing


def _mask(size: int, levels: tuple[Places, Places, Places]) -> bytes:
    """Return a mask of what messages of a layout have in common: the headers, and the helper's name."""
    mask = bytearray(size)
    mask[4:6] = b"\xff\xff"  # nlmsg_type
    for places in levels:
        for begin, _ in places.values():
            mask[begin - 4 : begin] = b"\xff" * 4
    begin, end = levels[2].get(CTA_HELP_NAME, NOWHERE)
    mask[begin:end] = b"\xff" * (end - begin)
    mask[-4:-2] = bytes(2)  # the payload's size
    return bytes(mask)
