"""No bus, a bus that goes, a bus that comes back, a name that somebody has: the service goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from message_bus import Client, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Disconnected


async def version(client: Client) -> str:
    (found,) = await client.call(names.PROPERTIES, "Get", "ss", names.MANAGER, "Version")
    return str(found)


def test_the_bus_comes_late(bus: MessageBus, start: Starter, play: Play) -> None:
    bus.stop()
    service = start("bus_service.py", line="^not on D-Bus: no message bus at")
    bus.start()
    service.wait_line("^on D-Bus as")
    assert play(version) == "9"
    # a bus that is just coming up may be told of as well, in other words
    assert len([line for line in service.lines if "no message bus at" in line]) == 1


def test_the_bus_goes_and_comes_back(bus: MessageBus, service: Program, play: Play) -> None:
    assert play(version) == "9"
    bus.stop()
    service.wait_line("the message bus has gone")
    service.say(do="create", first=0, count=10)
    bus.start()
    service.wait_line("^on D-Bus as", after=len(service.lines) - 1)
    assert play(version) == "9"
    assert service.say(do="state") == {"ring": 0, "readers": 0, "tracked": 10}


def test_subscribers_of_a_bus_that_went_are_forgotten(
    bus: MessageBus, service: Program, play: Play
) -> None:
    async def scenario(client: Client) -> None:
        await client.expectations("Subscribe", "a{sv}", {})
        await asyncio.to_thread(bus.stop)
        await client.connection.wait_closed()
        with pytest.raises(Disconnected):
            await version(client)

    play(scenario)
    service.wait_line("the message bus has gone")
    service.say(do="create", first=0, count=5000)
    assert service.say(do="state")["readers"] == 0


def test_somebody_else_has_the_name(bus: MessageBus, service: Program, start: Starter) -> None:
    start("bus_service.py", line="another process has the name")
    service.say(do="state")


def test_what_is_no_bus_is_told(tmp_path: Path) -> None:
    async def scenario() -> str:
        with pytest.raises(Disconnected) as caught:
            await Connection.open(f"unix:path={tmp_path}/nothing")
        return str(caught.value)

    assert (
        asyncio.run(scenario())
        == f"no message bus at {tmp_path}/nothing: No such file or directory"
    )


def test_a_peer_that_hangs_up_at_once(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> str:
        server = await asyncio.start_unix_server(hang_up, tmp_path / "bus")
        async with server:
            with pytest.raises(Disconnected) as caught:
                await Connection.open(f"unix:path={tmp_path}/bus")
            return str(caught.value)

    assert "can't be used" in asyncio.run(scenario())


def test_a_closed_connection_s_number_serves_the_next(bus: MessageBus) -> None:
    async def scenario() -> set[str]:
        names_given = set()
        for _ in range(5):
            connection = await Connection.open(bus.address)
            assert await connection.uid_of(connection.name) >= 0
            names_given.add(connection.name)
            connection.close()
        return names_given

    assert len(asyncio.run(scenario())) == 5
