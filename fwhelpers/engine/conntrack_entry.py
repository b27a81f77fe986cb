"""A flow and its conntrack entry: matching the two, and the updates of the entry that go with a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import FIN, RST, Segment, locate
from fwhelpers.engine.verdict import Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT, TCP_ESTABLISHED
from fwhelpers.kernel.nfqueue import Packet

REPLY = 3  #: IP_CT_IS_REPLY and above: the reply direction

#: shortest fixed lifetime of the entry of a TCP connection, in seconds, as a half-closed connection may go on
_LEAST = 600


def is_new_connection(packet: Packet, segment: Segment, state: FlowState) -> bool:
    """Return whether the TCP packet begins another connection than the flow's.

    The kernel derives an entry's id from its address in memory (nf_conntrack_core.c: nf_ct_get_id), so that a new
    connection may have the id of one that ended, and the client may use the same port.
    """
    if not packet.confirmed:
        return True
    if segment.data == segment.end:
        return False  # the labels are those of the payload before it
    reply = packet.ctinfo >= REPLY
    if not labels.first_payload(packet.labels, reply):  # the usual case
        return False
    half = state.halves[reply]
    return half is not None and not half.untouched


def with_timeout(
    packet: Packet,
    state: FlowState,
    verdict: Verdict,
    now: float,
    batch: Sequence[Packet] = (),
) -> Verdict:
    """Return the verdict with a lifetime of the entry that covers the flow's expectations.

    The entry of a TCP connection lives as long as the connection. Its lifetime changes when the connection ends, by
    this packet or an earlier one of those that are answered together (`batch`).
    """
    remaining = state.keep_until - now
    if state.flow.l4 == "tcp" and state.keep_until:
        lifetime = max(remaining, _LEAST)
        if not packet.labels:
            # its end will not be queued, and what it announces later may live longer
            lifetime = max(lifetime, *(policy.timeout for policy in state.active.helper.policies))
            state.entry_end = now + _remaining(packet, lifetime)
            return _fixed(packet, verdict, lifetime)
        if _ends(packet) or any(_is_end_of(p, packet) for p in batch):
            state.entry_end = now + _remaining(packet, lifetime)
            if packet.tcp_state == TCP_ESTABLISHED:
                return _prolonged(packet, verdict, lifetime)
            return _fixed(packet, verdict, lifetime)
        if not labels.has(packet.labels, labels.OUTLIVED):
            verdict = verdict.own()
            verdict.outlived = True
        return verdict
    if remaining > 0 and packet.timeout < remaining:
        verdict = verdict.own()
        verdict.timeout = int(remaining) + 1
    return verdict


def _remaining(packet: Packet, lifetime: float) -> float:
    """Return the seconds that the entry has after this packet, whose verdict asks for `lifetime`."""
    return packet.timeout if packet.status & IPS_FIXED_TIMEOUT else lifetime


def _ends(packet: Packet) -> bool:
    segment = locate(packet.payload)
    return segment is not None and bool(segment.flags & (FIN | RST))


def _is_end_of(other: Packet, packet: Packet) -> bool:
    """Return whether another packet of the same connection has ended it."""
    same = other.tuple_orig_raw == packet.tuple_orig_raw and other.ct_id == packet.ct_id
    return same and _ends(other)


def _prolonged(packet: Packet, verdict: Verdict, seconds: float) -> Verdict:
    # A reset whose sequence number is not exactly the next one may be forged. The kernel keeps the connection's state,
    # and the entry for 10 seconds (nf_conntrack_proto_tcp.c: nf_conntrack_tcp_packet()); its next packet, if there is
    # one, sets the usual lifetime again
    if packet.status & IPS_FIXED_TIMEOUT:
        return verdict
    verdict = verdict.own()
    verdict.timeout = int(seconds) + 1
    return verdict


def _fixed(packet: Packet, verdict: Verdict, seconds: float) -> Verdict:
    # a closing TCP connection lives for 120 or 10 seconds more, and its expectations die with it. With this bit set
    # the kernel leaves the lifetime alone (nf_conntrack_core.c: __nf_ct_refresh_acct()). It refuses another one, and
    # with it all that the verdict changes in the entry (__nf_ct_change_timeout(): EPERM)
    if packet.status & IPS_FIXED_TIMEOUT:
        return verdict
    verdict = verdict.own()
    verdict.timeout = int(seconds) + 1
    verdict.status = packet.status | IPS_FIXED_TIMEOUT
    return verdict
