from __future__ import annotations

import pytest
from packets import tcp4

from fwhelpers.api import DatagramParser, Endpoint, Flow, Helper, Policy
from fwhelpers.engine.active import Active
from fwhelpers.engine.conntrack_entry import with_timeout
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.headers import ACK, FIN, RST
from fwhelpers.engine.verdict import ACCEPT
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT, TCP_ESTABLISHED, Conntrack, Tuple
from fwhelpers.kernel.nfqueue import Packet
from fwhelpers.testing.queued_packet import QueuedPacket

ORIG = Tuple(bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2)), 6, 40000, 21)
TCP_CLOSE = 8  # enum tcp_conntrack
ASSIGNED = labels.bits(labels.ASSIGNED)
OUTLIVED = labels.bits(labels.ASSIGNED, labels.OUTLIVED)


HELPER = Helper("ftp", ("tcp", "udp"), [21], DatagramParser, [Policy("data", timeout=7200)])


def packet(
    status: int = 0, timeout: int = 30, bits: bytes = b"", flags: int = 0x10, state: int = 0
) -> Packet:
    entry = Conntrack(ORIG, ORIG, status, timeout, labels=bits)
    return QueuedPacket(tcp4(b"", flags=flags), entry, 0, tcp_state=state).decode()


def flow(l4: str, keep_until: float) -> FlowState:
    flow = Flow(l4, Endpoint(ORIG.src, ORIG.sport), Endpoint(ORIG.dst, ORIG.dport))
    state = FlowState(Active(HELPER), flow, "ftp", ORIG, ORIG, 0, DatagramParser(flow, {}))
    state.keep_until = keep_until
    return state


def test_a_udp_flow_lives_as_long_as_what_it_expects() -> None:
    assert with_timeout(packet(timeout=30), flow("udp", 160.0), ACCEPT, 100.0).timeout == 61
    assert with_timeout(packet(timeout=180), flow("udp", 160.0), ACCEPT, 100.0) is ACCEPT
    assert with_timeout(packet(timeout=30), flow("udp", 0.0), ACCEPT, 100.0) is ACCEPT


def test_a_tcp_connection_keeps_its_lifetime_while_it_is_open() -> None:
    verdict = with_timeout(packet(8, 432000, ASSIGNED), flow("tcp", 1900.0), ACCEPT, 100.0)
    assert (verdict.outlived, verdict.timeout, verdict.status) == (True, None, None)
    assert with_timeout(packet(8, 432000, OUTLIVED), flow("tcp", 1900.0), ACCEPT, 100.0) is ACCEPT
    assert with_timeout(packet(8, 432000, ASSIGNED), flow("tcp", 0.0), ACCEPT, 100.0) is ACCEPT


@pytest.mark.parametrize("flags", [FIN | ACK, RST, RST | ACK])
def test_a_tcp_connection_that_ends_stays_as_long_as_what_it_expects(flags: int) -> None:
    verdict = with_timeout(packet(8, 30, OUTLIVED, flags), flow("tcp", 1900.0), ACCEPT, 100.0)
    assert verdict.status == 8 | IPS_FIXED_TIMEOUT
    assert verdict.timeout == 1801
    assert with_timeout(packet(8, 30, OUTLIVED, flags), flow("tcp", 0.0), ACCEPT, 100.0) is ACCEPT


def test_a_reset_that_may_be_forged_does_not_fix_the_lifetime() -> None:
    """The kernel has kept the state, as its sequence number is in the window and not the next one."""
    reset = packet(8, 10, OUTLIVED, RST, TCP_ESTABLISHED)
    verdict = with_timeout(reset, flow("tcp", 1900.0), ACCEPT, 100.0)
    assert (verdict.timeout, verdict.status) == (1801, None)
    closed = packet(8, 10, OUTLIVED, RST, TCP_CLOSE)
    assert with_timeout(closed, flow("tcp", 1900.0), ACCEPT, 100.0).status is not None
    fixed = packet(8 | IPS_FIXED_TIMEOUT, 1800, OUTLIVED, RST, TCP_ESTABLISHED)
    assert with_timeout(fixed, flow("tcp", 1900.0), ACCEPT, 100.0) is ACCEPT


def test_a_tcp_connection_without_labels_is_fixed_at_once() -> None:
    """Its end would not be queued."""
    verdict = with_timeout(packet(8, 30), flow("tcp", 1900.0), ACCEPT, 100.0)
    assert (verdict.status, verdict.outlived) == (8 | IPS_FIXED_TIMEOUT, False)


def test_without_labels_the_first_short_expectation_does_not_limit_the_next() -> None:
    """GENA expects for 30 s with the request, and for the subscription's time with its answer."""
    state = flow("tcp", 130.0)
    verdict = with_timeout(packet(8, 30), state, ACCEPT, 100.0)
    assert verdict.timeout == HELPER.policies[0].timeout + 1
    assert state.can_keep(100.0 + HELPER.policies[0].timeout)
    assert not state.can_keep(102.0 + HELPER.policies[0].timeout)


def test_a_fixed_lifetime_can_not_be_changed() -> None:
    fixed = packet(IPS_FIXED_TIMEOUT, 1800)
    assert with_timeout(fixed, flow("tcp", 1900.0), ACCEPT, 100.0) is ACCEPT
    assert with_timeout(fixed, flow("tcp", 2000.0), ACCEPT, 100.0) is ACCEPT
