"""Which announcements repeat another so soon that nothing needs to be done."""

from __future__ import annotations

from fwhelpers.engine.announcement import Announcement
from fwhelpers.engine.flow_state import FlowState, Repeatable
from fwhelpers.engine.nat import Plan
from fwhelpers.engine.registry import LiveExpectation

#: seconds within which an identical permanent expectation is not created again
YOUNG = 2.0
#: the same for a connection that conntrack has confirmed. A window counts from the last request, so it may end early by
#: this much at most
RENEWAL_INTERVAL = 0.25
#: an expectation of a single connection is renewed once this part of the lifetime is over: a fourth
PARTS = 4
#: the part of its lifetime by which a claim may end early that joins another connection's expectation
EARLY = 1 / 32


def is_young(
    current: LiveExpectation, flow: FlowState, confirmed: bool, lifetime: int, now: float
) -> bool:
    """Return whether an announcement repeats one of the same connection or client, and nothing needs to be done."""
    claim = current.claim
    age = now - claim.since
    if age >= (RENEWAL_INTERVAL if confirmed else YOUNG):
        return False
    # a takeover by another connection of the client costs the kernel as much as a renewal
    joins = confirmed and current.lasting and claim.account == flow.account
    if claim.owner != flow.connection and not joins:
        return False
    # Packets that a new socket sends at once are connections of their own until the first of them is confirmed. The
    # entries of the others are dropped then, with their expectations (nf_conntrack_core.c: nf_ct_resolve_clash()).
    # Of a confirmed connection the kernel removes and adds an identical one again, which is expensive. Later than this
    # another connection of the client may have taken it over in the kernel, and ended
    renewed = now + lifetime > claim.until + RENEWAL_INTERVAL
    return not confirmed or (current.permanent and not renewed)


def joins(current: LiveExpectation, announcement: Announcement) -> bool:
    """Return whether what another connection of the same client opened can stay for this announcement too.

    The kernel gives an expectation no other master. A takeover deletes and creates it, and refuses a connection that
    arrives in between. So the entry of the connection that opened it is kept for longer instead, while that is open.
    """
    flow, claim, keeper = announcement.flow, current.claim, current.keeper
    if keeper is None or keeper is flow or claim.account != flow.account:
        return False
    if not current.permanent or announcement.event.child or claim.klass != announcement.klass:
        return False
    return keeper.can_keep(announcement.now + announcement.lifetime * (1 - EARLY))


def waits(live: LiveExpectation | None, announcement: Announcement) -> bool:
    """Return whether the announcing connection opened this for a single connection, which has not come yet.

    An answer repeats what its request announced, and the messages of a call repeat each other. Once it was used another
    connection may be meant, and the end of its lifetime may be near.
    """
    if live is None or live.suspected or live.permanent:
        return False
    flow, confirmed = announcement.flow, announcement.context.packet.confirmed
    # what a first packet opened ends with its entry, if another one is confirmed in its place
    settled = live.lasting or flow.flow.l4 == "tcp"
    remaining = live.claim.until - announcement.now
    young = remaining > announcement.lifetime * (1 - 1 / PARTS)
    return confirmed and settled and young and live.claim.owner == flow.connection


def remember(announcement: Announcement, planned: Plan, live: LiveExpectation) -> None:
    """Store an announcement in its flow, for `ExpectationManager.repeats`, if all of it is in the event."""
    event, flow = announcement.event, announcement.flow
    if not event.sources and (event.span is None or planned.visible == event.server):
        reply, lifetime = announcement.context.reply, announcement.lifetime
        flow.repeatable = Repeatable(event, reply, live, lifetime)
    else:
        flow.repeatable = None
