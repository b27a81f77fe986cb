"""MGCP messages between a gateway and a call agent."""

from __future__ import annotations

from collections.abc import Sequence

from fwhelpers_plugins.mgcp import fwhelpers_helpers

from fwhelpers.testing.playbook import Message, client, server

(MGCP,) = fwhelpers_helpers()

GATEWAY, AGENT, OTHER = "10.0.1.2", "10.0.2.2", "10.0.3.3"
ENDPOINT = "aaln/1@gw.example.net"


def sdp(host: str = GATEWAY, port: int = 16384, extra: str = "", media: str = "") -> str:
    family = 6 if ":" in host else 4
    media = media or f"m=audio {port} RTP/AVP 0\r\n"
    return f"v=0\r\no=- 7 0 IN IP{family} {host}\r\ns=-\r\nc=IN IP{family} {host}\r\nt=0 0\r\n{media}{extra}"


def command(
    verb: str, transaction: int, *parameters: str, body: str = "", endpoint: str = ENDPOINT
) -> bytes:
    lines = [f"{verb} {transaction} {endpoint} MGCP 1.0", *parameters]
    return ("\r\n".join(lines) + "\r\n" + (f"\r\n{body}" if body else "")).encode()


def crcx(transaction: int = 1, body: str = "", call: str = "A1", endpoint: str = ENDPOINT) -> bytes:
    return command("CRCX", transaction, f"C: {call}", "M: recvonly", body=body, endpoint=endpoint)


def mdcx(transaction: int = 2, body: str = "", call: str = "A1", connection: str = "C1") -> bytes:
    return command("MDCX", transaction, f"C: {call}", f"I: {connection}", "M: sendrecv", body=body)


def dlcx(transaction: int = 3, *parameters: str, endpoint: str = ENDPOINT) -> bytes:
    return command("DLCX", transaction, *parameters, endpoint=endpoint)


def response(transaction: int, *parameters: str, body: str = "", code: int = 200) -> bytes:
    lines = [f"{code} {transaction} OK", *parameters]
    return ("\r\n".join(lines) + "\r\n" + (f"\r\n{body}" if body else "")).encode()


def created(
    transaction: int = 1, body: str | None = None, connection: str = "C1", *parameters: str
) -> bytes:
    return response(
        transaction, f"I: {connection}", *parameters, body=sdp() if body is None else body
    )


#: a gateway that registered, so that it is conntrack's client
CALL: Sequence[Message] = [
    client(command("RSIP", 9, "RM: disconnected")),
    server(response(9)),
    server(crcx()),
    client(created()),
    server(mdcx(body=sdp(OTHER, 20000))),
    client(response(2)),
    server(dlcx(3, "C: A1", "I: C1")),
    client(response(3, code=250)),
]
