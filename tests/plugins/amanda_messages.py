"""Amanda's datagrams, as its 3.5 writes them."""

from __future__ import annotations

HANDLE = "000-00000000"
SEQ = "1795378737"
PORTS = {"DATA": 50010, "MESG": 50011, "INDEX": 50013, "STATE": 50014}
CONNECT = (
    "CONNECT"
    + "".join(f" {name} {port}" for name, port in PORTS.items())
    + "\nOPTIONS features=ffffffff9efefbfffffffffffffff3fffbf71f;\n\n"
)
DISK = "OPTIONS features=ff;hostname=localhost;\n<dle>\n  <disk>/srv</disk>\n</dle>\n"


def datagram(
    kind: str, body: str = "", handle: str = HANDLE, seq: str = SEQ, version: str = "3.5"
) -> bytes:
    return f"Amanda {version} {kind} HANDLE {handle} SEQ {seq}\n{body}".encode()


def req(
    service: str = "sendbackup",
    handle: str = HANDLE,
    seq: str = SEQ,
    version: str = "3.5",
    rest: str = DISK,
    body: str | None = None,
) -> bytes:
    if body is None:
        body = f"SECURITY USER backup\nSERVICE {service}\n{rest}"
    return datagram("REQ", body, handle, seq, version)


def rep(body: str = CONNECT, handle: str = HANDLE, seq: str = SEQ) -> bytes:
    return datagram("REP", body, handle, seq)


def prep(body: str, handle: str = HANDLE) -> bytes:
    return datagram("PREP", body, handle)


def ack(handle: str = HANDLE) -> bytes:
    return datagram("ACK", "", handle)


def nak(handle: str = HANDLE) -> bytes:
    return datagram("NAK", "ERROR unknown service\n", handle)
