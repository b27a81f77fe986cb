"""From a parser's `Expect` event over the guard and NAT to the kernel and into the payload."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from errno import EBUSY, EEXIST, errorcode
from os import strerror

from fwhelpers.api import Helper
from fwhelpers.engine.announced_text import AnnouncedText
from fwhelpers.engine.announcement import Announcement, Outcome
from fwhelpers.engine.flow_state import FlowState, OwnExpectation
from fwhelpers.engine.guard import Ledger, Refusal, Refused, check, judge
from fwhelpers.engine.nat import Plan, plan, plan_answers, translated
from fwhelpers.engine.onlink import (
    NO_LINKS,
    Lookup,
    judge_local,
    judge_request,
    source_prefixes,
)
from fwhelpers.engine.verdict import ExpectationTable
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation

#: ports that are tried if the announced one is taken on the translated address
MAX_PORTS = 64

#: seconds within which an identical permanent expectation is not created again
YOUNG = 2.0


class ExpectationManager:
    """The expectations of one worker's flows."""

    def __init__(self, table: ExpectationTable, ledger: Ledger, links: Lookup = NO_LINKS) -> None:
        self._table = table
        self._ledger = ledger
        self._links = links
        self._early: list[tuple[float, int, FlowState, Tuple]] = []  # a heap
        self._count = 0

    def expect(self, announcement: Announcement) -> Outcome:
        """Judge an announcement, create its expectations, rewrite it if needed."""
        outcome = Outcome()
        try:
            for planned in self._plans(announcement):
                self._open(announcement, planned, outcome)
        except Refused as refused:
            outcome.edits.clear()
            report = announcement.report("refused", refused.refusal)
            outcome.reports.append(report._replace(refused=announcement.event.server))
        return outcome

    def cancel(self, flow: FlowState, klass: int | None) -> set[Tuple]:
        """Delete the flow's unused expectations of a class (None: of all); return their tuples."""
        cancelled = self._pop(flow, klass)
        for expected, own in cancelled:
            self._delete(flow, expected, own)
        return {expected for expected, _ in cancelled}

    def tick(self, now: float) -> None:
        """Delete what ends earlier than its policy; the kernel has the policy's lifetime only."""
        while self._early and self._early[0][0] <= now:
            _, _, flow, expected = heapq.heappop(self._early)
            own = flow.made.get(expected)
            if own is not None and own.expires <= now:  # else it was renewed, or is gone
                self._ledger.release(flow.made.pop(expected).serial)
                self._delete(flow, expected, own)

    def withdraw(self, announcement: Announcement) -> None:
        """Delete one expectation, of any master. A flow that may not open it may not close it either."""
        flow = announcement.flow
        try:
            plans = self._plans(announcement)
        except Refused:
            return
        for planned in plans:
            reserved = _reserved(announcement, planned)
            own = flow.made.pop(reserved.tuple, None)
            if own is not None:
                self._ledger.release(own.serial)
            self._table.release(announcement.expectation(reserved))

    def _delete(self, flow: FlowState, expected: Tuple, own: OwnExpectation) -> None:
        self._table.delete(Expectation(flow.orig, expected, own.mask, zone=flow.zone))

    def resume(
        self, helper: Helper, flow: FlowState, recorded: Iterable[tuple[Tuple, OwnExpectation]]
    ) -> None:
        """Take over the expectations that a previous worker created for this flow."""
        for expected, own in recorded:
            serial = self._ledger.grant(flow.quota_key, own.expires)
            flow.made[expected] = replace(own, serial=serial)
            has_policy = own.klass < len(helper.policies)
            if not has_policy or own.expires - own.at < helper.policies[own.klass].timeout:
                self._end_early(flow, expected, own.expires)

    def forget(self, flow: FlowState, klass: int | None) -> None:
        """Forget the flow's expectations without deleting them: they were used, or died with the flow."""
        self._pop(flow, klass)

    def _pop(self, flow: FlowState, klass: int | None) -> list[tuple[Tuple, OwnExpectation]]:
        chosen = [(t, own) for t, own in flow.made.items() if klass is None or own.klass == klass]
        for expected, own in chosen:
            self._ledger.release(own.serial)
            del flow.made[expected]
        return chosen

    def _plans(self, announcement: Announcement) -> Sequence[Plan]:
        flow, event = announcement.flow, announcement.event
        reply, limits = announcement.context.reply, announcement.limits
        check(judge(event, flow.flow, reply, announcement.policy, limits))
        if not event.sources:
            check(judge_local(event, flow.orig, flow.reply, self._links))
            return [plan(event, flow.flow.l4, flow.orig, flow.reply)]
        if not announcement.helper.outgoing:
            raise Refused("G8", "the helper is not declared `outgoing`")
        if translated(flow.orig, flow.reply):
            raise Refused("G15", "the request's address is translated, answers can't follow it")
        packet = announcement.context.packet
        prefixes = self._links(packet.indev if flow.flow.announcement else packet.outdev)
        check(judge_request(flow.flow, prefixes))
        sources = source_prefixes(event, flow.flow, prefixes)
        if isinstance(sources, Refusal):
            raise Refused(*sources)
        return [plan_answers(event, flow.flow.l4, flow.orig, prefix) for prefix in sources]

    def _open(self, announcement: Announcement, planned: Plan, outcome: Outcome) -> None:
        text = AnnouncedText(announcement.event, announcement.context)
        if not text.movable:
            planned = _reserved(announcement, planned)
        if self._is_young(announcement, planned):
            edit = text.edit(planned.visible)
            outcome.edits += [edit] if edit else []
            return
        flow = announcement.flow
        check(self._ledger.check(flow.quota_key, announcement.limits, announcement.now))
        for candidate in _candidates(planned, text):
            edit = text.edit(candidate.visible)
            expectation = announcement.expectation(candidate)
            if self._create(announcement, expectation, outcome):
                self._enter(announcement, expectation)
                report = announcement.report("expected")
                outcome.reports.append(report._replace(expectation=expectation))
                outcome.edits += [edit] if edit else []
                return
        port = announcement.event.server.port
        raise Refused("G15", f"port {port} and those after it are taken")

    def _is_young(self, announcement: Announcement, planned: Plan) -> bool:
        # the kernel removes and adds an identical one again, which is expensive. Later than this another
        # connection of the client may have taken it over, and ended
        own = announcement.flow.made.get(planned.tuple)
        if own is None or not own.permanent:
            return False
        age = announcement.now - own.at
        if announcement.now + announcement.lifetime > own.expires + YOUNG:
            return False
        return age < min(YOUNG, (own.expires - own.at) / 4)

    def _create(
        self, announcement: Announcement, expectation: Expectation, outcome: Outcome
    ) -> bool:
        """Create it, or have it attached with the verdict; False if the port is taken."""
        if expectation.helper and expectation.tuple not in announcement.flow.made:
            # of two masters the kernel silently keeps the older one, with which it would end
            self._table.release(expectation)
        # ctnetlink_alloc_expect() of 2026 ignores the helper, a verdict's expectation keeps it
        if expectation.helper or not announcement.context.packet.confirmed:
            outcome.attach.append(expectation)
            return True
        errno = self._table.create(expectation)
        if errno == EEXIST:
            errno = self._table.replace(expectation)
        if errno in (EEXIST, EBUSY):
            return False
        if errno:
            raise Refused("G12", f"kernel: {errorcode.get(errno, errno)}, {strerror(errno)}")
        return True

    def _enter(self, announcement: Announcement, expectation: Expectation) -> None:
        flow, policy = announcement.flow, announcement.policy
        former = flow.made.pop(expectation.tuple, None)
        if former is not None:
            self._ledger.release(former.serial)
        same = [t for t, own in flow.made.items() if own.klass == expectation.klass]
        for oldest in same[: max(0, len(same) - policy.max + 1)]:
            self._ledger.release(flow.made.pop(oldest).serial)  # the kernel evicts it likewise
        now = announcement.now
        expires = now + expectation.timeout
        serial = self._ledger.grant(flow.quota_key, expires)
        permanent = bool(expectation.flags & PERMANENT)
        flow.made[expectation.tuple] = OwnExpectation(
            expectation.klass, now, expires, serial, permanent, expectation.mask, expectation.nat
        )  # fmt: skip
        # a UDP master may expire before its expectations, which would die with it
        if announcement.event.keep_after_master or flow.flow.l4 == "udp":
            flow.keep_until = max(flow.keep_until, expires)
        if expectation.timeout < policy.timeout:
            self._end_early(flow, expectation.tuple, expires)

    def _end_early(self, flow: FlowState, expected: Tuple, expires: float) -> None:
        self._count += 1
        heapq.heappush(self._early, (expires, self._count, flow, expected))


def _candidates(planned: Plan, text: AnnouncedText) -> Iterator[Plan]:
    yield planned
    if planned.nat is not None and text.movable:
        first = planned.visible.port
        for port in range(first + 1, min(first + MAX_PORTS, 65536)):
            yield planned.at(port)


def _reserved(announcement: Announcement, planned: Plan) -> Plan:
    """Return the plan with the port that an earlier announcement of the same endpoint was given under NAT."""
    if planned.nat is None:
        return planned
    ports = [
        expected.dport
        for expected, own in announcement.flow.made.items()
        if own.klass == announcement.klass and own.nat == planned.nat
    ]
    return planned.at(ports[-1]) if ports else planned
