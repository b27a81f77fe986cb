"""Where the bus is, and whether there is one. Quick: it loads neither asyncio nor the D-Bus library."""

from __future__ import annotations

import os
import socket

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"


class Disconnected(Exception):
    """There is no bus, or the connection to it has ended."""


def system_bus() -> str:
    """The address of the system bus."""
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS


def reachable(address: str) -> None:
    """Raises Disconnected if there is no bus. Addresses that are no path are taken on trust."""
    path = _path(address)
    if not path:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            raise Disconnected(f"no message bus at {path}: {error.strerror}") from None


def _path(address: str) -> str:
    transport, _, options = address.split(";")[0].partition(":")
    found = dict(option.partition("=")[::2] for option in options.split(","))
    return found.get("path", "") if transport == "unix" else ""
