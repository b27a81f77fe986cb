"""Publishes the service on the system bus; reconnects, and runs without one."""

from __future__ import annotations

import asyncio
import logging

from fwhelpers.dbus import names
from fwhelpers.dbus.address import system_bus_address
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.service.control import Control, Notification
from fwhelpers.dbus.service.session import Session
from fwhelpers.events.stream import EventStream

log = logging.getLogger("fwhelpers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  #: seconds between attempts to connect


class Server:
    """`run` never returns; cancel it."""

    def __init__(self, control: Control, events: EventStream, address: str = "") -> None:
        self._control = control
        self._events = events
        self._address = address or system_bus_address()
        self._session: Session | None = None
        self._logged = ""
        control.listen(self._notify)

    async def run(self) -> None:
        """Serve while there is a bus; try to connect while there is none."""
        pause = FIRST_PAUSE
        while True:
            try:
                served = await self._serve()
            except Exception:  # a bug here must not stop packet inspection
                log.exception("D-Bus service failed")
                served = False
            if served:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _notify(self, notification: Notification) -> None:
        if self._session is not None:
            self._session.notify(notification)

    async def _serve(self) -> bool:
        """Serve one connection to its end; return False if that failed early."""
        try:
            connection = await Connection.open(self._address)
            try:
                return await self._serve_on(connection)
            finally:
                connection.close()
        except (BusError, FileNotFoundError) as error:
            self._log_once(f"not on D-Bus: {error}")
            return False

    async def _serve_on(self, connection: Connection) -> bool:
        self._session = Session(connection, self._control, self._events)
        try:
            serving = asyncio.get_running_loop().create_task(self._session.run())
            try:
                if not await connection.request_name(names.NAME):
                    self._log_once(f"not on D-Bus: another process owns the name {names.NAME}")
                    return False
                log.info("on D-Bus as %s", names.NAME)
                self._logged = ""
                await asyncio.shield(serving)
                log.warning("lost the connection to the message bus; reconnecting")
                return True
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
        finally:
            self._session = None

    def _log_once(self, text: str) -> None:
        if text != self._logged:
            log.warning("%s", text)
        self._logged = text
