"""An authority that decides by a table: polkit_fake.py ADDRESS '{"ACTION": "yes" | "no" | "challenge" | "hang"}'

It prints each question, and whom it was asked about.
"""

from __future__ import annotations

import asyncio
import json
import sys

from fwhelpers.dbus.connection import Connection, Message

NAME = "org.freedesktop.PolicyKit1"


async def main(address: str, table: dict[str, str]) -> None:
    connection = await Connection.open(address)
    tasks = set()

    async def answer(call: Message) -> None:
        if call.member == "CancelCheckAuthorization":
            print(json.dumps({"cancelled": call.body[0]}), flush=True)
            await connection.reply(call)
            return
        (kind, details), action, _, flags, question = call.body
        asked = {"kind": kind, "name": details["name"], "action": action, "flags": flags,
                 "question": question}  # fmt: skip
        print(json.dumps(asked), flush=True)
        word = table.get(action, "no")
        if word == "hang":
            return
        result = (word == "yes" or (word == "challenge" and flags == 1), word == "challenge", {})
        await connection.reply(call, "(bba{ss})", [result])

    def take(call: Message) -> None:
        task = asyncio.get_running_loop().create_task(answer(call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    connection.on_call = take
    assert await connection.request_name(NAME)
    print("polkit is there", flush=True)
    await connection.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
