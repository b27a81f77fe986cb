"""Reads the same attributes of many messages.

The kernel sends the messages of one kind with the same attributes in the same order; only values differ. A layout is
learnt from a message that was read attribute by attribute; messages whose attribute headers are equal are then read
with one comparison and one unpack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from fwhelpers.kernel.nla import Buffer, parse, walk

MAX_LAYOUTS = 8  #: that are kept; the last ones used


class _Layout:
    """The attribute headers of a message, and where the values in use are between them."""

    __slots__ = ("_headers", "_mask", "_order", "_values", "size")

    def __init__(self, message: bytes, kinds: Sequence[int], nested: Mapping[int, object]) -> None:
        mask = bytearray(len(message))
        places: dict[int, int] = {}
        form, at = "=", 0
        for kind, begin, end in walk(message):
            mask[begin - 4 : begin] = b"\xff" * 4
            if kind in nested:
                _mask_headers(message, begin, end, mask)
            if kind in kinds:
                places[kind] = len(places)
                form += f"{begin - at}x{end - begin}s"
                at = end
        self.size = len(message)
        self._mask = int.from_bytes(mask, "big")
        self._headers = int.from_bytes(message, "big") & self._mask
        self._values = Struct(form + "0s")  # the last value stands for attributes that are missing
        self._order = tuple(places.get(kind, -1) for kind in kinds)

    def read(self, message: bytes) -> list[bytes] | None:
        """Return the values, None if the message has other attributes. It must have the layout's size."""
        if int.from_bytes(message, "big") & self._mask != self._headers:
            return None
        values = self._values.unpack_from(message)
        return [values[at] for at in self._order]


def _mask_headers(message: bytes, begin: int, end: int, mask: bytearray) -> None:
    """Mask the headers of nested attributes that contain nested attributes, as those of a tuple."""
    for _, inner, inner_end in walk(message, begin, end):
        mask[inner - 4 : inner] = b"\xff" * 4
        for _, value, _ in walk(message, inner, inner_end):
            mask[value - 4 : value] = b"\xff" * 4


class AttributeReader:
    """Returns the values of certain attributes, empty for those that a message lacks.

    `nested`: functions that return the usual form of a value that contains attributes two levels deep. A value that has
    it already is recognized by its headers in later messages.
    """

    def __init__(
        self, *kinds: int, nested: Mapping[int, Callable[[bytes], bytes]] | None = None
    ) -> None:
        self._kinds = kinds
        self._nested = nested or {}
        self._layouts: list[_Layout] = []  # the last one used first

    def read(self, payload: Buffer) -> list[bytes]:
        """Return the payloads of the attributes, in the order of the reader's types. Raises DecodeError."""
        message = bytes(payload)
        size = len(message)
        for at, layout in enumerate(self._layouts):
            values = layout.read(message) if layout.size == size else None
            if values is not None:
                if at:
                    self._layouts.insert(0, self._layouts.pop(at))
                return values
        parts = parse(message)
        values = [bytes(parts.get(kind, b"")) for kind in self._kinds]
        usual = [
            self._nested[kind](value) if value and kind in self._nested else value
            for kind, value in zip(self._kinds, values, strict=True)
        ]
        if usual == values and len(parts) == sum(1 for _ in walk(message)):  # no two of one type
            self._layouts.insert(0, _Layout(message, self._kinds, self._nested))
            del self._layouts[MAX_LAYOUTS:]
        return usual
