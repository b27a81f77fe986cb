"""An object resolver and a client that asks it for an object exporter: `python dcom_peer.py ROLE HOST PORT`.

The client is impacket's, and so are the bytes of the server's answer. Windows' own can't be had. One line of output for
each thing that happened.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from struct import pack, unpack
from typing import Any

from impacket.dcerpc.v5 import dcomrt, transport
from tns_peer import exactly, say

RESOLVER = 135
RESPONSE, BIND_ACK = 2, 12
_NDR32 = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + pack("<I", 2)


def answer(conn: socket.socket, kind: int, call: bytes, body: bytes) -> None:
    head = bytes([5, 0, kind, 3, 0x10, 0, 0, 0]) + pack("<HH", 16 + len(body), 0) + call
    conn.sendall(head + body)


def resolved(*texts: str) -> bytes:
    """The answer to ResolveOxid2."""
    units = [unit for text in texts for unit in (7, *map(ord, text), 0)] + [0]
    security = len(units)
    units += [9, 0xFFFF, 0, 0]
    bindings: Any = dcomrt.DUALSTRINGARRAY()
    bindings["wNumEntries"], bindings["wSecurityOffset"] = len(units), security
    bindings["aStringArray"] = units
    result: Any = dcomrt.ResolveOxid2Response()
    result["ppdsaOxidBindings"] = bindings
    result["pipidRemUnknown"], result["pAuthnHint"] = bytes(16), 1
    result["pComVersion"]["MajorVersion"], result["pComVersion"]["MinorVersion"] = 5, 7
    result["ErrorCode"] = 0
    return bytes(result.getData())


def server(host: str, port: str) -> None:
    """Resolve all objects to `port` of this host, and serve them there."""
    exporter = socket.create_server((host, int(port)), family=_family(host))
    threading.Thread(target=_export, args=[exporter], daemon=True).start()
    resolver = socket.create_server((host, RESOLVER), family=_family(host))
    while True:
        conn, _ = resolver.accept()
        with conn:
            try:
                _serve(conn, resolved(f"{host}[{port}]"))
            except ConnectionError as error:
                say("client", error)


def _serve(conn: socket.socket, stub: bytes) -> None:
    while True:
        head = exactly(conn, 16)
        exactly(conn, unpack("<H", head[8:10])[0] - 16)
        if head[2] == 11:
            result = pack("<HHIH4s2xBxH", 4280, 4280, 1, 4, b"135\0", 1, 0) + bytes(4) + _NDR32
            answer(conn, BIND_ACK, head[12:], result)
        else:
            answer(conn, RESPONSE, head[12:], pack("<IHH", len(stub), 0, 0) + stub)


def _export(exporter: socket.socket) -> None:
    while True:
        conn, _ = exporter.accept()
        with conn:
            conn.sendall(b"served by the exporter\n")


def client(host: str, timeout: str) -> None:
    """Resolve an object and connect to its exporter, at the address that the resolver named."""
    remote = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{host}[{RESOLVER}]").get_dce_rpc()
    bindings = dcomrt.IObjectExporter(remote).ResolveOxid2(bytes(8), (7,))
    text = bindings[0]["aNetworkAddr"].rstrip("\0")
    say("resolved", text)
    remote.disconnect()  # as most clients do, before they connect to the exporter
    match = re.fullmatch(r"(.*)\[(\d+)\]", text)
    assert match
    try:
        with socket.create_connection((match[1], int(match[2])), float(timeout)) as data:
            say("data", data.makefile().readline().strip())
    except OSError as error:
        say("data failed", error)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


if __name__ == "__main__":
    {"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
