"""The address of the system bus and a quick check that it accepts connections.

Imports neither asyncio nor the D-Bus library, so that commands that need no bus start fast.
"""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec

from fwhelpers.dbus.errors import BusError, MissingLibrary, NoBus

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"


def system_bus_address() -> str:
    """Return the address of the system bus."""
    return os.environ.get(VARIABLE) or SYSTEM_BUS


def check_reachable(address: str) -> None:
    """Raise NoBus if nothing listens there. Addresses other than socket paths are not checked."""
    path = _socket_path(address)
    if not path:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            text = f"no message bus at {path}: {error.strerror or error}"
            raise NoBus(text, error.errno or 0) from None


def unavailable() -> BusError | None:
    """Why the system bus cannot be used: NoBus, MissingLibrary, or None if it can."""
    try:
        check_reachable(system_bus_address())
    except NoBus as error:
        return error
    # find_spec() does not import: that takes half a second on a small machine and may load GLib
    return None if find_spec("dbus_fast") else MissingLibrary()


def _socket_path(address: str) -> str:
    transport, _, options = address.split(";")[0].partition(":")
    settings = dict(option.partition("=")[::2] for option in options.split(","))
    return settings.get("path", "") if transport == "unix" else ""
