"""A flow and its conntrack entry: matching the two, and the updates of the entry that go with a verdict."""

from __future__ import annotations

from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import TCP, Segment
from fwhelpers.engine.verdict import Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT
from fwhelpers.kernel.nfqueue import Packet

REPLY = 3  #: IP_CT_IS_REPLY and above: the reply direction

#: seconds that a TCP connection of fixed lifetime may be idle after its last expectation
_MAX_IDLE = 600


def is_new_connection(packet: Packet, segment: Segment, state: FlowState) -> bool:
    """Return whether the packet begins another connection than the flow's.

    The kernel derives an entry's id from its address in memory (nf_conntrack_core.c: nf_ct_get_id), so that a new
    connection may have the id of one that ended, and the client may use the same port.
    """
    if segment.l4 != TCP or not packet.confirmed:
        return not packet.confirmed
    reply = packet.ctinfo >= REPLY
    half = state.halves[reply]
    return half is not None and not half.untouched and labels.first_payload(packet.labels, reply)


def with_timeout(packet: Packet, state: FlowState, verdict: Verdict, now: float) -> Verdict:
    """Return the verdict with a lifetime of the entry that covers the flow's expectations."""
    remaining = state.keep_until - now
    if state.flow.l4 == "tcp" and state.keep_until:
        return _fixed(packet, verdict, max(remaining, _MAX_IDLE))
    if remaining > 0 and packet.timeout < remaining:
        verdict = verdict.own()
        verdict.timeout = int(remaining) + 1
    return verdict


def _fixed(packet: Packet, verdict: Verdict, seconds: float) -> Verdict:
    # a closing TCP connection lives for 120 or 10 seconds more, and its expectations die with it. With this bit set
    # the kernel leaves the lifetime alone (nf_conntrack_core.c: __nf_ct_refresh_acct())
    if packet.status & IPS_FIXED_TIMEOUT and packet.timeout >= seconds:
        return verdict
    verdict = verdict.own()
    verdict.timeout = int(seconds) + 1
    verdict.status = packet.status | IPS_FIXED_TIMEOUT
    return verdict
