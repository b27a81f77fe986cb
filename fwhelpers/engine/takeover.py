"""Judges and repairs expectations that conntrackd committed on the gateway that takes over. Pure.

conntrackd carries the tuple, the mask, the master and the flag PERMANENT of an expectation, and loses its translation
and its class (decision 0126). Both follow from the master's translation and from the helper's policies:

    committed ─┬─▶ kept       it needs no translation, and class 0 is right
               ├─▶ repaired   with translation, class and lifetime
               └─▶ refused    it must be deleted

The announcing message is gone. So only what leads from one end of the control connection to the other can be judged,
and is judged by the guard as if it were announced now.

What the other gateway has replicated (`engine.replicated`) is judged by its record: a committed expectation is
completed from it, and one that was not committed is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect, Flow, Helper, Policy
from fwhelpers.engine.active import Active
from fwhelpers.engine.announcement import FOLLOW
from fwhelpers.engine.expectation_key import Connection, identity_of, leads_to
from fwhelpers.engine.guard import Limits, Refusal, judge
from fwhelpers.engine.nat import judge_translation, plan, translated
from fwhelpers.engine.registry import Account, Claim, Registry
from fwhelpers.engine.replicated import Machine, Replicated, restore
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation
from fwhelpers.kernel.transports import NUMBERS

NO_MACHINE = Machine()
_NAMES = {number: name for name, number in NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation of one of our helpers, and what has to be done with it."""

    expectation: Expectation  #: as it is in the kernel, or was in the other gateway's
    replacement: Expectation | None = None  #: to be created in its place
    refusal: Refusal | None = None  #: why it must be deleted, or not be created
    is_new: bool = False  #: it is not in the kernel
    lifetime: int = 0  #: seconds that it may live, if that is less than on its creation; 0: no less

    @property
    def is_untranslated(self) -> bool:
        """True if it opens nothing before its repair."""
        return self.replacement is not None and self.replacement.nat != self.expectation.nat


def examine(
    expectations: Iterable[Expectation],
    masters: Mapping[Connection, Conntrack],
    helpers: Mapping[str, Active],
    registry: Registry,
    now: float,
    records: Iterable[Replicated] = (),
    machine: Machine = NO_MACHINE,
) -> list[Finding]:
    """Judge the kernel's expectations of our helpers, and then the other gateway's that are not in the kernel.

    `masters`: control connections by zone and original direction. `helpers`: those that are enabled, by kernel name.
    What stays is entered in `registry`, whose bounds apply (G9). `now` is monotonic time in seconds.
    """
    context = _Context(masters, helpers, registry, now, machine)
    replicated = {identity_of(r.expectation): r for r in records if r.remaining >= 1.0}
    findings = [_examine(context, e, replicated.pop(identity_of(e), None)) for e in expectations]
    new = (record for record in replicated.values() if not record.taken)
    return findings + [_examine_new(context, record) for record in new]


class _Context(NamedTuple):
    masters: Mapping[Connection, Conntrack]
    helpers: Mapping[str, Active]
    registry: Registry
    now: float
    machine: Machine

    def control(self, expectation: Expectation) -> tuple[Conntrack, Active] | Refusal:
        """Return an expectation's control connection and its helper."""
        master = self.masters.get(Connection(expectation.zone, expectation.master))
        if master is None:
            return Refusal("G10", "its control connection does not exist")
        active = self.helpers.get(master.helper)
        if active is None:
            return Refusal("G10", f"helper {master.helper or 'none'} is not enabled")
        return master, active

    def enter(self, expectation: Expectation, account: Account, limits: Limits) -> Refusal | None:
        """Count an expectation, or return why there are too many (G9)."""
        refusal = self.registry.check(account, limits)
        if refusal is None:
            owner = Connection(expectation.zone, expectation.master)
            end = self.now + expectation.timeout
            claim = Claim(owner, expectation.klass, account, self.now, end)
            self.registry.enter(expectation, claim, end)
        return refusal


def _examine(context: _Context, committed: Expectation, record: Replicated | None) -> Finding:
    control = context.control(committed)
    if isinstance(control, Refusal):
        return Finding(committed, refusal=control)
    master, active = control
    if not committed.fn:
        # the kernel's function is all that reads it (nf_nat_core.c: nf_nat_follow_master)
        committed = replace(committed, nat=None, nat_dir=0)
    if record is None:
        completed = _complete(committed, master, active.helper, active.limits)
        account = Account(master.helper, master.orig.src, zone=committed.zone)
    else:
        completed = restore(record, master, active, context.machine)
        account = record.account_on(master)
    if isinstance(completed, Refusal):
        return Finding(committed, refusal=completed)
    refusal = context.enter(completed, account, active.limits)
    if refusal is not None:
        return Finding(committed, refusal=refusal)
    lifetime = completed.timeout if record is not None else 0
    same = completed.klass == committed.klass and leads_to(completed) == leads_to(committed)
    if same and (record is None or completed.fn == committed.fn):
        return Finding(committed, lifetime=lifetime if lifetime < committed.timeout else 0)
    return Finding(committed, completed, lifetime=lifetime)


def _examine_new(context: _Context, record: Replicated) -> Finding:
    """Judge an expectation of the other gateway that conntrackd has not committed."""
    expected = record.expectation
    control = context.control(expected)
    if isinstance(control, Refusal):
        return Finding(expected, refusal=control, is_new=True)
    master, active = control
    restored = restore(record, master, active, context.machine)
    if isinstance(restored, Refusal):
        return Finding(expected, refusal=restored, is_new=True)
    policy = active.helper.policies[restored.klass]
    owned = context.registry.of(Connection(restored.zone, restored.master))
    if sum(live.claim.klass == restored.klass for live in owned) >= policy.max:
        # for one more the kernel would drop another one
        refusal: Refusal | None = Refusal(
            "G9", f"{policy.max} of this control connection are alive"
        )
    else:
        refusal = context.enter(restored, record.account_on(master), active.limits)
    if refusal is not None:
        return Finding(expected, refusal=refusal, is_new=True)
    return Finding(expected, restored, is_new=True, lifetime=restored.timeout)


def _complete(
    committed: Expectation, master: Conntrack, helper: Helper, limits: Limits
) -> Expectation | Refusal:
    """Return the expectation as the helper would create it now, with the shortest lifetime of its policies."""
    event = _announced(committed, master)
    if isinstance(event, Refusal):
        return event
    l4 = _NAMES.get(master.orig.l4, "")
    client = Endpoint(master.orig.src, master.orig.sport)
    flow = Flow(l4, client, Endpoint(master.reply.src, master.reply.sport))
    by_server = event.server.addr == flow.server.addr
    refusals = [judge(event, flow, by_server, p, limits) for p in helper.policies]
    allowed = [klass for klass, refusal in enumerate(refusals) if refusal is None]
    refusal = next(filter(None, refusals), None)
    if not allowed:
        return refusal or Refusal("G9", "the helper has no policy")
    refusal = judge_translation(event, master.orig, master.reply)
    if refusal is not None:
        return refusal
    planned = plan(event, l4, master.orig, master.reply).at(committed.tuple.dport)
    if _destination(planned.tuple) != _destination(committed.tuple):
        return Refusal("G15", "it does not follow the translation of its control connection")
    klass = _class_of(committed, helper.policies, allowed)
    completed = replace(
        committed,
        klass=klass,
        timeout=helper.policies[klass].timeout,
        nat=planned.nat,
        nat_dir=planned.nat_dir,
        fn=FOLLOW if planned.nat is not None else "",
        helper="",
    )
    if committed.nat is not None and committed.nat[:4] != (planned.nat and planned.nat[:4]):
        return Refusal("G15", "its translation is not that of its control connection")
    return replace(completed, nat=committed.nat) if committed.nat is not None else completed


def _class_of(committed: Expectation, policies: Iterable[Policy], allowed: list[int]) -> int:
    if (committed.klass or committed.fn) and committed.klass in allowed:
        return committed.klass  # conntrackd carries neither class nor function, so both are right
    timeouts = [policy.timeout for policy in policies]
    return min(allowed, key=lambda klass: timeouts[klass])


def _announced(committed: Expectation, master: Conntrack) -> Expect | Refusal:
    """Return the announcement that leads to the expectation."""
    orig, reply = master.orig, master.reply
    expected, mask = committed.tuple, committed.mask
    if mask.src != b"\xff" * len(mask.src):
        return Refusal("G8", "a range of addresses may connect")
    is_translated = translated(orig, reply)
    if is_translated and mask.sport:
        return Refusal("G15", "the port behind the translation is not known")
    # behind NAT the source port, of which no bit counts, has the port that was announced (`nat.Plan`)
    carried = expected.sport if is_translated and expected.sport else 0
    port = carried or expected.dport
    sport = expected.sport & mask.sport if mask.sport else None
    l4 = _NAMES.get(expected.l4, "")
    if (expected.src, expected.dst) == (orig.src, orig.dst):
        opener, announcer = orig.src, reply.src
    elif (expected.src, expected.dst) == (reply.src, reply.dst):
        opener, announcer = reply.src, orig.src
    else:
        return Refusal("G8", "it does not lead from one end of the control connection to the other")
    return Expect(
        Endpoint(opener, _port_of(opener, orig, reply)),
        Endpoint(announcer, port),
        l4=l4,
        sport=sport,
        sport_mask=mask.sport or 0xFFFF,
        permanent=bool(committed.flags & PERMANENT),
    )


def _port_of(opener: bytes, orig: Tuple, reply: Tuple) -> int:
    """Return the opener's port on the control connection. Only the port differs if both ends are one host."""
    return orig.sport if opener == orig.src else reply.sport


def _destination(value: Tuple) -> tuple[object, ...]:
    return value.src, value.dst, value.l4, value.dport
