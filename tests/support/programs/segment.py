"""Send one TCP segment over IPv4, whatever its state: segment.py SRC SPORT DST DPORT FLAGS SEQ ACK [HEX]."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from packets import tcp4


def main(
    src: str, sport: str, dst: str, dport: str, flags: str, seq: str, ack: str, data: str = ""
) -> None:
    ports = int(sport), int(dport)
    packet = tcp4(bytes.fromhex(data), int(seq), int(flags), src, dst, ports, int(ack))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)  # unlike the kernel's own resets
        raw.sendto(packet, (dst, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
