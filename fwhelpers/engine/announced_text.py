"""The announced endpoint in the payload, and its rewriting."""

from __future__ import annotations

from collections.abc import Iterator

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.announcement import MessageContext
from fwhelpers.engine.guard import Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.nat import Plan
from fwhelpers.engine.text_rewriting import replacement

#: ports that are tried if the announced one is taken on the translated address
MAX_PORTS = 64


class AnnouncedText:
    """The bytes of a message that name the announced endpoint."""

    def __init__(self, event: Expect, context: MessageContext) -> None:
        self._event = event
        self._context = context

    @property
    def movable(self) -> bool:
        """True if another port can be written."""
        return self._event.span is not None and self._event.encode is not None

    def candidates(self, planned: Plan) -> Iterator[Plan]:
        """Yield the plan, then others in case that its port is taken."""
        yield planned
        if planned.nat is not None and self.movable:
            first, last = planned.visible.port, 65536 - self._event.count
            for port in range(first + 1, min(first + MAX_PORTS, last + 1)):
                yield planned.at(port)

    def edit(self, visible: Endpoint) -> Edit | None:
        """Return the edit that makes it name `visible`, None if it does already. Raises Refused."""
        event = self._event
        if event.span is None or visible == event.server:
            return None
        if event.encode is None:
            raise Refused("G15", "the announced address is translated and can't be rewritten")
        return replacement(self._context, event.span, visible, event.encode, event.fit)
