"""A message bus of its own for each test."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from message_bus import BusClient, MessageBus, Play, Program, Starter

from fwhelpers.dbus.connection import Connection

PROGRAMS = Path(__file__).parents[1] / "support" / "programs"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[MessageBus]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("no dbus-daemon (apt-get install dbus)")
    message_bus = MessageBus(tmp_path)
    yield message_bus
    message_bus.stop()


@pytest.fixture
def start(bus: MessageBus) -> Iterator[Starter]:
    """Start a Python program of this folder on the bus."""
    running: list[Program] = []

    def begin(script: str, *arguments: str, line: str) -> Program:
        program = Program(
            sys.executable, str(PROGRAMS / script), bus.address, *arguments, env=bus.env
        )
        running.append(program)
        program.wait_line(line)
        return program

    yield begin
    for program in reversed(running):
        program.end()


@pytest.fixture
def service(start: Starter) -> Program:
    return start("bus_service.py", line="^on D-Bus")


@pytest.fixture
def play(bus: MessageBus) -> Play:
    """Run a scenario with a client of ours."""

    def run(scenario: Callable[[BusClient], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            connection = await Connection.open(bus.address)
            try:
                return await scenario(BusClient(connection))
            finally:
                connection.close()

        return asyncio.run(whole())

    return run
