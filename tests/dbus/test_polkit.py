"""Rights: polkit is asked for the caller, each time; without it only root may."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from message_bus import Client, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Connection

pytestmark = pytest.mark.usefixtures("service")

ALL = {names.DETAILS: "yes", names.RELOAD: "yes", names.MANAGE: "yes"}


def authority(start: Starter, **words: str) -> Program:
    table = {getattr(names, key.upper()): word for key, word in words.items()}
    return start("polkit_fake.py", json.dumps(table), line="polkit is there")


CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("details", (names.MANAGER, "GetRuleset")),
    ("details", (names.MANAGER, "Probe")),
    ("details", (names.EXPECTATIONS, "List", "a{sv}", {})),
    ("details", (names.EXPECTATIONS, "Subscribe", "a{sv}", {})),
    ("manage", (names.MANAGER, "EnableHelper", "sa{sv}", "rpc", {})),
    ("manage", (names.MANAGER, "DisableHelper", "sa{sv}", "rpc", {})),
]


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_each_method_asks_for_its_own_action(
    start: Starter, play: Play, action: str, call: tuple[Any, ...]
) -> None:
    authority(start, **{action: "yes"})

    async def scenario(client: Client) -> None:
        await client.call(*call)

    play(scenario)


@pytest.mark.parametrize(
    ("action", "call"), [*CALLS, ("reload", (names.MANAGER, "Reload", "a{sv}", {}))]
)
def test_refused_without_it_whatever_else_is_allowed(
    start: Starter, play: Play, action: str, call: tuple[Any, ...]
) -> None:
    others = {other: "yes" for other in ("details", "reload", "manage") if other != action}
    authority(start, **others)

    async def scenario(client: Client) -> BusError:
        with pytest.raises(BusError) as caught:
            await client.call(*call)
        return caught.value

    error = play(scenario)
    assert error.name == names.NOT_AUTHORIZED
    assert str(error) == f"you are not authorized: {names.NAME}.{action}"


def test_it_is_asked_about_the_caller(start: Starter, bus: MessageBus, play: Play) -> None:
    polkit = authority(start, details="yes")

    async def scenario(client: Client) -> list[str]:
        other = Client(await Connection.open(bus.address))
        try:
            await other.manager("GetRuleset")
            await client.manager("GetRuleset")
            return [other.connection.name, client.connection.name]
        finally:
            other.connection.close()

    callers = play(scenario)
    asked = [json.loads(line) for line in polkit.wait_lines("^{", 2)]
    assert [one["name"] for one in asked] == callers
    assert {one["kind"] for one in asked} == {"system-bus-name"}


def test_reading_the_state_asks_nobody(start: Starter, play: Play) -> None:
    polkit = authority(start)

    async def scenario(client: Client) -> None:
        await client.manager("ListHelpers")
        await client.manager("GetCounters")
        await client.call(names.PROPERTIES, "GetAll", "s", names.MANAGER)
        await client.call(names.OBJECT_MANAGER, "GetManagedObjects")

    play(scenario)
    assert not [line for line in polkit.lines if line.startswith("{")]


def test_a_password_is_asked_for_only_if_the_caller_allows_it(start: Starter, play: Play) -> None:
    polkit = authority(start, details="challenge")

    async def scenario(client: Client) -> tuple[BusError, list[Any]]:
        with pytest.raises(BusError) as caught:
            await client.manager("GetRuleset")
        return caught.value, await client.manager("GetRuleset", interactive=True)

    error, allowed = play(scenario)
    assert error.name == names.NOT_AUTHORIZED
    assert "needs authentication" in str(error)
    assert allowed[0].startswith("table")
    asked = [json.loads(line) for line in polkit.wait_lines("^{", 2)]
    assert [one["flags"] for one in asked] == [0, 1]


def test_a_question_does_not_hold_up_others_and_ends_with_its_caller(
    start: Starter, bus: MessageBus, play: Play
) -> None:
    polkit = authority(start, manage="hang", details="yes")

    async def scenario(client: Client) -> None:
        import asyncio

        other = Client(await Connection.open(bus.address))
        waiting = asyncio.ensure_future(
            other.manager("EnableHelper", "sa{sv}", "rpc", {}, interactive=True)
        )
        await asyncio.to_thread(polkit.wait_line, "manage")
        (ruleset,) = await client.manager("GetRuleset")
        assert ruleset
        other.connection.close()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(polkit.wait_line, "cancelled")

    play(scenario)
    asked = [json.loads(line) for line in polkit.lines if line.startswith("{")]
    (cancelled,) = [one["cancelled"] for one in asked if "cancelled" in one]
    assert cancelled == next(one["question"] for one in asked if one["action"] == names.MANAGE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_without_polkit_only_root_may(service: Program, bus: MessageBus, play: Play) -> None:
    async def scenario(client: Client) -> list[Any]:
        return await client.manager("GetRuleset")

    assert play(scenario)
    bus.socket.parent.chmod(0o755)
    for folder in (bus.socket.parent, *bus.socket.parent.parents):
        if folder.stat().st_uid == 0 and folder.name:
            folder.chmod(folder.stat().st_mode | 0o011)
    done = as_nobody(bus, "GetRuleset")
    assert names.NOT_AUTHORIZED in done
    assert "only root may, as polkit is not there" in done
    assert "Traceback" not in done
    assert "ftp" in as_nobody(bus, "ListHelpers")


def as_nobody(bus: MessageBus, member: str) -> str:
    import subprocess

    argv = ["gdbus", "call", "--address", bus.address, "--dest", names.NAME, "--object-path",
            names.PATH, "--method", f"{names.MANAGER}.{member}"]  # fmt: skip
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr
