"""Random calls with random arguments get a reply or an error, never a traceback, over a real bus."""

from __future__ import annotations

import random
from typing import Any

from message_bus import BusClient, Play, Program

from fwhelpers.dbus import names
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.fields import Typed
from fwhelpers.dbus.introspection import all_interfaces

VALUES: list[tuple[str, Any]] = [
    ("s", ""), ("s", "ftp"), ("s", "../../etc"), ("s", "\udcff\0"), ("s", "x" * 5000), ("s", "-1"),
    ("s", "1-99999999999999999999"), ("u", 0), ("u", 0xFFFFFFFF), ("b", True), ("as", []),
    ("as", ["created", "refused"]), ("as", ["x"] * 50), ("t", 1 << 63), ("v", Typed("s", "deep")),
    ("a{sv}", {}), ("a{sv}", {"a": Typed("a{sv}", {"b": Typed("v", Typed("i", -1))})}),
]  # fmt: skip
PATHS = [names.PATH, "/", "/io", names.helper_path("ftp"), names.worker_path(1000), "/a/b"]
KEYS = ["persist", "helper", "state", "limit", "after", "helpers", "events", ""]


def body(choice: random.Random, signature: str) -> tuple[str, list[Any]]:
    """Arguments, mostly of the method's signature."""
    if choice.random() < 0.2:
        typed = choice.choices(VALUES, k=choice.randrange(3))
        return "".join(s for s, _ in typed), [value for _, value in typed]
    parts = signature.replace("a{sv}", "D")
    return signature, [_value(choice, part) for part in parts]


def _value(choice: random.Random, part: str) -> Any:
    if part == "D":
        return {
            choice.choice(KEYS): Typed(*choice.choice(VALUES)) for _ in range(choice.randrange(3))
        }
    if part == "v":
        return Typed(*choice.choice(VALUES))
    texts = [value for signature, value in VALUES if signature == "s"]
    return choice.choice([*texts, *names.INTERFACES, "Version", "Enabled"])


def test_random_calls(service: Program, play: Play) -> None:
    service.command(do="create", first=0, count=10)
    choice = random.Random(20261125)
    methods = [
        (interface.name, member, method.arguments)
        for interface in all_interfaces().values()
        for member, method in interface.methods.items()
    ]

    async def scenario(client: BusClient) -> tuple[int, list[BusError]]:
        replies, errors = 0, []
        for _ in range(600):
            interface, member, takes = choice.choice(methods)
            signature, arguments = body(choice, takes)
            path = choice.choice([names.PATH, *PATHS])
            try:
                await client.call(interface, member, signature, *arguments, path=path)
                replies += 1
            except BusError as error:
                errors.append(error)
        return replies, errors

    replies, errors = play(scenario)
    assert replies > 50
    for error in errors:
        # this machine may have no machine ID
        assert error.name != names.FAILED or "machine" in str(error), str(error)
        assert "Traceback" not in str(error)
    assert not [line for line in service.lines if "Traceback" in line]
