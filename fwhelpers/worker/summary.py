"""An expectation in words, for the log."""

from __future__ import annotations

from ipaddress import ip_network

from fwhelpers.api import Endpoint
from fwhelpers.kernel import transports
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, port_range

_EXACT = (b"\xff" * 4, b"\xff" * 16)


def summarize(expectation: Expectation) -> str:
    """For example `tcp 10.0.1.2 → 10.0.2.2:40001 for 300 s, once`, or `esp 10.0.1.2 → 10.0.2.2 for 3600 s`."""
    expected, mask, nat = expectation.tuple, expectation.mask, expectation.nat
    transport = transports.name_of(expected.l4)
    port = f" port {port_range(expected.sport, mask.sport)}" if mask.sport else ""
    end = Endpoint(expected.dst, expected.dport)
    destination = str(end) if transports.has_ports(expected.l4) else end.host
    translated = f", translated to {Endpoint(nat.src, nat.sport)}" if nat else ""
    once = "" if expectation.flags & PERMANENT else ", once"
    return (
        f"{transport} {_source(expected, mask)}{port} → {destination}{translated}"
        f" for {expectation.timeout} s{once}"
    )


def _source(expected: Tuple, mask: Tuple) -> str:
    if mask.src in _EXACT:
        return Endpoint(expected.src).host
    prefix = sum(byte.bit_count() for byte in mask.src)
    network = ip_network((expected.src, prefix), strict=False)
    return str(network)
