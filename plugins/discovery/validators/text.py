"""Text from the network, made safe for logs."""

from __future__ import annotations

_LONGEST = 80


def printable(prefix: str, text: bytes) -> str:
    """Append at most 80 bytes of text to the prefix; anything that is not printable ASCII becomes `?`."""
    decoded = text[:_LONGEST].decode("ascii", "replace")
    return prefix + " " + "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in decoded)
