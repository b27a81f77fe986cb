"""Replacing the address in a REDIRECT. TNS packets carry their own length, so it matters where the text is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect, ParseError

from .descriptor import Address
from .packets import HEADER, Header


class Piece(NamedTuple):
    """A packet's part of the text."""

    text_offset: int
    stream_offset: int


def resizable(
    event: Expect, address: Address, text: bytes, header: Header, packet: bytes
) -> Expect:
    """Make an address in the REDIRECT itself replaceable: the rewritten span includes the packet's lengths."""
    before = text[: address.start]

    def encode(end: Endpoint) -> bytes:
        new = address.rewritten(text, end)
        growth = len(new) - (address.end - address.start)
        size = (header.size + growth).to_bytes(4 if header.wide else 2, "big")
        text_size = (len(text) + growth).to_bytes(2, "big")
        return size + packet[len(size) : HEADER] + text_size + before + new

    def fit(end: Endpoint, size: int) -> bytes | None:
        new = address.fitted(text, end, size - HEADER - 2 - len(before))
        return None if new is None else packet[: HEADER + 2] + before + new

    return replace(event, span=(0, HEADER + 2 + address.end), encode=encode, fit=fit)


def fixed(
    event: Expect, address: Address, text: bytes, pieces: list[Piece], position: int
) -> Expect:
    """Make an address in DATA replaceable. Earlier packets have passed, so its length must stay.

    `position` is the stream offset of the current packet, from which spans count.
    """
    place = _place(pieces, len(text), address)
    if place is None:
        return replace(event, span=(0, 0))  # split over two packets: it can't be replaced
    size = address.end - address.start

    def encode(end: Endpoint) -> bytes:
        new = address.fitted(text, end, size)
        if new is None and end.family == 4:
            raise ParseError(f"{end} does not fit into a REDIRECT whose length can't change")
        return new or address.rewritten(text, end)

    return replace(
        event,
        span=(place - position, place - position + size),
        encode=encode,
        fit=partial(address.fitted, text),
    )


def _place(pieces: list[Piece], size: int, address: Address) -> int | None:
    stops = [piece.text_offset for piece in pieces[1:]] + [size]
    for piece, stop in zip(pieces, stops, strict=True):
        if piece.text_offset <= address.start and address.end <= stop:
            return piece.stream_offset + address.start - piece.text_offset
    return None
