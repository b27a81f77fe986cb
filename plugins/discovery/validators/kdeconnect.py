"""KDE Connect and LocalSend: a host announces the TCP port on which it listens; other hosts connect.

    {"id": 1700000000000, "type": "kdeconnect.identity", "body": {"deviceId": "…", "tcpPort": 1716, …}}
    {"alias": "…", "version": "2.1", "fingerprint": "…", "port": 53317, "protocol": "https", "announce": true, …}

KDE Connect protocol 7 and 8 (kdeconnect-kde, core/backends/lan); LocalSend protocol 2.1 §3.1.
"""

from __future__ import annotations

from typing import Any

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

from .json_object import MAX_SIZE as MAX_SIZE
from .json_object import parse_object
from .text import printable

PORTS = range(1714, 1765)  #: the ports that KDE Connect listens on


def check(data: bytes, sport: int) -> Query | None:
    """Accept KDE Connect identities with a port; None for those without one and for other packets.

    Raises ParseError if it is not KDE Connect, and for ports that KDE Connect does not use.
    """
    packet = parse_object(data)
    kind, body = packet.get("type"), packet.get("body")
    if not isinstance(kind, str) or not kind.startswith("kdeconnect.") or type(body) is not dict:
        raise ParseError("not a packet of KDE Connect")
    if kind != "kdeconnect.identity" or "tcpPort" not in body:
        return None
    if not _text(body, "deviceId"):
        raise ParseError("identity without a device")
    port = _port(body, "tcpPort")
    if port not in PORTS:
        raise ParseError(f"port {port} is none of KDE Connect's")
    return Query(port=port, summary=printable("KDE Connect", _text(body, "deviceName")))


def check_localsend(data: bytes, sport: int) -> Query | None:
    """Accept LocalSend announcements; None for responses to one. Raises ParseError if it is not LocalSend."""
    packet = parse_object(data)
    if not _text(packet, "fingerprint") or not _text(packet, "alias"):
        raise ParseError("not a packet of LocalSend")
    if packet.get("announce") is not True:
        return None
    port = _port(packet, "port")
    if port < 1024:
        raise ParseError(f"port {port} is below 1024")
    return Query(port=port, summary=printable("LocalSend", _text(packet, "alias")))


def _text(members: dict[str, Any], key: str) -> bytes:
    value = members.get(key)
    return value.encode(errors="replace") if isinstance(value, str) else b""


def _port(members: dict[str, Any], key: str) -> int:
    port = members.get(key)
    # true is an int in Python
    if type(port) is not int or not 0 < port < 65536:
        raise ParseError(f"{key} is not a port: {str(port)[:16]}")
    return port
