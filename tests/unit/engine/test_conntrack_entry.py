from __future__ import annotations

from fwhelpers.api import DatagramParser, Endpoint, Flow, Helper, Policy
from fwhelpers.engine.active import Active
from fwhelpers.engine.conntrack_entry import with_timeout
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.verdict import ACCEPT
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT, Conntrack, Tuple
from fwhelpers.kernel.nfqueue import Packet
from fwhelpers.testing.queued_packet import QueuedPacket

ORIG = Tuple(bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2)), 6, 40000, 21)


HELPER = Helper("ftp", ("tcp", "udp"), [21], DatagramParser, [Policy("data")])


def packet(status: int = 0, timeout: int = 30) -> Packet:
    return QueuedPacket(b"", Conntrack(ORIG, ORIG, status, timeout), 0).decode()


def flow(l4: str, keep_until: float) -> FlowState:
    flow = Flow(l4, Endpoint(ORIG.src, ORIG.sport), Endpoint(ORIG.dst, ORIG.dport))
    state = FlowState(Active(HELPER), flow, "ftp", ORIG, ORIG, 0, DatagramParser(flow, {}))
    state.keep_until = keep_until
    return state


def test_a_udp_flow_lives_as_long_as_what_it_expects() -> None:
    assert with_timeout(packet(timeout=30), flow("udp", 160.0), ACCEPT, 100.0).timeout == 61
    assert with_timeout(packet(timeout=180), flow("udp", 160.0), ACCEPT, 100.0) is ACCEPT
    assert with_timeout(packet(timeout=30), flow("udp", 0.0), ACCEPT, 100.0) is ACCEPT


def test_a_tcp_flow_that_closes_must_not_take_along_what_it_expects() -> None:
    verdict = with_timeout(packet(8, 30), flow("tcp", 1900.0), ACCEPT, 100.0)
    assert verdict.status == 8 | IPS_FIXED_TIMEOUT
    assert verdict.timeout == 1801
    assert with_timeout(packet(timeout=432000), flow("tcp", 0.0), ACCEPT, 100.0) is ACCEPT


def test_a_fixed_lifetime_is_told_again_only_where_it_is_too_short() -> None:
    fixed = packet(IPS_FIXED_TIMEOUT, 1800)
    assert with_timeout(fixed, flow("tcp", 1900.0), ACCEPT, 100.0) is ACCEPT
    assert with_timeout(fixed, flow("tcp", 2000.0), ACCEPT, 100.0).timeout == 1901
