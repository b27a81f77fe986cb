"""The only module that imports dbus-fast, 1.84 (Debian 12) and later: loading, values, workarounds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fwhelpers.dbus.errors import MissingLibrary
from fwhelpers.dbus.fields import Typed


def load() -> Any:
    """Import dbus-fast. Raises MissingLibrary."""
    # up to 1.84 it also imports its GLib half, and with it GLib: megabytes that are not used here
    hide_glib = "gi" not in sys.modules
    if hide_glib:
        sys.modules["gi"] = None  # type: ignore[assignment]
    try:
        import dbus_fast.aio
    except ImportError:
        raise MissingLibrary from None
    finally:
        if hide_glib:
            del sys.modules["gi"]
    return dbus_fast


def pack(library: Any, value: Any) -> Any:
    """Convert a value for sending: Typed becomes a variant, text is made valid."""
    if isinstance(value, Typed):
        return library.Variant(value.signature, pack(library, value.value), verify=False)
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _Text(_valid_text(value))
    if isinstance(value, Mapping):
        return {pack(library, key): pack(library, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(library, inner) for inner in value]
    return value


def unpack(value: Any) -> Any:
    """Convert a received value: variants become their values, structures and arrays lists."""
    if type(value).__name__ == "Variant":
        return unpack(value.value)
    if isinstance(value, dict):
        return {key: unpack(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [unpack(inner) for inner in value]
    return value


def shut_down(bus: Any) -> None:
    """Close the library's connection and free its descriptor."""
    # Its own disconnect() leaves the descriptor registered in the event loop, so that the next
    # owner of the same number is never woken; it also logs a traceback if the bus has gone first.
    loop = asyncio.get_running_loop()
    for remove in (loop.remove_reader, loop.remove_writer):
        with suppress(Exception):
            remove(bus._fd)
    for part in ("_stream", "_sock"):
        with suppress(Exception):
            getattr(bus, part).close()


class _Text(str):
    """Text with the length that dbus-fast up to 1.84 needs: it counts characters instead of bytes."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.encode())


def _valid_text(text: str) -> str:
    # the bus disconnects senders of NUL or invalid UTF-8
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
