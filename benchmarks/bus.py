"""Ten thousand expectations at once, over D-Bus: latency, losses, memory; one subscriber, four, one that sleeps.

    python benchmarks/bus.py [COUNT]

Needs dbus-daemon and root (without polkit only root may subscribe). Nothing touches the kernel's tables: the service is
the real one, the events are made up and enter where those of the kernel do.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support")]

from message_bus import MessageBus, Program  # noqa: E402

from fwhelpers.dbus import names  # noqa: E402
from fwhelpers.dbus.connection import Connection, Message, Target  # noqa: E402

MEGABYTE = 1 << 20


class Subscriber:
    """Counts what it gets, and how long that took."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.got = self.lost = self.signals = 0
        self.last = 0.0
        self._news = asyncio.Event()
        connection.on_signal = self._hear

    async def subscribe(self) -> None:
        await self.connection.call(
            Target(names.NAME, names.PATH, names.EXPECTATIONS), "Subscribe", "a{sv}", [{}]
        )

    def _hear(self, signal: Message) -> None:
        self.signals += 1
        if signal.member == "Created":
            self.got += len(signal.body[0])
            self.last = time.monotonic()
        elif signal.member == "EventsLost":
            self.lost += signal.body[0]["count"]
        self._news.set()

    async def wait(self, count: int) -> None:
        while self.got + self.lost < count:
            self._news.clear()
            await self._news.wait()


async def burst(title: str, count: int, subscribers: int, sleeper: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bus = MessageBus(Path(folder))
        service = Program(
            sys.executable, str(ROOT / "tests/support/programs/bus_service.py"), bus.address
        )
        asleep = None
        try:
            service.wait_line("^on D-Bus")
            if sleeper:
                asleep = Program(sys.executable, "-c", SLEEPER, bus.address)
                asleep.wait_line("subscribed")
                asleep.process.send_signal(signal.SIGSTOP)
            listening = [Subscriber(await Connection.open(bus.address)) for _ in range(subscribers)]
            for one in listening:
                await one.subscribe()
            await measure(title, count, bus, service, listening)
            for one in listening:
                one.connection.close()
        finally:
            for program in (asleep, service):
                if program is not None:
                    program.end()
            bus.stop()


async def measure(
    title: str, count: int, bus: MessageBus, service: Program, listening: list[Subscriber]
) -> None:
    memory, of_bus = service.command(do="memory"), bus.memory()
    began = time.monotonic()
    making = asyncio.ensure_future(
        asyncio.to_thread(service.command, do="create", first=0, count=count)
    )
    slowest_answer = 0.0
    while not making.done() or any(one.got + one.lost < count for one in listening):
        asked = time.monotonic()
        await listening[0].connection.call(Target(names.NAME, names.PATH, names.PEER), "Ping")
        slowest_answer = max(slowest_answer, time.monotonic() - asked)
        await asyncio.sleep(0.02)
    for one in listening:
        await one.wait(count)
    last = max(one.last for one in listening) - began
    row: dict[str, Any] = {
        "case": title, "events": count, "all told after": f"{last:.2f} s",
        "events/s": round(count * len(listening) / last),
        "signals": sum(one.signals for one in listening),
        "lost": sum(one.lost for one in listening),
        "slowest answer meanwhile": f"{slowest_answer * 1000:.0f} ms",
        "service": f"+{(service.command(do='memory') - memory) / MEGABYTE:.1f} MB",
        "bus": f"+{(bus.memory() - of_bus) / MEGABYTE:.1f} MB",
    }  # fmt: skip
    print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


SLEEPER = """
import asyncio, sys
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Target

async def main():
    connection = await Connection.open(sys.argv[1])
    await connection.call(Target(names.NAME, names.PATH, names.EXPECTATIONS), "Subscribe", "a{sv}", [{}])
    print("subscribed", flush=True)
    await connection.wait_closed()
asyncio.run(main())
"""


async def single(count: int = 50) -> None:
    """How long after the kernel's event does a subscriber know?"""
    with tempfile.TemporaryDirectory() as folder:
        bus = MessageBus(Path(folder))
        service = Program(
            sys.executable, str(ROOT / "tests/support/programs/bus_service.py"), bus.address
        )
        try:
            service.wait_line("^on D-Bus")
            one = Subscriber(await Connection.open(bus.address))
            await one.subscribe()
            took = []
            for number in range(count):
                began = time.monotonic()
                await asyncio.to_thread(
                    service.command, do="create", first=number, count=1, words=True
                )
                await one.wait(number + 1)
                took.append(one.last - began)
            took.sort()
            print(
                f"one at a time: median {took[count // 2] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms"
            )
            one.connection.close()
        finally:
            service.end()
            bus.stop()


async def main(count: int) -> None:
    await single()
    await burst("one subscriber", count, 1, False)
    await burst("four subscribers", count, 4, False)
    await burst("one, and one that sleeps", count, 1, True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
