"""A flow and its conntrack entry: whether they still belong together, and what goes back with a verdict: the flow's
state, and how long the entry must live.
"""

from __future__ import annotations

from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import TCP, Segment
from fwhelpers.engine.verdict import Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_EXPECTED, IPS_FIXED_TIMEOUT
from fwhelpers.kernel.nfqueue import Packet

REPLY = 3  #: IP_CT_IS_REPLY and above: the reply direction

#: seconds that a TCP connection whose lifetime is fixed may be silent, beyond what it expects
_SILENT = 600


def is_new_connection(packet: Packet, segment: Segment, state: FlowState) -> bool:
    """Is this the beginning of another connection than the flow's?

    The kernel gives an entry's id anew with its place in memory (nf_conntrack_core.c: nf_ct_get_id), and a client
    may ask again from the same port.
    """
    reply = packet.ctinfo >= REPLY
    begins = segment.l4 == TCP and labels.first_payload(packet.labels, reply)
    return not packet.confirmed or (begins and state.halves[reply] is not None)


def with_private_data(packet: Packet, state: FlowState, verdict: Verdict) -> Verdict:
    """With what of the flow must outlive this process, where that has changed."""
    # the kernel refuses it for connections that were expected
    if not packet.status & IPS_EXPECTED:
        info = state.snapshot()
        if info is not None and info != state.info:
            state.info = info
            verdict = verdict.but(info=info)
    return verdict


def with_timeout(packet: Packet, state: FlowState, verdict: Verdict, now: float) -> Verdict:
    """With a lifetime that lets the flow live as long as what it expects."""
    remaining = state.keep_until - now
    if state.flow.l4 == "tcp" and state.keep_until:
        return _fixed(packet, verdict, max(remaining, _SILENT))
    if remaining > 0 and packet.timeout < remaining:
        verdict = verdict.but(timeout=int(remaining) + 1)
    return verdict


def _fixed(packet: Packet, verdict: Verdict, seconds: float) -> Verdict:
    # a TCP connection that closes would have 120 seconds left, or 10, and its expectations with it: with this bit
    # nothing but we change its lifetime (nf_conntrack_core.c, __nf_ct_refresh_acct())
    if packet.status & IPS_FIXED_TIMEOUT and packet.timeout >= seconds:
        return verdict
    return verdict.but(timeout=int(seconds) + 1, status=packet.status | IPS_FIXED_TIMEOUT)
