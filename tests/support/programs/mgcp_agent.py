"""A call agent of MGCP with a phone: `python mgcp_agent.py OWN GATEWAY PORT`.

It has the gateway connect two ports of its own, sends RTP from one, and waits for it at the other. Prints a line for
each step. Then it ends both connections.
"""

from __future__ import annotations

import re
import socket
import struct
import sys

PHONES = (40000, 40010)
VOICE = bytes(160)
PATIENCE = 5.0  #: seconds


class Agent:
    def __init__(self, own: str, gateway: str, port: int) -> None:
        self.own = own
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((own, 2727))
        self.socket.connect((gateway, port))
        self.socket.settimeout(PATIENCE)
        self.number = 0

    def ask(self, verb: str, endpoint: str, *lines: str, body: str = "") -> str:
        self.number += 1
        head = "\r\n".join([f"{verb} {self.number} {endpoint} MGCP 1.0", "C: 1", *lines, ""])
        for _ in range(5):  # RFC 3435, 4.3: a command is sent again
            self.socket.send((head + (f"\r\n{body}" if body else "")).encode())
            try:
                response = self.socket.recv(4096).decode()
            except TimeoutError:
                continue
            if not re.match(rf"2\d\d {self.number} ", response):
                raise SystemExit(f"{verb}: {response}")
            return response
        raise SystemExit(f"{verb}: no response")

    def connect(self, endpoint: str, port: int) -> tuple[str, tuple[str, int]]:
        """Connect a phone. Return the endpoint and the gateway's address for the phone."""
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {self.own}\r\ns=-\r\nc=IN IP4 {self.own}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\n"
        )
        response = self.ask("CRCX", endpoint, "L: p:20, a:PCMU", "M: sendrecv", body=body)
        name = re.search(r"^Z: (\S+)", response, re.MULTILINE)
        host = re.search(r"^c=IN IP4 (\S+)", response, re.MULTILINE)
        media = re.search(r"^m=audio (\d+)", response, re.MULTILINE)
        if not host or not media:
            raise SystemExit(f"no description: {response}")
        return name[1] if name else endpoint, (host[1], int(media[1]))


def phone(own: str, port: int) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind((own, port))
    end.settimeout(0.2)
    return end


def main(own: str, gateway: str, port: str) -> None:
    agent = Agent(own, gateway, int(port))
    speaker, listener = (phone(own, number) for number in PHONES)
    endpoint, target = agent.connect("rtpbridge/*@mgw", PHONES[0])
    agent.connect(endpoint, PHONES[1])
    print("connected", flush=True)
    for number in range(200):
        speaker.sendto(struct.pack("!BBHII", 0x80, 0, number, 160 * number, 1) + VOICE, target)
        try:
            if listener.recv(2048).endswith(VOICE):
                print("heard", flush=True)
                break
        except TimeoutError:
            continue
    agent.ask("DLCX", endpoint)
    print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
