"""KDE Connect and LocalSend: a host tells its subnet at which TCP port it listens, and others connect.

    {"id": 1700000000000, "type": "kdeconnect.identity", "body": {"deviceId": "…", "tcpPort": 1716, …}}
    {"alias": "…", "version": "2.1", "fingerprint": "…", "port": 53317, "protocol": "https", "announce": true, …}

KDE Connect protocol 7 and 8 (kdeconnect-kde, core/backends/lan); LocalSend protocol 2.1 §3.1.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fwhelpers.api import ParseError

from .query import Query, shown

MAX_SIZE = 8192
MAX_DEPTH = 8
PORTS = range(1714, 1765)  #: the ports that KDE Connect listens on

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


def check(data: bytes, sport: int) -> Query | None:
    """A KDE Connect identity with a port; None for one without, and for its other packets.

    Raises ParseError for what is no KDE Connect, or a port that it doesn't use.
    """
    packet = _object(data)
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
    return Query(None, port, shown("KDE Connect", _text(body, "deviceName")))


def check_localsend(data: bytes, sport: int) -> Query | None:
    """A LocalSend announcement; None for an answer to one. Raises ParseError for what is no LocalSend."""
    packet = _object(data)
    if not _text(packet, "fingerprint") or not _text(packet, "alias"):
        raise ParseError("not a packet of LocalSend")
    if packet.get("announce") is not True:
        return None
    port = _port(packet, "port")
    if port < 1024:
        raise ParseError(f"port {port} is below 1024")
    return Query(None, port, shown("LocalSend", _text(packet, "alias")))


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes of JSON, at most {MAX_SIZE} are read")
    _check_depth(data)
    try:
        found = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {error}") from None
    if type(found) is not dict:
        raise ParseError("not a JSON object")
    return found


def _check_depth(data: bytes) -> None:
    # before json does: its recursion is Python's
    depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise ParseError(f"JSON of more than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _text(found: dict[str, Any], key: str) -> bytes:
    value = found.get(key)
    return value.encode(errors="replace") if isinstance(value, str) else b""


def _port(found: dict[str, Any], key: str) -> int:
    port = found.get(key)
    # true is an int to Python
    if type(port) is not int or not 0 < port < 65536:
        raise ParseError(f"{key} is no port: {str(port)[:16]}")
    return port
