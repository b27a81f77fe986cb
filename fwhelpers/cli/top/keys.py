"""Decodes the keys that a terminal in raw mode sends. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

#: names of keys that send no printable character
_CONTROLS = {
    "\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace",
    "\x03": "interrupt", "\x0c": "redraw", "\x1b": "escape",
}  # fmt: skip
_SEQUENCES = {
    "A": "up", "B": "down", "H": "home", "F": "end", "1~": "home", "4~": "end", "5~": "page-up",
    "6~": "page-down", "Z": "back-tab",
}  # fmt: skip
_SEQUENCE = re.compile(r"\x1b[\[O]([0-9;]*[A-Za-z~])")
_INCOMPLETE = re.compile(r"\x1b[\[O][0-9;]*\Z")
_MAX_SEQUENCE = 16


class KeyDecoder:
    """Yields the names of keys: a printable character for itself, others by name."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """Decode bytes. A lone ESC at their end is the key itself: terminals send sequences at once."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        while text:
            match = _SEQUENCE.match(text)
            if match:
                text = text[match.end() :]
                if match[1] in _SEQUENCES:
                    yield _SEQUENCES[match[1]]
            elif _INCOMPLETE.match(text) and len(text) <= _MAX_SEQUENCE:
                self._rest = text
                return
            else:
                key, text = text[0], text[1:]
                if key in _CONTROLS:
                    yield _CONTROLS[key]
                elif key.isprintable():
                    yield key
