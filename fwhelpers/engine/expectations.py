"""An announcement's way from the guard over the right tuple to the kernel and into the payload."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from errno import EBUSY, EEXIST, errorcode
from os import strerror
from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect, Helper, Policy
from fwhelpers.engine.flow_state import FlowState, OwnExpectation
from fwhelpers.engine.guard import Ledger, Limits, Refusal, judge
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.nat import Plan, answers, plan, translated
from fwhelpers.engine.onlink import NO_LINKS, Lookup, judge_local, judge_request, peers
from fwhelpers.engine.verdict import ExpectationTable, Report
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfqueue import Packet

_PERMANENT = 1
_FOLLOW = "nat-follow-master"

#: how many ports are tried when the announced one is taken on the translated address
MAX_PORTS = 64


#: seconds during which an identical permanent expectation is not made again
YOUNG = 2.0


class MessageContext(NamedTuple):
    """Where an announcement was read."""

    packet: Packet
    reply: bool
    data: bytes  #: the packet's payload
    base: int  #: stream offset of its first byte
    #: the kernel adjusts IPv6 sequence numbers wrongly: nf_ct_tcp_seqadj_set() reads them at ip_hdrlen()
    fixed_length: bool

    @property
    def interface(self) -> int:
        """Index of the interface by which it came; where this host sent it, by which it leaves."""
        return self.packet.indev or self.packet.outdev


class _Refused(Exception):
    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(rule, reason)


class ExpectationManager:
    """Turns `Expect`s into expectations; remembers which flow made what."""

    def __init__(
        self,
        maker: ExpectationTable,
        ledger: Ledger,
        tell: Callable[[Report], None],
        links: Lookup = NO_LINKS,
    ) -> None:
        self._maker = maker
        self._ledger = ledger
        self._tell = tell
        self._links = links
        self._waiting: list[Expectation] = []
        self._early: list[tuple[float, int, FlowState, Tuple]] = []  # a heap
        self._count = 0

    def take_waiting(self) -> list[Expectation]:
        """Expectations that must go with the verdict, as the connection is not in the table yet."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def expect(
        self,
        helper: Helper,
        limits: Limits,
        state: FlowState,
        place: MessageContext,
        want: Expect,
        now: float,
    ) -> Edit | None:
        """Judge, expect, tell; returns the rewriting that the payload needs, if any."""
        try:
            return self._expect(helper, limits, state, place, want, now)
        except _Refused as refused:
            rule, reason = refused.refusal
            told = Report("refused", state.helper, state.flow, reason, rule, None, want.server)
            self._tell(told._replace(what=want.what, interface=place.interface))
            return None

    def cancel(self, state: FlowState, klass: int | None) -> None:
        """Delete what the flow made and nobody used; what was to go with the verdict stays here."""
        for expected, made in self._take(state, klass):
            self._waiting = [
                e for e in self._waiting if (e.master, e.tuple) != (state.orig, expected)
            ]
            self._delete(state, expected, made)

    def tick(self, now: float) -> None:
        """Delete what must end earlier than its policy says: the kernel knows the policy's time only."""
        while self._early and self._early[0][0] <= now:
            _, _, state, expected = heapq.heappop(self._early)
            made = state.made.get(expected)
            if made is not None and made.expires <= now:  # else it was asked for again, or is gone
                self._ledger.release(state.made.pop(expected).serial)
                self._delete(state, expected, made)

    def withdraw(
        self, helper: Helper, limits: Limits, state: FlowState, place: MessageContext, want: Expect
    ) -> None:
        """Delete this one, whichever connection made it; who may not open it may not close it either."""
        try:
            klass, policy = _policy(helper, want.policy)
            _raise(judge(want, state.flow, place.reply, policy, limits))
            plans = self._plans(helper, state, place, want)
        except _Refused:
            return
        for wanted in plans:
            planned = _reserved(wanted, state, klass)
            made = state.made.pop(planned.tuple, None)
            if made is not None:
                self._ledger.release(made.serial)
            self._maker.release(_expectation(helper, state, planned, want, klass, policy))

    def _delete(self, state: FlowState, expected: Tuple, made: OwnExpectation) -> None:
        self._maker.delete(Expectation(state.orig, expected, made.mask, zone=state.zone))

    def resume(
        self, helper: Helper, state: FlowState, made: Iterable[tuple[Tuple, OwnExpectation]]
    ) -> None:
        """Answer for what a predecessor made for this flow."""
        for expected, one in made:
            serial = self._ledger.grant(state.quota_key, one.expires)
            state.made[expected] = replace(one, serial=serial)
            known = one.klass < len(helper.policies)
            if not known or one.expires - one.at < helper.policies[one.klass].timeout:
                self._end_early(state, expected, one.expires)

    def spent(self, state: FlowState, klass: int | None) -> None:
        """Forget what the flow made: it served."""
        self._take(state, klass)

    def _take(self, state: FlowState, klass: int | None) -> list[tuple[Tuple, OwnExpectation]]:
        chosen = [(t, m) for t, m in state.made.items() if klass is None or m.klass == klass]
        for expected, made in chosen:
            self._ledger.release(made.serial)
            del state.made[expected]
        return chosen

    def _expect(
        self,
        helper: Helper,
        limits: Limits,
        state: FlowState,
        place: MessageContext,
        want: Expect,
        now: float,
    ) -> Edit | None:
        klass, policy = _policy(helper, want.policy)
        _raise(judge(want, state.flow, place.reply, policy, limits))
        edit = None
        for wanted in self._plans(helper, state, place, want):
            edit = self._open(helper, wanted, klass, policy, limits, state, place, want, now)
        return edit

    def _plans(
        self, helper: Helper, state: FlowState, place: MessageContext, want: Expect
    ) -> Sequence[Plan]:
        if not want.sources:
            _raise(judge_local(want, state.orig, state.reply, self._links))
            return [plan(want, state.flow.l4, state.orig, state.reply)]
        if not helper.outgoing:
            raise _Refused("G8", "the helper is not declared `outgoing`")
        if translated(state.orig, state.reply):
            raise _Refused("G15", "the request's address is translated, answers can't be led back")
        packet = place.packet
        prefixes = self._links(packet.indev if state.flow.announcement else packet.outdev)
        _raise(judge_request(state.flow, prefixes))
        found = peers(want, state.flow, prefixes)
        if isinstance(found, Refusal):
            raise _Refused(*found)
        return [answers(want, state.flow.l4, state.orig, prefix) for prefix in found]

    def _open(
        self,
        helper: Helper,
        wanted: Plan,
        klass: int,
        policy: Policy,
        limits: Limits,
        state: FlowState,
        place: MessageContext,
        want: Expect,
        now: float,
    ) -> Edit | None:
        text = _Rewrite(want, place)
        if not text.movable:
            wanted = _reserved(wanted, state, klass)
        if self._still_there(state, wanted, _lifetime(want, policy), now):
            return text.edit(wanted.visible)
        _raise(self._ledger.check(state.quota_key, limits, now))
        for candidate in _candidates(wanted, text):
            edit = text.edit(candidate.visible)
            expectation = _expectation(helper, state, candidate, want, klass, policy)
            if self._make(expectation, place.packet, state):
                self._enter(state, expectation, policy, now, want.keep_after_master)
                told = Report("expected", state.helper, state.flow, expectation=expectation)
                self._tell(told._replace(what=want.what, interface=place.interface))
                return edit
        raise _Refused("G15", f"port {want.server.port} and those after it are taken")

    def _still_there(self, state: FlowState, wanted: Plan, lifetime: int, now: float) -> bool:
        # an identical one makes the kernel remove and re-add: spare it that while the first is young.
        # Not for longer, as another connection of the client may have taken ours over, and ended
        made = state.made.get(wanted.tuple)
        if made is None or not made.permanent or now + lifetime > made.expires + YOUNG:
            return False
        return now - made.at < min(YOUNG, (made.expires - made.at) / 4)

    def _make(self, expectation: Expectation, packet: Packet, state: FlowState) -> bool:
        if expectation.helper and expectation.tuple not in state.made:
            # the kernel keeps the older one of two masters, and says nothing: it would end with that
            self._maker.release(expectation)
        # a child's helper is taken from a verdict alone: ctnetlink_alloc_expect() of 2026 passes it over
        if expectation.helper or not packet.confirmed:
            self._waiting.append(expectation)
            return True
        errno = self._maker.create(expectation)
        if errno == EEXIST:
            errno = self._maker.replace(expectation)
        if errno in (EEXIST, EBUSY):
            return False
        if errno:
            raise _Refused("G12", f"kernel: {errorcode.get(errno, errno)}, {strerror(errno)}")
        return True

    def _enter(
        self,
        state: FlowState,
        expectation: Expectation,
        policy: Policy,
        now: float,
        keep_after_master: bool,
    ) -> None:
        old = state.made.pop(expectation.tuple, None)
        if old is not None:
            self._ledger.release(old.serial)
        same = [t for t, made in state.made.items() if made.klass == expectation.klass]
        for oldest in same[: max(0, len(same) - policy.max + 1)]:
            self._ledger.release(state.made.pop(oldest).serial)  # the kernel evicts it likewise
        expires = now + expectation.timeout
        serial = self._ledger.grant(state.quota_key, expires)
        permanent = bool(expectation.flags & _PERMANENT)
        state.made[expectation.tuple] = OwnExpectation(
            expectation.klass, now, expires, serial, permanent, expectation.mask, expectation.nat
        )  # fmt: skip
        # a UDP master may die before what it expects, and takes it along
        if keep_after_master or state.flow.l4 == "udp":
            state.keep_until = max(state.keep_until, expires)
        if expectation.timeout < policy.timeout:
            self._end_early(state, expectation.tuple, expires)

    def _end_early(self, state: FlowState, expected: Tuple, expires: float) -> None:
        self._count += 1
        heapq.heappush(self._early, (expires, self._count, state, expected))


class _Rewrite:
    """How the announced endpoint stands in the payload."""

    def __init__(self, want: Expect, place: MessageContext) -> None:
        self._want = want
        self._place = place

    @property
    def movable(self) -> bool:
        """True if another port could be written."""
        return self._want.span is not None and self._want.encode is not None

    def edit(self, visible: Endpoint) -> Edit | None:
        """The rewriting that tells the opener `visible`; None if it is told already."""
        want = self._want
        if want.span is None or visible == want.server:
            return None
        if want.encode is None:
            raise _Refused("G15", "the announced address is translated and can't be rewritten")
        start, end = want.span
        text = want.encode(visible)
        if self._place.fixed_length and len(text) != end - start:
            text = self._fitted(visible, end - start)
        first = start - self._place.base
        if first < 0 or end - self._place.base > len(self._place.data):
            raise _Refused(
                "G15", "a part of the announcement has passed already, it can't be rewritten"
            )
        if self._place.data[first : end - self._place.base] == text:
            return None
        return Edit(start, end, text)

    def _fitted(self, visible: Endpoint, size: int) -> bytes:
        text = self._want.fit(visible, size) if self._want.fit else None
        if text is None or len(text) != size:
            raise _Refused("G15", "the length of an IPv6 announcement can't change")
        return text


def _candidates(wanted: Plan, text: _Rewrite) -> list[Plan]:
    if wanted.nat is None or not text.movable:
        return [wanted]
    first = wanted.visible.port
    return [wanted.at(port) for port in range(first, min(first + MAX_PORTS, 65536))]


def _reserved(wanted: Plan, state: FlowState, klass: int) -> Plan:
    """Under the port by which it was announced, if another one had to be taken then."""
    if wanted.nat is None:
        return wanted
    ports = [t.dport for t, m in state.made.items() if m.klass == klass and m.nat == wanted.nat]
    return wanted.at(ports[-1]) if ports else wanted


def _expectation(
    helper: Helper, state: FlowState, planned: Plan, want: Expect, klass: int, policy: Policy
) -> Expectation:
    return Expectation(
        master=state.orig,
        tuple=planned.tuple,
        mask=mask_for(planned.tuple, want.sport is not None, planned.prefix),
        klass=klass,
        flags=_PERMANENT if want.permanent else 0,
        timeout=_lifetime(want, policy),
        helper=helper.kernel_name if want.child else "",
        nat=planned.nat,
        nat_dir=planned.nat_dir,
        fn=_FOLLOW if planned.nat else "",
        zone=state.zone,
    )


def _lifetime(want: Expect, policy: Policy) -> int:
    return policy.timeout if want.timeout is None else max(1, min(want.timeout, policy.timeout))


def _policy(helper: Helper, name: str) -> tuple[int, Policy]:
    for klass, policy in enumerate(helper.policies):
        if not name or policy.name == name:
            return klass, policy
    raise _Refused("G9", f"the helper has no policy {name!r}")


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise _Refused(*refusal)
