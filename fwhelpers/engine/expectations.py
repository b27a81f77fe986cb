"""From a parser's `Expect` event over the guard and NAT to the kernel and into the payload."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from errno import EBUSY, EEXIST, errorcode
from os import strerror

from fwhelpers.api import Expect
from fwhelpers.engine.announced_text import AnnouncedText
from fwhelpers.engine.announcement import (
    Announcement,
    MessageContext,
    Outcome,
    report_refusal,
    report_success,
)
from fwhelpers.engine.expectation_key import Connection, ExpectationKey, key_of, leads_to
from fwhelpers.engine.flow_state import FlowState, Repeatable
from fwhelpers.engine.guard import Prefix, Refusal, Refused, check, judge, judge_announcer
from fwhelpers.engine.nat import Plan, plan, plan_answers, translated
from fwhelpers.engine.onlink import (
    NO_LINKS,
    Lookup,
    judge_local,
    judge_request,
    judge_sender,
    judge_source,
    source_prefixes,
)
from fwhelpers.engine.registry import Account, Claim, LiveExpectation, Registry
from fwhelpers.engine.verdict import ExpectationTable
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.expect import Expectation

#: ports that are tried if the announced one is taken on the translated address
MAX_PORTS = 64

#: seconds within which an identical permanent expectation is not created again
YOUNG = 2.0
#: the same for a connection that conntrack has confirmed. A window counts from the last request, so it may end early by
#: this much at most
RENEWAL_INTERVAL = 0.25

#: seconds between comparisons of a party's expectations with the kernel's, when it has reached a bound
COMPARE_INTERVAL = 1.0
MAX_COMPARED = 1024  #: parties whose last comparison is remembered


class ExpectationManager:
    """Judges announcements, and keeps the kernel's table and the registry alike."""

    def __init__(
        self, table: ExpectationTable, registry: Registry, links: Lookup = NO_LINKS
    ) -> None:
        self._table = table
        self._registry = registry
        self._links = links
        self._compared: OrderedDict[bytes | None, float] = OrderedDict()

    def repeats(self, flow: FlowState, context: MessageContext, event: Expect, now: float) -> bool:
        """Return whether it is the flow's last announcement again, so soon that nothing needs to be done.

        It was judged then, and opens nothing now. A new configuration makes the flow forget it.
        """
        if flow.repeatable is None:
            return False
        last = flow.repeatable
        return (
            last.live.registered
            and last.reply == context.reply
            and _is_young(last.live, flow.connection, context.packet.confirmed, last.lifetime, now)
            and (last.event is event or last.event == event)
        )

    def expect(
        self, flow: FlowState, context: MessageContext, event: Expect, now: float
    ) -> Outcome:
        """Judge an announcement, create its expectations, rewrite it if needed."""
        outcome = Outcome()
        try:
            announcement = Announcement(flow, context, event, now)
            for planned in self._plans(announcement):
                self._open(announcement, planned, outcome)
        except Refused as refused:
            outcome.edits.clear()
            outcome.reports.append(report_refusal(flow, context, event, refused.refusal))
        return outcome

    def cancel(self, flow: FlowState, klass: int | None) -> set[ExpectationKey]:
        """Withdraw the flow's unused expectations of a class (None: of all); return their keys."""
        self._registry.withdraw_former(flow.connection, klass)
        cancelled = self._owned(flow, klass)
        for live in cancelled:
            if self._registry.withdraw(live):
                self._table.delete(live.expectation)
        return {live.key for live in cancelled}

    def tick(self, now: float) -> None:
        """Delete what ends earlier than its policy; the kernel has the policy's lifetime only."""
        for live in self._registry.expire(now):
            self._table.delete(live.expectation)

    def withdraw(self, flow: FlowState, context: MessageContext, event: Expect, now: float) -> None:
        """Delete one expectation, of any master. A flow that may not open it may not close it either."""
        try:
            announcement = Announcement(flow, context, event, now)
            plans = self._plans(announcement)
        except Refused:
            return
        for planned in plans:
            expectation = announcement.expectation(self._reserved(announcement, planned))
            live = self._registry.get(key_of(expectation))
            if live is not None and leads_to(live.expectation) == leads_to(expectation):
                self._registry.remove(live)
            self._table.release(expectation)

    def forget(self, flow: FlowState, klass: int | None) -> None:
        """Forget the flow's expectations without deleting them: they were used, or died with the flow."""
        for live in self._owned(flow, klass):
            self._registry.remove(live)

    def _owned(self, flow: FlowState, klass: int | None) -> list[LiveExpectation]:
        owned = self._registry.of(flow.connection)
        return [live for live in owned if klass in (None, live.claim.klass)]

    def _plans(self, announcement: Announcement) -> Sequence[Plan]:
        flow, event = announcement.flow, announcement.event
        reply, limits = announcement.context.reply, announcement.limits
        packet, helper = announcement.context.packet, announcement.helper
        prefixes: Sequence[Prefix] = ()
        if event.sources:
            prefixes = self._links(packet.indev if flow.flow.announcement else packet.outdev)
        if event.sources and helper.unicast and judge_request(flow.flow, prefixes):
            event = replace(event, sources="")  # sent to one host, which alone may answer
            if packet.indev:
                check(judge_sender(flow.flow, self._links(packet.indev)))
        expected = bool(packet.status & IPS_EXPECTED)
        check(judge_announcer(event, helper, flow.flow, reply, expected))
        check(judge(event, flow.flow, reply, announcement.policy, limits))
        if not event.sources:
            check(judge_local(event, flow.orig, flow.reply, self._links))
            if flow.flow.l4 == "udp" and not reply:
                check(judge_source(event, self._links(packet.outdev)))
            return [plan(event, flow.flow.l4, flow.orig, flow.reply)]
        if not helper.outgoing:
            raise Refused("G8", "the helper is not declared `outgoing`")
        if translated(flow.orig, flow.reply):
            raise Refused("G15", "the request's address is translated, answers can't follow it")
        check(judge_request(flow.flow, prefixes))
        if packet.indev:
            check(judge_sender(flow.flow, self._links(packet.indev)))
        sources = source_prefixes(event, flow.flow, prefixes)
        if isinstance(sources, Refusal):
            raise Refused(*sources)
        return [plan_answers(event, flow.flow.l4, flow.orig, prefix) for prefix in sources]

    def _open(self, announcement: Announcement, planned: Plan, outcome: Outcome) -> None:
        flow = announcement.flow
        text = AnnouncedText(announcement.event, announcement.context)
        if not text.movable:
            planned = self._reserved(announcement, planned)
        expectation = announcement.expectation(planned)
        current = self._current(expectation)
        if current is not None and _is_young(
            current,
            flow.connection,
            announcement.context.packet.confirmed,
            announcement.lifetime,
            announcement.now,
        ):
            edit = text.edit(planned.visible)
            outcome.edits += [edit] if edit else []
            _remember(announcement, planned, current)
            return
        self._check_quota(announcement, current)
        for candidate in _candidates(planned, text):
            edit = text.edit(candidate.visible)
            if candidate is not planned:
                expectation = announcement.expectation(candidate)
            if self._create(announcement, expectation, outcome):
                live = self._enter(announcement, expectation)
                _remember(announcement, candidate, live)
                report = report_success(flow, announcement.context, announcement.event, expectation)
                outcome.reports.append(report)
                outcome.edits += [edit] if edit else []
                return
        port = announcement.event.server.port
        raise Refused("G15", f"port {port} and those after it are taken")

    def _current(self, expectation: Expectation) -> LiveExpectation | None:
        """Return the live expectation that admits the same connections, whoever owns it."""
        live = self._registry.get(key_of(expectation))
        same = live is not None and leads_to(live.expectation) == leads_to(expectation)
        return live if same else None

    def _check_quota(self, announcement: Announcement, current: LiveExpectation | None) -> None:
        account, limits = announcement.flow.account, announcement.limits
        refusal = self._registry.check(account, limits, current)
        if refusal is not None and self._compare(account, announcement.now):
            refusal = self._registry.check(account, limits, current)
        check(refusal)
        check(self._registry.take_token(account, limits, announcement.now))

    def _compare(self, account: Account, now: float) -> bool:
        """Remove what the kernel has no more: what was used, or whose master ended. Return whether it was compared.

        It compares the expectations of the account's party, or all if the registry is full, once a second each.
        """
        party = None if self._registry.full else account.party
        compared = self._compared.pop(party, float("-inf"))
        due = now - compared >= COMPARE_INTERVAL
        self._compared[party] = now if due else compared
        if len(self._compared) > MAX_COMPARED:
            self._compared.popitem(last=False)
        if due:
            for live in self._registry.of_party(party):
                # one that goes with a verdict may not be there yet
                settled = now - live.claim.since >= COMPARE_INTERVAL
                if settled and not self._table.has(live.expectation):
                    self._registry.remove(live)
        return due

    def _create(
        self, announcement: Announcement, expectation: Expectation, outcome: Outcome
    ) -> bool:
        """Create it, or have it attached with the verdict; False if the port is taken."""
        live = self._registry.get(key_of(expectation))
        with_verdict = bool(expectation.helper) or not announcement.context.packet.confirmed
        same = live is not None and leads_to(live.expectation) == leads_to(expectation)
        if with_verdict and live is not None and not same:
            return False  # the kernel would not report the clash
        if expectation.helper and (
            live is None or live.claim.owner != announcement.flow.connection
        ):
            # of two masters the kernel silently keeps the older one, with which it would end
            self._table.release(expectation)
        # ctnetlink_alloc_expect() of 2026 ignores the helper, a verdict's expectation keeps it
        if with_verdict:
            outcome.attach.append(expectation)
            return True
        errno = EEXIST if same else self._table.create(expectation)
        if errno == EEXIST:
            errno = self._table.replace(expectation)
        if errno in (EEXIST, EBUSY):
            return False
        if errno:
            raise Refused("G12", f"kernel: {errorcode.get(errno, errno)}, {strerror(errno)}")
        return True

    def _enter(self, announcement: Announcement, expectation: Expectation) -> LiveExpectation:
        flow, policy, now = announcement.flow, announcement.policy, announcement.now
        klass, until = announcement.klass, now + expectation.timeout
        claim = Claim(flow.connection, klass, flow.account, now, until)
        live = self._registry.enter(expectation, claim, now + policy.timeout)
        for oldest in self._owned(flow, klass)[: -policy.max]:
            self._registry.remove(oldest)  # the kernel evicts it likewise
        # a UDP master may expire before its expectations, which would die with it
        if announcement.event.keep_after_master or flow.flow.l4 == "udp":
            flow.keep_until = max(flow.keep_until, until)
        return live

    def _reserved(self, announcement: Announcement, planned: Plan) -> Plan:
        """Return the plan with the port that an earlier announcement of the same endpoint was given under NAT."""
        if planned.nat is None:
            return planned
        ports = [
            live.expectation.tuple.dport
            for live in self._owned(announcement.flow, announcement.klass)
            if live.expectation.nat == planned.nat
        ]
        return planned.at(ports[-1]) if ports else planned


def _is_young(
    current: LiveExpectation, connection: Connection, confirmed: bool, lifetime: int, now: float
) -> bool:
    """Return whether an announcement repeats one of the same connection, and nothing needs to be done."""
    claim = current.claim
    age = now - claim.since
    if age >= (RENEWAL_INTERVAL if confirmed else YOUNG) or claim.owner != connection:
        return False
    # Packets that a new socket sends at once are connections of their own until the first of them is confirmed. The
    # entries of the others are dropped then, with their expectations (nf_conntrack_core.c: nf_ct_resolve_clash()).
    # Of a confirmed connection the kernel removes and adds an identical one again, which is expensive. Later than this
    # another connection of the client may have taken it over in the kernel, and ended
    renewed = now + lifetime > claim.until + RENEWAL_INTERVAL
    return not confirmed or (current.permanent and not renewed)


def _remember(announcement: Announcement, planned: Plan, live: LiveExpectation) -> None:
    event, flow = announcement.event, announcement.flow
    if not event.sources and (event.span is None or planned.visible == event.server):
        reply, lifetime = announcement.context.reply, announcement.lifetime
        flow.repeatable = Repeatable(event, reply, live, lifetime)
    else:
        flow.repeatable = None


def _candidates(planned: Plan, text: AnnouncedText) -> Iterator[Plan]:
    yield planned
    if planned.nat is not None and text.movable:
        first = planned.visible.port
        for port in range(first + 1, min(first + MAX_PORTS, 65536)):
            yield planned.at(port)
