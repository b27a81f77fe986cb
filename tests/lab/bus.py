"""The lab's gateway with a message bus of its own and the service on it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from message_bus import CONFIG, BusClient

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from lab.process import Process
from lab.topology import FWHELPERS, Lab

POLICY = Path(__file__).parents[2] / "dbus" / f"{names.NAME}.conf"
SOCKET = "/run/lab/bus"
ENV = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={SOCKET}"}


class Gateway:
    """The lab's gateway with a bus and the service."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.space = lab.namespaces["g"]
        config = CONFIG.format(socket=SOCKET, policy=POLICY, user=0)
        self.space.path("/run/lab/bus.conf").write_text(config)
        self.bus = self.start_bus()

    def start_bus(self) -> Process:
        self.space.path(SOCKET).unlink(missing_ok=True)
        argv = ("dbus-daemon", "--config-file=/run/lab/bus.conf", "--nofork", "--print-address")
        bus = self.lab.popen("g", *argv, "--nosyslog", name="dbus-daemon")
        bus.wait_line("^unix:")
        return bus

    def start(self, toml: str) -> Process:
        command = (*FWHELPERS, "run", "--config", self.lab.config(toml))
        daemon = self.lab.popen("g", *command, name="fwhelpers", env={**os.environ, **ENV})
        daemon.wait_line("^fwhelpers: ready")
        daemon.wait_line("on D-Bus as")
        return daemon

    def command(self, *arguments: str, check: bool = True) -> Any:
        done = self.lab.fwhelpers(*arguments, check=check, env={**os.environ, **ENV})
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if "--json" in arguments and done.stdout else done

    def play(self, scenario: Callable[[BusClient], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            address = f"unix:path={self.space.path(SOCKET)}"
            connection = await Connection.open(address)
            try:
                client = BusClient(connection)
                await client.listen()
                await client.expectations("Subscribe", "a{sv}", {})
                return await scenario(client)
            finally:
                connection.close()

        return asyncio.run(whole())
