"""Authorization: polkit decides; without polkit only root is authorized.

The subject is the caller's bus connection, not its process: process IDs can be reused.
"""

from __future__ import annotations

import logging
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import TIMEOUT, Connection, Target
from fwhelpers.dbus.errors import BusError, Disconnected
from fwhelpers.dbus.fields import Typed

log = logging.getLogger("fwhelpers")

_AUTHORITY = Target(
    "org.freedesktop.PolicyKit1",
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
)
_ALLOW_INTERACTION = 1  # CheckAuthorizationFlags.AllowUserInteraction

#: replies of the bus if polkit is not installed or cannot be started
_ABSENT = {names.SERVICE_UNKNOWN, names.NAME_HAS_NO_OWNER, names.UNKNOWN_OBJECT}
_SPAWN = "org.freedesktop.DBus.Error.Spawn."


class Denied(Exception):
    """The caller is not authorized; the text is for people."""


class Authority:
    """Asks polkit over the connection on which the calls come in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._checks = 0

    async def check(self, sender: str, action: str, interactive: bool) -> None:
        """Return if the sender is authorized. Raises Denied and Disconnected.

        `interactive` allows polkit to ask the sender's user for a password, which can take minutes.
        """
        self._checks += 1
        cancellation = f"{self._connection.name}/{self._checks}"
        body: tuple[object, ...] = (
            ("system-bus-name", {"name": Typed("s", sender)}),
            action,
            {},
            _ALLOW_INTERACTION if interactive else 0,
            cancellation,
        )
        timeout = None if interactive else TIMEOUT
        try:
            result = await self._call("CheckAuthorization", "(sa{sv})sa{ss}us", body, timeout)
            ((authorized, challenge, _),) = result
        except Disconnected:
            raise
        except BusError as error:
            await self._require_root(sender, action, error)
            return
        except (TypeError, ValueError):
            raise Denied(f"{action}: polkit sent a malformed reply") from None
        except BaseException:  # the caller has left the bus: close its password dialogue
            await self._cancel(cancellation)
            raise
        if authorized is True:
            return
        if challenge and not interactive:
            raise Denied(f"{action} requires authentication, but the call forbids interaction")
        raise Denied(f"not authorized: {action}")

    async def _call(
        self, member: str, signature: str, body: tuple[object, ...], reply_timeout: float | None
    ) -> list[Any]:
        return await self._connection.call(
            _AUTHORITY, member, signature, body, reply_timeout=reply_timeout
        )

    async def _cancel(self, cancellation: str) -> None:
        try:
            await self._call("CancelCheckAuthorization", "s", (cancellation,), TIMEOUT)
        except BusError as error:
            log.debug("polkit: %s", error)

    async def _require_root(self, sender: str, action: str, error: BusError) -> None:
        absent = error.name in _ABSENT or error.name.startswith(_SPAWN)
        reason = "polkit is not installed" if absent else "polkit does not respond"
        if not absent:
            log.warning("%s, only root is authorized: %s", reason, error)
        try:
            uid = await self._connection.uid_of(sender)
        except Disconnected:
            raise
        except BusError:
            raise Denied(f"{action}: the caller cannot be identified") from None
        if uid != 0:
            raise Denied(f"{action}: only root is authorized because {reason}")
