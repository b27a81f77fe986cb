"""From a parser's `Expect` event over the guard and NAT to the kernel and into the payload."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence, Sized
from dataclasses import replace
from errno import EBUSY, EEXIST, EINVAL, errorcode
from os import strerror

from fwhelpers.api import Expect
from fwhelpers.engine.announced_text import AnnouncedText
from fwhelpers.engine.announcement import (
    THIRD_PARTY,
    Announcement,
    MessageContext,
    Outcome,
    report_refusal,
    report_success,
)
from fwhelpers.engine.expectation_key import ExpectationKey, key_of, leads_to
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Prefix, Refusal, Refused, check, judge, judge_announcer
from fwhelpers.engine.nat import Plan, plan, plan_answers, translated
from fwhelpers.engine.onlink import (
    NO_LINKS,
    Lookup,
    judge_request,
    judge_sender,
    source_prefixes,
)
from fwhelpers.engine.registry import Account, LiveExpectation, Registry
from fwhelpers.engine.repetition import RENEWAL_INTERVAL, is_young, joins, remember, waits
from fwhelpers.engine.suspects import Suspects
from fwhelpers.engine.verdict import ExpectationTable
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.expect import Expectation

#: seconds between comparisons of a party's expectations with the kernel's, when it has reached a bound
COMPARE_INTERVAL = 1.0
MAX_COMPARED = 1024  #: parties whose last comparison is remembered

#: seconds between looks at the kernel's reports of ended expectations, unless a bound was reached
LEARN_INTERVAL = 0.5


class ExpectationManager:
    """Judges announcements, and keeps the kernel's table and the registry alike."""

    def __init__(
        self,
        table: ExpectationTable,
        registry: Registry,
        links: Lookup = NO_LINKS,
        pending: Sized = (),
    ) -> None:
        """`pending` is empty unless some of the flows have expectations for their next verdicts."""
        self._table = table
        self._pending = pending
        self._suspects = Suspects(registry)
        self._learned = float("-inf")
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
            and last.event.server == event.server
            and is_young(last.live, flow, context.packet.confirmed, last.lifetime, now)
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
            outcome.refused = True
            outcome.reports.append(report_refusal(flow, context, event, refused.refusal))
        return outcome

    def cancel(self, flow: FlowState, klass: int | None) -> set[ExpectationKey]:
        """Withdraw the flow's unused expectations of a class (None: of all); return their keys."""
        self._registry.withdraw_former(flow.connection, klass)
        cancelled = self._owned(flow, klass)
        for live in cancelled:
            if self._registry.withdraw(live):
                self._table.delete(live.expectation)
            elif live.former is not None and live.keeper is flow:
                flow.keep(live.former.until)
        return {live.key for live in cancelled}

    def tick(self, now: float) -> None:
        """Delete what ends earlier than its policy; the kernel has the policy's lifetime only."""
        for live in self._registry.expire(now):
            self._table.delete(live.expectation)
        if now - self._learned >= LEARN_INTERVAL:
            self._learned = now
            self._suspects.add(self._table.ended())

    def withdraw(self, flow: FlowState, context: MessageContext, event: Expect, now: float) -> None:
        """Delete one expectation, of any master. A flow that may not open it may not close it either."""
        try:
            announcement = Announcement(flow, context, event, now)
            plans = self._plans(announcement)
        except Refused:
            return
        for planned in plans:
            first = planned if planned.nat is None else self._reserved(announcement, planned)
            for offset in range(event.count):
                expectation = announcement.expectation(first.after(offset))
                live = self._current(expectation)
                if live is None and announcement.names_another:
                    continue  # another worker may know it
                if live is not None and self._is_anothers(announcement, live):
                    continue
                if live is not None:
                    self._registry.remove(live)
                self._table.release(expectation)

    def forget(self, flow: FlowState, klass: int | None) -> None:
        """Forget the flow's expectations without deleting them: they were used, or died with the flow."""
        for live in self._owned(flow, klass):
            self._registry.remove(live)

    def of(self, flow: FlowState) -> Collection[LiveExpectation]:
        """Return a view of the flow's expectations, the oldest first."""
        return self._registry.of(flow.connection)

    def _owned(self, flow: FlowState, klass: int | None) -> list[LiveExpectation]:
        owned = self._registry.of(flow.connection)
        return [live for live in owned if klass in (None, live.claim.klass)]

    def _plans(self, announcement: Announcement) -> Sequence[Plan]:
        flow, event = announcement.flow, announcement.event
        reply, limits = announcement.context.reply, announcement.limits
        packet, helper = announcement.context.packet, announcement.helper
        prefixes: Sequence[Prefix] = ()
        grouped = event.sources not in ("", "any")
        if grouped:
            prefixes = self._links(packet.indev if flow.flow.announcement else packet.outdev)
        if grouped and helper.unicast and judge_request(flow.flow, prefixes):
            event = replace(event, sources="")  # sent to one host, which alone may answer
            grouped = False
            if packet.indev:
                check(judge_sender(flow.flow, self._links(packet.indev)))
        expected = bool(packet.status & IPS_EXPECTED)
        check(
            judge_announcer(event, helper, announcement.policy, flow.flow, reply, expected)
            or judge(event, flow.flow, reply, announcement.policy, limits)
            or (None if grouped else announcement.judge_single(event, self._links))
        )
        if not grouped:
            return (plan(event, flow.flow.l4, flow.orig, flow.reply),)
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
        if planned.nat is not None:
            planned = self._reserved(announcement, planned)
        expectation = announcement.expectation(planned)
        current = self._current(expectation)
        edit = text.edit(planned.visible)
        if current is not None:
            outcome.edits += [edit] if edit else []  # it stays open, also if it can't be renewed
            confirmed = announcement.context.packet.confirmed
            if (
                is_young(current, flow, confirmed, announcement.lifetime, announcement.now)
                or (not current.permanent and self._waits(announcement, planned))
                or self._extend(announcement, current)
            ):
                if current.claim.owner != flow.connection:
                    self._join(announcement, current, outcome)
                outcome.opened.append(current)
                remember(announcement, planned, current)
                return
        self._check_quota(announcement, current)
        for candidate in text.candidates(planned):
            if candidate is not planned:
                edit = text.edit(candidate.visible)
                expectation = announcement.expectation(candidate)
            series = self._create_series(announcement, candidate, expectation, outcome)
            if series:
                remember(announcement, candidate, series[0])
                outcome.edits[:] = [edit] if edit else []
                outcome.opened += series
                return
        outcome.edits.clear()
        port = announcement.event.server.port
        raise Refused("G15", f"port {port} and those after it are taken")

    def _extend(self, announcement: Announcement, current: LiveExpectation) -> bool:
        """Return whether another connection's expectation stays for this announcement too, if the kernel has it."""
        seconds = announcement.policy.timeout
        if not joins(current, announcement) or not self._table.renew(current.expectation, seconds):
            return False
        current.kernel_end = announcement.now + seconds
        return True

    def _join(self, announcement: Announcement, live: LiveExpectation, outcome: Outcome) -> None:
        claim = announcement.claim()
        if live.keeper is not None:
            live.keeper.keep(claim.until)
        ends = [c.until for c in (live.claim, live.former) if c is not None]
        if claim.until > max(ends) + RENEWAL_INTERVAL:
            longer = replace(live.expectation, timeout=announcement.lifetime)
            outcome.reports.append(report_success(announcement, longer, "renewed"))
        self._registry.join(live, claim)

    def _create_series(
        self, announcement: Announcement, first: Plan, expectation: Expectation, outcome: Outcome
    ) -> list[LiveExpectation]:
        """Create or renew the expectations of all ports; return them, or none if a port is taken.

        Otherwise, or if Refused is raised, no new one is left. Those that were there before stay.
        """
        lives: list[LiveExpectation] = []
        created: list[LiveExpectation] = []
        try:
            for offset in range(announcement.event.count):
                if offset:
                    expectation = announcement.expectation(first.after(offset))
                    self._check_quota(announcement, self._current(expectation))
                current = self._current(expectation)
                if current is not None and self._is_anothers(announcement, current):
                    lives.append(current)
                    continue
                if not self._create(announcement, expectation, outcome):
                    self._undo(created, outcome)
                    return []
                lives.append(self._enter(announcement, expectation))
                created += lives[-1:] if current is None else []
        except Refused:
            self._undo(created, outcome)
            raise
        return lives

    def _is_anothers(self, announcement: Announcement, live: LiveExpectation) -> bool:
        """Return whether it belongs to another client, and the announcement's sender only names its host.

        Such an announcement neither takes it over nor ends it.
        """
        foreign = live.claim.account.client != announcement.flow.account.client
        return foreign and announcement.names_another and self._table.has(live.expectation)

    def _undo(self, series: Sequence[LiveExpectation], outcome: Outcome) -> None:
        keys = {live.key for live in series}
        outcome.attach = [e for e in outcome.attach if key_of(e) not in keys]
        outcome.reports = [
            r for r in outcome.reports if not r.expectation or key_of(r.expectation) not in keys
        ]
        for live in series:
            if live.registered and self._registry.withdraw(live):
                self._table.delete(live.expectation)

    def _current(self, expectation: Expectation) -> LiveExpectation | None:
        """Return the live expectation that admits the same connections, whoever owns it."""
        live = self._registry.get(key_of(expectation))
        if live is None or leads_to(live.expectation) != leads_to(expectation):
            return None
        return live

    def _waits(self, announcement: Announcement, first: Plan) -> bool:
        """Return whether the connection has opened all that it announces, and none of it was used."""
        self._suspects.add(self._table.ended())
        series = (announcement.expectation(first.after(n)) for n in range(announcement.event.count))
        return all(waits(self._current(each), announcement) for each in series)

    def _check_quota(self, announcement: Announcement, current: LiveExpectation | None) -> None:
        account, limits = announcement.flow.account, announcement.limits
        refusal = self._registry.check(account, limits, current)
        if refusal is not None and self._free_ended(account, announcement.now):
            refusal = self._registry.check(account, limits, current)
        if refusal is not None and self._compare(account, announcement.now):
            refusal = self._registry.check(account, limits, current)
        check(refusal)
        check(self._registry.take_token(account, limits, announcement.now))

    def _free_ended(self, account: Account, now: float) -> bool:
        """Remove some of what the kernel has reported as ended, if it confirms that. Return whether there was any."""
        if self._pending:
            return False
        self._suspects.add(self._table.ended())
        suspects = self._suspects.pop(account, now)
        for live in suspects:
            if not self._table.has(live.expectation):
                self._registry.remove(live)
        return bool(suspects)

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
        """Create or renew it, or have it attached with the verdict; False if the port is taken."""
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
            outcome.reports.append(report_success(announcement, expectation))
            return True
        own = live is not None and live.claim.owner == announcement.flow.connection
        if same and own and self._table.renew(expectation, announcement.policy.timeout):
            outcome.reports.append(report_success(announcement, expectation, "renewed"))
            return True
        errno = EEXIST if same else self._table.create(expectation)
        if errno == EEXIST and (same or not announcement.names_another):
            errno = self._table.replace(expectation)
        if errno in (EEXIST, EBUSY):
            return False
        if errno == EINVAL and expectation.fn == THIRD_PARTY:
            raise Refused("G15", "kernel: a translated third party requires the module nf_nat_sip")
        if errno:
            raise Refused("G12", f"kernel: {errorcode.get(errno, errno)}, {strerror(errno)}")
        outcome.reports.append(report_success(announcement, expectation))
        return True

    def _enter(self, announcement: Announcement, expectation: Expectation) -> LiveExpectation:
        flow, policy = announcement.flow, announcement.policy
        claim = announcement.claim()
        live = self._registry.enter(expectation, claim, announcement.now + policy.timeout)
        if len(self._registry.of(flow.connection)) > policy.max:
            for oldest in self._owned(flow, claim.klass)[: -policy.max]:
                self._registry.remove(oldest)  # the kernel evicts it likewise
        # a UDP master may expire before its expectations, which would die with it
        is_udp = flow.flow.l4 == "udp"
        kept = is_udp or announcement.event.keep_after_master
        if kept and flow.keep_until < claim.until:
            flow.keep_until = claim.until
        if not expectation.helper:
            live.lasting = is_udp and announcement.context.packet.confirmed
            live.keeper = flow if kept and not is_udp else None
        return live

    def _reserved(self, announcement: Announcement, planned: Plan) -> Plan:
        """Return the plan with the port that an earlier announcement of the same endpoint was given under NAT."""
        ports = [
            live.expectation.tuple.dport
            for live in self._owned(announcement.flow, announcement.klass)
            if live.expectation.nat == planned.nat
        ]
        return planned.at(ports[-1]) if ports else planned
