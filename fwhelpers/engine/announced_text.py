"""The announced endpoint in the payload, and its rewriting."""

from __future__ import annotations

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.announcement import MessageContext
from fwhelpers.engine.guard import Refused
from fwhelpers.engine.mangle import Edit


class AnnouncedText:
    """The bytes of a message that name the announced endpoint."""

    def __init__(self, event: Expect, context: MessageContext) -> None:
        self._event = event
        self._context = context

    @property
    def movable(self) -> bool:
        """True if another port can be written."""
        return self._event.span is not None and self._event.encode is not None

    def edit(self, visible: Endpoint) -> Edit | None:
        """Return the edit that makes it name `visible`, None if it does already. Raises Refused."""
        event = self._event
        if event.span is None or visible == event.server:
            return None
        if event.encode is None:
            raise Refused("G15", "the announced address is translated and can't be rewritten")
        start, end = event.span
        text = event.encode(visible)
        if len(text) != end - start:
            text = self._fit(visible, text, end - start)
        first, last = start - self._context.base, end - self._context.base
        if first < 0 or last > len(self._context.data):
            raise Refused("G15", "a part of the announcement has passed and can't be rewritten")
        if self._context.data[first:last] == text:
            return None
        if self._context.full:
            raise Refused("G15", "too many rewritten announcements are not acknowledged")
        return Edit(start, end, text)

    def _fit(self, visible: Endpoint, text: bytes, size: int) -> bytes:
        fitted = self._event.fit(visible, size) if self._event.fit else None
        if fitted is not None and len(fitted) == size:
            return fitted
        if self._context.fixed_length:
            raise Refused("G15", "the length of the announcement can't change")
        return text
