"""An announcement in its context, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

from fwhelpers.api import Expect, Helper
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Refusal, Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.nat import Plan
from fwhelpers.engine.verdict import ACCEPT, Report, Verdict
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfqueue import Packet

_FOLLOW = "nat-follow-master"


class MessageContext:
    """The packet that completed a message."""

    __slots__ = ("base", "data", "fixed_length", "full", "packet", "reply")

    def __init__(
        self,
        packet: Packet,
        reply: bool,
        data: bytes,
        base: int,
        fixed_length: bool,
        full: bool = False,
    ) -> None:
        self.packet = packet
        self.reply = reply
        self.data = data  #: the packet's payload
        self.base = base  #: stream offset of its first byte
        #: the kernel adjusts IPv6 sequence numbers wrongly: nf_ct_tcp_seqadj_set() reads them at ip_hdrlen()
        self.fixed_length = fixed_length
        self.full = full  #: no further rewriting can be remembered

    @property
    def interface(self) -> int:
        """Index of the interface by which the packet came, or leaves if this host sent it."""
        return self.packet.indev or self.packet.outdev


class Announcement:
    """A parser's `Expect` event with all that decides on its expectation."""

    __slots__ = (
        "context",
        "event",
        "flow",
        "helper",
        "klass",
        "lifetime",
        "limits",
        "now",
        "policy",
    )

    def __init__(self, flow: FlowState, context: MessageContext, event: Expect, now: float) -> None:
        """Raises Refused if the helper has no policy of the event's."""
        self.helper = flow.active.helper
        self.limits = flow.active.limits
        self.flow = flow
        self.context = context
        self.event = event
        self.now = now
        self.klass = _policy_index(self.helper, event.policy)
        self.policy = self.helper.policies[self.klass]
        asked, longest = event.timeout, self.policy.timeout
        #: seconds that the expectation may live
        self.lifetime = longest if asked is None else max(1, min(asked, longest))

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


def _policy_index(helper: Helper, name: str) -> int:
    if not name:
        return 0
    for index, policy in enumerate(helper.policies):
        if policy.name == name:
            return index
    raise Refused("G9", f"the helper has no policy {name!r}")


def report_success(
    flow: FlowState, context: MessageContext, event: Expect, expectation: Expectation
) -> Report:
    """Return the report that an announcement's expectation is created."""
    return Report(
        "expected",
        flow.helper,
        flow.flow,
        "",
        "",
        expectation,
        None,
        event.trigger,
        flow.account,
        context.interface,
    )


def report_refusal(
    flow: FlowState, context: MessageContext, event: Expect, refusal: Refusal
) -> Report:
    """Return the report that an announcement is refused."""
    return Report(
        "refused",
        flow.helper,
        flow.flow,
        refusal.reason,
        refusal.rule,
        None,
        event.server,
        event.trigger,
        flow.account,
        context.interface,
    )


@dataclass(slots=True)
class Outcome:
    """The results of one event, or of all events of a packet."""

    edits: list[Edit] = field(default_factory=list)
    #: expectations that must go with the verdict, as the connection is not in the table yet
    attach: list[Expectation] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    drop: bool = False  #: the packet must not pass

    def joined(self, later: Outcome) -> Outcome:
        """Add the edits and expectations of a later event."""
        self.edits += later.edits
        self.attach += later.attach
        return self

    def verdict(self) -> Verdict:
        return Verdict(accept=False) if self.drop else ACCEPT
