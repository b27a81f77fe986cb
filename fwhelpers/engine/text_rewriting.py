"""The edits of texts that name an end of the control connection, and of the lengths that count them.

The receiver must see the sender by its translated address, and itself by its own. A port is translated as on the
control connection, or as an expectation of the connection that leads to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fwhelpers.api import Endpoint, Resize, Rewrite
from fwhelpers.engine.announcement import MessageContext
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.registry import LiveExpectation
from fwhelpers.kernel.conntrack import Tuple


def rewrite_edit(
    event: Rewrite, flow: FlowState, context: MessageContext, live: Iterable[LiveExpectation]
) -> Edit | None:
    """Return the edit that translates a text of a translated connection, None if it stays. Raises Refused.

    `live`: the connection's expectations.
    """
    own, peer = (flow.reply, flow.orig) if context.reply else (flow.orig, flow.reply)
    visible = visible_endpoint(event.endpoint, own, peer, live)
    if visible == event.endpoint or (
        not event.endpoint.addr and visible.port == event.endpoint.port
    ):
        return None
    return replacement(context, event.span, visible, event.encode, event.fit)


def visible_endpoint(
    endpoint: Endpoint, own: Tuple, peer: Tuple, live: Iterable[LiveExpectation] = ()
) -> Endpoint:
    """Return how the receiver must see an endpoint that the sender names.

    `own` is the sender's direction of the connection, `peer` the receiver's.
    """
    addr, port = endpoint
    addr = addr or own.dst
    if addr == own.src:
        if port == own.sport:
            return Endpoint(peer.dst, peer.dport)
        for entry in live if port else ():
            real, tuple_ = entry.expectation.nat, entry.expectation.tuple
            if real is None or real.sport != port:  # most are others, of other calls
                continue
            if (real.src, tuple_.dst) == (addr, peer.dst):
                return Endpoint(peer.dst, tuple_.dport)
        return Endpoint(peer.dst, port)
    if addr == own.dst:
        if port == own.dport:
            return Endpoint(peer.src, peer.sport)
        for entry in live if port else ():
            real, tuple_ = entry.expectation.nat, entry.expectation.tuple
            if real is None or tuple_.dport != port:
                continue
            if (tuple_.dst, real.src) == (addr, peer.src):
                return Endpoint(peer.src, real.sport)
        return Endpoint(peer.src, port)
    return endpoint


def resize_edit(event: Resize, context: MessageContext, edits: Iterable[Edit]) -> Edit | None:
    """Return the edit that corrects a length for `edits`, None if it is right. Raises Refused."""
    begin, end = event.body
    growth = sum(
        len(edit.text) - (edit.end - edit.start)
        for edit in edits
        if begin <= edit.start and edit.end <= end
    )
    if not growth:
        return None
    text = str(end - begin + growth).encode()
    return replacement(context, event.span, Endpoint(b""), lambda _: text, None)


def replacement(
    context: MessageContext,
    span: tuple[int, int],
    visible: Endpoint,
    encode: Callable[[Endpoint], bytes],
    fit: Callable[[Endpoint, int], bytes | None] | None,
) -> Edit | None:
    """Return the edit that writes `visible` at `span`, None if it is there. Raises Refused (G15)."""
    start, end = span
    text = encode(visible)
    if len(text) != end - start:
        fitted = fit(visible, end - start) if fit else None
        if fitted is not None and len(fitted) == end - start:
            text = fitted
        elif context.fixed_length:
            raise Refused("G15", "the length of the text can't change")
    first, last = start - context.base, end - context.base
    if first < 0 or last > len(context.data):
        raise Refused("G15", "a part of the text has passed and can't be rewritten")
    if context.data[first:last] == text:
        return None
    if context.full:
        raise Refused("G15", "too many rewritten texts are not acknowledged")
    return Edit(start, end, text)
