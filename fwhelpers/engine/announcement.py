"""An announcement in its context, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

from fwhelpers.api import Endpoint, Expect, Policy
from fwhelpers.engine.active import Active
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

    __slots__ = ("_klass", "context", "event", "flow", "helper", "limits", "now")

    def __init__(
        self, active: Active, flow: FlowState, context: MessageContext, event: Expect, now: float
    ) -> None:
        self.helper = active.helper
        self.limits = active.limits
        self.flow = flow
        self.context = context
        self.event = event
        self.now = now
        self._klass = -1 if event.policy else 0

    @property
    def klass(self) -> int:
        """Index of the helper's policy. Raises Refused if it has none of this name."""
        if self._klass < 0:
            self._klass = self._policy_index()
        return self._klass

    def _policy_index(self) -> int:
        name = self.event.policy
        for index, policy in enumerate(self.helper.policies):
            if policy.name == name:
                return index
        raise Refused("G9", f"the helper has no policy {name!r}")

    @property
    def policy(self) -> Policy:
        """The helper's policy. Raises Refused if it has none of this name."""
        return self.helper.policies[self.klass]

    @property
    def lifetime(self) -> int:
        """Seconds that the expectation may live."""
        asked, longest = self.event.timeout, self.policy.timeout
        if asked is None or asked >= longest:
            return longest
        return asked if asked > 1 else 1

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

    def report(self, outcome: Expectation | Refusal) -> Report:
        """Return a report on the announcement: its expectation is created, or it is refused."""
        kind, rule, reason = "expected", "", ""
        expectation: Expectation | None = None
        refused: Endpoint | None = None
        if isinstance(outcome, Refusal):
            kind, (rule, reason), refused = "refused", outcome, self.event.server
        else:
            expectation = outcome
        flow = self.flow
        return Report(
            kind, flow.helper, flow.flow, reason, rule, expectation, refused, self.event.what, flow.account,
            self.context.interface,
        )  # fmt: skip


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
