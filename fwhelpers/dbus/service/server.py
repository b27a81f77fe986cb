"""The service on the bus: there when the bus is, back when the bus comes back, and no trouble without one."""

from __future__ import annotations

import asyncio
import logging

from fwhelpers.dbus import names
from fwhelpers.dbus.address import system_bus
from fwhelpers.dbus.connection import BusError, Connection, Disconnected
from fwhelpers.dbus.service.control import Control, Notification
from fwhelpers.dbus.service.session import Session
from fwhelpers.events.stream import EventStream

log = logging.getLogger("fwhelpers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  #: seconds between attempts


class Server:
    """`run` never returns; cancel it."""

    def __init__(self, control: Control, events: EventStream, address: str = "") -> None:
        self._control = control
        self._events = events
        self._address = address or system_bus()
        self._session: Session | None = None
        self._complained = ""
        control.listen(self._hear)

    async def run(self) -> None:
        """Serve as long as there is a bus, and look for one as long as there is none."""
        pause = FIRST_PAUSE
        while True:
            try:
                served = await self._serve()
            except Exception:  # a bug here must not cost the packets' inspection
                log.exception("not on D-Bus")
                served = False
            if served:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _hear(self, news: Notification) -> None:
        if self._session is not None:
            self._session.hear(news)

    async def _serve(self) -> bool:
        """Serve one connection to its end; False: it did not come to serving."""
        try:
            connection = await Connection.open(self._address)
        except ImportError:
            self._complain("no D-Bus without python3-dbus-fast (Debian, Fedora: python3-dbus-fast)")
            return False
        except Disconnected as error:
            self._complain(f"not on D-Bus: {error}")
            return False
        try:
            return await self._serve_on(connection)
        except (Disconnected, TimeoutError) as error:
            self._complain(f"not on D-Bus: {error or 'the bus does not answer'}")
            return False
        except (BusError, FileNotFoundError) as error:
            self._complain(f"not on D-Bus: {error}")
            return False
        finally:
            connection.close()

    async def _serve_on(self, connection: Connection) -> bool:
        self._session = Session(connection, self._control, self._events)
        try:
            running = asyncio.get_running_loop().create_task(self._session.run())
            try:
                if not await connection.request_name(names.NAME):
                    self._complain(f"not on D-Bus: another process has the name {names.NAME}")
                    return False
                log.info("on D-Bus as %s", names.NAME)
                self._complained = ""
                await asyncio.shield(running)
                log.warning("the message bus has gone; waiting for it to come back")
                return True
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        finally:
            self._session = None

    def _complain(self, what: str) -> None:
        if what != self._complained:  # once is enough, however long it lasts
            log.warning("%s", what)
        self._complained = what
