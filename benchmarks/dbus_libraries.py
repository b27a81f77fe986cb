"""Compares dbus-fast and dbus-next: round trips, encoding, decoding and a burst of signals.

Run on a message bus that allows everything: dbus_libraries.py dbus_fast|dbus_next ADDRESS
Prints rates per second of processor time, both ends together, so that other load does not count.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import sys
import time
from typing import Any

ROUND_TRIPS, SIGNALS, BATCH, BURST = 3000, 150, 64, 2000


class Benchmark:
    def __init__(self, name: str, server: Any, client: Any) -> None:
        self._name, self._server, self._client = name, server, client
        self._library = importlib.import_module(name)

    def _message(self, **fields: Any) -> Any:
        return self._library.Message(path="/x", interface="a.b", **fields)

    def _expectation(self, number: int) -> dict[str, Any]:
        variant = self._library.Variant
        master = {"source": variant("s", "10.0.1.2"), "source_port": variant("q", 40000)}
        return {
            "id": variant("s", f"{number:08x}-{number}"), "helper": variant("s", "ftp"),
            "destination": variant("s", "10.0.2.2"), "destination_port": variant("q", 2000),
            "flags": variant("as", ["permanent"]), "timeout": variant("u", 60),
            "master": variant("a{sv}", master),
        }  # fmt: skip

    async def round_trips(self) -> float:
        kinds = self._library.MessageType

        def reply(message: Any) -> Any:
            if message.message_type is kinds.METHOD_CALL and message.member == "Echo":
                return self._library.Message.new_method_return(message, "s", message.body)
            return None

        self._server.add_message_handler(reply)
        start = time.process_time()
        for _ in range(ROUND_TRIPS):
            call = self._message(
                destination=self._server.unique_name, member="Echo", signature="s", body=["hello"]
            )
            await self._client.call(call)
        return ROUND_TRIPS / (time.process_time() - start)

    def codec(self) -> tuple[float, float]:
        """Expectations encoded and decoded per second, in signals of BATCH."""
        unmarshaller = importlib.import_module(f"{self._name}._private.unmarshaller").Unmarshaller
        signal = self._message(
            message_type=self._library.MessageType.SIGNAL, member="Created", signature="aa{sv}",
            body=[[self._expectation(number) for number in range(BATCH)]],
        )  # fmt: skip
        start = time.process_time()
        for _ in range(SIGNALS):
            data = bytes(signal._marshall(False))
        encoded = time.process_time()
        for _ in range(SIGNALS):
            unmarshaller(io.BytesIO(data)).unmarshall()
        decoded = time.process_time()
        return SIGNALS * BATCH / (encoded - start), SIGNALS * BATCH / (decoded - encoded)

    async def burst(self) -> str:
        """Send BURST signals without waiting."""
        numbers: list[int] = []

        def collect(message: Any) -> None:
            if message.member == "Burst":
                numbers.append(message.body[0])

        self._server.add_message_handler(collect)
        for number in range(BURST):
            signal = self._message(
                message_type=self._library.MessageType.SIGNAL, member="Burst", signature="us",
                destination=self._server.unique_name, body=[number, "x" * 500],
            )  # fmt: skip
            self._client.send(signal)
        received = -1
        while received != len(numbers):
            received = len(numbers)
            await asyncio.sleep(1)
        order = "in order" if numbers == sorted(numbers) else "out of order"
        state = "connected" if self._client.connected else "connection lost"
        return f"{received} of {BURST} {order}, {state}"


async def main(name: str, address: str) -> None:
    aio = importlib.import_module(f"{name}.aio")
    server = await aio.MessageBus(bus_address=address).connect()
    client = await aio.MessageBus(bus_address=address).connect()
    benchmark = Benchmark(name, server, client)
    encoded, decoded = benchmark.codec()
    print(f"{name} on Python {sys.version.split()[0]}")
    print(f"round trips: {await benchmark.round_trips():.0f} a second")
    print(f"expectations encoded: {encoded:.0f} a second, decoded: {decoded:.0f} a second")
    print(f"burst: {await benchmark.burst()}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
