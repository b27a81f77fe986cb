"""Judges what the other gateway has replicated, on the gateway that takes over. Pure.

A record comes from another machine, which may be hostile by now. It is restored if some announcement that the guard
accepts would have led to exactly this expectation here: the same tuple and mask, translation and function. So it opens
nothing that the helper itself, with this gateway's configuration, could not open for the control connection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect, Flow
from fwhelpers.engine.active import Active
from fwhelpers.engine.announcement import FOLLOW, THIRD_PARTY
from fwhelpers.engine.expectation_key import leads_to
from fwhelpers.engine.guard import Prefix, Refusal, judge, judge_announcer
from fwhelpers.engine.nat import Plan, judge_translation, plan
from fwhelpers.engine.onlink import NO_LINKS, Lookup, judge_destination, judge_local
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.kernel import transports
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Conntrack
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for


class Machine(NamedTuple):
    """This gateway's own addresses, and the prefixes of all its links."""

    links: Lookup = NO_LINKS
    prefixes: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class Replicated:
    """An expectation as the other gateway's kernel had it."""

    expectation: Expectation
    remaining: float  #: seconds for which it lives on
    account: Account = NO_ACCOUNT
    taken: bool = False  #: a former take-over has had it: it may have been used since

    def account_on(self, master: Conntrack) -> Account:
        """Return whose quota it counts on: the client's of the control connection, whatever the record says."""
        client = master.orig.src
        answerer = self.account.answerer if self.account.addr == client else b""
        return Account(master.helper, client, answerer, self.expectation.zone)


def restore(
    record: Replicated, master: Conntrack, active: Active, machine: Machine
) -> Expectation | Refusal:
    """Return the expectation as it may be created here, with the seconds that it may live."""
    expected, helper = record.expectation, active.helper
    if expected.helper != master.helper:
        return Refusal("G10", f"its record names the helper {expected.helper or 'none'}")
    if expected.klass >= len(helper.policies):
        return Refusal("G9", f"the helper has no policy of class {expected.klass}")
    policy = helper.policies[expected.klass]
    event = _announced(expected, master)
    if isinstance(event, Refusal):
        return event
    l4 = transports.name_of(master.orig.l4)
    client = Endpoint(master.orig.src, master.orig.sport)
    flow = Flow(l4, client, Endpoint(master.reply.src, master.reply.sport))
    planned = plan(event, l4, master.orig, master.reply)
    by_server = event.server.addr == flow.server.addr
    is_expected = bool(master.status & IPS_EXPECTED)
    refusal = judge_announcer(event, helper, policy, flow, by_server, is_expected)
    for port in _ports(expected, event, planned):
        at = replace(event, server=event.server.at(port))
        refusal = refusal or judge(at, flow, by_server, policy, active.limits)
    refusal = (
        refusal
        or judge_local(event, master.orig, master.reply, machine.links)
        or judge_destination(event, machine.prefixes)
        or judge_translation(event, master.orig, master.reply)
    )
    if refusal is not None:
        return refusal
    lifetime = min(int(record.remaining), policy.timeout)
    whole = _created(expected, planned.at(expected.tuple.dport), lifetime)
    if (leads_to(whole), whole.fn) != (leads_to(expected), expected.fn):
        return Refusal("G15", "it does not follow the translation of its control connection")
    return whole


def _announced(expected: Expectation, master: Conntrack) -> Expect | Refusal:
    """Return the announcement that leads to the expectation, as far as the expectation tells."""
    value, mask = expected.tuple, expected.mask
    if not transports.is_known(value.l4):
        return Refusal("G7", f"protocol {value.l4} can't be expected")
    size = len(mask.src)
    if mask.src not in (b"\xff" * size, bytes(size)):
        return Refusal("G8", "a range of addresses may connect")
    real = (
        Endpoint(value.dst, value.dport)
        if expected.nat is None
        else Endpoint(expected.nat.src, expected.nat.sport)
    )
    # both ends may be one host, and differ in the port then
    opener_port = master.orig.sport if value.src == master.orig.src else master.reply.sport
    return Expect(
        Endpoint(value.src, opener_port),
        real,
        l4=transports.name_of(value.l4),
        sport=value.sport & mask.sport if mask.sport else None,
        sport_mask=mask.sport or 0xFFFF,
        permanent=bool(expected.flags & PERMANENT),
        sources="" if any(mask.src) else "any",
    )


def _ports(expected: Expectation, event: Expect, planned: Plan) -> list[int]:
    """Return the ports that are judged: the real one, and the visible one unless it follows from the translation."""
    visible = expected.tuple.dport
    if visible in (event.server.port, planned.visible.port):
        return [event.server.port]
    return [event.server.port, visible]


def _created(expected: Expectation, planned: Plan, lifetime: int) -> Expectation:
    fn = ""
    if planned.nat is not None:
        fn = THIRD_PARTY if planned.third_party else FOLLOW
    return Expectation(
        expected.master,
        planned.tuple,
        mask_for(planned.tuple, expected.mask.sport, planned.prefix),
        expected.klass,
        expected.flags & PERMANENT,
        lifetime,
        "",
        planned.nat,
        planned.nat_dir,
        fn,
        expected.zone,
    )
