"""What a flow has beyond its packets goes back to the kernel with a verdict: its state, and how long it must live."""

from __future__ import annotations

from fwhelpers.engine.state import FlowState
from fwhelpers.engine.verdict import Verdict
from fwhelpers.kernel.conntrack import IPS_EXPECTED, IPS_FIXED_TIMEOUT
from fwhelpers.kernel.queue import Packet

#: seconds that a TCP connection whose lifetime is fixed may be silent, beyond what it expects
_SILENT = 600


def remembered(packet: Packet, state: FlowState, verdict: Verdict) -> Verdict:
    """With what of the flow must outlive this process, where that has changed."""
    # the kernel refuses it for connections that were expected
    if not packet.status & IPS_EXPECTED:
        info = state.snapshot()
        if info is not None and info != state.info:
            state.info = info
            verdict = verdict.but(info=info)
    return verdict


def lasting(packet: Packet, state: FlowState, verdict: Verdict, now: float) -> Verdict:
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
