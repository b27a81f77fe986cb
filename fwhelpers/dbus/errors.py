"""The one exception for everything that goes wrong on a message bus."""

from __future__ import annotations

NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
DISCONNECTED = "org.freedesktop.DBus.Error.Disconnected"
NO_SERVER = "org.freedesktop.DBus.Error.NoServer"
MISSING_LIBRARY = "the Python library dbus-fast is missing (Debian, Fedora: python3-dbus-fast)"


class BusError(Exception):
    """An error reply, or the lack of one. `name` is the D-Bus error name, `text` its message.

    `method` is the interface and member that was called and `peer` the bus name of its owner, where
    they help to find the fault.
    """

    def __init__(self, name: str, text: str = "", method: str = "", peer: str = "") -> None:
        self.name = name
        self.text = text or name
        self.method = method
        self.peer = peer
        super().__init__(f"{method}: {self.text}" if method else self.text)


class Disconnected(BusError):
    """The connection to the bus has ended."""

    def __init__(self, text: str = "the message bus closed the connection") -> None:
        super().__init__(DISCONNECTED, text)


class NoBus(Disconnected):
    """No bus can be reached. `errno`: why connecting failed, 0 if it is not the socket's fault."""

    def __init__(self, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.name = NO_SERVER
        self.errno = errno


class MissingLibrary(BusError):
    """dbus-fast is not installed."""

    def __init__(self) -> None:
        super().__init__(NO_SERVER, MISSING_LIBRARY)
