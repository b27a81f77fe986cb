"""Sends SSDP searches from a new port each, until it is killed: searches.py SECONDS-BETWEEN"""

from __future__ import annotations

import itertools
import socket
import sys
import time

SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
    b"ST: ssdp:all\r\n\r\n"
)


def main(pause: float) -> None:
    for count in itertools.count(1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(SEARCH, ("239.255.255.250", 1900))
        print("sent", count, flush=True)
        time.sleep(pause)


if __name__ == "__main__":
    main(float(sys.argv[1]))
