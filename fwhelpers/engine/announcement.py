"""An announcement in its context, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fwhelpers.api import Expect, Helper, Policy
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Limits, Refusal, Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.nat import Plan
from fwhelpers.engine.verdict import Report
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfqueue import Packet

_FOLLOW = "nat-follow-master"


class MessageContext(NamedTuple):
    """The packet that completed a message."""

    packet: Packet
    reply: bool
    data: bytes  #: the packet's payload
    base: int  #: stream offset of its first byte
    #: the kernel adjusts IPv6 sequence numbers wrongly: nf_ct_tcp_seqadj_set() reads them at ip_hdrlen()
    fixed_length: bool
    full: bool = False  #: no further rewriting can be remembered

    @property
    def interface(self) -> int:
        """Index of the interface by which the packet came, or leaves if this host sent it."""
        return self.packet.indev or self.packet.outdev


@dataclass(frozen=True)
class Announcement:
    """A parser's `Expect` event with all that decides on its expectation."""

    helper: Helper
    limits: Limits
    flow: FlowState
    context: MessageContext
    event: Expect
    now: float

    @cached_property
    def klass(self) -> int:
        """Index of the helper's policy. Raises Refused if it has none of this name."""
        for klass, policy in enumerate(self.helper.policies):
            if not self.event.policy or policy.name == self.event.policy:
                return klass
        raise Refused("G9", f"the helper has no policy {self.event.policy!r}")

    @property
    def policy(self) -> Policy:
        """The helper's policy. Raises Refused if it has none of this name."""
        return self.helper.policies[self.klass]

    @property
    def lifetime(self) -> int:
        """Seconds that the expectation may live."""
        asked, longest = self.event.timeout, self.policy.timeout
        return longest if asked is None else max(1, min(asked, longest))

    def expectation(self, plan: Plan) -> Expectation:
        """Return the expectation of a planned connection."""
        return Expectation(
            master=self.flow.orig,
            tuple=plan.tuple,
            mask=self.mask(plan),
            klass=self.klass,
            flags=PERMANENT if self.event.permanent else 0,
            timeout=self.lifetime,
            helper=self.helper.kernel_name if self.event.child else "",
            nat=plan.nat,
            nat_dir=plan.nat_dir,
            fn=_FOLLOW if plan.nat else "",
            zone=self.flow.zone,
        )

    def mask(self, plan: Plan) -> Tuple:
        """Return the mask of a planned connection."""
        return mask_for(plan.tuple, self.event.sport is not None, plan.prefix)

    def report(self, kind: str, refusal: Refusal | None = None) -> Report:
        """Return a report on the announcement."""
        rule, reason = refusal or ("", "")
        return Report(
            kind, self.flow.helper, self.flow.flow, reason, rule,
            trigger=self.event.trigger, interface=self.context.interface, account=self.flow.account,
        )  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """The results of one event, or of all events of a packet."""

    edits: list[Edit] = field(default_factory=list)
    #: expectations that must go with the verdict, as the connection is not in the table yet
    attach: list[Expectation] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    drop: bool = False  #: the packet must not pass
