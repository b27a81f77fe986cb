"""TFTP: the server answers a request from a port of its own choice.

    client                                server
      RRQ or WRQ, port c  →  port 69
      port c              ←  port t         DATA, ACK, OACK or ERROR; t is the server's transfer identifier

RFC 1350 (§4 transfer identifiers, §5 packets), RFC 2347 (options). A request contains no address and no port, so the
control connection's tuple determines the expectation, and nothing is rewritten behind NAT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwhelpers.api import DatagramParser, Event, Expect, Helper, KernelHelper, Policy, hookimpl

#: RFC 2347: "The maximum size of a request packet is 512 octets"
MAX_REQUEST = 512

_REQUEST = re.compile(
    # RFC 1350 §5, fig. 5-1. RFC 2347 has options and values in pairs, but boot ROMs send binary values, which may
    # contain NULs: the options are not checked, as nothing depends on them. Clients that send a buffer of a fixed size
    # pad it with NULs, which servers pass over (tftpd-hpa 5.2)
    rb"\0(?P<opcode>[\1\2])[^\0]+\0(?i:netascii|octet|mail)\0(?:[^\0].*\0|\0+)?",
    re.DOTALL,
)
_NAMES = {b"\1": "RRQ", b"\2": "WRQ"}


class Tftp(DatagramParser):
    """Parser of requests to port 69. It has no state: each request stands for itself."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Expect the server's answer to a request and ignore all other datagrams.

        Never raises ParseError: a datagram is easily forged, and the client may use its port for another request.
        There is no Done for the same reason: a repeated request must renew an expired expectation.
        """
        if reply or len(data) > MAX_REQUEST:
            return
        match = _REQUEST.fullmatch(data)
        if match:
            yield Expect(self.flow.server, self.flow.client, trigger=_NAMES[match["opcode"]])


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """TFTP on udp/69."""
    return [
        Helper(
            "tftp",
            "udp",
            ports=[69],
            parser=Tftp,
            # servers answer at once, and clients repeat their request
            policies=[Policy("data", max=1, timeout=30)],
            spec="RFC 1350, 2347",
            doc="TFTP transfers: the server's answer from a port of its own",
            kernel=[KernelHelper("tftp", "udp", "nf_conntrack_tftp", "nf_nat_tftp")],
        )
    ]
