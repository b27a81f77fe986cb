"""Ask a portmapper from one new socket for several services without a pause; print the ports that it answers.

portmap_burst.py ADDRESS PROGRAM,VERSION,PROTOCOL …
"""

from __future__ import annotations

import socket
import struct
import sys

PORTMAPPER, VERSION, GETPORT = 100000, 2, 3
SECONDS = 30  #: for all answers


def call(xid: int, service: str) -> bytes:
    """Return a GETPORT call without credentials (RFC 1833, section 3.2)."""
    program, version, protocol = map(int, service.split(","))
    header = struct.pack("!10I", xid, 0, 2, PORTMAPPER, VERSION, GETPORT, 0, 0, 0, 0)
    return header + struct.pack("!4I", program, version, protocol, 0)


def main(address: str, *services: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SECONDS)
        client.connect((address, 111))
        calls = [call(xid, service) for xid, service in enumerate(services)]
        for data in calls:
            client.send(data)
        ports = {}
        while len(ports) < len(services):
            answer = client.recv(1024)
            xid, *_, port = struct.unpack("!7I", answer)
            ports[xid] = port
    print(*(ports[xid] for xid in range(len(services))))


if __name__ == "__main__":
    main(*sys.argv[1:])
