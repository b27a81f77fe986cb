"""May this caller do that? polkit decides; where there is none, only root may.

The question is asked about the caller's connection, not about its process, so that nobody can slip into a process id.
"""

from __future__ import annotations

import logging
from typing import Any

from fwhelpers.dbus.connection import TIMEOUT, BusError, Connection, Disconnected
from fwhelpers.dbus.fields import Typed

log = logging.getLogger("fwhelpers")

_NAME, _PATH = "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"
_INTERFACE = "org.freedesktop.PolicyKit1.Authority"
_INTERACTION = 1  # CheckAuthorizationFlags.AllowUserInteraction

#: what the bus answers where polkit is not installed, or is installed and can't be started
_ABSENT = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.UnknownObject",
}
_SPAWN = "org.freedesktop.DBus.Error.Spawn."


class Denied(Exception):
    """Why not, for people."""


class Authority:
    """Asks polkit over the connection on which the call came."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._questions = 0

    async def check(self, sender: str, action: str, interactive: bool) -> None:
        """Return if the sender may. `interactive`: its user may be asked for a password, which can take minutes.

        Raises Denied, and Disconnected.
        """
        self._questions += 1
        question = f"{self._connection.name}/{self._questions}"
        body: tuple[object, ...] = (
            ("system-bus-name", {"name": Typed("s", sender)}), action, {},
            _INTERACTION if interactive else 0, question,
        )  # fmt: skip
        try:
            (answer,) = await self._ask("CheckAuthorization", "(sa{sv})sa{ss}us", body, interactive)
        except (BusError, TimeoutError) as error:
            await self._only_root(sender, action, error)
            return
        except BaseException:  # the caller has gone: take its password dialogue away
            await self._cancel(question)
            raise
        allowed, challenge = answer[0], answer[1]
        if allowed:
            return
        if challenge and not interactive:
            raise Denied(f"{action} needs authentication, which the call does not allow")
        raise Denied(f"you are not authorized: {action}")

    async def _ask(
        self, member: str, signature: str, body: tuple[object, ...], patient: bool
    ) -> list[Any]:
        patience = None if patient else TIMEOUT
        return await self._connection.call(
            _NAME, _PATH, _INTERFACE, member, signature, body, patience=patience
        )

    async def _cancel(self, question: str) -> None:
        try:
            await self._ask("CancelCheckAuthorization", "s", (question,), False)
        except (BusError, Disconnected, TimeoutError) as error:
            log.debug("polkit: %s", error)

    async def _only_root(self, sender: str, action: str, error: Exception) -> None:
        absent = isinstance(error, BusError) and (
            error.name in _ABSENT or error.name.startswith(_SPAWN)
        )
        if not absent:
            log.warning("polkit does not answer, only root may now: %s", error)
        try:
            uid = await self._connection.uid_of(sender)
        except (BusError, TimeoutError):
            raise Denied(f"{action}: the caller can't be identified") from None
        if uid != 0:
            why = "polkit is not there" if absent else "polkit does not answer"
            raise Denied(f"{action}: only root may, as {why}")
