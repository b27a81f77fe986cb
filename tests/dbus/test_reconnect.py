"""The service survives a missing bus, a restart of the bus and a bus name that is taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from message_bus import BusClient, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import Disconnected


async def version(client: BusClient) -> str:
    (value,) = await client.call(names.PROPERTIES, "Get", "ss", names.MANAGER, "Version")
    return str(value)


def test_the_bus_starts_after_the_service(bus: MessageBus, start: Starter, play: Play) -> None:
    bus.stop()
    service = start("bus_service.py", line="^not on D-Bus: no message bus at")
    bus.start()
    service.wait_line("^on D-Bus as")
    assert play(version) == "9"
    # a bus that is starting may cause another, different warning
    assert len([line for line in service.lines if "no message bus at" in line]) == 1


def test_the_bus_restarts(bus: MessageBus, service: Program, play: Play) -> None:
    assert play(version) == "9"
    bus.stop()
    service.wait_line("lost the connection to the message bus")
    service.command(do="create", first=0, count=10)
    bus.start()
    service.wait_line("^on D-Bus as", after=len(service.lines) - 1)
    assert play(version) == "9"
    assert service.command(do="state") == {"ring": 0, "readers": 0, "tracked": 10}


def test_subscriptions_end_with_the_bus_connection(
    bus: MessageBus, service: Program, play: Play
) -> None:
    async def scenario(client: BusClient) -> None:
        await client.expectations("Subscribe", "a{sv}", {})
        await asyncio.to_thread(bus.stop)
        await client.connection.wait_closed()
        with pytest.raises(Disconnected):
            await version(client)

    play(scenario)
    service.wait_line("lost the connection to the message bus")
    service.command(do="create", first=0, count=5000)
    assert service.command(do="state")["readers"] == 0


def test_the_name_is_taken(bus: MessageBus, service: Program, start: Starter) -> None:
    start("bus_service.py", line="another process owns the name")
    service.command(do="state")


def test_a_missing_bus_is_reported(tmp_path: Path) -> None:
    async def scenario() -> str:
        with pytest.raises(Disconnected) as caught:
            await Connection.open(f"unix:path={tmp_path}/nothing")
        return str(caught.value)

    assert (
        asyncio.run(scenario())
        == f"no message bus at {tmp_path}/nothing: No such file or directory"
    )


def test_a_socket_that_is_no_bus(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> str:
        server = await asyncio.start_unix_server(hang_up, tmp_path / "bus")
        async with server:
            with pytest.raises(Disconnected) as caught:
                await Connection.open(f"unix:path={tmp_path}/bus")
            return str(caught.value)

    assert "refused the connection" in asyncio.run(scenario())


def test_a_descriptor_can_be_used_again_after_closing(bus: MessageBus) -> None:
    async def scenario() -> set[str]:
        unique_names = set()
        for _ in range(5):
            connection = await Connection.open(bus.address)
            assert await connection.uid_of(connection.name) >= 0
            unique_names.add(connection.name)
            connection.close()
        return unique_names

    assert len(asyncio.run(scenario())) == 5
