"""A hole in the firewall, in words: who may reach what, how long, how often."""

from __future__ import annotations

from ipaddress import ip_network

from fwhelpers.api import Endpoint
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation

_L4 = {6: "tcp", 17: "udp"}


def summarize(made: Expectation) -> str:
    """An expectation as a sentence's end: `tcp 10.0.1.2 → 10.0.2.2:40001 for 300 s, once`."""
    expected = made.tuple
    l4 = _L4.get(expected.l4, str(expected.l4))
    port = f" port {expected.sport}" if made.mask.sport else ""
    led = f", led to {Endpoint(made.nat.src, made.nat.sport)}" if made.nat else ""
    often = "" if made.flags & PERMANENT else ", once"
    target = Endpoint(expected.dst, expected.dport)
    return f"{l4} {_source(expected, made.mask)}{port} → {target}{led} for {made.timeout} s{often}"


def _source(expected: Tuple, mask: Tuple) -> str:
    prefix = sum(byte.bit_count() for byte in mask.src)
    network = ip_network((expected.src, prefix), strict=False)
    return str(network.network_address if prefix == network.max_prefixlen else network)
