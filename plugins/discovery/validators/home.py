"""Devices of the home whose requests are small JSON objects.

    Govee  {"msg": {"cmd": "scan", "data": {"account_topic": "reserve"}}}
    Gree   {"t": "scan"}
    WiZ    {"method": "registration", "params": {…}}, or a method that reads: getPilot, getSystemConfig …

Govee LAN API (Govee developer platform); the others as home automation programs send them.
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

from .json_object import parse_object

_WIZ_METHODS = frozenset(["registration", "getPilot", "getSystemConfig", "getDevInfo"])


def check_govee(data: bytes, sport: int) -> Query | None:
    """Accept scans; None for commands. Raises ParseError if it is not Govee's."""
    message = parse_object(data).get("msg")
    if type(message) is not dict or not isinstance(message.get("cmd"), str):
        raise ParseError("not a Govee message")
    return Query(summary="Govee scan") if message["cmd"] == "scan" else None


def check_gree(data: bytes, sport: int) -> Query | None:
    """Accept scans; None for other messages. Raises ParseError if it is not Gree's."""
    kind = parse_object(data).get("t")
    if not isinstance(kind, str):
        raise ParseError("not a Gree message")
    return Query(summary="Gree scan") if kind == "scan" else None


def check_wiz(data: bytes, sport: int) -> Query | None:
    """Accept requests that devices answer when broadcast; None for others. Raises ParseError if it is not WiZ."""
    method = parse_object(data).get("method")
    if not isinstance(method, str):
        raise ParseError("not a WiZ message")
    return Query(summary=f"WiZ {method}") if method in _WIZ_METHODS else None
