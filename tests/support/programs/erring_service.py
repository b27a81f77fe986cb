"""A service that replies to each call with an error, or with empty dictionaries.

erring_service.py ADDRESS BUS_NAME ERROR TEXT; ERROR is "-" for empty dictionaries, "exit" to leave the bus.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Message
from fwhelpers.dbus.introspection import all_interfaces

EMPTY: dict[str, Any] = {"a{sv}": {}, "aa{sv}": [{}], "s": ""}


def result_of(call: Message) -> tuple[str, list[Any]]:
    """Return the signature and the values of a reply without keys."""
    if call.interface == names.PROPERTIES:
        return "a{sv}", [{}]
    signature = all_interfaces()[call.interface].methods[call.member].result
    values, rest = [], signature
    while rest:
        kind = next(kind for kind in EMPTY if rest.startswith(kind))
        values.append(EMPTY[kind])
        rest = rest[len(kind) :]
    return signature, values


async def main(address: str, name: str, error: str, text: str) -> None:
    connection = await Connection.open(address)
    tasks = set()

    async def answer(call: Message) -> None:
        if error == "exit":
            os._exit(0)
        if error == "-":
            await connection.reply(call, *result_of(call))
        else:
            await connection.reply_error(call, error, text)

    def take(call: Message) -> None:
        task = asyncio.get_running_loop().create_task(answer(call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    connection.on_call = take
    assert await connection.request_name(name)
    print("on the bus", flush=True)
    await connection.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
