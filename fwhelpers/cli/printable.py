"""Makes text from the network safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape control and format characters, and what else is not printable, as Python does.

    Announcements, file names and reasons come from the network. They must not move the cursor,
    change the order of what is displayed (U+202E), or add lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
