"""An expectation in words, for the log."""

from __future__ import annotations

from ipaddress import ip_network

from fwhelpers.api import Endpoint
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation

_TRANSPORTS = {6: "tcp", 17: "udp"}


def summarize(expectation: Expectation) -> str:
    """For example `tcp 10.0.1.2 → 10.0.2.2:40001 for 300 s, once`."""
    expected, mask, nat = expectation.tuple, expectation.mask, expectation.nat
    transport = _TRANSPORTS.get(expected.l4, str(expected.l4))
    port = f" port {expected.sport}" if mask.sport else ""
    destination = Endpoint(expected.dst, expected.dport)
    translated = f", translated to {Endpoint(nat.src, nat.sport)}" if nat else ""
    once = "" if expectation.flags & PERMANENT else ", once"
    return (
        f"{transport} {_source(expected, mask)}{port} → {destination}{translated}"
        f" for {expectation.timeout} s{once}"
    )


def _source(expected: Tuple, mask: Tuple) -> str:
    prefix = sum(byte.bit_count() for byte in mask.src)
    if prefix == 8 * len(mask.src):
        return Endpoint(expected.src).host
    network = ip_network((expected.src, prefix), strict=False)
    return str(network)
