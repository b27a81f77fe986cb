"""Authorization: polkit decides on the caller of each call; without polkit only root is authorized."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from message_bus import BusClient, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import BusError

pytestmark = pytest.mark.usefixtures("service")

ALL = {names.DETAILS: "yes", names.RELOAD: "yes", names.MANAGE: "yes"}


def authority(start: Starter, **decisions: str) -> Program:
    table = {getattr(names, key.upper()): decision for key, decision in decisions.items()}
    return start("polkit_fake.py", json.dumps(table), line="polkit is there")


CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("details", (names.MANAGER, "GetRuleset")),
    ("details", (names.MANAGER, "CheckKernel")),
    ("details", (names.EXPECTATIONS, "List", "a{sv}", {})),
    ("details", (names.EXPECTATIONS, "Subscribe", "a{sv}", {})),
    ("manage", (names.MANAGER, "EnableHelper", "sa{sv}", "rpc", {})),
    ("manage", (names.MANAGER, "DisableHelper", "sa{sv}", "rpc", {})),
]


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_each_method_requires_its_own_action(
    start: Starter, play: Play, action: str, call: tuple[Any, ...]
) -> None:
    authority(start, **{action: "yes"})

    async def scenario(client: BusClient) -> None:
        await client.call(*call)

    play(scenario)


@pytest.mark.parametrize(
    ("action", "call"), [*CALLS, ("reload", (names.MANAGER, "Reload", "a{sv}", {}))]
)
def test_other_actions_do_not_authorize_a_method(
    start: Starter, play: Play, action: str, call: tuple[Any, ...]
) -> None:
    others = {other: "yes" for other in ("details", "reload", "manage") if other != action}
    authority(start, **others)

    async def scenario(client: BusClient) -> BusError:
        with pytest.raises(BusError) as caught:
            await client.call(*call)
        return caught.value

    error = play(scenario)
    assert error.name == names.NOT_AUTHORIZED
    assert str(error) == f"not authorized: {getattr(names, action.upper())}"


def test_the_subject_is_the_bus_connection_of_the_caller(
    start: Starter, bus: MessageBus, play: Play
) -> None:
    polkit = authority(start, details="yes")

    async def scenario(client: BusClient) -> list[str]:
        other = BusClient(await Connection.open(bus.address))
        try:
            await other.manager("GetRuleset")
            await client.manager("GetRuleset")
            return [other.connection.name, client.connection.name]
        finally:
            other.connection.close()

    callers = play(scenario)
    checks = [json.loads(line) for line in polkit.wait_lines("^{", 2)]
    assert [check["name"] for check in checks] == callers
    assert {check["kind"] for check in checks} == {"system-bus-name"}


def test_reading_the_state_needs_no_authorization(start: Starter, play: Play) -> None:
    polkit = authority(start)

    async def scenario(client: BusClient) -> None:
        await client.manager("ListHelpers")
        await client.manager("GetCounters")
        await client.call(names.PROPERTIES, "GetAll", "s", names.MANAGER)
        await client.call(names.OBJECT_MANAGER, "GetManagedObjects")

    play(scenario)
    assert not [line for line in polkit.lines if line.startswith("{")]


def test_interaction_only_if_the_caller_allows_it(start: Starter, play: Play) -> None:
    polkit = authority(start, details="challenge")

    async def scenario(client: BusClient) -> tuple[BusError, list[Any]]:
        with pytest.raises(BusError) as caught:
            await client.manager("GetRuleset")
        return caught.value, await client.manager("GetRuleset", interactive=True)

    error, allowed = play(scenario)
    assert error.name == names.NOT_AUTHORIZED
    assert "requires authentication" in str(error)
    assert allowed[0].startswith("table")
    checks = [json.loads(line) for line in polkit.wait_lines("^{", 2)]
    assert [check["flags"] for check in checks] == [0, 1]


def test_a_pending_authorization_delays_no_other_call_and_ends_with_its_caller(
    start: Starter, bus: MessageBus, play: Play
) -> None:
    polkit = authority(start, manage="hang", details="yes")

    async def scenario(client: BusClient) -> None:
        import asyncio

        other = BusClient(await Connection.open(bus.address))
        waiting = asyncio.ensure_future(
            other.manager("EnableHelper", "sa{sv}", "rpc", {}, interactive=True)
        )
        await asyncio.to_thread(polkit.wait_line, "manage-helpers")
        (ruleset,) = await client.manager("GetRuleset")
        assert ruleset
        other.connection.close()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(polkit.wait_line, "cancelled")

    play(scenario)
    checks = [json.loads(line) for line in polkit.lines if line.startswith("{")]
    (cancelled,) = [check["cancelled"] for check in checks if "cancelled" in check]
    assert cancelled == next(c["question"] for c in checks if c.get("action") == names.MANAGE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_without_polkit_only_root_is_authorized(
    service: Program, bus: MessageBus, play: Play
) -> None:
    async def scenario(client: BusClient) -> list[Any]:
        return await client.manager("GetRuleset")

    assert play(scenario)
    bus.socket.parent.chmod(0o755)
    for folder in (bus.socket.parent, *bus.socket.parent.parents):
        if folder.stat().st_uid == 0 and folder.name:
            folder.chmod(folder.stat().st_mode | 0o011)
    done = as_nobody(bus, "GetRuleset")
    assert names.NOT_AUTHORIZED in done
    assert "only root is authorized because polkit is not installed" in done
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
