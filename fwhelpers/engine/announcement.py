"""An announcement in its context, and its outcome."""

from __future__ import annotations

from fwhelpers.api import Expect, Helper
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.guard import Refusal, Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.nat import Plan, judge_translation
from fwhelpers.engine.onlink import Lookup, judge_destination, judge_local, judge_source
from fwhelpers.engine.registry import Claim, LiveExpectation
from fwhelpers.engine.verdict import ACCEPT, Report, Verdict
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfqueue import Packet

FOLLOW = "nat-follow-master"  #: the kernel's function for those between the ends of the master
#: the kernel's function for expectations of which an end is no end of the master
THIRD_PARTY = "sip"


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
        "names_another",
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
        self.klass = _policy_index(self.helper, event.policy) if event.policy else 0
        self.policy = self.helper.policies[self.klass]
        asked, longest = event.timeout, self.policy.timeout
        #: seconds that the expectation may live
        self.lifetime = longest if asked is None else max(1, min(asked, longest))
        ends = flow.flow
        sender = ends.server if context.reply != event.confirms_peer else ends.client
        #: whether the announced host is another one than the sender
        self.names_another = event.server.addr != sender.addr

    def judge_single(self, event: Expect, links: Lookup) -> Refusal | None:
        """Judge what only the announced opener may use, by this machine's addresses and the translation."""
        flow, packet = self.flow, self.context.packet
        refusal = judge_local(event, flow.orig, flow.reply, links)
        if refusal is None and self.names_another:
            interfaces = packet.indev, packet.outdev
            refusal = judge_destination(event, [p for i in interfaces for p in links(i)])
        if refusal is None and flow.flow.l4 == "udp" and not self.context.reply:
            refusal = judge_source(event, links(packet.outdev))
        return refusal or judge_translation(event, flow.orig, flow.reply)

    def expectation(self, plan: Plan) -> Expectation:
        """Return the expectation of a planned connection."""
        event, flow = self.event, self.flow
        function = ""
        if plan.nat is not None:
            function = THIRD_PARTY if plan.third_party else FOLLOW
        return Expectation(
            flow.orig,
            plan.tuple,
            self.mask(plan),
            self.klass,
            PERMANENT if event.permanent else 0,
            self.lifetime,
            self.helper.kernel_name if event.child else "",
            plan.nat,
            plan.nat_dir,
            function,
            flow.zone,
        )

    def claim(self) -> Claim:
        """Return the control connection's right to what it announces."""
        flow = self.flow
        until = self.now + self.lifetime
        return Claim(flow.connection, self.klass, flow.account, self.now, until)

    def mask(self, plan: Plan) -> Tuple:
        """Return the mask of a planned connection."""
        sport = 0 if self.event.sport is None else self.event.sport_mask & 0xFFFF
        return mask_for(plan.tuple, sport, plan.prefix)


def _policy_index(helper: Helper, name: str) -> int:
    for index, policy in enumerate(helper.policies):
        if policy.name == name:
            return index
    raise Refused("G9", f"the helper has no policy {name!r}")


def report_success(
    announcement: Announcement, expectation: Expectation, kind: str = "expected"
) -> Report:
    """Return the report that an announcement's expectation is created ("expected") or "renewed"."""
    flow, packet = announcement.flow, announcement.context.packet
    return Report(
        kind,
        flow.helper,
        flow.flow,
        "",
        "",
        expectation,
        None,
        announcement.event.trigger,
        flow.account,
        packet.indev or packet.outdev,
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


class Outcome:
    """The results of one event, or of all events of a packet."""

    __slots__ = ("attach", "drop", "edits", "opened", "refused", "reports")

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        #: expectations that must go with the verdict, as the connection is not in the table yet
        self.attach: list[Expectation] = []
        self.reports: list[Report] = []
        self.drop = False  #: the packet must not pass
        self.refused = False  #: something that the packet announced was refused
        self.opened: list[LiveExpectation] = []  #: what it announced

    def joined(self, later: Outcome) -> Outcome:
        """Add the edits and expectations of a later event."""
        self.edits += later.edits
        self.attach += later.attach
        self.refused |= later.refused
        self.opened += later.opened
        return self

    def verdict(self) -> Verdict:
        return Verdict(accept=False) if self.drop else ACCEPT
